"""The optimiser of an experiment: its learning-rate schedule and weight decay, from Optax."""

from typing import Any

import jax
import optax

from confemb.networks import Network
from confemb.networks.training.options import ScheduleOptions, TrainingOptions


def learning_rate_schedule(settings: ScheduleOptions, steps_per_epoch: int) -> optax.Schedule:
    """Return the learning rate by step, as `ScheduleOptions` says."""
    peak, steps = settings.learning_rate, settings.epochs * steps_per_epoch
    if settings.schedule == "constant":
        return optax.constant_schedule(peak)
    if settings.schedule == "step":
        drops = range(settings.step_epochs, settings.epochs, settings.step_epochs)
        return optax.piecewise_constant_schedule(peak, {epoch * steps_per_epoch: 0.1 for epoch in drops})
    rise = int(steps * settings.warmup)
    fall = max(steps - rise, 1)
    down = (
        optax.linear_schedule(peak, 0.0, fall)
        if settings.schedule == "triangle"
        else optax.cosine_decay_schedule(peak, fall)
    )
    if rise == 0:
        return down
    return optax.join_schedules([optax.linear_schedule(0.2 * peak, peak, rise), down], [rise])


def make_optimiser(
    settings: TrainingOptions, network: Network, params: Any, steps_per_epoch: int
) -> optax.GradientTransformation:
    """Return SGD with momentum; decay is added to the gradient (an L2 penalty of decay / 2 * sum of squares)."""

    def path_of(keys: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(getattr(key, "key", getattr(key, "name", None)) for key in keys if str(key) != ".value")

    decayed = jax.tree_util.tree_map_with_path(lambda keys, _: network.decayed(path_of(keys)), params)
    scales = jax.tree_util.tree_map_with_path(lambda keys, _: network.learning_rate_scale(path_of(keys)), params)

    def scale_updates(updates: Any, params: Any = None) -> Any:
        return jax.tree.map(lambda update, scale: update * scale, updates, scales)

    return optax.chain(
        optax.add_decayed_weights(settings.weight_decay, mask=decayed),
        optax.sgd(
            learning_rate_schedule(settings, steps_per_epoch), momentum=settings.momentum, nesterov=settings.nesterov
        ),
        optax.stateless(scale_updates),
    )
