"""A classifier's mistakes by a tree: accuracy at each cut, hierarchical precision and recall, height of mistakes.

Sources: A. Kosmopoulos, I. Partalas, E. Gaussier, G. Paliouras and I. Androutsopoulos, "Evaluation measures for
hierarchical classification" (Data Mining and Knowledge Discovery 29, 2015): the set-based measures hP, hR and hF (after
S. Kiritchenko et al., 2005) and those by the lowest common ancestor; L. Bertinetto et al. (CVPR 2020) for the height.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from confemb.records.indices import pair_indices
from confemb.records.predictions import Predictions
from confemb.studies.hierarchy.tree import ClassTree, cut
from confemb.support.errors import ConfembError, quoted_list

REPLICATES = 1000
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a classifier made of N items, by a tree: what all measures are means or ratios of.

    Attributes:
        columns: names of the (N,) columns of `values`, of which measures are ratios of sums.
        values: (N, columns) float64; `accuracy@n`: 1 where the superclass at the cut into n is right.
        measures: measure -> (column above, column below), whose sums' ratio it is; hF and LCA F follow from two.
    """

    columns: tuple[str, ...]
    values: np.ndarray
    measures: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval over items (percentile bootstrap, 95 %)."""

    value: float
    low: float
    high: float


def default_cuts(tree: ClassTree) -> list[int]:
    """Return numbers of superclasses to cut into: 2, 5, 10, 20, 50, ... below the number of classes, and that."""
    size = len(tree.class_names)
    ladder = [base * 10**power for power in range(7) for base in (1, 2, 5)]
    return [*(number for number in ladder if 1 < number < size), size]


def outcomes(predictions: Predictions, tree: ClassTree, *, numbers: Sequence[int] | None = None) -> Outcomes:
    """Return what the classifier made of each item, by the tree.

    An item of m classes (multi-label) counts as predicted the m most probable classes, at most k: its sets of nodes are
    those above any of its classes. Its superclass is right where the most probable class's is that of one of its own.

    Args:
        predictions: the most probable classes of the items.
        tree: of all their classes.
        numbers: the cuts; None: `default_cuts`.

    Raises:
        ConfembError: a class that the tree has not.
    """
    if missing := [name for name in predictions.class_names if name not in set(tree.class_names)]:
        raise ConfembError(
            f"the tree has no class {quoted_list(missing, limit=3)}; it must have all of the classifier's."
        )
    tree = tree.restricted_to(predictions.class_names)
    numbers = default_cuts(tree) if numbers is None else numbers
    items = predictions.pictures()
    count = int(items.max()) + 1
    top = predictions.top_classes[:, 0]
    columns: dict[str, np.ndarray] = {"items": np.ones(count)}
    for number in numbers:
        group = cut(tree, number=number)
        right = np.zeros(count)
        np.maximum.at(right, items, group[predictions.labels] == group[top])
        columns[f"accuracy@{number}"] = right
    columns |= _common_ancestor(predictions, tree, items, count)
    columns |= _ancestor_sets(predictions, tree, items, count)
    measures = {f"accuracy@{number}": (f"accuracy@{number}", "items") for number in numbers}
    measures |= {
        "hierarchical precision": ("shared", "predicted"),
        "hierarchical recall": ("shared", "true"),
        "LCA precision": ("lca precision", "items"),
        "LCA recall": ("lca recall", "items"),
        "height of mistakes": ("height", "wrong"),
        "rank of mistakes": ("rank", "wrong"),
    }
    return Outcomes(tuple(columns), np.column_stack(list(columns.values())), measures)


def height_ranks(tree: ClassTree) -> np.ndarray:
    """Return (K, K) float64: the share of pairs of classes whose common ancestor is lower, ties by half; 0 for equals.

    Random mistakes have 0.5 on average, whatever the tree's heights are, so that trees can be compared.
    """
    from scipy.stats import rankdata

    size = len(tree.class_names)
    upper = pair_indices(size)
    heights = tree.heights[tree.lowest_common[upper]]
    ranks = np.zeros((size, size))
    ranks[upper] = (rankdata(heights) - 0.5) / max(len(heights), 1)
    return ranks + ranks.T


def _common_ancestor(predictions: Predictions, tree: ClassTree, items: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return by item, for its most probable class: whether it is wrong, and what the nearest true class makes of it."""
    true, taken = predictions.labels, predictions.top_classes[:, 0]
    common = tree.lowest_common[true, taken]
    # Of several true classes the one whose common ancestor is lowest counts.
    order = np.lexsort((-tree.depths[common], tree.heights[common], items))
    rows = order[np.unique(items[order], return_index=True)[1]]
    true, taken, common = true[rows], taken[rows], common[rows]
    wrong = (true != taken).astype(float)
    ranks = height_ranks(tree)
    return {
        "wrong": wrong,
        "height": wrong * tree.heights[common],
        "rank": ranks[true, taken],
        # The nodes from the class up to the common ancestor, of which that one alone is shared by both.
        "lca precision": 1.0 / (tree.depths[taken] - tree.depths[common] + 1),
        "lca recall": 1.0 / (tree.depths[true] - tree.depths[common] + 1),
    }


