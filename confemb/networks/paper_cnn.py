"""The network the paper trained: the one of TensorFlow's "deep CNN" tutorial for CIFAR-10."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from confemb.networks import augmentation
from confemb.networks.convolution import convolve
from confemb.networks.layers import local_response_norm, max_pool
from confemb.support.errors import unknown_name

CROP = (24, 24)


class PaperCnn(nnx.Module):
    """conv 5x5x64, pool, norm, conv 5x5x64, norm, pool, dense 384, dense 192, softmax.

    Training sees random 24x24 crops, mirrored, with random brightness and contrast; evaluation the central crop;
    both standardise each picture. Weight decay (0.004 in the tutorial) acts on the two hidden dense layers only.

    Attributes:
        layers: the names of the activations that can be asked for.
    """

    group = 1
    layers = ("local3", "local4")

    def __init__(self, image_shape: tuple[int, int, int], class_count: int, *, rngs: nnx.Rngs) -> None:
        """Draw the tutorial's initial weights; raises ValueError for pictures smaller than 24x24."""
        height, width, channels = image_shape
        if height < CROP[0] or width < CROP[1]:
            raise ValueError(f"it needs pictures of at least 24x24, not {height}x{width}")

        def conv(inputs: int, bias: float) -> nnx.Conv:
            return nnx.Conv(
                inputs,
                64,
                (5, 5),
                kernel_init=nnx.initializers.truncated_normal(0.05),
                bias_init=nnx.initializers.constant(bias),
                rngs=rngs,
            )

        def dense(inputs: int, outputs: int, deviation: float, bias: float) -> nnx.Linear:
            return nnx.Linear(
                inputs,
                outputs,
                kernel_init=nnx.initializers.truncated_normal(deviation),
                bias_init=nnx.initializers.constant(bias),
                rngs=rngs,
            )

        self.conv1 = conv(channels, 0.0)
        self.conv2 = conv(64, 0.1)
        self.local3 = dense(6 * 6 * 64, 384, 0.04, 0.1)
        self.local4 = dense(384, 192, 0.04, 0.1)
        self.softmax_linear = dense(192, class_count, 1 / 192, 0.0)

    def fit_input(self, images: np.ndarray) -> None:
        """Do nothing: every picture is standardised by itself."""

    def augment(self, key: jax.Array, images: jax.Array) -> jax.Array:
        """Crop, mirror, change brightness and contrast, standardise: (N, H, W, C) uint8 -> (N, 24, 24, C)."""
        keys = jax.random.split(key, 4)
        x = augmentation.random_crop(keys[0], images.astype(jnp.float32), CROP)
        x = augmentation.random_mirror(keys[1], x)
        x = augmentation.random_brightness(keys[2], x, 63.0)
        x = augmentation.random_contrast(keys[3], x, 0.2, 1.8)
        return augmentation.standardise_each(x)

    def prepare(self, images: jax.Array) -> jax.Array:
        """Take the central crop and standardise it: (N, H, W, C) uint8 -> (N, 24, 24, C)."""
        return augmentation.standardise_each(augmentation.central_crop(images.astype(jnp.float32), CROP))

    @property
    def head(self) -> nnx.Linear:
        """The last layer."""
        return self.softmax_linear

    def __call__(self, inputs: jax.Array, *, layer: str | None = None) -> jax.Array:
        """Return (N, K) logits of (N, 24, 24, C) prepared pictures, or the activations of a layer.

        Args:
            inputs: prepared pictures.
            layer: "local3" (N, 384) or "local4" (N, 192), after the rectifier.

        Raises:
            ConfembError: an unknown layer.
        """
        if layer is not None and layer not in self.layers:
            raise unknown_name("layer", layer, self.layers, where="the paper's network")
        # Bias and rectifier grow with their input, so after the maximum they give the same and have less to do.
        x = max_pool(convolve(inputs, self.conv1.kernel[...], 1, 2), 3, 2, same=True)
        x = local_response_norm(jax.nn.relu(x + self.conv1.bias[...]))  # type: ignore[index]  # there is one
        x = jax.nn.relu(self.conv2(x))
        x = max_pool(local_response_norm(x), 3, 2, same=True)
        x = jax.nn.relu(self.local3(x.reshape(len(x), -1)))
        if layer == "local3":
            return x
        x = jax.nn.relu(self.local4(x))
        return x if layer == "local4" else self.softmax_linear(x)

    def decayed(self, path: tuple[Any, ...]) -> bool:
        """Only the kernels of local3 and local4 decay."""
        return path[0] in ("local3", "local4") and path[-1] == "kernel"

    def learning_rate_scale(self, path: tuple[Any, ...]) -> float:
        """All parameters learn at the same rate."""
        return 1.0
