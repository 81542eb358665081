"""Pictures in a folder for each class."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from confemb.datasets import Dataset, Progress
from confemb.datasets.cache import ArrayCache, Contents, SplitRows, cache_root
from confemb.datasets.pictures import decode_picture
from confemb.support.errors import ConfembError, quoted_list, repeated, unknown_name
from confemb.support.files import read_text

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
CLASSES_FILE = "classes.txt"
ALL = "all"


class ImageFolder:
    """Pictures in `folder/CLASS/*.jpg` (one split, "all") or `folder/SPLIT/CLASS/*.jpg`.

    The order of the classes is that of the lines of `folder/classes.txt`, where there is one, else that of the sorted
    folder names. Pictures are converted to RGB. Hidden files, and files that are no pictures by their suffix, are
    passed over. A picture's id is its path within the folder.

    Args:
        path: the folder.
        image_size: resize the shorter side to this and cut out the centre; without it all pictures must be alike.
        crop: the side of that centre, `image_size` by default.
        cache_dir: the cache root, see `confemb.datasets.cache.cache_root`.

    Raises:
        ConfembError: no such folder, no pictures in it, a class folder without pictures, or a `classes.txt` that does
            not fit the folders.
    """

    name = "image_folder"

    def __init__(
        self, *, path: str, image_size: int | None = None, crop: int | None = None, cache_dir: str | None = None
    ) -> None:
        self._folder = Path(path).expanduser()
        self._image_size, self._crop = image_size, crop
        self._layout = scan_folder(self._folder)
        self._class_names = class_order(self._folder, {name for classes in self._layout.values() for name in classes})
        self.splits = tuple(self._layout)
        place = f"{self._folder.resolve()}\n{image_size}\n{crop}"
        key = f"image_folder-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
        self._cache = ArrayCache(cache_root(cache_dir), key, name=self.name, signature=self._signature())

    def fetch(self, progress: Progress | None = None) -> None:
        """Decode all pictures into the cache, unless it holds them as they are.

        Raises:
            ConfembError: a picture that cannot be decoded, or pictures that differ in size and no image_size.
        """

        def make(scratch: Path) -> Contents:
            return Contents(self._class_names, {split: self._rows(split) for split in self.splits}, str(self._folder))

        self._cache.build(make, progress)

    def load(self, split: str) -> Dataset:
        """Return one part, fetching it first where needed; raises ConfembError for an unknown one."""
        if split not in self.splits:
            raise unknown_name("split", split, self.splits, where=f"the folder {self._folder}")
        self.fetch()
        return self._cache.load(split)

    def _rows(self, split: str) -> SplitRows:
        classes = self._layout[split]
        listed = [(index, file) for index, name in enumerate(self._class_names) for file in classes.get(name, [])]

        def images() -> Iterator[np.ndarray]:
            for _, file in listed:
                yield decode_picture(
                    file, mode="RGB", image_size=self._image_size, crop=self._crop, where=f"the file {file}"
                )

        labels = np.array([index for index, _ in listed], dtype=np.int32)
        return SplitRows(labels, [file.relative_to(self._folder).as_posix() for _, file in listed], images())

    def _signature(self) -> str:
        """Say what the pictures are without reading them: a cache made from other files is stale."""
        files = []
        for classes in self._layout.values():
            for name in sorted(classes):
                for file in classes[name]:
                    about = file.stat()
                    files.append([file.relative_to(self._folder).as_posix(), about.st_size, about.st_mtime_ns])
        said = json.dumps([self._class_names, files, self._image_size, self._crop])
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def scan_folder(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """List a folder's pictures: split -> class -> sorted files.

    Raises:
        ConfembError: as in `ImageFolder`.
    """
    if not folder.is_dir():
        raise ConfembError(
            f"there is no folder {folder}: give a folder that holds a folder of pictures for each class."
        )
    inside = _folders(folder)
    if not inside:
        raise ConfembError(f"{folder} has no folders in it: put the pictures into one folder for each class.")
    if any(pictures_in(child) for child in inside):
        return {ALL: _scan_classes(inside)}
    found = {split.name: _scan_classes(classes) for split in inside if (classes := _folders(split))}
    if not found:
        raise ConfembError(
            f"there are no pictures in the folders of {folder}; known suffixes: {', '.join(sorted(SUFFIXES))}."
        )
    if empty := [split.name for split in inside if split.name not in found]:
        raise ConfembError(f"the split {empty[0]!r} in {folder} has no class folders: fill it or remove it.")
    # The part to learn from comes first, as in other datasets.
    return {split: found[split] for split in sorted(found, key=lambda name: (name != "train", name))}


def class_order(folder: Path, found: set[str]) -> list[str]:
    """Return the class names in order: the lines of `classes.txt`, or sorted.

    Raises:
        ConfembError: `classes.txt` names a class that has no folder, names one twice, or leaves one out.
    """
    path = folder / CLASSES_FILE
    if not path.exists():
        return sorted(found)
    names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if twice := repeated(names):
        raise ConfembError(f"{path} names {quoted_list(twice)} twice: name each class folder once.")
    if unknown := [name for name in names if name not in found]:
        raise ConfembError(f"{path} names {quoted_list(unknown)}, but there is no such class folder: mend the name.")
    if left := sorted(found - set(names)):
        raise ConfembError(f"{path} leaves out the class folder {quoted_list(left)}: name each class folder once.")
    return names


def _scan_classes(folders: list[Path]) -> dict[str, list[Path]]:
    classes = {}
    for folder in folders:
        files = pictures_in(folder)
        if not files:
            raise ConfembError(f"the class folder {folder} has no pictures: put some in, or remove it.")
        if nested := _folders(folder):
            raise ConfembError(
                f"the class folder {folder} has a folder in it, {nested[0].name!r}: move its pictures up."
            )
        classes[folder.name] = files
    return classes


def listed(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted, without hidden files; raises ConfembError for a name that is not UTF-8."""
    found = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    for child in found:
        if any("\ud800" <= character <= "\udfff" for character in child.name):
            raise ConfembError(f"the name of {child} is not UTF-8, and could not be written down: rename it.")
    return found


def _folders(folder: Path) -> list[Path]:
    return [child for child in listed(folder) if child.is_dir()]


def pictures_in(folder: Path) -> list[Path]:
    """Return a folder's pictures by their suffix, sorted; raises ConfembError as `listed`."""
    return [child for child in listed(folder) if is_picture(child)]


def is_picture(path: Path) -> bool:
    """Tell whether a path is a file with one of the known suffixes; what is in it is seen when it is decoded."""
    return path.suffix.lower() in SUFFIXES and path.is_file()
