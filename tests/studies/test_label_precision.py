"""What suggestions are worth: labels exchanged on purpose, and classifiers that are mostly wrong."""

from pathlib import Path

import numpy as np
import pytest

from confemb.records.predictions import predictions_from_scores
from confemb.studies.label_precision import planted_precision, too_poor
from confemb.studies.suggestions_report import find_suggestions, suggestions_study

SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def drawn(accuracy, pictures=2000, classes=10):
    """Return predictions whose most probable class is right with a given chance, else another at random."""
    generator = np.random.default_rng(0)
    labels = np.arange(pictures) % classes
    other = (labels + generator.integers(1, classes, size=pictures)) % classes
    top = np.where(generator.random(pictures) < accuracy, labels, other)
    scores = generator.random((pictures, classes)) + 6.0 * np.eye(classes)[top] * generator.random((pictures, 1))
    return predictions_from_scores(scores / scores.sum(axis=1, keepdims=True), labels, NAMES[:classes], k=classes)


def suggestions(predictions):
    return find_suggestions(predictions, title="t", most=20, seed=0, learned=False, pictures=None, manifest={})


def test_on_cifar10_three_quarters_of_the_first_200_are_the_exchanged_labels():
    probs, top1 = SHARED / "cifar10_test_probs_label_errors.npy", SHARED / "cifar10_test_top1.npz"
    if not (probs.is_file() and top1.is_file()):
        pytest.skip("the shared data is not here")
    labels = np.load(top1)["labels"].astype(int)
    found = planted_precision(predictions_from_scores(np.load(probs), labels, NAMES, k=10), seed=0)
    by_rate = {one.rate: one for one in found}
    assert by_rate[0.02].planted == 200
    assert by_rate[0.02].first_precision == pytest.approx(0.75, abs=0.06)
    assert by_rate[0.001].precision < 0.06
    assert [one.precision for one in found] == sorted(one.precision for one in found)


def test_a_perfect_classifier_finds_exactly_the_exchanged_labels():
    labels = np.arange(1000) % 4
    probs = np.full((1000, 4), 0.01) + 0.96 * np.eye(4)[labels]
    (one,) = planted_precision(predictions_from_scores(probs, labels, tuple("abcd"), k=4), rates=(0.0, 0.02))
    assert (one.planted, one.flagged, one.precision, one.recall) == (20, 20, 1.0, 1.0)


def test_a_poor_classifier_suggests_nothing():
    poor = suggestions(drawn(0.26))
    assert "25% of the pictures" in poor.poor
    assert isinstance(poor.relabels, str)
    report = suggestions_study(poor)
    assert report.findings[0].startswith("Merge: nothing is suggested")
    assert not report.data["merge.csv"]["suggested"].any()
    assert "label_again.csv" not in report.data


def test_a_good_one_says_what_to_expect():
    assert too_poor(drawn(0.9)) == ""
    report = suggestions_study(suggestions(drawn(0.9)))
    assert any("Expect that most of these labels are right" in text for text in report.findings)