def _ancestor_sets(predictions: Predictions, tree: ClassTree, items: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return by item how many nodes are above its true classes, its predicted ones, and both; the root left out."""
    if predictions.weights is None:
        true, taken = predictions.labels, predictions.top_classes[:, 0]
        common = tree.lowest_common[true, taken]
        return {
            "shared": tree.depths[common].astype(float),
            "true": tree.depths[true].astype(float),
            "predicted": tree.depths[taken].astype(float),
        }
    above = [frozenset(tree.ancestors(leaf)[:-1]) for leaf in range(len(tree.class_names))]
    true_sets: list[set[int]] = [set() for _ in range(count)]
    labels, rows = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for row, (item, label) in enumerate(zip(items.tolist(), predictions.labels.tolist(), strict=True)):
        true_sets[item] |= above[label]
        labels[item] += 1
        rows[item] = row
    taken_sets = [
        set().union(*(above[c] for c in predictions.top_classes[row, : labels[item]].tolist()))
        for item, row in enumerate(rows.tolist())
    ]
    both = [len(a & b) for a, b in zip(true_sets, taken_sets, strict=True)]
    return {
        "shared": np.array(both, float),
        "true": np.array([len(one) for one in true_sets], float),
        "predicted": np.array([len(one) for one in taken_sets], float),
    }


def estimates(found: Outcomes, *, seed: int = 0, replicates: int = REPLICATES) -> dict[str, Estimate]:
    """Return each measure with its interval over items.

    "height of mistakes" and "rank of mistakes" are means over the wrong items, NaN where none is wrong.
    """
    sums = _resampled(found.values, seed, replicates)
    return _estimates(_measured(found, sums), _measured(found, found.values.sum(axis=0, keepdims=True)))


def compared(first: Outcomes, second: Outcomes, *, seed: int = 0, replicates: int = REPLICATES) -> dict[str, Estimate]:
    """Return each measure's difference, second minus first, with its interval: both on the same resampled items.

    Raises:
        ConfembError: outcomes of another number of items, or of other measures.
    """
    if first.columns != second.columns or len(first.values) != len(second.values):
        raise ConfembError("two classifiers are compared on the same items in the same order, by the same tree.")
    both = np.concatenate([first.values, second.values], axis=1)
    sums, whole = _resampled(both, seed, replicates), both.sum(axis=0, keepdims=True)
    width = len(first.columns)
    drawn, point = (
        {
            name: values - before
            for (name, values), before in zip(
                _measured(second, part[:, width:]).items(), _measured(first, part[:, :width]).values(), strict=True
            )
        }
        for part in (sums, whole)
    )
    return _estimates(drawn, point)


def _resampled(values: np.ndarray, seed: int, replicates: int) -> np.ndarray:
    """Return (replicates, columns) sums over items drawn with replacement.

    Items whose values are all alike are drawn together, which is the same distribution in far fewer draws.
    """
    different, repeats = np.unique(values, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    total = int(repeats.sum())
    # In blocks: of ImageNet's 50,000 pictures some thousand rows differ.
    sums = [
        generator.multinomial(total, repeats / total, size=min(100, replicates - start)) @ different
        for start in range(0, replicates, 100)
    ]
    return np.concatenate(sums)


def _measured(found: Outcomes, sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return each measure's (replicates,) values from sums of the columns."""
    column = {name: sums[:, i] for i, name in enumerate(found.columns)}
    result = {}
    for name, (above, below) in found.measures.items():
        result[name] = np.divide(column[above], column[below], out=np.full(len(sums), np.nan), where=column[below] != 0)
        for kind in ("hierarchical", "LCA"):
            if name == f"{kind} recall":
                precision, recall = result[f"{kind} precision"], result[name]
                both = precision + recall
                result[f"{kind} F"] = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    return result


def _estimates(drawn: dict[str, np.ndarray], point: dict[str, np.ndarray]) -> dict[str, Estimate]:
    found = {}
    for name, values in drawn.items():
        known = values[~np.isnan(values)]
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else (np.nan, np.nan)
        found[name] = Estimate(float(point[name][0]), float(low), float(high))
    return found


def measures_frame(found: dict[str, Estimate]) -> pd.DataFrame:
    """Return a row for each measure: measure, value, low, high."""
    return pd.DataFrame(
        [{"measure": name, "value": e.value, "low": e.low, "high": e.high} for name, e in found.items()]
    )
