"""Between classifiers: noise taken out, Procrustes, families; on data whose truth is known."""

import numpy as np
import pytest
from scipy import spatial, stats

from confemb.embedders.skipgram import SkipGram
from confemb.records.embedding import ClassEmbedding
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.seeds import rank_correlations
from confemb.studies.models import (
    SplitHalves,
    counts_measure,
    disattenuate,
    embedding_measure,
    family_p_value,
    jackknife_errors,
    join_pictures,
    procrustes,
    procrustes_disparities,
    spearman_brown,
    split_halves,
)
from confemb.support.errors import ConfembError

NAMES = tuple("abcdefgh")


def embedding(vectors):
    return ClassEmbedding(np.asarray(vectors, np.float32), NAMES[: len(vectors)])


def test_a_turned_embedding_is_turned_back():
    generator = np.random.default_rng(0)
    a = generator.normal(size=(8, 3))
    turn = stats.ortho_group.rvs(3, random_state=1)
    # Lengths do not count: cosines know none.
    b = generator.uniform(0.5, 2.0, size=(8, 1)) * a @ turn
    found = procrustes(embedding(a), embedding(b))
    assert found.disparity == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(found.rotation, turn.T, atol=1e-6)
    np.testing.assert_allclose(found.residuals, 0, atol=1e-10)


def test_the_disparity_is_that_of_the_singular_values():
    a, b = np.random.default_rng(1).normal(size=(2, 8, 3))
    units = [v / np.linalg.norm(v, axis=1, keepdims=True) / np.sqrt(8) for v in (a, b)]
    found = procrustes(embedding(a), embedding(b))
    wanted = 1 - np.linalg.svd(units[0].T @ units[1], compute_uv=False).sum() ** 2
    assert found.disparity == pytest.approx(wanted, abs=1e-6)
    assert found.residuals.sum() == pytest.approx(found.disparity)
    assert procrustes(embedding(b), embedding(a)).disparity == pytest.approx(found.disparity)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-9)


def test_centred_embeddings_have_scipys_disparity():
    # SciPy centres; embeddings whose unit vectors sum to nothing are centred already.
    generator = np.random.default_rng(2)
    halves = [generator.normal(size=(4, 3)) for _ in range(2)]
    a, b = (np.concatenate([half, -half]) for half in halves)
    units = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b)]
    assert procrustes(embedding(a), embedding(b)).disparity == pytest.approx(spatial.procrustes(*units)[2], abs=1e-6)


def test_the_class_that_moved_has_the_largest_residual():
    a = np.random.default_rng(3).normal(size=(8, 3))
    b = a.copy()
    b[5] = -b[5]
    found = procrustes(embedding(a), embedding(b))
    assert found.residuals.argmax() == 5
    # By name, not by place; and with fewer dimensions filled up.
    order = np.random.default_rng(4).permutation(8)
    shuffled = ClassEmbedding(b[order].astype(np.float32), tuple(NAMES[i] for i in order))
    assert procrustes(embedding(a), shuffled).disparity == pytest.approx(found.disparity, abs=1e-6)
    flat = a * [1, 1, 0]
    assert procrustes(embedding(a), embedding(flat[:, :2])).disparity == pytest.approx(
        procrustes(embedding(a), embedding(flat)).disparity, abs=1e-6
    )
    with pytest.raises(ConfembError, match="not of the same classes"):
        procrustes(embedding(a), embedding(a[:4]))


def test_disparities_are_symmetric():
    parts = [embedding(v) for v in np.random.default_rng(5).normal(size=(3, 8, 3))]
    found = procrustes_disparities(parts)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 0)
    assert found[0, 2] == procrustes(parts[2], parts[0]).disparity


def test_spearman_brown_and_attenuation_on_noisy_measures():
    # Three classifiers correlate at 0.6, each measured twice with noise of its own strength.
    generator = np.random.default_rng(6)
    truth = generator.multivariate_normal(np.zeros(3), np.full((3, 3), 0.6) + 0.4 * np.eye(3), size=50_000).T
    measured = truth + np.array([0.3, 1.0, 2.0])[:, None] * generator.normal(size=(2, 3, 50_000))
    one = np.array([np.corrcoef(measured[:, i])[0, 1] for i in range(3)])
    np.testing.assert_allclose(one, 1 / (1 + np.array([0.3, 1.0, 2.0]) ** 2), atol=0.02)
    both = spearman_brown(one, 2)
    np.testing.assert_allclose(both, 1 / (1 + np.array([0.3, 1.0, 2.0]) ** 2 / 2), atol=0.02)
    corrected = disattenuate(np.corrcoef(measured.mean(axis=0)), both)
    np.testing.assert_allclose(corrected[np.triu_indices(3, k=1)], 0.6, atol=0.03)
    np.testing.assert_array_equal(np.diag(corrected), 1.0)
    assert np.isnan(disattenuate(np.eye(2), np.array([0.5, -0.1]))[0, 1])


