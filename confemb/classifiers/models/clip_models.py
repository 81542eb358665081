"""`clip:`: zero-shot pictures by CLIP or SigLIP, of transformers or of open_clip."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.adapters.torch import to_numpy
from confemb.classifiers.fingerprints import folder_digest
from confemb.classifiers.models.prompts import DEFAULT_PICTURE_TEMPLATE, Prompts, load_prompts
from confemb.classifiers.models.torch_device import place_model
from confemb.classifiers.models.transformers_models import (
    PICTURE_BATCH,
    load_part,
    load_transformers,
    load_weights,
    model_identity,
    short_name,
)
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.files import parse_json, read_text

OPEN_CLIP_CONFIG = "open_clip_config.json"
# open_clip's own names on the hub begin so.
OPEN_CLIP = "open_clip:"


def open_clip_model(
    name: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open a model of pictures and texts; a class's score is how well the picture fits the class's prompts.

    A class of several prompts is the mean of their vectors, each of length 1 (A. Radford et al., "Learning transferable
    visual models from natural language supervision", 2021, section 3.1.4). Scores are the model's logits; SigLIP's go
    through a sigmoid each, so that its probabilities need not sum to 1.

    Args:
        name: a folder or a name on the hub for transformers; a folder with `open_clip_config.json`, or
            `open_clip:NAME`, for open_clip.
        settings: prompts; class names where they are not the data's labels.
        data_kind: not used.
        label_names: the data's labels.

    Raises:
        ConfembError: a missing library, a model that cannot be had or has no joint space of pictures and texts.
    """
    names = tuple(settings.class_names or label_names)
    prompts = load_prompts(settings.prompts, names, default=DEFAULT_PICTURE_TEMPLATE)
    folder = Path(name).expanduser()
    if name.startswith(OPEN_CLIP) or (folder / OPEN_CLIP_CONFIG).is_file():
        encoders = _open_clip_encoders(name, settings)
    else:
        encoders = _transformers_encoders(name, settings)
    vectors = np.stack([_mean_direction(encoders.texts(list(one))) for one in prompts.by_class])
    return _zero_shot(encoders, names, vectors, prompts, settings)


@dataclass(frozen=True, eq=False)
class _Encoders:
    """What makes vectors of pictures and of texts, and what turns their cosines into logits."""

    name: str
    prepare: Callable[[list[Any]], Any]
    pictures: Callable[[Any], np.ndarray]
    texts: Callable[[list[str]], np.ndarray]
    scale: float
    bias: float | None
    identity: dict[str, Any]
    device: str
    notes: tuple[str, ...]


def _zero_shot(
    encoders: _Encoders, names: tuple[str, ...], vectors: np.ndarray, prompts: Prompts, settings: ModelSettings
) -> OpenedModel:
    def forward(prepared: Any) -> np.ndarray:
        logits = _unit(encoders.pictures(prepared)) @ vectors.T * encoders.scale
        if encoders.bias is None:
            return logits
        # In float64: far below zero float32 takes different logits for equal probabilities.
        return 1 / (1 + np.exp(-(logits.astype(np.float64) + encoders.bias)))

    return OpenedModel(
        name=encoders.name,
        class_names=names,
        logits=encoders.bias is None,
        takes=("picture",),
        prepare=encoders.prepare,
        forward=forward,
        identity={"family": "clip", "prompts": prompts.as_record(names), **encoders.identity},
        batch_size=settings.batch_size or PICTURE_BATCH,
        device=encoders.device,
        notes=encoders.notes,
    )


