"""Pictures in a folder for each class."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from confemb.datasets import Dataset
from confemb.datasets.cache import ArrayCache, Contents, SplitRows, cache_root
from confemb.datasets.picture_files import SUFFIXES, Folder, look_into, say_passed_over, summary
from confemb.datasets.pictures import decode_picture
from confemb.support.errors import ConfembError, quoted_list, repeated, unknown_name
from confemb.support.files import read_text
from confemb.support.progress import Progress

CLASSES_FILE = "classes.txt"
ALL = "all"
# Of how files are decoded: a cache made otherwise is stale.
_DECODING = 2


class ImageFolder:
    """Pictures in `folder/CLASS/*.jpg` (one split, "all") or `folder/SPLIT/CLASS/*.jpg`.

    The order of the classes is that of the lines of `folder/classes.txt`, where there is one, else that of the sorted
    folder names. Pictures are converted to RGB, upright as viewers show them, on white where transparent. Which
    files are pictures is seen from what is in them; others are passed over, and said. A picture's id is its path within
    the folder.

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
        said = json.dumps([_DECODING, self._class_names, files, self._image_size, self._crop])
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def scan_folder(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """List a folder's pictures: split -> class -> sorted files; files that are passed over are said.

    Where every folder within has folders of pictures, these are the splits: a stray picture beside its class folders
    does not make a class of a split.

    Raises:
        ConfembError: as in `ImageFolder`.
    """
    if not folder.is_dir():
        raise ConfembError(
            f"there is no folder {folder}: give a folder that holds a folder of pictures for each class."
        )
    top = look_into(folder)
    if not top.folders:
        raise ConfembError(f"{folder} has no folders in it: put the pictures into one folder for each class.")
    inside = {child: look_into(child) for child in top.folders}
    nested = {child: [one for one in found.folders if look_into(one).pictures] for child, found in inside.items()}
    passed_over = [one for one in top.passed_over if one[0].name != CLASSES_FILE]
    passed_over += [(file, "beside the class folders") for file in top.pictures]
    filled = [child for child, found in inside.items() if found.pictures or nested[child]]
    if not filled:
        raise _no_pictures(folder, inside)
    if not all(nested[child] for child in filled):
        passed_over += [one for found in inside.values() for one in found.passed_over]
        classes = _scan_classes(inside)
        say_passed_over(folder, passed_over)
        return {ALL: classes}
    splits: dict[str, dict[str, list[Path]]] = {}
    for split, found in inside.items():
        if not found.folders:
            raise ConfembError(f"the split {split.name!r} in {folder} has no class folders: fill it or remove it.")
        classes_in = {child: look_into(child) for child in found.folders}
        passed_over += [(file, "beside the class folders") for file in found.pictures]
        passed_over += found.passed_over
        passed_over += [one for each in classes_in.values() for one in each.passed_over]
        splits[split.name] = _scan_classes(classes_in)
    say_passed_over(folder, passed_over)
    # The part to learn from comes first, as in other datasets.
    return {split: splits[split] for split in sorted(splits, key=lambda name: (name != "train", name))}


def _no_pictures(folder: Path, inside: dict[Path, Folder]) -> ConfembError:
    others = [one for found in inside.values() for one in found.passed_over]
    told = f": {summary(others)}" if others else f"; known suffixes: {', '.join(sorted(SUFFIXES))}"
    return ConfembError(f"there are no pictures in the folders of {folder}{told}.")


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


def _scan_classes(folders: dict[Path, Folder]) -> dict[str, list[Path]]:
    classes = {}
    for folder, found in folders.items():
        if not found.pictures:
            told = f" ({summary(found.passed_over)})" if found.passed_over else ""
            raise ConfembError(f"the class folder {folder} has no pictures{told}: put some in, or remove it.")
        if found.folders:
            raise ConfembError(
                f"the class folder {folder} has a folder in it, {found.folders[0].name!r}: move its pictures up."
            )
        classes[folder.name] = found.pictures
    return classes
