import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from confemb.records.embedding import EmbeddingRuns
from confemb.records.similarity import SimilarityMatrix, agreement
from confemb.stats.seeds import (
    find_basins,
    group_separation,
    nearest_in_group,
    next_run_within,
    rank_correlations,
    run_agreement,
    silhouette,
    summarise_runs,
)
from confemb.support.errors import ConfembError


def make_runs(vectors) -> EmbeddingRuns:
    vectors = np.asarray(vectors, np.float32)
    names = tuple(f"c{i}" for i in range(vectors.shape[1]))
    return EmbeddingRuns(vectors, tuple(range(10, 10 + len(vectors))), names)


def noisy_runs(*centres, noise, seed=0):
    """Runs around each centre: a list of (centre, how many)."""
    generator = np.random.default_rng(seed)
    return make_runs([c + noise * generator.normal(size=c.shape) for c, count in centres for _ in range(count)])


def test_median_and_percentiles_are_those_of_the_runs():
    runs = make_runs(np.random.default_rng(1).normal(size=(7, 4, 3)))
    summary = summarise_runs(runs)
    cosines = runs.cosines()
    for found, wanted in (
        (summary.similarity.values, np.median(cosines, axis=0)),
        (summary.similarity.low, np.percentile(cosines, 2.5, axis=0)),
        (summary.similarity.high, np.percentile(cosines, 97.5, axis=0)),
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("runs", [5, 20, 60])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_exponential"])
def test_the_interval_over_runs_holds_the_next_run_as_often_as_it_says(runs, draw):
    values = getattr(np.random.default_rng(runs), draw)((20_000, runs + 1))
    low, high = np.percentile(values[:, :-1], [2.5, 97.5], axis=1)
    held = np.mean((low <= values[:, -1]) & (values[:, -1] <= high))
    # Three standard errors, and what interpolating between two values in order adds.
    assert held == pytest.approx(next_run_within(runs), abs=0.02)


def test_one_run_has_no_interval():
    runs = make_runs(np.random.default_rng(1).normal(size=(1, 4, 3)))
    summary = summarise_runs(runs)
    assert summary.similarity.low is None
    assert summary.similarity.high is None
    assert summary.medoid == 0
    assert np.isnan(summary.rank_agreement)
    assert summary.basins is None
    np.testing.assert_allclose(summary.similarity.values, runs.cosines()[0], atol=1e-6)


def test_the_medoid_is_the_run_nearest_to_the_others():
    base = np.random.default_rng(2).normal(size=(5, 4))
    step = np.random.default_rng(3).normal(size=(5, 4))
    runs = make_runs([base + t * step for t in (0.9, 0.2, 0.0, -0.3, 1.5)])
    cosines = runs.cosines()[:, *np.triu_indices(5, 1)]
    distances = np.sqrt(((cosines[:, None] - cosines[None]) ** 2).mean(axis=-1))
    assert summarise_runs(runs).medoid == distances.sum(axis=1).argmin()


def test_rank_agreement_is_the_mean_spearman_of_two_runs():
    runs = make_runs(np.random.default_rng(4).normal(size=(4, 6, 3)))
    pairs = runs.cosines()[:, *np.triu_indices(6, 1)]
    wanted = np.mean([stats.spearmanr(pairs[i], pairs[j]).statistic for i in range(4) for j in range(i)])
    assert summarise_runs(runs).rank_agreement == pytest.approx(wanted, abs=1e-6)


def test_two_planted_basins_are_found_with_the_pair_that_differs():
    first = np.array([[1, 0, 0], [0.9, 0.4, 0], [0, 1, 0], [0, 0, 1]])
    second = first.copy()
    second[3] = [0.8, 0, -0.6]  # c3 turns from c0's right angle towards it
    basins = summarise_runs(noisy_runs((first, 4), (second, 8), noise=0.01)).basins
    assert basins is not None
    assert basins.runs == (tuple(range(4, 12)), tuple(range(4)))
    assert basins.silhouette > 0.9
    top = basins.differences[0]
    assert (top.class_1, top.class_2) == ("c0", "c3")
    assert top.medians == pytest.approx((0.8, 0.0), abs=0.03)


def test_seeds_around_one_place_are_no_basins():
    centre = np.random.default_rng(0).normal(size=(6, 4))
    found = [summarise_runs(noisy_runs((centre, 20), noise=0.05, seed=seed)).basins for seed in range(20)]
    assert found == [None] * 20


DRAWS = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "t": lambda generator, shape: generator.standard_t(2, shape),
    "lognormal": lambda generator, shape: generator.lognormal(0.0, 1.0, shape),
    "exponential": lambda generator, shape: generator.exponential(size=shape),
    "even": lambda generator, shape: generator.random(shape),
}


