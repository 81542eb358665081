"""The study of coverage: its laws are those it says, and a cell of its table is measured."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def coverage(load_script):
    return load_script("coverage")


def test_a_law_takes_as_many_pictures_for_another_class_as_it_says(coverage):
    for rarity, (error, _) in coverage.RARITIES.items():
        law = coverage.draw_law(8, rarity, np.random.default_rng(0))
        np.testing.assert_allclose(law.sum(axis=1), 1.0)
        np.testing.assert_allclose(np.diag(law), 1 - error)


def test_the_shares_of_three_ranks_are_those_of_the_pictures(coverage):
    law = coverage.draw_law(5, "frequent", np.random.default_rng(1))
    pictures, draws = 20_000, np.zeros((5, 5))
    drawn = coverage.draw_pictures(law, pictures, 3, np.random.default_rng(2))
    for rank in range(3):
        np.add.at(draws, (drawn.labels, drawn.top_classes[:, rank]), 1)
    wanted = coverage.rank_shares(law, 3)
    np.testing.assert_allclose(wanted.sum(axis=1), 3.0)
    # Four standard errors.
    np.testing.assert_allclose(draws / pictures, wanted, atol=4 * 0.5 / np.sqrt(pictures))


def test_a_cell_of_the_table(coverage):
    row = coverage.measure(coverage.Cell("counts", 6, 1, 100, "frequent", 3))
    assert row["intervals"] == 45
    assert row["coverage"] >= 0.8
    assert row["width"] > 0
    assert row["no_result"] == 0


def test_the_report_says_what_is_outside(coverage):
    rows = [
        coverage.measure(coverage.Cell("counts", 4, 1, 50, rarity, 2)) | {"coverage": value}
        for rarity, value in (("frequent", 0.95), ("rare", 0.5))
    ]
    study = coverage.study(pd.DataFrame(rows))
    assert "in 1 of 2 cells" in study.findings[0]
    assert "least: 50.0% (counts, 4 classes, 1 ranks, 50 pictures a class, rare confusions)" in study.findings[0]
