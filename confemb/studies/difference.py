"""Which class pairs moved between two classifiers, two checkpoints of one network say, over the same pictures.

What is compared is the plain similarity of two classes: the symmetrised share of one's predictions that went to the
other. It is a mean over pictures, so that its change can be tested picture by picture; the cosine of an embedding is
none, since every pair moves when one does.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from confemb.records.indices import pair_indices
from confemb.records.pair_weights import Weighting
from confemb.records.predictions import Predictions, check_k
from confemb.support.errors import ConfembError, one_of

# Beyond so many pictures that differ, the normal distribution stands for the exact one.
MOST_EXACT = 2000


@dataclass(frozen=True, eq=False)
class PairDifferences:
    """The change of every pair of classes from A to B; classes without pictures are left out.

    Attributes:
        class_names: the K classes.
        rows, columns: (P,) int, the two classes of each pair.
        before, after: (P,) the similarity by A and by B, from 0 to 1.
        low, high: (P,) the 95 % interval of `after` - `before`.
        p: (P,) two-sided p-values, uncorrected.
        pictures: how many were compared.
    """

    class_names: tuple[str, ...]
    rows: np.ndarray
    columns: np.ndarray
    before: np.ndarray
    after: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    pictures: int

    @property
    def difference(self) -> np.ndarray:
        """(P,) the similarity by B less that by A."""
        return self.after - self.before

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each pair, the surest change first, with both corrections for many pairs.

        Columns: class_1, class_2, before, after, difference, low, high, p, q_bh (Benjamini-Hochberg), p_holm (Holm).
        """
        names = np.array(self.class_names, dtype=object)
        frame = pd.DataFrame(
            {
                "class_1": names[self.rows],
                "class_2": names[self.columns],
                "before": self.before,
                "after": self.after,
                "difference": self.difference,
                "low": self.low,
                "high": self.high,
                "p": self.p,
                "q_bh": benjamini_hochberg(self.p),
                "p_holm": holm(self.p),
            }
        )
        order = np.lexsort((-np.abs(self.difference), self.p))
        return frame.iloc[order].reset_index(drop=True)


def pair_differences(
    a: Predictions,
    b: Predictions,
    *,
    k: int = 1,
    weighting: Weighting = "count",
    flips: int = 9999,
    seed: int = 0,
) -> PairDifferences:
    """Test for every pair of classes whether its similarity is another by `b` than by `a`.

    The similarity of i and j is half the share of the predictions for pictures of i that name j, plus half the share
    of those for j that name i (`confemb.count_similarity`). The null hypothesis is that each picture could as well
    have been given to the two classifiers the other way about (the paired permutation test, Fisher 1935; for counts
    and one class it is McNemar's exact test): swapping them turns the sign of what the picture contributes.

    For counts only the pictures count for which one classifier names the class and the other does not; their number
    on either side is binomial, so that the p-values are exact. For probabilities `flips` random swaps stand for all,
    and no p-value falls below 1 / (`flips` + 1).

    Args:
        a, b: predictions of the same pictures in the same order, see `confemb.studies.models.join_pictures`.
        k: how many predicted classes of each picture count.
        weighting: "count" counts each of them once, "probability" by its probability.
        flips: how many random swaps, with "probability".
        seed: draws them.

    Raises:
        ConfembError: `k` out of range, probabilities that are not there, weighted pictures, another weighting,
            pictures of a single class, or predictions that do not fit each other.
    """
    one_of("weighting", weighting, *get_args(Weighting))
    if a.class_names != b.class_names or len(a) != len(b) or (a.labels != b.labels).any():
        raise ConfembError("the two predictions are not of the same pictures and classes in the same order.")
    if any(one.weights is not None for one in (a, b)):
        raise ConfembError("a difference is tested picture by picture: each needs one true class and no weight.")
    check_k(k, min(a.k, b.k), what="predicted classes for each picture")
    if weighting == "probability" and (a.top_probs is None or b.top_probs is None):
        raise ConfembError("the predictions have no probabilities: add the columns prob1, prob2, ..., or count.")
    pictures = np.bincount(a.labels, minlength=len(a.class_names))
    present = np.flatnonzero(pictures)
    if len(present) < 2:
        raise ConfembError("all pictures are of one class, so there is no pair of classes to move; give others too.")
    rows, columns = (present[part] for part in pair_indices(len(present)))
    shares = [_shares(one, k, weighting, pictures) for one in (a, b)]
    before, after = ((share[rows, columns] + share[columns, rows]) / 2 for share in shares)
    squares = _square_changes(a, b, k, weighting)
    error = _standard_error(shares[1] - shares[0], squares, pictures, k, weighting, rows, columns)
    half = 1.959963984540054 * error
    if weighting == "count":
        p = _exact(a, b, k, pictures, rows, columns)
    else:
        p = _flipped(a, b, k, pictures, rows, columns, flips=flips, seed=seed)
    difference = after - before
    return PairDifferences(a.class_names, rows, columns, before, after, difference - half, difference + half, p, len(a))


