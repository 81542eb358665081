"""3x3 convolutions by Winograd's minimal filtering F(2x2, 3x3), for CPUs.

Every 2x2 outputs need 16 multiplications for each pair of channels instead of 36, and these are 16 matrix products,
the operation that a core does fastest. Their price are sums over a feature map before and after them, which pay where
there are many channels. There are only additions and halves in them, so rounding is about that of a direct convolution.
Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks" (2016), section 4.1, equation 8:
Y = A' [(G g G') * (B' d B)] A, with a tile d of 4x4 inputs, a kernel g of 3x3, and Y of 2x2 outputs.
"""

from collections.abc import Iterable, Sequence
from functools import partial, reduce
from itertools import product
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]])
_B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]])
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

# Arrays of one shape in a square: [row][column].
Square = Sequence[Sequence[jax.Array]]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: jax.Array, kernel: jax.Array, even: bool = False) -> jax.Array:
    """Return the convolution of (N, H, W, inputs) with a (3, 3, inputs, outputs) kernel, zeros around.

    It is (N, H, W, outputs), or with `even` without the last of an odd number of rows or columns.
    """
    return convolve_transformed(x, transform_kernel(kernel), even)


def transform_kernel(kernel: jax.Array) -> Square:
    """Return G g G', 4 x 4 arrays (inputs, outputs), of a (3, 3, inputs, outputs) kernel."""
    return _both_sides(_G, kernel)


def convolve_transformed(x: jax.Array, kernel: Square, even: bool = False) -> jax.Array:
    """Return what `convolve` does, with a kernel that `transform_kernel` has prepared."""
    height, width = output_size(x, even)
    products = _each(jnp.matmul, _each(_rows, _tiles(x, even)), kernel)
    shape = (len(x), -(-height // 2), -(-width // 2), kernel[0][0].shape[-1])
    outputs = _each(lambda y: y.reshape(shape), _both_sides(_A.T, products))
    return _interleave(outputs)[:, :height, :width]


def _forward(x: jax.Array, kernel: jax.Array, even: bool) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(x, kernel, even), (x, kernel)


def _backward(even: bool, kept: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the gradients by x and by the kernel: the transposes of the linear steps, from the last to the first."""
    x, kernel = kept
    height, width = gradient.shape[1:3]
    gradient = jnp.pad(gradient, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    by_product = _both_sides(_A, [[_rows(gradient[:, i::2, j::2]) for j in range(2)] for i in range(2)])
    by_transformed = _each(lambda tile, by: tile.T @ by, _each(_rows, _tiles(x, even)), by_product)
    by_tile = _each(lambda by, factor: by @ factor.T, by_product, transform_kernel(kernel))
    shape = (len(x), -(-height // 2), -(-width // 2), x.shape[-1])
    by_input = _overlap(_each(lambda by: by.reshape(shape), _both_sides(_B, by_tile)))
    by_kernel = jnp.stack([jnp.stack(row) for row in _both_sides(_G.T, by_transformed)])
    return by_input[:, 1 : 1 + x.shape[1], 1 : 1 + x.shape[2]], by_kernel


convolve.defvjp(_forward, _backward)


def output_size(x: jax.Array, even: bool) -> tuple[int, int]:
    """Return how many rows and columns of outputs there are."""
    height, width = x.shape[1:3]
    return (height - height % 2, width - width % 2) if even else (height, width)


def _tiles(x: jax.Array, even: bool) -> Square:
    """Return B' d B of the 4x4 tiles of (N, H, W, C), which overlap by 2: 4 x 4 arrays (N, H' / 2, W' / 2, C)."""
    height, width = (length + length % 2 for length in output_size(x, even))
    x = jnp.pad(x, ((0, 0), (1, height - x.shape[1] + 1), (1, width - x.shape[2] + 1), (0, 0)))
    return _both_sides(_B.T, [[x[:, i : i + height : 2, j : j + width : 2] for j in range(4)] for i in range(4)])


def _overlap(tiles: Square) -> jax.Array:
    """Return the sum of 4x4 tiles that overlap by 2: 4 x 4 arrays (N, H, W, C) -> (N, 2 H + 2, 2 W + 2, C)."""

    def placed(i: int, j: int) -> jax.Array:
        return jnp.pad(tiles[i][j], ((0, 0), (i // 2, 1 - i // 2), (j // 2, 1 - j // 2), (0, 0)))

    def block(i: int, j: int) -> jax.Array:
        return _sum(placed(row, column) for row in (i, i + 2) for column in (j, j + 2))

    return _interleave([[block(i, j) for j in range(2)] for i in range(2)])


def _interleave(blocks: Square) -> jax.Array:
    """Return (N, 2 H, 2 W, C) of its 2x2 blocks' values: 2 x 2 arrays (N, H, W, C)."""
    count, height, width, channels = blocks[0][0].shape
    rows = [jnp.stack(row, axis=3) for row in blocks]
    return jnp.stack(rows, axis=2).reshape(count, 2 * height, 2 * width, channels)


def _both_sides(matrix: np.ndarray, square: Any) -> Square:
    """Return matrix @ square @ matrix', written out as sums: nearly all factors are 0, 1 or -1."""
    rows, inner = matrix.shape

    def entry(i: int, j: int) -> jax.Array:
        factors = [(float(matrix[i, k] * matrix[j, m]), square[k][m]) for k, m in product(range(inner), repeat=2)]
        return _sum(array if factor == 1 else factor * array for factor, array in factors if factor)

    return [[entry(i, j) for j in range(rows)] for i in range(rows)]


def _each(function: Any, *squares: Square) -> Square:
    """Return function's value for the arrays at each place."""
    return [list(map(function, *rows)) for rows in zip(*squares, strict=True)]


def _rows(x: jax.Array) -> jax.Array:
    """Return (N, H, W, C) as (N * H * W, C)."""
    return x.reshape(-1, x.shape[-1])


def _sum(arrays: Iterable[jax.Array]) -> jax.Array:
    return reduce(add, arrays)
