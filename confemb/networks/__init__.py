"""Flax NNX networks that confemb can train or fill with published weights, resolved by name.

`fast_cnn` and `paper_cnn` are for small pictures, `resnet` and `vgg` for ImageNet; `layers`, `convolution` and
`winograd` are their parts, `inference` computes their logits batch by batch. `training` trains them, `pretrained`
fills them with weights made elsewhere.

May import: everything from support to result.
Start reading at: `Network` here, then `fast_cnn`.
"""

import inspect
from typing import Any, Protocol, cast

import numpy as np

from confemb.support.errors import ConfembError, unknown_name
from confemb.support.registry import Registry

CLASSIFIERS = Registry(
    "classifier",
    "confemb.classifiers",
    {
        "paper_cnn": "confemb.networks.paper_cnn:PaperCnn",
        "fast_cnn": "confemb.networks.fast_cnn:FastCnn",
        **{f"resnet{depth}": f"confemb.networks.resnet:resnet{depth}" for depth in (18, 34, 50, 101, 152)},
        **{f"vgg{depth}": f"confemb.networks.vgg:vgg{depth}" for depth in (16, 19)},
    },
)
# Those that are not trained here: they get published weights.
WITH_WEIGHTS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg16", "vgg19")


class Network(Protocol):
    """A trainable network: an `nnx.Module` that prepares its own input.

    It is made as `Network(image_shape, class_count, rngs=..., **options)`, where `image_shape` is
    (height, width, channels) of the dataset's pictures.

    Attributes:
        group: how many pictures, one after the other, depend on one another while training (by batch
            normalisation); 1 where each stands alone. A batch may be computed group by group.
    """

    group: int

    def fit_input(self, images: np.ndarray) -> None:
        """Set what depends on the training pictures ((N, H, W, C) uint8), such as channel means; before training."""

    def augment(self, key: Any, images: Any) -> Any:
        """Turn (N, H, W, C) uint8 into randomly changed network input."""

    def prepare(self, images: Any) -> Any:
        """Turn (N, H, W, C) uint8 into network input, the same every time."""

    def __call__(self, inputs: Any) -> Any:
        """Return (N, K) float32 logits of prepared or augmented input."""

    def decayed(self, path: tuple[Any, ...]) -> bool:
        """Tell whether weight decay pulls at the parameter at `path`."""

    def learning_rate_scale(self, path: tuple[Any, ...]) -> float:
        """Return the factor on the learning rate of the parameter at `path`."""


def make_network(
    name: str, image_shape: tuple[int, int, int], class_count: int, *, seed: int, options: dict[str, Any]
) -> Network:
    """Make the network called `name` with freshly drawn weights.

    Args:
        name: a name in `CLASSIFIERS`.
        image_shape: (height, width, channels) of the pictures.
        class_count: K, the number of logits.
        seed: draws the weights.
        options: the network's own options.

    Raises:
        ConfembError: an unknown network or option, or pictures the network cannot take.
    """
    check_options(name, options)
    from flax import nnx

    network = CLASSIFIERS.get(name)
    try:
        return cast(Network, network(image_shape, class_count, rngs=nnx.Rngs(seed), **options))
    except (TypeError, ValueError) as error:
        raise ConfembError(f"the classifier {name!r} cannot be made from the options {options}: {error}.") from error


def check_options(name: str, options: dict[str, Any]) -> None:
    """Raise ConfembError for an unknown classifier, or an option it does not take."""
    part = CLASSIFIERS.get(name)
    # The metaclass of nnx.Module hides the signature of __init__, so that is asked itself.
    signature = inspect.signature(part.__init__ if inspect.isclass(part) else part)
    given = ("rngs", "seed")
    known = [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.name not in given]
    for option in options:
        if option not in known:
            raise unknown_name("option", option, known, where=f"the section [classifier] for {name!r}")
