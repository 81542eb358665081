import numpy as np
import pytest
from scipy import stats

from confemb.embedders.balanced import Balanced
from confemb.embedders.counts import Counts, count_similarity
from confemb.records.embedding import EmbeddingRuns
from confemb.records.predictions import Predictions
from confemb.stats.bootstrap import PictureResampling
from confemb.stats.reliability import (
    DimensionChoice,
    SplitHalf,
    chance_jaccard,
    choose_dimension,
    mean_jaccard,
    neighbour_overlap,
    neighbours_shown,
    seed_overlap,
    split_half,
    top_neighbours,
)


def drawn_predictions(confusions, each, seed=0):
    """Top-1 predictions of `each` pictures of every class, drawn from rows of probabilities."""
    generator = np.random.default_rng(seed)
    size = len(confusions)
    top = np.concatenate([generator.choice(size, each, p=row) for row in confusions])[:, None]
    return Predictions(np.repeat(np.arange(size), each), top, None, tuple(f"c{i}" for i in range(size)))


def confusion_rows(size, least, most, seed=0):
    generator = np.random.default_rng(seed)
    rows = generator.uniform(least, most, size=(size, size))
    rows = (rows + rows.T) / 2
    np.fill_diagonal(rows, 0)
    np.fill_diagonal(rows, 1 - rows.sum(axis=1))
    return rows


def test_split_halves_by_hand():
    predictions = drawn_predictions(confusion_rows(6, 0.0, 0.15), 60)
    resampling = PictureResampling(predictions, 1)
    names, upper = predictions.class_names, np.triu_indices(6, k=1)
    found = split_half(resampling, Counts(), names, splits=3, seed=0)
    wanted = []
    for number in range(3):
        first, second = (Counts().embed(half, seed=0).cosine().values[upper] for half in resampling.halves(number))
        wanted.append(stats.spearmanr(np.round(first, 6), np.round(second, 6)).statistic)
    np.testing.assert_allclose(found.spearman, wanted, atol=1e-6)
    assert found.mean == pytest.approx(np.mean(wanted))
    assert found.corrected == pytest.approx(2 * found.mean / (1 + found.mean))


class PlainCounts:
    """Vectors whose cosines order the pairs as the plain counts do."""

    deterministic = True

    def embed(self, counts, *, seed):
        values = count_similarity(counts).values
        return _vectors(values, counts.class_names)


def _vectors(values, names):
    from confemb.records.embedding import ClassEmbedding

    # Positive definite with equal diagonals, so that the cosines are 0.05 times the similarities.
    matrix = 0.05 * values
    np.fill_diagonal(matrix, 1)
    return ClassEmbedding(np.linalg.cholesky(matrix).astype(np.float32), names)


def test_reliability_is_the_share_of_the_true_variance():
    # Similarities with known true values and binomial noise: classical test theory says what halves and whole reach.
    rows = confusion_rows(24, 0.005, 0.04, seed=3)
    each = 400
    upper = np.triu_indices(24, k=1)
    true = rows[upper]
    noise = (rows * (1 - rows) / each)[upper] / 2
    predictions = drawn_predictions(rows, each, seed=4)
    found = split_half(PictureResampling(predictions, 1), PlainCounts(), predictions.class_names, splits=6, seed=0)
    assert found.mean == pytest.approx(true.var() / (true.var() + 2 * noise.mean()), abs=0.06)
    assert found.corrected == pytest.approx(true.var() / (true.var() + noise.mean()), abs=0.05)


def test_halves_of_nothing_but_chance_agree_by_chance_only():
    rows = np.full((20, 20), 0.02) + 0.6 * np.eye(20)
    predictions = drawn_predictions(rows, 100)
    found = split_half(PictureResampling(predictions, 1), PlainCounts(), predictions.class_names, splits=10, seed=0)
    # The halves of one set of pictures are drawn without replacement; 190 pairs, 10 splits.
    assert abs(found.mean) < 0.1
    assert SplitHalf((-0.2,)).corrected == -0.2


def test_too_few_classes_or_pictures_have_no_halves():
    two = drawn_predictions(np.full((2, 2), 0.5), 20)
    assert split_half(PictureResampling(two, 1), Counts(), two.class_names, splits=2, seed=0) is None
    alone = Predictions([0, 1, 2], [[0], [1], [2]], None, ("a", "b", "c"))
    assert split_half(PictureResampling(alone, 1), Counts(), alone.class_names, splits=2, seed=0) is None


