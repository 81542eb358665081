import weakref

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from confemb.classifiers.classification import classify, classify_batches
from confemb.records.classifier import match_labels
from confemb.records.predictions import predictions_from_scores
from confemb.support.errors import ConfembError

NAMES = ("ant", "bee", "cow", "dog", "elk")


class Table:
    """Input i has the scores of row i of a table; every batch it is asked for is noted."""

    def __init__(self, table, class_names=NAMES, *, logits=True):
        self.name = "table"
        self.class_names = class_names
        self.logits = logits
        self.table = np.asarray(table)
        self.batches = []

    def scores(self, batch):
        self.batches.append(list(batch))
        return self.table[np.asarray(batch)]


def table_of(count, classes=5, *, seed=0, values=8):
    # Few different values: nearly every row has equal scores.
    return np.random.default_rng(seed).integers(0, values, (count, classes)).astype(np.float32)


@given(st.integers(1, 40), st.integers(1, 45), st.integers(1, 5), st.integers(0, 2**20))
def test_every_input_comes_out_once_in_order_whatever_the_batches(count, batch_size, k, seed):
    table, labels = table_of(count, seed=seed), np.arange(count) % 5
    classifier = Table(table)
    found = classify(classifier, np.arange(count), labels, NAMES, k=k, batch_size=batch_size)
    assert len(found) == count
    assert [len(batch) for batch in classifier.batches] == [
        min(batch_size, count - start) for start in range(0, count, batch_size)
    ]
    np.testing.assert_array_equal(found.top_classes, np.argsort(-table, axis=1, kind="stable")[:, :k])
    whole = predictions_from_scores(table, labels, NAMES, k=k, logits=True)
    np.testing.assert_array_equal(found.top_probs, whole.top_probs)
    np.testing.assert_array_equal(found.labels, labels)


def test_ids_splits_and_names_are_kept_and_progress_shown():
    seen = []
    found = classify(
        Table(table_of(7)),
        list(range(7)),
        np.arange(7) % 5,
        NAMES,
        k=2,
        batch_size=3,
        ids=np.array([f"picture {i}" for i in range(7)]),
        splits=np.array(["train"] * 4 + ["test"] * 3),
        dataset="farm",
        progress=lambda *now: seen.append(now),
    )
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert (found.dataset, found.classifier, found.class_names) == ("farm", "table", NAMES)
    assert found.ids[6] == "picture 6"
    assert found.splits.tolist() == ["train"] * 4 + ["test"] * 3


@given(st.integers(0, 2**20))
def test_probabilities_and_logits_rank_alike(seed):
    logits = np.random.default_rng(seed).normal(size=(9, 5)) * 3
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.arange(9) % 5
    one = classify(Table(logits), np.arange(9), labels, NAMES, k=5, batch_size=4)
    other = classify(Table(probs, logits=False), np.arange(9), labels, NAMES, k=5, batch_size=4)
    np.testing.assert_array_equal(one.top_classes, other.top_classes)
    np.testing.assert_allclose(one.top_probs, other.top_probs, rtol=1e-6)


def test_logits_far_apart_keep_their_ranks():
    # The softmax of all but the first is zero.
    found = classify(Table([[-4000, 0, -2000, -3000, -1000.0]]), [0], np.array([0]), NAMES, k=5)
    assert found.top_classes.tolist() == [[1, 4, 2, 3, 0]]
    assert found.top_probs.tolist() == [[1, 0, 0, 0, 0]]


def test_all_classes_are_kept_when_asked_for():
    probs = np.random.default_rng(3).dirichlet(np.ones(5), size=11)
    found = classify(Table(probs, logits=False), np.arange(11), np.arange(11) % 5, NAMES, k=5)
    back = np.empty_like(probs)
    np.put_along_axis(back, found.top_classes, found.top_probs.astype(float), axis=1)
    np.testing.assert_allclose(back, probs, rtol=1e-6)


def test_a_datasets_classes_may_be_some_of_the_classifiers():
    names = tuple(f"n{i:04}" for i in range(1000))
    own = names[::-50]  # 20 of them, in another order
    labels = np.arange(60) % 20
    logits = np.zeros((60, 1000), np.float32)
    for row, label in enumerate(labels):
        logits[row, names.index(own[label])] = 2
        logits[row, (row * 7) % 1000] += 1
    found = classify(Table(logits, names), np.arange(60), labels, own, k=3, batch_size=16)
    assert found.class_names == names
    assert [names[i] for i in found.labels] == [own[i] for i in labels]
    assert found.accuracy == 1


def test_labels_are_matched_by_name():
    assert match_labels(np.array([0, 1, 1]), ["elk", "ant"], NAMES).tolist() == [4, 0, 0]
    with pytest.raises(ConfembError, match=r"unknown class 'ants' in the classifier's classes: did you mean 'ant'\?"):
        match_labels(np.array([0]), ["ants", "bee"], NAMES)
    with pytest.raises(ConfembError, match="2 of the dataset's classes are not among the classifier's 5: 'fox', 'gnu'"):
        match_labels(np.array([0]), ["fox", "gnu", "ant"], NAMES)
    with pytest.raises(ConfembError, match="the class name 'ant' stands twice"):
        match_labels(np.array([0]), ["ant", "ant"], NAMES)


