"""`Predictions`: a classifier's most probable classes for each picture.

This is where a classifier of one's own enters: nothing here needs a neural-network library.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from confemb.records.cell_rules import encode_classes
from confemb.records.read_options import ReadOptions
from confemb.records.score_kinds import check_scores
from confemb.support.errors import ConfembError
from confemb.support.held import held

# A caption may be a class's name, a page may not.
LONGEST_NAME = 1_000
# Controls but for tabs and line ends, and lone surrogates.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# The lightest row: pairs are weighed in millionths, and none may come to nothing.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class Predictions:
    """The `k` most probable classes of N pictures, best first.

    A picture that shows m classes stands as m rows, one for each true class, which share its id (and split) and its
    predicted classes; each has a weight, by default 1/m, so that every picture counts the same.

    The arrays are read-only copies: what becomes of those that were given changes nothing here.

    Attributes:
        labels: (N,) int32, the true class of each picture as an index into `class_names`.
        top_classes: (N, k) int32, the predicted classes, most probable first, no class twice in a row.
        top_probs: (N, k) float32 in [0, 1], their probabilities, or None where only classes are known.
        class_names: the K class names; their order gives the meaning of every index.
        ids: (N,) str, the picture's id or path within its dataset, or None.
        splits: (N,) str, the part of the dataset each picture is from ("train", "test"), or None.
        weights: (N,) float64, how much each row counts, from 0.000001 to 1; or None, where every row counts fully and
            is a picture of its own.
        dataset: the dataset's name, or "".
        classifier: the classifier's name, or "".
    """

    labels: np.ndarray
    top_classes: np.ndarray
    top_probs: np.ndarray | None
    class_names: tuple[str, ...]
    ids: np.ndarray | None = None
    splits: np.ndarray | None = None
    weights: np.ndarray | None = field(default=None, kw_only=True)
    dataset: str = field(default="", kw_only=True)
    classifier: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check everything once, here; the rest of the package trusts it.

        Raises:
            ConfembError: shapes that do not fit, an index out of range, a class twice in one row,
                probabilities that are not finite or outside [0, 1], duplicate class names, weights out of range, or
                rows of one picture with different predictions or twice the same true class.
        """
        set_field = object.__setattr__
        names = tuple(check_class_names(self.class_names))
        set_field(self, "class_names", names)
        labels = check_indices(self.labels, len(names), what="label")
        top_classes = check_indices(self.top_classes, len(names), what="predicted class")
        if labels.ndim != 1 or top_classes.ndim != 2 or len(labels) != len(top_classes):
            raise ConfembError(
                f"labels have shape {labels.shape} and predicted classes {top_classes.shape}; "
                "they must be (N,) and (N, k) with the same N."
            )
        if len(labels) == 0:
            raise ConfembError("there are no predictions: give at least one row.")
        if top_classes.shape[1] == 0:
            raise ConfembError("there are no predicted classes: give at least the most probable one.")
        ordered = np.sort(top_classes, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if twice.any():
            row = int(np.argmax(twice))
            raise ConfembError(
                f"row {row} predicts the same class twice "
                f"({', '.join(names[c] for c in top_classes[row])}); its top classes must differ."
            )
        set_field(self, "labels", held(labels))
        set_field(self, "top_classes", held(top_classes))
        if self.top_probs is not None:
            probs = np.asarray(self.top_probs, dtype=np.float32)
            if probs.shape != top_classes.shape:
                raise ConfembError(
                    f"probabilities have shape {probs.shape}, predicted classes {top_classes.shape}; "
                    "they must be alike."
                )
            bad = ~np.isfinite(probs) | (probs < 0) | (probs > 1 + 1e-5)
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise ConfembError(
                    f"row {row} has the probability {probs[row, column]} at rank {column + 1}; "
                    "probabilities must be finite numbers from 0 to 1."
                )
            set_field(self, "top_probs", held(probs))
        for name in ("ids", "splits"):
            values = getattr(self, name)
            if values is not None:
                values = np.asarray(values, dtype=object)
                if values.shape != labels.shape:
                    raise ConfembError(f"there are {len(labels)} rows but {values.size} {name}.")
                set_field(self, name, held(values))
        if self.weights is not None:
            set_field(self, "weights", held(_check_weights(self.weights, len(labels))))
            self._check_pictures()

    def _check_pictures(self) -> None:
        """Raise unless the rows of each picture agree in what was predicted and differ in the true class."""
        picture = self.pictures()
        _, first = np.unique(picture, return_index=True)
        other = (self.top_classes != self.top_classes[first[picture]]).any(axis=1)
        if other.any():
            row = int(np.argmax(other))
            assert self.ids is not None
            raise ConfembError(
                f"rows {first[picture[row]]} and {row} are of one picture ({self.ids[row]}) but predict different "
                "classes: give every picture an id of its own, and its rows the same predictions."
            )
        cells = picture * len(self.class_names) + self.labels
        if len(np.unique(cells)) < len(cells):
            order = np.argsort(cells, kind="stable")
            row = int(order[1:][np.diff(cells[order]) == 0].min())
            assert self.ids is not None
            raise ConfembError(
                f"row {row} names the true class {self.class_names[self.labels[row]]!r} of the picture "
                f"{self.ids[row]} once more: give every picture an id of its own, and each of its classes one row."
            )

    def __len__(self) -> int:
        """The number of rows, N: one for each picture, or for each true class of a picture."""
        return len(self.labels)

    @property
    def k(self) -> int:
        """How many classes are kept for each picture."""
        return int(self.top_classes.shape[1])

    @property
    def accuracy(self) -> float:
        """The share of pictures, from 0 to 1, whose most probable class is the true one, or one of the true ones."""
        return float(np.mean(self.hits()[:, 0]))

    def pictures(self) -> np.ndarray:
        """Return (N,) int64, which picture each row is of: 0, 1, ... in the order in which they first appear."""
        if self.weights is None or self.ids is None:
            return np.arange(len(self))
        splits = self.ids if self.splits is None else self.splits
        number: dict[tuple[str, str], int] = {}
        keys = zip(self.ids.tolist(), splits.tolist(), strict=True)
        return np.fromiter((number.setdefault(key, len(number)) for key in keys), np.int64, len(self))

    def hits(self) -> np.ndarray:
        """Return (P, k) bool for the P pictures, numbered as in `pictures`: which predicted classes are true ones."""
        hit = self.top_classes == self.labels[:, None]
        if self.weights is None:
            return hit
        picture = self.pictures()
        found = np.zeros((int(picture.max()) + 1, self.k), bool)
        np.logical_or.at(found, picture, hit)
        return found

    def where(self, rows: np.ndarray) -> "Predictions":
        """Return some rows only (`rows`: a mask or indices)."""
        by_row = ("labels", "top_classes", "top_probs", "ids", "splits", "weights")
        taken: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[rows] for name in by_row
        }
        return replace(self, **taken)


