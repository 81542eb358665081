"""Inference: jit-compiled, the batch sharded over all devices."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from confemb.classifiers import Network
from confemb.datasets import Dataset

BATCH_SIZE = 256


@functools.partial(jax.jit, static_argnames=("graph", "mirror"))
def _logits(graph: Any, state: Any, images: jax.Array, mirror: bool) -> jax.Array:
    """Return (n, K) float32 logits of (n, H, W, C) uint8 pictures; `mirror` averages with the mirror images'."""
    network = nnx.merge(graph, state, copy=True)
    network.eval()
    logits = network(network.prepare(images))
    if mirror:
        logits = (logits + network(network.prepare(images[:, :, ::-1]))) / 2
    return logits.astype(jnp.float32)


def compiled_logits(network: Any, *, mirror: bool = False) -> Callable[[np.ndarray, int], np.ndarray]:
    """Place a network's weights on all devices, once, and return what turns (batch, size) into float32 logits.

    The batch, at most `size` inputs, is filled up to `size` (and for the devices) and its logits are cut again, so one
    compiled program serves all batches of a size. `network` is called as `network(network.prepare(batch))`.
    """
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    by_batch = NamedSharding(mesh, PartitionSpec("batch"))
    graph, state = nnx.split(network)
    state = jax.device_put(state, NamedSharding(mesh, PartitionSpec()))

    def logits(batch: np.ndarray, size: int) -> np.ndarray:
        size = -(-size // mesh.size) * mesh.size
        filled = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])
        return np.asarray(_logits(graph, state, jax.device_put(filled, by_batch), mirror))[: len(batch)]

    return logits


def batched_logits(
    network: Network, images: np.ndarray, *, mirror: bool = False, batch_size: int = BATCH_SIZE
) -> Iterator[np.ndarray]:
    """Yield (n, K) float32 logits, batch by batch, for every picture once, in order."""
    logits = compiled_logits(network, mirror=mirror)
    for start in range(0, len(images), batch_size):
        yield logits(np.asarray(images[start : start + batch_size]), batch_size)


def evaluate(network: Network, dataset: Dataset) -> tuple[float, float]:
    """Return (mean cross-entropy in nats, accuracy from 0 to 1) over a dataset."""
    loss, right, start = 0.0, 0, 0
    for logits in batched_logits(network, dataset.images):
        labels = dataset.labels[start : start + len(logits)]
        start += len(logits)
        loss += float(optax.softmax_cross_entropy_with_integer_labels(logits, labels).sum())
        right += int((logits.argmax(axis=1) == labels).sum())
    return loss / len(dataset), right / len(dataset)
