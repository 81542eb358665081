"""How far vectors tell their classes apart: by clusters that know no class, and by a linear SVM that does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from confemb.spaces.lab.labelled import LabelledVectors
from confemb.support.errors import ConfembError
from confemb.support.threads import one_thread

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

COMPONENTS, FOLDS, REPEATS, STARTS, HALVES = 50, 5, 5, 10, 20
LEVEL = 0.95
PENALTY = 1.0


@dataclass(frozen=True)
class Measured:
    """A measure from 0 to 1 with its 95 % interval; bounds are NaN where they cannot be told."""

    value: float
    low: float
    high: float


def cluster_agreement(vectors: np.ndarray, labels: np.ndarray, *, components: int = COMPONENTS, seed: int = 0) -> float:
    """Return the normalised mutual information of classes and k-means clusters of the principal components, 0 to 1.

    As many clusters as classes; the mean of the two entropies normalises. 1: clusters and classes are the same.

    Args:
        vectors: (N, d).
        labels: (N,) classes.
        components: principal components kept, at most N and d.
        seed: of PCA's solver and of the 10 starts of k-means.

    Raises:
        ConfembError: fewer than two classes.
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters(vectors, labels, components=components, seed=seed)))


@one_thread()
def clusters(vectors: np.ndarray, labels: np.ndarray, *, components: int = COMPONENTS, seed: int = 0) -> np.ndarray:
    """Return the (N,) clusters of (N, d) vectors for `cluster_agreement`; raises ConfembError for a single class."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    count = len(np.unique(labels))
    if count < 2:
        raise ConfembError("there is one class only: clusters need two or more to be compared with.")
    kept = min(components, *vectors.shape)
    reduced = PCA(kept, random_state=seed).fit_transform(vectors.astype(np.float64))
    return KMeans(count, n_init=10, random_state=seed).fit_predict(reduced)


def cluster_agreement_interval(
    vectors: np.ndarray, labels: np.ndarray, *, components: int = COMPONENTS, halves: int = HALVES, seed: int = 0
) -> Measured:
    """Return the mean of `cluster_agreement` over seeds, with an interval for other vectors of the same classes.

    The spread over random halves of each class is that of the whole's own estimate (the jackknife that leaves half
    out, Shao and Wu 1989), each with another seed of k-means. The interval is the value plus and minus 1.96 of it,
    within 0 and 1. A class of fewer than 4 vectors gives none. The value itself is over `STARTS` seeds.
    """
    value = float(
        np.mean([cluster_agreement(vectors, labels, components=components, seed=seed + i) for i in range(STARTS)])
    )
    if np.bincount(labels)[np.unique(labels)].min() < 4:
        return Measured(value, float("nan"), float("nan"))
    generator = np.random.default_rng([seed, 1])
    found = []
    for half in range(halves):
        rows = np.concatenate([_half(np.flatnonzero(labels == label), generator) for label in np.unique(labels)])
        found.append(cluster_agreement(vectors[rows], labels[rows], components=components, seed=seed + half))
    spread = 1.96 * float(np.std(found, ddof=1))
    return Measured(value, max(0.0, value - spread), min(1.0, value + spread))


def _half(rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.permutation(rows)[: len(rows) // 2]


def linear_svm(*, penalty: float = PENALTY) -> "Pipeline":
    """Return the classifier: vectors are standardised, then a linear SVM of every two classes, which vote.

    The scaling is part of it, so that it is learnt from the training vectors alone. Nothing in it is random.

    Args:
        penalty: the SVM's C; smaller regularises more.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    # Of thousands of numbers and hundreds of rows libsvm is some ten times as fast as liblinear, and no worse.
    return make_pipeline(StandardScaler(), SVC(kernel="linear", C=penalty))


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """How often vectors that were left out are given their own class.

    Attributes:
        accuracy: the mean over all folds, with its interval.
        folds: (repeats, folds) accuracies.
        predicted: (N,) the class each vector was given in the first repetition, when it was left out.
    """

    accuracy: Measured
    folds: np.ndarray
    predicted: np.ndarray


