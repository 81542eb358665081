"""Several networks trained at once: the same steps as alone, batched over networks that begin from other seeds.

A small network leaves most of a large accelerator idle; many of them fill it. On CPUs nothing is gained.

Tested on CPUs; not yet run on an accelerator.
"""

import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from confemb.datasets import Dataset
from confemb.networks import Network
from confemb.networks.training.loop import (
    TrainState,
    batch_size_of,
    begin,
    epoch_means,
    epoch_row,
    epoch_rows,
    make_step,
    put_back,
)
from confemb.networks.training.options import TrainingOptions
from confemb.networks.training.smoothing import label_targets
from confemb.support.progress import Steps

# (state, totals, rows) -> (state, totals), each with an axis of networks in front.
StepTogether = Callable[[TrainState, jax.Array, np.ndarray], tuple[TrainState, jax.Array]]


def train_together(
    networks: Sequence[Network],
    training: Dataset,
    test: Dataset | None,
    settings: TrainingOptions,
    *,
    seeds: Sequence[int],
    progress: Steps | None = None,
) -> list[pd.DataFrame]:
    """Train several networks of one kind in place, as `loop.train` does each by itself, up to rounding.

    A whole epoch of all of them is one compiled program. There are no checkpoints: what is stopped begins anew.

    Args:
        networks: of the same structure, with fresh weights.
        training, test, settings: as in `train`; `keep_epochs` is not looked at.
        seeds: for each network, what draws its order and augmentation.
        progress: called with (epochs done, epochs in all).

    Returns:
        The history of each network, see `train`; its seconds are those of all networks together, shared evenly.

    Raises:
        ConfembError: a loss that is not finite.
    """
    state, step, batch_size = start_together(networks, training, settings, seeds=seeds)
    steps = len(training) // batch_size
    histories: list[list[dict[str, float]]] = [[] for _ in networks]
    for epoch in range(1, settings.epochs + 1):
        started = time.monotonic()
        totals = jax.device_put(jnp.zeros((len(networks), 2)), state.step.sharding)
        state, totals = step(state, totals, rows_together(len(training), batch_size, seeds=seeds, epoch=epoch))
        sums = np.asarray(totals)
        seconds = (time.monotonic() - started) / len(networks)
        for network, one, history, own in zip(networks, _apart(state), histories, sums, strict=True):
            loss, accuracy = epoch_means(own, steps, epoch, settings)
            put_back(network, one)
            history.append(epoch_row(network, test, epoch, loss, accuracy, seconds))
        if progress is not None:
            progress(epoch, settings.epochs)
    return [pd.DataFrame(history).astype({"epoch": int}) for history in histories]


def start_together(
    networks: Sequence[Network], training: Dataset, settings: TrainingOptions, *, seeds: Sequence[int]
) -> tuple[TrainState, StepTogether, int]:
    """Return what a training of several networks begins with, as `confemb.networks.training.loop.start` does for one.

    Every array of the state, the totals (networks, 2) and the rows (networks, steps, batch size) have the networks in
    front, which are shared among as many of the devices as divide them.
    """
    begun = [begin(network, training, settings) for network in networks]
    graph, optimiser, _ = begun[0]
    count = len(networks)
    devices = next(n for n in range(min(count, jax.device_count()), 0, -1) if count % n == 0)
    mesh = Mesh(np.array(jax.devices()[:devices]), ("network",))
    by_network, everywhere = NamedSharding(mesh, PartitionSpec("network")), NamedSharding(mesh, PartitionSpec())
    state = jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *(state for *_, state in begun)), by_network)
    images, labels = jax.device_put((training.images, training.labels), everywhere)
    placed_seeds = jax.device_put(np.array(seeds, np.uint32), by_network)
    one = make_step(graph, optimiser, settings, None, label_targets(settings, training.class_names))
    compiled = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None, 0, 0)), donate_argnums=(0, 1))

    def step(state: TrainState, totals: jax.Array, rows: np.ndarray) -> tuple[TrainState, jax.Array]:
        return compiled(state, totals, images, labels, jax.device_put(rows, by_network), placed_seeds)

    return state, step, batch_size_of(settings, training)


def rows_together(pictures: int, batch_size: int, *, seeds: Sequence[int], epoch: int) -> np.ndarray:
    """Return (networks, steps, batch size) int32, see `confemb.networks.training.loop.epoch_rows`."""
    return np.stack([epoch_rows(pictures, batch_size, seed=seed, epoch=epoch) for seed in seeds])


def _apart(state: TrainState) -> list[TrainState]:
    """Return the state of each network, on the host."""
    arrays = jax.tree.map(np.asarray, state)
    return [jax.tree.map(lambda values, i=i: values[i], arrays) for i in range(len(arrays.step))]