def _weights(one: Predictions, k: int, weighting: Weighting) -> np.ndarray:
    """Return (N, k) what each predicted class counts."""
    if weighting == "count":
        return np.ones((len(one), k))
    assert one.top_probs is not None
    return one.top_probs[:, :k].astype(np.float64)


def _sums(one: Predictions, weights: np.ndarray) -> np.ndarray:
    """Return (K, K) the sums of (N, k) weights by true and predicted class."""
    size, k = len(one.class_names), weights.shape[1]
    code = one.labels.astype(np.int64)[:, None] * size + one.top_classes[:, :k]
    return np.bincount(code.ravel(), weights=weights.ravel(), minlength=size * size).reshape(size, size)


def _shares(one: Predictions, k: int, weighting: Weighting, pictures: np.ndarray) -> np.ndarray:
    """Return (K, K) the share of each true class's predictions that name each class; 0 without pictures."""
    whole = pictures * (k if weighting == "count" else 1)
    sums = _sums(one, _weights(one, k, weighting))
    return np.divide(sums, whole[:, None], out=np.zeros_like(sums), where=whole[:, None] > 0)


def _also(one: Predictions, other: Predictions, k: int, weighting: Weighting) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, k) what `other` gives to the classes that `one` names, 0 where none, and whether it names them."""
    same = one.top_classes[:, :k, None] == other.top_classes[:, None, :k]
    return (same * _weights(other, k, weighting)[:, None, :]).sum(axis=2), same.any(axis=2)


def _square_changes(a: Predictions, b: Predictions, k: int, weighting: Weighting) -> np.ndarray:
    """Return (K, K) the sums over a true class's pictures of the squared change of what each class gets."""
    by_b, by_a = _weights(b, k, weighting), _weights(a, k, weighting)
    (in_a, _), (_, named_by_b) = _also(b, a, k, weighting), _also(a, b, k, weighting)
    # A class that only A names has changed by what A gave it.
    return _sums(b, (by_b - in_a) ** 2) + _sums(a, np.where(named_by_b, 0.0, by_a) ** 2)


def _standard_error(
    change: np.ndarray,
    squares: np.ndarray,
    pictures: np.ndarray,
    k: int,
    weighting: Weighting,
    rows: np.ndarray,
    columns: np.ndarray,
) -> np.ndarray:
    """Return (P,) the standard error of the symmetrised differences, pictures being drawn class by class."""
    scale = k if weighting == "count" else 1
    count = np.maximum(pictures, 1)[:, None]
    # A class with a single picture says nothing of its spread.
    spread = np.maximum(squares / scale**2 - count * change**2, 0.0) / np.maximum(count - 1, 1)
    variance = spread / count
    return np.sqrt(variance[rows, columns] + variance[columns, rows]) / 2


