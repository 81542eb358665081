"""Intervals that know an empty cell: bootstrap replicates with what was not seen yet, and their percentiles.

A bootstrap draws what was seen; two classes never confused in the sample are confused in no replicate, and their
interval has no width. Here each cell of the confusion table has a prior besides: a rate of confusion from a gamma
distribution whose shape is estimated from all cells of the table (empirical Bayes; Robbins 1956). The posterior of a
cell with n confusions is gamma with shape n + a; a replicate draws it as a bootstrap count with mean n plus a Poisson
count with mean a, which has the same mean and variance and stays whole. The bootstrap counts are those drawn by the
pictures' ids; what is added depends on the seed and the replicate alone, so that shards still add up exactly.
"""

from dataclasses import dataclass, field

import numpy as np

from confemb.records.pairs import PairCounts
from confemb.stats.bootstrap import Resampling

LEVEL = 0.95
# Jeffreys' prior of a rate (1946) has the shape 1/2: no cell has more, and the confusions of a class together no less.
JEFFREYS = 0.5
# Shapes that are tried; between two neighbours the likelihood hardly changes.
_SHAPES = np.geomspace(1e-4, JEFFREYS, 80)


def prior_shape(counts: PairCounts) -> float:
    """Return the shape a of the gamma prior of each cell off the diagonal, in confusions.

    Of the shapes up to 1/2 the one that makes the table most likely: the cells are then negative binomial about the
    mean rate of confusion times the pairs of their class. At least 1/2 over all cells of a class, so that a class
    without a mistake has an interval too. 0 for weighted pairs, whose cells are not counts, and for a single class.
    """
    from scipy.special import gammaln

    size = len(counts.class_names)
    if counts.unit != 1.0 or size < 2:
        return 0.0
    least = JEFFREYS / (size - 1)
    table = counts.matrix().tocoo()
    rows = np.bincount(table.row, table.data, minlength=size)
    off = table.row != table.col
    seen, of_class = table.data[off].astype(np.float64), table.row[off]
    if not len(seen):
        return least
    mean = rows * (seen.sum() / (rows.sum() * (size - 1)))
    empty = (size - 1) - np.bincount(of_class, minlength=size)
    best, most = least, -np.inf
    for shape in _SHAPES[least < _SHAPES]:
        log_empty = -shape * np.log1p(mean / shape)
        likelihood = float((empty * log_empty).sum())
        likelihood += float(
            (
                gammaln(seen + shape)
                - gammaln(shape)
                + log_empty[of_class]
                + seen * np.log(mean[of_class] / (shape + mean[of_class]))
            ).sum()
        )
        if likelihood > most:
            best, most = float(shape), likelihood
    return best


@dataclass(frozen=True, eq=False)
class PosteriorResampling:
    """Draws like another resampling, and adds to every replicate the confusions that may not have been seen yet.

    Attributes:
        base: draws the pictures, or cells.
        seed: draws what is added.
        shape: the prior's shape, see `prior_shape`.
    """

    base: Resampling
    seed: int
    shape: float = field(init=False)

    def __post_init__(self) -> None:
        """Estimate the prior from all that `base` draws from."""
        object.__setattr__(self, "shape", prior_shape(self.base.whole()))

    def whole(self) -> PairCounts:
        """Return the counts that were observed."""
        return self.base.whole()

    def halves(self, number: int) -> tuple[PairCounts, PairCounts]:
        """Return two halves of what was observed; nothing is added."""
        return self.base.halves(number)

    def replicate(self, number: int) -> PairCounts:
        """Return a replicate of `base` with a Poisson count of mean `shape` more in each cell off the diagonal.

        Of the classes that are in that replicate; in the last rank, where there are several.
        """
        drawn = self.base.replicate(number)
        size = len(drawn.class_names)
        if self.shape == 0.0 or size < 2:
            return drawn
        generator = np.random.default_rng([self.seed, number, 2])
        # As many as in all cells together, each in one of them: the same as a Poisson count in each.
        total = int(generator.poisson(self.shape * size * (size - 1)))
        true = generator.integers(size, size=total)
        other = generator.integers(size - 1, size=total)
        cells, counts = np.unique(true * size + other + (other >= true), return_counts=True)
        if not total:
            return drawn
        return drawn + PairCounts(
            drawn.class_names,
            drawn.k,
            drawn.self_pairs,
            cells // size,
            cells % size,
            np.full(len(cells), drawn.k - 1),
            counts,
            drawn.unit,
        )


class Tails:
    """The outermost values of P similarities over replicates, from which their percentiles follow.

    Only as many values are kept as lie beyond the 2.5 and 97.5 percentiles, so that memory stays small.
    """

    def __init__(self, pairs: int, replicates: int) -> None:
        """Begin without any; `replicates` is how many will be added at most."""
        self.replicates = 0
        kept = min(int((1 - LEVEL) / 2 * max(replicates - 1, 0)) + 2, max(replicates, 1))
        self._low = np.full((kept, pairs), np.inf, np.float32)
        self._high = np.full((kept, pairs), -np.inf, np.float32)
        self._known = np.zeros(pairs, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Add one replicate: (P,) similarities, NaN where one is not known."""
        self.replicates += 1
        there = ~np.isnan(values)
        self._known += there
        smallest, largest = np.where(there, values, np.inf), np.where(there, values, -np.inf)
        # One pass of insertion: what is pushed out of a place goes on to the next.
        for row in self._low:
            row[:], smallest = np.minimum(row, smallest), np.maximum(row, smallest)
        for row in self._high:
            row[:], largest = np.maximum(row, largest), np.minimum(row, largest)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (P,) float64 the 2.5 and 97.5 percentiles; NaN where under half the replicates know a similarity."""
        place = (1 - LEVEL) / 2 * np.maximum(self._known - 1, 0)
        first = np.floor(place).astype(np.int64)
        second = np.minimum(first + 1, len(self._low) - 1)
        usable = (self._known >= 2) & (2 * self._known >= self.replicates)
        found = []
        for tail in (self._low, self._high):
            one, other = (np.take_along_axis(tail, at[None], axis=0)[0].astype(np.float64) for at in (first, second))
            with np.errstate(invalid="ignore"):
                between = one + (place - first) * (other - one)
            found.append(np.where(usable, np.where(place > first, between, one), np.nan))
        return found[0], found[1]
