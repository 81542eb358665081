"""One table over 5, 10, ... classes: how clusters and SVM fare as there are more classes to tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.spaces.lab.labelled import LabelledVectors
from confemb.spaces.lab.measures import COMPONENTS, FOLDS, PENALTY, Measured, cluster_agreement, cross_validate
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.progress import Progress

SUBSETS = 10
STEP = 5


@dataclass(frozen=True)
class ClassCount:
    """What was measured over random subsets of so many classes.

    Attributes:
        classes: how many classes at a time.
        subsets: how many random subsets; all classes are one subset, with as many seeds instead.
        chance: the accuracy of guessing, 1 / classes.
        agreement: normalised mutual information of clusters and classes: the mean, and the range of 95 % of subsets.
        shuffled: the same of shuffled labels: what chance gives, more than 0 for few vectors. The mean.
        accuracy: of the SVM in cross-validation: the mean, and the range of 95 % of subsets.
    """

    classes: int
    subsets: int
    chance: float
    agreement: Measured
    shuffled: float
    accuracy: Measured


def over_class_counts(
    vectors: LabelledVectors,
    counts: Sequence[int] | None = None,
    *,
    subsets: int = SUBSETS,
    components: int = COMPONENTS,
    folds: int = FOLDS,
    penalty: float = PENALTY,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[ClassCount]:
    """Measure clusters and SVM over random subsets of the classes, for several numbers of classes.

    Args:
        vectors: of K classes.
        counts: numbers of classes; by default 5, 10, ... and all K.
        subsets: random subsets for each number; each has its own seed of k-means and of the folds.
        components: principal components for the clusters.
        folds: of the cross-validation, once through for each subset.
        penalty: the SVM's C.
        seed: of all draws.
        progress: called with subsets done and subsets in all.

    Raises:
        ConfembError: a single class, a class of one vector, or a number of classes below 2 or above K.
    """
    whole = len(vectors.class_names)
    if whole < 2:
        raise ConfembError(f"there is one class only, {vectors.class_names[0]!r}: give two or more to tell apart.")
    if alone := [name for name, count in zip(vectors.class_names, vectors.counts, strict=True) if count < 2]:
        raise ConfembError(
            f"of {quoted_list(alone)} there is one vector only: cross-validation needs two or more of each class; "
            "leave it out, or give more."
        )
    counts = default_counts(whole) if counts is None else sorted(set(counts))
    for count in counts:
        if not 2 <= count <= whole:
            raise ConfembError(f"of {whole} classes {count} cannot be drawn: give numbers from 2 to {whole}.")
    found = []
    for number, count in enumerate(counts):
        agreement, shuffled, accuracy = np.empty(subsets), np.empty(subsets), np.empty(subsets)
        for subset in range(subsets):
            generator = np.random.default_rng([seed, count, subset])
            chosen = np.sort(generator.permutation(whole)[:count])
            rows = np.flatnonzero(np.isin(vectors.labels, chosen))
            inside, labels = vectors.vectors[rows], vectors.labels[rows]
            own = int(generator.integers(2**31))
            agreement[subset] = cluster_agreement(inside, labels, components=components, seed=own)
            shuffled[subset] = cluster_agreement(inside, generator.permutation(labels), components=components, seed=own)
            crossed = cross_validate(inside, labels, folds=folds, repeats=1, penalty=penalty, seed=own)
            accuracy[subset] = crossed.accuracy.value
            if progress is not None:
                progress(f"{count} classes", number * subsets + subset + 1, len(counts) * subsets)
        found.append(ClassCount(count, subsets, 1 / count, _range(agreement), float(shuffled.mean()), _range(accuracy)))
    return found


def default_counts(classes: int) -> list[int]:
    """Return 5, 10, ... below the number of classes, and that number itself; at most ten of them."""
    step = STEP * max(1, -(-classes // (10 * STEP)))
    return [*range(step, classes, step), classes]


def _range(values: np.ndarray) -> Measured:
    if len(values) < 2:
        return Measured(float(values.mean()), float("nan"), float("nan"))
    low, high = np.percentile(values, [2.5, 97.5])
    return Measured(float(values.mean()), float(low), float(high))
