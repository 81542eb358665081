"""`ClassTree`: a rooted tree over classes; found by agglomeration of their similarities, cut into superclasses."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from confemb.records.indices import name_index, pair_indices
from confemb.records.predictions import check_class_names
from confemb.records.similarity import SimilarityMatrix
from confemb.support.errors import ConfembError, one_of, quoted_list

Method = Literal["average", "complete", "single", "weighted"]
# UPGMA, as in the dendrograms of the reports.
METHOD: Method = "average"


@dataclass(frozen=True, eq=False)
class ClassTree:
    """A rooted tree whose K leaves are the classes.

    Nodes are numbered: the leaves 0 to K - 1 in the order of the class names, then the inner nodes, every child before
    its parent, the root last. A node may have any number of children from two on (a single class is its own root).

    Attributes:
        class_names: the K class names.
        parents: (M,) int64, the parent of each node; -1 for the root.
        heights: (M,) float64, 0 or more, no node higher than its parent; how unlike the classes below it are.
        support: (M,) float64, the share of replicates that have the node, from 0 to 1; NaN where that is not known.
        names: (M,) what the nodes are called; "" for an inner node without a name.
    """

    class_names: tuple[str, ...]
    parents: np.ndarray
    heights: np.ndarray
    support: np.ndarray = field(default_factory=lambda: np.empty(0))
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check everything once, here.

        Raises:
            ConfembError: arrays of unequal length, a parent before its child, several roots, an inner node with fewer
                than two children, a height below 0 or above the parent's, a support outside [0, 1].
        """
        names = tuple(check_class_names(self.class_names))
        parents, heights = np.asarray(self.parents, np.int64), np.asarray(self.heights, np.float64)
        size, nodes = len(names), len(parents)
        support = np.asarray(self.support, np.float64) if len(self.support) else np.full(nodes, np.nan)
        labels = tuple(self.names) or names + ("",) * (nodes - size)
        if not heights.shape == support.shape == (nodes,) or len(labels) != nodes or nodes < size:
            raise ConfembError("a tree needs a parent, a height, a support and a name for each of its nodes.")
        inner = np.arange(nodes - 1)
        if nodes == 0 or parents[-1] != -1 or (parents[:-1] <= inner).any() or (parents[:-1] >= nodes).any():
            raise ConfembError("a tree has one root, which comes last, and every child comes before its parent.")
        children = np.bincount(parents[:-1], minlength=nodes)
        if children[:size].any() or (children[size:] < 2).any():
            raise ConfembError("the classes are a tree's leaves; every other node has at least two children.")
        if not np.isfinite(heights).all() or (heights < 0).any() or (heights[:-1] > heights[parents[:-1]]).any():
            raise ConfembError("a node's height is 0 or more and at most its parent's.")
        if (support < 0).any() or (support > 1).any():
            raise ConfembError("a node's support is a share from 0 to 1.")
        for name, value in (("class_names", names), ("parents", parents), ("heights", heights)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "support", support)
        object.__setattr__(self, "names", names + labels[size:])

    def __len__(self) -> int:
        """The number of nodes, M."""
        return len(self.parents)

    @property
    def root(self) -> int:
        """The root's number."""
        return len(self.parents) - 1

    @property
    def inner(self) -> range:
        """The numbers of the inner nodes."""
        return range(len(self.class_names), len(self.parents))

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """The children of each node, in the order of their numbers."""
        found: list[list[int]] = [[] for _ in range(len(self))]
        for node, parent in enumerate(self.parents[:-1].tolist()):
            found[parent].append(node)
        return tuple(tuple(one) for one in found)

    @cached_property
    def members(self) -> np.ndarray:
        """(M, K) bool: which classes lie below each node; a leaf lies below itself."""
        below = np.zeros((len(self), len(self.class_names)), bool)
        below[np.arange(len(self.class_names)), np.arange(len(self.class_names))] = True
        for node, parent in enumerate(self.parents[:-1].tolist()):
            below[parent] |= below[node]
        return below

    @cached_property
    def sizes(self) -> np.ndarray:
        """(M,) int64: how many classes lie below each node."""
        counts = np.zeros(len(self), np.int64)
        counts[: len(self.class_names)] = 1
        for node, parent in enumerate(self.parents[:-1].tolist()):
            counts[parent] += counts[node]
        return counts

    @cached_property
    def depths(self) -> np.ndarray:
        """(M,) int64: the number of steps from the root down to each node."""
        depths = np.zeros(len(self), np.int64)
        for node in range(len(self) - 2, -1, -1):
            depths[node] = depths[self.parents[node]] + 1
        return depths

    @cached_property
    def lowest_common(self) -> np.ndarray:
        """(K, K) int64: the lowest common ancestor of every two classes; a class with itself: its leaf."""
        size = len(self.class_names)
        found = np.empty((size, size), np.int64)
        order, starts = self._laid_out
        for node in range(len(self) - 1, -1, -1):
            rows = order[starts[node] : starts[node] + self.sizes[node]]
            found[np.ix_(rows, rows)] = node
        return found

    @property
    def order(self) -> np.ndarray:
        """(K,) the classes from left to right as the tree is drawn."""
        return self._laid_out[0]

    @cached_property
    def _laid_out(self) -> tuple[np.ndarray, np.ndarray]:
        """The leaves from left to right, and where in that order each node's begin."""
        starts = np.zeros(len(self), np.int64)
        for node in range(len(self) - 1, -1, -1):
            start = starts[node]
            for child in self.children[node]:
                starts[child] = start
                start += self.sizes[child]
        return np.argsort(starts[: len(self.class_names)], kind="stable"), starts

    def ancestors(self, node: int) -> list[int]:
        """Return a node and all above it, the root last."""
        found = [node]
        while self.parents[found[-1]] >= 0:
            found.append(int(self.parents[found[-1]]))
        return found

    def collapsed(self, support: float) -> "ClassTree":
        """Return the tree without the inner nodes of less support; what was below one hangs from the next above.

        The root stays. Raises ConfembError where the support of the nodes is not known.
        """
        known = self.support[len(self.class_names) : -1]
        if np.isnan(known).any():
            raise ConfembError(
                "this tree does not say how well its nodes are supported: find it with replicates, or cut it by number "
                "or height."
            )
        keep = np.ones(len(self), bool)
        keep[len(self.class_names) : -1] = known >= support
        return self.without(~keep)

    def without(self, dropped: np.ndarray) -> "ClassTree":
        """Return the tree without some inner nodes ((M,) bool); their children hang from the next one above.

        The root is never dropped.
        """
        above = self.parents.copy()
        for node in range(len(self) - 2, -1, -1):
            if dropped[above[node]]:
                above[node] = above[above[node]]
        place = np.cumsum(~dropped) - 1
        kept = np.flatnonzero(~dropped)
        parents = np.where(above[kept] < 0, -1, place[above[kept]])
        return ClassTree(
            self.class_names, parents, self.heights[kept], self.support[kept], tuple(self.names[i] for i in kept)
        )

    def restricted_to(self, class_names: Sequence[str]) -> "ClassTree":
        """Return the tree of some of the classes, in the order given; nodes left with one child go.

        Raises:
            ConfembError: a class that the tree has not, or none.
        """
        place = name_index(self.class_names)
        if missing := [name for name in class_names if name not in place]:
            raise ConfembError(
                f"the tree has no class {quoted_list(missing)}; it knows {quoted_list(self.class_names, limit=3)}: "
                "class names must be alike."
            )
        leaves = [place[name] for name in class_names]
        count = np.zeros(len(self), np.int64)
        count[leaves] = 1
        # How many children hold one of the classes: with one only, the node says nothing new.
        branches = np.zeros(len(self), np.int64)
        for node, parent in enumerate(self.parents[:-1].tolist()):
            count[parent] += count[node]
            branches[parent] += count[node] > 0
        kept = leaves + [node for node in self.inner if branches[node] > 1]
        return _relinked(self, kept, tuple(class_names))

    def named(self, names: Sequence[str]) -> "ClassTree":
        """Return the tree with other names for its inner nodes: (M,) names; those of the leaves do not count."""
        return replace(self, names=tuple(names))


