"""What the description of a Hugging Face image classifier says about its network, classes and preprocessing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confemb.networks.preprocessing import Preprocessing
from confemb.networks.pretrained.weight_sources import HUB_PREPROCESSOR
from confemb.networks.resnet import PLANS
from confemb.records.imagenet import imagenet_classes
from confemb.support.errors import ConfembError
from confemb.support.files import parse_json, read_bytes

CONFIG = "config.json"
_INTERPOLATIONS: dict[Any, Any] = {2: "bilinear", 3: "bicubic", "bilinear": "bilinear", "bicubic": "bicubic"}


@dataclass(frozen=True)
class Description:
    """What is known of weights beside their tensors; None or empty where it is not.

    Attributes:
        classifier: the name of the network.
        options: the network's own options.
        preprocessing: how pictures become its input.
        class_names: the K class names.
    """

    classifier: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None


def describe_folder(folder: Path) -> Description:
    """Read `config.json` of transformers' `ResNetForImageClassification` or of timm, and what stands beside it.

    Raises:
        ConfembError: a file that is missing or broken, or a model of another kind.
    """
    config = _read_json(folder / CONFIG)
    try:
        if "pretrained_cfg" in config:
            return _describe_timm(config)
        if "ResNetForImageClassification" not in (config.get("architectures") or []):
            raise ConfembError(
                f"{folder / CONFIG} describes {config.get('architectures')}; of the Hugging Face models, "
                "ResNetForImageClassification and timm's ResNet and VGG can be read."
            )
        return _describe_transformers(config, folder)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfembError(f"{folder / CONFIG} or what stands beside it is not as expected ({error!r}).") from error


def _describe_transformers(config: dict[str, Any], folder: Path) -> Description:
    plan = (tuple(config["depths"]), config.get("layer_type", "bottleneck") == "bottleneck")
    names = [f"resnet{depth}" for depth, known in PLANS.items() if known == plan]
    plain = config.get("hidden_act", "relu") == "relu" and not config.get("downsample_in_first_stage", False)
    if not names or not plain:
        raise ConfembError(f"{folder / CONFIG} describes a ResNet of depths {plan[0]} that is none of the published.")
    labels = {int(index): str(label) for index, label in config["id2label"].items()}
    preprocessor = folder / HUB_PREPROCESSOR
    return Description(
        classifier=names[0],
        options={"stride_in_1x1": bool(config.get("downsample_in_bottleneck", False))},
        preprocessing=_preprocessing(_read_json(preprocessor), preprocessor) if preprocessor.exists() else None,
        class_names=_class_names([labels[index] for index in range(len(labels))]),
    )


def _class_names(labels: list[str]) -> tuple[str, ...]:
    """Return ImageNet's unique names for ImageNet's 1,000 classes, whose first words are not all unique."""
    imagenet = imagenet_classes()
    alike = sum(
        label.partition(",")[0].lower() == c.name.partition(" (")[0].lower()
        for label, c in zip(labels, imagenet, strict=False)
    )
    return tuple(c.name for c in imagenet) if len(labels) == 1000 and alike > 900 else tuple(labels)


def _preprocessing(values: dict[str, Any], path: Path) -> Preprocessing:
    kind = str(values.get("image_processor_type", values.get("feature_extractor_type", "")))
    size = values["size"]["shortest_edge"] if isinstance(values["size"], dict) else values["size"]
    # Other processors, and this one for large pictures, resize without keeping the picture's shape.
    if not kind.startswith("ConvNext") or size >= 384:
        raise ConfembError(f"{path} describes {kind!r} for {size} pixels, which is not known: give the preprocessing.")
    return Preprocessing(
        resize=int(size / values.get("crop_pct", 224 / 256)),
        crop=size,
        interpolation=_INTERPOLATIONS[values.get("resample", 3)],
        scale=float(values.get("rescale_factor", 1 / 255)),
        mean=_three(values["image_mean"]),
        std=_three(values["image_std"]),
    )


def _describe_timm(config: dict[str, Any]) -> Description:
    about = config["pretrained_cfg"]
    size = about["input_size"][1]
    labels = config.get("label_names")
    return Description(
        classifier=config["architecture"],
        preprocessing=Preprocessing(
            resize=int(size / about["crop_pct"]),
            crop=size,
            interpolation=_INTERPOLATIONS[about["interpolation"]],
            mean=_three(about["mean"]),
            std=_three(about["std"]),
        ),
        class_names=None if labels is None else _class_names([str(label) for label in labels]),
    )


def _three(values: Any) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)


def _read_json(path: Path) -> dict[str, Any]:
    values = parse_json(read_bytes(path), where=str(path))
    if not isinstance(values, dict):
        raise ConfembError(f"{path} is not as expected: it must hold keys and values.")
    return values
