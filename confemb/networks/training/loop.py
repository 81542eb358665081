"""Training: compiled steps with augmentation inside, the batch sharded over all devices or cores, resumable.

On accelerators a whole epoch is one compiled program: the pictures lie on the device, and nothing waits for the host
between steps. On CPUs, where a loop within a program is slow, each step is one.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from confemb.datasets import Dataset
from confemb.networks import Network
from confemb.networks.inference import evaluate
from confemb.networks.streams import ON_ONE_CORE, in_streams
from confemb.networks.training.checkpoints import Checkpoints
from confemb.networks.training.distributed import ALONE, Team
from confemb.networks.training.optimisers import make_optimiser
from confemb.networks.training.options import TrainingOptions
from confemb.networks.training.smoothing import label_targets
from confemb.support.errors import ConfembError

# On CPUs, a core computes this many pictures of a batch at a time: few enough for its caches.
CPU_MICRO_BATCH = 16


@dataclass(frozen=True)
class StepReport:
    """Where training stands: for showing progress.

    Attributes:
        epoch, step: counted from 1 and from 0 over the whole training.
        steps: the whole training's number of steps.
        loss, accuracy: means since the epoch began.
        test_accuracy: after the latest whole epoch, or None.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
    test_accuracy: float | None


Report = Callable[[StepReport], None]


@dataclass(frozen=True)
class Watch:
    """What `train` calls on its way.

    Attributes:
        report: called about once a second with the progress.
        keep: called with each epoch of `keep_epochs` when it is done, the network holding its weights; a training that
            goes on does not call it again for epochs whose checkpoint is there.
    """

    report: Report | None = None
    keep: Callable[[int], None] | None = None


Step = Callable[["TrainState", jax.Array, np.ndarray], tuple["TrainState", jax.Array]]


@dataclass(frozen=True)
class TrainState:
    """All that changes while training, as one pytree.

    Attributes:
        params: the trained parameters.
        rest: the network's other variables (batch statistics, constants).
        optimiser: the Optax state.
        average: the moving average of `params`, or an empty tuple.
        step: scalar int32, steps done.
    """

    params: Any
    rest: Any
    optimiser: Any
    average: Any
    step: jax.Array


jax.tree_util.register_dataclass(TrainState, ["params", "rest", "optimiser", "average", "step"], [])


def train(
    network: Network,
    training: Dataset,
    test: Dataset | None,
    settings: TrainingOptions,
    *,
    seed: int,
    checkpoint_folder: Path,
    watch: Watch | None = None,
    team: Team = ALONE,
) -> pd.DataFrame:
    """Train `network` in place; go on from `checkpoint_folder` where an earlier call was stopped.

    A training that was stopped and goes on ends with the same weights as an unbroken one: every epoch's
    order and every step's random numbers are drawn from (seed, epoch) and (seed, step).

    Args:
        network: an `nnx.Module` with fresh weights.
        training: what to learn from. Every epoch runs through it in a new order; the pictures that do not
            fill a last batch wait for the next epoch.
        test: measured after every epoch where given.
        settings: epochs, batch size, learning rate and so on.
        seed: draws order and augmentation.
        checkpoint_folder: holds the state after every epoch; whoever calls removes it in the end.
        watch: what is called while it trains.
        team: the processes that train together; each has the same arguments, but for its checkpoint folder, of which
            only the lead's is read.

    Returns:
        The history, a row for each epoch: epoch, train_loss, train_accuracy, test_loss and test_accuracy (where there
        is a test), seconds.

    Raises:
        ConfembError: a batch that cannot be shared evenly among the devices, or a loss that is not finite.
    """
    watch = watch or Watch()
    state, step, batch_size = start(network, training, settings, seed=seed)
    steps_per_epoch = len(training) // batch_size
    steps = settings.epochs * steps_per_epoch
    at_once = _steps_at_once(steps_per_epoch)
    everywhere = state.step.sharding
    history: list[dict[str, float]] = []
    with Checkpoints(checkpoint_folder) as checkpoints:
        restored = checkpoints.restore(state) if team.lead else None
        if team.agree(restored is not None):
            found, history = restored or (state, [])
            history = _history_from_lead(history, team)
            state = jax.device_put(team.from_lead(jax.tree.map(np.asarray, found)), everywhere)
        for epoch in range(len(history) + 1, settings.epochs + 1):
            rows = epoch_rows(len(training), batch_size, seed=seed, epoch=epoch)
            totals = jax.device_put(jnp.zeros(2), everywhere)
            started = shown = time.monotonic()
            for i in range(at_once, steps_per_epoch + 1, at_once):
                state, totals = step(state, totals, rows[i - at_once : i])
                if watch.report is not None and (time.monotonic() - shown > 1 or i == steps_per_epoch):
                    shown = time.monotonic()
                    loss, accuracy = (float(value) / i for value in totals)
                    latest = history[-1].get("test_accuracy") if history else None
                    watch.report(StepReport(epoch, (epoch - 1) * steps_per_epoch + i, steps, loss, accuracy, latest))
            loss, accuracy = epoch_means(totals, steps_per_epoch, epoch, settings)
            seconds = time.monotonic() - started
            put_back(network, state)
            history.append(epoch_row(network, test, epoch, loss, accuracy, seconds))
            # Before the checkpoint: a training stopped in between does this epoch again.
            if watch.keep is not None and epoch in (settings.keep_epochs or ()):
                watch.keep(epoch)
            checkpoints.save(epoch, state, history)
    put_back(network, state)
    return pd.DataFrame(history).astype({"epoch": int})


