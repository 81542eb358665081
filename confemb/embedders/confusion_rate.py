"""The default: how often two classes are confused, shrunk towards what the other confusions let expect of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import scipy.sparse
from annotated_types import Ge, Gt, Lt

from confemb.embedders.confusion_prior import BACKGROUND, FEATURE_FLOOR, TIME, PriorRates, prior_rates
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.embedders.counts import symmetric_shares
from confemb.embedders.spectral import (
    SparsePlusLowRank,
    checked_dim,
    spectral_embedding,
    symmetric_eigen,
    truncated_svd,
)
from confemb.records.embedding import ClassEmbedding
from confemb.records.indices import name_index
from confemb.records.pairs import PairCounts
from confemb.support.threads import one_thread

# Shape of the prior of an interval: how much pairs differ from a prior that their own confusions had no part in.
_INTERVAL_SHAPE = 0.3
# With very many classes the prior knows no pair from another, and pairs differ by far more from it.
_FLAT_SHAPE, _MANY_DIM = 0.3, 64
_SMALLEST_EIGENVALUE = 1e-6
# Quantiles of the gamma distribution are interpolated between so many points where there are more different counts.
_QUANTILE_POINTS = 2_000


def readable(rates: np.ndarray, classes: int) -> np.ndarray:
    """Return similarities from 0 to 1 for confusion rates: log K / (log K - log rate).

    That is (1 + NPMI) / 2, with the normalised pointwise mutual information (Bouma 2009) of two of K equally frequent
    classes: 1 for two that are always confused, 1/2 for as often as by guessing (a rate of 1 / K), 0 for never.
    """
    size = np.log(max(classes, 2))
    return size / (size - np.log(np.clip(rates, np.finfo(np.float64).tiny, 1.0)))


@dataclass(frozen=True, eq=False)
class FittedRates:
    """Confusion rates of every two classes, from all pictures; gives intervals, and similarities of replicates.

    Attributes:
        class_names: the K class names.
        confusions: (K, K) float64, how often either class was predicted for the other; symmetric, 0 on the diagonal.
        exposure: (K, K) float64, the pairs counted of either class.
        prior: what the other confusions let expect.
        shares: (K, K) symmetrised shares, see `confemb.embedders.counts.symmetric_shares`, 0 on the diagonal.
        prior: what the other confusions let expect.
        strength: shape of the prior.
    """

    class_names: tuple[str, ...]
    confusions: np.ndarray
    exposure: np.ndarray
    shares: np.ndarray
    prior: PriorRates
    strength: float
    deterministic: ClassVar[bool] = True

    @property
    def rates(self) -> np.ndarray:
        """(K, K) posterior confusion rates, above 0; the diagonal means nothing."""
        return shrunk(self.confusions, self.exposure, self.prior.rates, self.strength)

    @property
    def similarity(self) -> np.ndarray:
        """(K, K) similarities from 0 to 1, 1 on the diagonal, see `readable`."""
        values = readable(self.rates, len(self.class_names))
        np.fill_diagonal(values, 1.0)
        return values

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Return (K, K) lower and upper bounds of the similarities, of pairs never seen confused as well.

        Quantiles of the gamma posterior of each rate under a weak prior of the same mean (shape 0.3); as in the exact
        interval of a Poisson mean (Garwood 1936), the upper bound counts one confusion more. The similarity itself,
        which leans more on the prior, lies within. In simulations with known truth (10 to 100 classes, 50 to 1,000
        pictures each, 5 to 30 % wrong) 95 % intervals hold the truth for 94 to 98 % of the pairs, and for 91 to 100 %
        of those never seen confused.
        """
        counts, exposure, prior = self.confusions, self.exposure, self.prior.rates
        bounds = []
        for share, more in (((1 - level) / 2, _INTERVAL_SHAPE), ((1 + level) / 2, 1.0)):
            rates = prior * _gamma_quantile(share, counts + more) / (exposure * prior + _INTERVAL_SHAPE)
            bounds.append(readable(rates, len(self.class_names)))
        found = self.similarity
        low, high = np.minimum(bounds[0], found), np.maximum(bounds[1], found)
        np.fill_diagonal(low, 1.0)
        np.fill_diagonal(high, 1.0)
        return low, high

    def cosine_table(self, counts: PairCounts) -> np.ndarray:
        """Return the (K', K') similarities of a bootstrap replicate of the counts, in its own K' classes' order.

        The prior is not fitted again. Of its features, the own confusions of two classes move `diffused` most: its
        change is followed to the first order, the other two and the slopes stay. With the 1,000 classes of ImageNet
        this takes 0.014 s of a core, a new fit 0.5 s, and 93 to 97 % of the nearest classes are those of a new fit.
        """
        place = name_index(self.class_names)
        own = np.array([place[name] for name in counts.class_names])
        size = len(self.class_names)
        matrix = counts.matrix().tocoo()
        cells = scipy.sparse.coo_array((matrix.data, (own[matrix.row], own[matrix.col])), shape=(size, size))
        drawn = cells.toarray().astype(np.float64)
        totals = drawn.sum(axis=1)
        # Pairs that were seen at all; a replicate may hold others, where what was not seen yet is drawn too.
        i, j = np.nonzero(np.triu((drawn > 0) | (drawn.T > 0) | (self.confusions > 0), k=1))
        there, back = drawn[i, j], drawn[j, i]
        now = totals[i] + totals[j]
        # Other numbers of pictures in a class are no news: what is compared are rates.
        confusions = np.divide((there + back) * self.exposure[i, j], now, out=np.zeros_like(now), where=now > 0)
        share = _divided(there, totals[i]) + _divided(back, totals[j])
        change = (share / 2 - self.shares[i, j]) / (self.prior.roots[i] * self.prior.roots[j])
        before = self.prior.diffused[i, j]
        after = np.clip(before + 2 * TIME * change, 0.0, 1.0)
        prior = self.prior.rates[i, j] * ((after + FEATURE_FLOOR) / (before + FEATURE_FLOOR)) ** self.prior.slopes[2]
        values = self._table.copy()
        values[i, j] = readable(shrunk(confusions, self.exposure[i, j], prior, self.strength), size)
        values[j, i] = values[i, j]
        return values if len(own) == size and (own == np.arange(size)).all() else values[np.ix_(own, own)]

    def embed(self, counts: PairCounts, *, seed: int = 0) -> ClassEmbedding:
        """Return vectors of other counts of the same classes, as `ConfusionRate` does; the seed changes nothing."""
        return ConfusionRate(strength=self.strength).embed(counts, seed=seed)

    @cached_property
    def _table(self) -> np.ndarray:
        return self.similarity


