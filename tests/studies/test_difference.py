"""Which class pairs moved: exact p-values, both corrections, and simulations with a known truth."""

import itertools

import numpy as np
import pytest
from scipy import stats

from confemb.embedders.counts import count_similarity
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.studies.difference import benjamini_hochberg, holm, pair_differences, significant, swap_p_values
from confemb.support.errors import ConfembError

K = 6
NAMES = tuple("abcdef")


def two_checkpoints(seed, *, pictures=600, equal=True, k=K):
    """Two classifiers with the same chances for every picture: nothing moved."""
    generator = np.random.default_rng(seed)
    labels = np.arange(pictures) % K if equal else np.sort(generator.integers(K, size=pictures))
    base = generator.normal(size=(pictures, K))
    base[np.arange(pictures), labels] += 1.5
    return [
        predictions_from_scores(base + generator.normal(size=base.shape), labels, NAMES, k=k, logits=True)
        for _ in range(2)
    ]


def top_1(labels, top, names=NAMES):
    return Predictions(np.asarray(labels), np.asarray(top)[:, None], None, names)


@pytest.mark.parametrize(("k", "weighting"), [(1, "count"), (3, "count"), (K, "probability")])
def test_the_differences_are_those_of_the_count_similarities(k, weighting):
    a, b = two_checkpoints(0, equal=False)
    found = pair_differences(a, b, k=k, weighting=weighting, flips=9)
    for one, values in ((a, found.before), (b, found.after)):
        wanted = count_similarity(count_pairs(one, k=k, weighting=weighting)).values[found.rows, found.columns]
        np.testing.assert_allclose(values, wanted, atol=1e-6)
    np.testing.assert_allclose((found.low + found.high) / 2, found.difference, atol=1e-12)


def test_with_equal_classes_it_is_mcnemars_exact_test():
    a, b = two_checkpoints(1)
    found = pair_differences(a, b)
    for i, j, p in zip(found.rows, found.columns, found.p, strict=True):
        gained = lost = 0
        for label, other in ((i, j), (j, i)):
            here = a.labels == label
            by_a, by_b = (one.top_classes[here, 0] == other for one in (a, b))
            gained, lost = gained + (by_b & ~by_a).sum(), lost + (by_a & ~by_b).sum()
        wanted = stats.binomtest(int(gained), int(gained + lost)).pvalue if gained + lost else 1.0
        assert p == pytest.approx(wanted)


def test_with_unequal_classes_it_is_every_swap_of_every_picture():
    # Four pictures of a, seven of b: 2 ** 11 swaps.
    labels = np.array([0] * 4 + [1] * 7)
    a = top_1(labels, [0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1], ("a", "b"))
    b = top_1(labels, [1, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0], ("a", "b"))
    change = (b.top_classes[:, 0] != labels).astype(float) - (a.top_classes[:, 0] != labels)
    change /= np.where(labels == 0, 4, 7)
    sums = np.array([np.dot(signs, change) for signs in itertools.product((-1, 1), repeat=11)])
    found = pair_differences(a, b)
    assert found.p[0] == pytest.approx(np.mean(np.abs(sums) >= abs(change.sum()) - 1e-12))
    assert found.difference[0] == pytest.approx(change.sum() / 2)


def test_random_swaps_come_near_every_swap():
    a, b = two_checkpoints(2, pictures=18)
    found = pair_differences(a, b, k=K, weighting="probability", flips=19_999)
    probs = [np.empty((18, K)) for _ in range(2)]
    for one, table in zip((a, b), probs, strict=True):
        np.put_along_axis(table, one.top_classes, one.top_probs, axis=1)
    change = probs[1] - probs[0]
    # Six pictures of the two classes: 2 ** 6 swaps.
    for i, j, p in zip(found.rows[:5], found.columns[:5], found.p, strict=False):
        own = np.concatenate([change[a.labels == i, j], change[a.labels == j, i]])
        sums = np.array([np.dot(signs, own) for signs in itertools.product((-1, 1), repeat=6)])
        assert p == pytest.approx(np.mean(np.abs(sums) >= abs(own.sum()) - 1e-9), abs=0.02)


