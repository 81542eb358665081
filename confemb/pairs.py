"""`PairCounts`: how often each class was predicted for each true class.

Counts are exact and add up in any order, so the order of the pictures, the file format they came in and the number of
machines that counted them do not change them, nor the embedding.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
import scipy.sparse

from confemb.errors import ConfembError, quoted_list
from confemb.files import read_arrays, read_bytes, whole_file
from confemb.predictions import Predictions, check_class_names, check_indices, check_k

SelfPairs = Literal["keep", "drop"]
MissingClasses = Literal["error", "drop", "keep"]
Weighting = Literal["count", "probability"]

# What one count stands for where pairs are weighted: whole numbers of millionths add up exactly in any order.
MILLIONTH = 1e-6


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Counts of (true class, predicted class, rank), sparse: only cells that are not zero.

    Weighted pairs (by probability, say) are counted in millionths of a pair, so that they too add up exactly.

    Attributes:
        class_names: the K class names.
        k: how many ranks of each picture were counted.
        self_pairs: whether pairs of a class with itself were kept.
        true, predicted: (M,) int32 class indices.
        rank: (M,) int32, 0 for the most probable class.
        counts: (M,) int64, above zero; sorted by (true, predicted, rank), no cell twice.
        unit: how many pairs a count of 1 stands for: 1 for counted pairs, `MILLIONTH` for weighted ones.
    """

    class_names: tuple[str, ...]
    k: int
    self_pairs: SelfPairs
    true: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    counts: np.ndarray
    unit: float = 1.0

    def __post_init__(self) -> None:
        """Check everything once, here; the rest of the package trusts it.

        Raises:
            ConfembError: an index out of range, a count below one, arrays of unequal length, cells out of
                order, an unknown self-pair policy or unit, or duplicate class names.
        """
        names = tuple(check_class_names(self.class_names))
        object.__setattr__(self, "class_names", names)
        if self.self_pairs not in get_args(SelfPairs):
            raise ConfembError(f'self_pairs is {self.self_pairs!r}; it must be "keep" or "drop".')
        if self.unit not in (1.0, MILLIONTH):
            raise ConfembError(f"the unit of pair counts is {self.unit!r}; it must be 1 or {MILLIONTH:g}.")
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
        """The number of pairs, rounded where they are weighted."""
        return round(int(self.counts.sum()) * self.unit)

    def matrix(self) -> scipy.sparse.csr_array:
        """Return the (K, K) pairs over all ranks, rows true, columns predicted: int64, or float64 where weighted."""
        size = len(self.class_names)
        pairs = self.counts if self.unit == 1.0 else self.counts * self.unit
        return scipy.sparse.coo_array((pairs, (self.true, self.predicted)), shape=(size, size)).tocsr()

    def whole(self, seed: int) -> np.ndarray:
        """Return (M,) int64 how many whole pairs stand for each cell: the counts, unless they are weighted.

        Weighted pairs are drawn by systematic sampling (Madow 1949): the sum is `total`, each cell gets its
        weight rounded down or up, and its weight exactly on average over seeds.
        """
        if self.unit == 1.0:
            return self.counts
        per_pair = round(1 / self.unit)
        start = int(np.random.default_rng(seed).integers(per_pair))
        ends = (np.cumsum(self.counts) + start) // per_pair
        return np.diff(ends, prepend=0)

    def __add__(self, other: "PairCounts") -> "PairCounts":
        """Add two counts of the same classes exactly; raises ConfembError where they do not fit."""
        for what in ("class_names", "k", "self_pairs", "unit"):
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
            unit=self.unit,
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
                unit=np.array(self.unit, np.float64),
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "PairCounts":
        """Read what `save` wrote; raises ConfembError for anything else."""
        try:
            arrays = read_arrays(read_bytes(path), [field.name for field in fields(cls)])
            return cls(
                class_names=tuple(arrays["class_names"].tolist()),
                k=int(arrays["k"]),
                self_pairs=str(arrays["self_pairs"]),  # type: ignore[arg-type]  # the record itself checks it
                true=arrays["true"],
                predicted=arrays["predicted"],
                rank=arrays["rank"],
                counts=arrays["counts"],
                # Files from before pairs could be weighted have no unit.
                unit=float(arrays.get("unit", 1.0)),
            )
        except (KeyError, TypeError, ValueError, ConfembError) as error:
            raise ConfembError(f"cannot read the pair counts in {path}: {error}") from error


