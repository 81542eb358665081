"""The plain baseline: how often two classes are predicted for one another, without any embedding."""

import numpy as np

from confemb.pairs import PairCounts
from confemb.similarity import SimilarityMatrix


def count_similarity(counts: PairCounts) -> SimilarityMatrix:
    """Return the row-normalised, symmetrised pair counts.

    Each row of the counts is divided by its sum, giving the share p(j|i) of class i's predictions that
    went to class j; the similarity of i and j is (p(j|i) + p(i|j)) / 2, from 0 to 1. The diagonal (a
    class with itself) is set to 1 so that the matrix reads like one of cosines.
    """
    matrix = counts.matrix().toarray().astype(np.float64)
    sums = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums > 0)
    values = (shares + shares.T) / 2
    np.fill_diagonal(values, 1.0)
    return SimilarityMatrix(values, counts.class_names)
