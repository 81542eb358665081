"""`Diffusion(compare="profiles")`: what classes are confused with, where the table itself is mostly empty."""

import numpy as np
import pytest
from scipy.linalg import expm

from confemb.embedders.counts import symmetric_shares
from confemb.embedders.diffusion import MOST_COMPARED_DIRECTLY, Diffusion
from confemb.records.embedding import cosines
from confemb.records.pairs import pairs_from_confusions
from confemb.support.errors import ConfembError


def counts_of(confusions):
    confusions = np.asarray(confusions)
    return pairs_from_confusions(confusions, [f"class {i}" for i in range(len(confusions))])


def random_counts(size, seed=0, low=1):
    generator = np.random.default_rng(seed)
    return counts_of(generator.integers(low, 30, (size, size)) + np.diag(np.full(size, 200)))


def profile_cosines(counts, **options):
    return cosines(Diffusion(compare="profiles", **options).embed(counts).vectors)


@pytest.mark.parametrize(("time", "smoothing"), [(1.0, 0.01), (3.0, 0.5), (0.1, 0.001)])
def test_rows_are_log_ratios_of_the_heat_kernel(time, smoothing):
    counts = random_counts(6)
    shares = symmetric_shares(counts)
    np.fill_diagonal(shares, 0)
    degree = shares.sum(axis=1)
    # The walk in continuous time, from its generator: no eigenvector, no symmetric form.
    spread = expm(2 * time * (shares / degree[:, None] - np.eye(6)))
    rows = np.log(spread / (degree / degree.sum()) + smoothing)
    rows -= rows.mean(axis=0)
    found = Diffusion(compare="profiles", time=time, smoothing=smoothing).embed(counts).vectors
    np.testing.assert_allclose(found, rows, rtol=1e-4, atol=1e-5)


def test_walk_weights_are_lazy_steps():
    counts = random_counts(5, seed=2)
    shares = symmetric_shares(counts)
    np.fill_diagonal(shares, 0)
    degree = shares.sum(axis=1)
    lazy = (np.eye(5) + shares / degree[:, None]) / 2
    rows = np.log(np.linalg.matrix_power(lazy, 4) / (degree / degree.sum()) + 0.01)
    found = Diffusion(compare="profiles", weight="walk", time=2).embed(counts).vectors
    np.testing.assert_allclose(found, rows - rows.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_classes_confused_with_the_same_ones_are_alike_though_never_confused_themselves():
    # 0 and 1 are both taken for 2 and 3 only; 4 and 5 for 6 and 7; a thread leads from 3 to 4.
    confusions = np.diag(np.full(8, 50))
    for i, j in [(0, 2), (0, 3), (1, 2), (1, 3), (4, 6), (4, 7), (5, 6), (5, 7)]:
        confusions[i, j] = confusions[j, i] = 10
    confusions[3, 4] = 1
    counts = counts_of(confusions)
    profiles = profile_cosines(counts)
    direct = cosines(Diffusion(compare="direct").embed(counts).vectors)
    assert profiles[0, 1] > 0.85
    assert profiles[0, 1] > direct[0, 1] + 0.2
    assert profiles[0, 5] < 0
    # Across the two parts nothing is alike, and all of it is told apart from what is within them.
    part = np.arange(8) // 4
    within = (part[:, None] == part) & ~np.eye(8, dtype=bool)
    assert profiles[within].min() > profiles[part[:, None] != part].max()


def test_auto_compares_many_classes_by_profiles():
    for size, compare in ((MOST_COMPARED_DIRECTLY, "direct"), (MOST_COMPARED_DIRECTLY + 1, "profiles")):
        counts = random_counts(size, low=0)
        chosen = Diffusion().embed(counts).vectors
        assert chosen.tobytes() == Diffusion(compare=compare).embed(counts, seed=3).vectors.tobytes()


def test_an_island_is_at_a_right_angle_to_all():
    confusions = np.diag(np.full(6, 20))
    confusions[:4, :4] += np.random.default_rng(1).integers(1, 9, (4, 4))
    found = profile_cosines(counts_of(confusions))
    np.testing.assert_allclose(found[4:, :4], 0, atol=1e-6)
    np.testing.assert_allclose(found[4, 5], 0, atol=1e-6)
    # They change nothing for the others but what is counted as far off.
    alone = profile_cosines(counts_of(confusions[:4, :4]), smoothing=1e-9)
    with_islands = profile_cosines(counts_of(confusions), smoothing=1e-9)[:4, :4]
    np.testing.assert_allclose(with_islands, alone, atol=1e-5)


def test_the_order_of_the_classes_changes_nothing():
    confusions = np.random.default_rng(5).integers(0, 20, (9, 9)) + np.diag(np.full(9, 90))
    order = np.random.default_rng(6).permutation(9)
    plain, shuffled = (
        profile_cosines(counts_of(confusions)),
        profile_cosines(counts_of(confusions[np.ix_(order, order)])),
    )
    np.testing.assert_allclose(shuffled, plain[np.ix_(order, order)], atol=1e-5)


def test_fewer_dimensions_are_the_nearest_rows():
    counts = random_counts(12)
    rows = Diffusion(compare="profiles").embed(counts).vectors.astype(np.float64)
    u, s, vt = np.linalg.svd(rows)
    for dim in (3, 7):
        found = Diffusion(compare="profiles", dim=dim).embed(counts)
        assert found.vectors.shape == (12, dim)
        np.testing.assert_allclose(cosines(found.vectors), cosines((u[:, :dim] * s[:dim]) @ vt[:dim]), atol=1e-4)


def test_two_classes_point_away_from_one_another():
    found = profile_cosines(counts_of([[9, 1], [2, 8]]))
    assert found[0, 1] == pytest.approx(-1)


def test_classes_all_confused_alike_stand_as_the_corners_of_a_simplex():
    confusions = np.full((4, 4), 10)
    found = profile_cosines(counts_of(confusions))
    np.testing.assert_allclose(found[np.triu_indices(4, k=1)], -1 / 3, atol=1e-6)
    with pytest.raises(ConfembError, match="more than a matrix of 4 classes"):
        Diffusion(compare="profiles", dim=5).embed(counts_of(confusions))