def _transformers_encoders(name: str, settings: ModelSettings) -> _Encoders:
    transformers = load_transformers()
    torch = import_extra("torch", "hf", what="Hugging Face models")
    config = load_part(name, lambda w: transformers.AutoConfig.from_pretrained(w, trust_remote_code=False))
    model = load_weights(name, transformers.AutoModel, config)
    if not hasattr(model, "get_image_features") or not hasattr(model, "logit_scale"):
        raise ConfembError(
            f"{name} ({type(model).__name__}) has no joint space of pictures and texts, as CLIP and SigLIP have; for a "
            "classifier say hf:NAME."
        )
    processor = load_part(name, lambda w: transformers.AutoProcessor.from_pretrained(w, trust_remote_code=False))
    model, device, notes = place_model(model, settings.device)
    # SigLIP was trained on texts filled up to their full length.
    padding: Any = "max_length" if "siglip" in config.model_type else True

    def pictures(encoded: Any) -> np.ndarray:
        with torch.inference_mode():
            return _features(model.get_image_features(**encoded.to(device)))

    def texts(sentences: list[str]) -> np.ndarray:
        encoded = processor(text=sentences, padding=padding, truncation=True, return_tensors="pt").to(device)
        with torch.inference_mode():
            return _features(model.get_text_features(**encoded))

    bias = getattr(model, "logit_bias", None)
    return _Encoders(
        short_name(name),
        lambda items: processor(images=items, return_tensors="pt"),
        pictures,
        texts,
        float(model.logit_scale.detach().exp()),
        None if bias is None else float(bias.detach()),
        model_identity(name, config),
        device,
        notes,
    )


def _features(output: Any) -> np.ndarray:
    """Return the vectors, which some versions of transformers wrap in a model output."""
    return to_numpy(output if hasattr(output, "detach") else output.pooler_output)


def _open_clip_encoders(name: str, settings: ModelSettings) -> _Encoders:
    open_clip = import_extra("open_clip", "open_clip", what="open_clip models")
    torch = import_extra("torch", "torch", what="open_clip models")
    where = name.removeprefix(OPEN_CLIP)
    folder = Path(where).expanduser()
    _refuse_pickled(folder)
    source = f"local-dir:{folder}" if folder.is_dir() else f"hf-hub:{where}"
    try:
        model, transform = open_clip.create_model_from_pretrained(source, weights_only=True)
        tokenizer = open_clip.get_tokenizer(source)
    except Exception as error:  # open_clip and the hub raise errors of many kinds.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfembError(
            f"the open_clip model {where!r} cannot be loaded ({type(error).__name__}: {said}): check its name and the "
            "connection, or give a folder that holds it."
        ) from error
    model, device, notes = place_model(model, settings.device)

    def pictures(batch: Any) -> np.ndarray:
        with torch.inference_mode():
            return to_numpy(model.encode_image(batch.to(device)))

    def texts(sentences: list[str]) -> np.ndarray:
        with torch.inference_mode():
            return to_numpy(model.encode_text(tokenizer(sentences).to(device)))

    bias = getattr(model, "logit_bias", None)
    identity = {"sha256": folder_digest(folder)} if folder.is_dir() else {"hub": where}
    return _Encoders(
        folder.resolve().name if folder.is_dir() else where,
        lambda items: torch.stack([transform(item) for item in items]),
        pictures,
        texts,
        float(model.logit_scale.detach().exp()),
        None if bias is None else float(bias.detach()),
        {"library": "open_clip", **identity},
        device,
        notes,
    )


def _refuse_pickled(folder: Path) -> None:
    """Raise ConfembError for a folder whose only weights are pickled, or whose description is broken."""
    if not folder.is_dir():
        return
    described = parse_json(read_text(folder / OPEN_CLIP_CONFIG), where=str(folder / OPEN_CLIP_CONFIG))
    if not isinstance(described, dict) or "model_cfg" not in described:
        raise ConfembError(
            f"{folder / OPEN_CLIP_CONFIG} does not describe a model of open_clip: {json.dumps(described)[:80]}"
        )
    if not any(folder.glob("*.safetensors")):
        raise ConfembError(f"{folder} has no weights as safetensors, the only ones that are read: convert them.")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _mean_direction(vectors: np.ndarray) -> np.ndarray:
    """Return the direction of the mean of (n, d) vectors, each scaled to length 1 first."""
    direction: np.ndarray = _unit(_unit(vectors).mean(axis=0))
    return direction
