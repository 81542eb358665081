"""Maps of vectors: two dimensions by principal components or t-SNE, and the figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from confemb.reporting import style
from confemb.reporting.labels import label_points
from confemb.spaces.lab.labelled import LabelledVectors
from confemb.support.errors import ConfembError
from confemb.support.threads import one_thread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS = ("pca", "tsne")
COMPONENTS, PERPLEXITY, MOST_POINTS = 50, 30.0, 2_000
# Fewer points than these are written out by name.
MOST_NAMED, MOST_SHAPES = 60, 1_000
# So many classes are written where the middle of their vectors is.
MOST_CLASSES_NAMED = 25
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class VectorMap:
    """N vectors in the plane.

    Attributes:
        method: "pca" or "tsne".
        points: (N, 2) float64.
        kept: what the map keeps, from 0 to 1: of principal components the share of the variance; of t-SNE the
            trustworthiness (Venna and Kaski 2001): 1 if the 10 nearest in the map are near in the whole space, too.
    """

    method: str
    points: np.ndarray
    kept: float

    def caption(self) -> str:
        """Say in half a sentence what the map is."""
        if self.method == "pca":
            return f"first two principal components, {self.kept:.0%} of the variance"
        return f"t-SNE of the first principal components (trustworthiness {self.kept:.2f})"


@one_thread()
def make_map(vectors: np.ndarray, method: str, *, perplexity: float = PERPLEXITY, seed: int = 0) -> VectorMap:
    """Place (N, d) vectors in the plane.

    Args:
        vectors: (N, d).
        method: "pca", or "tsne" (van der Maaten and Hinton 2008) of the first 50 principal components.
        perplexity: of t-SNE: about how many neighbours count; at most (N - 1) / 3.
        seed: of t-SNE.

    Raises:
        ConfembError: another method, fewer than 3 vectors (for t-SNE 5) or of fewer than 2 numbers, or vectors that are
            all the same.
    """
    from sklearn.decomposition import PCA

    if method not in METHODS:
        raise ConfembError(f"unknown kind of map {method!r}: known are {' and '.join(METHODS)}.")
    fewest = 3 if method == "pca" else 5
    if len(vectors) < fewest or vectors.shape[1] < 2:
        raise ConfembError(f"a map by {method} needs {fewest} vectors or more of 2 numbers, not {vectors.shape}.")
    if (vectors == vectors[0]).all():
        raise ConfembError("all vectors are the same: there is nothing to map.")
    vectors = vectors.astype(np.float64)
    pca = PCA(min(COMPONENTS, *vectors.shape), random_state=seed)
    reduced = pca.fit_transform(vectors)
    if method == "pca":
        return VectorMap(method, reduced[:, :2], float(pca.explained_variance_ratio_[:2].sum()))
    from sklearn.manifold import TSNE, trustworthiness

    near = min(perplexity, (len(vectors) - 1) / 3)
    points = TSNE(2, perplexity=near, init="pca", random_state=seed).fit_transform(reduced).astype(np.float64)
    neighbours = min(NEIGHBOURS, (len(vectors) - 1) // 2)
    return VectorMap(method, points, float(trustworthiness(vectors, points, n_neighbors=neighbours)))


def draw_sample(vectors: LabelledVectors, *, most: int = MOST_POINTS, seed: int = 0) -> LabelledVectors:
    """Return the vectors, or `most` of them drawn at random in equal shares of the classes, in their own order.

    Of more classes than `most` one vector each is kept.
    """
    if len(vectors) <= most:
        return vectors
    generator = np.random.default_rng(seed)
    place = np.empty(len(vectors))
    for label in range(len(vectors.class_names)):
        rows = np.flatnonzero(vectors.labels == label)
        # A class's first rows come before another's second: the classes are cut off alike.
        place[rows] = generator.permutation(len(rows)) + generator.random()
    rows = np.sort(np.argsort(place, kind="stable")[: max(most, len(vectors.class_names))])
    ids = tuple(vectors.ids[row] for row in rows)
    return LabelledVectors(vectors.vectors[rows], vectors.labels[rows], vectors.class_names, ids)


def draw_map(vectors: LabelledVectors, found: VectorMap, *, title: str = "") -> "Figure":
    """Return the figure: a dot for each vector, its colour and shape that of its class; few vectors are named."""
    figure = style.new_figure(7.6, 5.4)
    axes = figure.subplots()
    names = vectors.class_names
    for label, name in enumerate(names):
        points = found.points[vectors.labels == label]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=20 if len(vectors) > 300 else 34,
            alpha=0.75,
            linewidths=0,
            color=style.group_colour(label),
            marker=MARKERS[label // len(style.GROUPS) % len(MARKERS)],
            label=style.shortened(name),
            # Thousands of dots as shapes would make an SVG of megabytes.
            rasterized=len(vectors) > MOST_SHAPES,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(title or found.caption())
    if len(names) <= len(style.GROUPS) * len(MARKERS):
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, ncols=1 + (len(names) - 1) // 24)
    if len(vectors) <= MOST_NAMED:
        _label(figure, axes, found.points, vectors.ids, size=7.5)
    elif len(names) <= MOST_CLASSES_NAMED:
        middles = np.array([np.median(found.points[vectors.labels == label], axis=0) for label in range(len(names))])
        _label(figure, axes, middles, names, size=8.5, classes=True)
    return figure


def _label(
    figure: "Figure", axes: "Axes", points: np.ndarray, names: Sequence[str], *, size: float, classes: bool = False
) -> None:
    """Name points beside them, and classes in their middle: among hundreds of dots no place is free of them."""
    texts = style.shortened_apart(names)
    obstacles = np.empty((0, 2)) if classes else points
    label_points(axes, points, texts, [style.INK] * len(texts), obstacles=obstacles, size=size, upon=classes)
