"""Training the joint space: epochs inside one jit-compiled loop, seeded, resumable after a kill."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx

from confemb.networks.training.checkpoints import Checkpoints
from confemb.networks.training.optimisers import learning_rate_schedule
from confemb.spaces.captions.losses import batch_margin_loss, contrastive_loss, margin_loss
from confemb.spaces.captions.model import JointModel, place_all
from confemb.spaces.captions.retrieval import Ranks, rank_all
from confemb.spaces.captions.settings import CaptionTrainingSection
from confemb.support.errors import ConfembError
from confemb.support.progress import Progress

# How often the loop comes back within an epoch, to show progress.
REPORTS_AN_EPOCH = 8


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures and captions as the model takes them.

    Attributes:
        features: (P, d) float32.
        captions: (M, length) int32 word ids.
        picture_of: (M,) int32, the picture of each caption, rising.
    """

    features: np.ndarray
    captions: np.ndarray
    picture_of: np.ndarray

    def of(self, pictures: np.ndarray, captions: np.ndarray) -> "Pairs":
        """Return some of the pictures and of their captions, both given by rows, rising."""
        numbers = np.full(len(self.features), -1, np.int32)
        numbers[pictures] = np.arange(len(pictures))
        return Pairs(self.features[pictures], self.captions[captions], numbers[self.picture_of[captions]])


@dataclass(frozen=True)
class TrainState:
    """All that changes while training, as one pytree: parameters, the Optax state, and the steps done."""

    params: Any
    optimiser: Any
    step: jax.Array


jax.tree_util.register_dataclass(TrainState, ["params", "optimiser", "step"], [])


