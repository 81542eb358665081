"""VGG for ImageNet (Simonyan and Zisserman 2015), for weights that come from elsewhere."""

from collections.abc import Callable

import jax
from flax import nnx

from confemb.networks.convolution import Conv
from confemb.networks.layers import max_pool, of_depth
from confemb.networks.preprocessing import torch_preprocessing
from confemb.support.errors import unknown_name

# Convolutions in each of the five stages.
PLANS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)
HIDDEN = 4096


class Vgg(nnx.Module):
    """Five stages of 3x3 convolutions, each ending in a maximum over 2x2, then three dense layers.

    It predicts with the weights it is given; training it from scratch is not provided for.

    Attributes:
        layers: the names of the activations that can be asked for.
        preprocessing: how pictures become its input; comes with the weights.
    """

    layers = ("stage1", "stage2", "stage3", "stage4", "stage5", "fc1", "fc2")

    def __init__(
        self,
        depth: int,
        image_shape: tuple[int, int, int],
        class_count: int,
        *,
        input_size: int = 224,
        rngs: nnx.Rngs,
    ) -> None:
        """Draw random weights.

        Args:
            depth: a key of `PLANS`.
            image_shape: (height, width, channels) of the dataset's pictures; they must have 3 channels.
            class_count: K, the number of logits.
            input_size: pixels a side of the input, which sets the size of the first dense layer; a multiple of 32.
            rngs: the source of the weights.

        Raises:
            ValueError: pictures that are not RGB, or an input size that is no multiple of 32.
        """
        if image_shape[2] != 3:
            raise ValueError(f"it needs pictures of 3 channels, not {image_shape[2]}")
        if input_size < 32 or input_size % 32:
            raise ValueError(f"input_size is {input_size}; it must be a multiple of 32")
        self.preprocessing = torch_preprocessing(input_size)
        self.stages: nnx.List = nnx.List([])
        inputs = 3
        for width, count in zip(WIDTHS, PLANS[depth], strict=True):
            convs = []
            for _ in range(count):
                convs.append(Conv(inputs, width, 3, padding=1, bias=True, rngs=rngs))
                inputs = width
            self.stages.append(nnx.List(convs))
        self.fc1 = nnx.Linear((input_size // 32) ** 2 * inputs, HIDDEN, rngs=rngs)
        self.fc2 = nnx.Linear(HIDDEN, HIDDEN, rngs=rngs)
        self.head = nnx.Linear(HIDDEN, class_count, rngs=rngs)

    def prepare(self, images: jax.Array) -> jax.Array:
        """Turn (N, H, W, 3) uint8 into (N, S, S, 3) input, as the weights want it."""
        return self.preprocessing(images)

    def __call__(self, inputs: jax.Array, *, layer: str | None = None) -> jax.Array:
        """Return (N, K) logits of (N, S, S, 3) prepared pictures, or the activations of a layer.

        Args:
            inputs: prepared pictures of `input_size` pixels a side.
            layer: "stage1" to "stage5" (after the pooling), each (N, height, width, channels), or "fc1" or "fc2"
                (after the rectifier), each (N, 4096).

        Raises:
            ConfembError: an unknown layer.
        """
        if layer is not None and layer not in self.layers:
            raise unknown_name("layer", layer, self.layers, where="a VGG")
        x = inputs
        for number, stage in enumerate(self.stages, start=1):
            for conv in stage:
                x = jax.nn.relu(conv(x))
            x = max_pool(x, 2, 2)
            if layer == f"stage{number}":
                return x
        x = jax.nn.relu(self.fc1(x.reshape(len(x), -1)))
        if layer == "fc1":
            return x
        x = jax.nn.relu(self.fc2(x))
        return x if layer == "fc2" else self.head(x)


def _of_depth(depth: int) -> Callable[..., Vgg]:
    return of_depth(Vgg, depth, name=f"vgg{depth}", title=f"VGG-{depth}")


vgg16 = _of_depth(16)
vgg19 = _of_depth(19)