def _relinked(tree: ClassTree, kept: list[int], class_names: tuple[str, ...]) -> ClassTree:
    """Return the tree of the nodes `kept`, children before parents, each linked to the next one kept above it."""
    place = name_index(kept)
    parents = []
    for node in kept:
        above = int(tree.parents[node])
        while above >= 0 and above not in place:
            above = int(tree.parents[above])
        parents.append(place.get(above, -1))
    return ClassTree(
        class_names,
        np.array(parents),
        tree.heights[kept],
        tree.support[kept],
        tuple(tree.names[node] for node in kept),
    )


def agglomerate(similarity: SimilarityMatrix, method: Method = METHOD) -> ClassTree:
    """Return the tree of a similarity: the two most similar groups of classes are merged until one is left.

    Heights are 1 - similarity of the groups merged (at least 0), by `method`: "average" (UPGMA, Sokal & Michener 1958),
    "complete" (the least similar members), "single" (the most similar members), "weighted" (WPGMA: each of two merged
    groups counts the same). Of equal similarities the pair that comes first in the classes' order is merged first.

    Raises:
        ConfembError: fewer than two classes, a similarity that is not known, another method.
    """
    one_of("method", method, *get_args(Method))
    return from_linkage(linkage_of(distances(similarity), method), similarity.class_names)