def start(network: Network, training: Dataset, settings: TrainingOptions, *, seed: int) -> tuple[TrainState, Step, int]:
    """Return what a training begins with: the state, placed on all devices, the compiled step, and the batch size.

    `state, totals = step(state, totals, rows)` does a step for each of `rows` (steps, batch size), learning from the
    pictures with these numbers, and adds the steps' mean losses and accuracies to `totals` (2,). Several steps are one
    compiled program, except in parts on a lone CPU. It gives the memory of what it is given away.

    Raises:
        ConfembError: a batch that cannot be shared evenly among the devices.
    """
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    batch_size = batch_size_of(settings, training)
    if batch_size % mesh.size:
        raise ConfembError(
            f"training.batch_size = {batch_size} cannot be shared evenly among {mesh.size} devices; "
            "choose a multiple of their number."
        )
    graph, optimiser, state = begin(network, training, settings)
    replicated, by_batch = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, "batch"))
    # From the host, from which every process places its share.
    state = jax.device_put(state, replicated)
    images, labels = jax.device_put((training.images, training.labels), replicated)
    micro_batch = _micro_batch(mesh, batch_size, network.group)
    compiled = make_step(graph, optimiser, settings, micro_batch, label_targets(settings, training.class_names))

    def step(state: TrainState, totals: jax.Array, rows: np.ndarray) -> tuple[TrainState, jax.Array]:
        placed = jax.device_put(rows, by_batch) if micro_batch is None else rows
        return compiled(state, totals, images, labels, placed, np.uint32(seed))

    return state, step, batch_size


def begin(
    network: Network, training: Dataset, settings: TrainingOptions
) -> tuple[Any, optax.GradientTransformation, TrainState]:
    """Fit the network's input to the pictures; return its structure, its optimiser and its fresh state on the host."""
    network.fit_input(training.images)
    graph, params, rest = _split(network)
    steps_per_epoch = len(training) // batch_size_of(settings, training)
    optimiser = make_optimiser(settings, network, nnx.to_pure_dict(params), steps_per_epoch)
    state = TrainState(
        params=params,
        rest=rest,
        optimiser=optimiser.init(nnx.to_pure_dict(params)),
        average=params if settings.ema_decay is not None else (),
        step=jnp.zeros((), jnp.int32),
    )
    # Copied, since a step gives its input's memory away and the network still holds these arrays.
    return graph, optimiser, jax.tree.map(np.array, state)


