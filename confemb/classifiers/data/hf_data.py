"""Datasets of the Hugging Face `datasets` library: a name on the hub, or a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.data.columns import INPUT_NAMES, encode_labels
from confemb.classifiers.scoring_records import NO_LABEL, DataSettings, ItemKind, OpenedData
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.extras import import_extra


def open_hf(name: str, settings: DataSettings) -> OpenedData:
    """Open a dataset by its name on the hub ("org/name", "org/name:config") or by its folder, `save_to_disk`'s too.

    Columns are found by their features: `ClassLabel` is the label, `Image`, `Audio` or text the item. Parts without
    labels are left out. Nothing that comes with a dataset is run.

    Raises:
        ConfembError: the library is missing, the data cannot be had, columns that could mean several things.
    """
    datasets = import_extra("datasets", "datasets", what="Hugging Face datasets")
    parts = _load(datasets, name, settings)
    first = next(iter(parts.values()))
    label = _label_column(datasets, first.features, settings, name)
    column, kind = _input_column(datasets, first.features, label, settings, name)
    taken: dict[str, Any] = {}
    found: list[np.ndarray] = []
    feature = first.features[label]
    for split, part in parts.items():
        values = np.asarray(part.with_format(None).data.column(label).to_pylist(), dtype=object)
        if part._indices is not None:
            values = np.asarray(part.with_format(None)[label][:], dtype=object)
        if all(value is None or value == NO_LABEL for value in values.tolist()):
            if settings.splits:
                raise ConfembError(f"the split {split!r} of {name} has no labels: choose another with --split.")
            continue
        taken[split] = part
        found.append(values)
    if not taken:
        raise ConfembError(f"no part of {name} has labels in the column {label!r}.")
    cells = [None if value == NO_LABEL else value for values in found for value in values.tolist()]
    own = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else settings.label_names
    labels, names = encode_labels(cells, own, where=f"the column {label!r} of {name}")
    return OpenedData(
        name=Path(name).name or name,
        kind=kind,
        class_names=names,
        labels=labels,
        splits=tuple((split, len(part)) for split, part in taken.items()),
        stream=_stream(datasets, taken, column, kind),
        identity={
            "format": "hf",
            "columns": [column, label],
            "parts": [[split, len(part)] for split, part in taken.items()],
        },
        stamp="\n".join(part._fingerprint for part in taken.values()),
    )


def _load(datasets: Any, name: str, settings: DataSettings) -> dict[str, Any]:
    """Return the parts by name."""
    datasets.disable_progress_bars()
    folder = Path(name).expanduser()
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = datasets.load_from_disk(str(folder))
        elif folder.is_dir():
            loaded = datasets.load_dataset(str(folder))
        else:
            repository, _, config = name.partition(":")
            loaded = datasets.load_dataset(repository, config or None)
    except Exception as error:  # The library raises errors of many kinds, those of the network among them.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfembError(
            f"the Hugging Face dataset {name!r} cannot be loaded ({type(error).__name__}: {said}): check its name and "
            "the connection, or give a folder that holds it."
        ) from error
    parts = dict(loaded) if isinstance(loaded, dict) else {str(loaded.split or ""): loaded}
    for split in settings.splits:
        if split not in parts:
            raise unknown_name("split", split, parts, where=name)
    return {split: parts[split] for split in settings.splits or parts}


def _label_column(datasets: Any, features: Any, settings: DataSettings, name: str) -> str:
    if settings.label is not None:
        if settings.label not in features:
            raise unknown_name("column", settings.label, features, where=name)
        return settings.label
    classes = [column for column, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    if len(classes) > 1:
        raise ConfembError(f"{name} has the class columns {quoted_list(classes)}: choose one with --label.")
    if classes:
        return classes[0]
    if "label" in features:
        return "label"
    raise ConfembError(
        f"{name} has no column of class labels; its columns are {quoted_list(features, limit=12)}: name one with "
        "--label."
    )


def _input_column(datasets: Any, features: Any, label: str, settings: DataSettings, name: str) -> tuple[str, ItemKind]:
    kinds = {
        column: kind
        for column, feature in features.items()
        if column != label and (kind := _kind_of(datasets, feature)) is not None
    }
    if settings.input is not None:
        if settings.input not in kinds:
            raise unknown_name("column", settings.input, kinds, where=f"{name}, of pictures, recordings or texts")
        return settings.input, settings.kind or kinds[settings.input]
    # A picture may have a caption and an id: what is classified is the picture.
    wanted: ItemKind
    for wanted in ("picture", "audio"):
        found = [column for column, kind in kinds.items() if kind == wanted]
        if len(found) == 1:
            return found[0], wanted
        if found:
            raise ConfembError(f"{name} has the columns {quoted_list(found)}: choose one with --input.")
    texts = list(kinds)
    usual = [column for column in texts if column.lower() in INPUT_NAMES]
    chosen = usual if len(usual) == 1 else texts
    if len(chosen) != 1:
        said = f"the text columns {quoted_list(texts)}: choose one" if texts else "no column of items: name one"
        raise ConfembError(f"{name} has {said} with --input.")
    return chosen[0], settings.kind or "text"


def _kind_of(datasets: Any, feature: Any) -> ItemKind | None:
    if isinstance(feature, datasets.Image):
        return "picture"
    if isinstance(feature, datasets.Audio):
        return "audio"
    if isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string"):
        return "text"
    return None


def _stream(datasets: Any, parts: dict[str, Any], column: str, kind: ItemKind) -> Any:
    def stream(start: int) -> Iterator[tuple[str, Any]]:
        for split, part in parts.items():
            only = part.select_columns([column]).with_format(None)
            if kind == "picture":
                only = only.cast_column(column, datasets.Image(decode=False))
            if kind == "audio":
                only = only.cast_column(column, datasets.Audio(decode=False))
            for place in range(min(start, len(part)), len(part), 64):
                for i, cell in enumerate(only[place : place + 64][column], start=place):
                    yield f"{split}/{i}" if split else str(i), _content(cell)
            start = max(0, start - len(part))

    return stream


def _content(cell: Any) -> Any:
    if isinstance(cell, dict):
        return cell["bytes"] if cell.get("bytes") is not None else Path(cell["path"])
    return cell
