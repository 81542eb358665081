"""What to expect of the confusions of two classes before their own are looked at: a prior rate for every pair.

Three features of two classes go into it: how alike they stand among all classes (`standing`), how much what they are
confused with is the same (`shared`), and how far confusions lead from one to the other (`diffused`). A multinomial
logit model says which pairs the confusions of this classifier fall on, given the features.
"""

from dataclasses import dataclass

import numpy as np

from confemb.records.indices import pair_indices
from confemb.support.threads import one_thread

# How long confusions diffuse (the heat kernel exp(-2 time (I - N)) of the normalised Laplacian I - N).
TIME = 1.0
# The chance relative to that after long that counts as next to nothing, in profiles.
_PROFILE_FLOOR = 0.03
# What a cosine counts as at least, before its logarithm is taken.
FEATURE_FLOOR = 0.1
# Ridge penalty on the slopes, per confusion: half of it times their squares is taken off the mean log likelihood.
_RIDGE = 0.01
# So many confusions, spread evenly, are added to those that were seen: a perfect classifier has some prior as well.
BACKGROUND = 1.0
_STEPS, _LONGEST_STEP = 100, 2.0


@dataclass(frozen=True, eq=False)
class PriorRates:
    """The prior rate of every two classes, and what it is made from.

    Attributes:
        rates: (K, K) float64, symmetric, above 0: expected confusions for each pair counted of either class.
        slopes: (3,) of `standing`, and of the logarithms of `shared` and `diffused`.
        diffused: (K, K) float64 from 0 to 1, see `diffused_cosines`.
        roots: (K,) the roots of the degrees of the confusion graph; 1 where a class is confused with none.
    """

    rates: np.ndarray
    slopes: np.ndarray
    diffused: np.ndarray
    roots: np.ndarray


def heat_kernel(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the heat kernel exp(-2 TIME (I - N)) of a graph, (K, K), and the roots of its degrees, (K,).

    N = D^-1/2 S D^-1/2 for (K, K) symmetric weights S of at least 0 with a zero diagonal; an island keeps to itself.
    All terms of the series are at least 0, so small entries are as exact as large ones.
    """
    degree = weights.sum(axis=1)
    island = degree == 0
    roots = np.sqrt(np.where(island, 1.0, degree))
    step = weights / roots / roots[:, None]
    step[island, island] = 1.0
    step *= TIME / 2
    square = step @ step
    cube = square @ step
    fourth = square @ square
    # Taylor's series up to the eighth power, in groups of four (Paterson and Stockmeyer 1973).
    high = step / 120 + square / 720 + cube / 5040 + fourth / 40320
    kernel = fourth @ high + step + square / 2 + cube / 6 + fourth / 24
    kernel[np.diag_indices_from(kernel)] += 1.0
    for _ in range(2):
        kernel = kernel @ kernel
    kernel = (kernel + kernel.T) / 2
    return kernel * np.exp(-2 * TIME), roots


def diffused_cosines(kernel: np.ndarray) -> np.ndarray:
    """Return (K, K) how far confusions lead from one class to the other, 0 to 1: cosines in a diffusion map."""
    lengths = np.sqrt(np.diag(kernel))
    return np.minimum(kernel / lengths / lengths[:, None], 1.0)


def standing_cosines(kernel: np.ndarray, roots: np.ndarray, connected: np.ndarray) -> np.ndarray:
    """Return (K, K) how alike two classes stand among all classes, -1 to 1.

    The row of a class holds the logarithms of the chances to diffuse to each class, relative to those after long
    (Qiu et al. 2018), less the mean row. Their cosines say who is near whom; the cosines between the rows of these,
    less the mean row again, also where neither is near the other but both are near, or far from, the same groups of
    classes.

    Args:
        kernel, roots: see `heat_kernel`.
        connected: (K,) whether a class is confused with any other; one that is not is at a right angle to all.
    """
    rows = np.log(kernel / roots / roots[:, None] * (roots[connected] ** 2).sum() + _PROFILE_FLOOR)
    rows[~connected] = rows[:, ~connected] = 0.0
    if connected.any():
        rows[connected] -= rows[connected].mean(axis=0)
    profiles = _row_cosines(rows)
    return _row_cosines(profiles - profiles.mean(axis=0))


def _row_cosines(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
    return np.clip(units @ units.T, -1.0, 1.0)


def prior_rates(shares: np.ndarray, confusions: np.ndarray, exposure: np.ndarray) -> PriorRates:
    """Fit the prior of every two classes.

    Args:
        shares: (K, K) symmetrised shares, see `confemb.embedders.counts.symmetric_shares`; the diagonal is not used.
        confusions: (K, K) how often either class was predicted for the other, symmetric, 0 on the diagonal.
        exposure: (K, K) the pairs counted of either class, symmetric.
    """
    with one_thread():
        weights = shares.copy()
        np.fill_diagonal(weights, 0.0)
        kernel, roots = heat_kernel(weights)
        diffused = diffused_cosines(kernel)
        standing = standing_cosines(kernel, roots, weights.sum(axis=1) > 0)
        shared = np.maximum(_row_cosines(confusions), 0.0)
        upper = pair_indices(len(shares))
        features = np.stack(
            [standing[upper], np.log(shared[upper] + FEATURE_FLOOR), np.log(diffused[upper] + FEATURE_FLOOR)], axis=1
        )
        slopes, found = _fit(features, confusions[upper], exposure[upper])
    rates = np.empty_like(shares)
    rates[upper] = found
    rates.T[upper] = found
    np.fill_diagonal(rates, 1.0)
    return PriorRates(rates, slopes, diffused, roots)


def _fit(features: np.ndarray, confusions: np.ndarray, exposure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes (3,) and the prior rates (P,) of P pairs, by Newton's method.

    The confusions fall on pair p with the chance E_p exp(x_p b) / sum of E exp(x b). Only their shares matter to b: as
    all confusions grow alike, so do the rates, and nothing else changes.
    """
    slopes = np.zeros(features.shape[1])
    total, all_exposure = confusions.sum(), exposure.sum()
    if all_exposure == 0:
        return slopes, np.full(len(features), BACKGROUND / max(len(features), 1))
    if total > 0:
        # A pair of classes without pictures can hold no confusion, and has a prior all the same.
        seen = confusions > 0
        wanted = (confusions[seen] / total) @ features[seen]
        for _ in range(_STEPS):
            expected = exposure * np.exp(_less_most(features @ slopes))
            expected /= expected.sum()
            mean = expected @ features
            gradient = wanted - mean - _RIDGE * slopes
            curvature = features.T @ (expected[:, None] * features) - np.outer(mean, mean)
            step = np.linalg.solve(curvature + _RIDGE * np.eye(len(slopes)), gradient)
            longest = float(np.abs(step).max())
            slopes = slopes + step * min(1.0, _LONGEST_STEP / longest if longest > 0 else 1.0)
            if longest < 1e-9:
                break
    odds = np.exp(_less_most(features @ slopes))
    return slopes, total * odds / (exposure @ odds) + BACKGROUND / all_exposure


def _less_most(values: np.ndarray) -> np.ndarray:
    return values - values.max(initial=-np.inf) if len(values) else values
