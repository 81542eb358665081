"""How sure a tree's nodes are: the share of bootstrap replicates that have each, and the tree that most agree on.

Sources: J. Felsenstein, "Confidence limits on phylogenies: an approach using the bootstrap" (Evolution 39, 1985);
T. Margush and F. R. McMorris, "Consensus n-trees" (Bulletin of Mathematical Biology 43, 1981).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from confemb.records.indices import pair_indices
from confemb.studies.hierarchy.tree import METHOD, ClassTree, Method, linkage_of
from confemb.support.errors import ConfembError


@dataclass(eq=False)
class CladeCounts:
    """Counts, over replicates, the groups of classes that hang together below one node.

    A group is known by the exclusive or of 128 random bits for each of its classes, so that a tree of K classes takes
    K steps: among a million groups two get the same bits with a chance below 10^-26. Of similarities that are exactly
    equal, as those of classes never confused, any may be merged first: each replicate takes its classes in another
    random order, so that a group that is made by the order alone does not look sure.

    Attributes:
        class_names: the K class names.
        method: how replicates become trees, see `agglomerate`.
        seed: draws the bits and the orders.
    """

    class_names: tuple[str, ...]
    method: Method = METHOD
    seed: int = 0
    trees: int = field(default=0, init=False)
    _counts: dict[tuple[int, int], int] = field(default_factory=dict, init=False, repr=False)
    _heights: dict[tuple[int, int], float] = field(default_factory=dict, init=False, repr=False)
    _members: dict[tuple[int, int], bytes] = field(default_factory=dict, init=False, repr=False)
    _partial: list[tuple[np.ndarray, set[tuple[int, int]]]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Draw the bits of the classes."""
        generator = np.random.default_rng([self.seed, 0])
        self._bits = generator.integers(2**64, size=(len(self.class_names), 2), dtype=np.uint64)

    @property
    def whole(self) -> int:
        """How many of the replicates had all the classes."""
        return self.trees - len(self._partial)

    def add(self, cosines: np.ndarray) -> None:
        """Count the groups of one replicate.

        Args:
            cosines: (P,) similarities of the pairs of classes in upper-triangle order; NaN for those of a class that
                has no picture in the replicate, which then says nothing of the groups that hang on that class.

        Raises:
            ConfembError: as many pairs as another number of classes has.
        """
        size = len(self.class_names)
        if np.shape(cosines) != (size * (size - 1) // 2,):
            raise ConfembError(f"{np.shape(cosines)} similarities are not those of the pairs of {size} classes.")
        square = np.full((size, size), np.nan)
        square[pair_indices(size)] = cosines
        square = np.where(np.isnan(square), square.T, square)
        # A class without pictures is unlike none: all its similarities are unknown.
        present = np.flatnonzero((~np.isnan(square)).any(axis=1))
        if len(present) < 2:
            return
        generator = np.random.default_rng([self.seed, 1, self.trees])
        order = generator.permutation(present)
        found, heights, below = self._groups(square, order)
        self.trees += 1
        if len(present) < size:
            self._partial.append((present, found))
            return
        for key, height, members in zip(below, heights, self._bitsets(order, below), strict=True):
            self._counts[key] = self._counts.get(key, 0) + 1
            self._heights[key] = self._heights.get(key, 0.0) + height
            if members is not None:
                self._members[key] = members

    def _groups(
        self, square: np.ndarray, order: np.ndarray
    ) -> tuple[set[tuple[int, int]], list[float], list[tuple[int, int]]]:
        """Return the keys of a replicate's groups, as a set and as a list with their heights."""
        upper = pair_indices(len(order))
        distance = np.maximum(1.0 - square[np.ix_(order, order)][upper], 0.0)
        self._merges = linkage_of(distance, self.method)
        bits = np.empty((2 * len(order) - 1, 2), np.uint64)
        bits[: len(order)] = self._bits[order]
        for step, (left, right) in enumerate(self._merges[:, :2].astype(np.int64).tolist()):
            bits[len(order) + step] = bits[left] ^ bits[right]
        keys = [(int(a), int(b)) for a, b in bits[len(order) :].tolist()]
        return set(keys), self._merges[:, 2].tolist(), keys

    def _bitsets(self, order: np.ndarray, keys: list[tuple[int, int]]) -> list[bytes | None]:
        """Return the packed members of each of a replicate's groups; None for those that are known already."""
        size = len(order)
        below: list[int] = [1 << int(leaf) for leaf in order]
        found: list[bytes | None] = []
        length = (len(self.class_names) + 7) // 8
        for step, (left, right) in enumerate(self._merges[:, :2].astype(np.int64).tolist()):
            below.append(below[left] | below[right])
            known = keys[step] in self._members
            found.append(None if known else below[size + step].to_bytes(length, "little"))
        return found

    def supported(self, tree: ClassTree) -> ClassTree:
        """Return the tree with the share of replicates that have each inner node; the root's is 1.

        A replicate that lacks classes is asked for the rest of a node; where that is no group to be had or lost
        (one class or none, or all that the replicate has), it is left out for this node.

        Raises:
            ConfembError: no replicate was counted, or the tree is of other classes.
        """
        if self.trees == 0:
            raise ConfembError("no replicate could be made into a tree: give more pictures.")
        if tree.class_names != self.class_names:
            raise ConfembError("the tree and the replicates are not of the same classes in the same order.")
        keys = self._keys(tree, np.arange(len(self.class_names)))
        hits = np.array([self._counts.get(key, 0) for key in keys], np.float64)
        asked = np.full(len(keys), float(self.whole))
        for present, groups in self._partial:
            sizes = tree.members[:, present].sum(axis=1)[len(self.class_names) :]
            counted = (sizes > 1) & (sizes < len(present))
            asked += counted
            for row, key in enumerate(self._keys(tree, present)):
                hits[row] += counted[row] and key in groups
        support = np.full(len(tree), np.nan)
        support[len(self.class_names) :] = np.divide(hits, asked, out=np.full(len(hits), np.nan), where=asked > 0)
        support[tree.root] = 1.0
        return replace(tree, support=support)

    def _keys(self, tree: ClassTree, present: np.ndarray) -> list[tuple[int, int]]:
        """Return the key of each inner node's classes, of those that are `present`."""
        bits = np.zeros((len(tree), 2), np.uint64)
        bits[present] = self._bits[present]
        for node, parent in enumerate(tree.parents[:-1].tolist()):
            bits[parent] ^= bits[node]
        return [(int(a), int(b)) for a, b in bits[len(self.class_names) :].tolist()]

    def consensus(self, threshold: float = 0.5) -> ClassTree:
        """Return the majority-rule tree: the groups that more than `threshold` of the replicates have.

        Groups of more than half of the replicates never contradict one another, as any two of them stand together in
        some replicate. A node's height is the mean over the replicates that have it (raised to its highest child's).
        Replicates that lack a class do not count.

        Raises:
            ConfembError: a threshold below 0.5 or not below 1; no replicate with all classes.
        """
        if not 0.5 <= threshold < 1:
            raise ConfembError(f"the threshold is {threshold}; groups agree where it is at least 0.5 and below 1.")
        whole = self.whole
        if whole == 0:
            raise ConfembError("no replicate has all the classes: give more pictures.")
        size = len(self.class_names)
        kept = []
        for key, count in self._counts.items():
            packed = np.frombuffer(self._members[key], np.uint8)
            members = np.unpackbits(packed, bitorder="little")[:size].astype(bool)
            if count > threshold * whole or members.all():
                kept.append((members, self._heights[key] / count, count / whole))
        # Children are smaller than what holds them; of equal size the first class decides, so that order is fixed.
        kept.sort(key=lambda one: (int(one[0].sum()), np.flatnonzero(one[0]).tolist()))
        return _of_groups(self.class_names, kept)


def _of_groups(class_names: Sequence[str], groups: list[tuple[np.ndarray, float, float]]) -> ClassTree:
    """Return the tree of nested groups (members, height, support), the smaller before the larger ones."""
    size = len(class_names)
    parents = np.full(size + len(groups), -1, np.int64)
    heights, support = np.zeros(len(parents)), np.full(len(parents), np.nan)
    # The highest node so far above each class.
    top = np.arange(size)
    for number, (members, height, share) in enumerate(groups, start=size):
        below = np.unique(top[members])
        parents[below] = number
        heights[number] = max(height, float(heights[below].max()))
        support[number] = share
        top[members] = number
    return ClassTree(tuple(class_names), parents, heights, support)


def count_clades(
    cosines: Iterable[np.ndarray], class_names: Sequence[str], *, method: Method = METHOD, seed: int = 0
) -> CladeCounts:
    """Count the groups of replicates, as `replicate_cosines` yields them: (runs, P) each, every run a tree of its own.

    Raises:
        ConfembError: similarities of another number of pairs.
    """
    counts = CladeCounts(tuple(class_names), method, seed)
    for runs in cosines:
        for one in np.atleast_2d(runs):
            counts.add(one)
    return counts