def announced(draw, runs, directions, times):
    """How often runs of one kind, scattered along some directions, are said to be two groups."""
    generator = np.random.default_rng([runs, directions])
    names = [f"c{i}" for i in range(10)]
    values = (
        DRAWS[draw](generator, (runs, directions)) @ generator.normal(size=(directions, 45)) for _ in range(times)
    )
    return sum(find_basins(one, names) is not None for one in values)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("runs", [4, 6, 20])
def test_runs_of_one_kind_are_seldom_cut_in_two(runs, draw):
    assert announced(draw, runs, 1, 100) <= (0 if runs < 6 else stats.binom.ppf(0.999, 100, 0.05))


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("directions", [1, 3])
@pytest.mark.parametrize("runs", [5, 7, 10, 13, 20, 40])
def test_the_level_holds_for_heavy_tails_and_skew(runs, directions, draw):
    assert announced(draw, runs, directions, 1000) <= stats.binom.ppf(0.999, 1000, 0.05)


@pytest.mark.parametrize("sizes", [(3, 3), (5, 5), (10, 10), (14, 6)])
def test_two_kinds_of_runs_are_found_however_few(sizes):
    # The places are twelve standard deviations of a run apart, along one direction and in every pair.
    generator = np.random.default_rng(sizes)
    found = 0
    for _ in range(30):
        direction = generator.normal(size=45)
        values = generator.normal(size=(sum(sizes), 1)) * direction + 0.3 * generator.normal(size=(sum(sizes), 45))
        values[: sizes[0]] += 12 * direction
        basins = find_basins(values, [f"c{i}" for i in range(10)])
        if basins is not None:
            found += 1
            assert sorted(map(len, basins.runs)) == sorted(sizes)
    assert found >= 24


def test_a_run_or_two_far_away_are_no_group():
    values = np.random.default_rng(0).normal(size=(20, 45))
    for outliers in (1, 2):
        values[:outliers] += 50
        basins = find_basins(values, [f"c{i}" for i in range(10)])
        assert basins is None or min(map(len, basins.runs)) >= 3


def test_equal_runs_are_no_basins():
    vectors = np.random.default_rng(0).normal(size=(5, 4))
    assert summarise_runs(make_runs([vectors] * 6)).basins is None


def test_two_classes():
    summary = summarise_runs(make_runs(np.random.default_rng(0).normal(size=(5, 2, 3))))
    assert summary.similarity.values.shape == (2, 2)
    assert np.isnan(summary.rank_agreement)


@given(st.integers(0, 1000))
def test_silhouette_is_that_of_scikit_learn(seed):
    from sklearn.metrics import silhouette_score

    generator = np.random.default_rng(seed)
    points = generator.normal(size=(8, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    group = generator.permutation([1, 1, 1, 1, 1, 2, 2, 3])
    assert silhouette(distances, group) == pytest.approx(silhouette_score(distances, group, metric="precomputed"))


def test_group_separation_by_hand():
    values = np.array([[1, 0.8, 0.1, 0.3], [0.8, 1, 0.2, 0.0], [0.1, 0.2, 1, 0.5], [0.3, 0.0, 0.5, 1]])
    similarity = SimilarityMatrix(values, ("a", "b", "c", "d"))
    found = group_separation(similarity, {"first": ["b", "a"], "second": ["c", "d"]})
    assert found.within == {"first": pytest.approx(0.8), "second": pytest.approx(0.5)}
    assert found.within_all == pytest.approx(0.65)
    assert found.across == pytest.approx((0.1 + 0.3 + 0.2 + 0.0) / 4)


def test_group_separation_leaves_out_unknown_pairs_and_classes_without_a_group():
    values = np.array([[1, 0.8, np.nan, 0.3], [0.8, 1, 0.2, 0.9], [np.nan, 0.2, 1, 0.9], [0.3, 0.9, 0.9, 1]])
    found = group_separation(SimilarityMatrix(values, ("a", "b", "c", "d")), {"x": ["a", "b"], "y": ["c"]})
    assert found.across == pytest.approx(0.2)
    assert np.isnan(found.within["y"])
    assert found.within_all == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ({"x": ["a", "bb"]}, "unknown class 'bb' in the group 'x'"),
        ({"x": ["a"], "y": ["a"]}, "stands twice"),
    ],
)
def test_groups_that_do_not_fit(groups, sentence):
    with pytest.raises(ConfembError, match=sentence):
        group_separation(SimilarityMatrix(np.eye(2), ("a", "b")), groups)


