import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from confemb.records.similarity import SimilarityMatrix, agreement
from confemb.stats import mantel as matrix_correlation
from confemb.stats.mantel import mantel_test, spearman_interval
from confemb.support.errors import ConfembError


def matrix(values) -> SimilarityMatrix:
    values = np.asarray(values, float)
    return SimilarityMatrix((values + values.T) / 2, tuple(f"c{i:03}" for i in range(len(values))))


def nearness(points) -> SimilarityMatrix:
    """Classes are points; near ones are alike. All pairs of a class share its place, so they are not independent."""
    return matrix(-np.linalg.norm(points[:, None] - points[None], axis=2))


def popularity(generator, size) -> SimilarityMatrix:
    """Some classes are like all others, some like none: pairs depend on one another through their classes."""
    levels = generator.normal(size=size)
    return matrix(levels[:, None] + levels + 0.5 * generator.normal(size=(size, size)))


def random_matrix(seed, size) -> SimilarityMatrix:
    return matrix(np.random.default_rng(seed).normal(size=(size, size)))


def upper(similarity) -> np.ndarray:
    return similarity.values[np.triu_indices(len(similarity.class_names), k=1)]


def brute_force(a, b) -> float:
    """The share of all orders of the classes of b that agree with a at least as well as the given one."""
    observed, hits, orders = None, 0, list(itertools.permutations(range(len(a.class_names))))
    for order in orders:
        pairs = b.values[np.ix_(order, order)][np.triu_indices(len(order), k=1)]
        known = ~np.isnan(pairs + upper(a))
        found = stats.spearmanr(upper(a)[known], pairs[known]).statistic
        observed = found if observed is None else observed
        hits += found >= observed - 1e-9
    return hits / len(orders)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [4, 5])
def test_small_cases_try_every_order(seed, size):
    a, b = random_matrix(seed, size), random_matrix(seed + 100, size)
    found = mantel_test(a, b)
    assert found.exact
    assert found.permutations == [23, 119][size - 4]
    assert found.p_value == pytest.approx(brute_force(a, b))
    assert found.correlation == pytest.approx(agreement(a, b).spearman)


def test_unknown_pairs_are_left_out_of_every_order():
    a, b = random_matrix(1, 5), random_matrix(2, 5)
    one, other = a.values.copy(), b.values.copy()
    one[0, 1] = one[1, 0] = other[2, 3] = other[3, 2] = np.nan
    a, b = SimilarityMatrix(one, a.class_names), SimilarityMatrix(other, b.class_names)
    found = mantel_test(a, b)
    assert found.correlation == pytest.approx(agreement(a, b).spearman)
    assert found.p_value == pytest.approx(brute_force(a, b))


def test_a_drawn_p_value_is_near_the_exact_one():
    a, b = random_matrix(5, 6), random_matrix(6, 6)
    exact = mantel_test(a, b).p_value
    drawn = mantel_test(a, b, permutations=600, seed=1)
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 600) + 1 / 601)
    assert drawn == mantel_test(a, b, permutations=600, seed=1)
    assert drawn != mantel_test(a, b, permutations=600, seed=2)


def test_many_classes_are_permuted_to_the_same_result(monkeypatch):
    a, b = random_matrix(0, 12), random_matrix(1, 12)
    few = mantel_test(a, b, permutations=99)
    monkeypatch.setattr(matrix_correlation, "MANY_CLASSES", 5)
    many = mantel_test(a, b, permutations=99)
    assert (many.correlation, many.p_value) == (pytest.approx(few.correlation), few.p_value)
    assert mantel_test(a, b).permutations == matrix_correlation.PERMUTATIONS_MANY


def test_full_agreement_has_the_smallest_p_value_there_is():
    a = random_matrix(0, 9)
    done = []
    found = mantel_test(a, a, permutations=499, progress=lambda part, total: done.append((part, total)))
    assert (found.correlation, found.p_value) == (pytest.approx(1.0), 1 / 500)
    assert done[-1] == (499, 499)


@given(st.integers(0, 10_000))
def test_only_the_order_of_the_pairs_counts(seed):
    a, b = random_matrix(seed, 7), random_matrix(seed + 1, 7)
    found = mantel_test(a, b, permutations=50)
    stretched = SimilarityMatrix(np.exp(b.values / 2), b.class_names)
    again = mantel_test(a, stretched, permutations=50)
    assert (again.correlation, again.p_value) == (pytest.approx(found.correlation), found.p_value)


def false_positives(p_values) -> int:
    return int((np.asarray(p_values) <= 0.05).sum())


