"""A small modern network for small pictures, in the manner of the CIFAR-10 speed records.

After K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024): a fixed whitening filter first,
convolutions that start as the identity, batch normalisation with a bias alone, GELU, a scaled head.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from confemb.networks import augmentation
from confemb.networks.convolution import convolve_3x3
from confemb.networks.layers import Constant, GhostBatchNorm, add_bias, max_pool
from confemb.support.errors import unknown_name

_WHITENING_PICTURES = 5000
_COUNTED_PICTURES = 1000
_HEAD_SCALE = 1 / 9


class FastCnn(nnx.Module):
    """Whitening 2x2, then a block for each width: conv, pool by 2, norm, GELU, conv, norm, GELU; maximum; dense.

    Attributes:
        layers: the names of the activations that can be asked for.
    """

    layers = ("max_pool",)

    def __init__(  # noqa: PLR0913 - each is an option of [classifier] in an experiment
        self,
        image_shape: tuple[int, int, int],
        class_count: int,
        *,
        widths: Sequence[int] = (32, 64, 128),
        shift: int = 2,
        mirror: bool = True,
        norm_group: int = 16,
        norm_momentum: float = 0.95,
        bias_rate: float = 8.0,
        rngs: nnx.Rngs,
    ) -> None:
        """Draw the initial weights.

        Args:
            image_shape: (height, width, channels) of the pictures.
            class_count: the number of logits.
            widths: channels of each block; every block halves the picture.
            shift: pixels a picture is moved by at most while training.
            mirror: whether training mirrors pictures (not for digits, whose mirror image means nothing).
            norm_group: pictures to a group of batch normalisation.
            norm_momentum: how much of its running statistics a step leaves, from 0 to 1.
            bias_rate: how many times as fast as the kernels the biases learn.
            rngs: the source of the weights.

        Raises:
            ValueError: pictures too small for as many blocks, or an option out of range.
        """
        height, width, channels = image_shape
        if not widths or min(widths) < 1:
            raise ValueError("widths must be numbers of channels of at least 1, one for each block")
        if not 0 <= shift < min(height, width):
            raise ValueError(f"shift must be from 0 to {min(height, width) - 1} pixels for these pictures")
        if norm_group < 1:
            raise ValueError("norm_group must be at least 1 picture")
        if not 0 <= norm_momentum < 1:
            raise ValueError("norm_momentum must be at least 0 and below 1")
        if not bias_rate > 0:
            raise ValueError("bias_rate must be above 0")
        if min(height, width) - 1 < 2 ** len(widths):
            raise ValueError(f"{len(widths)} blocks need pictures larger than {2 ** len(widths)} pixels a side")
        self.shift, self.mirror, self.group, self.bias_rate = shift, mirror, norm_group, bias_rate
        self.input_mean = Constant(jnp.zeros(channels))
        self.input_deviation = Constant(jnp.ones(channels))
        filters = 2 * 2 * 2 * channels
        self.whitening = Constant(jnp.zeros((2, 2, channels, filters)))
        self.whitening_bias = nnx.Param(jnp.zeros(filters))
        self.convs: nnx.List = nnx.List([])
        self.norms: nnx.List = nnx.List([])
        inputs = filters
        for outputs in widths:
            for block_inputs in (inputs, outputs):
                self.convs.append(
                    nnx.Conv(block_inputs, outputs, (3, 3), use_bias=False, kernel_init=_identity_first, rngs=rngs)
                )
                self.norms.append(GhostBatchNorm(outputs, group=norm_group, momentum=norm_momentum))
            inputs = outputs
        self.head = nnx.Linear(inputs, class_count, use_bias=False, kernel_init=nnx.initializers.normal(1.0), rngs=rngs)

    def fit_input(self, images: np.ndarray) -> None:
        """Set channel means and deviations and the whitening filter from training pictures (N, H, W, C) uint8.

        The filter's 2x2 patches have unit covariance on the first 5,000 pictures; each eigenvector is
        there with both signs, so that no information is lost to the nonlinearity.
        """
        mean, deviation = _mean_and_deviation(images)
        mean, deviation = mean / 255, np.maximum(deviation / 255, 1e-3)
        self.input_mean[...] = jnp.asarray(mean, jnp.float32)
        self.input_deviation[...] = jnp.asarray(deviation, jnp.float32)
        sample = (images[:_WHITENING_PICTURES] / 255 - mean) / deviation
        patches = np.lib.stride_tricks.sliding_window_view(sample, (2, 2), axis=(1, 2))
        patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 4 * images.shape[-1])
        eigenvalues, eigenvectors = np.linalg.eigh(np.cov(patches.T))
        # The sign of an eigenvector is arbitrary; fix it, so that the filter is the same everywhere.
        largest = np.abs(eigenvectors).argmax(axis=0)
        eigenvectors *= np.sign(eigenvectors[largest, np.arange(len(largest))])
        filters = eigenvectors / np.sqrt(np.maximum(eigenvalues, 0) + 5e-4)
        both_signs = np.concatenate([filters, -filters], axis=1).reshape(2, 2, images.shape[-1], -1)
        self.whitening[...] = jnp.asarray(both_signs, jnp.float32)

    def augment(self, key: jax.Array, images: jax.Array) -> jax.Array:
        """Normalise, mirror, shift: (N, H, W, C) uint8 -> the same shape in float32."""
        key_mirror, key_shift = jax.random.split(key)
        x = self.prepare(images)
        if self.mirror:
            x = augmentation.random_mirror(key_mirror, x)
        return augmentation.random_shift(key_shift, x, self.shift)

    def prepare(self, images: jax.Array) -> jax.Array:
        """Bring the channels to mean 0 and deviation 1 over the training pictures."""
        return (images.astype(jnp.float32) / 255 - self.input_mean[...]) / self.input_deviation[...]

    def __call__(self, inputs: jax.Array, *, layer: str | None = None) -> jax.Array:
        """Return (N, K) logits of (N, H, W, C) prepared pictures, or the activations of a layer.

        Args:
            inputs: prepared pictures.
            layer: "max_pool" (N, the last width), the maximum over the picture that goes into the last layer.

        Raises:
            ConfembError: an unknown layer.
        """
        if layer is not None and layer not in self.layers:
            raise unknown_name("layer", layer, self.layers, where="the fast network")
        x = jax.nn.gelu(
            add_bias(_patches(inputs) @ self.whitening[...].reshape(4 * inputs.shape[-1], -1), self.whitening_bias[...])
        )
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = convolve_3x3(x, conv.kernel[...], even=number % 2 == 0)
            if number % 2 == 0:
                # Pooling before the normalisation leaves a quarter of the values to normalise.
                x = max_pool(x, 2, 2)
            x = jax.nn.gelu(norm(x))
        x = x.max(axis=(1, 2))
        return x if layer == "max_pool" else self.head(x) * _HEAD_SCALE

    def decayed(self, path: tuple[Any, ...]) -> bool:
        """Kernels decay, biases do not."""
        return path[-1] == "kernel"

    def learning_rate_scale(self, path: tuple[Any, ...]) -> float:
        """The biases of the normalisations learn `bias_rate` times as fast."""
        return self.bias_rate if path[-1] == "bias" else 1.0


def _mean_and_deviation(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (C,) float64 means and standard deviations of (N, H, W, C) uint8.

    By how often each value is there: exact, and 15 times as fast as numpy's, which first writes it all as float64.
    """
    value = np.arange(256)
    counts = np.zeros((images.shape[-1], len(value)), np.int64)
    for start in range(0, len(images), _COUNTED_PICTURES):
        some = images[start : start + _COUNTED_PICTURES]
        for channel, its_counts in enumerate(counts):
            its_counts += np.bincount(some[..., channel].ravel(), minlength=len(value))
    total = counts.sum(axis=1)
    mean = counts @ value / total
    return mean, np.sqrt((counts * (value - mean[:, None]) ** 2).sum(axis=1) / total)


def _patches(x: jax.Array) -> jax.Array:
    """Return the 2x2 patches of (N, H, W, C), (N, H - 1, W - 1, 4 C).

    A convolution with so few inputs is ten times slower on CPUs than the product of its patches.
    """
    return jnp.concatenate([x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]], axis=-1)


def _identity_first(
    key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32, out_sharding: Any = None
) -> jax.Array:
    """Draw a 3x3 kernel whose first outputs pass their input through unchanged (a "dirac" start)."""
    height, width, inputs, outputs = shape
    bound = 1 / np.sqrt(height * width * inputs)
    kernel = jax.random.uniform(key, shape, dtype, -bound, bound)
    both = min(inputs, outputs)
    identity = jnp.zeros((height, width, inputs, both), dtype)
    identity = identity.at[height // 2, width // 2, jnp.arange(both), jnp.arange(both)].set(1)
    return kernel.at[..., :both].set(identity)
