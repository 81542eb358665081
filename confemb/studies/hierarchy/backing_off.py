"""Answer with the superclass where the class is not sure, at a promised accuracy.

The answer climbs from the most probable class towards the root until the probability of what hangs below reaches a
threshold. The threshold is the smallest that keeps the promise on items set aside (conformal risk control), so that an
answer for a new item from the same source is right with at least the promised chance, whatever the classifier is.

Sources: J. Deng et al., "Hedging your bets: optimizing accuracy-specificity trade-offs in
large scale visual recognition" (CVPR 2012), from which is the specificity, an answer's information gain;
A. Angelopoulos et al., "Conformal risk control" (ICLR 2024), for the promise.
"""

from dataclasses import dataclass

import numpy as np

from confemb.studies.hierarchy.measures import LEVEL, REPLICATES, Estimate
from confemb.studies.hierarchy.tree import ClassTree
from confemb.support.errors import ConfembError

# A threshold no probability reaches: the answer is the root, which is always right and says nothing.
ALWAYS = float("inf")


@dataclass(frozen=True, eq=False)
class BackingOff:
    """How a threshold turned out on items it was not set on.

    Attributes:
        threshold: the probability below which an answer climbs.
        right: (N,) bool, whether the true class lies below the answer.
        gain: (N,) the answer's information gain, from 0 (the root) to 1 (a class): 1 - log(classes below) / log(K).
        answered: (N,) bool, whether the answer is a class.
    """

    threshold: float
    right: np.ndarray
    gain: np.ndarray
    answered: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of right answers, the root's among them."""
        return float(self.right.mean())

    @property
    def specificity(self) -> float:
        """The mean information gain of the answers that are right, 0 for those that are not."""
        return float((self.right * self.gain).mean())


def node_probabilities(probs: np.ndarray, tree: ClassTree) -> np.ndarray:
    """Return (N, M): how probable what hangs below each node is, by (N, K) probabilities of the classes."""
    probs = np.asarray(probs, np.float64)
    if probs.ndim != 2 or probs.shape[1] != len(tree.class_names):
        raise ConfembError(
            f"probabilities have shape {probs.shape}; backing off needs those of all {len(tree.class_names)} classes."
        )
    below = np.zeros((len(probs), len(tree)))
    below[:, : probs.shape[1]] = probs
    for node, parent in enumerate(tree.parents[:-1].tolist()):
        below[:, parent] += below[:, node]
    return below


def answers(probs: np.ndarray, tree: ClassTree, threshold: float) -> np.ndarray:
    """Return (N,) nodes: the lowest one above the most probable class whose probability reaches the threshold."""
    below = node_probabilities(probs, tree)
    node = np.asarray(probs).argmax(axis=1)
    rows = np.arange(len(node))
    while (climbs := (below[rows, node] < threshold) & (node != tree.root)).any():
        node = np.where(climbs, tree.parents[node], node)
    return node


def set_threshold(probs: np.ndarray, labels: np.ndarray, tree: ClassTree, accuracy: float) -> float:
    """Return the smallest threshold whose promise holds: an accuracy of at least `accuracy` on a new item.

    With n items and R wrong answers at a threshold it is the smallest at which (R + 1) / (n + 1) <= 1 - accuracy.
    Answers only climb as the threshold rises and the root is always right, so that such a threshold always exists.

    Args:
        probs: (n, K) probabilities of items that the classifier has not learned from.
        labels: (n,) their classes.
        tree: over the K classes.
        accuracy: above 0 and below 1.

    Raises:
        ConfembError: an accuracy out of range, too few items to promise it, probabilities that do not fit.
    """
    if not 0 < accuracy < 1:
        raise ConfembError(f"the promised accuracy is {accuracy}; it must lie between 0 and 1.")
    count = len(labels)
    allowed = int(np.floor((1 - accuracy) * (count + 1) + 1e-9)) - 1
    if allowed < 0:
        raise ConfembError(
            f"{count} items are too few to promise an accuracy of {accuracy:g}: at least "
            f"{int(np.ceil(1 / (1 - accuracy) - 1e-9)) - 1} are needed."
        )
    needed = np.sort(_right_above(probs, labels, tree))[::-1]
    # An item is wrong for thresholds up to what it needs: as many as are allowed may need more.
    return float(np.nextafter(needed[allowed], ALWAYS)) if allowed < count and needed[allowed] > 0 else 0.0


def _right_above(probs: np.ndarray, labels: np.ndarray, tree: ClassTree) -> np.ndarray:
    """Return (n,): the largest probability of a wrong answer on the way up; a threshold above it makes it right."""
    below = node_probabilities(probs, tree)
    node = np.asarray(probs).argmax(axis=1)
    rows = np.arange(len(node))
    found = np.zeros(len(node))
    while (wrong := ~tree.members[node, labels]).any():
        found = np.where(wrong, np.maximum(found, below[rows, node]), found)
        node = np.where(wrong, tree.parents[node], node)
    return found


def judge(probs: np.ndarray, labels: np.ndarray, tree: ClassTree, threshold: float) -> BackingOff:
    """Return how a threshold turns out on (N, K) probabilities of items it was not set on."""
    node = answers(probs, tree, threshold)
    size = len(tree.class_names)
    gain = 1.0 - np.log(tree.sizes[node]) / np.log(max(size, 2))
    return BackingOff(threshold, tree.members[node, labels], gain, node < size)


def specificity_difference(
    first: BackingOff, second: BackingOff, *, seed: int = 0, replicates: int = REPLICATES
) -> Estimate:
    """Return the difference of two specificities on the same items, second minus first, with its interval over them."""
    difference = second.right * second.gain - first.right * first.gain
    return mean_estimate(difference, seed=seed, replicates=replicates)


def mean_estimate(values: np.ndarray, *, seed: int = 0, replicates: int = REPLICATES) -> Estimate:
    """Return the mean of (N,) values with its interval over items (percentile bootstrap, 95 %)."""
    different, repeats = np.unique(np.asarray(values, np.float64), return_counts=True)
    total = int(repeats.sum())
    drawn = np.random.default_rng(seed).multinomial(total, repeats / total, size=replicates) @ different / total
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(np.mean(values)), float(low), float(high))
