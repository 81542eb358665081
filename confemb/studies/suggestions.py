"""What a classifier's mistakes suggest to change: classes to merge, classes to split, pictures to label again.

Each suggestion carries its evidence and how uncertain it is. All of it is best measured on pictures the classifier has
not learned from: it makes fewer mistakes on those it has, and has learned their wrong labels too.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.records.predictions import Predictions, check_indices
from confemb.stats.dip import dip_p_value, dip_statistic
from confemb.support.errors import ConfembError

LEVEL = 0.95
# Two classes are suggested for merging where their predictions surely carry less than this much of what tells them.
MERGE_BELOW = 0.5
# Fewer pictures than this do not show two groups.
SPLIT_PICTURES = 40
# Float32 probabilities below it say no more.
SMALLEST_PROBABILITY = 1e-12
# Random halves of a class's pictures.
SPLITS = 5
# Of how many classes the log-ratios are tried as axes, and how many principal axes.
RATIO_CLASSES, PRINCIPAL_AXES = 8, 5
# More probabilities of exactly 0 than this share make groups by themselves.
ZEROS = 0.01
# The chance that any class at all is suggested for splitting that should not be.
SPLIT_ERROR = 0.05


@dataclass(frozen=True)
class Merge:
    """Two classes that the predictions hardly tell apart.

    Attributes:
        class_1, class_2: their names.
        confused: the mean share of either class's pictures that are taken for the other.
        told_apart: how much of what tells the two the predictions carry: the information between label and prediction
            over the entropy of the label, both among the pictures of the two; 0: nothing, 1: all.
        low, high: its 95 % interval over pictures.
        loss: bits of information a picture, over all pictures, that the predictions lose on the labels if merged.
        p_value: of the test that the predictions do not depend on which of the two it is; a large one says that the
            confusions cannot be told from those of one class.
    """

    class_1: str
    class_2: str
    confused: float
    told_apart: float
    low: float
    high: float
    loss: float
    p_value: float

    @property
    def suggested(self) -> bool:
        """Whether the predictions surely carry less than half of what tells the two."""
        return self.high < MERGE_BELOW


def suggest_merges(
    labels: np.ndarray, predicted: np.ndarray, class_names: Sequence[str], *, most: int = 20
) -> list[Merge]:
    """Return the pairs of classes that the predictions tell apart least, the surest first.

    Merging i and j loses (p_i + p_j) JS(P(. | i), P(. | j)) bits on the labels: the Jensen-Shannon divergence of what
    is predicted for them (Slonim & Tishby 1999, "Agglomerative information bottleneck"). That over the entropy of
    the two labels is `told_apart`, ranked by the upper bound of its interval. Estimated with the correction of Miller
    (1955); the interval is the wider of two approximations, normal (by the variance of the pointwise information) and,
    near 0, noncentral chi-squared (the G statistic's); the test is the G-test of independence.

    Args:
        labels: (N,) true classes as indices.
        predicted: (N,) the most probable classes.
        class_names: the K names.
        most: how many pairs.

    Returns:
        Only pairs of which some picture of one is taken for the other; those that are `suggested` come first.

    Raises:
        ConfembError: an index out of range, or not as many predicted classes as labels.
    """
    size = len(class_names)
    labels = check_indices(labels, size, what="label").astype(np.int64)
    predicted = check_indices(predicted, size, what="predicted class")
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ConfembError(f"labels have shape {labels.shape}, predicted classes {predicted.shape}; both must be (N,).")
    counts = np.bincount(labels * size + predicted, minlength=size**2).reshape(size, size).astype(np.float64)
    pictures = counts.sum(axis=1)
    mutual = np.triu(counts + counts.T, k=1) > 0
    tables = {}
    for i, j in np.argwhere(mutual & (pictures[:, None] > 0) & (pictures > 0)).tolist():
        pair = counts[[i, j]]
        tables[i, j] = pair[:, pair.sum(axis=0) > 0]
    # The interval is dear: only of those that may be among the first.
    nearest = sorted(tables, key=lambda one: (_information(tables[one])[0], one))[: 2 * most]
    found = []
    for i, j in nearest:
        value, low, high, bits, p_value = _told_apart(tables[i, j])
        confused = (counts[i, j] / pictures[i] + counts[j, i] / pictures[j]) / 2
        loss = bits * float(tables[i, j].sum()) / len(labels)
        found.append(Merge(class_names[i], class_names[j], float(confused), value, low, high, loss, p_value))
    return sorted(found, key=lambda one: (one.high, one.class_1, one.class_2))[:most]


def _information(pair: np.ndarray) -> tuple[float, float, float, float]:
    """Return (corrected share, entropy, bits, variance of the pointwise bits) of a (2, columns) table of counts."""
    total = pair.sum()
    joint = pair / total
    rows, columns = joint.sum(axis=1, keepdims=True), joint.sum(axis=0)
    entropy = float(-(rows * np.log2(rows)).sum())
    pointwise = np.log2(np.where(joint > 0, joint, 1.0) / np.where(joint > 0, rows * columns, 1.0))
    bits = max(float((joint * pointwise).sum()), 0.0)
    variance = max(float((joint * pointwise**2).sum()) - bits**2, 0.0)
    corrected = max(bits - (pair.shape[1] - 1) / (2 * total * np.log(2)), 0.0)
    return min(corrected / entropy, 1.0), entropy, bits, variance


def _told_apart(pair: np.ndarray) -> tuple[float, float, float, float, float]:
    """Return (share, low, high, corrected bits, p-value) of a (2, columns) table of counts."""
    from scipy.stats import chi2, norm

    share, entropy, bits, variance = _information(pair)
    total, freedom = pair.sum(), pair.shape[1] - 1
    half = float(norm.ppf((1 + LEVEL) / 2)) * np.sqrt(variance / total) / entropy
    low, high, p_value = share - half, share + half, 1.0
    if freedom:
        statistic = 2 * total * np.log(2) * bits
        low_chi, high_chi = (one / (2 * total * np.log(2) * entropy) for one in _noncentrality(statistic, freedom))
        low, high = min(low, low_chi), max(high, high_chi)
        p_value = float(chi2.sf(statistic, freedom))
    return share, max(low, 0.0), min(high, 1.0), share * entropy, p_value


def _noncentrality(statistic: float, freedom: int) -> tuple[float, float]:
    """Return the interval of the noncentrality that a chi-squared statistic tells (Smithson 2003, chapter 4)."""
    from scipy.optimize import brentq
    from scipy.stats import ncx2

    ends = []
    for share in ((1 + LEVEL) / 2, (1 - LEVEL) / 2):
        if ncx2.cdf(statistic, freedom, 0) <= share:
            ends.append(0.0)
            continue
        largest = 2 * statistic + 50.0
        ends.append(float(brentq(lambda nc, share=share: ncx2.cdf(statistic, freedom, nc) - share, 0, largest)))
    return ends[0], ends[1]


@dataclass(frozen=True)
class Split:
    """A class whose pictures fall into two groups by what else is predicted for them.

    Attributes:
        class_name: its name.
        dip: Hartigan's dip of the pictures along the axis between the groups, 0 to 1/4.
        p_value: how often a class of one group has such a dip, corrected for the number of classes (Holm 1979).
        shares: how large the two groups are, together 1.
        low, high: the 95 % interval of the first one's share (Wilson 1927).
        typical: for each group, the classes more probable in it than in the other, the most so first.
        rows: for each group, the rows of its pictures, the farthest from the other group first.
    """

    class_name: str
    dip: float
    p_value: float
    shares: tuple[float, float]
    low: float
    high: float
    typical: tuple[tuple[str, ...], tuple[str, ...]]
    rows: tuple[tuple[int, ...], tuple[int, ...]]


def suggest_splits(predictions: Predictions, *, seed: int = 0) -> list[Split]:
    """Return the classes whose pictures surely fall into two groups by what else is predicted for them.

    A picture of class c is described by the logs of the probabilities of the other classes, centred (Aitchison 1982).
    On a random half of the pictures the axis with the largest dip is sought, see `_axis`; the other half, laid on that
    axis, is tested for more than one peak (Hartigan & Hartigan 1985): a test on other pictures than those that chose
    the axis holds its level. The p-value is twice the median over five splits (Meinshausen, Meier & Buehlmann 2009),
    so that a class with one peak is suggested with a chance below 5 % over all classes (Holm's correction).

    Args:
        predictions: with the probabilities of all classes (k = K): a class that is not among the k has an unknown
            probability, and which are known would make groups by itself.
        seed: draws the halves.

    Returns:
        The classes, the smallest p-value first, then the largest dip. Of fewer than three classes none: a single other
        class does not tell groups apart.

    Raises:
        ConfembError: not all probabilities are there, many are exactly 0, or pictures have several classes.
    """
    probs = all_probabilities(predictions)
    zeros = float((probs == 0).mean())
    if zeros > ZEROS:
        raise ConfembError(
            f"{zeros:.0%} of the probabilities are exactly 0, which makes groups by itself, so that no class can be "
            "tested for two; give a softmax's probabilities, not rounded."
        )
    names = predictions.class_names
    if len(names) < 3:
        return []
    tested: list[tuple[float, float, int, np.ndarray]] = []
    for c in range(len(names)):
        rows = np.flatnonzero(predictions.labels == c)
        if len(rows) < SPLIT_PICTURES:
            continue
        logs = np.log(np.maximum(np.delete(probs[rows], c, axis=1), SMALLEST_PROBABILITY))
        logs -= logs.mean(axis=1, keepdims=True)
        p_values, dips = [], []
        for number in range(SPLITS):
            order = np.random.default_rng([seed, c, number]).permutation(len(rows))
            learned, judged = np.split(order, [len(rows) // 2])
            positions = (logs[judged] - logs.mean(axis=0)) @ _axis(logs[learned])
            p_values.append(dip_p_value(positions))
            dips.append(dip_statistic(positions))
        tested.append((min(1.0, 2 * float(np.median(p_values))), float(np.median(dips)), c, rows))
    tested.sort(key=lambda one: (one[0], -one[1]))
    found = []
    p_value = 0.0
    for place, (own, dip, c, rows) in enumerate(tested):
        p_value = max(p_value, min(1.0, own * (len(tested) - place)))
        if p_value >= SPLIT_ERROR:
            break
        found.append(_split(probs, c, rows, names, dip, p_value))
    return found


def _axis(points: np.ndarray) -> np.ndarray:
    """Return the (F,) direction along which (n, F) points have the largest dip, of some that may show two groups.

    Tried are the log-ratios of each two of the most probable other classes, and the principal axes; each as it is, and
    as Fisher's discriminant between the two groups along it.
    """
    features = points.shape[1]
    centred = points - points.mean(axis=0)
    frequent = np.argsort(-points.mean(axis=0), kind="stable")[:RATIO_CLASSES]
    starts = [np.eye(features)[i] - np.eye(features)[j] for i, j in itertools.combinations(frequent.tolist(), 2)]
    starts += list(np.linalg.svd(centred, full_matrices=False)[2][:PRINCIPAL_AXES])
    best, largest = starts[0], -1.0
    for start in starts:
        for axis in (start, _discriminant(centred, two_groups(centred @ start))):
            dip = dip_statistic(centred @ axis)
            if dip > largest:
                best, largest = axis, dip
    return best


def _discriminant(points: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return Fisher's discriminant between two groups of (n, F) points, shrunk towards the difference of the means."""
    between = points[group == 1].mean(axis=0) - points[group == 0].mean(axis=0)
    inner = np.concatenate([points[group == g] - points[group == g].mean(axis=0) for g in (0, 1)])
    covariance = inner.T @ inner / len(inner)
    # Centred logs lie in a plane, and few pictures in a smaller one.
    covariance += np.eye(len(covariance)) * max(0.1 * np.trace(covariance) / len(covariance), SMALLEST_PROBABILITY)
    return np.asarray(np.linalg.solve(covariance, between))


def two_groups(positions: np.ndarray) -> np.ndarray:
    """Return (n,) 0 or 1, the best two groups of (n,) numbers by k-means: below and above one cut, neither empty."""
    order = np.argsort(positions, kind="stable")
    sums, n = np.cumsum(positions[order]), len(positions)
    sizes = np.arange(1, n)
    # The cut with the largest sum of squares between the groups.
    between = sums[:-1] ** 2 / sizes + (sums[-1] - sums[:-1]) ** 2 / (n - sizes)
    group = np.ones(n, int)
    group[order[: int(between.argmax()) + 1]] = 0
    return group


def _split(probs: np.ndarray, c: int, rows: np.ndarray, names: Sequence[str], dip: float, p_value: float) -> Split:
    others = [name for i, name in enumerate(names) if i != c]
    logs = np.log(np.maximum(np.delete(probs[rows], c, axis=1), SMALLEST_PROBABILITY))
    logs -= logs.mean(axis=1, keepdims=True)
    positions = (logs - logs.mean(axis=0)) @ _axis(logs)
    group = two_groups(positions)
    if (group == 0).sum() < (group == 1).sum():
        group, positions = 1 - group, -positions
    difference = logs[group == 0].mean(axis=0) - logs[group == 1].mean(axis=0)
    order = np.argsort(-difference, kind="stable")
    # The first group lies below the second.
    outward = np.argsort(positions, kind="stable")
    share = float((group == 0).mean())
    low, high = share_interval(int((group == 0).sum()), len(rows))
    first = tuple(int(rows[i]) for i in outward if group[i] == 0)
    second = tuple(int(rows[i]) for i in outward[::-1] if group[i] == 1)
    typical = (
        tuple(others[i] for i in order[:3] if difference[i] > 0),
        tuple(others[i] for i in order[::-1][:3] if difference[i] < 0),
    )
    return Split(names[c], dip, p_value, (share, 1 - share), low, high, typical, (first, second))


@dataclass(frozen=True, eq=False)
class Relabels:
    """Pictures whose label is probably wrong.

    Attributes:
        rows: (M,) the rows of the predictions, the most suspicious first.
        suggested: (M,) the class each probably is of.
        margin: (M,) float64, the suggested class's probability minus the label's.
        thresholds: (K,) the mean probability of a class over its own pictures; NaN without any.
        pairs: (label, suggested class, pictures, share of the label's pictures, low, high), the most pictures first.
    """

    rows: np.ndarray
    suggested: np.ndarray
    margin: np.ndarray
    thresholds: np.ndarray
    pairs: tuple[tuple[str, str, int, float, float, float], ...]


def suggest_relabels(predictions: Predictions) -> Relabels:
    """Return the pictures that a confident prediction says are of another class than their label's.

    Confident learning (Northcutt, Jiang & Chuang 2021, equations 1 and 2): a class counts as confidently predicted
    for a picture where its probability reaches the mean probability of that class over the pictures labelled so; of
    several such classes the most probable one counts. Pictures whose class is another than their label are the
    off-diagonal of the confident joint. They are ranked by the margin between the two probabilities. A class that is
    not among the k predicted ones counts as of probability 0.

    Raises:
        ConfembError: no probabilities, or pictures of several classes.
    """
    probs = _probabilities(predictions)
    names, labels = predictions.class_names, predictions.labels
    every_row = np.arange(len(labels))
    pictures = np.bincount(labels, minlength=len(names))
    sums = np.bincount(labels, weights=probs[every_row, labels], minlength=len(names))
    thresholds = np.divide(sums, pictures, out=np.full(len(names), np.nan), where=pictures > 0)
    # Within the rounding of float32 probabilities.
    reached = probs >= np.where(np.isnan(thresholds), np.inf, thresholds) - 1e-6
    confident = np.where(reached, probs, -1.0).argmax(axis=1)
    wrong = np.flatnonzero(reached.any(axis=1) & (confident != labels))
    margin = probs[wrong, confident[wrong]] - probs[wrong, labels[wrong]]
    order = np.lexsort((wrong, -margin))
    rows = wrong[order]
    codes, counts = np.unique(labels[rows].astype(np.int64) * len(names) + confident[rows], return_counts=True)
    pairs = []
    for code, count in sorted(zip(codes.tolist(), counts.tolist(), strict=True), key=lambda one: (-one[1], one[0])):
        label, other = divmod(code, len(names))
        low, high = share_interval(count, int(pictures[label]))
        pairs.append((names[label], names[other], count, count / int(pictures[label]), low, high))
    return Relabels(rows, confident[rows], margin[order], thresholds, tuple(pairs))


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson (1927)."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + LEVEL) / 2))
    centre = (count + z**2 / 2) / (total + z**2)
    half = z / (total + z**2) * np.sqrt(count * (total - count) / total + z**2 / 4)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def all_probabilities(predictions: Predictions) -> np.ndarray:
    """Return (N, K) float64 probabilities; raises ConfembError unless those of all classes are there."""
    size = len(predictions.class_names)
    if predictions.k < size:
        raise ConfembError(
            f"the predictions hold {predictions.k} of {size} classes a picture; whether a class falls into two groups "
            f"shows only in the probabilities of all (prediction.k = {size})."
        )
    return _probabilities(predictions)


def _probabilities(predictions: Predictions) -> np.ndarray:
    if predictions.top_probs is None:
        raise ConfembError("the predictions have no probabilities; give them with prob1..probk.")
    if predictions.weights is not None:
        raise ConfembError("a picture of several classes has no single label to doubt; give each picture one class.")
    probs = np.zeros((len(predictions), len(predictions.class_names)))
    np.put_along_axis(probs, predictions.top_classes, predictions.top_probs.astype(np.float64), axis=1)
    return probs
