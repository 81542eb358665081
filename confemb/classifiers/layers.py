"""Layers the networks share, written for speed on the CPU as well as on accelerators."""

import jax
import jax.numpy as jnp
from flax import nnx


class Constant(nnx.Variable):
    """A saved value that is set before training and never trained (channel means, a fixed filter)."""


def max_pool(x: jax.Array, window: int, stride: int, *, same: bool = False) -> jax.Array:
    """Return the maximum over windows of (N, H, W, C), as the maximum of strided slices.

    The gradient of slices is several times faster on CPUs than that of `lax.reduce_window`. Padding is
    none, or TensorFlow's SAME (more at the end than at the beginning).
    """
    sizes = []
    if same:
        pads = []
        for length in x.shape[1:3]:
            total = max((-(-length // stride) - 1) * stride + window - length, 0)
            pads.append((total // 2, total - total // 2))
            sizes.append(-(-length // stride))
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-jnp.inf)
    else:
        sizes = [(length - window) // stride + 1 for length in x.shape[1:3]]
    height, width = ((size - 1) * stride + 1 for size in sizes)
    pooled = x[:, :height:stride, :width:stride]
    for dy in range(window):
        for dx in range(window):
            if dy or dx:
                pooled = jnp.maximum(pooled, x[:, dy : dy + height : stride, dx : dx + width : stride])
    return pooled


def local_response_norm(
    x: jax.Array, *, radius: int = 4, bias: float = 1.0, alpha: float = 0.001 / 9, beta: float = 0.75
) -> jax.Array:
    """Divide (N, H, W, C) by (bias + alpha * sum of squares over 2 * radius + 1 neighbouring channels) ** beta.

    Source: Krizhevsky et al. 2012, section 3.3, in TensorFlow's form. The sum over neighbouring channels is a
    product with a banded matrix.
    """
    channel = jnp.arange(x.shape[-1])
    band = (jnp.abs(channel[:, None] - channel) <= radius).astype(x.dtype)
    return x * (bias + alpha * (x * x @ band)) ** -beta


class GhostBatchNorm(nnx.Module):
    """Batch normalisation whose training statistics are taken over small groups of pictures.

    Small groups regularise (Hoffer et al. 2017), and a step gives the same gradient whether its batch is
    computed at once or group by group. There is a bias but no scale: a linear layer follows each one.
    """

    def __init__(self, features: int, *, group: int, momentum: float = 0.95, epsilon: float = 1e-5) -> None:
        """Make it for `features` channels and groups of `group` pictures."""
        self.group = group
        self.momentum = momentum
        self.epsilon = epsilon
        self.use_running_average = False
        self.bias = nnx.Param(jnp.zeros(features))
        self.mean = nnx.BatchStat(jnp.zeros(features))
        self.var = nnx.BatchStat(jnp.ones(features))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise (N, H, W, C); a batch that is no multiple of the group is one group."""
        if self.use_running_average:
            return (x - self.mean[...]) * jax.lax.rsqrt(self.var[...] + self.epsilon) + self.bias[...]
        size = self.group if len(x) % self.group == 0 else len(x)
        groups = x.reshape(-1, size, *x.shape[1:])
        mean = groups.mean(axis=(1, 2, 3), keepdims=True)
        centred = groups - mean
        var = (centred * centred).mean(axis=(1, 2, 3), keepdims=True)
        keep = self.momentum
        self.mean[...] = keep * self.mean[...] + (1 - keep) * jax.lax.stop_gradient(mean.mean(axis=(0, 1, 2, 3)))
        self.var[...] = keep * self.var[...] + (1 - keep) * jax.lax.stop_gradient(var.mean(axis=(0, 1, 2, 3)))
        return (centred * jax.lax.rsqrt(var + self.epsilon)).reshape(x.shape) + self.bias[...]
