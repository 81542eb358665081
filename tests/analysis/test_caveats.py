"""What is said before the first number, on results whose truth is known."""

import numpy as np
import pytest

from confemb.analysis.caveats import caveats, confusions, is_unreliable, isolated
from confemb.records.pairs import pairs_from_confusions
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.reliability import Reliability, SplitHalf

NAMES = tuple("abcd")


def counts(cells):
    table = 100 * np.eye(4, dtype=np.int64)
    for (i, j), value in cells.items():
        table[i, j] = value
    return pairs_from_confusions(table, NAMES)


def test_a_result_without_confusions_says_that_it_tells_nothing():
    assert confusions(counts({})) == 0
    (sentence,) = caveats(counts({}), Reliability())
    assert sentence.startswith("No picture is taken for another class")


def test_few_confusions_are_counted():
    (sentence,) = caveats(counts({(0, 1): 1}), Reliability())
    assert sentence.startswith("All similarities rest on 1 confusion among 401 pairs")
    assert "11 confusions" in caveats(counts({(0, 1): 6, (2, 0): 5}), Reliability())[0]
    assert caveats(counts({(0, 1): 6, (2, 0): 6}), Reliability()) == []


@pytest.mark.parametrize(("halves", "begins"), [(0.1, "Unreliable"), (0.4, "Read with care"), (0.6, None)])
def test_the_reliability_decides_what_is_said(halves, begins):
    # Spearman-Brown: 0.18, 0.57, 0.75 for twice the pictures.
    reliability = Reliability(SplitHalf((halves, halves)))
    found = caveats(counts({(0, 1): 50}), reliability)
    assert [text.startswith(begins) for text in found] == ([True] if begins else [])
    assert is_unreliable(reliability) == (begins == "Unreliable")


def test_seeds_that_disagree_and_notes_come_first():
    found = caveats(counts({(0, 1): 50}), Reliability(), rank_agreement=0.2, note="First.")
    assert found[0] == "First."
    assert found[1].startswith("Unreliable: two seeds")
    assert "0.20" in found[1]


def test_isolated_classes_are_equally_far_from_all():
    values = np.eye(4)
    values[0, 1] = values[1, 0] = 0.5
    assert isolated(SimilarityMatrix(values, NAMES)) == ("c", "d")
    assert isolated(SimilarityMatrix(np.eye(4), NAMES)) == NAMES
    assert isolated(SimilarityMatrix(np.eye(2), ("a", "b"))) == ()
    values[2, 3] = values[3, 2] = np.nan
    assert isolated(SimilarityMatrix(values, NAMES)) == ("c", "d")
