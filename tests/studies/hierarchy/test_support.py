from itertools import combinations

import numpy as np
import pytest

from confemb.embedders.counts import Counts, count_similarity
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.bootstrap import CellResampling, PictureResampling, replicate_cosines
from confemb.studies.hierarchy.support import count_clades
from confemb.studies.hierarchy.tree import agglomerate, from_linkage, linkage_of
from confemb.support.errors import ConfembError

NAMES = tuple("abcdef")
UPPER = np.triu_indices(6, k=1)


def draws(count, noise, seed=0):
    """Return (count, P) noisy similarities of two groups of three, one pair in each nearer."""
    values = np.eye(6)
    for group in ((0, 1, 2), (3, 4, 5)):
        for i, j in combinations(group, 2):
            values[i, j] = values[j, i] = 0.5
    values[0, 1] = values[1, 0] = values[3, 4] = values[4, 3] = 0.6
    generator = np.random.default_rng(seed)
    pairs = values[UPPER]
    return values, pairs + noise * generator.standard_normal((count, len(pairs)))


def clades(tree):
    return {frozenset(np.flatnonzero(tree.members[node]).tolist()) for node in tree.inner}


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_support_is_the_share_of_trees_that_have_the_node(noise):
    values, pairs = draws(50, noise)
    tree = agglomerate(SimilarityMatrix(values, NAMES))
    counts = count_clades(pairs[:, None], NAMES)
    every = [clades(from_linkage(linkage_of(np.maximum(1 - one, 0), "average"), NAMES)) for one in pairs]
    found = counts.supported(tree)
    for node in tree.inner:
        members = frozenset(np.flatnonzero(tree.members[node]).tolist())
        assert found.support[node] == pytest.approx(np.mean([members in one for one in every]))
    majority = {one for one in set().union(*every) if sum(one in other for other in every) > 25}
    consensus = counts.consensus()
    assert clades(consensus) == majority
    assert np.isfinite(consensus.support[6:]).all()
    assert (consensus.support[6:] > 0.5).all()


def test_without_noise_the_consensus_is_the_tree():
    values, pairs = draws(5, 0.0)
    pairs = pairs + 0.001 * np.random.default_rng(1).standard_normal(pairs.shape)
    consensus = count_clades(pairs, NAMES).consensus()
    assert clades(consensus) == clades(agglomerate(SimilarityMatrix(values, NAMES)))
    assert consensus.heights[consensus.root] == pytest.approx(1.0, abs=0.01)


def test_equal_similarities_have_no_sure_node():
    # Every pair is alike: which two merge first is the order's doing alone.
    counts = count_clades([np.full((1, 15), 0.3)] * 200, NAMES)
    tree = counts.supported(agglomerate(SimilarityMatrix(np.full((6, 6), 0.3) + 0.7 * np.eye(6), NAMES)))
    assert tree.support[6:-1].max() < 0.5
    assert tree.support[-1] == 1.0


def test_a_replicate_without_a_class_speaks_of_the_others():
    values, pairs = draws(4, 0.0)
    square = np.full((6, 6), np.nan)
    square[UPPER] = pairs[0]
    square[2, :] = square[:, 2] = np.nan
    lacking = square[UPPER]
    tree = agglomerate(SimilarityMatrix(values, NAMES))
    counts = count_clades([pairs[0], lacking], NAMES)
    support = counts.supported(tree).support[6:]
    assert support.tolist() == [1.0] * len(support)
    assert counts.whole == 1
    with pytest.raises(ConfembError, match="no replicate has all"):
        count_clades([lacking], NAMES).consensus()


def test_refusals():
    values, pairs = draws(2, 0.0)
    with pytest.raises(ConfembError, match="pairs of 6 classes"):
        count_clades([pairs[0][:-1]], NAMES)
    with pytest.raises(ConfembError, match="no replicate could"):
        count_clades([], NAMES).supported(agglomerate(SimilarityMatrix(values, NAMES)))
    with pytest.raises(ConfembError, match="threshold"):
        count_clades(pairs, NAMES).consensus(0.3)


def test_the_same_seed_gives_the_same():
    _, pairs = draws(20, 0.3)
    first, second = (count_clades(pairs, NAMES, seed=3).consensus() for _ in range(2))
    np.testing.assert_array_equal(first.parents, second.parents)
    np.testing.assert_array_equal(first.heights, second.heights)


def simulated(generator, size, items, similarity):
    """Return labels and predictions of a classifier whose confusions follow a tree's similarities."""
    labels = np.repeat(np.arange(size), items)
    chance = np.where(np.eye(size, dtype=bool), 0.0, similarity**6)
    chance = 0.5 * np.eye(size) + 0.5 * chance / chance.sum(axis=1, keepdims=True)
    return labels, np.array([generator.choice(size, p=chance[label]) for label in labels])


@pytest.mark.slow
def test_support_is_calibrated():
    """Nodes that nearly all replicates have are nearly always true; those that few have are not."""
    size, sure, unsure = 10, [], []
    names = tuple(f"c{i}" for i in range(size))
    for number in range(40):
        generator = np.random.default_rng(number)
        heights = np.sort(generator.random(size - 1)) * 0.8 + 0.1
        # A random tree: two random groups join at each height.
        groups, values = [[i] for i in range(size)], np.eye(size)
        truth = set()
        for height in heights:
            first, second = sorted(generator.choice(len(groups), 2, replace=False).tolist())
            values[np.ix_(groups[first], groups[second])] = values[np.ix_(groups[second], groups[first])] = 1 - height
            groups[first] = groups[first] + groups.pop(second)
            truth.add(frozenset(groups[first]))
        labels, taken = simulated(generator, size, 150, values)
        predictions = Predictions(labels, taken[:, None], None, names)
        tree = agglomerate(count_similarity(count_pairs(predictions, k=1)))
        drawn = replicate_cosines(PictureResampling(predictions, 1), Counts(), names, replicates=60, seed=0)
        tree = count_clades(drawn, names).supported(tree)
        for node in tree.inner:
            if node != tree.root:
                true = frozenset(np.flatnonzero(tree.members[node]).tolist()) in truth
                (sure if tree.support[node] >= 0.95 else unsure).append((true, tree.support[node]))
    assert len(sure) > 30
    assert np.mean([true for true, _ in sure]) >= 0.93
    # Below, support and truth rise together (Felsenstein's support is known to be cautious: truth is the higher).
    low = [true for true, support in unsure if support < 0.5]
    high = [true for true, support in unsure if support >= 0.5]
    assert np.mean(low) < np.mean(high) < np.mean([true for true, _ in sure])


def test_cells_of_a_confusion_matrix_can_be_drawn():
    labels, taken = np.repeat(np.arange(4), 50), np.tile([0, 1, 2, 3, 0, 1, 2, 3, 1, 0], 20)
    counts = count_pairs(Predictions(labels, taken[:, None], None, tuple("abcd")), k=1)
    found = count_clades(
        replicate_cosines(CellResampling(counts), Counts(), tuple("abcd"), replicates=5, seed=0), "abcd"
    )
    assert found.trees == 5
