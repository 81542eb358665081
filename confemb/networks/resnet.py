"""ResNet for ImageNet (He et al. 2016) in its published forms, for weights that come from elsewhere."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from confemb.networks.convolution import ConvNorm
from confemb.networks.layers import max_pool, of_depth
from confemb.networks.preprocessing import torch_preprocessing
from confemb.support.errors import unknown_name

# Blocks of the four stages, and whether a block is a bottleneck (1x1, 3x3, 1x1) or basic (3x3, 3x3).
PLANS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
WIDTHS = (64, 128, 256, 512)


class Block(nnx.Module):
    """Convolutions around which the input is carried, itself or by a 1x1 convolution."""

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        bottleneck: bool,
        stride: int,
        stride_in_1x1: bool,
        conv_bias: bool,
        epsilon: float,
        rngs: nnx.Rngs,
    ) -> None:
        outputs = 4 * width if bottleneck else width

        def conv(inputs: int, outputs: int, size: int, stride: int) -> ConvNorm:
            return ConvNorm(inputs, outputs, size, stride=stride, bias=conv_bias, epsilon=epsilon, rngs=rngs)

        if bottleneck:
            first, second = (stride, 1) if stride_in_1x1 else (1, stride)
            convs = [conv(inputs, width, 1, first), conv(width, width, 3, second), conv(width, outputs, 1, 1)]
        else:
            convs = [conv(inputs, width, 3, stride), conv(width, outputs, 3, 1)]
        self.convs = nnx.List(convs)
        carried = stride == 1 and inputs == outputs
        self.shortcut = nnx.data(None if carried else conv(inputs, outputs, 1, stride))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (N, H', W', outputs) of (N, H, W, inputs)."""
        carried = x if self.shortcut is None else self.shortcut(x)
        for conv in self.convs[:-1]:
            x = jax.nn.relu(conv(x))
        return jax.nn.relu(self.convs[-1](x) + carried)


class ResNet(nnx.Module):
    """Convolution 7x7, maximum 3x3, four stages of residual blocks, mean, dense.

    The published forms differ in three things. The first one ("v1": Caffe, Keras) strides in a bottleneck's first
    1x1 convolution and has biases; torchvision, timm and Hugging Face ("v1.5") stride in the 3x3 and have none.
    Keras' batch normalisation adds another epsilon to the variance.

    It predicts with the weights it is given; training it from scratch is not provided for.

    Attributes:
        layers: the names of the activations that can be asked for.
        preprocessing: how pictures become its input; comes with the weights.
    """

    layers = ("stem", "stage1", "stage2", "stage3", "stage4", "avg_pool")

    def __init__(
        self,
        depth: int,
        image_shape: tuple[int, int, int],
        class_count: int,
        *,
        stride_in_1x1: bool = False,
        conv_bias: bool = False,
        epsilon: float = 1e-5,
        input_size: int = 224,
        rngs: nnx.Rngs,
    ) -> None:
        """Draw random weights.

        Args:
            depth: a key of `PLANS`.
            image_shape: (height, width, channels) of the dataset's pictures; they must have 3 channels.
            class_count: K, the number of logits.
            stride_in_1x1: a bottleneck strides in its first 1x1 convolution; else in the 3x3. The basic blocks of
                depths 18 and 34 stride in their first convolution in any case.
            conv_bias: convolutions have biases, beside those of the normalisation.
            epsilon: added to the variance in every batch normalisation.
            input_size: pixels a side of the input; weights that are loaded bring their own.
            rngs: the source of the weights.

        Raises:
            ValueError: pictures that are not RGB.
        """
        if image_shape[2] != 3:
            raise ValueError(f"it needs pictures of 3 channels, not {image_shape[2]}")
        blocks, bottleneck = PLANS[depth]
        self.preprocessing = torch_preprocessing(input_size)
        self.stem = ConvNorm(3, WIDTHS[0], 7, stride=2, bias=conv_bias, epsilon=epsilon, rngs=rngs)
        self.stages: nnx.List = nnx.List([])
        inputs = WIDTHS[0]
        for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
            made: nnx.List = nnx.List([])
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                made.append(
                    Block(
                        inputs,
                        width,
                        bottleneck=bottleneck,
                        stride=stride,
                        stride_in_1x1=stride_in_1x1,
                        conv_bias=conv_bias,
                        epsilon=epsilon,
                        rngs=rngs,
                    )
                )
                inputs = 4 * width if bottleneck else width
            self.stages.append(made)
        self.head = nnx.Linear(inputs, class_count, rngs=rngs)

    def prepare(self, images: jax.Array) -> jax.Array:
        """Turn (N, H, W, 3) uint8 into (N, S, S, 3) input, as the weights want it."""
        return self.preprocessing(images)

    def __call__(self, inputs: jax.Array, *, layer: str | None = None) -> jax.Array:
        """Return (N, K) logits of (N, S, S, 3) prepared pictures, or the activations of a layer.

        Args:
            inputs: prepared pictures; any size from 32 pixels on will do.
            layer: "stem" (after the pooling), "stage1" to "stage4", each (N, height, width, channels), or "avg_pool"
                (N, features).

        Raises:
            ConfembError: an unknown layer.
        """
        if layer is not None and layer not in self.layers:
            raise unknown_name("layer", layer, self.layers, where="a ResNet")
        x = jax.nn.relu(self.stem(inputs))
        # Nothing is negative here, so zeros around are as good as none.
        x = max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 2)
        if layer == "stem":
            return x
        for number, stage in enumerate(self.stages, start=1):
            for block in stage:
                x = block(x)
            if layer == f"stage{number}":
                return x
        x = x.mean(axis=(1, 2))
        return x if layer == "avg_pool" else self.head(x)


def _of_depth(depth: int) -> Callable[..., ResNet]:
    return of_depth(ResNet, depth, name=f"resnet{depth}", title=f"ResNet-{depth}")


resnet18 = _of_depth(18)
resnet34 = _of_depth(34)
resnet50 = _of_depth(50)
resnet101 = _of_depth(101)
resnet152 = _of_depth(152)