@one_thread()
def cross_validate(
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    penalty: float = PENALTY,
    seed: int = 0,
) -> CrossValidation:
    """Cross-validate a linear SVM, folds stratified and shuffled, several times over.

    Folds share training vectors, so that the plain standard error is too small: the interval is Student's with the
    variance corrected for it (Nadeau and Bengio 2003).

    Args:
        vectors: (N, d).
        labels: (N,) classes.
        folds: as many as this, or as the smallest class has vectors.
        repeats: how often the vectors are shuffled and folded anew.
        penalty: the SVM's C.
        seed: of the shuffling.

    Raises:
        ConfembError: fewer than two classes, or a class of one vector.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if len(counts) < 2:
        raise ConfembError("there is one class only: an SVM needs two or more to tell apart.")
    if counts.min() < 2:
        raise ConfembError("a class has one vector only: cross-validation needs two or more of each.")
    folds = max(2, min(folds, int(counts.min())))
    accuracies, predicted = np.empty((repeats, folds)), np.empty_like(labels)
    for repeat in range(repeats):
        split = StratifiedKFold(folds, shuffle=True, random_state=seed + repeat)
        for fold, (learn, judge) in enumerate(split.split(vectors, labels)):
            classifier = linear_svm(penalty=penalty).fit(vectors[learn], labels[learn])
            found = classifier.predict(vectors[judge])
            accuracies[repeat, fold] = (found == labels[judge]).mean()
            if repeat == 0:
                predicted[judge] = found
    return CrossValidation(corrected_interval(accuracies, test_share=1 / (folds - 1)), accuracies, predicted)


def corrected_interval(accuracies: np.ndarray, *, test_share: float) -> Measured:
    """Return the mean of folds' accuracies with Nadeau and Bengio's corrected interval (2003), within 0 and 1.

    Folds that are all alike, as where everything is right, tell no interval: one of no width would promise too much.

    Args:
        accuracies: of J folds, any shape.
        test_share: how many vectors are judged by for each that is learnt from.
    """
    from scipy import stats

    count, mean = accuracies.size, float(accuracies.mean())
    if count < 2 or np.ptp(accuracies) == 0:
        return Measured(mean, float("nan"), float("nan"))
    deviation = np.sqrt((1 / count + test_share) * accuracies.var(ddof=1))
    spread = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * deviation)
    return Measured(mean, max(0.0, mean - spread), min(1.0, mean + spread))


@one_thread()
def judge_apart(
    learn: LabelledVectors, judge: LabelledVectors, *, penalty: float = PENALTY
) -> tuple[Measured, np.ndarray]:
    """Fit the SVM on some vectors, judge it on others; return the accuracy (Wilson's interval) and (N,) predictions.

    The predictions are rows of `learn.class_names`; the classes of `judge` are matched by name.

    Raises:
        ConfembError: vectors of different lengths, or a class of `judge` that `learn` does not have.
    """
    from scipy import stats

    ours, theirs = learn.vectors.shape[1], judge.vectors.shape[1]
    if ours != theirs:
        raise ConfembError(
            f"the vectors to learn from have {ours} numbers, those to judge by {theirs}: "
            "both must come from the same layer of the same network."
        )
    if unknown := sorted(set(judge.class_names) - set(learn.class_names)):
        raise ConfembError(f"there is nothing to learn the class {unknown[0]!r} from: leave it out, or give some.")
    place = np.array([learn.class_names.index(name) for name in judge.class_names])
    wanted = place[judge.labels]
    classifier = linear_svm(penalty=penalty).fit(learn.vectors, learn.labels)
    predicted = np.asarray(classifier.predict(judge.vectors))
    right = int((predicted == wanted).sum())
    bounds = stats.binomtest(right, len(wanted)).proportion_ci(LEVEL, method="wilson")
    return Measured(right / len(wanted), float(bounds.low), float(bounds.high)), predicted