def test_many_pictures_are_judged_by_the_normal_distribution(monkeypatch):
    arrays = [np.array([value]) for value in (700, 800, 60, 30, 5, 7)]
    exact = swap_p_values(*arrays)
    monkeypatch.setattr("confemb.studies.difference.MOST_EXACT", 100)
    assert swap_p_values(*arrays)[0] == pytest.approx(exact[0], rel=0.05)
    assert 0.01 < exact[0] < 0.05


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    # Pictures drawn from two classes; A errs with 0.2, B with 0.3, each picture being hard for both or none alike.
    generator = np.random.default_rng(3)
    held = []
    for _ in range(2000):
        hard = generator.uniform(size=400)
        labels = np.repeat([0, 1], 200)
        tops = [
            np.where(hard + 0.3 * generator.uniform(size=400) > bound, 1 - labels, labels) for bound in (0.95, 0.85)
        ]
        found = pair_differences(*(top_1(labels, top, ("a", "b")) for top in tops))
        # E[hard + 0.3 u > bound], with hard and u uniform: (1.15 - bound) for bound from 0.3 to 1.
        held.append(found.low[0] <= 0.10 <= found.high[0])
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_where_nothing_moved_nothing_is_found():
    false = [bool(len(significant(pair_differences(*two_checkpoints(s)).to_frame(), level=0.1))) for s in range(300)]
    # At most 0.1 of such studies may name a pair at all; three standard errors of 300 are 0.05.
    assert np.mean(false) <= 0.15


def test_what_moved_is_found_and_little_else():
    level, shares, powers = 0.1, [], []
    for seed in range(100):
        generator = np.random.default_rng([9, seed])
        a, b = two_checkpoints(seed, pictures=3000, k=1)
        top = b.top_classes[:, 0].copy()
        # A quarter of the pictures of a that B has right are taken for b instead, and as many of c for d.
        for label, other in ((0, 1), (2, 3)):
            right = np.flatnonzero((b.labels == label) & (top == label))
            top[generator.choice(right, len(right) // 4, replace=False)] = other
        found = significant(pair_differences(a, top_1(b.labels, top)).to_frame(), level=level)
        named = set(zip(found["class_1"], found["class_2"], strict=True))
        planted = {("a", "b"), ("c", "d")}
        powers.append(len(named & planted) / 2)
        shares.append(len(named - planted) / max(len(named), 1))
    assert np.mean(powers) > 0.95
    assert np.mean(shares) <= level


def test_both_corrections():
    p = np.array([0.01, 0.04, 0.03, 0.005, 1.0])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.025, 1.0])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.025, 0.05, 0.05, 0.025, 1.0])
    # Their definitions, on random values: the largest rejection set of each.
    p = np.random.default_rng(5).uniform(size=30) ** 3
    order = np.sort(p)
    for level in (0.01, 0.05, 0.2):
        within = np.flatnonzero(order <= level * np.arange(1, 31) / 30)
        assert (benjamini_hochberg(p) <= level).sum() == (within[-1] + 1 if len(within) else 0)
        beyond = np.flatnonzero(order > level / (30 - np.arange(30)))
        assert (holm(p) <= level).sum() == (beyond[0] if len(beyond) else 30)
    assert len(holm(np.empty(0))) == len(benjamini_hochberg(np.empty(0))) == 0


def test_the_table_has_the_surest_first_and_leaves_classes_without_pictures_out():
    a, b = two_checkpoints(6)
    some = np.flatnonzero(a.labels != 2)
    found = pair_differences(a.where(some), b.where(some))
    frame = found.to_frame()
    assert len(frame) == 10
    assert not {"c"} & {*frame["class_1"], *frame["class_2"]}
    assert frame["p"].is_monotonic_increasing
    np.testing.assert_allclose(frame["q_bh"], benjamini_hochberg(frame["p"].to_numpy()))
    np.testing.assert_allclose(frame["p_holm"], holm(frame["p"].to_numpy()))
    assert pair_differences(a, a).p.tolist() == [1.0] * 15


def test_the_same_seed_gives_the_same_swaps():
    a, b = two_checkpoints(7, pictures=60)
    first, again, other = (
        pair_differences(a, b, k=K, weighting="probability", flips=199, seed=seed).p for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_what_does_not_fit_is_refused():
    a, b = two_checkpoints(8, k=2)
    with pytest.raises(ConfembError, match="same pictures and classes"):
        pair_differences(a, b.where(np.arange(len(b))[::-1]))
    with pytest.raises(ConfembError, match="k = 3 is out of range"):
        pair_differences(a, b, k=3)
    alone = a.where(a.labels == 0)
    with pytest.raises(ConfembError, match="all pictures are of one class"):
        pair_differences(alone, alone)
    with pytest.raises(ConfembError, match="no probabilities"):
        pair_differences(top_1(a.labels, a.top_classes[:, 0]), b, weighting="probability")