def batch_size_of(settings: TrainingOptions, training: Dataset) -> int:
    """Return the pictures of a step, where there are fewer than the settings say."""
    return min(settings.batch_size, len(training))


def epoch_rows(pictures: int, batch_size: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return (steps, batch size) int32, the numbers of the pictures in each step of an epoch, counted from 1."""
    order = np.random.default_rng([seed, epoch]).permutation(pictures).astype(np.int32)
    return order[: pictures // batch_size * batch_size].reshape(-1, batch_size)


def _steps_at_once(steps_per_epoch: int) -> int:
    """Return how many steps are one call: the whole epoch on accelerators."""
    return 1 if jax.default_backend() == "cpu" else steps_per_epoch


def epoch_means(totals: Any, steps: int, epoch: int, settings: TrainingOptions) -> tuple[float, float]:
    """Return the mean loss and accuracy of an epoch; raises ConfembError for a loss that is not finite."""
    loss, accuracy = (float(value) / steps for value in totals)
    if not np.isfinite(loss):
        raise ConfembError(
            f"the loss is no finite number in epoch {epoch}; lower training.learning_rate "
            f"(now {settings.learning_rate})."
        )
    return loss, accuracy


def epoch_row(
    network: Network, test: Dataset | None, epoch: int, loss: float, accuracy: float, seconds: float
) -> dict[str, float]:
    """Return an epoch's row of the history, with what the network is worth on the test pictures where there are any."""
    row = {"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy}
    if test is not None:
        row["test_loss"], row["test_accuracy"] = evaluate(network, test)
    return row | {"seconds": seconds}


def _history_from_lead(history: list[dict[str, float]], team: Team) -> list[dict[str, float]]:
    """Return the lead's history; elsewhere only its length counts."""
    return history if team.lead else [{"test_accuracy": 0.0}] * team.agree(len(history))


def _split(network: Network) -> tuple[Any, Any, Any]:
    """Return (structure, parameters, all other variables)."""
    graph, params, rest = nnx.split(network, nnx.Param, ...)  # type: ignore[misc]  # typed for one filter only
    return graph, params, rest


def _micro_batch(mesh: Mesh, batch_size: int, group: int) -> int | None:
    """Return how many pictures a core computes at a time: whole groups; None where the batch is one program.

    Only a lone CPU gains from parts. The number does not depend on the cores, so that neither do the results.
    """
    if mesh.size > 1 or mesh.devices.flat[0].platform != "cpu":
        return None
    pictures = -(-CPU_MICRO_BATCH // group) * group
    return pictures if batch_size % pictures == 0 and batch_size > pictures else None


def make_step(
    graph: Any,
    optimiser: optax.GradientTransformation,
    settings: TrainingOptions,
    micro_batch: int | None,
    smoothed: np.ndarray | None = None,
) -> Callable[..., tuple[TrainState, jax.Array]]:
    """Return the compiled steps: (state, totals, images, labels, rows, seed) -> (state, totals).

    `rows` (steps, batch size) are the pictures of each step, `totals` the sums of loss and accuracy over the steps of
    this epoch. With a `micro_batch` the gradients of so many pictures each are computed side by side, one on a core;
    without, the batch is one program, and so are several steps. `smoothed` (K, K) are the targets of each class where
    `settings` smooth them along a similarity.
    """

    def loss_of(params: Any, rest: Any, inputs: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
        network = nnx.merge(graph, *_computed_in(settings.dtype, params, rest), copy=True)
        network.train()
        logits = network(inputs.astype(settings.dtype or inputs.dtype)).astype(jnp.float32)
        if smoothed is None:
            assert not isinstance(settings.label_smoothing, str)
            targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), settings.label_smoothing)
        else:
            targets = jnp.asarray(smoothed)[labels]
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        accuracy = (logits.argmax(axis=-1) == labels).mean()
        return loss, (nnx.state(network, nnx.BatchStat), jnp.stack([loss, accuracy]))

    def draw(state: TrainState, images: jax.Array, labels: jax.Array, rows: jax.Array, seed: jax.Array) -> list[Any]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        network = nnx.merge(graph, state.params, state.rest, copy=True)
        inputs, targets = network.augment(key, images[rows]), labels[rows]
        size = micro_batch or len(rows)
        return [(inputs[i : i + size], targets[i : i + size]) for i in range(0, len(rows), size)]

    def gradient(params: Any, rest: Any, inputs: jax.Array, labels: jax.Array) -> Any:
        return jax.grad(loss_of, has_aux=True)(params, rest, inputs, labels)

    def update(state: TrainState, totals: jax.Array, parts: list[Any]) -> tuple[TrainState, jax.Array]:
        # Summed in the parts' order, whichever was ready first.
        gradients, (statistics, measured) = jax.tree.map(lambda *values: sum(values) / len(parts), *parts)
        # Only the statistics: a constant would come out of the mean with its last bits changed.
        rest = nnx.merge_state(state.rest, statistics)
        gradients, params = nnx.to_pure_dict(gradients), nnx.to_pure_dict(state.params)
        updates, optimiser_state = optimiser.update(gradients, state.optimiser, params)
        new_params = nnx.clone(state.params)
        nnx.replace_by_pure_dict(new_params, optax.apply_updates(params, updates))
        average = state.average
        if settings.ema_decay is not None:
            decay = jnp.minimum(settings.ema_decay, (1.0 + state.step) / (10.0 + state.step))
            average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, new_params)
        return TrainState(new_params, rest, optimiser_state, average, state.step + 1), totals + measured

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def at_once(
        state: TrainState, totals: jax.Array, images: jax.Array, labels: jax.Array, rows: jax.Array, seed: jax.Array
    ) -> tuple[TrainState, jax.Array]:
        def one(carried: tuple[TrainState, jax.Array], batch_rows: jax.Array) -> tuple[tuple[TrainState, Any], None]:
            state, totals = carried
            (batch,) = draw(state, images, labels, batch_rows, seed)
            return update(state, totals, [gradient(state.params, state.rest, *batch)]), None

        # A loop of one step is none: convolutions within loops are slow on CPUs.
        return one((state, totals), rows[0])[0] if len(rows) == 1 else jax.lax.scan(one, (state, totals), rows)[0]

    if micro_batch is None:
        return at_once
    drawn = jax.jit(draw)
    gradient_of = jax.jit(gradient, compiler_options=ON_ONE_CORE)
    updated = jax.jit(update, donate_argnums=(0, 1))

    def in_parts(
        state: TrainState, totals: jax.Array, images: jax.Array, labels: jax.Array, rows: np.ndarray, seed: np.uint32
    ) -> tuple[TrainState, jax.Array]:
        for batch_rows in rows:
            batches = drawn(state, images, labels, batch_rows, seed)
            parts = in_streams(gradient_of, (state.params, state.rest), batches)
            state, totals = updated(state, totals, parts)
        return state, totals

    return in_parts


def _computed_in(dtype: str | None, params: Any, rest: Any) -> tuple[Any, Any]:
    """Return parameters and constants in the type that is computed in; None: as they are.

    Those that are kept and updated stay in float32, as do the statistics of a normalisation.
    """
    if dtype is None:
        return params, rest

    def cast(variable: Any) -> Any:
        value = variable[...]
        computed = jnp.issubdtype(value.dtype, jnp.floating) and not isinstance(variable, nnx.BatchStat)
        return variable.replace(value.astype(dtype)) if computed else variable

    def is_variable(leaf: Any) -> bool:
        return isinstance(leaf, nnx.Variable)

    return jax.tree.map(cast, params, is_leaf=is_variable), jax.tree.map(cast, rest, is_leaf=is_variable)


def put_back(network: Network, state: TrainState) -> None:
    """Give the network the trained weights; the moving average where there is one."""
    params = state.params if isinstance(state.average, tuple) else state.average
    nnx.update(network, jax.tree.map(jnp.copy, params), jax.tree.map(jnp.copy, state.rest))