def train_space(
    model: JointModel,
    training: Pairs,
    validation: Pairs | None,
    settings: CaptionTrainingSection,
    *,
    seed: int,
    checkpoint_folder: Path,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train `model` in place; go on from `checkpoint_folder` where an earlier call was stopped.

    A training that was stopped ends with the weights of an unbroken one: an epoch's order and negatives are drawn from
    (seed, epoch), what is dropped out from (seed, step).

    Args:
        model: with fresh weights.
        training: what to learn from. An epoch runs through all captions in a new order; those that do not fill a last
            batch wait for the next epoch.
        validation: measured after every epoch where given.
        settings: loss, negatives, epochs and so on.
        seed: draws order, negatives and dropout.
        checkpoint_folder: holds the state after every epoch; whoever calls removes it in the end.
        progress: called with epochs done, in eighths, and in all.

    Returns:
        The history, a row for each epoch: epoch, loss (mean over the captions), accuracy (how often the positive pair
        scored higher than the negatives that were used, or than the batch's), the validation's measures as
        `Ranks.measures` names them, and of training alone seconds and cpu_seconds, over all cores.

    Raises:
        ConfembError: fewer than two captions to learn from, or a loss that is not finite.
    """
    batch_size = _batch_size(training, settings)
    steps = len(training.captions) // batch_size
    state, run = _begin(model, settings, steps)
    data = (jnp.asarray(training.features), jnp.asarray(training.captions), jnp.asarray(training.picture_of))
    key = jax.random.key(seed)
    with Checkpoints(checkpoint_folder) as checkpoints:
        state, history = checkpoints.restore(state) or (state, [])
        for epoch in range(len(history) + 1, settings.epochs + 1):
            batches = _batches(training, steps, batch_size, np.random.default_rng([seed, epoch]))
            totals = jnp.zeros(2)
            started, worked = time.perf_counter(), time.process_time()
            bounds = np.linspace(0, steps, REPORTS_AN_EPOCH + 1).astype(int)
            for eighth, (first, last) in enumerate(pairwise(bounds.tolist()), start=1):
                state, totals = run(state, totals, data, batches, key, first, last)
                if progress is not None:
                    jax.block_until_ready(totals)
                    _tell(progress, epoch, eighth, settings.epochs, history)
            row = {"epoch": epoch, **_means(totals, steps * batch_size, epoch, settings)}
            spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
            _put_back(model, state)
            if validation is not None:
                row |= evaluate(model, validation).measures()
            history.append(row | spent)
            checkpoints.save(epoch, state, history)
    _put_back(model, state)
    return pd.DataFrame(history).astype({"epoch": int})


def _batches(training: Pairs, steps: int, batch_size: int, generator: np.random.Generator) -> tuple[jax.Array, ...]:
    """Return an epoch's captions in a new order and their negatives, each (steps, batch_size) int32."""
    order = generator.permutation(len(training.captions))[: steps * batch_size].astype(np.int32)
    negatives = draw_negatives(training.picture_of, order, generator)
    return tuple(jnp.asarray(rows.reshape(steps, batch_size)) for rows in (order, negatives))


def _batch_size(training: Pairs, settings: CaptionTrainingSection) -> int:
    """Return how many captions a step learns from; raises ConfembError for fewer than two pictures."""
    batch_size = min(settings.batch_size, len(training.captions))
    if batch_size < 2 or len(training.features) < 2:
        raise ConfembError("there are captions of fewer than 2 pictures to learn from: give more.")
    return batch_size


def _begin(model: JointModel, settings: CaptionTrainingSection, steps: int) -> tuple["TrainState", Callable[..., Any]]:
    """Return what a training begins with, and the compiled loop over its steps."""
    graph, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]  # typed for one filter only
    optimiser = optax.adamw(learning_rate_schedule(settings, steps), weight_decay=settings.weight_decay)
    state = TrainState(params, optimiser.init(params), jnp.zeros((), jnp.int32))
    # Copied, since the loop gives its input's memory away and the model still holds these arrays.
    return jax.tree.map(jnp.copy, state), _make_loop(graph, rest, optimiser, settings)


def _means(totals: jax.Array, captions: int, epoch: int, settings: CaptionTrainingSection) -> dict[str, float]:
    """Return an epoch's mean loss and accuracy over its captions; raises ConfembError for a loss that is not finite."""
    loss, accuracy = (float(value) for value in totals / captions)
    if not np.isfinite(loss):
        raise ConfembError(
            f"the loss is no finite number in epoch {epoch}; lower training.learning_rate "
            f"(now {settings.learning_rate})."
        )
    return {"loss": loss, "accuracy": accuracy}


def evaluate(model: JointModel, pairs: Pairs) -> Ranks:
    """Return the ranks of pictures and captions among each other."""
    pictures, captions = place_all(model, pairs.features, "pictures"), place_all(model, pairs.captions, "captions")
    return rank_all(pictures, captions, pairs.picture_of)


def draw_negatives(picture_of: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return for each of some captions another picture's caption, each of them equally likely.

    Args:
        picture_of: (M,) the picture of each caption, rising, of at least two pictures.
        rows: (n,) captions.
        generator: draws.

    Returns:
        (n,) int32 rows of captions.
    """
    first = np.searchsorted(picture_of, picture_of[rows], side="left")
    own = np.searchsorted(picture_of, picture_of[rows], side="right") - first
    # Drawn among all but the picture's own captions, which stand together and are leapt over.
    drawn = generator.integers(0, len(picture_of) - own)
    return np.where(drawn >= first, drawn + own, drawn).astype(np.int32)


def _make_loop(
    graph: Any, rest: Any, optimiser: optax.GradientTransformation, settings: CaptionTrainingSection
) -> Callable[..., tuple[TrainState, jax.Array]]:
    """Return the jit-compiled loop: (state, totals, data, batches, key, first step, last step) -> (state, totals).

    `totals` are the sums of loss and accuracy over the captions since the epoch began.
    """

    def loss_of(
        params: Any, features: jax.Array, captions: jax.Array, noise: jax.Array, owners: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        model = nnx.merge(graph, params, rest, copy=True)
        keys = jax.random.split(key, 3)
        pictures = model.place_pictures(features, key=keys[0])
        texts = model.place_captions(captions, key=keys[1])
        if settings.negatives == "random":
            positive = (pictures * texts).sum(axis=1)
            negative = (pictures * model.place_captions(noise, key=keys[2])).sum(axis=1)
            return margin_loss(positive, negative, settings.margin), (positive > negative).sum()
        scores = pictures @ texts.T
        same = owners[:, None] == owners[None, :]
        higher = (jnp.diagonal(scores)[:, None] > scores) & ~same
        accuracy = (higher.sum(axis=1) / jnp.maximum((~same).sum(axis=1), 1)).sum()
        if settings.loss == "contrastive":
            return contrastive_loss(scores, same, settings.temperature), accuracy
        kind, both = settings.negatives, settings.both_ways
        return batch_margin_loss(scores, same, settings.margin, negatives=kind, both_ways=both), accuracy

    def step(number: jax.Array, carried: Any, data: Any, batches: Any, key: jax.Array) -> Any:
        state, totals = carried
        features, captions, picture_of = data
        rows, noise = (batch[number] for batch in batches)
        owners = picture_of[rows]
        (loss, accuracy), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            state.params, features[owners], captions[rows], captions[noise], owners, jax.random.fold_in(key, state.step)
        )
        updates, optimiser_state = optimiser.update(gradients, state.optimiser, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, optimiser_state, state.step + 1), totals + jnp.stack([loss, accuracy])

    # A loop of steps, and not one call for each: a step takes a hundredth of a second.
    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def loop(
        state: TrainState, totals: jax.Array, data: Any, batches: Any, key: jax.Array, first: int, last: int
    ) -> tuple[TrainState, jax.Array]:
        body = functools.partial(step, data=data, batches=batches, key=key)
        return jax.lax.fori_loop(first, last, body, (state, totals))

    return loop


def _tell(progress: Progress, epoch: int, eighth: int, epochs: int, history: list[dict[str, float]]) -> None:
    latest = f", finds {history[-1]['caption_recall_1']:.1%}" if "caption_recall_1" in (history or [{}])[-1] else ""
    progress(f"epoch {epoch} of {epochs}{latest}", (epoch - 1) * REPORTS_AN_EPOCH + eighth, epochs * REPORTS_AN_EPOCH)


def _put_back(model: JointModel, state: TrainState) -> None:
    """Give the model the trained weights."""
    nnx.update(model, jax.tree.map(jnp.copy, state.params))
