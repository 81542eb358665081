"""`onnx:`: ONNX files, by ONNX Runtime."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.adapters.onnx import OnnxClassifier
from confemb.classifiers.models.picture_input import (
    meaning_of_scores,
    need_names,
    picture_preparation,
    picture_shape,
    stack_rows,
)
from confemb.classifiers.models.torch_device import UNTRIED
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file

BATCH = 32
# Keys of an ONNX file's metadata under which exporters put class names.
NAME_KEYS = ("class_names", "names", "labels", "id2label")


def open_onnx(
    file: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open an ONNX file with one input: pictures (four axes), rows of numbers (two), or texts (strings).

    The classes are those given, or those in the file's metadata (class_names, names, labels or id2label).

    Raises:
        ConfembError: as `OnnxClassifier`; unknown classes, an unknown preprocessing.
    """
    path = Path(file).expanduser()
    names = settings.class_names or _names_in(path)
    classifier = OnnxClassifier(
        path, need_names(names, where=str(path)), logits=True, providers=_providers(settings.device)
    )
    entry = classifier.input
    prepare: Callable[[list[Any]], Any]
    takes: tuple[ItemKind, ...]
    described: dict[str, Any] | None = None
    if len(entry.shape) == 4:
        prepare, described = picture_preparation(
            settings.preprocess, picture_shape(entry.shape, where=file), classifier.input_type, where=file
        )
        takes = ("picture",)
    elif classifier.input_type == np.object_:
        takes = ("text",)
        columns = len(entry.shape) == 2

        def prepare(texts: list[Any]) -> np.ndarray:
            values = np.array(texts, dtype=object)
            return values[:, None] if columns else values

    elif len(entry.shape) == 2:
        takes = ("row",)

        def prepare(rows: list[Any]) -> np.ndarray:
            return stack_rows(rows, classifier.input_type)

    else:
        raise ConfembError(
            f"the input {entry.name!r} of {file} has shape {tuple(entry.shape)}: pictures have 4 axes, rows of "
            "numbers 2."
        )
    if settings.preprocess is not None and described is None:
        raise ConfembError(f"{file} does not take pictures: leave --preprocess out.")
    device = classifier.device
    return OpenedModel(
        name=path.stem,
        class_names=classifier.class_names,
        logits=meaning_of_scores(settings.scores),
        takes=takes,
        prepare=prepare,
        forward=classifier.scores,
        identity={"family": "onnx", "sha256": sha256_file(path), "preprocess": described},
        batch_size=settings.batch_size or BATCH,
        device=device,
        notes=() if device == "cpu" else (f"computing on {device}: {UNTRIED}",),
    )


def _providers(device: str) -> list[str] | None:
    """Return ONNX Runtime's providers for a device; None: all that it sees, a GPU first."""
    known = {"auto": None, "cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
    if device not in known:
        raise ConfembError(f"ONNX files compute on auto, cpu or cuda, not on {device!r}.")
    return known[device]


def _names_in(path: Path) -> tuple[str, ...] | None:
    """Return the class names in a file's metadata, where there are any."""
    from confemb.classifiers.adapters.onnx import metadata_of

    metadata = metadata_of(path)
    for key in NAME_KEYS:
        try:
            value = json.loads(metadata[key])
        except (KeyError, ValueError):
            continue
        if isinstance(value, dict) and all(str(i) in value for i in range(len(value))):
            value = [value[str(i)] for i in range(len(value))]
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return tuple(value)
    return None
