"""Shifted positive pointwise mutual information, factored by SVD: no training, no seed."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import scipy.sparse
from annotated_types import Ge, Gt, Le, Lt

from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE, both_directions
from confemb.embedders.spectral import USUAL_DIM, checked_dim, spectral_embedding, truncated_svd
from confemb.records.embedding import ClassEmbedding
from confemb.records.pairs import PairCounts
from confemb.support.ranges import Dimensions, check_ranges


@dataclass(frozen=True)
class Ppmi:
    """How much more often than by chance two classes stand side by side, where it is more, cut to rank d.

    With n_ij the pairs of classes i and j in both directions, n_i their sum over j, n the sum of all,

        PMI_ij = log[ (n_ij / n) / ( (n_i / n) * P(j) ) ],   P(j) = n_j^a / (sum over k of n_k^a)
        M_ij = max(PMI_ij - log(shift), 0),   M nearly U S V',   W = U S^p

    Source: Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization" (sections 3.2, 4.1 and
    4.2); a and p are from Levy, Goldberg and Dagan 2015 (sections 3.1 and 3.3).

    Attributes:
        dim: dimensions d; None: 5, or as many as there are classes where there are fewer.
        shift: stands for skip-gram's number of noise words; 1 shifts nothing.
        context_smoothing: the exponent a; below 1 rare classes count for less, 1 is plain PMI.
        eigenvalue_weight: the exponent p: 1 weighs by singular values, 0.5 by their roots, 0 not at all.
    """

    deterministic: ClassVar[bool] = True

    dim: Dimensions | None = None
    shift: Annotated[float, Gt(0), Lt(1e9)] = 1.0
    context_smoothing: Annotated[float, Gt(0), Le(1)] = 0.75
    eigenvalue_weight: Annotated[float, Ge(0), Le(1)] = 0.5

    def __post_init__(self) -> None:
        """Raise ConfembError for a number out of range."""
        check_ranges(self)

    def matrix(self, counts: PairCounts) -> scipy.sparse.csr_array:
        """Return M, (K, K) float64, what is above zero; raises ConfembError for a class in no pair."""
        pairs = both_directions(counts)
        totals = pairs.sum(axis=1)
        context = totals**self.context_smoothing
        rows = np.repeat(np.arange(len(totals)), np.diff(pairs.indptr))
        expected = totals[rows] * (context / context.sum())[pairs.indices]
        pairs.data = np.log(np.maximum(pairs.data / (expected * self.shift), 1.0))
        pairs.eliminate_zeros()
        return pairs

    def embed(self, counts: PairCounts, *, seed: int = 0) -> ClassEmbedding:
        """Return W; the seed changes nothing.

        Raises:
            ConfembError: a class in no pair, or with none more often than by chance; more dimensions than classes;
                too few dimensions for a class that shares none with the others.
        """
        size = len(counts.class_names)
        dim = checked_dim(self.dim, size, usual=USUAL_DIM)
        matrix = self.matrix(counts)
        u, s, _ = truncated_svd(matrix.toarray() if size <= MOST_CLASSES_IN_A_TABLE else matrix, dim)
        # What is zero but for rounding must not come back as 0 ** 0.
        there = s > len(u) * np.finfo(np.float64).eps * s.max()
        weights = np.where(there, s**self.eigenvalue_weight, 0.0)
        return spectral_embedding(u * weights, counts.class_names, "give a larger dim, or a smaller shift")
