"""NPZ files, and the datasets that confemb prepares (cifar10, digits, tfds:NAME)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.data.columns import encode_labels
from confemb.classifiers.fingerprints import files_stamp
from confemb.classifiers.scoring_records import DataSettings, ItemKind, OpenedData
from confemb.datasets import Dataset, open_dataset
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import read_bytes, sha256_file
from confemb.support.npz import read_arrays
from confemb.support.progress import Display

INPUTS: dict[str, ItemKind | None] = {"images": "picture", "texts": "text", "rows": "row", "inputs": None}


def open_npz(path: Path, settings: DataSettings) -> OpenedData:
    """Open an NPZ file: one of `images` (N, H, W, C) uint8, `texts` (N,), `rows` (N, F) or `inputs`, and `labels` (N,).

    Optional: `class_names` (K,), `ids` (N,) and `splits` (N,). `inputs` may be any of the three, by type and shape. The
    whole file is read into memory.

    Raises:
        ConfembError: arrays that are missing, do not fit one another, or hold objects.
    """
    wanted = {settings.input} if settings.input else set(INPUTS)
    try:
        arrays = read_arrays(read_bytes(path), wanted | {settings.label or "labels", "class_names", "ids", "splits"})
        data = _from_arrays(arrays, settings)
    except ConfembError as error:
        raise ConfembError(f"{path}: {error}") from error
    kind, inputs, labels, names, ids, splits = data

    def stream(start: int) -> Iterator[tuple[str, Any]]:
        for i in range(start, len(inputs)):
            yield (str(i) if ids is None else str(ids[i])), inputs[i]

    return OpenedData(
        name=path.stem,
        kind=kind,
        class_names=names,
        labels=labels,
        splits=splits,
        stream=stream,
        identity={
            "format": "npz",
            "sha256": sha256_file(path),
            "splits": list(settings.splits),
            "label_names": settings.label_names,
            "items": len(labels),
        },
        stamp=files_stamp([path]),
    )


def _from_arrays(arrays: dict[str, np.ndarray], settings: DataSettings) -> Any:
    named = [name for name in ([settings.input] if settings.input else INPUTS) if name in arrays]
    if len(named) != 1:
        raise ConfembError(
            f"it must hold one of the arrays {quoted_list(INPUTS)}, and holds {quoted_list(named) or 'none of them'}: "
            "name it with --input."
        )
    inputs, label = arrays[named[0]], settings.label or "labels"
    if label not in arrays:
        raise ConfembError(f"it has no array {label!r}: name the one of the labels with --label.")
    kind = settings.kind or INPUTS.get(named[0]) or _kind_of_array(inputs, named[0])
    labels = arrays[label]
    if inputs.ndim == 0 or labels.shape != (len(inputs),):
        raise ConfembError(f"{named[0]!r} has shape {inputs.shape} and {label!r} {labels.shape}; give as many of each.")
    for name in ("ids", "splits"):
        if name in arrays and arrays[name].shape != labels.shape:
            raise ConfembError(f"{name!r} has shape {arrays[name].shape}; there are {len(labels)} items.")
    keep = np.arange(len(labels))
    if settings.splits:
        if "splits" not in arrays:
            raise ConfembError("it has no array 'splits': leave --split out.")
        known = set(arrays["splits"].tolist())
        if unknown := [split for split in settings.splits if split not in known]:
            raise unknown_name("split", unknown[0], sorted(known))
        keep = np.flatnonzero(np.isin(arrays["splits"], settings.splits))
    own = tuple(map(str, arrays["class_names"])) if "class_names" in arrays else None
    encoded, names = encode_labels(labels[keep].tolist(), settings.label_names or own, where=f"the array {label!r}")
    ids = arrays["ids"][keep] if "ids" in arrays else (keep.astype(str) if settings.splits else None)
    return kind, inputs[keep] if settings.splits else inputs, encoded, names, ids, _runs(arrays.get("splits"), keep)


def _kind_of_array(inputs: np.ndarray, name: str) -> ItemKind:
    if inputs.dtype.kind == "U":
        return "text"
    if inputs.dtype == np.uint8 and inputs.ndim in (3, 4) and (inputs.ndim == 3 or inputs.shape[3] in (1, 3)):
        return "picture"
    if inputs.ndim == 2:
        return "row"
    raise ConfembError(
        f"the array {name!r} is {inputs.dtype} of shape {inputs.shape}: pictures are (N, height, width, 3) of uint8, "
        "texts (N,), rows of numbers (N, F); name it images, texts or rows."
    )


def _runs(splits: np.ndarray | None, keep: np.ndarray) -> tuple[tuple[str, int], ...]:
    if splits is None:
        return (("", len(keep)),)
    values = splits[keep]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return tuple((str(values[a]), int(b - a)) for a, b in zip(starts, [*starts[1:], len(values)], strict=True))


def open_prepared(name: str, settings: DataSettings) -> OpenedData:
    """Open a dataset of pictures that confemb prepares, all its parts or those named.

    Raises:
        ConfembError: as `confemb.datasets.open_dataset`; an unknown part.
    """
    source = open_dataset(name, path=settings.path, image_size=settings.image_size)
    with Display().bar() as update:
        source.fetch(update)
        for split in settings.splits:
            if split not in source.splits:
                raise unknown_name("split", split, source.splits, where=name)
        parts = [source.load(split) for split in settings.splits or source.splits]
    return OpenedData(
        name=name,
        kind="picture",
        class_names=parts[0].class_names,
        labels=np.concatenate([part.labels for part in parts]),
        splits=tuple((part.split, len(part)) for part in parts),
        stream=_stream_of(parts),
        identity={"format": "dataset", "parts": [[p.name, p.split, p.fingerprint] for p in parts]},
    )


def _stream_of(parts: list[Dataset]) -> Callable[[int], Iterator[tuple[str, Any]]]:
    def stream(start: int) -> Iterator[tuple[str, Any]]:
        for part in parts:
            for i in range(min(start, len(part)), len(part)):
                yield str(part.ids[i]), np.asarray(part.images[i])
            start = max(0, start - len(part))

    return stream
