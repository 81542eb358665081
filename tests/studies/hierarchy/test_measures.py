import numpy as np
import pytest

from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.records.similarity import SimilarityMatrix
from confemb.studies.hierarchy.backing_off import ALWAYS, answers, judge, set_threshold
from confemb.studies.hierarchy.measures import compared, default_cuts, estimates, height_ranks, outcomes
from confemb.studies.hierarchy.tree import ClassTree, agglomerate, shuffled, star
from confemb.support.errors import ConfembError

SIZE = 12
VECTORS = np.random.default_rng(0).random((SIZE, 5))
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
TREE = agglomerate(SimilarityMatrix(VECTORS @ VECTORS.T, tuple(f"c{i}" for i in range(SIZE))))
# (a, b), (c, d, e) below the root.
SMALL = ClassTree(tuple("abcde"), np.array([5, 5, 6, 6, 6, 7, 7, -1]), np.array([0, 0, 0, 0, 0, 0.2, 0.5, 1.0]))


def drawn(items=500, seed=0, right=0.6):
    generator = np.random.default_rng(seed)
    labels = generator.integers(SIZE, size=items)
    top = np.where(generator.random(items) < right, labels, generator.integers(SIZE, size=items))
    return Predictions(labels, top[:, None], None, TREE.class_names)


def test_by_hand():
    # a right; b for a: common ancestor ab; c for a: the root.
    predictions = Predictions(np.array([0, 0, 0]), np.array([[0], [1], [2]]), None, SMALL.class_names)
    found = estimates(outcomes(predictions, SMALL, numbers=[2, 5]))
    assert found["accuracy@2"].value == pytest.approx(2 / 3)
    assert found["accuracy@5"].value == pytest.approx(1 / 3)
    # Nodes below the root: (a, ab) & (a, ab) = 2, & (b, ab) = 1, & (c, cde) = 0, of 2 each.
    assert found["hierarchical precision"].value == pytest.approx(3 / 6)
    assert found["hierarchical F"].value == pytest.approx(3 / 6)
    # Up to the common ancestor: 1 of 1, 1 of 2 and 1 of 3 nodes are shared.
    assert found["LCA precision"].value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found["height of mistakes"].value == pytest.approx((0.2 + 1.0) / 2)
    # Of ten pairs one is lowest (0.2), three come next (0.5), six are highest (1).
    assert height_ranks(SMALL)[0, :4].tolist() == [0, 0.05, 0.7, 0.7]
    assert found["rank of mistakes"].value == pytest.approx((0.05 + 0.7) / 2)


def test_they_are_hiclass_measures():
    metrics = pytest.importorskip("hiclass.metrics")
    predictions = drawn()
    found = estimates(outcomes(predictions, TREE), replicates=10)

    def path(leaf):
        way = [str(node) for node in TREE.ancestors(leaf)[:-1][::-1]]
        return way + [""] * (SIZE - len(way))

    true = np.array([path(leaf) for leaf in predictions.labels])
    taken = np.array([path(leaf) for leaf in predictions.top_classes[:, 0]])
    assert found["hierarchical precision"].value == pytest.approx(metrics.precision(true, taken))
    assert found["hierarchical recall"].value == pytest.approx(metrics.recall(true, taken))
    assert found["hierarchical F"].value == pytest.approx(metrics.f1(true, taken))


def test_random_mistakes_have_rank_one_half():
    found = estimates(outcomes(drawn(20_000), TREE))["rank of mistakes"]
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.02


def test_intervals_are_those_of_a_share():
    found = estimates(outcomes(drawn(), TREE), replicates=4000)[f"accuracy@{SIZE}"]
    error = np.sqrt(found.value * (1 - found.value) / 500)
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.006)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.006)


def test_two_classifiers_are_compared_on_the_same_items():
    first = outcomes(drawn(), TREE)
    same = compared(first, first)
    assert {(one.value, one.low, one.high) for one in same.values()} == {(0.0, 0.0, 0.0)}
    better = compared(first, outcomes(drawn(right=0.9), TREE))[f"accuracy@{SIZE}"]
    assert 0.2 < better.low < better.value < better.high < 0.4
    with pytest.raises(ConfembError, match="same items"):
        compared(first, outcomes(drawn(400), TREE))


