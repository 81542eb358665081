"""What the embedders of pairs share: the co-occurrence matrix, and which classes can get a vector."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from confemb.records.pairs import PairCounts
from confemb.support.errors import ConfembError, quoted_list

# From so many classes on, a table of all pairs of them is not made: 5,000 squared take 200 MB.
MOST_CLASSES_IN_A_TABLE = 5_000


def both_directions(counts: PairCounts) -> scipy.sparse.csr_array:
    """Return (K, K) float64, how often each two classes stand side by side: pairs plus their transpose.

    Skip-gram on the sentence [true, predicted] learns true -> predicted and predicted -> true, so each pair counts
    once in both directions, and a pair of a class with itself twice in its own cell.

    Raises:
        ConfembError: a class that stands in no pair.
    """
    matrix = counts.matrix().astype(np.float64)
    matrix = matrix + matrix.T.tocsr()
    require_all(np.diff(matrix.indptr) > 0, counts.class_names, "stand in no pair")
    return matrix


def require_table(counts: PairCounts, embedder: str) -> None:
    """Raise ConfembError where there are too many classes for an embedder that makes a table of all pairs of them."""
    size = len(counts.class_names)
    if size > MOST_CLASSES_IN_A_TABLE:
        raise ConfembError(
            f"the embedder {embedder!r} makes a table of all pairs of classes, of which {size:,} have {size**2:,}; it "
            f"takes up to {MOST_CLASSES_IN_A_TABLE:,} classes. Choose ppmi, balanced or skipgram."
        )


def require_all(there: np.ndarray, class_names: Sequence[str], what: str) -> None:
    """Raise ConfembError where `there` (K,) is false for a class, naming those that `what`."""
    if not there.all():
        absent = [name for name, known in zip(class_names, there, strict=True) if not known]
        raise ConfembError(
            f"{len(absent)} classes {what} and can get no vector: {quoted_list(absent)}; "
            "keep self-pairs, raise k, or add pictures of them."
        )
