"""Finding the hierarchy of one classifier, and measuring it on items that it was not found from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from confemb.embedders import Embedder, embed_runs
from confemb.records.embedding import EmbeddingRuns
from confemb.records.options import PairOptions
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.bootstrap import Resampling, picture_hashes, replicate_cosines, runs_of
from confemb.stats.seeds import summarise_runs
from confemb.studies.hierarchy.backing_off import (
    BackingOff,
    judge,
    mean_estimate,
    set_threshold,
    specificity_difference,
)
from confemb.studies.hierarchy.measures import Estimate, Outcomes, default_cuts, estimates, outcomes
from confemb.studies.hierarchy.naming import name_nodes
from confemb.studies.hierarchy.support import count_clades
from confemb.studies.hierarchy.tree import METHOD, ClassTree, Method, agglomerate, shuffled, star
from confemb.studies.hierarchy.wordnet import hypernym_paths, wordnet_tree
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps

# Seeds whose median similarities stand for a seeded embedder where halves are embedded.
SEEDS = 5
LEARNED, WORDNET, RANDOM, PLAIN = "learned tree", "WordNet", "random tree", "plain rejection"


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The tree of a similarity, and how sure it is.

    Attributes:
        tree: by agglomeration, its nodes named, with their support where there are replicates.
        consensus: what most replicates agree on, named alike; None without replicates.
        similarity: what the tree was made from.
        method: how.
        replicates: how many trees of replicates the support rests on.
    """

    tree: ClassTree
    consensus: ClassTree | None
    similarity: SimilarityMatrix
    method: Method = METHOD
    replicates: int = 0


def find_hierarchy(
    similarity: SimilarityMatrix,
    resampling: Resampling | None = None,
    embedder: Embedder | None = None,
    *,
    replicates: int = 200,
    method: Method = METHOD,
    seed: int = 0,
    progress: Steps | None = None,
) -> Hierarchy:
    """Return the tree of a similarity, with the support of its nodes by bootstrap replicates of the items.

    Args:
        similarity: of every two classes; where they come from several seeds, their median.
        resampling: draws the items again; None: the support is not known.
        embedder: what made the similarity from counts, and makes those of the replicates.
        replicates: how many; an embedder that depends on its seed runs twice on each, a tree for each run.
        method: of agglomeration, see `agglomerate`.
        seed: draws the replicates' seeds, and the order of classes that are equally similar.
        progress: called with (replicates done, replicates in all).

    Raises:
        ConfembError: fewer than two classes, similarities that are not known, or no replicate that can be embedded.
    """
    paths = known_paths(similarity.class_names)
    tree = agglomerate(similarity, method)
    consensus, trees = None, 0
    if resampling is not None and embedder is not None and replicates > 0 and len(similarity.class_names) > 2:
        drawn = replicate_cosines(
            resampling, embedder, similarity.class_names, replicates=replicates, seed=seed, progress=progress
        )
        counts = count_clades(drawn, similarity.class_names, method=method, seed=seed)
        tree, consensus, trees = counts.supported(tree), None, counts.trees
        if counts.whole:
            consensus = name_nodes(counts.consensus(), similarity, paths)
    return Hierarchy(name_nodes(tree, similarity, paths), consensus, similarity, method, trees)


def known_paths(class_names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return WordNet's nouns above the classes; none where WordNet is not installed."""
    try:
        return hypernym_paths(class_names)
    except ConfembError:
        return {}


def halves(predictions: Predictions, seed: int) -> tuple[Predictions, Predictions]:
    """Return the predictions of two random halves of the items of each class; rows of one item stay together."""
    hashes = picture_hashes(predictions)
    items, of_row = np.unique(hashes, return_inverse=True)
    label = np.full(len(items), np.iinfo(np.int32).max)
    np.minimum.at(label, of_row, predictions.labels)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(items)), label))
    side = np.empty(len(items), bool)
    side[order] = np.arange(len(items)) % 2 == 0
    return predictions.where(side[of_row]), predictions.where(~side[of_row])


