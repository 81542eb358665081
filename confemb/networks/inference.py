"""Inference: jit-compiled, the batch sharded over all devices or cores."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from confemb.datasets import Dataset
from confemb.networks import Network
from confemb.networks.convolution import fold_batch_norm, for_cpu, has_batch_norm
from confemb.networks.streams import ON_ONE_CORE, in_streams

BATCH_SIZE = 256

# On CPUs, a core computes this many inputs of a batch at a time, fewer where they have more values than this together
# (a picture of 224 x 224 has 150,528).
CPU_PART = 16
CPU_PART_VALUES = 200_000


def _outputs(graph: Any, mirror: bool, layer: str | None, state: Any, images: jax.Array) -> jax.Array:
    """Return (n, K) float32 logits of (n, H, W, C) uint8 pictures; `mirror` averages with the mirror images'.

    With a `layer` it is that layer's activations instead.
    """
    network = nnx.merge(graph, state, copy=True)
    network.eval()
    asked = {} if layer is None else {"layer": layer}
    outputs = network(network.prepare(images), **asked)
    if mirror:
        outputs = (outputs + network(network.prepare(images[:, :, ::-1]), **asked)) / 2
    return outputs.astype(jnp.float32)


_STATIC = ("graph", "mirror", "layer")
_on_all_devices = jax.jit(_outputs, static_argnames=_STATIC)
_on_one_core = jax.jit(_outputs, static_argnames=_STATIC, compiler_options=ON_ONE_CORE)


def _part(network: Any, batch: np.ndarray) -> int:
    """Return how many inputs a core computes at a time: few enough for its caches."""
    prepared = jax.eval_shape(network.prepare, jax.ShapeDtypeStruct((1, *batch.shape[1:]), batch.dtype))
    values = sum(leaf.size for leaf in jax.tree.leaves(prepared))
    return max(min(CPU_PART, CPU_PART_VALUES // max(values, 1)), 1)


class Prepared(nnx.Module):
    """A module with a function that makes its input, compiled with it."""

    def __init__(self, module: nnx.Module, prepare: Callable[[Any], Any]) -> None:
        """Put the two together; the module is called as it is."""
        self.module = module
        self.prepare = prepare

    def __call__(self, inputs: Any, **asked: Any) -> Any:
        """Return what the module returns for input made by `prepare`."""
        return self.module(inputs, **asked)


class CompiledLogits(Protocol):
    """Turns a batch, at most `size` inputs, into (n, K) float32 logits, or into the activations of a layer."""

    def __call__(self, batch: np.ndarray, size: int, *, layer: str | None = None) -> np.ndarray:
        """Return them for the batch alone, in its order."""
        ...


def compiled_logits(network: Any, *, mirror: bool = False) -> CompiledLogits:
    """Return what turns (batch, size) into float32 logits, computed on all devices, or on all cores of all processes.

    The batch, at most `size` inputs, is filled up (on accelerators to `size`, on CPUs to whole parts) and its logits
    are cut again, so one compiled program serves all batches of a size. `network` is called as
    `network(network.prepare(batch))`, for the activations of a layer with `layer=` its name.
    """
    folded = fold_batch_norm(network) if has_batch_norm(network) else network
    return _in_parts(for_cpu(folded), mirror) if jax.default_backend() == "cpu" else _sharded(folded, mirror)


def _sharded(network: Any, mirror: bool) -> CompiledLogits:
    """Place the weights on all devices, once; each computes its share of a batch."""
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    by_batch, everywhere = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    graph, state = nnx.split(network)
    state = jax.tree.map(lambda value: _placed(value, everywhere), state)

    def logits(batch: np.ndarray, size: int, *, layer: str | None = None) -> np.ndarray:
        placed = jax.device_put(_filled(batch, -(-size // mesh.size) * mesh.size), by_batch)
        found = _on_all_devices(graph, mirror, layer, state, placed)
        if not found.is_fully_addressable:
            found = multihost_utils.process_allgather(found, tiled=True)
        return np.asarray(found)[: len(batch)]

    return logits


def _in_parts(network: Any, mirror: bool) -> CompiledLogits:
    """Let each core compute a small part of a batch at a time; several processes share the parts."""
    graph, state = nnx.split(network)
    # After a training by several processes the weights are on devices of all of them.
    state = jax.tree.map(lambda value: value if value.is_fully_addressable else np.asarray(value), state)
    processes, process = jax.process_count(), jax.process_index()

    def logits(batch: np.ndarray, size: int, *, layer: str | None = None) -> np.ndarray:
        part = min(_part(network, batch), size)
        each = -(-max(len(batch), 1) // (part * processes)) * part
        own = _filled(batch, each * processes)[process * each : (process + 1) * each]
        pieces = [(own[i : i + part],) for i in range(0, each, part)]
        found = np.concatenate(in_streams(functools.partial(_on_one_core, graph, mirror, layer), (state,), pieces))
        if processes > 1:
            found = multihost_utils.process_allgather(found, tiled=True)
        return found[: len(batch)]

    return logits


def _placed(value: Any, sharding: NamedSharding) -> jax.Array:
    """Place a part of a module's state by way of the host, from which every process places its share."""
    if not jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return jax.device_put(np.asarray(value), sharding)
    # The key of a module's own random numbers, as for dropout: no array of the host's, but its data is one.
    data = jax.device_put(np.asarray(jax.random.key_data(value)), sharding)
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(value))


def _filled(batch: np.ndarray, size: int) -> np.ndarray:
    """Return the batch with as many inputs of zeros behind it as make `size`."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])


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
