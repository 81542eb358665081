"""Layers the networks share, written for speed on the CPU as well as on accelerators."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Constant(nnx.Variable):
    """A saved value that is set before training and never trained (channel means, a fixed filter)."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(x: jax.Array, window: int, stride: int, same: bool) -> jax.Array:
    return _pooled(x, window, stride, same)[0]


def max_pool(x: jax.Array, window: int, stride: int, *, same: bool = False) -> jax.Array:
    """Return the maximum over windows of (N, H, W, C); padding is none, or TensorFlow's SAME (more at the end).

    It is the maximum of strided slices, and a value's gradient comes from those of the windows around it that it won:
    on CPUs several times faster than `lax.reduce_window`. As there, the first of equal values wins.
    """
    return _max_pool(x, window, stride, same)


def _windows(length: int, window: int, stride: int, same: bool) -> tuple[int, tuple[int, int]]:
    """Return (number of windows, (padding before, padding after)) along one side."""
    if not same:
        return (length - window) // stride + 1, (0, 0)
    count = -(-length // stride)
    total = max((count - 1) * stride + window - length, 0)
    return count, (total // 2, total - total // 2)


def _pooled(x: jax.Array, window: int, stride: int, same: bool) -> tuple[jax.Array, jax.Array]:
    """Return each window's maximum and its first place there, dy * window + dx, both (N, H', W', C)."""
    (height, pad_y), (width, pad_x) = (_windows(length, window, stride, same) for length in x.shape[1:3])
    if same:
        x = jnp.pad(x, ((0, 0), pad_y, pad_x, (0, 0)), constant_values=-jnp.inf)
    height, width = (height - 1) * stride + 1, (width - 1) * stride + 1
    highest = x[:, :height:stride, :width:stride]
    place = jnp.zeros(highest.shape, jnp.int32)
    for dy in range(window):
        for dx in range(window):
            values = x[:, dy : dy + height : stride, dx : dx + width : stride]
            place = jnp.where(values > highest, dy * window + dx, place)
            highest = jnp.maximum(highest, values)
    return highest, place


def _max_pool_forward(x: jax.Array, window: int, stride: int, same: bool) -> tuple[jax.Array, tuple[Any, ...]]:
    pooled, place = _pooled(x, window, stride, same)
    return pooled, (place, *x.shape[1:3])


def _max_pool_backward(
    window: int, stride: int, same: bool, kept: tuple[Any, ...], gradient: jax.Array
) -> tuple[jax.Array]:
    place, *lengths = kept
    # The padded picture in blocks of stride x stride: block (i, j) lies in the windows (i - back, j - back), and its
    # value at (y, x) is at (y + back * stride, x + back * stride) in such a window.
    sides = [(length, *_windows(length, window, stride, same)) for length in lengths]
    blocks = [-(-(length + pad[0]) // stride) for length, _, pad in sides]
    reach = -(-window // stride)
    around = [(reach - 1, max(count - had, 0)) for count, (_, had, _) in zip(blocks, sides, strict=True)]
    gradient = jnp.pad(gradient, ((0, 0), *around, (0, 0)))
    place = jnp.pad(place, ((0, 0), *around, (0, 0)), constant_values=-1)
    y, x = (jax.lax.broadcasted_iota(jnp.int32, (1, 1, stride, 1, stride, 1), axis) for axis in (2, 4))
    found: Any = 0.0
    for back_y in range(reach):
        for back_x in range(reach):
            rows = slice(reach - 1 - back_y, reach - 1 - back_y + blocks[0])
            columns = slice(reach - 1 - back_x, reach - 1 - back_x + blocks[1])
            dy, dx = y + back_y * stride, x + back_x * stride
            won = (place[:, rows, None, columns, None] == dy * window + dx) & (dy < window) & (dx < window)
            found += jnp.where(won, gradient[:, rows, None, columns, None], 0)
    found = found.reshape(len(found), blocks[0] * stride, blocks[1] * stride, -1)
    (height, _, (top, _)), (width, _, (left, _)) = sides
    return (found[:, top : top + height, left : left + width],)


_max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def local_response_norm(x: jax.Array, *, radius: int = 4, bias: float = 1.0, alpha: float = 0.001 / 9) -> jax.Array:
    """Divide (N, H, W, C) by (bias + alpha * sum of squares over 2 * radius + 1 neighbouring channels) ** 0.75.

    Source: Krizhevsky et al. 2012, section 3.3, in TensorFlow's form. The sum over neighbouring channels is a
    product with a banded matrix; the power, which is slow, is made of square roots.
    """
    channel = np.arange(x.shape[-1])
    band = jnp.asarray(np.abs(channel[:, None] - channel) <= radius, x.dtype)
    root = jax.lax.rsqrt(bias + alpha * (x * x @ band))
    return x * (root * jnp.sqrt(root))


@jax.custom_vjp
def add_bias(x: jax.Array, bias: jax.Array) -> jax.Array:
    """Return (..., C) plus (C,), of which the gradient by the bias is a product with ones.

    As a sum, XLA computes it together with what comes before and value by value: slow on CPUs after a GELU.
    """
    return x + bias


def _add_bias_backward(_: None, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows = gradient.reshape(-1, gradient.shape[-1])
    return gradient, jnp.ones(len(rows), rows.dtype) @ rows


add_bias.defvjp(lambda x, bias: (x + bias, None), _add_bias_backward)


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
        """Normalise (N, H, W, C); a batch that is no multiple of the group is one group.

        In float32, whichever type goes in and comes out.
        """
        if self.use_running_average:
            return (x - self.mean[...]) * jax.lax.rsqrt(self.var[...] + self.epsilon) + self.bias[...]
        size = self.group if len(x) % self.group == 0 else len(x)
        groups = x.reshape(-1, size, *x.shape[1:]).astype(jnp.float32)
        mean = groups.mean(axis=(1, 2, 3), keepdims=True)
        centred = groups - mean
        var = (centred * centred).mean(axis=(1, 2, 3), keepdims=True)
        keep = self.momentum
        self.mean[...] = keep * self.mean[...] + (1 - keep) * jax.lax.stop_gradient(mean.mean(axis=(0, 1, 2, 3)))
        self.var[...] = keep * self.var[...] + (1 - keep) * jax.lax.stop_gradient(var.mean(axis=(0, 1, 2, 3)))
        return (centred * jax.lax.rsqrt(var + self.epsilon)).reshape(x.shape).astype(x.dtype) + self.bias[...]


def of_depth(network: Callable[..., Any], depth: int, *, name: str, title: str) -> Callable[..., Any]:
    """Return what makes `network`, a class whose first argument is its depth, of one depth; it takes the same options.

    Args:
        network: the class.
        depth: its depth.
        name: what the function is called, "resnet50".
        title: what its docstring calls the network, "ResNet-50".
    """

    def make(*given: Any, **options: Any) -> Any:
        return network(depth, *given, **options)

    own = inspect.signature(network.__init__)
    parameters = [one for one in own.parameters.values() if one.name not in ("self", "depth")]
    make.__signature__ = own.replace(parameters=parameters, return_annotation=network)  # type: ignore[attr-defined]
    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Make a {title} with random weights; the options are those of `{network.__name__}`."
    return make
