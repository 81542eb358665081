import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.predictions import Predictions, check_class_names, predictions_from_scores, top_k
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "ship")


def make(**changes):
    arguments = {
        "labels": np.array([0, 1]),
        "top_classes": np.array([[0, 1], [2, 1]]),
        "top_probs": np.array([[0.9, 0.1], [0.6, 0.4]]),
        "class_names": NAMES,
    }
    return Predictions(**(arguments | changes))


def test_properties():
    predictions = make(ids=["p", "q"])
    assert (len(predictions), predictions.k, predictions.accuracy) == (2, 2, 0.5)
    assert predictions.labels.dtype == predictions.top_classes.dtype == np.int32
    assert predictions.top_probs.dtype == np.float32


def test_where_takes_rows_of_everything():
    part = make(ids=["p", "q"], splits=["train", "test"]).where(np.array([False, True]))
    assert part.labels.tolist() == [1]
    assert part.top_classes.tolist() == [[2, 1]]
    assert (part.ids.tolist(), part.splits.tolist()) == (["q"], ["test"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": np.array([0, 3])}, r"row 1 has the label 3, but there are only 3 classes \(0 to 2\)"),
        ({"labels": np.array([0, -1])}, "row 1 has the label -1"),
        ({"labels": np.array([0.0, 1.0])}, "must be a whole number"),
        ({"labels": np.array([0])}, "same N"),
        ({"top_classes": np.array([[0, 1], [2, 7]])}, "row 1 has the predicted class 7"),
        ({"top_classes": np.array([[0, 1], [2, 2]])}, r"row 1 predicts the same class twice \(ship, ship\)"),
        ({"top_classes": np.empty((2, 0), int), "top_probs": None}, "at least the most probable"),
        ({"labels": np.empty(0, int), "top_classes": np.empty((0, 2), int), "top_probs": None}, "no predictions"),
        ({"top_probs": np.array([[0.9, 0.1], [np.nan, 0.4]])}, "row 1 has the probability nan at rank 1"),
        ({"top_probs": np.array([[0.9, 0.1], [0.6, np.inf]])}, "row 1 has the probability inf at rank 2"),
        ({"top_probs": np.array([[1.5, 0.1], [0.6, 0.4]])}, "row 0 has the probability 1.5"),
        ({"top_probs": np.array([[0.9], [0.6]])}, "must be alike"),
        ({"class_names": ("cat", "dog", "cat")}, r"'cat' stands twice \(classes 0 and 2\)"),
        ({"class_names": ("cat", "dog", " ")}, "class 2 has the name ' '"),
        ({"class_names": ()}, "no class names"),
        ({"ids": ["p"]}, "2 rows but 1 ids"),
    ],
)
def test_what_does_not_fit_is_named(changes, sentence):
    with pytest.raises(ConfembError, match=sentence):
        make(**changes)


def test_from_scores_known_answer():
    scores = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])
    predictions = predictions_from_scores(scores, np.array([1, 2]), NAMES, k=2)
    assert predictions.top_classes.tolist() == [[1, 2], [0, 2]]
    np.testing.assert_array_equal(predictions.top_probs, np.float32([[0.5, 0.3], [0.4, 0.4]]))


def test_logits_become_their_softmax():
    logits = np.log([[0.2, 0.5, 0.3]]) + 100
    predictions = predictions_from_scores(logits, np.array([1]), NAMES, k=3, logits=True)
    np.testing.assert_allclose(predictions.top_probs, [[0.5, 0.3, 0.2]], rtol=1e-6)


def test_rows_in_blocks_give_the_same(monkeypatch):
    scores = np.random.default_rng(0).dirichlet(np.ones(2100), size=2000).astype(np.float32)
    names = tuple(map(str, range(2100)))
    predictions = predictions_from_scores(scores, np.zeros(2000, int), names, k=2)
    assert scores.size > 2**22 - 1, "the block size of predictions_from_scores"
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    np.testing.assert_array_equal(predictions.top_classes, order)
    np.testing.assert_array_equal(predictions.top_probs, np.take_along_axis(scores, order, axis=1))


@pytest.mark.parametrize(
    ("scores", "k", "sentence"),
    [
        ([[0.5, 0.5]], 1, r"with 3 classes they must be \(N, 3\)"),
        ([[0.5, np.nan, 0.5]], 1, "row 0 has the score nan for class 'dog'"),
        ([[0.5, 0.25, 0.25]], 4, "k = 4 is out of range: there are 3 classes"),
        ([[0.5, 0.25, 0.25]], 0, "k = 0 is out of range"),
    ],
)
def test_scores_that_do_not_fit(scores, k, sentence):
    with pytest.raises(ConfembError, match=sentence):
        predictions_from_scores(np.array(scores), np.array([0]), NAMES, k=k)


@given(st.lists(st.lists(st.integers(-2, 2), min_size=20, max_size=20), min_size=1, max_size=5), st.integers(1, 20))
def test_top_k_is_a_stable_sort(rows, k):
    # Few distinct values, so many ties; k on both sides of the switch between the two ways.
    scores = np.array(rows, float)
    expected = [sorted(range(20), key=lambda c, row=row: (-row[c], c))[:k] for row in rows]
    assert top_k(scores, k).tolist() == expected
    assert scores.tolist() == rows, "the caller's array is left as it was"


@pytest.mark.parametrize("name", ["a\0b", "\x1b[2J", "half \ud800", "a\x7f", "a\x85", "x" * 1_001])
def test_names_that_are_no_text_are_refused(name):
    with pytest.raises(ConfembError, match="which is no text|at most 1,000"):
        check_class_names(["cat", name])


def test_odd_names_that_are_text_are_taken():
    names = ["<script>", "=cmd()", "a\nb\tc", "\u202eevil", "犬", "x" * 1_000, " ", "👩‍🚀"]
    names.remove(" ")
    assert check_class_names(names) == names
