import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

from confemb.networks import make_network
from confemb.networks.training.optimisers import learning_rate_schedule, make_optimiser
from confemb.networks.training.options import TrainingOptions


def rates(steps_per_epoch, **settings):
    section = TrainingOptions(**{"epochs": 10, "learning_rate": 0.5} | settings)
    schedule = learning_rate_schedule(section, steps_per_epoch)
    return np.array([float(schedule(step)) for step in range(section.epochs * steps_per_epoch)])


def test_triangle_rises_from_a_fifth_and_falls_to_zero():
    found = rates(10, schedule="triangle", warmup=0.2)
    rise = np.linspace(0.1, 0.5, 21)[:20]
    fall = np.linspace(0.5, 0.0, 81)[:80]
    np.testing.assert_allclose(found, np.concatenate([rise, fall]), rtol=1e-5)


def test_cosine_rises_alike_and_falls_as_a_cosine():
    found = rates(10, schedule="cosine", warmup=0.1)
    fall = 0.5 * (1 + np.cos(np.pi * np.arange(90) / 90)) / 2
    np.testing.assert_allclose(found[:10], np.linspace(0.1, 0.5, 11)[:10], rtol=1e-5)
    np.testing.assert_allclose(found[10:], fall, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("schedule", ["triangle", "cosine"])
def test_without_warm_up_the_peak_comes_first(schedule):
    found = rates(5, schedule=schedule, warmup=0)
    assert found[0] == pytest.approx(0.5)
    assert (np.diff(found) < 0).all()


def test_step_is_a_tenth_every_few_epochs():
    found = rates(4, schedule="step", step_epochs=3, warmup=0)
    expected = np.repeat([0.5, 0.05, 0.005, 0.0005], [12, 12, 12, 4])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # The tutorial's 350 epochs never come up in 10.
    np.testing.assert_allclose(rates(4, schedule="step"), 0.5)


def flat(tree):
    return {".".join(map(str, path)): np.asarray(value) for path, value in flatten_dict(tree).items()}


@pytest.fixture(scope="module")
def network():
    return make_network("fast_cnn", (8, 8, 1), 3, seed=0, options={"widths": [4]})


def updates_of(network, settings, gradients_of_steps):
    """Return the update of each step, by the parameter's name."""
    params = nnx.to_pure_dict(nnx.state(network, nnx.Param))
    optimiser = make_optimiser(settings, network, params, steps_per_epoch=5)
    state, found = optimiser.init(params), []
    for gradients in gradients_of_steps:
        updates, state = optimiser.update(gradients, state, params)
        found.append(flat(updates))
        params = optax.apply_updates(params, updates)
    return found


def test_one_step_computed_by_hand(network):
    """Decay is the gradient of decay / 2 * sum of squares, on kernels alone; the norms' biases learn eightfold."""
    settings = TrainingOptions(
        epochs=2, learning_rate=0.1, momentum=0, nesterov=False, weight_decay=0.01, schedule="step"
    )
    params = nnx.to_pure_dict(nnx.state(network, nnx.Param))
    gradients = jax.tree.map(lambda p: jnp.full_like(p, 0.5), params)
    (updates,) = updates_of(network, settings, [gradients])
    assert set(updates) == set(flat(params))
    for name, value in flat(params).items():
        decay = 0.01 * value if name.endswith("kernel") else 0.0
        scale = 8.0 if name.endswith(".bias") else 1.0
        np.testing.assert_allclose(updates[name], -0.1 * scale * (0.5 + decay), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_computed_by_hand(network, nesterov):
    settings = TrainingOptions(epochs=2, learning_rate=0.1, momentum=0.9, nesterov=nesterov, schedule="step")
    params = nnx.to_pure_dict(nnx.state(network, nnx.Param))
    first, second = (jax.tree.map(lambda p, g=g: jnp.full_like(p, g), params) for g in (1.0, -2.0))
    found = updates_of(network, settings, [first, second])
    velocity = [1.0, 0.9 * 1.0 - 2.0]
    expected = [0.9 * v + g for v, g in zip(velocity, (1.0, -2.0), strict=True)] if nesterov else velocity
    for step in range(2):
        np.testing.assert_allclose(found[step]["head.kernel"], -0.1 * expected[step], rtol=1e-5)
        np.testing.assert_allclose(found[step]["norms.0.bias"], -0.8 * expected[step], rtol=1e-5)
