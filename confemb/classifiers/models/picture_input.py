"""How pictures become a model's input where the model's file does not say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from confemb.classifiers.scoring_records import ItemKind
from confemb.networks.preprocessing import Preprocessing, caffe_preprocessing, torch_preprocessing
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import parse_json, read_text

Layout = Literal["channels first", "channels last"]
NAMES = {
    "raw": "values from 0 to 255",
    "unit": "values from 0 to 1",
    "symmetric": "values from -1 to 1",
    "imagenet": "from 0 to 1, then minus ImageNet's mean, divided by its deviation; cut from a slightly larger picture",
    "caffe": "BGR minus ImageNet's mean, as Keras' ResNet and VGG; cut from a slightly larger picture",
}


@dataclass(frozen=True)
class PictureShape:
    """What a model's input wants: `size` pixels a side, `channels` of them, and where the channels stand."""

    size: int
    channels: int
    layout: Layout


def picture_shape(shape: Sequence[Any], *, where: str) -> PictureShape:
    """Return what a model's input of shape (n, C, H, W) or (n, H, W, C) wants.

    Args:
        shape: the model's axes; anything but a whole number is free.
        where: what the model is called in messages.

    Raises:
        ConfembError: not four axes, sides that are free or differ, or axes that could be read both ways.
    """
    axes = [axis if isinstance(axis, int) and axis > 0 else None for axis in shape]
    if len(axes) != 4:
        raise ConfembError(f"the input of {where} has {len(axes)} axes, {tuple(shape)}: pictures need 4.")
    first, last = axes[1] in (1, 3), axes[3] in (1, 3)
    if first == last:
        raise ConfembError(
            f"the input of {where} has shape {tuple(shape)}, which does not say where the channels stand: (n, "
            "channels, height, width) or (n, height, width, channels); export it with fixed sides."
        )
    channels, sides = (axes[1], axes[2:]) if first else (axes[3], axes[1:3])
    if sides[0] is None or sides[0] != sides[1]:
        raise ConfembError(
            f"the input of {where} has sides of {sides[0] or 'any'} x {sides[1] or 'any'} pixels: it must be a "
            "square of fixed size; export it so."
        )
    assert channels is not None
    return PictureShape(sides[0], channels, "channels first" if first else "channels last")


def picture_preparation(
    preprocess: str | None, shape: PictureShape, dtype: Any, *, where: str
) -> tuple[Callable[[list[Any]], np.ndarray], dict[str, Any]]:
    """Return what turns n RGB Pillow pictures into a model's input, and its description, JSON-able.

    Args:
        preprocess: one of `NAMES`, or a JSON file of a `Preprocessing`. None: raw where the model takes uint8.
        shape: what the input wants.
        dtype: the input's type.
        where: what the model is called in messages.

    Raises:
        ConfembError: None for a model of floats, an unknown name, a file that is not a preprocessing.
    """
    dtype = np.dtype(dtype)
    if preprocess is None:
        if dtype != np.uint8:
            known = "; ".join(f"{name} ({said})" for name, said in NAMES.items())
            raise ConfembError(
                f"{where} does not say how pictures become its input: say --preprocess NAME, one of {known}; or a JSON "
                "file."
            )
        preprocess = "raw"
    settings = _preprocessing(preprocess, shape.size)
    if settings.crop != shape.size:
        raise ConfembError(f"the preprocessing cuts {settings.crop} pixels, but {where} takes {shape.size}.")

    def prepare(pictures: list[Any]) -> np.ndarray:
        values = np.stack([_pixels(settings.cut(picture), shape.channels) for picture in pictures])
        if dtype != np.uint8:
            values = values.astype(np.float32)
            if settings.channel_order == "bgr":
                values = values[..., ::-1]
            mean, std = (np.array(one[: shape.channels], np.float32) for one in (settings.mean, settings.std))
            values = (values * np.float32(settings.scale) - mean) / std
        if shape.layout == "channels first":
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values, dtype=dtype)

    return prepare, settings.as_dict() | {"layout": shape.layout, "channels": shape.channels}


def _pixels(picture: Any, channels: int) -> np.ndarray:
    return np.asarray(picture.convert("L"))[:, :, None] if channels == 1 else np.asarray(picture)


def _preprocessing(name: str, size: int) -> Preprocessing:
    if name == "raw":
        return Preprocessing(size, size, scale=1.0)
    if name == "unit":
        return Preprocessing(size, size)
    if name == "symmetric":
        return Preprocessing(size, size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    if name == "imagenet":
        return torch_preprocessing(size)
    if name == "caffe":
        return caffe_preprocessing(size)
    if name.lower().endswith(".json"):
        return Preprocessing.from_dict(parse_json(read_text(name), where=name), where=name)
    raise unknown_name("preprocessing", name, [*NAMES, "FILE.json"])


def stack_rows(items: list[Any], dtype: Any) -> np.ndarray:
    """Return (n, F) of n rows of numbers, of a type that a model takes."""
    return np.stack([np.asarray(item) for item in items]).astype(dtype)


def need_names(class_names: Sequence[str] | None, *, where: str) -> tuple[str, ...]:
    """Return the class names given; raises ConfembError where there are none, for a file that holds none."""
    if class_names is None:
        raise ConfembError(
            f"{where} does not name its classes: give the names in the order of its outputs with --classes FILE."
        )
    return tuple(class_names)


def meaning_of_scores(scores: str) -> bool | None:
    """Return whether scores are logits; None where that is to be judged."""
    return {"auto": None, "logits": True, "probabilities": False}[scores]


def batch_preparation(
    shape: Sequence[Any], dtype: np.dtype, preprocess: str | None, *, where: str
) -> tuple[tuple[ItemKind, ...], Callable[[list[Any]], Any], Any]:
    """Return what a model's one input takes by its axes, how items become a batch, and a record of that.

    Raises:
        ConfembError: neither four axes nor two; as `picture_shape` and `picture_preparation`.
    """
    if len(shape) == 4:
        prepare, described = picture_preparation(preprocess, picture_shape(shape, where=where), dtype, where=where)
        return ("picture",), prepare, described
    if len(shape) == 2:
        return ("row",), lambda rows: stack_rows(rows, dtype), None
    raise ConfembError(f"the input of {where} has {len(shape)} axes: pictures have 4, rows of numbers 2.")


def filled(batch: np.ndarray, size: int) -> np.ndarray:
    """Return a batch filled up to `size` items with its last one, for a model of batches of one size."""
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)]) if len(batch) < size else batch
