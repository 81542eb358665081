"""What published checkpoints call each weight, and how theirs become ours: tables, one for each form of names.

A weight of ours is named by its path in the network: `stages.0.1.convs.2.norm.scale`. A table says what the layer
`stages.#.#.convs.#.norm` is called there, given the numbers in place of the #, counted from 0. Our kernels have the
layout HWIO (height, width, inputs, outputs), PyTorch's OIHW.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from confemb.networks.preprocessing import Preprocessing, caffe_preprocessing, torch_preprocessing
from confemb.support.errors import ConfembError, quoted_list

# Ours -> theirs, of a convolution or dense layer and of a batch normalisation.
_KERAS_LEAVES = {
    "kernel": "kernel",
    "bias": "bias",
    "norm.scale": "gamma",
    "norm.bias": "beta",
    "norm.mean": "moving_mean",
    "norm.var": "moving_variance",
}
_TORCH_LEAVES = {
    "kernel": "weight",
    "bias": "bias",
    "norm.scale": "weight",
    "norm.bias": "bias",
    "norm.mean": "running_mean",
    "norm.var": "running_var",
}


@dataclass(frozen=True)
class Naming:
    """One form of names.

    Attributes:
        label: what it is called in messages.
        marker: a regular expression that finds some name of this form and of no other.
        layers: our layer with # for numbers -> function of the numbers that gives their layer's name.
        leaves: our last part ("kernel", or "norm.bias" after a normalisation) -> theirs.
        separator: stands between their layer's name and its last part.
        torch_layout: kernels are OIHW and dense matrices (outputs, inputs).
        ignored: a last part of normalisations that carries no weight and may be there.
        options: of the network that weights under these names belong to.
        preprocessing: that they were trained with, unless they say so themselves.
    """

    label: str
    marker: str
    layers: Mapping[str, Callable[..., str]]
    leaves: Mapping[str, str]
    separator: str
    torch_layout: bool = False
    ignored: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Callable[[], Preprocessing] = torch_preprocessing

    def theirs(self, name: str) -> str | None:
        """Return what our weight `name` is called there; None where this form has no such layer."""
        layer, _, leaf = name.rpartition(".")
        parts = layer.split(".")
        make = self.layers.get(".".join("#" if part.isdigit() else part for part in parts))
        if make is None:
            return None
        last = self.leaves.get(f"{parts[-1]}.{leaf}", self.leaves.get(leaf))
        numbers = [int(part) for part in parts if part.isdigit()]
        return None if last is None else f"{make(*numbers)}{self.separator}{last}"

    def their_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that their tensor for our weight `name` of `shape` must have."""
        if self.torch_layout and len(shape) == 4:
            return (shape[3], shape[2], shape[0], shape[1])
        return shape[::-1] if self.torch_layout and len(shape) == 2 else shape

    def convert(self, name: str, array: np.ndarray) -> np.ndarray:
        """Return their tensor in our layout."""
        if not self.torch_layout or array.ndim not in (2, 4):
            return array
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)
        if name == "fc1.kernel":
            # It reads a flattened feature map: channel by channel there, pixel by pixel here.
            side = round((array.shape[1] / _VGG_CHANNELS) ** 0.5)
            return array.reshape(-1, _VGG_CHANNELS, side, side).transpose(2, 3, 1, 0).reshape(array.shape[::-1])
        return array.T


_VGG_CHANNELS = 512
_KERAS_RESNET = {"stride_in_1x1": True, "conv_bias": True}


def _letter(number: int) -> str:
    return chr(ord("a") + number)


def _torch_vgg(label: str, marker: str, starts: tuple[int, ...]) -> Naming:
    """Return torchvision's names of a VGG without normalisation, whose stages begin at these places."""
    return Naming(
        label=label,
        marker=marker,
        layers={
            # A rectifier stands after each convolution.
            "stages.#.#": lambda stage, conv: f"features.{starts[stage] + 2 * conv}",
            "fc1": lambda: "classifier.0",
            "fc2": lambda: "classifier.3",
            "head": lambda: "classifier.6",
        },
        leaves=_TORCH_LEAVES,
        separator=".",
        torch_layout=True,
    )