def test_nearest_in_group_by_hand():
    # Nearest: a -> b, b -> a, c -> e, d -> c, e -> c; e is in no group, f alone in its own.
    values = np.eye(6)
    for i, j, value in ((0, 1, 0.9), (2, 4, 0.8), (2, 3, 0.7), (0, 5, 0.6), (3, 5, 0.1)):
        values[i, j] = values[j, i] = value
    groups = {"first": ["a", "b"], "second": ["d", "c"], "alone": ["f"]}
    found = nearest_in_group(SimilarityMatrix(values, tuple("abcdef")), groups)
    assert (found.hits, found.classes, found.share) == (3, 4, 0.75)
    assert found.chance == pytest.approx(1 / 5)


def test_nearest_in_group_at_random_is_chance():
    names = tuple(f"c{i}" for i in range(12))
    groups = {"large": names[:6], "small": names[6:9]}
    generator = np.random.default_rng(6)
    shares = []
    for _ in range(300):
        values = generator.normal(size=(12, 12))
        found = nearest_in_group(SimilarityMatrix(values + values.T, names), groups)
        shares.append(found.share)
    assert found.chance == pytest.approx((6 * 5 + 3 * 2) / 9 / 11)
    assert np.mean(shares) == pytest.approx(found.chance, abs=0.03)


def test_nearest_in_group_without_anything_to_ask():
    unknown = np.full((2, 2), np.nan)
    for values, groups in ((np.eye(2), {"x": ["a"]}), (unknown, {"x": ["a", "b"]})):
        with pytest.raises(ConfembError, match="no group has two classes"):
            nearest_in_group(SimilarityMatrix(values, ("a", "b")), groups)


@given(st.integers(0, 10**6))
def test_rank_correlations_are_those_of_scipy(seed):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 5, size=(4, 12)) + np.arange(12) * 0.5
    wanted = stats.spearmanr(values, axis=1).statistic
    np.testing.assert_allclose(rank_correlations(values), wanted, atol=1e-12)


def test_rank_correlations_where_there_are_none():
    found = rank_correlations(np.array([[1.0, 2, 3], [5, 5, 5], [3, 2, 1]]))
    np.testing.assert_array_equal(np.isnan(found), [[False, True, False], [True, False, True], [False, True, False]])
    assert found[0, 2] == pytest.approx(-1)
    # Two classes have one pair, a single class none.
    for columns in (2, 1, 0):
        np.testing.assert_array_equal(rank_correlations(np.ones((2, columns))), [[1, np.nan], [np.nan, 1]])


def test_run_agreement_is_the_agreement_of_each_run():
    runs = make_runs(np.random.default_rng(5).normal(size=(3, 5, 3)))
    values = np.corrcoef(np.random.default_rng(6).normal(size=(5, 9)))
    values[1, 3] = values[3, 1] = np.nan
    # Another order, one class the runs do not know.
    reference = SimilarityMatrix(values, ("c4", "c2", "unknown", "c0", "c1"))
    found = run_agreement(runs, reference)
    each = [agreement(runs[i].cosine(), reference) for i in range(3)]
    np.testing.assert_allclose(found.spearman, [a.spearman for a in each], atol=1e-9)
    assert found.nearest_right.tolist() == [a.nearest_right for a in each]
    assert found.nearest_columns == each[0].nearest_columns


def test_a_run_of_equal_cosines_agrees_with_nothing():
    # As one dimension may give: all vectors point the same way.
    runs = make_runs(np.array([np.ones((4, 1)), [[1], [1], [-1], [-1]]]))
    reference = SimilarityMatrix(np.kron(np.eye(2), np.ones((2, 2))), runs.class_names)
    np.testing.assert_array_equal(run_agreement(runs, reference).spearman, [np.nan, 1.0])


def test_run_agreement_needs_three_pairs():
    runs = make_runs(np.random.default_rng(5).normal(size=(3, 2, 3)))
    assert run_agreement(runs, SimilarityMatrix(np.eye(2), ("c0", "c1"))) is None