def test_chance_is_taken_for_agreement_as_often_as_it_should():
    generator = np.random.default_rng(0)
    mantel, naive = [], []
    for world in range(400):
        a, b = (popularity(generator, 9) for _ in range(2))
        mantel.append(mantel_test(a, b, permutations=199, seed=world).p_value)
        naive.append(stats.spearmanr(upper(a), upper(b), alternative="greater").pvalue)
    # 199 permutations: p <= 0.05 has a probability of exactly 0.05.
    low, high = stats.binom.ppf([0.0005, 0.9995], 400, 0.05)
    assert low <= false_positives(mantel) <= high
    # The textbook's p-value takes 36 pairs of 9 classes for independent.
    assert false_positives(naive) > 2 * high


def test_real_agreement_is_found():
    generator = np.random.default_rng(1)
    found = []
    for world in range(60):
        points = generator.normal(size=(10, 2))
        a, b = nearness(points), nearness(points + 0.4 * generator.normal(size=points.shape))
        found.append(mantel_test(a, b, permutations=199, seed=world).p_value)
    assert false_positives(found) >= 57


def test_too_little_to_test():
    three = random_matrix(0, 3)
    equal = matrix(np.ones((6, 6)))
    for a, b in ((three, three), (equal, random_matrix(0, 6))):
        found = mantel_test(a, b)
        assert np.isnan([found.correlation, found.p_value]).all()
        assert (found.permutations, found.exact) == (0, False)
        assert np.isnan(spearman_interval(a, b).low)
    other = SimilarityMatrix(np.eye(2), ("x", "y"))
    with pytest.raises(ConfembError, match="have 0 classes in common"):
        mantel_test(three, other)


def test_the_interval_is_tukeys_jackknife():
    size = 9
    a, b = random_matrix(0, size), random_matrix(1, size)
    b = matrix(a.values + b.values)
    z = np.arctanh(stats.spearmanr(upper(a), upper(b)).statistic)
    without = []
    for left_out in range(size):
        rest = [i for i in range(size) if i != left_out]
        parts = [m.values[np.ix_(rest, rest)][np.triu_indices(size - 1, k=1)] for m in (a, b)]
        without.append(np.arctanh(stats.spearmanr(*parts).statistic))
    pseudo = size * z - (size - 1) * np.array(without)
    reach = stats.t.ppf(0.95, size - 1) * pseudo.std(ddof=1) / np.sqrt(size)
    found = spearman_interval(a, b, level=0.9)
    assert (found.low, found.high) == pytest.approx((np.tanh(z - reach), np.tanh(z + reach)))
    wider = spearman_interval(a, b)
    assert wider.low < found.low < found.high < wider.high


def test_equal_values_share_their_rank_without_sorting_again():
    generator = np.random.default_rng(3)
    for _ in range(20):
        values, keep = generator.integers(6, size=30).astype(float), generator.random(30) < 0.7
        found = matrix_correlation._sorted_ranks(values, np.argsort(values, kind="stable"), keep)
        np.testing.assert_array_equal(found, stats.rankdata(values[keep]))


def test_groups_of_many_classes_are_left_out():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(130, 2))
    a, b = nearness(points), nearness(points + 0.8 * generator.normal(size=points.shape))
    grouped = spearman_interval(a, b)
    # Another draw of the groups, and every class by itself, tell about the same.
    again = spearman_interval(a, b, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix_correlation, "MOST_GROUPS", 130)
        single = spearman_interval(a, b)
    assert grouped != again
    for other in (again, single):
        assert other.high - other.low == pytest.approx(grouped.high - grouped.low, rel=0.4)
    assert grouped.low < agreement(a, b).spearman < grouped.high


def test_the_level_must_be_a_share():
    with pytest.raises(ConfembError, match="between 0 and 1"):
        spearman_interval(random_matrix(0, 6), random_matrix(1, 6), level=95)


def noisy_world(generator, size, noise):
    points = generator.normal(size=(size, 3))
    return nearness(points), nearness(points + noise * generator.normal(size=points.shape))


def coverage(size, noise, worlds, seed) -> float:
    """The share of the worlds in whose interval the correlation over many classes lies."""
    generator = np.random.default_rng(seed)
    truth = np.mean([agreement(*noisy_world(generator, 250, noise)).spearman for _ in range(16)])
    inside = 0
    for _ in range(worlds):
        found = spearman_interval(*noisy_world(generator, size, noise))
        inside += found.low <= truth <= found.high
    return inside / worlds


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    # Nominally 0.95; with 200 worlds the share itself is uncertain by 0.03.
    assert 0.89 <= coverage(15, 0.7, 200, seed=0) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("size", [8, 10, 20, 40])
def test_the_interval_holds_the_truth_over_many_settings(size, noise):
    # Measured 0.95 to 0.995; with few classes it holds the truth more often than it says.
    assert coverage(size, noise, 600, seed=size) >= 0.93
