"""`PairCounts`: how often each class was predicted for each true class, and the pair corpus from it.

The corpus depends on the counts and a seed alone, so the order of the pictures, the file format they
came in and the number of machines that counted them do not change the embedding.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
import scipy.sparse

from confemb.errors import ConfembError, quoted_list
from confemb.files import read_arrays, read_bytes, whole_file
from confemb.predictions import Predictions, check_class_names, check_indices, check_k

SelfPairs = Literal["keep", "drop"]
Order = Literal["shuffled", "sorted"]
MissingClasses = Literal["error", "drop"]

# Laid out for gensim a pair takes some 40 bytes, so this is about 4 GB.
MAX_CORPUS_PAIRS = 100_000_000


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Counts of (true class, predicted class, rank), sparse: only cells that are not zero.

    Attributes:
        class_names: the K class names.
        k: how many ranks of each picture were counted.
        self_pairs: whether pairs of a class with itself were kept.
        true, predicted: (M,) int32 class indices.
        rank: (M,) int32, 0 for the most probable class.
        counts: (M,) int64, above zero; sorted by (true, predicted, rank), no cell twice.
    """

    class_names: tuple[str, ...]
    k: int
    self_pairs: SelfPairs
    true: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    counts: np.ndarray

    def __post_init__(self) -> None:
        """Check everything once, here; the rest of the package trusts it.

        Raises:
            ConfembError: an index out of range, a count below one, arrays of unequal length, cells out of
                order, an unknown self-pair policy, or duplicate class names.
        """
        names = tuple(check_class_names(self.class_names))
        object.__setattr__(self, "class_names", names)
        if self.self_pairs not in get_args(SelfPairs):
            raise ConfembError(f'self_pairs is {self.self_pairs!r}; it must be "keep" or "drop".')
        for what, size in (("true", len(names)), ("predicted", len(names)), ("rank", self.k)):
            object.__setattr__(self, what, check_indices(getattr(self, what), size, what=f"{what} index"))
        counts = np.asarray(self.counts)
        if counts.dtype.kind not in "iu" or (counts < 1).any():
            raise ConfembError("pair counts must be whole numbers above zero.")
        object.__setattr__(self, "counts", counts.astype(np.int64, copy=False))
        if {self.true.shape, self.predicted.shape, self.rank.shape} != {(len(counts),)}:
            raise ConfembError("pair counts need a true class, a predicted class and a rank for each count.")
        if (np.diff(self._codes()) <= 0).any():
            raise ConfembError("pair counts must be sorted by true class, predicted class and rank, no cell twice.")

    def _codes(self) -> np.ndarray:
        """Return (M,) int64, one number for each (true, predicted, rank), in their order."""
        return (self.true.astype(np.int64) * len(self.class_names) + self.predicted) * self.k + self.rank

    @property
    def total(self) -> int:
        """The number of pairs."""
        return int(self.counts.sum())

    def matrix(self) -> scipy.sparse.csr_array:
        """Return the (K, K) int64 counts over all ranks: rows true, columns predicted."""
        size = len(self.class_names)
        cells = (self.counts, (self.true, self.predicted))
        return scipy.sparse.coo_array(cells, shape=(size, size)).tocsr()

    def __add__(self, other: "PairCounts") -> "PairCounts":
        """Add two counts of the same classes exactly; raises ConfembError where they do not fit."""
        for what in ("class_names", "k", "self_pairs"):
            if getattr(self, what) != getattr(other, what):
                raise ConfembError(f"cannot add pair counts whose {what} differ.")
        return _sum_cells(
            self.class_names,
            self.k,
            self.self_pairs,
            *(
                np.concatenate([getattr(self, what), getattr(other, what)])
                for what in ("true", "predicted", "rank", "counts")
            ),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one NPZ file, an array for each attribute; nothing pickled, the same counts give the same bytes."""
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                class_names=np.array(self.class_names, dtype=np.str_),
                k=np.array(self.k, np.int64),
                self_pairs=np.array(self.self_pairs, dtype=np.str_),
                true=self.true,
                predicted=self.predicted,
                rank=self.rank,
                counts=self.counts,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "PairCounts":
        """Read what `save` wrote; raises ConfembError for anything else."""
        try:
            arrays = read_arrays(read_bytes(path), [field.name for field in fields(cls)])
            return cls(
                tuple(arrays["class_names"].tolist()),
                int(arrays["k"]),
                str(arrays["self_pairs"]),  # type: ignore[arg-type]  # the record itself checks it
                *(arrays[what] for what in ("true", "predicted", "rank", "counts")),
            )
        except (KeyError, TypeError, ValueError, ConfembError) as error:
            raise ConfembError(f"cannot read the pair counts in {path}: {error}") from error


def count_pairs(
    predictions: Predictions,
    *,
    k: int = 3,
    self_pairs: SelfPairs = "keep",
    missing_classes: MissingClasses = "error",
) -> PairCounts:
    """Count the pairs (true class, i-th most probable class) for i = 1..k over all pictures.

    Args:
        predictions: the classifier's most probable classes.
        k: how many of them to pair with the true class (the paper: 3).
        self_pairs: "keep" counts a picture's own class when it is among its k (the paper does), "drop" does not.
        missing_classes: a class without pictures is an "error", or is left out with its pairs ("drop").

    Raises:
        ConfembError: k larger than the predictions hold; a class without pictures; no pair left.
    """
    check_k(k, predictions.k, what="predicted classes for each picture")
    size = len(predictions.class_names)
    true, predicted, rank, counts = [], [], [], []
    for r in range(k):
        code = predictions.labels.astype(np.int64) * size + predictions.top_classes[:, r]
        if size * size <= 4 * len(code) + 2**20:
            cell_counts = np.bincount(code, minlength=size * size)
            cells = np.flatnonzero(cell_counts)
            cell_counts = cell_counts[cells]
        else:
            cells, cell_counts = np.unique(code, return_counts=True)
        true.append(cells // size)
        predicted.append(cells % size)
        rank.append(np.full(len(cells), r))
        counts.append(cell_counts)
    columns = [np.concatenate(column) for column in (true, predicted, rank, counts)]
    return _select_pairs(predictions.class_names, k, self_pairs, missing_classes, columns)


def pairs_from_confusions(
    confusions: np.ndarray,
    class_names: Sequence[str],
    *,
    self_pairs: SelfPairs = "keep",
    missing_classes: MissingClasses = "error",
) -> PairCounts:
    """Take a confusion matrix as the counts of the most probable class (k = 1).

    Args:
        confusions: (K, K) whole numbers of at least 0: rows true, columns predicted.
        class_names: the K class names.
        self_pairs, missing_classes: as in `count_pairs`.

    Raises:
        ConfembError: a matrix that is not square or has a negative count; a class without pictures; no pair left.
    """
    confusions = np.asarray(confusions)
    size = len(class_names)
    if confusions.shape != (size, size) or confusions.dtype.kind not in "iu" or (confusions < 0).any():
        raise ConfembError(
            f"a confusion matrix of {size} classes must hold ({size}, {size}) whole numbers of at least 0, "
            f"not {confusions.shape} {confusions.dtype}."
        )
    true, predicted = np.nonzero(confusions)
    columns = [true, predicted, np.zeros_like(true), confusions[true, predicted]]
    return _select_pairs(tuple(class_names), 1, self_pairs, missing_classes, columns)


def _select_pairs(
    names: tuple[str, ...], k: int, self_pairs: SelfPairs, missing_classes: MissingClasses, columns: list[np.ndarray]
) -> PairCounts:
    """Leave out what the policies say from the cells (true, predicted, rank, counts), and sort the rest."""
    has_pictures = np.zeros(len(names), bool)
    has_pictures[columns[0]] = True
    missing = [names[i] for i in np.flatnonzero(~has_pictures)]
    if missing and missing_classes == "error":
        raise ConfembError(
            f"{len(missing)} of {len(names)} classes have no picture: "
            f"{quoted_list(missing)}; add pictures of them or leave these classes out "
            '(--missing-classes drop, or missing_classes = "drop").'
        )
    if self_pairs == "drop":
        columns = [column[columns[0] != columns[1]] for column in columns]
    if missing:
        new_index = np.cumsum(has_pictures) - 1
        rows = has_pictures[columns[1]]
        columns = [column[rows] for column in columns]
        columns[:2] = [new_index[columns[0]], new_index[columns[1]]]
        names = tuple(names[i] for i in np.flatnonzero(has_pictures))
    if len(columns[0]) == 0:
        raise ConfembError(
            "no pair is left to learn from: every prediction is the picture's own class and "
            'self_pairs is "drop"; keep self-pairs or raise k.'
        )
    return _sum_cells(names, k, self_pairs, *columns)


def _sum_cells(
    class_names: tuple[str, ...],
    k: int,
    self_pairs: SelfPairs,
    true: np.ndarray,
    predicted: np.ndarray,
    rank: np.ndarray,
    counts: np.ndarray,
) -> PairCounts:
    """Sort the cells by (true, predicted, rank) and add up those that stand more than once."""
    code = (true.astype(np.int64) * len(class_names) + predicted) * k + rank
    cells, inverse = np.unique(code, return_inverse=True)
    sums = np.zeros(len(cells), np.int64)
    np.add.at(sums, inverse, counts)
    pair, rank = np.divmod(cells, k)
    true, predicted = np.divmod(pair, len(class_names))
    return PairCounts(
        class_names,
        k,
        self_pairs,
        true.astype(np.int32),
        predicted.astype(np.int32),
        rank.astype(np.int32),
        sums,
    )


class PairCorpus(Sequence[list[str]]):
    """The pairs as two-word sentences [true class, predicted class], ready for gensim.

    Each distinct pair is one list object, referenced as often as the pair was counted: gensim only
    reads it, and the corpus takes half the memory of fresh lists.
    """

    def __init__(self, counts: PairCounts, *, order: Order = "shuffled", seed: int = 0) -> None:
        """Lay the pairs out: "shuffled" by `seed`, or "sorted" by (true, predicted) class index.

        Sorted pairs show one class after the other and give unsteady cosines: for study only.

        Raises:
            ConfembError: more than `MAX_CORPUS_PAIRS` pairs, which would not fit into memory.
        """
        if counts.total > MAX_CORPUS_PAIRS:
            raise ConfembError(
                f"{counts.total:,} pairs are more than the {MAX_CORPUS_PAIRS:,} that fit into memory as a corpus: "
                "divide all counts by one number, or count fewer pictures."
            )
        names = counts.class_names
        sentences = np.empty(len(counts.counts), dtype=object)
        for i, (true, predicted) in enumerate(zip(counts.true, counts.predicted, strict=True)):
            sentences[i] = [names[true], names[predicted]]
        which = np.repeat(np.arange(len(sentences)), counts.counts)
        if order == "shuffled":
            which = np.random.default_rng(seed).permutation(which)
        self._sentences: list[list[str]] = sentences[which].tolist()

    def __len__(self) -> int:
        return len(self._sentences)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._sentences[index]

    def __iter__(self) -> Iterator[list[str]]:
        return iter(self._sentences)