def count_pairs(
    predictions: Predictions,
    *,
    k: int = 3,
    self_pairs: SelfPairs = "keep",
    missing_classes: MissingClasses = "error",
    weighting: Weighting = "count",
    temperature: float = 1.0,
    repeats: np.ndarray | None = None,
) -> PairCounts:
    """Count the pairs (true class, i-th most probable class) for i = 1..k over all pictures.

    A picture of several true classes gives a pair of each of them with each predicted class (the paper's section 6.2).
    Where the predictions have weights, each pair counts the weight of its row, in millionths.

    Args:
        predictions: the classifier's most probable classes.
        k: how many of them to pair with the true class (the paper: 3).
        self_pairs: "keep" counts a picture's own class when it is among its k (the paper does), "drop" does not.
        missing_classes: a class without pictures is an "error", is left out with its pairs ("drop"), or stays with
            an empty row ("keep").
        weighting: "count" counts each pair once; "probability" weighs it by the predicted class's probability
            (with k = K: the softmax mass that each true class gives to each class), in millionths.
        temperature: above 0; with "probability", probabilities p are softened to p ** (1 / temperature) and
            scaled back to their sum over the k classes (Hinton et al. 2015; exact for k = K).
        repeats: (N,) whole numbers of at least 0, how often each row is counted (a bootstrap's); None: once.

    Raises:
        ConfembError: k larger than the predictions hold; a class without pictures; no pair left; a weighting by
            probabilities that are not there, or a temperature that is not above 0.
    """
    check_k(k, predictions.k, what="predicted classes for each picture")
    size = len(predictions.class_names)
    weights = _millionths(predictions, k, weighting, temperature)
    if weighting == "count" and temperature != 1.0:
        raise ConfembError('a temperature softens probabilities: give it with weighting = "probability" only.')
    true, predicted, rank, counts = [], [], [], []
    for r in range(k):
        code = predictions.labels.astype(np.int64) * size + predictions.top_classes[:, r]
        weight = None if weights is None else weights[:, r]
        if repeats is not None:
            weight = repeats if weight is None else weight * repeats
        cells, cell_counts = _count_cells(code, weight, size * size)
        true.append(cells // size)
        predicted.append(cells % size)
        rank.append(np.full(len(cells), r))
        counts.append(cell_counts)
    columns = [np.concatenate(column) for column in (true, predicted, rank, counts)]
    unit = 1.0 if weights is None else MILLIONTH
    return _select_pairs(predictions.class_names, k, self_pairs, missing_classes, columns, unit=unit)


def _millionths(predictions: Predictions, k: int, weighting: Weighting, temperature: float) -> np.ndarray | None:
    """Return (N, k) int64, what each pair weighs in millionths; None where each counts once."""
    if weighting == "count":
        if predictions.weights is None:
            return None
        return np.rint(np.repeat(predictions.weights[:, None], k, axis=1) / MILLIONTH).astype(np.int64)
    probs = _softened(predictions, k, temperature)
    if predictions.weights is not None:
        probs = probs * predictions.weights[:, None]
    return np.rint(probs / MILLIONTH).astype(np.int64)


def _softened(predictions: Predictions, k: int, temperature: float) -> np.ndarray:
    """Return (N, k) float64 probabilities, softened by the temperature."""
    if predictions.top_probs is None:
        raise ConfembError(
            "pairs can only be weighted by probability where the predictions have probabilities: "
            'add the columns prob1, prob2, ..., or use weighting = "count".'
        )
    if not (np.isfinite(temperature) and temperature > 0):
        raise ConfembError(f"temperature is {temperature}; it must be a number above 0.")
    probs = predictions.top_probs[:, :k].astype(np.float64)
    if temperature != 1.0:
        # Relative to the largest, so that no power underflows to a row of zeros.
        largest = np.maximum(probs.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        softened = (probs / largest) ** (1 / temperature)
        sums = softened.sum(axis=1, keepdims=True)
        probs = softened * np.divide(probs.sum(axis=1, keepdims=True), sums, out=np.zeros_like(sums), where=sums > 0)
    return probs


def _count_cells(code: np.ndarray, weight: np.ndarray | None, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes (0 to `size` - 1) that occur with a weight above zero, and the sums of their weights."""
    if size <= 4 * len(code) + 2**20:
        cells = np.arange(size)
        # bincount adds weights as float64, which is exact for whole numbers up to 2 ** 53.
        sums = np.bincount(code, weights=weight, minlength=size)
    else:
        cells, inverse = np.unique(code, return_inverse=True)
        sums = np.bincount(inverse, weights=weight, minlength=len(cells))
    there = np.flatnonzero(sums)
    return cells[there], sums[there].astype(np.int64)


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
    names: tuple[str, ...],
    k: int,
    self_pairs: SelfPairs,
    missing_classes: MissingClasses,
    columns: list[np.ndarray],
    *,
    unit: float = 1.0,
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
    if missing and missing_classes == "drop":
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
    return _sum_cells(names, k, self_pairs, *columns, unit=unit)


def _sum_cells(
    class_names: tuple[str, ...],
    k: int,
    self_pairs: SelfPairs,
    true: np.ndarray,
    predicted: np.ndarray,
    rank: np.ndarray,
    counts: np.ndarray,
    *,
    unit: float,
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
        unit,
    )
