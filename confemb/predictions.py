"""`Predictions`: a classifier's most probable classes for each picture.

This is where a classifier of one's own enters: nothing here needs a neural-network library.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from confemb.errors import ConfembError


@dataclass(frozen=True, eq=False)
class Predictions:
    """The `k` most probable classes of N pictures, best first.

    Attributes:
        labels: (N,) int32, the true class of each picture as an index into `class_names`.
        top_classes: (N, k) int32, the predicted classes, most probable first, no class twice in a row.
        top_probs: (N, k) float32 in [0, 1], their probabilities, or None where only classes are known.
        class_names: the K class names; their order gives the meaning of every index.
        ids: (N,) str, the picture's id or path within its dataset, or None.
        splits: (N,) str, the part of the dataset each picture is from ("train", "test"), or None.
        dataset: the dataset's name, or "".
        classifier: the classifier's name, or "".
    """

    labels: np.ndarray
    top_classes: np.ndarray
    top_probs: np.ndarray | None
    class_names: tuple[str, ...]
    ids: np.ndarray | None = None
    splits: np.ndarray | None = None
    dataset: str = field(default="", kw_only=True)
    classifier: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check everything once, here; the rest of the package trusts it.

        Raises:
            ConfembError: shapes that do not fit, an index out of range, a class twice in one row,
                probabilities that are not finite or outside [0, 1], or duplicate class names.
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
        set_field(self, "labels", labels)
        set_field(self, "top_classes", top_classes)
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
            set_field(self, "top_probs", probs)
        for name in ("ids", "splits"):
            values = getattr(self, name)
            if values is not None:
                values = np.asarray(values, dtype=object)
                if values.shape != labels.shape:
                    raise ConfembError(f"there are {len(labels)} rows but {values.size} {name}.")
                set_field(self, name, values)

    def __len__(self) -> int:
        """The number of pictures, N."""
        return len(self.labels)

    @property
    def k(self) -> int:
        """How many classes are kept for each picture."""
        return int(self.top_classes.shape[1])

    @property
    def accuracy(self) -> float:
        """The share of pictures, from 0 to 1, whose most probable class is the true one."""
        return float(np.mean(self.top_classes[:, 0] == self.labels))

    def where(self, rows: np.ndarray) -> "Predictions":
        """Return the predictions of some pictures only (`rows`: a mask or indices)."""
        return Predictions(
            self.labels[rows],
            self.top_classes[rows],
            None if self.top_probs is None else self.top_probs[rows],
            self.class_names,
            None if self.ids is None else self.ids[rows],
            None if self.splits is None else self.splits[rows],
            dataset=self.dataset,
            classifier=self.classifier,
        )


def predictions_from_scores(
    scores: np.ndarray,
    labels: np.ndarray,
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

    Args:
        scores: (N, K) probabilities, each row summing to 1, or logits.
        labels: (N,) true classes as indices.
        class_names: the K names.
        k: how many classes to keep, 1 to K.
        logits: whether `scores` are logits, to be turned into probabilities by a softmax.
        ids, splits, dataset, classifier: as in `Predictions`.

    Raises:
        ConfembError: a score that is not finite, a column count other than K, k out of range.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] != len(class_names):
        raise ConfembError(
            f"scores have shape {scores.shape}; with {len(class_names)} classes they must be (N, {len(class_names)})."
        )
    check_k(k, scores.shape[1])
    bad = ~np.isfinite(scores)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ConfembError(
            f"row {row} has the score {scores[row, column]} for class {class_names[column]!r}; "
            "scores must be finite numbers."
        )
    top_classes = np.empty((len(scores), k), np.int32)
    top_probs = np.empty((len(scores), k), np.float32)
    # In blocks of rows: the whole in float64, a few times over, may not fit into memory.
    rows = max(1, 2**22 // scores.shape[1])
    for start in range(0, len(scores), rows):
        block = scores[start : start + rows].astype(np.float64)
        # By the scores themselves: the softmax of far-off logits is zero for all of them alike.
        top = top_k(block, k)
        if logits:
            block = np.exp(block - block.max(axis=1, keepdims=True))
            block /= block.sum(axis=1, keepdims=True)
        top_classes[start : start + rows] = top
        top_probs[start : start + rows] = np.take_along_axis(block, top, axis=1)
    return Predictions(
        np.asarray(labels),
        top_classes,
        top_probs,
        tuple(class_names),
        ids,
        splits,
        dataset=dataset,
        classifier=classifier,
    )


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


def check_k(k: int, available: int, *, what: str = "classes") -> None:
    """Raise unless 1 <= k <= available."""
    if not 1 <= k <= available:
        raise ConfembError(f"k = {k} is out of range: there are {available} {what}; choose k from 1 to {available}.")


def check_class_names(names: Sequence[str]) -> Sequence[str]:
    """Return the names if they are non-empty strings without duplicates, else raise ConfembError."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise ConfembError(f"class {index} has the name {name!r}; every class needs a non-empty name.")
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
    """Return class indices as int32, or raise ConfembError naming the first row out of [0, count)."""
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
