"""The optimum of skip-gram in closed form, with its gauge fixed: no training, no seed."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import scipy.sparse
from annotated_types import Ge, Lt

from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE, both_directions
from confemb.embedders.spectral import USUAL_DIM, SparsePlusLowRank, checked_dim, spectral_embedding, truncated_svd
from confemb.records.embedding import ClassEmbedding
from confemb.records.pairs import PairCounts
from confemb.support.errors import ConfembError
from confemb.support.ranges import Dimensions, Negative, check_ranges

# Exponent of the noise distribution in word2vec.
_NOISE_EXPONENT = 0.75


@dataclass(frozen=True)
class Balanced:
    """The matrix that full-rank skip-gram converges to, cut to rank d and split evenly between both factors.

    What skip-gram maximises, for class vectors w_i (rows of W) and context vectors c_j (rows of C), with
    M = W C' and sigma the logistic function, is for each i

        sum over j of p(j|i) [ log sigma(M_ij) + negative * sum over k != j of P_n(k) log sigma(-M_ik) ]

    where p(j|i) is the share of j in the pairs of i (both directions) and P_n the noise distribution, the counts
    to the power 0.75. The sum leaves out k = j because word2vec skips a noise word that is the target. So the factor
    of log sigma(M_ij) is p(j|i), that of log sigma(-M_ij) is negative * P_n(j) * (1 - p(j|i)), and where W and C
    have room for any matrix each cell has its optimum where sigma(M_ij) is the one over the sum of both:

        M_ij = log[ p(j|i) / (1 - p(j|i)) ] - log( negative * P_n(j) )

    (Levy and Goldberg 2014 count the skipped noise in, which gives the shifted PMI without 1 - p.) Training
    only fixes the product: W A and C A^-1' do as well for any invertible A, and give other cosines. The gauge here is
    the balanced one, W'W = C'C, in which neither factor is stretched against the other, and near which gradient
    descent from a small start ends: with M nearly U S V' (the d largest singular values), W = U sqrt(S) and
    C = V sqrt(S), so that W'W = S = C'C. What is left free is a common rotation, which changes no cosine.

    A pair that was never seen has p = 0 and M = -infinity, and a class seen with itself alone +infinity. So p is
    the mean of the Dirichlet posterior: before any pair is seen, K * `smoothing` pairs lie in every row, spread as
    all pairs are over the classes,

        p(j|i) = (n_ij + smoothing * K * q_j) / (n_i + smoothing * K),   q_j = n_j / n.

    Where classes are equally frequent, 0.5 is Jeffreys' prior, half a pair in every cell.

    Attributes:
        dim: dimensions d; None: 5, or as many as there are classes where there are fewer.
        negative: noise words for each pair, as skip-gram draws them.
        smoothing: pairs in a cell, on average, before any is seen; 0 needs every two classes to be seen together.
    """

    deterministic: ClassVar[bool] = True

    dim: Dimensions | None = None
    negative: Negative = 5
    smoothing: Annotated[float, Ge(0), Lt(1e9)] = 0.5

    def __post_init__(self) -> None:
        """Raise ConfembError for a number out of range."""
        check_ranges(self)

    def matrix(self, counts: PairCounts) -> np.ndarray:
        """Return M, (K, K) float64: rows i the class whose vector is W's, columns j the context.

        Raises:
            ConfembError: a class in no pair; with `smoothing` 0 two classes never seen together; a single class.
        """
        pairs, totals, prior = self._observed(counts)
        pairs = pairs.toarray()
        shares = (pairs + prior * totals / totals.sum()) / (totals[:, None] + prior)
        if shares.min() == 0 or shares.max() == 1:
            i, j = np.argwhere((shares == 0) | (shares == 1))[0]
            raise ConfembError(
                f"{counts.class_names[i]!r} is seen {'never' if shares[i, j] == 0 else 'only'} with "
                f"{counts.class_names[j]!r}, whose entry would be infinite; give a smoothing above 0."
            )
        noise = totals**_NOISE_EXPONENT
        return np.log(shares) - np.log1p(-shares) - np.log(self.negative * noise / noise.sum())

    def operator(self, counts: PairCounts) -> SparsePlusLowRank:
        """Return M without a cell for each two classes, exact but for rounding.

        With a_j = smoothing * K * q_j and b_i = n_i + smoothing * K, M_ij is the logarithm of
        (n_ij + a_j) / (b_i - n_ij - a_j) less that of the noise. Where n_ij = 0 it is

            log a_j - log b_i + sum over m of (a_j / b_i)^m / m - log( negative * P_n(j) ),

        each term a product of something of i and something of j; there are as many as are not rounding. What is
        different where two classes are seen together is sparse.

        Raises:
            ConfembError: as `matrix`; with `smoothing` 0 most classes are never seen together.
        """
        pairs, totals, prior = self._observed(counts)
        if prior == 0:
            raise ConfembError("most classes are never seen together; give a smoothing above 0.")
        a, b = prior * totals / totals.sum(), totals + prior
        noise = totals**_NOISE_EXPONENT
        most = a.max() / b.min()
        terms = [(most / b) ** m / m for m in range(1, 1000) if m == 1 or most**m / m > np.finfo(np.float64).eps]
        left = np.stack([np.ones_like(b), -np.log(b), *terms], axis=1)
        right = np.stack(
            [
                np.log(a) - np.log(self.negative * noise / noise.sum()),
                np.ones_like(a),
                *((a / most) ** m for m in range(1, len(terms) + 1)),
            ],
            axis=1,
        )
        rows = np.repeat(np.arange(len(totals)), np.diff(pairs.indptr))
        a, b, n = a[pairs.indices], b[rows], pairs.data
        pairs.data = np.log((n + a) / a) - np.log1p(-n / (b - a))
        return SparsePlusLowRank(pairs, left, right)

    def _observed(self, counts: PairCounts) -> tuple[scipy.sparse.csr_array, np.ndarray, float]:
        """Return the pairs in both directions (K, K), their sums (K,), and the pairs in a row before any is seen."""
        pairs = both_directions(counts)
        if pairs.shape[0] < 2:
            raise ConfembError("there is a single class; this embedder needs two or more.")
        return pairs, pairs.sum(axis=1), self.smoothing * pairs.shape[0]

    def factors(self, counts: PairCounts) -> tuple[np.ndarray, np.ndarray]:
        """Return W and C, each (K, d) float64, whose product W C' is the rank-d matrix nearest to M."""
        dim = checked_dim(self.dim, len(counts.class_names), usual=USUAL_DIM)
        few = len(counts.class_names) <= MOST_CLASSES_IN_A_TABLE
        u, s, v = truncated_svd(self.matrix(counts) if few else self.operator(counts), dim)
        return u * np.sqrt(s), v * np.sqrt(s)

    def embed(self, counts: PairCounts, *, seed: int = 0) -> ClassEmbedding:
        """Return W; the seed changes nothing.

        Raises:
            ConfembError: as `matrix`, or more dimensions than classes.
        """
        return spectral_embedding(self.factors(counts)[0], counts.class_names, "give a larger dim")