def test_sparse_rows_are_inputs():
    dense = table_of(10, seed=2)

    class Rows(Table):
        def scores(self, batch):
            return batch.toarray()

    found = classify(Rows(dense), scipy.sparse.csr_matrix(dense), np.arange(10) % 5, NAMES, k=3, batch_size=4)
    np.testing.assert_array_equal(found.top_classes, np.argsort(-dense, axis=1, kind="stable")[:, :3])


class Batch(list):
    """A list that can be referred to weakly."""


def test_a_stream_is_asked_for_one_batch_at_a_time():
    table, made, scored, left = table_of(10), [], [], []

    class Watching(Table):
        def scores(self, batch):
            scored.append(len(made))
            left.append(sum(reference() is not None for reference in made))
            return self.table[list(batch)]

    def batches():
        for start, stop in ((0, 3), (3, 3), (3, 4), (4, 10)):
            batch = Batch(range(start, stop))
            made.append(weakref.ref(batch))
            yield batch, np.arange(start, stop) % 5
            del batch

    found = classify_batches(Watching(table), batches(), NAMES, k=3, ids=np.array([str(i) for i in range(10)]))
    assert scored == [1, 3, 4], "the empty batch is passed over"
    # The loop's own variables hold on to a batch until the next one is there.
    assert max(left) <= 2
    whole = classify(Table(table), np.arange(10), np.arange(10) % 5, NAMES, k=3)
    np.testing.assert_array_equal(found.top_classes, whole.top_classes)
    np.testing.assert_array_equal(found.top_probs, whole.top_probs)
    np.testing.assert_array_equal(found.labels, whole.labels)
    assert found.ids.tolist() == [str(i) for i in range(10)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"k": 6}, "k = 6 is out of range: there are 5 classes"),
        ({"k": 0}, "k = 0 is out of range"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"labels": np.array([0, 1])}, r"there are 4 inputs but labels of shape \(2,\)"),
        ({"labels": np.array([0, 1, 2, 5])}, "row 3 has the label 5, but there are only 5 classes"),
        ({"labels": np.array([0, 1, 2, 0.5])}, "row 3 has 0.5 in column 'labels', which holds float64"),
        ({"inputs": [], "labels": np.array([])}, "there are no inputs"),
        ({"class_names": ("ant", "bee", "cow", "dog", "eel")}, "unknown class 'eel' in the classifier's classes"),
        ({"ids": np.array(["a"])}, "there are 4 rows but 1 ids"),
        ({"classifier": Table(np.zeros((4, 4)))}, r"'table' gave scores of shape \(3, 4\) for 3 inputs.* \(3, 5\)"),
        ({"classifier": Table(np.zeros((4, 5, 1)))}, r"gave scores of shape \(3, 5, 1\)"),
        ({"classifier": Table(np.full((4, 5), "a"))}, "gave scores of type object; they must be numbers"),
        ({"classifier": Table([[0.0] * 5] * 3 + [[0, 0, np.nan, 0, 0]])}, "not finite for input 3"),
        ({"classifier": Table([[0.0] * 5] * 3 + [[0, 0, -np.inf, 0, 0]])}, "not finite for input 3"),
        (
            {"classifier": Table([[0.2] * 5] * 3 + [[0, 3.5, 0, 0, 0]], logits=False)},
            r"gives 3.5 as a probability for input 3; if its scores are logits, say so \(logits=True\)",
        ),
        ({"classifier": Table([[-0.5] * 5] * 4, logits=False)}, "gives -0.5 as a probability for input 0"),
        ({"classifier": Table(np.zeros((4, 2)), ("a", "a"))}, "the class name 'a' stands twice"),
    ],
)
def test_what_does_not_fit_is_named(changes, sentence):
    given = {"classifier": Table(np.zeros((4, 5))), "inputs": [0, 1, 2, 3], "labels": np.arange(4)}
    given = {**given, "class_names": NAMES, "k": 3, "batch_size": 3, **changes}
    with pytest.raises(ConfembError, match=sentence):
        classify(**given)


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], "there are no inputs"),
        ([([0, 1], np.array([0, 1])), [2]], r"batch 1 is no pair: give \(inputs, labels\)"),
        ([([0, 1], np.array([0]))], r"batch 0 has 2 inputs but labels of shape \(1,\)"),
        ([([0], np.array([0])), ([1], np.array([7]))], "batch 1: row 0 has the label 7"),
    ],
)
def test_streams_that_do_not_fit(batches, sentence):
    with pytest.raises(ConfembError, match=sentence):
        classify_batches(Table(np.zeros((4, 5))), batches, NAMES, k=3)
