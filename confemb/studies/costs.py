"""What a wrong class costs, by how unlike the right one it is: a cost matrix, and decisions of the least cost."""

import os

import numpy as np

from confemb.records.similarity import SimilarityMatrix
from confemb.support.cells import csv_cells
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.files import write_text


def cost_matrix(similarity: SimilarityMatrix) -> np.ndarray:
    """Return (K, K) float64 costs: (1 - s_ij) / max (1 - s_kl) over the pairs of different classes, 0 on the diagonal.

    Symmetric, from 0 to 1; the pair that is least alike costs 1. Rows are the true classes, columns the decisions,
    which makes no difference as long as it is symmetric.

    Raises:
        ConfembError: an unknown similarity, one above 1, or classes that are all the same.
    """
    values = similarity.values
    size = len(values)
    apart = ~np.eye(size, dtype=bool)
    if np.isnan(values[apart]).any():
        unknown = [name for name in similarity.class_names if name not in similarity.complete_classes()]
        raise ConfembError(
            f"{len(unknown)} classes have similarities that are not known ({quoted_list(unknown, limit=3)}); "
            "costs need them all."
        )
    if (values[apart] > 1 + 1e-9).any():
        raise ConfembError(f"the similarity {values[apart].max():g} is above 1; costs need similarities of at most 1.")
    costs = np.where(apart, np.maximum(1.0 - values, 0.0), 0.0)
    if costs.max(initial=0.0) <= 0:
        raise ConfembError("every class has similarity 1 with every other; no mistake would cost anything.")
    costs = (costs + costs.T) / 2
    return costs / costs.max()


def expected_costs(probs: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return (N, K) float64, what deciding for each class costs on average: `probs @ costs`.

    Args:
        probs: (N, K) probabilities of the true class.
        costs: (K, K), what deciding for class j costs where class i is true.

    Raises:
        ConfembError: shapes that do not fit.
    """
    probs, costs = np.asarray(probs, np.float64), np.asarray(costs, np.float64)
    if probs.ndim != 2 or costs.shape != (probs.shape[1], probs.shape[1]):
        raise ConfembError(
            f"probabilities have shape {probs.shape} and costs {costs.shape}; they must be (N, K), (K, K)."
        )
    return probs @ costs


def least_cost_decisions(probs: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return (N,) the classes of the least expected cost, the first of equals (Elkan 2001, equation 1).

    With costs of 0 and 1 it is the most probable class. Arguments and errors as in `expected_costs`.
    """
    return expected_costs(probs, costs).argmin(axis=1)


def save_costs(costs: np.ndarray, class_names: tuple[str, ...], path: str | os.PathLike[str]) -> None:
    """Write (K, K) costs as a square CSV, class names as header and first column, nine decimals; see `save_matrix`."""
    names = csv_cells(class_names)
    rows = [",".join(["", *names])]
    rows += [
        ",".join([name, *(f"{cost:.9f}" for cost in row)]) for name, row in zip(names, costs.tolist(), strict=True)
    ]
    write_text(path, "\n".join(rows) + "\n")
