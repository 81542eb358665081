"""`PairCounts`: how often each class was predicted for each true class.

Counts are exact and add up in any order, so the order of the pictures, the file format they came in and the number of
machines that counted them do not change them, nor the embedding.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy.sparse

from confemb.records.cell_rules import positions
from confemb.records.pair_weights import MILLIONTH, Weighting, count_codes, millionths
from confemb.records.predictions import Predictions, check_class_names, check_indices, check_k
from confemb.support.errors import ConfembError, one_of, quoted_list
from confemb.support.files import read_bytes, whole_file
from confemb.support.held import frozen, held
from confemb.support.npz import read_record

SelfPairs = Literal["keep", "drop"]
MissingClasses = Literal["error", "drop", "keep"]

# The arrays in a file of pair counts.
_SAVED = dict.fromkeys(("true", "predicted", "rank", "counts"), ("iu", 1)) | {
    "class_names": ("U", 1), "k": ("iu", 0), "self_pairs": ("U", 0), "unit?": ("f", 0), "shards?": ("U", 1),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Counts of (true class, predicted class, rank), sparse: only cells that are not zero.

    Weighted pairs are counted in millionths, so that they too add up exactly. The arrays are read-only copies.

    Attributes:
        class_names: the K class names.
        k: how many ranks of each picture were counted.
        self_pairs: whether pairs of a class with itself were kept.
        true, predicted: (M,) int32 class indices.
        rank: (M,) int32, 0 for the most probable class.
        counts: (M,) int64, above zero; sorted by (true, predicted, rank), no cell twice.
        unit: how many pairs a count of 1 stands for: 1 for counted pairs, `MILLIONTH` for weighted ones.
        shards: ids of the parts that were counted, sorted; empty where they are not known.
    """

    class_names: tuple[str, ...]
    k: int
    self_pairs: SelfPairs
    true: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    counts: np.ndarray
    unit: float = 1.0
    shards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check everything once, here; the rest of the package trusts it.

        Raises:
            ConfembError: an index out of range, a count below one, arrays of unequal length, cells out of
                order, an unknown self-pair policy or unit, or duplicate class names.
        """
        names = tuple(check_class_names(self.class_names))
        object.__setattr__(self, "class_names", names)
        one_of("self_pairs", self.self_pairs, *get_args(SelfPairs))
        if self.unit not in (1.0, MILLIONTH):
            raise ConfembError(f"the unit of pair counts is {self.unit!r}; it must be 1 or {MILLIONTH:g}.")
        for what, size in (("true", len(names)), ("predicted", len(names)), ("rank", self.k)):
            object.__setattr__(self, what, held(check_indices(getattr(self, what), size, what=f"{what} index")))
        counts = np.asarray(self.counts)
        if counts.dtype.kind not in "iu" or (counts < 1).any():
            raise ConfembError("pair counts must be whole numbers above zero.")
        object.__setattr__(self, "counts", held(counts, np.int64))
        if {self.true.shape, self.predicted.shape, self.rank.shape} != {(len(counts),)}:
            raise ConfembError("pair counts need a true class, a predicted class and a rank for each count.")
        if (np.diff(self.codes()) <= 0).any():
            raise ConfembError("pair counts must be sorted by true class, predicted class and rank, no cell twice.")
        shards = tuple(self.shards)
        if list(shards) != sorted(set(shards)):
            raise ConfembError("the ids of the shards must be sorted, none twice.")
        object.__setattr__(self, "shards", shards)

    def codes(self) -> np.ndarray:
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

        Weighted pairs are drawn by systematic sampling (Madow 1949): each cell, and so their sum, gets its weight
        rounded down or up, and its weight exactly on average over seeds.
        """
        if self.unit == 1.0:
            return self.counts
        per_pair = round(1 / self.unit)
        start = int(np.random.default_rng(seed).integers(per_pair))
        ends = (np.cumsum(self.counts) + start) // per_pair
        return np.diff(ends, prepend=0)

    def __add__(self, other: "PairCounts") -> "PairCounts":
        """Add two counts of the same classes exactly; raises ConfembError where they do not fit, see `PairSum`."""
        total = PairSum()
        total.add(self)
        total.add(other)
        return total.counts()

    def cells(self) -> scipy.sparse.csr_array:
        """Return the counts as a sparse (K, K * k) matrix of int64, row true, column predicted * k + rank."""
        size = len(self.class_names)
        starts = np.searchsorted(self.true, np.arange(size + 1))
        columns = self.predicted.astype(np.int64) * self.k + self.rank
        return scipy.sparse.csr_array((self.counts, columns, starts), shape=(size, size * self.k))

    def select(
        self,
        *,
        k: int | None = None,
        self_pairs: SelfPairs | None = None,
        missing_classes: MissingClasses = "keep",
        class_names: Sequence[str] | None = None,
    ) -> "PairCounts":
        """Return what counting with other settings would have given.

        Args:
            k: only the first k ranks; None: all.
            self_pairs: "drop" leaves out pairs of a class with itself; None: as counted.
            missing_classes: what becomes of classes without pictures, see `count_pairs`.
            class_names: another order of the classes, of which some may be new; None: as they are.

        Raises:
            ConfembError: a rank or self-pairs that were not counted; a class that `class_names` lacks; a class without
                pictures; no pair left.
        """
        k = self.k if k is None else k
        check_k(k, self.k, what="predicted classes counted for each picture")
        if self_pairs == "keep" and self.self_pairs == "drop":
            raise ConfembError("pairs of a class with itself were not counted: count again, or drop them here as well.")
        columns = [column[self.rank < k] for column in (self.true, self.predicted, self.rank, self.counts)]
        names = self.class_names
        if class_names is not None and tuple(class_names) != names:
            place = positions(names, class_names)
            columns[:2] = [place[columns[0]], place[columns[1]]]
            names = tuple(class_names)
        policy = self_pairs or self.self_pairs
        return _select_pairs(names, k, policy, missing_classes, columns, unit=self.unit, shards=self.shards)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one NPZ file, an array for each attribute; nothing pickled, the same counts give the same bytes."""
        columns = [(name, getattr(self, name)) for name in ("true", "predicted", "rank", "counts")]
        # Each in the narrowest type that holds it: there may be hundreds of millions of cells.
        arrays = {name: a.astype(np.min_scalar_type(int(a.max(initial=0)))) for name, a in columns}
        arrays |= {"shards": np.array(self.shards, dtype=np.str_)} if self.shards else {}
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                class_names=np.array(self.class_names, dtype=np.str_),
                k=np.array(self.k, np.int64),
                self_pairs=np.array(self.self_pairs, dtype=np.str_),
                unit=np.array(self.unit, np.float64),
                **arrays,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "PairCounts":
        """Read what `save` wrote; raises ConfembError for anything else."""
        try:
            return cls.from_npz(read_bytes(path))
        except ConfembError as error:
            raise ConfembError(f"cannot read the pair counts in {path}: {error}") from error

    @classmethod
    def from_npz(cls, data: bytes) -> "PairCounts":
        """Read the bytes that `save` wrote; raises ConfembError for anything else."""
        arrays = read_record(data, _SAVED)
        return cls(
            class_names=tuple(arrays["class_names"].tolist()),
            k=int(arrays["k"]),
            self_pairs=str(arrays["self_pairs"]),  # type: ignore[arg-type]  # the record itself checks it
            true=arrays["true"],
            predicted=arrays["predicted"],
            rank=arrays["rank"],
            counts=arrays["counts"],
            # Files from before pairs could be weighted have no unit, those of unknown shards no ids.
            unit=float(arrays.get("unit", 1.0)),
            shards=tuple(arrays["shards"].tolist()) if "shards" in arrays else (),
        )


def count_pairs(
    predictions: Predictions,
    *,
    k: int = 3,
    self_pairs: SelfPairs = "keep",
    missing_classes: MissingClasses = "error",
    weighting: Weighting = "count",
    temperature: float = 1.0,
    repeats: np.ndarray | None = None,
    shard: str | None = None,
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
        shard: an id of these predictions, by which it is noticed when they are added twice.

    Raises:
        ConfembError: k larger than the predictions hold; a class without pictures; no pair left; no probabilities to
            weigh by or to soften; a temperature that is not above 0; a policy or weighting of another name.
    """
    check_k(k, predictions.k, what="predicted classes for each picture")
    size = len(predictions.class_names)
    weights = millionths(predictions, k, weighting, temperature)
    if weighting == "count" and temperature != 1.0:
        raise ConfembError('a temperature softens probabilities: give it with weighting = "probability" only.')
    true, predicted, rank, counts = [], [], [], []
    base = predictions.labels.astype(np.int64) * size
    for r in range(k):
        code = base + predictions.top_classes[:, r]
        weight = None if weights is None else weights[:, r]
        if repeats is not None:
            weight = repeats if weight is None else weight * repeats
        cells, cell_counts = count_codes(code, weight, size * size)
        true.append(cells // size)
        predicted.append(cells - true[-1] * size)
        rank.append(np.full(len(cells), r))
        counts.append(cell_counts)
    columns = [np.concatenate(column) for column in (true, predicted, rank, counts)]
    unit = 1.0 if weights is None else MILLIONTH
    ids = () if shard is None else (shard,)
    return _select_pairs(predictions.class_names, k, self_pairs, missing_classes, columns, unit=unit, shards=ids)


def pairs_from_confusions(
    confusions: np.ndarray,
    class_names: Sequence[str],
    *,
    self_pairs: SelfPairs = "keep",
    missing_classes: MissingClasses = "error",
    shares: bool = False,
) -> PairCounts:
    """Take a confusion matrix as the counts of the most probable class (k = 1).

    Args:
        confusions: (K, K) whole numbers of at least 0: rows true, columns predicted.
        class_names: the K class names.
        shares: whether they are shares of the true classes, from 0 to 1, of which millionths are counted.
        self_pairs, missing_classes: as in `count_pairs`.

    Raises:
        ConfembError: a matrix that is not square or has a negative count; a class without pictures; no pair left.
    """
    confusions = np.asarray(confusions)
    size = len(class_names)
    if shares:
        confusions = np.rint(confusions / MILLIONTH).astype(np.int64)
    if confusions.shape != (size, size) or confusions.dtype.kind not in "iu" or (confusions < 0).any():
        raise ConfembError(
            f"a confusion matrix of {size} classes must hold ({size}, {size}) whole numbers of at least 0, "
            f"not {confusions.shape} {confusions.dtype}."
        )
    true, predicted = np.nonzero(confusions)
    columns = [true, predicted, np.zeros_like(true), confusions[true, predicted]]
    unit = MILLIONTH if shares else 1.0
    return _select_pairs(tuple(class_names), 1, self_pairs, missing_classes, columns, unit=unit)


def _select_pairs(
    names: tuple[str, ...],
    k: int,
    self_pairs: SelfPairs,
    missing_classes: MissingClasses,
    columns: list[np.ndarray],
    *,
    unit: float = 1.0,
    shards: tuple[str, ...] = (),
) -> PairCounts:
    """Leave out what the policies say from the cells (true, predicted, rank, counts), and sort the rest."""
    one_of("missing_classes", missing_classes, *get_args(MissingClasses))
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
    true, predicted, rank, counts = columns
    places = true, predicted.astype(np.int64) * k + rank
    cells = scipy.sparse.coo_array((counts, places), shape=(len(names), len(names) * k))
    return _from_cells(cells.tocsr(), names, k, self_pairs, unit, shards)


def _from_cells(
    cells: scipy.sparse.csr_array,
    names: tuple[str, ...],
    k: int,
    self_pairs: SelfPairs,
    unit: float,
    shards: tuple[str, ...],
) -> PairCounts:
    """Return the counts of a (K, K * k) matrix, see `PairCounts.cells`."""
    cells.sum_duplicates()
    true = np.repeat(np.arange(len(names), dtype=np.int32), np.diff(cells.indptr))
    predicted, rank = (part.astype(np.int32) for part in np.divmod(cells.indices, k))
    true, predicted, rank, counted = map(frozen, (true, predicted, rank, cells.data.astype(np.int64)))
    return PairCounts(names, k, self_pairs, true, predicted, rank, counted, unit, shards)


class PairSum:
    """Adds up pair counts, of which there may be many, one after the other; the order makes no difference.

    Sums of about the same size are added to one another, so that n counts are gone through log(n) times, not n.
    """

    def __init__(self) -> None:
        self._first: PairCounts | None = None
        self._parts: list[scipy.sparse.csr_array] = []
        self._shards: set[str] = set()

    def add(self, counts: PairCounts) -> None:
        """Add one more.

        Raises:
            ConfembError: other classes, k, self-pairs or unit than those before; a shard that is in already.
        """
        if self._first is None:
            self._first = counts
        for what in ("class_names", "k", "self_pairs", "unit"):
            if getattr(self._first, what) != getattr(counts, what):
                told = _difference(self._first, counts, what)
                raise ConfembError(f"cannot add pair counts whose {what} differ: {told}.")
        if twice := sorted(self._shards.intersection(counts.shards)):
            raise ConfembError(
                f"{len(twice)} of {len(counts.shards)} shards would be counted twice ({quoted_list(twice)}): leave out "
                "what holds them."
            )
        self._shards.update(counts.shards)
        self._parts.append(counts.cells())
        while len(self._parts) > 1 and self._parts[-2].nnz < 2 * self._parts[-1].nnz:
            self._parts.append(self._parts.pop() + self._parts.pop())

    @property
    def empty(self) -> bool:
        """Whether nothing was added yet."""
        return self._first is None

    def counts(self) -> PairCounts:
        """Return the sum of what was added; raises ConfembError where nothing was."""
        if self._first is None:
            raise ConfembError("there are no pair counts to add up.")
        while len(self._parts) > 1:
            self._parts.append(self._parts.pop() + self._parts.pop())
        one, shards = self._first, tuple(sorted(self._shards))
        return _from_cells(self._parts[0], one.class_names, one.k, one.self_pairs, one.unit, shards)


def _difference(a: PairCounts, b: PairCounts, what: str) -> str:
    """Say in a few words how an attribute of two counts differs."""
    one, other = getattr(a, what), getattr(b, what)
    if what != "class_names":
        return f"{one!r} and {other!r}"
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} classes"
    place = next(i for i, (x, y) in enumerate(zip(one, other, strict=True)) if x != y)
    return f"class {place} is {one[place]!r} and {other[place]!r}"