def shrunk(confusions: np.ndarray, exposure: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """Return the posterior mean of Poisson rates under gamma priors of mean `prior` and shape `strength`."""
    return prior * (confusions + strength) / (exposure * prior + strength)


def _divided(numbers: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.divide(numbers, totals, out=np.zeros_like(numbers), where=totals > 0)


def _gamma_quantile(share: float, shape: np.ndarray) -> np.ndarray:
    """Return the quantile of gamma distributions of scale 1."""
    from scipy.special import gammaincinv

    different, where = np.unique(shape, return_inverse=True)
    if len(different) > _QUANTILE_POINTS:
        points = np.geomspace(different[0], different[-1], _QUANTILE_POINTS)
        values = np.exp(np.interp(np.log(different), np.log(points), np.log(gammaincinv(points, share))))
    else:
        values = gammaincinv(different, share)
    return values[where].reshape(shape.shape)


@dataclass(frozen=True)
class ConfusionRate:
    """Vectors whose cosines grow with the rate at which two classes are confused; an empirical Bayes estimate.

    For two classes i and j let n be how often either was predicted for the other and E the pairs counted of both. The
    confusions of all pairs say what to expect of two classes that are alike in what they are confused with
    (`confusion_prior`): a prior rate m for every pair, seen confused or not. With n Poisson of mean E times the rate,
    and the rate gamma with mean m and shape `strength`, the posterior mean is

        rate = m (n + strength) / (E m + strength),

    n / E where much was seen, m where little. The cosine is log K / (log K - log rate): 1 for classes that are always
    confused, 1/2 for as often as by guessing (1 / K), 0 for never. It is one formula for any number of classes, finite
    where nothing is ever confused, and grows for all pairs where all confusions grow alike.

    The matrix of cosines is nearly always a correlation matrix (its smallest eigenvalue is 0.02 to 0.10 for three
    ImageNet classifiers, 0.27 or more for four of CIFAR-10), and the vectors are its Cholesky factor. Where eigenvalues
    are negative, they are raised to 0 and the diagonal is brought back to 1; `vector_error` says how much that changes
    (0.013 at most for 200 made-up classes with 50 pictures each).

    The settings were chosen on the classifiers of `experiments/default_split.py`, and judged once on others
    (`experiments/default_similarity.py`).

    Attributes:
        strength: shape of the prior; how many confusions it takes to count as much as what is expected.
        dim: keep so many eigenvectors, largest first; None: all that there are, up to 5,000 classes. Beyond, no table
            of pairs is made: the prior is the same for all pairs, and 64 dimensions are kept.
    """

    deterministic: ClassVar[bool] = True

    strength: Annotated[float, Gt(0), Lt(1e6)] = 10.0
    dim: Annotated[int, Ge(1)] | None = None

    @property
    def whole(self) -> bool:
        """Whether no dimension is left out, so that there is none to choose."""
        return self.dim is None

    def fit(self, counts: PairCounts) -> FittedRates:
        """Return the rates of every two classes, with their prior."""
        confusions, exposure = _confusions(counts)
        shares = symmetric_shares(counts)
        np.fill_diagonal(shares, 0.0)
        prior = prior_rates(shares, confusions, exposure)
        return FittedRates(counts.class_names, confusions, exposure, shares, prior, self.strength)

    def cosine_table(self, counts: PairCounts) -> np.ndarray:
        """Return the (K, K) cosines without making vectors; exact, where they need not be the nearest ones."""
        if self.dim is not None or len(counts.class_names) > MOST_CLASSES_IN_A_TABLE:
            from confemb.records.embedding import cosines

            return cosines(self.embed(counts).vectors)
        return self.fit(counts).similarity

    def vector_error(self, counts: PairCounts) -> float:
        """Return the largest difference between a cosine of the vectors and the similarity; 0 but for rounding."""
        from confemb.records.embedding import cosines

        return float(np.abs(cosines(self.embed(counts).vectors) - self.fit(counts).similarity).max())

    def embed(self, counts: PairCounts, *, seed: int = 0) -> ClassEmbedding:
        """Return the vectors; the seed changes nothing.

        Raises:
            ConfembError: more dimensions than classes.
        """
        names = counts.class_names
        if len(names) > MOST_CLASSES_IN_A_TABLE:
            return self._embed_many(counts)
        dim = checked_dim(self.dim, len(names), usual=len(names))
        table = self.fit(counts).similarity
        if dim == len(names):
            return ClassEmbedding(_factor(table), names)
        values, vectors = symmetric_eigen(table)
        return spectral_embedding(vectors[:, :dim] * np.sqrt(np.maximum(values[:dim], 0.0)), names, "give a larger dim")

    def _embed_many(self, counts: PairCounts) -> ClassEmbedding:
        """Return vectors of so many classes that no table of their pairs is made; with a prior that is flat."""
        size = len(counts.class_names)
        matrix = counts.matrix().astype(np.float64)
        totals = np.asarray(matrix.sum(axis=1)).ravel()
        confusions = (matrix + matrix.T).tocoo()
        off = confusions.row != confusions.col
        i, j, n = confusions.row[off], confusions.col[off], confusions.data[off]
        flat = (n.sum() / 2 + BACKGROUND) / (totals.sum() * (size - 1))
        unseen = float(readable(np.array(flat), size))
        values = readable(shrunk(n, totals[i] + totals[j], np.array(flat), _FLAT_SHAPE), size)
        above = scipy.sparse.coo_array((values - unseen, (i, j)), shape=(size, size)).tocsr()
        ones = np.full((size, 1), np.sqrt(unseen))
        table = SparsePlusLowRank(above + (1 - unseen) * scipy.sparse.eye_array(size, format="csr"), ones, ones)
        u, s, _ = truncated_svd(table, checked_dim(self.dim, size, usual=_MANY_DIM))
        return spectral_embedding(u * np.sqrt(s), counts.class_names, "give a larger dim")


def _confusions(counts: PairCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return (K, K) how often either class was predicted for the other, and the pairs counted of either."""
    matrix = counts.matrix().toarray().astype(np.float64)
    totals = matrix.sum(axis=1)
    confusions = matrix + matrix.T
    np.fill_diagonal(confusions, 0.0)
    return confusions, totals + totals[:, None]


def _factor(table: np.ndarray) -> np.ndarray:
    """Return (K, K) vectors of length 1 whose products are the table, or near it where none have these products."""
    with one_thread():
        try:
            return np.linalg.cholesky(table)
        except np.linalg.LinAlgError:
            values, vectors = symmetric_eigen(table)
            rows = vectors * np.sqrt(np.maximum(values, _SMALLEST_EIGENVALUE))
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)
