import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.networks.layers import GhostBatchNorm, add_bias, local_response_norm, max_pool


def reference_pool(x, window, stride, padding):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, window, window, 1), (1, stride, stride, 1), padding)


@pytest.fixture
def pictures() -> np.ndarray:
    """3 pictures of 9 x 8 in 4 channels, negative numbers among them, no value twice."""
    values = np.random.default_rng(1).permutation(3 * 9 * 8 * 4) - 400
    return values.reshape(3, 9, 8, 4).astype(np.float32)


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (3, 3), (2, 1)])
@pytest.mark.parametrize("same", [False, True])
def test_max_pool_is_laxs(pictures, window, stride, same):
    padding = "SAME" if same else "VALID"
    pooled = max_pool(jnp.asarray(pictures), window, stride, same=same)
    np.testing.assert_array_equal(pooled, reference_pool(pictures, window, stride, padding))
    np.testing.assert_array_equal(
        pooled, nnx.max_pool(jnp.asarray(pictures), (window, window), (stride, stride), padding)
    )


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (3, 3), (2, 1), (5, 2)])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_the_gradient_of_max_pool_is_laxs(pictures, window, stride, same, ties):
    if ties:
        pictures = pictures // 250
    shape = max_pool(jnp.asarray(pictures), window, stride, same=same).shape
    weights = np.random.default_rng(2).normal(size=shape).astype(np.float32)

    def ours(x):
        return (max_pool(x, window, stride, same=same) * weights).sum()

    def theirs(x):
        return (reference_pool(x, window, stride, "SAME" if same else "VALID") * weights).sum()

    np.testing.assert_allclose(jax.grad(ours)(pictures), jax.grad(theirs)(pictures), rtol=1e-6, atol=1e-6)


def test_local_response_norm_channel_by_channel():
    x = np.random.default_rng(3).normal(size=(2, 3, 3, 7)).astype(np.float32) * 10
    radius, bias, alpha = 2, 1.5, 0.02
    expected = np.empty_like(x)
    for channel in range(7):
        near = x[..., max(0, channel - radius) : channel + radius + 1]
        expected[..., channel] = x[..., channel] / (bias + alpha * (near**2).sum(axis=-1)) ** 0.75
    found = local_response_norm(jnp.asarray(x), radius=radius, bias=bias, alpha=alpha)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_add_bias_adds_and_sums(pictures):
    bias = np.arange(4, dtype=np.float32)
    total, back = jax.vjp(add_bias, jnp.asarray(pictures), jnp.asarray(bias))
    np.testing.assert_array_equal(total, pictures + bias)
    of_x, of_bias = back(jnp.asarray(pictures))
    np.testing.assert_array_equal(of_x, pictures)
    np.testing.assert_allclose(of_bias, pictures.sum(axis=(0, 1, 2)), rtol=1e-5)


def groups_of(x, size):
    return x.reshape(-1, size, *x.shape[1:])


@pytest.fixture
def batch() -> np.ndarray:
    return (np.random.default_rng(4).normal(size=(8, 3, 3, 5)) * [1, 2, 3, 4, 5] + 7).astype(np.float32)


def test_ghost_batch_norm_normalises_each_group(batch):
    norm = GhostBatchNorm(5, group=4)
    norm.bias[...] = jnp.arange(5.0)
    groups = groups_of(batch, 4)
    mean, var = groups.mean(axis=(1, 2, 3), keepdims=True), groups.var(axis=(1, 2, 3), keepdims=True)
    expected = ((groups - mean) / np.sqrt(var + 1e-5)).reshape(batch.shape) + np.arange(5)
    np.testing.assert_allclose(norm(jnp.asarray(batch)), expected, atol=1e-4)


def test_ghost_batch_norm_keeps_running_averages(batch):
    norm = GhostBatchNorm(5, group=4, momentum=0.9)
    norm(jnp.asarray(batch))
    groups = groups_of(batch, 4)
    mean, var = groups.mean(axis=(1, 2, 3)).mean(axis=0), groups.var(axis=(1, 2, 3)).mean(axis=0)
    np.testing.assert_allclose(norm.mean[...], 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(norm.var[...], 0.9 + 0.1 * var, rtol=1e-4)

    norm.eval()
    expected = (batch - 0.1 * mean) / np.sqrt(0.9 + 0.1 * var + 1e-5)
    np.testing.assert_allclose(norm(jnp.asarray(batch)), expected, atol=1e-4)
    np.testing.assert_allclose(norm.mean[...], 0.1 * mean, rtol=1e-4)


def test_a_batch_that_is_no_multiple_is_one_group(batch):
    odd = jnp.asarray(batch[:7])
    np.testing.assert_array_equal(GhostBatchNorm(5, group=4)(odd), GhostBatchNorm(5, group=7)(odd))


def test_a_batch_at_once_or_group_by_group_has_the_same_gradient(batch):
    weights = np.random.default_rng(5).normal(size=batch.shape).astype(np.float32)

    def loss(norm, x, w):
        return (jax.nn.gelu(norm(x)) * w).sum()

    norm = GhostBatchNorm(5, group=4)
    whole = nnx.grad(loss)(norm, jnp.asarray(batch), weights)
    parts = [
        nnx.grad(loss)(GhostBatchNorm(5, group=4), jnp.asarray(batch[rows]), weights[rows])
        for rows in (slice(0, 4), slice(4, 8))
    ]
    np.testing.assert_allclose(whole.bias[...], parts[0].bias[...] + parts[1].bias[...], rtol=1e-4)

    def of_input(x, w):
        return loss(GhostBatchNorm(5, group=4), x, w)

    at_once = jax.grad(of_input)(batch, weights)
    by_group = np.concatenate([jax.grad(of_input)(batch[rows], weights[rows]) for rows in (slice(0, 4), slice(4, 8))])
    np.testing.assert_allclose(at_once, by_group, atol=1e-5)
