"""Eigenvectors and singular vectors that come out the same every time, and vectors made from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from confemb.records.embedding import ClassEmbedding
from confemb.support.errors import ConfembError
from confemb.support.threads import one_thread

# The paper's number of dimensions; fewer classes have fewer.
USUAL_DIM = 5
# A vector this much shorter than the longest one is rounding alone: its direction would mean nothing.
_SHORTEST = 1e-10
# From so many classes on, few singular vectors (an eighth at most) are found by iteration, in a tenth of the time.
_ITERATED, _ITERATED_SHARE = 200, 8
# Of a randomised decomposition: how often the space is multiplied by the matrix and back, and how many dimensions it
# has beyond those wanted. Multiplying more often comes nearer to the very largest singular vectors, and where there are
# more groups of classes than dimensions those tell coarse groups alone: of 21,841 made-up classes in groups of ten
# within groups of a hundred, the nearest five in 32 dimensions of PPMI were of the same ten for all classes after 1,
# for 9 % after 4.
_ITERATIONS, _OVERSAMPLING = 1, 10


def checked_dim(dim: int | None, classes: int, *, usual: int) -> int:
    """Return the number of dimensions: `usual` where none is given, but never more than there are classes.

    Raises:
        ConfembError: more dimensions asked for than there are classes.
    """
    if dim is None:
        return min(usual, classes)
    if dim > classes:
        raise ConfembError(
            f"dim = {dim} is more than a matrix of {classes} classes has dimensions; give at most {classes}."
        )
    return dim


@dataclass(frozen=True, eq=False)
class SparsePlusLowRank:
    """A (K, K) matrix sparse + left @ right.T that is multiplied with, never laid out.

    Attributes:
        sparse: (K, K), few cells not zero.
        left, right: (K, r).
    """

    sparse: scipy.sparse.csr_array
    left: np.ndarray
    right: np.ndarray

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        """Return the product with (K, m)."""
        return self.sparse @ other + self.left @ (self.right.T @ other)

    @property
    def shape(self) -> tuple[int, int]:
        """(K, K)."""
        return self.sparse.shape

    @property
    def T(self) -> "SparsePlusLowRank":  # noqa: N802
        """The transpose."""
        return SparsePlusLowRank(self.sparse.T, self.right, self.left)


def truncated_svd(
    matrix: np.ndarray | scipy.sparse.csr_array | SparsePlusLowRank, dim: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the `dim` largest singular values s (dim,) of a (K, K) matrix, with u and v (K, dim).

    The matrix is nearly u @ diag(s) @ v.T (Eckart and Young 1936). Signs are fixed, see `_fixed_signs`. Of an array
    they are exact; of another matrix, which is of very many classes, see `_randomised_svd`.
    """
    size = matrix.shape[0]
    with one_thread():
        if not isinstance(matrix, np.ndarray):
            u, s, vt = _randomised_svd(matrix, dim)
        elif size >= _ITERATED and dim * _ITERATED_SHARE <= size:
            from scipy.sparse.linalg import svds

            u, s, vt = svds(matrix, k=dim, v0=np.random.default_rng(0).normal(size=size))
            u, s, vt = u[:, ::-1], s[::-1], vt[::-1]
        else:
            u, s, vt = np.linalg.svd(matrix)
    signs = _fixed_signs(u)
    return (u * signs)[:, :dim], s[:dim], (vt.T * signs)[:, :dim]


def _randomised_svd(
    matrix: scipy.sparse.csr_array | SparsePlusLowRank, dim: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return u, s and v.T by subspace iteration from a random start (Halko et al. 2011, algorithms 4.4 and 5.1).

    Very many classes that are confused near by have many singular values of about the same size, between which Lanczos'
    method does not come to an end. Here the work is fixed; what is found then lies between those singular vectors and a
    random projection of the matrix, which keeps who is near whom.
    """
    transpose = matrix.T
    space = np.random.default_rng(0).normal(size=(matrix.shape[0], min(dim + _OVERSAMPLING, matrix.shape[0])))
    for _ in range(_ITERATIONS):
        space = _orthonormal(transpose @ _orthonormal(matrix @ space))
    space, _ = np.linalg.qr(matrix @ space)
    u, s, vt = np.linalg.svd((transpose @ space).T, full_matrices=False)
    return (space @ u)[:, :dim], s[:dim], vt[:dim]


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """Return (K, m) nearly orthonormal columns that span the same: by the Gram matrix, in a tenth of a QR's time."""
    values, turned = np.linalg.eigh(vectors.T @ vectors)
    return vectors @ (turned / np.sqrt(np.maximum(values, values[-1] * np.finfo(np.float64).eps)))


def symmetric_eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues (K,) of a symmetric (K, K) matrix, largest first, and the eigenvectors as columns."""
    with one_thread():
        values, vectors = np.linalg.eigh(matrix)
    vectors = vectors[:, ::-1]
    return values[::-1], vectors * _fixed_signs(vectors)


def _fixed_signs(vectors: np.ndarray) -> np.ndarray:
    """Return (d,) +1 or -1 for each column: its entry of largest size becomes positive."""
    largest = np.abs(vectors).argmax(axis=0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def spectral_embedding(vectors: np.ndarray, class_names: Sequence[str], mend: str) -> ClassEmbedding:
    """Return (K, d) vectors as an embedding.

    Raises:
        ConfembError: a class whose vector is zero, or zero but for rounding; the message ends with the `mend`.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    short = lengths <= _SHORTEST * lengths.max()
    if short.any():
        name = class_names[int(short.argmax())]
        raise ConfembError(f"the class {name!r} gets no vector in {vectors.shape[1]} dimensions: {mend}.")
    return ClassEmbedding(vectors, tuple(class_names))
