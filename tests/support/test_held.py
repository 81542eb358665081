"""Records do not share memory with what they were made from."""

import numpy as np
import pytest

import confemb
from confemb.records.embedding import EmbeddingRuns
from confemb.support.held import held

NAMES = ("a", "b", "c")


def test_a_record_keeps_what_was_checked_when_the_given_arrays_change() -> None:
    given = {
        "labels": np.array([0, 1, 2], np.int32),
        "top_classes": np.array([[0, 1], [1, 2], [2, 0]], np.int32),
        "top_probs": np.array([[0.9, 0.1]] * 3, np.float32),
        "ids": np.array(["x", "y", "z"], object),
        "splits": np.array(["test"] * 3, object),
        "weights": np.array([1.0, 0.5, 1.0]),
    }
    before = {name: array.copy() for name, array in given.items()}
    predictions = confemb.Predictions(class_names=NAMES, **given)
    for array in given.values():
        array[:] = array[::-1].copy() if array.dtype == object else 7
    for name, array in before.items():
        assert np.array_equal(getattr(predictions, name), array), name


def test_pair_counts_and_embeddings_keep_what_was_checked() -> None:
    columns = [np.array(column, np.int32) for column in ([0, 1, 2], [1, 2, 0], [0, 0, 0])]
    counts = np.array([5, 6, 7], np.int64)
    pairs = confemb.PairCounts(NAMES, 1, "keep", *columns, counts)
    vectors = np.eye(3, dtype=np.float32)
    one, runs = confemb.ClassEmbedding(vectors, NAMES), EmbeddingRuns(stacked := vectors[None].copy(), (0,), NAMES)
    matrix = confemb.SimilarityMatrix(values := np.eye(3), NAMES)
    for array in (*columns, counts, vectors, stacked, values):
        array[:] = 0
    assert pairs.total == 18
    assert pairs.true.tolist() == [0, 1, 2]
    assert np.array_equal(one.vectors, np.eye(3))
    assert np.array_equal(runs.vectors[0], np.eye(3))
    assert np.array_equal(one.cosine().values, np.eye(3))
    assert np.array_equal(matrix.values, np.eye(3))


def test_nothing_that_a_record_gives_out_can_be_changed() -> None:
    predictions = confemb.Predictions(np.array([0, 1]), np.array([[0], [1]]), None, NAMES)
    pairs = confemb.count_pairs(predictions, k=1, missing_classes="keep")
    embedding = confemb.ClassEmbedding(np.eye(3), NAMES)
    matrix = embedding.cosine()
    for array in (predictions.labels, predictions.top_classes, pairs.true, pairs.counts, pairs.rank, pairs.predicted):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    for array in (embedding.vectors, embedding.vector("a"), matrix.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_an_array_is_copied_once_and_then_shared_between_records() -> None:
    view = np.arange(6.0).reshape(2, 3)
    view.flags.writeable = False
    own = held(np.arange(6.0))
    # A read-only view of memory that somebody else may write to is copied all the same.
    assert held(view) is not view
    assert not held(view).flags.writeable
    assert held(own) is own
    assert held(own, np.float64) is own
    assert held(own, np.float32).dtype == np.float32
    predictions = confemb.Predictions(np.array([0, 1]), np.array([[0], [1]]), None, NAMES)
    again = confemb.Predictions(predictions.labels, predictions.top_classes, None, NAMES)
    assert again.labels is predictions.labels
    assert again.top_classes is predictions.top_classes
