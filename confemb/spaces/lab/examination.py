"""Everything the lab measures of labelled vectors, in one go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.spaces.lab.class_counts import SUBSETS, ClassCount, over_class_counts
from confemb.spaces.lab.labelled import LabelledVectors
from confemb.spaces.lab.maps import METHODS, VectorMap, draw_sample, make_map
from confemb.spaces.lab.measures import (
    CrossValidation,
    Measured,
    cluster_agreement_interval,
    cross_validate,
    judge_apart,
)
from confemb.support.progress import Progress


@dataclass(frozen=True)
class ClassRow:
    """How one class fared with the SVM.

    Attributes:
        name: the class.
        vectors: how many were judged.
        accuracy: the share that was given this class, from 0 to 1.
        instead: (class, how often) of the classes given most often instead, at most two.
    """

    name: str
    vectors: int
    accuracy: float
    instead: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Examination:
    """What the lab found out about labelled vectors.

    Attributes:
        vectors: the vectors.
        agreement: normalised mutual information of k-means clusters and all classes.
        crossed: the SVM over all classes, cross-validated.
        judged_apart: its accuracy when it learnt from all the vectors and was judged by others; None without others.
        judged_vectors: how many others; 0 without.
        by_count: the table over numbers of classes.
        classes: a row for each class, judged apart where there were others, else in cross-validation.
        mapped: the vectors on the maps: of the chosen classes, thinned out where there are thousands.
        maps: by principal components and by t-SNE.
    """

    vectors: LabelledVectors
    agreement: Measured
    crossed: CrossValidation
    judged_apart: Measured | None
    judged_vectors: int
    by_count: Sequence[ClassCount]
    classes: Sequence[ClassRow]
    mapped: LabelledVectors
    maps: Sequence[VectorMap]


def examine(
    vectors: LabelledVectors,
    *,
    judge: LabelledVectors | None = None,
    counts: Sequence[int] | None = None,
    subsets: int = SUBSETS,
    shown: Sequence[str] | None = None,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Examination:
    """Cluster, classify and map vectors.

    Args:
        vectors: the vectors with their labels.
        judge: others of the same classes, which the SVM never learns from.
        counts: numbers of classes for the table, see `over_class_counts`.
        subsets: random subsets for each of them.
        shown: the classes on the maps; all by default.
        methods: kinds of maps, see `make_map`.
        seed: of everything random.
        progress: called with steps done and steps in all.

    Raises:
        ConfembError: as `over_class_counts`, `judge_apart`, and for an unknown class in `shown`.
    """
    # What may be refused comes first, what takes long last.
    mapped = draw_sample(vectors if shown is None else vectors.of_classes(shown), seed=seed)
    apart = None if judge is None else judge_apart(vectors, judge)
    by_count = over_class_counts(vectors, counts, subsets=subsets, seed=seed, progress=progress)
    crossed = cross_validate(vectors.vectors, vectors.labels, seed=seed)
    agreement = cluster_agreement_interval(vectors.vectors, vectors.labels, seed=seed)
    if apart is None or judge is None:
        rows = class_rows(vectors.class_names, vectors.labels, crossed.predicted)
    else:
        place = np.array([vectors.class_names.index(name) for name in judge.class_names])
        rows = class_rows(vectors.class_names, place[judge.labels], apart[1])
    maps = [make_map(mapped.vectors, method, seed=seed) for method in methods]
    return Examination(
        vectors,
        agreement,
        crossed,
        None if apart is None else apart[0],
        0 if judge is None else len(judge),
        by_count,
        rows,
        mapped,
        maps,
    )


def class_rows(class_names: Sequence[str], labels: np.ndarray, predicted: np.ndarray) -> list[ClassRow]:
    """Return a row for each class that was judged: (N,) true and (N,) predicted rows of `class_names`."""
    found = []
    for label in np.unique(labels):
        given = predicted[labels == label]
        # Of equally frequent ones the first in the order of the classes comes first.
        wrong = Counter(sorted(given[given != label].tolist())).most_common(2)
        instead = tuple((class_names[other], count) for other, count in wrong)
        found.append(ClassRow(class_names[label], len(given), float((given == label).mean()), instead))
    return found
