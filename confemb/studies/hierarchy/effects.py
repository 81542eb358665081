"""What a similarity is good for, seen on items it was not made from: decisions by cost, merged classes.

Each effect is worked out on one half of the items and judged on the other, with its interval over the items there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from confemb.records.indices import name_index, pair_indices
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.studies.costs import cost_matrix, least_cost_decisions
from confemb.studies.hierarchy.backing_off import mean_estimate
from confemb.studies.hierarchy.find import every_probability
from confemb.studies.hierarchy.measures import Estimate
from confemb.studies.suggestions import Merge, suggest_merges
from confemb.support.errors import ConfembError


@dataclass(frozen=True)
class Effect:
    """A change, judged on held-out items.

    Attributes:
        name: what changed.
        measure: what is measured.
        before, after: its mean.
        difference: after - before, with its interval over items.
    """

    name: str
    measure: str
    before: float
    after: float
    difference: Estimate


def decision_effects(
    held_out: Predictions,
    costs: np.ndarray,
    severities: Mapping[str, np.ndarray],
    *,
    name: str = "least expected cost",
    seed: int = 0,
) -> list[Effect]:
    """Return what deciding by the least expected cost changes: top-1, and how severe a decision is on average.

    Args:
        held_out: with all probabilities, of items that the costs were not made from.
        costs: (K, K), what is decided by, see `cost_matrix`.
        severities: name -> (K, K) severities to judge by, 0 on the diagonal; besides the costs, others that know
            nothing of the classifier.
        name: what the effects are called.
        seed: draws the intervals.
    """
    probs = every_probability(held_out)
    before, after = probs.argmax(axis=1), least_cost_decisions(probs, costs)
    labels = held_out.labels
    found = [_effect(name, "accuracy", (before == labels).astype(float), (after == labels).astype(float), seed)]
    for measure, severity in severities.items():
        found.append(_effect(name, f"severity ({measure})", severity[labels, before], severity[labels, after], seed))
    return found


def cost_effects(
    held_out: Predictions, similarity: SimilarityMatrix, others: Mapping[str, np.ndarray], *, seed: int = 0
) -> list[Effect]:
    """Return `decision_effects` of the costs that a similarity gives; judged by these and by other severities.

    Raises:
        ConfembError: classes in another order, or a similarity that gives no costs.
    """
    if similarity.class_names != held_out.class_names:
        raise ConfembError("the similarity and the predictions are not of the same classes in the same order.")
    costs = cost_matrix(similarity)
    return decision_effects(held_out, costs, {"1 - similarity": costs, **others}, seed=seed)


def _effect(name: str, measure: str, before: np.ndarray, after: np.ndarray, seed: int) -> Effect:
    return Effect(name, measure, float(before.mean()), float(after.mean()), mean_estimate(after - before, seed=seed))


@dataclass(frozen=True)
class MergeEffect:
    """What merging two classes does to the accuracy.

    Attributes:
        merge: the suggestion, made from one half of the items.
        expected: the gain in accuracy that the first half shows: the share of its items taken for the other class.
        seen: the gain on the other half, with its interval over items.
    """

    merge: Merge
    expected: float
    seen: Estimate


@dataclass(frozen=True)
class Merged:
    """What all suggested merges do together, and each by itself.

    Attributes:
        each: one for each suggested merge.
        before, expected, after: accuracy on the held-out half as it is, as the first half lets expect it after all the
            merges, and as it is seen.
        gain: after - before, with its interval over items.
        random: the same gain where as many pairs of classes are merged at random, the mean of many draws.
        classes: how many classes are left.
    """

    each: tuple[MergeEffect, ...]
    before: float
    expected: float
    after: float
    gain: Estimate
    random: float
    classes: int


def merge_effects(first: Predictions, second: Predictions, *, most: int = 10, seed: int = 0) -> Merged:
    """Return what the merges suggested by one half of the items do on the other half.

    Args:
        first, second: predictions of two halves of the items, see `halves`; of the same classes.
        most: at most so many pairs are merged, the surest first: `suggest` lists those with the least information
            between them, whether or not it calls them certain.
        seed: draws the intervals and the random merges.

    Raises:
        ConfembError: other classes.
    """
    names = first.class_names
    if second.class_names != names:
        raise ConfembError("the two halves are not of the same classes in the same order.")
    merges = suggest_merges(first.labels, first.top_classes[:, 0], names, most=most)
    index = name_index(names)
    pairs = [(index[one.class_1], index[one.class_2]) for one in merges]
    each = tuple(
        MergeEffect(one, float(_gain(first, [pair]).mean()), mean_estimate(_gain(second, [pair]), seed=seed))
        for one, pair in zip(merges, pairs, strict=True)
    )
    gain = mean_estimate(_gain(second, pairs), seed=seed)
    generator = np.random.default_rng(seed)
    random = [_gain(second, _random_pairs(len(names), len(pairs), generator)).mean() for _ in range(100)]
    before = float((second.labels == second.top_classes[:, 0]).mean())
    expected = float((first.labels == first.top_classes[:, 0]).mean() + _gain(first, pairs).mean())
    groups = len(set(_groups(len(names), pairs).tolist()))
    return Merged(each, before, expected, before + gain.value, gain, float(np.mean(random)), groups)


def _groups(size: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return (K,) the group of each class when the pairs are merged, chains of pairs becoming one group."""
    group = np.arange(size)
    for i, j in pairs:
        group[group == group[j]] = group[i]
    return group


def _gain(predictions: Predictions, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return (N,) 1 where an item becomes right by the merges, else 0."""
    group = _groups(len(predictions.class_names), pairs)
    labels, taken = predictions.labels, predictions.top_classes[:, 0]
    return ((group[labels] == group[taken]) & (labels != taken)).astype(float)


def _random_pairs(size: int, count: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    cells = generator.choice(size * (size - 1) // 2, size=min(count, size * (size - 1) // 2), replace=False)
    rows, columns = pair_indices(size)
    return list(zip(rows[cells].tolist(), columns[cells].tolist(), strict=True))


def effects_frame(found: Sequence[Effect]) -> pd.DataFrame:
    """Return a row for each effect: what, measure, before, after, difference, low, high."""
    return pd.DataFrame(
        [
            {
                "what": one.name,
                "measure": one.measure,
                "before": one.before,
                "after": one.after,
                "difference": one.difference.value,
                "low": one.difference.low,
                "high": one.difference.high,
            }
            for one in found
        ]
    )


def merges_frame(found: Merged) -> pd.DataFrame:
    """Return a row for each merge: classes, whether it is certain, expected and seen gain with its interval."""
    return pd.DataFrame(
        [
            {
                "class_1": one.merge.class_1,
                "class_2": one.merge.class_2,
                "suggested": "yes" if one.merge.suggested else "no",
                "expected_gain": one.expected,
                "seen_gain": one.seen.value,
                "low": one.seen.low,
                "high": one.seen.high,
            }
            for one in found.each
        ]
    )