def confused(shares, pictures, generator, *, hard=None):
    """Top-1 predictions of `pictures` of each class by (K, K) shares; `hard` (N,) draws them, if given."""
    size = len(shares)
    labels = np.repeat(np.arange(size), pictures)
    hard = generator.uniform(size=len(labels)) if hard is None else hard
    top = (shares.cumsum(axis=1)[labels] <= hard[:, None]).sum(axis=1).clip(max=size - 1)
    return Predictions(labels, top[:, None], None, NAMES[:size])


def some_shares(generator, size=8):
    """Row-stochastic shares: 0.7 right, the rest over the others in random parts."""
    rest = np.array([np.insert(generator.dirichlet(np.full(size - 1, 0.5)), i, 0) for i in range(size)])
    return 0.7 * np.eye(size) + 0.3 * rest


def test_halves_have_the_reliability_of_independent_samples():
    generator = np.random.default_rng(7)
    shares = some_shares(generator)
    found, wanted = [], []
    for _ in range(20):
        one = confused(shares, 100, generator)
        found.append(split_halves([one], counts_measure, k=1, splits=5).reliability[0])
        fresh = [counts_measure(count_pairs(confused(shares, 50, generator), k=1)) for _ in range(2)]
        wanted.append(stats.spearmanr(*fresh).statistic)
    assert np.mean(found) == pytest.approx(np.mean(wanted), abs=0.03)


def test_shared_pictures_do_not_count_as_agreement():
    # Both classifiers err in the same way on the very same hard pictures: the truth is an agreement of 1, but the
    # agreement as measured, disattenuated by the reliability, would come out far above it.
    generator = np.random.default_rng(8)
    shares = some_shares(generator)
    naive, corrected = [], []
    for _ in range(15):
        hard = generator.uniform(size=8 * 60)
        pair = [confused(shares, 60, generator, hard=hard) for _ in range(2)]
        halves = split_halves(pair, counts_measure, k=1, splits=10)
        raw = rank_correlations(np.stack([counts_measure(count_pairs(one, k=1)) for one in pair]))
        naive.append(disattenuate(raw, halves.whole_reliability)[0, 1])
        # Before it is cut to 1, which is on the average too low.
        corrected.append(disattenuate(halves.across, halves.reliability)[0, 1])
    assert np.mean(corrected) == pytest.approx(1.0, abs=0.02)
    assert np.mean(naive) > 1.05


def test_classifiers_that_have_nothing_in_common():
    generator = np.random.default_rng(9)
    pairs = [[confused(some_shares(generator), 200, generator) for _ in range(2)] for _ in range(15)]
    found = [split_halves(pair, counts_measure, k=1, splits=3).corrected[0, 1] for pair in pairs]
    assert abs(np.mean(found)) < 0.12


def test_the_same_seed_gives_the_same_halves():
    one = confused(some_shares(np.random.default_rng(10)), 30, np.random.default_rng(11))
    first, again, other = (split_halves([one], counts_measure, k=1, splits=2, seed=seed).across for seed in (0, 0, 1))
    assert first == again
    assert first != other
    with pytest.raises(ConfembError, match="1 classes have a single picture and cannot be halved: 'a'"):
        split_halves([one.where(np.arange(29, 240))], counts_measure, k=1)
    # Without any it is left out, of the predicted classes too.
    rest = one.where(np.arange(30, 240))
    known = rest.where(rest.top_classes[:, 0] != 0)
    fewer = Predictions(known.labels - 1, known.top_classes - 1, None, known.class_names[1:], ids=known.ids)
    left_out = split_halves([known], counts_measure, k=1, splits=2).across
    assert left_out == split_halves([fewer], counts_measure, k=1, splits=2).across