def _exact(
    a: Predictions, b: Predictions, k: int, pictures: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return (P,) exact two-sided p-values of the swaps for counts."""
    gained = _sums(b, 1.0 - _also(b, a, k, "count")[0]).astype(np.int64)
    lost = _sums(a, 1.0 - _also(a, b, k, "count")[0]).astype(np.int64)
    # The pictures that differ, and by how many more are gained, of the first class and of the second.
    first, second = ((gained + lost)[pair] for pair in ((rows, columns), (columns, rows)))
    net_first, net_second = ((gained - lost)[pair] for pair in ((rows, columns), (columns, rows)))
    weight_first, weight_second = pictures[columns].astype(np.int64), pictures[rows].astype(np.int64)
    return swap_p_values(first, second, net_first, net_second, weight_first, weight_second)


def swap_p_values(
    first: np.ndarray,
    second: np.ndarray,
    net_first: np.ndarray,
    net_second: np.ndarray,
    weight_first: np.ndarray,
    weight_second: np.ndarray,
) -> np.ndarray:
    """Return two-sided p-values of |w1 (2 X1 - m1) + w2 (2 X2 - m2)| with X independent binomial (m, 1/2).

    Args:
        first, second: (P,) m1 and m2.
        net_first, net_second: (P,) 2 X1 - m1 and 2 X2 - m2 as observed.
        weight_first, weight_second: (P,) whole numbers w1 and w2.
    """
    from scipy import stats

    p = np.ones(len(first))
    observed = np.abs(weight_first * net_first + weight_second * net_second)
    total = first + second
    alike = (weight_first == weight_second) & (total > 0)
    # Equal weights: one binomial of m1 + m2, whose larger side is at least as large as observed.
    more = (total + observed // np.maximum(weight_first, 1)) // 2
    p[alike] = np.minimum(2 * stats.binom.sf(more[alike] - 1, total[alike], 0.5), 1.0)
    for i in np.flatnonzero((weight_first != weight_second) & (total > 0)):
        if total[i] > MOST_EXACT:
            deviation = np.sqrt(float(weight_first[i] ** 2 * first[i] + weight_second[i] ** 2 * second[i]))
            p[i] = 2 * stats.norm.sf(observed[i] / deviation)
            continue
        m1, m2 = np.arange(first[i] + 1), np.arange(second[i] + 1)
        reach = weight_first[i] * (2 * m1 - first[i])[:, None] + weight_second[i] * (2 * m2 - second[i])
        chance = stats.binom.pmf(m1, first[i], 0.5)[:, None] * stats.binom.pmf(m2, second[i], 0.5)
        p[i] = min(float(chance[np.abs(reach) >= observed[i]].sum()), 1.0)
    return p


def _flipped(
    a: Predictions,
    b: Predictions,
    k: int,
    pictures: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    *,
    flips: int,
    seed: int,
) -> np.ndarray:
    """Return (P,) two-sided p-values from random swaps for probabilities: (1 + as large) / (1 + flips)."""
    size = len(a.class_names)
    changes = []
    for label in range(size):
        which = np.flatnonzero(a.labels == label)
        change = np.zeros((len(which), size))
        for one, sign in ((b, 1.0), (a, -1.0)):
            np.add.at(
                change,
                (np.arange(len(which))[:, None], one.top_classes[which, :k]),
                sign * _weights(one, k, "probability")[which],
            )
        changes.append(change / max(len(which), 1))
    observed = np.stack([change.sum(axis=0) for change in changes])
    observed = np.abs(observed[rows, columns] + observed[columns, rows])
    # Two ways to add up the same terms may differ in the last bits.
    threshold = observed * (1 - 1e-9)
    generator = np.random.default_rng(seed)
    at_least = np.zeros(len(rows), np.int64)
    block = int(np.clip(2**24 // max(size * size, int(pictures.max())), 1, 256))
    for start in range(0, flips, block):
        many = min(block, flips - start)
        swapped = np.empty((size, many, size))
        for label, change in enumerate(changes):
            signs = generator.integers(2, size=(many, len(change)), dtype=np.int8) * 2.0 - 1.0
            swapped[label] = signs @ change
        reach = np.abs(swapped[rows, :, columns] + swapped[columns, :, rows])
        at_least += (reach >= threshold[:, None]).sum(axis=1)
    return (1 + at_least) / (1 + flips)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return (P,) p-values adjusted for the false-discovery rate (Benjamini & Hochberg 1995)."""
    from scipy import stats

    return stats.false_discovery_control(p) if len(p) else p


def holm(p: np.ndarray) -> np.ndarray:
    """Return (P,) p-values adjusted for the chance of a single false finding (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(np.minimum(p[order] * (len(p) - np.arange(len(p))), 1.0))
    out = np.empty(len(p))
    out[order] = adjusted
    return out


def significant(frame: pd.DataFrame, *, level: float) -> pd.DataFrame:
    """Return the rows of `PairDifferences.to_frame` that stand at a false-discovery rate of `level`."""
    return frame[frame["q_bh"] <= level]