def distances(similarity: SimilarityMatrix) -> np.ndarray:
    """Return (K * (K - 1) / 2,) float64, 1 - similarity of the pairs in upper-triangle order, at least 0.

    Raises:
        ConfembError: fewer than two classes, or a similarity that is not known.
    """
    size = len(similarity.class_names)
    if size < 2:
        raise ConfembError("a tree needs at least two classes.")
    pairs = similarity.values[pair_indices(size)]
    if np.isnan(pairs).any():
        whole = set(similarity.complete_classes())
        unknown = [name for name in similarity.class_names if name not in whole]
        raise ConfembError(
            f"a tree needs the similarity of every two classes; of {len(unknown)} classes some are not known "
            f"({quoted_list(unknown, limit=3)}): leave them out."
        )
    return np.maximum(1.0 - pairs, 0.0)


def linkage_of(distance: np.ndarray, method: Method) -> np.ndarray:
    """Return SciPy's (K - 1, 4) linkage of condensed distances."""
    from scipy.cluster.hierarchy import linkage

    return np.asarray(linkage(distance, method))


def from_linkage(merges: np.ndarray, class_names: Sequence[str]) -> ClassTree:
    """Return the tree of SciPy's (K - 1, 4) linkage; raises ConfembError for one of another number of classes."""
    size = len(class_names)
    merges = np.asarray(merges, np.float64)
    if merges.shape != (max(size - 1, 0), 4):
        raise ConfembError(f"the linkage has shape {merges.shape}; of {size} classes it must be ({size - 1}, 4).")
    parents = np.full(2 * size - 1, -1, np.int64)
    parents[merges[:, :2].astype(np.int64)] = np.arange(size, 2 * size - 1)[:, None]
    # Rounding may put a node below one of its children by a last bit.
    heights = np.concatenate([np.zeros(size), merges[:, 2]])
    for node, parent in enumerate(parents[:-1].tolist()):
        heights[parent] = max(heights[parent], heights[node])
    return ClassTree(tuple(class_names), parents, heights)


