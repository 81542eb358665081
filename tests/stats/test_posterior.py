"""Intervals that know an empty cell, on tables whose truth is known."""

import numpy as np
import pytest

from confemb.embedders import embed_runs
from confemb.embedders.counts import Counts, count_similarity
from confemb.records.pairs import PairCounts, pairs_from_confusions
from confemb.records.predictions import Predictions
from confemb.stats.bootstrap import CellResampling, PictureResampling
from confemb.stats.posterior import PosteriorResampling, Tails, prior_shape
from confemb.stats.uncertainty import Effort, measure_uncertainty


def table_of(shares, pictures, generator):
    return np.array([generator.multinomial(pictures, row) for row in shares])


def gamma_shares(classes, shape, mean, generator):
    """Row-stochastic shares whose confusions are gamma-distributed."""
    rates = generator.gamma(shape, mean / shape, size=(classes, classes))
    np.fill_diagonal(rates, 0.0)
    return rates + np.diag(1 - rates.sum(axis=1))


def names(classes):
    return tuple(f"c{i:03}" for i in range(classes))


@pytest.mark.parametrize("shape", [0.05, 0.2, 0.4])
def test_the_prior_is_that_of_the_confusions(shape):
    generator = np.random.default_rng(0)
    table = table_of(gamma_shares(60, shape, 0.002, generator), 1000, generator)
    assert prior_shape(pairs_from_confusions(table, names(60))) == pytest.approx(shape, rel=0.25)


def test_a_class_without_a_mistake_has_half_a_confusion():
    perfect = pairs_from_confusions(100 * np.eye(11, dtype=np.int64), names(11))
    assert prior_shape(perfect) == pytest.approx(0.05)
    # Nearly even confusions would have a large shape: no cell has more than Jeffreys' prior.
    even = np.full((11, 11), 50) + 500 * np.eye(11, dtype=np.int64)
    assert prior_shape(pairs_from_confusions(even, names(11))) == pytest.approx(0.5)
    weighted = PairCounts(names(2), 1, "keep", [0, 1], [0, 1], [0, 0], [10**6, 10**6], 1e-6)
    assert prior_shape(weighted) == 0.0


def test_replicates_have_the_posteriors_mean_and_variance():
    table = np.array([[40, 3, 0], [1, 60, 0], [0, 0, 50]])
    drawn = PosteriorResampling(CellResampling(pairs_from_confusions(table, ("a", "b", "c"))), seed=0)
    cells = np.array([drawn.replicate(b).matrix().toarray() for b in range(3000)])
    wanted = table + drawn.shape * (1 - np.eye(3))
    np.testing.assert_allclose(cells.mean(axis=0), wanted, atol=5 * np.sqrt(wanted.max() / 3000))
    np.testing.assert_allclose(cells.var(axis=0), wanted, rtol=0.15)
    # The same replicate twice is the same, halves are of what was seen alone.
    np.testing.assert_array_equal(drawn.replicate(7).matrix().toarray(), cells[7])
    assert sum(half.total for half in drawn.halves(0)) == table.sum()


def test_what_the_pictures_add_depends_on_their_ids_alone():
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 30)
    top = np.stack([generator.permutation(4)[:2] for _ in labels])
    ids = np.array([f"p{i}" for i in range(len(labels))])
    whole = Predictions(labels, top, None, names(4), ids=ids)
    shuffled = whole.where(generator.permutation(len(labels)))
    first, second = (PosteriorResampling(PictureResampling(one, 2), seed=3).replicate(5) for one in (whole, shuffled))
    np.testing.assert_array_equal(first.cells().toarray(), second.cells().toarray())


def test_tails_are_the_percentiles_of_all_replicates():
    values = np.random.default_rng(2).normal(size=(200, 50)).astype(np.float32)
    values[:, 0] = 1.0
    values[:150, 1] = np.nan
    values[:80, 2] = np.nan
    tails = Tails(50, 200)
    for row in values:
        tails.add(row)
    low, high = tails.bounds()
    wanted = np.nanpercentile(values, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(np.delete(low, 1), np.delete(wanted[0], 1), atol=1e-6)
    np.testing.assert_allclose(np.delete(high, 1), np.delete(wanted[1], 1), atol=1e-6)
    assert np.isnan([low[1], high[1]]).all()


def test_rare_confusions_are_within_their_intervals():
    # 20 classes, 600 pictures each: most of the cells are empty, and a bootstrap's intervals of these have no width.
    held, empty, widths = [], [], []
    for draw in range(2):
        generator = np.random.default_rng(draw)
        shares = gamma_shares(20, 0.15, 0.001, generator)
        counts = pairs_from_confusions(table_of(shares, 600, generator), names(20))
        upper = np.triu_indices(20, k=1)
        truth, seen = ((shares + shares.T) / 2)[upper], count_similarity(counts).values[upper]
        runs = embed_runs(Counts(), counts, [0])
        (interval,) = measure_uncertainty(
            CellResampling(counts, draw), Counts(), runs, Effort(200, 0, 0), seed=0
        ).intervals
        low, high = interval.low[upper], interval.high[upper]
        held.append((low - 1e-6 <= truth) & (truth <= high + 1e-6))
        empty.append(seen == 0)
        widths.append(high - low)
    held, empty, widths = (np.concatenate(one) for one in (held, empty, widths))
    assert 0.9 <= held.mean() <= 0.99
    assert empty.mean() > 0.5
    assert held[empty].mean() >= 0.9
    assert (widths > 0).all()
