"""The nearest classes of every class, where a table of all pairs of classes would not fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.progress import Steps
from confemb.support.threads import one_thread

# Up to so many classes, every two are compared, a block at a time: a minute or so. Beyond, an index finds candidates.
MOST_COMPARED = 100_000
# So many cosines are held at a time.
_BLOCK = 2**23
# Of an index for n classes: 4 sqrt(n) cells, of which the nearest 32 are searched; places of the cells are learned from
# at most so many classes for each.
_SEARCHED, _LEARNED_FROM = 32, 64
# So many classes are looked up in it at a time.
_QUERIES = 2**15


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest other classes of each class.

    Attributes:
        indices: (K, n) int32, nearest first, ties by index.
        cosines: (K, n) float32, theirs.
        exact: whether every two classes were compared.
    """

    indices: np.ndarray
    cosines: np.ndarray
    exact: bool

    def strongest(self, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the `most` pairs (class i, class j > i, cosine) of largest cosine in the lists, strongest first."""
        first = np.repeat(np.arange(len(self.indices), dtype=np.int32), self.indices.shape[1])
        second, cosine = self.indices.ravel(), self.cosines.ravel()
        # A pair may stand in one of the two lists, or in both.
        low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
        _, once = np.unique(low * len(self.indices) + high, return_index=True)
        order = once[np.lexsort((high[once], low[once], -cosine[once]))][:most]
        return low[order].astype(np.int32), high[order], cosine[order]


def nearest_neighbours(vectors: np.ndarray, count: int, *, progress: Steps | None = None) -> Neighbours:
    """Find the `count` nearest other classes of each, by cosine; no table of all pairs is made.

    Args:
        vectors: (K, d), none of length 0.
        count: how many; at most K - 1 are found.
        progress: called with (classes done, classes in all).

    Raises:
        ConfembError: a single class; more than `MOST_COMPARED` classes without Faiss.
    """
    size = len(vectors)
    if size < 2:
        raise ConfembError("there is a single class; it has no neighbours.")
    count = min(count, size - 1)
    units = np.asarray(vectors, np.float32)
    units = units / np.linalg.norm(units, axis=1, keepdims=True)
    exact = size <= MOST_COMPARED
    search = _compare_all if exact else _indexed
    indices = np.empty((size, count), np.int32)
    cosines = np.empty((size, count), np.float32)
    for start, found in search(units, count):
        stop = start + len(found)
        # Worked out alike for both ways, and rounded as float32 vectors allow.
        values = np.einsum("ijk,ik->ij", units[found], units[start:stop], dtype=np.float64)
        values = np.round(np.clip(values, -1.0, 1.0), 7) + 0.0
        order = np.lexsort((found, -values), axis=1)
        indices[start:stop] = np.take_along_axis(found, order, axis=1)
        cosines[start:stop] = np.take_along_axis(values, order, axis=1)
        if progress is not None:
            progress(stop, size)
    return Neighbours(indices, cosines, exact)


def _compare_all(units: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first class, (n, count) its and the following classes' nearest, in no order), block by block."""
    rows = max(1, _BLOCK // len(units))
    for start in range(0, len(units), rows):
        with one_thread():
            cosines = units[start : start + rows] @ units.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf
        yield start, np.argpartition(-cosines, count - 1, axis=1)[:, :count]


def _indexed(units: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Do as `_compare_all`, but by an inverted index of Faiss, which may miss a few (Douze et al. 2024)."""
    faiss = import_extra("faiss", "ann", what=f"nearest neighbours among more than {MOST_COMPARED:,} classes")
    cells = int(4 * np.sqrt(len(units)))
    quantizer = faiss.IndexFlatIP(units.shape[1])
    index = faiss.IndexIVFFlat(quantizer, units.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.max_points_per_centroid = 0, _LEARNED_FROM
    with one_thread():
        index.train(units)
    index.add(units)
    index.nprobe = min(_SEARCHED, cells)
    for start in range(0, len(units), _QUERIES):
        found = index.search(units[start : start + _QUERIES], count + 1)[1]
        # Itself is among those found, unless so many others are as near.
        own = found == start + np.arange(len(found))[:, None]
        own[~own.any(axis=1), -1] = True
        others = found[~own].reshape(len(found), count)
        if (others < 0).any():
            raise ConfembError("too few classes lie near one another for the index; ask for fewer neighbours.")
        yield start, others
