"""What the embedders of pairs share: the co-occurrence matrix, and which classes can get a vector."""

from collections.abc import Sequence

import numpy as np

from confemb.errors import ConfembError, quoted_list
from confemb.pairs import PairCounts


def both_directions(counts: PairCounts) -> np.ndarray:
    """Return (K, K) float64, how often each two classes stand side by side: pairs plus their transpose.

    Skip-gram on the sentence [true, predicted] learns true -> predicted and predicted -> true, so each pair counts
    once in both directions, and a pair of a class with itself twice in its own cell.

    Raises:
        ConfembError: a class that stands in no pair.
    """
    matrix = counts.matrix().toarray().astype(np.float64)
    matrix += matrix.T
    require_all(matrix.any(axis=1), counts.class_names, "stand in no pair")
    return matrix


def require_all(there: np.ndarray, class_names: Sequence[str], what: str) -> None:
    """Raise ConfembError where `there` (K,) is false for a class, naming those that `what`."""
    if not there.all():
        absent = [name for name, known in zip(class_names, there, strict=True) if not known]
        raise ConfembError(
            f"{len(absent)} classes {what} and can get no vector: {quoted_list(absent)}; "
            "keep self-pairs, raise k, or add pictures of them."
        )
