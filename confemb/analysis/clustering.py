"""Where things go: the order that puts like by like, clusters, and places on a 2-D map."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.records.similarity import SimilarityMatrix

# Optimal leaf ordering takes time in proportion to the third power of the classes, or the fourth.
MOST_ORDERED = 1_500


@dataclass(frozen=True, eq=False)
class Cluster:
    """Some classes that are alike.

    Attributes:
        members: their indices, in seriated order.
        medoid: the index of the member most similar to the others on average.
        similarity: the mean similarity over the cluster's pairs; NaN for a class alone.
    """

    members: tuple[int, ...]
    medoid: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Seriation:
    """The classes in an order that puts like by like.

    Attributes:
        order: (K,) class indices.
        tree: (K - 1, 4) SciPy linkage (average, on 1 - similarity), its leaves in that order.
    """

    order: np.ndarray
    tree: np.ndarray


def seriate(similarity: SimilarityMatrix) -> Seriation:
    """Order the classes by optimal leaf ordering (Bar-Joseph et al. 2001) of average linkage.

    Which end comes first is free: the end nearer to the first class comes first. Beyond `MOST_ORDERED` classes
    the leaves stand as the linkage has them: an optimal order would take minutes to hours.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    size = len(similarity.class_names)
    if size < 2:
        return Seriation(np.arange(size), np.empty((0, 4)))
    distance = squareform(np.clip(1.0 - similarity.values, 0.0, None), checks=False)
    tree = linkage(distance, "average")
    if 2 < size <= MOST_ORDERED:
        tree = optimal_leaf_ordering(tree, distance)
    order = leaves_list(tree)
    if np.flatnonzero(order == 0)[0] > (size - 1) / 2:
        # Swapping every node's two children turns the whole order round.
        tree = tree.copy()
        tree[:, [0, 1]] = tree[:, [1, 0]]
        order = leaves_list(tree)
    return Seriation(order.astype(np.intp), tree)


def find_clusters(similarity: SimilarityMatrix, seriation: Seriation, *, count: int) -> list[Cluster]:
    """Cut the tree into at most `count` clusters, in seriated order."""
    from scipy.cluster.hierarchy import fcluster

    if len(seriation.tree) == 0:
        return [Cluster((int(i),), int(i), float("nan")) for i in seriation.order]
    label = fcluster(seriation.tree, count, criterion="maxclust")
    clusters = []
    for group in dict.fromkeys(label[seriation.order].tolist()):
        members = seriation.order[label[seriation.order] == group]
        inner = similarity.values[np.ix_(members, members)]
        others = inner.sum(axis=1) - np.diag(inner)
        pairs = len(members) * (len(members) - 1)
        clusters.append(
            Cluster(
                tuple(int(i) for i in members),
                int(members[np.argmax(others)]),
                float(others.sum() / pairs) if pairs else float("nan"),
            )
        )
    return clusters


def place_on_map(similarity: SimilarityMatrix) -> tuple[np.ndarray, float]:
    """Place the classes in the plane by classical multidimensional scaling (Torgerson 1952).

    The squared distance of two classes is 2 (1 - cosine), that of their unit vectors.

    Returns:
        (K, 2) places, the sign of each axis chosen so that its largest coordinate is positive, and the
        share of the scatter that the plane keeps, from 0 to 1.
    """
    from scipy.linalg import eigh

    size = len(similarity.class_names)
    centring = np.eye(size) - 1.0 / size
    inner = centring @ similarity.values @ centring
    first = max(size - 2, 0)
    values, vectors = eigh((inner + inner.T) / 2, subset_by_index=(first, size - 1))
    values = np.clip(values, 0.0, None)
    places = np.zeros((size, 2))
    for axis, column in enumerate(range(len(values) - 1, -1, -1)):
        vector = vectors[:, column] * np.sqrt(values[column])
        places[:, axis] = vector * (np.sign(vector[np.argmax(np.abs(vector).round(9))]) or 1.0)
    scatter = float(np.trace(inner))
    return places, float(min(values.sum() / scatter, 1.0)) if scatter > 1e-12 else 1.0


def place_labels(
    points: np.ndarray,
    sizes: np.ndarray,
    bounds: tuple[float, float, float, float],
    *,
    obstacles: np.ndarray | None = None,
    gap: float = 8.0,
    must_place: bool = True,
    upon: bool = False,
) -> list[tuple[float, float] | None]:
    """Find places for labels so that they overlap neither one another nor the points.

    Each label tries rings of places around its point, nearest ring first, and takes the first that is
    free, else the one that overlaps least.

    Args:
        points: (M, 2) the labelled points, in pixels.
        sizes: (M, 2) width and height of each label, in pixels.
        bounds: left, bottom, right, top of the area labels must stay in.
        obstacles: (P, 2) points to keep clear of; the labelled points themselves if None.
        gap: distance from a point to the nearest ring, in pixels.
        must_place: where no place is free, take the best one (True) or give the label up (False).
        upon: try the point itself first.

    Returns:
        The centre of each label, or None for one given up.
    """
    obstacles = points if obstacles is None else obstacles
    left, bottom, right, top = bounds
    angles = np.deg2rad([0, 180, 90, 270, 45, 135, 315, 225, 22, 158, 338, 202, 68, 112, 292, 248])
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    boxes: list[tuple[float, float, float, float]] = []
    placed: list[tuple[float, float] | None] = []
    for point, size in zip(points, sizes, strict=True):
        half = size / 2
        best, best_cost = None, np.inf
        around = (point + d * (half + gap * ring) for ring in (1.0, 2.5, 4.5, 7.0, 10.0, 14.0) for d in directions)
        for centre in itertools.chain([point] if upon else [], around):
            box = (*(centre - half - 1.0), *(centre + half + 1.0))
            cost = _overlap(box, boxes) + 40.0 * _points_inside(box, obstacles)
            outside = max(left - box[0], box[2] - right, bottom - box[1], box[3] - top, 0.0)
            cost += 1000.0 * outside
            if cost < best_cost:
                best, best_cost = (centre, box), cost
            if cost == 0.0:
                break
        if best is None or (best_cost > 0.0 and not must_place):
            placed.append(None)
            continue
        placed.append((float(best[0][0]), float(best[0][1])))
        boxes.append(best[1])
    return placed


def _overlap(box: Sequence[float], boxes: list[tuple[float, float, float, float]]) -> float:
    """Return the area that `box` shares with the others."""
    if not boxes:
        return 0.0
    others = np.array(boxes)
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return float((np.clip(width, 0, None) * np.clip(height, 0, None)).sum())


def _points_inside(box: Sequence[float], points: np.ndarray) -> int:
    """Count the points inside `box`, with a margin of 3."""
    inside = (points > np.array(box[:2]) - 3.0) & (points < np.array(box[2:]) + 3.0)
    return int(inside.all(axis=1).sum())