def to_linkage(tree: ClassTree) -> np.ndarray:
    """Return SciPy's (K - 1, 4) linkage; a node of several children becomes merges of the same height, one by one."""
    size = len(tree.class_names)
    merges: list[tuple[float, float, float, float]] = []
    cluster = {leaf: (leaf, 1) for leaf in range(size)}
    # SciPy wants merges by rising height; children come before parents, and a stable sort keeps that.
    for node in sorted(tree.inner, key=lambda one: (tree.heights[one], one)):
        first, *rest = (cluster[child] for child in tree.children[node])
        for other in rest:
            count = first[1] + other[1]
            merges.append((first[0], other[0], tree.heights[node], count))
            first = (size + len(merges) - 1, count)
        cluster[node] = first
    return np.array(merges, np.float64).reshape(-1, 4)


def cut(
    tree: ClassTree, *, number: int | None = None, height: float | None = None, support: float | None = None
) -> np.ndarray:
    """Return (K,) int64: the node that is each class's superclass, or its own leaf.

    Args:
        tree: the tree.
        number: at most so many superclasses: from the root down the highest one is split as long as that fits.
        height: the largest nodes that are not higher.
        support: the largest nodes below the root that at least this share of the replicates has. With `number` or
            `height`: the nodes of less support are left out first.

    Raises:
        ConfembError: none of the three, both `number` and `height`, a value out of range, support that is not known.
    """
    if (number is None and height is None and support is None) or (number is not None and height is not None):
        raise ConfembError("cut a tree by a number of superclasses or by a height, by support, or by one and support.")
    if number is not None and not 1 <= number <= len(tree.class_names):
        raise ConfembError(f"a tree of {len(tree.class_names)} classes cannot be cut into {number} superclasses.")
    if support is not None and not 0 <= support <= 1:
        raise ConfembError(f"the support {support} is not a share from 0 to 1.")
    low = np.zeros(len(tree), bool)
    if support is not None:
        tree.collapsed(support)
        low[len(tree.class_names) : -1] = tree.support[len(tree.class_names) : -1] < support
    if height is not None:
        stops = (tree.heights <= height) & ~low
    elif number is not None:
        stops = _split_highest(tree, number, low)
    else:
        stops = ~low
        stops[-1] = False
    stops[: len(tree.class_names)] = True
    found = np.arange(len(tree))
    for node in range(len(tree) - 2, -1, -1):
        parent = tree.parents[node]
        # The parent is already known: where a node above stops, that one is the superclass.
        found[node] = found[parent] if stops[found[parent]] else node
    return found[: len(tree.class_names)]


def _split_highest(tree: ClassTree, number: int, low: np.ndarray) -> np.ndarray:
    """Return (M,) bool: the nodes not split when the highest ones are, while at most `number` are left."""
    above = tree.parents.copy()
    for node in range(len(tree) - 2, -1, -1):
        if low[above[node]]:
            above[node] = above[above[node]]
    children = np.bincount(above[:-1][~low[:-1]], minlength=len(tree))
    stops = ~low
    groups = 1
    # By height, then a parent before its children: their numbers are smaller.
    for node in sorted(tree.inner, key=lambda one: (-tree.heights[one], -one)):
        if low[node]:
            continue
        if groups + children[node] - 1 > number:
            break
        groups += int(children[node]) - 1
        stops[node] = False
    return stops


def star(class_names: Sequence[str]) -> ClassTree:
    """Return the tree without superclasses: every class hangs from the root, which is 1 high."""
    size = len(class_names)
    return ClassTree(tuple(class_names), np.append(np.full(size, size), -1), np.append(np.zeros(size), 1.0))


def shuffled(tree: ClassTree, seed: int) -> ClassTree:
    """Return a tree of the same shape and heights whose classes were dealt out at random."""
    order = np.random.default_rng(seed).permutation(len(tree.class_names))
    parents = tree.parents.copy()
    parents[: len(order)] = parents[order]
    return ClassTree(tree.class_names, parents, tree.heights)