def test_nearest_neighbours():
    pairs = np.array([0.9, 0.1, np.nan, 0.2, 0.3, 0.8])  # ab ac ad bc bd cd
    lists = top_neighbours(pairs, 4, 2)
    assert [set(row) for row in lists.tolist()] == [{1, 2}, {0, 3}, {3, 1}, {2, 1}]
    assert mean_jaccard(lists, lists) == 1
    other = np.array([[2, 3], [0, 3], [0, 1], [0, 1]])
    assert mean_jaccard(lists, other) == pytest.approx((1 / 3 + 1 + 1 / 3 + 1 / 3) / 4)
    assert [neighbours_shown(classes) for classes in (2, 3, 4, 10, 31, 1000)] == [1, 1, 1, 3, 10, 10]


def test_chance_overlap_is_what_random_lists_have():
    generator = np.random.default_rng(0)
    draws = [np.stack([generator.permutation(12)[:4] for _ in range(3000)]) for _ in range(2)]
    assert chance_jaccard(13, 4) == pytest.approx(mean_jaccard(*draws), abs=0.01)
    assert chance_jaccard(2, 1) == 1
    assert neighbour_overlap(draws, 13, "pictures").jaccard == mean_jaccard(*draws)


def test_runs_that_agree_share_every_neighbour():
    vectors = np.random.default_rng(0).normal(size=(1, 12, 4)).astype(np.float32)
    names = tuple("abcdefghijkl")
    same = seed_overlap(EmbeddingRuns(np.repeat(vectors, 3, axis=0), (0, 1, 2), names))
    assert (same.source, same.top, same.jaccard, same.comparisons) == ("seeds", 3, 1.0, 3)
    assert seed_overlap(EmbeddingRuns(vectors, (0,), names)) is None
    lists = [np.array([[1], [0], [0]])] * 25
    assert neighbour_overlap(lists, 3, "pictures").comparisons == 24


def test_the_suggested_dimension_is_the_smallest_within_one_standard_error():
    choice = DimensionChoice((2, 3, 5, 9), (0.5, 0.79, 0.8, 0.7), (0.3, 0.001, 0.02, 0.5), 0.9, 5)
    assert (choice.best, choice.suggested) == (5, 3)
    assert DimensionChoice((2, 3), (0.8, 0.7), (0.0, 0.0), 0.9, 2).suggested == 2


def test_dimensions_are_judged_on_the_other_half():
    predictions = drawn_predictions(confusion_rows(9, 0.0, 0.1, seed=2), 80)
    resampling = PictureResampling(predictions, 1)
    found = choose_dimension(resampling, Balanced(dim=4), predictions.class_names, splits=2, seed=0, used=4)
    assert found.dims == (2, 3, 4, 5, 6, 7, 8)
    upper = np.triu_indices(9, k=1)
    scores = []
    for number in range(2):
        halves = resampling.halves(number)
        plain = [np.round(count_similarity(half).values[upper], 6) for half in halves]
        ours = [np.round(Balanced(dim=3).embed(half, seed=0).cosine().values[upper], 6) for half in halves]
        scores += [stats.spearmanr(ours[0], plain[1]).statistic, stats.spearmanr(ours[1], plain[0]).statistic]
    assert found.scores[1] == pytest.approx(np.mean(scores), abs=1e-6)
    assert found.errors[1] == pytest.approx(np.std(scores, ddof=1) / 2, abs=1e-6)


def test_an_embedder_without_a_dimension_has_none_to_choose():
    predictions = drawn_predictions(confusion_rows(6, 0.0, 0.15), 60)
    resampling = PictureResampling(predictions, 1)
    assert choose_dimension(resampling, PlainCounts(), predictions.class_names, splits=1, seed=0, used=6) is None


def test_planted_dimensions_are_found():
    # Twelve classes in four blocks of three, confused within the block only: the four blocks span four dimensions, and
    # beyond them there is nothing but chance to learn.
    blocks = np.arange(12) // 3
    rows = 0.08 * (blocks[:, None] == blocks) + 0.005
    np.fill_diagonal(rows, 0)
    np.fill_diagonal(rows, 1 - rows.sum(axis=1))
    predictions = drawn_predictions(rows, 300)
    resampling = PictureResampling(predictions, 1)
    found = choose_dimension(resampling, Balanced(), predictions.class_names, splits=4, seed=0, used=5)
    assert found.suggested in (3, 4)
    assert found.scores[found.dims.index(2)] < found.scores[found.dims.index(4)] - 0.05
