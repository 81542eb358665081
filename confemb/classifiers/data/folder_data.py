"""A folder of class folders: pictures, texts, recordings, or any files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.fingerprints import digest, files_stamp
from confemb.classifiers.scoring_records import PLURALS, DataSettings, ItemKind, OpenedData
from confemb.datasets.image_folder import class_order
from confemb.datasets.picture_files import SUFFIXES, listed
from confemb.support.errors import ConfembError, quoted_list, unknown_name

KIND_SUFFIXES: dict[ItemKind, frozenset[str]] = {
    "picture": SUFFIXES,
    "text": frozenset({".txt"}),
    "audio": frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}),
}


def kind_of(files: list[Path], *, where: str) -> ItemKind:
    """Return what files are by their suffixes.

    Raises:
        ConfembError: files of several kinds, or of none.
    """
    found = {
        kind: next((path for path in files if path.suffix.lower() in suffixes), None)
        for kind, suffixes in KIND_SUFFIXES.items()
    }
    kinds = [kind for kind, example in found.items() if example is not None]
    if len(kinds) == 1:
        return kinds[0]
    if not kinds:
        raise ConfembError(
            f"{where} holds no pictures, texts or recordings by their suffixes: say --kind file for a model that takes "
            "files as they are."
        )
    examples = ", ".join(f"{PLURALS[kind]} ({found[kind].name})" for kind in kinds)  # type: ignore[union-attr]
    raise ConfembError(f"{where} holds {examples}: say which with --kind {' or --kind '.join(kinds)}.")


def open_folder(folder: Path, settings: DataSettings) -> OpenedData:
    """Open `folder/CLASS/*` (one part) or `folder/SPLIT/CLASS/*`; an item's id is its path within the folder.

    The classes are in the order of the lines of `folder/classes.txt` where there is one, else sorted. Hidden files and
    files of another kind are passed over.

    Raises:
        ConfembError: no such layout, no items, a class without any, an unknown part.
    """
    parts = _parts(folder)
    if settings.splits:
        for split in settings.splits:
            if split not in parts:
                raise unknown_name("split", split, [name or "(none)" for name in parts], where=f"the folder {folder}")
        parts = {split: parts[split] for split in settings.splits}
    everything = [file for classes in parts.values() for files in classes.values() for file in files]
    kind = settings.kind or kind_of(everything, where=f"the folder {folder}")
    wanted = KIND_SUFFIXES.get(kind)
    names = class_order(folder, {name for classes in parts.values() for name in classes})
    files: list[Path] = []
    labels: list[int] = []
    splits: list[tuple[str, int]] = []
    for split, classes in parts.items():
        before = len(files)
        for index, name in enumerate(names):
            own = [f for f in classes.get(name, []) if wanted is None or f.suffix.lower() in wanted]
            if name in classes and not own:
                raise ConfembError(
                    f"the class folder {name!r} in {folder / split} has no {PLURALS[kind]}: fill it or remove it."
                )
            files += own
            labels += [index] * len(own)
        splits.append((split, len(files) - before))
    ids = [file.relative_to(folder).as_posix() for file in files]

    def stream(start: int) -> Iterator[tuple[str, Any]]:
        yield from zip(ids[start:], files[start:], strict=True)

    sizes = [file.stat().st_size for file in files]
    return OpenedData(
        name=folder.resolve().name,
        kind=kind,
        class_names=tuple(names),
        labels=np.array(labels, dtype=np.int32),
        splits=tuple(splits),
        stream=stream,
        identity={"format": "folder", "files": digest([ids, sizes]), "items": len(files)},
        stamp=files_stamp(files),
    )


def _parts(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Return split -> class -> files; the only split is "" where the class folders lie in `folder` itself."""
    inside = _folders(folder)
    if not inside:
        raise ConfembError(f"{folder} has no folders in it: put the items into one folder for each class.")
    if any(_files(child) for child in inside):
        if nested := next((child for child in inside if _folders(child)), None):
            raise ConfembError(f"the class folder {nested} has folders in it: move its files up.")
        return {"": {child.name: _files(child) for child in inside}}
    parts = {split.name: {child.name: _files(child) for child in _folders(split)} for split in inside}
    if empty := [name for name, classes in parts.items() if not any(classes.values())]:
        raise ConfembError(f"the folders {quoted_list(empty)} in {folder} hold no items: fill or remove them.")
    return parts


def _folders(folder: Path) -> list[Path]:
    return [child for child in listed(folder) if child.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [child for child in listed(folder) if child.is_file()]
