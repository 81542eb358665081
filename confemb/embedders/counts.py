"""The plain baseline: how often two classes are predicted for one another; as a table, and as vectors."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from confemb.embedders.cooccurrence import require_table
from confemb.embedders.spectral import symmetric_eigen
from confemb.records.embedding import ClassEmbedding
from confemb.records.pairs import PairCounts
from confemb.records.similarity import SimilarityMatrix


def symmetric_shares(counts: PairCounts) -> np.ndarray:
    """Return (K, K) float64, (p(j|i) + p(i|j)) / 2, from 0 to 1; p(j|i) is the share of class i's pairs with j."""
    matrix = counts.matrix().toarray().astype(np.float64)
    sums = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums > 0)
    return (shares + shares.T) / 2


def count_similarity(counts: PairCounts) -> SimilarityMatrix:
    """Return the row-normalised, symmetrised pair counts.

    Each row of the counts is divided by its sum, giving the share p(j|i) of class i's predictions that
    went to class j; the similarity of i and j is (p(j|i) + p(i|j)) / 2, from 0 to 1. The diagonal (a
    class with itself) is set to 1 so that the matrix reads like one of cosines.
    """
    values = symmetric_shares(counts)
    np.fill_diagonal(values, 1.0)
    return SimilarityMatrix(values, counts.class_names)


@dataclass(frozen=True)
class Counts:
    """Vectors whose cosines are the plain counts, so that they can stand wherever an embedding can.

    With S the symmetrised row shares (`count_similarity`) without their diagonal, the vectors are the rows of the
    symmetric square root of I + a S, where a = 1, or one over the largest row sum of S where that is above 1. Then
    no row of a S sums to more than 1, so that I + a S has no negative eigenvalue (Gershgorin 1931), the vectors have
    length 1, and the cosine of two classes is a times their share: the order of the plain counts, in K dimensions.
    A class in no pair is at a right angle to all others.
    """

    deterministic: ClassVar[bool] = True

    def embed(self, counts: PairCounts, *, seed: int = 0) -> ClassEmbedding:
        """Return the (K, K) vectors; the seed changes nothing."""
        require_table(counts, "counts")
        shares = symmetric_shares(counts)
        np.fill_diagonal(shares, 0.0)
        scale = 1.0 / max(1.0, float(shares.sum(axis=1).max()))
        values, vectors = symmetric_eigen(np.eye(len(shares)) + scale * shares)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        return ClassEmbedding(root, counts.class_names)