FOREIGN = (
    Naming(
        label="Keras (names of 2016)",
        marker=r"^res\d[a-z]_branch",
        layers={
            "stem.conv": lambda: "conv1",
            "stem.norm": lambda: "bn_conv1",
            "stages.#.#.convs.#.conv": lambda s, b, c: f"res{s + 2}{_letter(b)}_branch2{_letter(c)}",
            "stages.#.#.convs.#.norm": lambda s, b, c: f"bn{s + 2}{_letter(b)}_branch2{_letter(c)}",
            "stages.#.#.shortcut.conv": lambda s, b: f"res{s + 2}{_letter(b)}_branch1",
            "stages.#.#.shortcut.norm": lambda s, b: f"bn{s + 2}{_letter(b)}_branch1",
            "head": lambda: "fc1000",
        },
        leaves=_KERAS_LEAVES,
        separator="/",
        options={**_KERAS_RESNET, "epsilon": 1e-3},
        preprocessing=caffe_preprocessing,
    ),
    Naming(
        label="Keras",
        marker=r"^conv\d_block\d+_\d_conv/",
        layers={
            "stem.conv": lambda: "conv1_conv",
            "stem.norm": lambda: "conv1_bn",
            "stages.#.#.convs.#.conv": lambda s, b, c: f"conv{s + 2}_block{b + 1}_{c + 1}_conv",
            "stages.#.#.convs.#.norm": lambda s, b, c: f"conv{s + 2}_block{b + 1}_{c + 1}_bn",
            "stages.#.#.shortcut.conv": lambda s, b: f"conv{s + 2}_block{b + 1}_0_conv",
            "stages.#.#.shortcut.norm": lambda s, b: f"conv{s + 2}_block{b + 1}_0_bn",
            "head": lambda: "predictions",
        },
        leaves=_KERAS_LEAVES,
        separator="/",
        options={**_KERAS_RESNET, "epsilon": 1.001e-5},
        preprocessing=caffe_preprocessing,
    ),
    Naming(
        label="Keras",
        marker=r"^block\d_conv\d/",
        layers={
            "stages.#.#": lambda stage, conv: f"block{stage + 1}_conv{conv + 1}",
            "fc1": lambda: "fc1",
            "fc2": lambda: "fc2",
            "head": lambda: "predictions",
        },
        leaves=_KERAS_LEAVES,
        separator="/",
        preprocessing=caffe_preprocessing,
    ),
    Naming(
        label="PyTorch (torchvision, timm)",
        marker=r"^layer\d\.\d+\.conv\d\.",
        layers={
            "stem.conv": lambda: "conv1",
            "stem.norm": lambda: "bn1",
            "stages.#.#.convs.#.conv": lambda s, b, c: f"layer{s + 1}.{b}.conv{c + 1}",
            "stages.#.#.convs.#.norm": lambda s, b, c: f"layer{s + 1}.{b}.bn{c + 1}",
            "stages.#.#.shortcut.conv": lambda s, b: f"layer{s + 1}.{b}.downsample.0",
            "stages.#.#.shortcut.norm": lambda s, b: f"layer{s + 1}.{b}.downsample.1",
            "head": lambda: "fc",
        },
        leaves=_TORCH_LEAVES,
        separator=".",
        torch_layout=True,
        ignored="num_batches_tracked",
    ),
    Naming(
        label="Hugging Face",
        marker=r"^resnet\.encoder\.stages\.",
        layers={
            "stem.conv": lambda: "resnet.embedder.embedder.convolution",
            "stem.norm": lambda: "resnet.embedder.embedder.normalization",
            "stages.#.#.convs.#.conv": (lambda s, b, c: f"resnet.encoder.stages.{s}.layers.{b}.layer.{c}.convolution"),
            "stages.#.#.convs.#.norm": (
                lambda s, b, c: f"resnet.encoder.stages.{s}.layers.{b}.layer.{c}.normalization"
            ),
            "stages.#.#.shortcut.conv": lambda s, b: f"resnet.encoder.stages.{s}.layers.{b}.shortcut.convolution",
            "stages.#.#.shortcut.norm": lambda s, b: f"resnet.encoder.stages.{s}.layers.{b}.shortcut.normalization",
            "head": lambda: "classifier.1",
        },
        leaves=_TORCH_LEAVES,
        separator=".",
        torch_layout=True,
        ignored="num_batches_tracked",
    ),
    _torch_vgg("PyTorch (torchvision)", r"^features\.24\.weight$", (0, 5, 10, 17, 24)),
    _torch_vgg("PyTorch (torchvision)", r"^features\.34\.weight$", (0, 5, 10, 19, 28)),
)


def find_naming(names: Collection[str]) -> Naming | None:
    """Return the foreign form that tensors called `names` are in; None where they are in none, so confemb's own."""
    for naming in FOREIGN:
        if any(re.search(naming.marker, name) for name in names):
            return naming
    return None


def fit_arrays(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    where: str,
    guess: Callable[[], str] = lambda: "another network",
) -> dict[str, np.ndarray]:
    """Return a checkpoint's tensors under our names and in our layout: each one used once, none missing, none left.

    Args:
        arrays: the checkpoint's tensors by their names.
        shapes: our weights' names and shapes.
        where: what the checkpoint is called in messages.
        guess: says what the checkpoint is instead, when the names do not fit.

    Raises:
        ConfembError: tensors that are missing or left over (both are named), of a wrong shape or kind, or not finite.
    """
    naming = find_naming(arrays)
    theirs = {name: name if naming is None else naming.theirs(name) for name in shapes}
    wanted = {name: other for name, other in theirs.items() if other is not None}
    allowed = set(wanted.values())
    if naming is not None and naming.ignored is not None:
        of_norms = {wanted[name].rpartition(".")[0] for name in wanted if name.endswith("norm.scale")}
        allowed |= {f"{layer}.{naming.ignored}" for layer in of_norms}
    missing = sorted(name for name, other in theirs.items() if other is None)
    missing += sorted(set(wanted.values()) - set(arrays))
    left_over = sorted(set(arrays) - allowed)
    if missing or left_over:
        lacks = f"it lacks {quoted_list(missing)}" if missing else ""
        extra = f"it has {quoted_list(left_over)} too many" if left_over else ""
        form = "" if naming is None else f" (read by the names of {naming.label})"
        raise ConfembError(
            f"the weights {where} are of {guess()}: "
            f"{' and '.join(part for part in (lacks, extra) if part)}{form}; "
            "give the weights of this classifier and these options."
        )
    fitted = {}
    for name, shape in shapes.items():
        other = wanted[name]
        array = arrays[other]
        expected = shape if naming is None else naming.their_shape(name, shape)
        if array.shape != expected:
            raise ConfembError(
                f"the weights {where} are of another network: {other} has the shape {array.shape}, expected {expected}."
            )
        if array.dtype.kind != "f":
            raise ConfembError(
                f"the weights {where} are of another network: {other} holds {array.dtype}, expected float32."
            )
        if not np.isfinite(array).all():
            raise ConfembError(f"the weights {where} hold values in {other} that are not finite: get them again.")
        fitted[name] = array if naming is None else naming.convert(name, array)
    return fitted
