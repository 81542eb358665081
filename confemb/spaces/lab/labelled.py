"""`LabelledVectors`: any vectors with a class for each, from pictures, words or a result's classes, and their file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.records.cell_rules import MAX_UNNAMED_CLASSES
from confemb.records.indices import name_index
from confemb.records.predictions import check_class_names
from confemb.records.word_vectors import WordVectors
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import read_bytes, read_lines, whole_file
from confemb.support.npz import read_arrays

_ARRAYS = ("embeddings", "labels", "class_names", "ids")


@dataclass(frozen=True, eq=False)
class LabelledVectors:
    """One vector and one class for each of N things.

    Attributes:
        vectors: (N, d) float32, finite.
        labels: (N,) int32, from 0 to K - 1; every class has at least one.
        class_names: the K class names, all different.
        ids: N names: a picture's path in its folder, a word, a class.
    """

    vectors: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise ConfembError for counts that do not fit, labels of no class, empty classes, or values not finite."""
        names = tuple(check_class_names(self.class_names))
        vectors, labels = np.asarray(self.vectors), np.asarray(self.labels)
        if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating) or not vectors.shape[1]:
            raise ConfembError(f"vectors have shape {vectors.shape} and type {vectors.dtype}, not (N, d) of fractions.")
        if labels.shape != (len(vectors),) or not np.issubdtype(labels.dtype, np.integer):
            raise ConfembError(
                f"there are {len(vectors)} vectors, but labels have shape {labels.shape} and type {labels.dtype}: "
                "give a whole number for each vector."
            )
        if len(self.ids) != len(vectors):
            raise ConfembError(f"there are {len(vectors)} vectors, but {len(self.ids)} ids.")
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(names)):
            raise ConfembError(f"labels go from {labels.min()} to {labels.max()}, but there are {len(names)} classes.")
        counts = np.bincount(labels, minlength=len(names))
        if empty := [name for name, count in zip(names, counts, strict=True) if not count]:
            raise ConfembError(f"the class {quoted_list(empty)} has no vectors: give some, or leave it out.")
        vectors = vectors.astype(np.float32)
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
            raise ConfembError(f"the vector of {self.ids[row]!r} has values that are not finite: mend or leave it out.")
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "labels", labels.astype(np.int32))
        object.__setattr__(self, "class_names", names)
        object.__setattr__(self, "ids", tuple(self.ids))

    def __len__(self) -> int:
        """The number of vectors, N."""
        return len(self.vectors)

    @property
    def counts(self) -> np.ndarray:
        """(K,) how many vectors each class has."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    def of_classes(self, chosen: Sequence[str]) -> "LabelledVectors":
        """Return the vectors of some classes, labelled in the order given; raises ConfembError for an unknown one."""
        for name in chosen:
            if name not in self.class_names:
                raise unknown_name("class", name, self.class_names)
        if not chosen or len(set(chosen)) != len(chosen):
            raise ConfembError(f"the classes {quoted_list(chosen)} must be some, and each named once.")
        place = np.full(len(self.class_names), -1)
        place[[self.class_names.index(name) for name in chosen]] = np.arange(len(chosen))
        rows = np.flatnonzero(place[self.labels] >= 0)
        return LabelledVectors(
            self.vectors[rows], place[self.labels[rows]], tuple(chosen), tuple(self.ids[row] for row in rows)
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an NPZ file of `embeddings` (N, d), `labels` (N,), `class_names` (K,) and `ids` (N,), none pickled.

        Raises:
            ConfembError: a name that does not end in .npz, or a file that cannot be written.
        """
        if Path(path).suffix != ".npz":
            raise ConfembError(f"{path} must end in .npz, the format of vectors with labels.")
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                embeddings=self.vectors,
                labels=self.labels,
                class_names=np.array(self.class_names, dtype=np.str_),
                ids=np.array(self.ids, dtype=np.str_),
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LabelledVectors":
        """Read an NPZ file with arrays `embeddings` (N, d) and `labels` (N,), whole numbers or class names.

        `class_names` (K,) and `ids` (N,) may be missing: classes are then named by their numbers, or sorted by name,
        and vectors are numbered.

        Raises:
            ConfembError: no such file, no arrays of those names, pickled ones, or arrays that do not fit.
        """
        try:
            arrays = read_arrays(read_bytes(path), _ARRAYS)
            if missing := [name for name in _ARRAYS[:2] if name not in arrays]:
                raise ConfembError(f"it has no array {missing[0]!r}: it must hold `embeddings` and `labels`.")
            labels, names = arrays["labels"], arrays.get("class_names")
            for name in ("labels", "class_names", "ids"):
                if name in arrays and arrays[name].ndim != 1:
                    raise ConfembError(f"its array {name!r} has shape {arrays[name].shape}: it must have one axis.")
            if labels.dtype.kind == "U":
                found = sorted(set(labels.tolist())) if names is None else names.tolist()
                if unknown := sorted(set(labels.tolist()) - set(found)):
                    raise unknown_name("class", unknown[0], found, where="labels")
                index = name_index(found)
                labels, names = np.array([index[name] for name in labels.tolist()], np.int32), np.array(found)
            if not np.issubdtype(labels.dtype, np.integer):
                raise ConfembError(
                    f"its labels have type {labels.dtype}: give a whole number or a name for each vector."
                )
            if labels.max(initial=0) >= MAX_UNNAMED_CLASSES and names is None:
                raise ConfembError(
                    f"it has the label {labels.max()}; without class names there are at most {MAX_UNNAMED_CLASSES:,}."
                )
            if names is None:
                names = np.arange(int(labels.max(initial=0)) + 1).astype(np.str_)
            ids = arrays.get("ids", np.arange(len(arrays["embeddings"])).astype(np.str_))
            return cls(arrays["embeddings"], labels, tuple(names.tolist()), tuple(ids.tolist()))
        except ConfembError as error:
            raise ConfembError(f"cannot read the vectors in {path}: {error}") from error


def label_words(vectors: WordVectors, label_of: Mapping[str, str]) -> tuple[LabelledVectors, tuple[str, ...]]:
    """Return the vectors of words with a class each, classes sorted by name, and the words that have no vector.

    Raises:
        ConfembError: none of the words has a vector, or a class whose words have none.
    """
    there = [word for word in label_of if word in vectors]
    if not there:
        first = next(iter(label_of), "")
        raise unknown_name("word", first, vectors.words, where="the word vectors, as are all others of the labels")
    names = tuple(sorted(set(label_of.values())))
    index = name_index(names)
    labels = np.array([index[label_of[word]] for word in there], np.int32)
    rows = [vectors.index(word) for word in there]
    found = LabelledVectors(vectors.vectors[rows], labels, names, tuple(there))
    return found, tuple(word for word in label_of if word not in vectors)


def load_labels(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read a table of tab-separated lines, word and class; a first line "word label" is a header.

    Raises:
        ConfembError: a file that cannot be read, the first line that is not a word and a class, or a word with two
            classes.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip() or (number == 1 and [cell.lower() for cell in cells] == ["word", "label"]):
            continue
        if len(cells) != 2 or not all(cells):
            raise ConfembError(f"{path}, line {number}: expected a word, a tab and a class.")
        if found.setdefault(cells[0], cells[1]) != cells[1]:
            raise ConfembError(f"{path}, line {number}: the word {cells[0]!r} has two classes; keep one.")
    if not found:
        raise ConfembError(f"{path} names no words: write lines of a word, a tab and a class.")
    return found
