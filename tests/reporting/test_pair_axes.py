"""Axes with a line for each pair of classes."""

import numpy as np
import pytest

from confemb.reporting.pair_axes import MOST_PAIRS, pair_axes, pair_label, widest_pairs


def test_the_widest_pairs_are_kept_in_the_order_of_their_values():
    generator = np.random.default_rng(0)
    middle, width = generator.normal(size=100), generator.random(100)
    shown = widest_pairs(middle, width)
    assert len(shown) == MOST_PAIRS
    assert width[shown].min() >= np.delete(width, shown).max()
    assert (np.diff(middle[shown]) >= 0).all()


def test_each_pair_has_a_line_with_its_name():
    labels = [pair_label("cat", "dog"), pair_label("a" * 30, "b", longest=5)]
    figure, axes, height = pair_axes(labels, line=0.5, label="share")
    assert labels == ["cat – dog", "aaaa… – b"]
    assert [text.get_text() for text in axes.get_yticklabels()] == labels
    assert height.tolist() == axes.get_yticks().tolist() == [0, 1]
    assert axes.get_xlabel() == "share"
    assert figure.get_figheight() == pytest.approx(2.1)
