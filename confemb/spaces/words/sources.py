"""Pictures for words, behind one small interface: folders, tables, datasets, a function of one's own."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from confemb.datasets import Dataset
from confemb.datasets.picture_files import SUFFIXES, is_picture, listed, pictures_in, reason, say_passed_over
from confemb.records.imagenet import imagenet_classes
from confemb.records.indices import name_index
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.files import read_lines

# A file, a file's bytes, or (H, W, 1 or 3) uint8 pixels.
Picture = Path | bytes | np.ndarray

_WNID = re.compile(r"(n[0-9]{8})(?:_.*)?")


class PictureSource(Protocol):
    """Where the pictures of words come from.

    Attributes:
        name: what it is called in messages and manifests.
        words: the words, all different, in the order in which their vectors are wanted.
    """

    name: str
    words: tuple[str, ...]

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return the pictures of one of the words; they are decoded later, and one by one."""
        ...


class FolderPictures:
    """A folder with a picture for each word (`car.jpg`) or a folder of several (`car/*.jpg`), or both.

    A name that begins with a WordNet id of ImageNet, as n02123045 or n02123045_tabby, stands for that class's name.
    Blanks in words become underscores. Files that are no pictures are passed over, and said.

    Raises:
        ConfembError: no such folder, or one without pictures.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path).expanduser()
        if not folder.is_dir():
            raise ConfembError(f"there is no folder {folder}: give one with a picture, or a folder of some, a word.")
        self.name = folder.name
        found: dict[str, list[Path]] = {}
        passed_over: list[tuple[Path, str]] = []
        for entry in listed(folder):
            if entry.is_dir():
                found.setdefault(word_of(entry.name), []).extend(pictures_in(entry))
            elif is_picture(entry):
                found.setdefault(word_of(entry.stem), []).append(entry)
            else:
                passed_over.append((entry, reason(entry)))
        say_passed_over(folder, passed_over)
        if not any(found.values()):
            raise ConfembError(f"{folder} holds no pictures; known suffixes: {', '.join(sorted(SUFFIXES))}.")
        self._found = found
        self.words = tuple(sorted(found))

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return the word's files, sorted."""
        return self._found[word]


class TablePictures:
    """A table of tab-separated lines, word and path; a word may stand in several. A first line "word path" is a header.

    Paths are relative to the table's folder. Whether the pictures are there is seen when they are read.

    Raises:
        ConfembError: a file that cannot be read, or the first line that is not a word and a path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        self.name = path.name
        found: dict[str, list[Path]] = {}
        for number, line in enumerate(read_lines(path), start=1):
            cells = [cell.strip() for cell in line.split("\t")]
            if not line.strip() or (number == 1 and [cell.lower() for cell in cells] == ["word", "path"]):
                continue
            if len(cells) != 2 or not all(cells):
                raise ConfembError(f"{path}, line {number}: expected a word, a tab and a path.")
            found.setdefault(word_of(cells[0]), []).append(path.parent / cells[1])
        if not found:
            raise ConfembError(f"{path} names no pictures: write lines of a word, a tab and a path.")
        self._found = found
        self.words = tuple(found)

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return the word's files, in the table's order."""
        return self._found[word]


class DatasetPictures:
    """A dataset whose classes are words: a class's pictures stand for its name, as `word_of` reads it.

    Raises:
        ConfembError: two classes whose names give the same word.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.name = f"{dataset.name} {dataset.split}"
        self.words = tuple(word_of(name) for name in dataset.class_names)
        if twice := repeated(self.words):
            raise ConfembError(f"several classes of {self.name} give the word {quoted_list(twice)}: rename them.")
        self._dataset = dataset
        self._label = name_index(self.words)

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return the class's pictures, in the dataset's order; they stay where they are until they are used."""
        return _Rows(self._dataset.images, np.flatnonzero(self._dataset.labels == self._label[word]))


class NamedPictures:
    """Pictures at hand: for each word a list of them."""

    def __init__(self, pictures: Mapping[str, Sequence[Picture]], *, name: str = "pictures") -> None:
        self.name = name
        self.words = tuple(pictures)
        self._pictures = pictures

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return the word's pictures."""
        return self._pictures[word]


class CallablePictures:
    """A function of one's own that finds pictures for a word: an image search, an archive, a database.

    Args:
        words: the words to ask for.
        find: given a word, returns its pictures; what it raises costs that word only, and is reported.
        name: what the source is called.
    """

    def __init__(
        self, words: Iterable[str], find: Callable[[str], Sequence[Picture]], *, name: str = "a function"
    ) -> None:
        self.words = tuple(dict.fromkeys(words))
        self.name = name
        self._find = find

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return what the function finds."""
        return self._find(word)


class ChosenWords:
    """Some of a source's words, in the order given; words it has no pictures of are left out.

    Attributes:
        missing: the words asked for that the source does not have.

    Raises:
        ConfembError: the source has none of the words.
    """

    def __init__(self, source: PictureSource, words: Iterable[str]) -> None:
        wanted, there = list(dict.fromkeys(words)), set(source.words)
        self.name = source.name
        self.words = tuple(word for word in wanted if word in there)
        self.missing = tuple(word for word in wanted if word not in there)
        if not self.words:
            raise ConfembError(
                f"{source.name} has pictures of none of the {len(wanted)} words asked for; "
                f"it has some of {quoted_list(source.words)}."
            )
        self.pictures = source.pictures


class JoinedPictures:
    """Several sources as one: a word's pictures are those of all sources that have it."""

    def __init__(self, sources: Sequence[PictureSource]) -> None:
        self._sources = [(source, frozenset(source.words)) for source in sources]
        self.name = " + ".join(source.name for source in sources)
        self.words = tuple(sorted({word for source in sources for word in source.words}))

    def pictures(self, word: str) -> Sequence[Picture]:
        """Return the word's pictures of each source, one source after the other."""
        return [picture for source, words in self._sources if word in words for picture in source.pictures(word)]


def word_of(name: str) -> str:
    """Return the word that a file's or a class's name stands for: ImageNet's ids become names, blanks underscores."""
    wnid = _WNID.fullmatch(name)
    if wnid is not None:
        name = {c.wnid: c.name for c in imagenet_classes()}.get(wnid.group(1), name)
    return "_".join(name.split())


class _Rows(Sequence[Picture]):
    """Rows of an array of pictures, read one at a time."""

    def __init__(self, images: np.ndarray, rows: np.ndarray) -> None:
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item):  # type: ignore[no-untyped-def]
        if isinstance(item, slice):
            return _Rows(self._images, self._rows[item])
        return np.asarray(self._images[self._rows[item]])
