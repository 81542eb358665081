"""Ranks that say nothing are left out, and only those."""

import numpy as np
import pytest

from confemb.records.pairs import count_pairs, pairs_from_confusions
from confemb.records.predictions import predictions_from_scores
from confemb.records.ranks import informative_ranks


def predictions(classes, pictures=40, *, k=None):
    generator = np.random.default_rng(0)
    labels = np.arange(pictures * classes) % classes
    scores = generator.random((len(labels), classes)) + 0.5 * np.eye(classes)[labels]
    scores /= scores.sum(axis=1, keepdims=True)
    return predictions_from_scores(scores, labels, tuple("abcdefghij"[:classes]), k=k or classes)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("self_pairs", ["keep", "drop"])
def test_all_ranks_together_are_cut_to_those_that_tell(classes, self_pairs):
    whole = count_pairs(predictions(classes), k=classes, self_pairs=self_pairs)
    kept, note = informative_ranks(whole)
    assert kept.k == classes - 1
    np.testing.assert_array_equal(
        kept.matrix().toarray(),
        count_pairs(predictions(classes), k=classes - 1, self_pairs=self_pairs).matrix().toarray(),
    )
    assert f"k = {classes} and {classes} classes" in note
    assert f"(k = {classes - 1})" in note


def test_what_tells_something_stays():
    fewer = count_pairs(predictions(5), k=4)
    weighted = count_pairs(predictions(3), k=3, weighting="probability")
    confusions = pairs_from_confusions(np.array([[9, 1], [2, 8]]), ("a", "b"))
    for counts in (fewer, weighted, confusions):
        kept, note = informative_ranks(counts)
        assert kept is counts
        assert note == ""


def test_k_as_large_as_the_classes_that_are_left_may_tell_something():
    # Three of six classes have pictures: three ranks then name other classes as well.
    labels = np.arange(60) % 3
    scores = np.random.default_rng(1).random((60, 6))
    scores /= scores.sum(axis=1, keepdims=True)
    counts = count_pairs(predictions_from_scores(scores, labels, tuple("abcdef"), k=3), k=3, missing_classes="drop")
    kept, note = informative_ranks(counts)
    assert counts.class_names == ("a", "b", "c")
    assert kept is counts
    assert note == ""