def test_an_embedding_is_measured_by_its_mean_cosine(predictions):
    counts = count_pairs(predictions)
    upper = np.triu_indices(6, k=1)
    wanted = [SkipGram().embed(counts, seed=seed).cosine().values[upper] for seed in (3, 4)]
    np.testing.assert_allclose(embedding_measure(SkipGram(), [3, 4])(counts), np.mean(wanted, axis=0), atol=1e-6)


def test_families_dealt_at_random_are_seldom_found():
    names = tuple(f"m{i}" for i in range(9))
    families = {"x": names[:3], "y": names[3:6]}
    generator = np.random.default_rng(12)

    def agreement(values):
        return SimilarityMatrix(rank_correlations(values), names)

    found = [
        family_p_value(agreement(generator.normal(size=(9, 20))), families, permutations=99, seed=s) for s in range(200)
    ]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.06)
    values = generator.normal(size=(9, 40))
    values[:3] += 3 * generator.normal(size=40)
    values[3:6] += 3 * generator.normal(size=40)
    assert family_p_value(agreement(values), families, permutations=999) < 0.02
    assert np.isnan(family_p_value(agreement(values), {"x": names[:3]}))


def test_pictures_are_joined_by_split_and_id():
    def some(ids, labels, splits=None):
        top = np.array(labels)[:, None]
        return Predictions(np.array(labels), top, None, ("a", "b"), np.array(ids), splits)

    first = some(["p", "q", "r"], [0, 1, 0])
    second = some(["r", "x", "p"], [0, 1, 0])
    joined = join_pictures([first, second])
    assert [one.ids.tolist() for one in joined] == [["p", "r"]] * 2
    with pytest.raises(ConfembError, match="'p' has another label"):
        join_pictures([first, some(["p", "q"], [1, 1])])
    with pytest.raises(ConfembError, match="no picture in common"):
        join_pictures([first, some(["u"], [1])])
    with pytest.raises(ConfembError, match="'p' stands twice in predictions 2"):
        join_pictures([first, some(["p", "p"], [0, 0])])
    # The same id in another split is another picture.
    train, test = (np.array([split] * 3) for split in ("train", "test"))
    with pytest.raises(ConfembError, match="no picture in common"):
        join_pictures([some(["p", "q", "r"], [0, 1, 0], splits) for splits in (train, test)])
    without = Predictions(np.array([0, 1]), np.array([[0], [1]]), None, ("a", "b"))
    assert join_pictures([without, without])[1] is without
    with pytest.raises(ConfembError, match="predictions 1 and 2 are not of the same pictures"):
        join_pictures([without, first])
    with pytest.raises(ConfembError, match="same classes in the same order"):
        join_pictures([first, Predictions(np.array([0]), np.array([[0]]), None, ("b", "a"), np.array(["p"]))])


def test_no_corrected_agreement_exceeds_one_nor_rests_on_noise():
    across = np.array([[0.8, 0.85, 0.3], [0.85, 0.7, 0.4], [0.3, 0.4, 0.2]])
    halves = SplitHalves(np.diag(across).copy(), across, 5, np.full((3, 3), 0.1))
    corrected = halves.corrected
    # 0.85 / sqrt(0.8 * 0.7) = 1.14 is cut to 1; a reliability of 0.2 corrects nothing.
    assert corrected[0, 1] == 1.0
    assert np.isnan(corrected[0, 2])
    low, high = halves.interval()
    assert high[0, 1] == 1.0
    assert low[0, 1] == pytest.approx(0.85 / np.sqrt(0.56) - 2.262157 * 0.1, abs=1e-6)
    assert np.isnan(low[1, 2])


@pytest.mark.parametrize("same", [True, False])
def test_the_interval_of_the_corrected_agreement_holds_the_truth(same):
    held = 0
    for draw in range(8):
        generator = np.random.default_rng([draw, same])
        first = some_shares(generator)
        second = first if same else 0.6 * first + 0.4 * some_shares(generator)
        truth = stats.spearmanr(*(((p + p.T) / 2)[np.triu_indices(8, k=1)] for p in (first, second))).statistic
        pair = [confused(shares, 150, generator) for shares in (first, second)]
        halves = split_halves(pair, counts_measure, k=1, splits=3)
        errors = jackknife_errors(pair, counts_measure, k=1, splits=3)
        low, high = SplitHalves(halves.reliability, halves.across, 3, errors).interval()
        held += low[0, 1] <= truth <= high[0, 1] <= 1.0
    assert held >= 7