def test_several_classes_an_item():
    scores = np.array([[0.9, 0.8, 0.1, 0.0, 0.0], [0.1, 0.2, 0.9, 0.8, 0.0]])
    labels = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0]])
    predictions = predictions_from_scores(scores, labels, SMALL.class_names, k=3)
    found = estimates(outcomes(predictions, SMALL, numbers=[2, 5]), replicates=10)
    assert found["accuracy@5"].value == 1.0
    # a, b, ab are shared by the first; of a, ab, c, cde and c, d, cde the second shares c and cde.
    assert found["hierarchical precision"].value == pytest.approx((3 + 2) / (3 + 3))
    assert found["hierarchical recall"].value == pytest.approx((3 + 2) / (3 + 4))


def test_cuts_and_unknown_classes():
    assert default_cuts(TREE) == [2, 5, 10, 12]
    with pytest.raises(ConfembError, match="has no class"):
        outcomes(drawn(), SMALL)


PROBS = np.array([[0.4, 0.3, 0.1, 0.1, 0.1], [0.1, 0.1, 0.5, 0.2, 0.1]])


def test_answers_climb_with_the_threshold():
    assert answers(PROBS, SMALL, 0.0).tolist() == [0, 2]
    assert answers(PROBS, SMALL, 0.6).tolist() == [5, 6]
    assert answers(PROBS, SMALL, 0.75).tolist() == [7, 6]
    assert answers(PROBS, SMALL, ALWAYS).tolist() == [7, 7]
    found = judge(PROBS, np.array([1, 0]), SMALL, 0.6)
    assert found.right.tolist() == [True, False]
    assert found.gain.tolist() == pytest.approx([1 - np.log(2) / np.log(5), 1 - np.log(3) / np.log(5)])
    assert found.specificity == pytest.approx(found.gain[0] / 2)


def simulated(seed, items):
    generator = np.random.default_rng(seed)
    scores = 1.5 * generator.normal(size=(items, SIZE))
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    # Overconfident: the truth is softer than what the classifier says.
    truth = probs**0.8 / (probs**0.8).sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) < generator.random((items, 1))).sum(axis=1)
    return probs, np.minimum(labels, SIZE - 1)


@pytest.mark.parametrize("tree", [TREE, star(TREE.class_names), shuffled(TREE, 0)], ids=["learned", "star", "random"])
def test_the_threshold_is_the_smallest_that_keeps_the_promise(tree):
    for seed in range(20):
        probs, labels = simulated(seed, 100)
        threshold = set_threshold(probs, labels, tree, 0.9)
        wrong = (~judge(probs, labels, tree, threshold).right).sum()
        assert wrong + 1 <= 0.1 * 101
        if threshold > 0:
            below = (~judge(probs, labels, tree, np.nextafter(threshold, 0)).right).sum()
            assert below + 1 > 0.1 * 101


@pytest.mark.slow
@pytest.mark.parametrize("promise", [0.8, 0.9, 0.95])
def test_the_promised_accuracy_is_kept(promise):
    found = []
    for seed in range(400):
        probs, labels = simulated(seed, 300)
        threshold = set_threshold(probs[:100], labels[:100], TREE, promise)
        found.append(judge(probs[100:], labels[100:], TREE, threshold).accuracy)
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) > promise - 2 * error
    # Not by far: the bound is within 2 / (n + 1) of the promise.
    assert np.mean(found) < promise + 2 / 101 + 2 * error


def test_promises_that_cannot_be_kept():
    probs, labels = simulated(0, 50)
    with pytest.raises(ConfembError, match="at least 99"):
        set_threshold(probs, labels, TREE, 0.99)
    with pytest.raises(ConfembError, match="between 0 and 1"):
        set_threshold(probs, labels, TREE, 1.0)
    with pytest.raises(ConfembError, match="needs those of all"):
        set_threshold(probs[:, :3], labels, TREE, 0.9)


def test_a_single_class():
    tree = ClassTree(("a",), np.array([-1]), np.array([0.0]))
    assert answers(np.ones((2, 1)), tree, ALWAYS).tolist() == [0, 0]
