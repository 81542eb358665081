"""Convolutions, and for networks that only predict batch normalisation and how to fold it into them."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from confemb.networks import winograd


def convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """Return the convolution of (N, H, W, C) with an HWIO kernel, zeros around.

    A 1x1 convolution is a matrix product, and much faster as one on CPUs.
    """
    if kernel.shape[:2] == (1, 1) and padding == 0:
        return x[:, ::stride, ::stride] @ kernel[0, 0]
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def convolve_3x3(x: jax.Array, kernel: jax.Array, *, even: bool = False) -> jax.Array:
    """Return the convolution of (N, H, W, C) with a 3x3 HWIO kernel, one row and column of zeros around.

    With `even`, the last of an odd number of rows or columns may be left out: for a pooling by 2, which drops it.
    """
    if jax.default_backend() == "cpu" and _many_channels(kernel):
        height, width = winograd.output_size(x, even)
        # On small odd pictures much of the last tiles is thrown away.
        if 16 * -(-height // 2) * -(-width // 2) <= 0.6 * 9 * height * width:
            return winograd.convolve(x, kernel, even)
    return convolve(x, kernel, 1, 1)


def _many_channels(kernel: jax.Array) -> bool:
    """Tell whether the matrix products of a 3x3 convolution take more time on a core than Winograd's sums."""
    *_, inputs, outputs = kernel.shape
    return min(inputs, outputs) >= 32 and max(inputs, outputs) >= 64


class Conv(nnx.Module):
    """A convolution with explicit, symmetric padding, which is what PyTorch's weights need ("SAME" is lopsided)."""

    def __init__(
        self, inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int, bias: bool, rngs: nnx.Rngs
    ) -> None:
        """Draw a (size, size, inputs, outputs) kernel; the bias is zero."""
        self.stride, self.padding = stride, padding
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), (size, size, inputs, outputs)))
        # Marked as data, so that folding a normalisation in can add it, and `for_cpu` the other.
        self.bias = nnx.data(nnx.Param(jnp.zeros(outputs)) if bias else None)
        self.transformed = nnx.data(None)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (N, H', W', outputs) of (N, H, W, inputs)."""
        if self.transformed is None:
            x = convolve(x, self.kernel[...], self.stride, self.padding)
        else:
            x = winograd.convolve_transformed(x, self.transformed)
        return x if self.bias is None else x + self.bias[...]


class BatchNorm(nnx.Module):
    """Batch normalisation with fixed statistics: one multiplication and one addition a channel."""

    def __init__(self, features: int, *, epsilon: float) -> None:
        """Make it pass its input through, but for `epsilon`."""
        self.epsilon = epsilon
        self.scale = nnx.Param(jnp.ones(features))
        self.bias = nnx.Param(jnp.zeros(features))
        self.mean = nnx.BatchStat(jnp.zeros(features))
        self.var = nnx.BatchStat(jnp.ones(features))

    def factors(self) -> tuple[jax.Array, jax.Array]:
        """Return (a, b), each (features,), so that normalising x is a * x + b."""
        a = self.scale[...] * jax.lax.rsqrt(self.var[...] + self.epsilon)
        return a, self.bias[...] - a * self.mean[...]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise (..., features)."""
        a, b = self.factors()
        return a * x + b


class ConvNorm(nnx.Module):
    """A convolution, and a batch normalisation unless that has been folded in."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        stride: int = 1,
        bias: bool,
        epsilon: float,
        rngs: nnx.Rngs,
    ) -> None:
        """Make both; the padding keeps the size, but for the stride."""
        self.conv = Conv(inputs, outputs, size, stride=stride, padding=size // 2, bias=bias, rngs=rngs)
        self.norm = nnx.data(BatchNorm(outputs, epsilon=epsilon))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (N, H', W', outputs) of (N, H, W, inputs)."""
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)


def has_batch_norm(network: Any) -> bool:
    """Tell whether `fold_batch_norm` has something to fold."""
    return any(isinstance(module, ConvNorm) and module.norm is not None for _, module in nnx.iter_modules(network))


def fold_batch_norm(network: Any) -> Any:
    """Return a copy of a network whose batch normalisations are folded into the convolutions before them.

    It gives the same output, to rounding, with a pass over every feature map less. Its weights are no longer
    those of a published checkpoint: save the network itself, not the copy.
    """
    folded = nnx.clone(network)
    for _, module in nnx.iter_modules(folded):
        if isinstance(module, ConvNorm) and module.norm is not None:
            a, b = module.norm.factors()
            bias = 0.0 if module.conv.bias is None else module.conv.bias[...]
            module.conv.kernel = nnx.Param(module.conv.kernel[...] * a)
            module.conv.bias = nnx.Param(bias * a + b)
            module.norm = None  # type: ignore[assignment]  # flax types nnx.data as what it is given
    return folded


def for_cpu(network: Any) -> Any:
    """Return a copy of a network whose 3x3 convolutions are computed by Winograd's method, where that pays.

    The kernels are transformed here, once. It gives the same output, to rounding.
    """
    changed = nnx.clone(network)
    for _, module in nnx.iter_modules(changed):
        if isinstance(module, Conv) and module.stride == module.padding == 1:
            kernel = module.kernel[...]
            if kernel.shape[:2] == (3, 3) and _many_channels(kernel):
                rows = [nnx.List(map(nnx.Param, row)) for row in winograd.transform_kernel(kernel)]
                module.transformed = nnx.List(rows)  # type: ignore[assignment]  # flax types nnx.data as what it is given
                module.kernel = None  # type: ignore[assignment]
    return changed