def predictions_from_scores(  # noqa: PLR0913 - most are the fields of the record that it makes
    scores: Any,
    labels: Any,
    class_names: Sequence[str],
    *,
    k: int,
    logits: bool = False,
    ids: np.ndarray | None = None,
    splits: np.ndarray | None = None,
    dataset: str = "",
    classifier: str = "",
) -> Predictions:
    """Keep the `k` most probable classes of every row; equal scores go by class index, lowest first.

    So do they wherever scores become predictions: in `confemb.classify`, by every adapter, from files. Logits are
    ordered as they are, before a softmax could round them to equal probabilities; 0 and -0 are equal.

    Arrays may be of any library, see `confemb.records.foreign_arrays`. Columns that have names are matched with the
    class names, whatever their order.

    Args:
        scores: (N, K) real numbers of any type, compared as float64: probabilities, each row summing to 1, or logits.
        labels: (N,) true classes as indices or class names; or, for pictures of several classes, (N, K) booleans or
            0 and 1, a column for each class. Such a picture then stands as one row for each true class (`label_sets`).
        class_names: the K names.
        k: how many classes to keep, 1 to K.
        logits: whether `scores` are logits, to be turned into probabilities by a softmax. (A network with a sigmoid
            for each class: give its probabilities, whose rows need not sum to 1.)
        ids, splits, dataset, classifier: as in `Predictions`, one for each row of `scores`; where pictures have several
            classes and no ids, they get their row numbers.

    Raises:
        ConfembError: a score that is not finite or that float64 cannot hold exactly, a column count other than K, k out
            of range, a picture without a true class; columns called otherwise than the classes; logits that are
            probabilities, or probabilities that are percents.
    """
    from confemb.records.foreign_arrays import in_order_of, named_array

    scores = in_order_of(named_array(scores, "the scores"), class_names, "the scores")
    labels = as_labels(labels, class_names)
    if scores.ndim != 2 or scores.shape[1] != len(class_names):
        raise ConfembError(
            f"scores have shape {scores.shape}; with {len(class_names)} classes they must be (N, {len(class_names)})."
        )
    check_k(k, scores.shape[1])
    if scores.dtype.kind not in "biuf":
        raise ConfembError(f"scores have type {scores.dtype}; they must be real numbers.")
    bad = ~np.isfinite(scores)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ConfembError(
            f"row {row} has the score {scores[row, column]} for class {class_names[column]!r}; "
            "scores must be finite numbers."
        )
    check_scores(scores, logits=logits)
    top_classes = np.empty((len(scores), k), np.int32)
    top_probs = np.empty((len(scores), k), np.float32)
    # In blocks of rows: the whole in float64, a few times over, may not fit into memory.
    rows = max(1, 2**22 // scores.shape[1])
    for start in range(0, len(scores), rows):
        block = _as_float64(scores[start : start + rows], start)
        # By the scores themselves: the softmax of far-off logits is zero for all of them alike.
        top = top_k(block, k)
        if logits:
            # Of logits farther apart than float64 reaches, the lower one's exponential is 0.
            with np.errstate(over="ignore"):
                block = np.exp(block - block.max(axis=1, keepdims=True))
            block /= block.sum(axis=1, keepdims=True)
        top_classes[start : start + rows] = top
        top_probs[start : start + rows] = np.take_along_axis(block, top, axis=1)
    weights = None
    if labels.ndim == 2:
        picture, labels, weights = label_sets(labels, pictures=len(scores), classes=len(class_names))
        ids = np.arange(len(scores)).astype(str) if ids is None and weights is not None else ids
        top_classes, top_probs = top_classes[picture], top_probs[picture]
        ids, splits = (None if values is None else np.asarray(values)[picture] for values in (ids, splits))
    return Predictions(
        labels,
        top_classes,
        top_probs,
        tuple(class_names),
        ids,
        splits,
        weights=weights,
        dataset=dataset,
        classifier=classifier,
    )


def as_labels(labels: Any, class_names: Sequence[str]) -> np.ndarray:
    """Return true classes of any library as (N,) indices, from names or whole numbers; anything else as it is.

    Raises:
        ConfembError: a name that is no class name, a float that is not whole.
    """
    from confemb.records.foreign_arrays import in_order_of, named_array

    labels = in_order_of(named_array(labels, "the labels"), class_names, "the labels")
    if labels.ndim == 1 and labels.dtype.kind in "fO":
        options = ReadOptions(first_index=0, cells="names" if labels.dtype.kind == "O" else "indices")
        found, _ = encode_classes({"labels": labels}, class_names, row_name=lambda row: f"row {row}", options=options)
        return found["labels"]
    return labels.reshape(-1) if labels.shape[1:] == (1,) and len(class_names) > 1 else labels


def _as_float64(scores: np.ndarray, start: int) -> np.ndarray:
    """Return scores as float64, or raise ConfembError where it would take different ones for equal.

    Args:
        scores: (n, K) finite numbers.
        start: the row of the first of them.
    """
    with np.errstate(over="ignore"):
        block = scores.astype(np.float64)
    if scores.dtype.kind in "iu" and scores.dtype.itemsize == 8:
        inexact = np.abs(block) >= 2**53
    elif scores.dtype.kind == "f" and scores.dtype.itemsize > 8:
        inexact = block.astype(scores.dtype) != scores
    else:
        return block
    if inexact.any():
        row, column = np.argwhere(inexact)[0]
        raise ConfembError(
            f"row {start + row} has the score {scores[row, column]}, which float64 cannot hold exactly: scale or round "
            "the scores."
        )
    return block


def label_sets(
    indicators: np.ndarray, *, pictures: int, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Lay pictures of several classes out as rows, one for each true class (the paper's section 6.2).

    Args:
        indicators: (N, K) booleans, or 0 and 1: whether each picture shows each class.
        pictures, classes: the N and K that are expected.

    Returns:
        Which picture each row is of, its true class (both (M,) int64, by picture, then class), and (M,) weights 1/m
        for the m classes of a picture; None where every picture has a single one.

    Raises:
        ConfembError: another shape, anything but 0 and 1, a picture without a true class.
    """
    indicators = np.asarray(indicators)
    if indicators.shape != (pictures, classes):
        raise ConfembError(
            f"labels have shape {indicators.shape}; with {pictures} pictures and {classes} classes they must be "
            f"({pictures},), or ({pictures}, {classes}) where a picture may show several classes."
        )
    # One-hot encoders give floats as often as whole numbers.
    if indicators.dtype.kind not in "biuf" or (indicators.dtype.kind != "b" and not np.isin(indicators, (0, 1)).all()):
        raise ConfembError("labels with a column for each class must hold 0 and 1, or booleans, only.")
    indicators = indicators.astype(bool)
    found = indicators.sum(axis=1)
    if (found == 0).any():
        raise ConfembError(f"picture {int(np.argmin(found))} has no true class: give it one, or leave it out.")
    picture, labels = np.nonzero(indicators)
    return picture, labels, None if (found == 1).all() else 1.0 / found[picture]


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return (N, k) int32 column indices of the highest finite scores, highest first, ties by lowest index."""
    if k > 16:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)
    # A few passes for the maximum, the first of equals, are far quicker than sorting a thousand columns.
    left = scores.astype(np.float64)
    top = np.empty((len(scores), k), np.int32)
    every_row = np.arange(len(scores))
    for rank in range(k):
        top[:, rank] = left.argmax(axis=1)
        left[every_row, top[:, rank]] = -np.inf
    return top


def _check_weights(weights: np.ndarray, rows: int) -> np.ndarray:
    """Return (N,) float64 weights, or raise ConfembError naming the first row that is out of range."""
    weights = np.asarray(weights)
    if weights.dtype.kind not in "fiu" or weights.shape != (rows,):
        raise ConfembError(
            f"weights have shape {weights.shape} and type {weights.dtype}; they must be ({rows},) numbers."
        )
    weights = weights.astype(np.float64)
    bad = ~((weights >= LEAST_WEIGHT) & (weights <= 1))
    if bad.any():
        row = int(np.argmax(bad))
        raise ConfembError(f"row {row} has the weight {weights[row]}; weights must be from {LEAST_WEIGHT:f} to 1.")
    return weights


def check_k(k: int, available: int, *, what: str = "classes") -> None:
    """Raise unless 1 <= k <= available."""
    if not 1 <= k <= available:
        raise ConfembError(f"k = {k} is out of range: there are {available} {what}; choose k from 1 to {available}.")


def check_class_names(names: Sequence[str]) -> Sequence[str]:
    """Return the names if they are non-empty strings of text without duplicates, else raise ConfembError.

    Characters that control a terminal, NUL and halves of characters are no text: no table could show them, and most
    formats could not hold them.
    """
    # Told at once of a million names; to find the one that is wrong takes longer.
    texts = set(map(type, names)) == {str} and all(map(str.strip, names)) and len(set(names)) == len(names)
    if not texts and set(map(type, names)) <= {str, np.str_}:
        # NumPy's texts would be quoted as np.str_('cat').
        return check_class_names([str(name) for name in names]) if np.str_ in set(map(type, names)) else _checked(names)
    if texts and max(map(len, names)) <= LONGEST_NAME and not _NO_TEXT.search("".join(names)):
        return names
    return _checked(names)


def _checked(names: Sequence[str]) -> Sequence[str]:
    """Do as `check_class_names`, name by name."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise ConfembError(f"class {index} has the name {name!r}; every class needs a non-empty name.")
        if strange := _NO_TEXT.search(name):
            raise ConfembError(f"the name of class {index} holds {strange.group()!r}, which is no text: rename it.")
        if len(name) > LONGEST_NAME:
            raise ConfembError(
                f"the name of class {index} has {len(name):,} characters ({name[:20]!r}...); at most {LONGEST_NAME:,} "
                "can be used: shorten it."
            )
        if name in seen:
            raise ConfembError(
                f"the class name {name!r} stands twice (classes {seen[name]} and {index}); "
                "class names must differ: rename one of them."
            )
        seen[name] = index
    if not seen:
        raise ConfembError("there are no class names: give at least one.")
    return names


def check_indices(values: np.ndarray, count: int, *, what: str) -> np.ndarray:
    """Return class indices of any shape as int32, or raise ConfembError naming the first row out of [0, count)."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise ConfembError(f"a {what} must be a whole number from 0 to {count - 1}, not {values.dtype}.")
    bad = (values < 0) | (values >= count)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise ConfembError(
            f"row {row} has the {what} {values[bad][0]}, but there are only {count} classes "
            f"(0 to {count - 1}): mend the row, or give all the class names."
        )
    return values.astype(np.int32, copy=False)