def similarity_of(predictions: Predictions, embedder: Embedder, pairs: PairOptions, seed: int = 0) -> SimilarityMatrix:
    """Return the similarities that an embedder makes of predictions: the median of a few seeds where it has seeds."""
    options = pairs.model_dump() | {"missing_classes": "error", "k": min(pairs.k, predictions.k)}
    counts = count_pairs(predictions, **options)
    seeds = range(seed, seed + (1 if runs_of(embedder) == 1 else SEEDS))
    runs: EmbeddingRuns = embed_runs(embedder, counts, seeds)
    return summarise_runs(runs).similarity


@dataclass(frozen=True, eq=False)
class Judged:
    """A classifier's mistakes by several trees, on items that none of the trees was made from.

    Attributes:
        trees: name -> tree; the first one was found from the other half of the items.
        outcomes: name -> what the measures rest on.
        measures: name -> measure -> estimate.
        backed_off: (promised accuracy, tree) -> how the threshold set on the other half turned out; empty where not
            all probabilities are known, or an item has several classes.
        items: how many were judged.
    """

    trees: Mapping[str, ClassTree]
    outcomes: Mapping[str, Outcomes]
    measures: Mapping[str, Mapping[str, Estimate]]
    backed_off: Mapping[tuple[float, str], BackingOff] = field(default_factory=dict)
    items: int = 0

    def gain(self, promise: float, name: str, *, over: str = PLAIN, seed: int = 0) -> Estimate:
        """Return by how much a tree's specificity exceeds another's at the same promise, with its interval."""
        return specificity_difference(self.backed_off[promise, over], self.backed_off[promise, name], seed=seed)


def judge_trees(
    predictions: Predictions,
    embedder: Embedder,
    pairs: PairOptions,
    *,
    given: Mapping[str, ClassTree] | None = None,
    method: Method = METHOD,
    promises: Sequence[float] = (0.9, 0.95, 0.99),
    seed: int = 0,
) -> Judged:
    """Find a tree from one half of the items, and judge it on the other, beside WordNet's, a random one and given ones.

    Args:
        predictions: of items that the classifier has not learned from.
        embedder, pairs: what makes similarities from the first half.
        given: name -> further trees of all the classes.
        method: of agglomeration.
        promises: accuracies to back off for; those that the first half is too small for are left out.
        seed: draws the halves, the random tree and the intervals.

    Raises:
        ConfembError: a class without items in a half.
    """
    first, second = halves(predictions, seed)
    similarity = similarity_of(first, embedder, pairs, seed)
    learned = agglomerate(similarity, method)
    names = similarity.class_names
    trees = {LEARNED: learned}
    if set(paths := known_paths(names)) == set(names):
        trees[WORDNET] = wordnet_tree(names, paths)
    trees |= {name: tree.restricted_to(names) for name, tree in (given or {}).items()}
    trees[RANDOM] = shuffled(learned, seed)
    numbers = default_cuts(learned)
    found = {name: outcomes(second, tree, numbers=numbers) for name, tree in trees.items()}
    measures = {name: estimates(one, seed=seed) for name, one in found.items()}
    backed_off = {}
    if all_known(predictions):
        trees_and_none = {**trees, PLAIN: star(names)}
        for promise in promises:
            if (1 - promise) * (len(first) + 1) >= 1:
                for name, tree in trees_and_none.items():
                    threshold = set_threshold(every_probability(first), first.labels, tree, promise)
                    backed_off[promise, name] = judge(every_probability(second), second.labels, tree, threshold)
    return Judged(trees, found, measures, backed_off, len(second))


def all_known(predictions: Predictions) -> bool:
    """Tell whether the probabilities of all classes are there, and each item has one class."""
    return (
        predictions.top_probs is not None
        and predictions.weights is None
        and predictions.k == len(predictions.class_names)
    )


def every_probability(predictions: Predictions) -> np.ndarray:
    """Return (N, K) float64 probabilities by class, of predictions that keep all classes."""
    assert predictions.top_probs is not None
    probs = np.zeros((len(predictions), len(predictions.class_names)))
    np.put_along_axis(probs, predictions.top_classes.astype(np.int64), predictions.top_probs.astype(np.float64), axis=1)
    return probs


def accuracy_estimate(found: BackingOff, seed: int = 0) -> Estimate:
    """Return the accuracy of backing off with its interval over items."""
    return mean_estimate(found.right.astype(float), seed=seed)
