"""Networks trained anew: variance components, prediction intervals, basins; against known truths."""

import numpy as np
import pytest
from scipy import stats

from confemb.records.embedding import EmbeddingRuns
from confemb.studies.retraining import prediction_interval, save_networks, summarise_networks, variance_components
from confemb.support.errors import ConfembError

NAMES = ("a", "b", "c", "d")


def test_variance_components_are_those_of_the_analysis_of_variance():
    values = np.random.default_rng(0).normal(size=(4, 6, 3))
    found = variance_components(values)
    for p in range(3):
        groups = values[:, :, p]
        within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (4 * 5)
        between = 6 * ((groups.mean(axis=1) - groups.mean()) ** 2).sum() / 3
        assert between / within == pytest.approx(stats.f_oneway(*groups).statistic)
        assert found.seed[p] == pytest.approx(within)
        assert found.network[p] == pytest.approx(max((between - within) / 6, 0))


def test_variance_components_find_the_truth():
    generator = np.random.default_rng(1)
    networks, seeds = np.array([0.3, 0.0, 0.1]), np.array([0.1, 0.2, 0.3])
    values = generator.normal(size=(2000, 1, 3)) * networks + generator.normal(size=(2000, 8, 3)) * seeds
    found = variance_components(values)
    np.testing.assert_allclose(np.sqrt(found.seed), seeds, rtol=0.02)
    np.testing.assert_allclose(found.network, networks**2, atol=0.002)
    np.testing.assert_allclose(found.seed_share, [0.1, 1.0, 0.9], atol=0.03)
    total = (networks**2 + seeds**2).sum()
    assert found.overall_seed_share == pytest.approx((seeds**2).sum() / total, abs=0.02)


def test_one_seed_leaves_the_networks_variance():
    values = np.random.default_rng(2).normal(size=(5, 1, 3))
    found = variance_components(values)
    np.testing.assert_allclose(found.network, values[:, 0].var(axis=0, ddof=1))
    assert np.isnan(found.seed).all()
    assert np.isnan(found.seed_share).all()
    assert np.isnan(found.overall_seed_share)


@pytest.mark.parametrize("networks", [3, 5, 10])
def test_the_interval_holds_the_next_network_as_often_as_it_says(networks):
    # Each column is a study of its own: `networks` cosines and the next one.
    z = np.random.default_rng(networks).normal(0.7, 0.3, size=(networks + 1, 20_000))
    cosines = np.tanh(z)
    low, high = prediction_interval(cosines[:-1])
    covered = (low <= cosines[-1]) & (cosines[-1] <= high)
    assert covered.mean() == pytest.approx(0.95, abs=0.006)
    assert ((low > -1) & (high < 1)).all()
    # The range of the networks, which percentiles would give at most, holds it (N - 1) / (N + 1) of the time.
    ranged = (cosines[:-1].min(axis=0) <= cosines[-1]) & (cosines[-1] <= cosines[:-1].max(axis=0))
    assert ranged.mean() == pytest.approx((networks - 1) / (networks + 1), abs=0.012)


def test_the_interval_is_students():
    z = np.array([0.1, 0.3, 0.2, 0.6])
    low, high = prediction_interval(np.tanh(z)[:, None], level=0.9)
    half = stats.t.ppf(0.95, 3) * z.std(ddof=1) * np.sqrt(1.25)
    assert (low[0], high[0]) == pytest.approx((np.tanh(z.mean() - half), np.tanh(z.mean() + half)))


def test_a_cosine_of_one_has_an_interval_too():
    low, high = prediction_interval(np.ones((3, 2)))
    np.testing.assert_allclose([low, high], 1.0, atol=1e-5)


def networks_around(*centres, seeds=5, noise=0.02, seed=0):
    """For each centre (K, d) a network: its embeddings from some seeds, a little apart."""
    generator = np.random.default_rng(seed)
    return [
        EmbeddingRuns(
            (centre + noise * generator.normal(size=(seeds, *centre.shape))).astype(np.float32),
            tuple(range(i, i + seeds)),
            NAMES,
        )
        for i, centre in enumerate(centres)
    ]


def test_each_network_stands_for_itself_by_its_median():
    generator = np.random.default_rng(3)
    networks = networks_around(*generator.normal(size=(3, 4, 3)))
    found = summarise_networks(networks)
    upper = np.triu_indices(4, k=1)
    medians = np.stack([np.median(runs.cosines()[:, *upper], axis=0) for runs in networks])
    np.testing.assert_allclose(found.medians, medians, atol=1e-6)
    np.testing.assert_allclose(found.similarity.values[upper], np.median(medians, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.network(1).values[upper], medians[1], atol=1e-6)
    low, high = prediction_interval(medians)
    np.testing.assert_allclose(found.similarity.low[upper], low, atol=1e-5)
    np.testing.assert_allclose(found.similarity.high[upper], high, atol=1e-5)
    wanted = [stats.spearmanr(medians[i], medians[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found.mean_rank_agreement == pytest.approx(np.mean(wanted))


def test_two_groups_of_networks_are_found():
    first, second = np.random.default_rng(4).normal(size=(2, 4, 3))
    found = summarise_networks(networks_around(first, second, first, first, second, second, first))
    assert found.basins is not None
    assert found.basins.runs == ((0, 2, 3, 6), (1, 4, 5))
    assert found.seed_basins == (False,) * 7
    assert summarise_networks(networks_around(*[first] * 7)).basins is None
    # Three and two are too few to tell from one network or two apart from the rest.
    assert summarise_networks(networks_around(first, second, first, first, second)).basins is None


def test_networks_that_do_not_fit_are_refused():
    first, second = networks_around(*np.random.default_rng(5).normal(size=(2, 4, 3)))
    with pytest.raises(ConfembError, match="give at least 2"):
        summarise_networks([first])
    with pytest.raises(ConfembError, match="unequal numbers of embedding seeds"):
        summarise_networks([first, EmbeddingRuns(second.vectors[:2], (0, 1), NAMES)])
    with pytest.raises(ConfembError, match="same classes in the same order"):
        summarise_networks([first, EmbeddingRuns(second.vectors, second.seeds, NAMES[::-1])])


def test_all_networks_go_into_one_file(tmp_path):
    networks = networks_around(*np.random.default_rng(6).normal(size=(2, 4, 3)))
    save_networks(networks, ["x", "y"], tmp_path / "networks.npz")
    with np.load(tmp_path / "networks.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["vectors"], [runs.vectors for runs in networks])
        assert file["seeds"].tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]
        assert (file["networks"].tolist(), file["class_names"].tolist()) == (["x", "y"], list(NAMES))
