"""Axes with a line for each pair of classes."""

import numpy as np
import pytest

from confemb.reporting.pair_axes import MOST_PAIRS, pair_axes, pair_labels, widest_pairs


def test_the_widest_pairs_are_kept_in_the_order_of_their_values():
    generator = np.random.default_rng(0)
    middle, width = generator.normal(size=100), generator.random(100)
    shown = widest_pairs(middle, width)
    assert len(shown) == MOST_PAIRS
    assert width[shown].min() >= np.delete(width, shown).max()
    assert (np.diff(middle[shown]) >= 0).all()


def test_pairs_that_differ_are_told_apart():
    politics = ["talk.politics.misc", "talk.politics.mideast", "talk.politics.guns"]
    labels = pair_labels([("rec.autos", name) for name in politics])
    assert labels == [
        "rec.autos – talk.po…ics.misc",
        "rec.autos – talk.po….mideast",
        "rec.autos – talk.politics.g…",
    ]
    # Alike at both ends: only the whole names tell them apart.
    long = ["a" * 20 + middle + "b" * 20 for middle in "xy"]
    assert pair_labels([(long[0], long[1])]) == [" – ".join(long)]


def test_each_pair_has_a_line_with_its_name():
    labels = [*pair_labels([("cat", "dog")]), *pair_labels([("a" * 30, "b")], longest=5)]
    figure, axes, height = pair_axes(labels, line=0.5, label="share")
    assert labels == ["cat – dog", "aaaa… – b"]
    assert [text.get_text() for text in axes.get_yticklabels()] == labels
    assert height.tolist() == axes.get_yticks().tolist() == [0, 1]
    assert axes.get_xlabel() == "share"
    assert figure.get_figheight() == pytest.approx(2.1)
