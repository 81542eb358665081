from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm

from confemb.embedders import confusion_rate, embed_runs
from confemb.embedders.confusion_prior import BACKGROUND, heat_kernel
from confemb.embedders.confusion_rate import ConfusionRate, readable, shrunk
from confemb.embedders.counts import symmetric_shares
from confemb.records.pairs import PairCounts, pairs_from_confusions
from confemb.records.prediction_files import load_pairs
from confemb.stats.bootstrap import CellResampling, PictureResampling
from confemb.stats.uncertainty import Effort, measure_uncertainty

CONFUSIONS = np.array([[600, 90, 20, 40], [50, 800, 70, 0], [30, 20, 400, 60], [80, 10, 0, 300]])


CASES = Path(__file__).parents[2].parent / "shared" / "cases_statistics"
with_cases = pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases_statistics")


def counts_of(confusions) -> PairCounts:
    return pairs_from_confusions(np.asarray(confusions), tuple(f"c{i}" for i in range(len(confusions))))


def random_table(classes: int, pictures: int, wrong: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the true shares (K, K) of a classifier with groups of like classes, and a confusion matrix drawn."""
    generator = np.random.default_rng(seed)
    places = generator.normal(size=(classes, 3))
    odds = np.exp(places @ places.T / 2 + 0.7 * generator.normal(size=(classes, classes)))
    np.fill_diagonal(odds, 0.0)
    shares = wrong * odds / odds.sum(axis=1).mean()
    shares *= np.minimum(1.0, 0.6 / shares.sum(axis=1, keepdims=True))
    np.fill_diagonal(shares, 1 - shares.sum(axis=1))
    return shares, np.array([generator.multinomial(pictures, row) for row in shares])


def pairs_of(similarity: np.ndarray) -> np.ndarray:
    return similarity[np.triu_indices(len(similarity), k=1)]


def test_readable_is_half_of_one_and_the_normalised_mutual_information():
    for classes in (2, 10, 1000):
        for rate in (1e-6, 0.01, 0.3):
            joint, alone = rate / classes, 1 / classes
            npmi = np.log(joint / alone**2) / -np.log(joint)
            np.testing.assert_allclose(readable(np.array(rate), classes), (1 + npmi) / 2)
        np.testing.assert_allclose(readable(np.array([1.0, 1 / classes]), classes), [1.0, 0.5])
        assert 0 <= readable(np.array(0.0), classes) < 0.01


def test_the_posterior_is_between_the_prior_and_what_was_seen():
    rate = shrunk(np.array([0.0, 5.0, 5000.0]), np.array([100.0, 100.0, 1e5]), np.array([0.02, 0.02, 0.02]), 10.0)
    np.testing.assert_allclose(rate, [0.02 * 10 / 12, 0.02 * 15 / 12, 0.02 * 5010 / 2010])
    assert 0.02 < rate[1] < 0.05
    assert rate[2] == pytest.approx(0.05, rel=0.01)


def test_heat_kernel_is_that_of_the_normalised_laplacian():
    weights = symmetric_shares(counts_of(CONFUSIONS))
    np.fill_diagonal(weights, 0.0)
    kernel, roots = heat_kernel(weights)
    np.testing.assert_allclose(roots**2, weights.sum(axis=1))
    laplacian = np.eye(4) - weights / roots / roots[:, None]
    np.testing.assert_allclose(kernel, expm(-2 * laplacian), atol=1e-9)


def test_cosines_of_the_vectors_are_the_similarity():
    fitted = ConfusionRate().fit(counts_of(CONFUSIONS))
    found = ConfusionRate().embed(counts_of(CONFUSIONS)).cosine().values
    np.testing.assert_allclose(found, fitted.similarity, atol=2e-7)
    assert ConfusionRate().vector_error(counts_of(CONFUSIONS)) < 2e-7
    # Much was seen: the rates are nearly the shares of the pairs.
    seen = (CONFUSIONS + CONFUSIONS.T) / (CONFUSIONS.sum(axis=1)[:, None] + CONFUSIONS.sum(axis=1))
    np.testing.assert_allclose(pairs_of(fitted.rates), pairs_of(seen), atol=0.01)


def test_a_table_that_no_vectors_have_gets_near_ones():
    table = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.9], [0.1, 0.9, 1.0]])
    assert np.linalg.eigvalsh(table)[0] < 0
    vectors = confusion_rate._factor(table)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)
    assert np.abs(vectors @ vectors.T - table).max() < 0.15


@pytest.mark.parametrize("classes", [2, 3, 10, 50, 51, 200])
def test_it_is_symmetric_finite_and_from_0_to_1(classes):
    _, table = random_table(classes, 50, 0.2)
    fitted = ConfusionRate().fit(counts_of(table))
    for values in (fitted.similarity, *fitted.interval()):
        np.testing.assert_array_equal(values, values.T)
        assert np.isfinite(values).all()
        assert pairs_of(values).min() >= 0
        assert pairs_of(values).max() < 1
    # The 200 have a few negative eigenvalues, so that no vectors have just these cosines.
    assert ConfusionRate().vector_error(counts_of(table)) < (0.02 if classes == 200 else 1e-6)


@pytest.mark.parametrize("classes", [2, 3, 10, 60])
def test_all_similarities_grow_with_all_confusions(classes):
    _, table = random_table(classes, 4000, 0.02, seed=classes)
    off = table * (1 - np.eye(classes, dtype=int))
    off[0, 1] = off[0, 1] or 1
    before = None
    for times in (1, 2, 10, 20):
        grown = off * times
        grown[np.diag_indices(classes)] = 4000 * classes - grown.sum(axis=1)
        now = pairs_of(ConfusionRate().fit(counts_of(grown)).similarity)
        if before is not None:
            assert (now > before).all()
        before = now


def test_two_classes_differ_by_their_confusion():
    values = [
        ConfusionRate().fit(counts_of([[1000 - n, n], [n, 1000 - n]])).similarity[0, 1] for n in (0, 10, 100, 450)
    ]
    assert values == sorted(values)
    # A rate of .45 of two classes: log 2 / (log 2 - log .45).
    assert values[-1] == pytest.approx(np.log(2) / (np.log(2) - np.log(0.45)), abs=0.01)
    assert values[0] < 0.15


def test_a_perfect_classifier_makes_all_classes_equally_unlike():
    similarity = ConfusionRate().fit(counts_of(100 * np.eye(10, dtype=int))).similarity
    pairs = pairs_of(similarity)
    assert np.ptp(pairs) == 0
    # As if one confusion lay somewhere among all pairs.
    rate = BACKGROUND / (45 * 200)
    expected = rate * 10 / (200 * rate + 10)
    np.testing.assert_allclose(pairs, readable(np.array(expected), 10))
    assert ConfusionRate().embed(counts_of(100 * np.eye(10, dtype=int))).vectors.shape == (10, 10)


def test_one_mistake_says_little():
    table = 100 * np.eye(10, dtype=int)
    table[0, :2] = 99, 1
    fitted = ConfusionRate().fit(counts_of(table))
    low, high = fitted.interval()
    assert fitted.similarity[0, 1] == pairs_of(fitted.similarity).max()
    # About one in two hundred pairs, not "alike"; and its interval reaches into those of the others.
    assert fitted.similarity[0, 1] < readable(np.array(1.1 / 200), 10)
    assert low[0, 1] < high[2, 3]


def test_parts_that_nothing_connects():
    table = np.kron(np.eye(2, dtype=int), CONFUSIONS)
    similarity = ConfusionRate().fit(counts_of(table)).similarity
    assert np.isfinite(similarity).all()
    assert similarity[:4, 4:].max() < pairs_of(similarity[:4, :4]).min()


def test_the_order_of_the_classes_changes_nothing():
    _, table = random_table(40, 100, 0.2)
    order = np.random.default_rng(1).permutation(40)
    one = ConfusionRate().fit(counts_of(table))
    other = ConfusionRate().fit(counts_of(table[np.ix_(order, order)]))
    np.testing.assert_allclose(other.similarity, one.similarity[np.ix_(order, order)], atol=1e-9)
    cosine = ConfusionRate().embed(counts_of(table[np.ix_(order, order)])).cosine().values
    np.testing.assert_allclose(cosine, one.similarity[np.ix_(order, order)], atol=1e-6)


def test_one_class_more_changes_little():
    # From 50 to 51 classes the other cosines stay: there is no switch.
    _, table = random_table(51, 200, 0.3)
    fewer = ConfusionRate().fit(counts_of(table[:50, :50])).similarity
    more = ConfusionRate().fit(counts_of(table)).similarity[:50, :50]
    assert np.abs(fewer - more).max() < 0.03
    assert abs(pairs_of(fewer).mean() - pairs_of(more).mean()) < 0.01
    for values in (fewer, more):
        np.fill_diagonal(values, -1)
    assert (fewer.argmax(axis=1) == more.argmax(axis=1)).mean() > 0.9


def test_classes_without_pictures_or_pairs_are_finite():
    table = CONFUSIONS.copy()
    table[3] = 0
    counts = pairs_from_confusions(table, ("a", "b", "c", "d"), missing_classes="keep")
    assert np.isfinite(ConfusionRate().embed(counts).cosine().values).all()
    lonely = np.zeros((3, 3), int)
    lonely[0, 0] = 5
    counts = pairs_from_confusions(lonely, ("a", "b", "c"), missing_classes="keep")
    assert np.isfinite(ConfusionRate().fit(counts).similarity).all()


def test_a_single_class():
    assert ConfusionRate().embed(counts_of([[5]])).vectors.tolist() == [[1.0]]


def test_the_same_counts_give_the_same_bytes():
    _, table = random_table(30, 60, 0.3)
    one, other = (ConfusionRate().embed(counts_of(table), seed=seed).vectors for seed in (0, 7))
    assert one.tobytes() == other.tobytes()


def test_fewer_dimensions_keep_the_largest_eigenvectors():
    _, table = random_table(30, 300, 0.3)
    whole = ConfusionRate().fit(counts_of(table)).similarity
    values, vectors = np.linalg.eigh(whole)
    best = (vectors[:, -5:] * values[-5:]) @ vectors[:, -5:].T
    lengths = np.sqrt(np.diag(best))
    embedding = ConfusionRate(dim=5).embed(counts_of(table))
    assert embedding.vectors.shape == (30, 5)
    np.testing.assert_allclose(embedding.cosine().values, best / lengths / lengths[:, None], atol=1e-5)
    np.testing.assert_allclose(ConfusionRate(dim=5).cosine_table(counts_of(table)), embedding.cosine().values)


def test_replicates_are_nearly_those_of_a_new_fit():
    _, table = random_table(60, 400, 0.3)
    counts = counts_of(table)
    fitted = ConfusionRate().fit(counts)
    np.testing.assert_allclose(fitted.cosine_table(counts), fitted.similarity, atol=1e-12)
    drawn = counts_of(np.random.default_rng(3).poisson(table))
    quick, exact, before = (
        pairs_of(values)
        for values in (fitted.cosine_table(drawn), ConfusionRate().fit(drawn).similarity, fitted.similarity)
    )
    assert np.corrcoef(quick - before, exact - before)[0, 1] > 0.9
    assert 0.85 < (quick - before).std() / (exact - before).std() < 1.15
    # A replicate without two of the classes is laid out for those that it has.
    few = counts_of(table)
    smaller = pairs_from_confusions(table[2:, 2:], few.class_names[2:])
    assert fitted.cosine_table(smaller).shape == (58, 58)


@pytest.mark.parametrize(("classes", "pictures", "wrong"), [(10, 200, 0.15), (20, 100, 0.1), (40, 500, 0.1)])
def test_intervals_hold_the_truth_empty_cells_included(classes, pictures, wrong):
    held, empty = [], []
    for seed in range(4):
        shares, table = random_table(classes, pictures, wrong, seed=seed)
        counts = counts_of(table)
        runs = embed_runs(ConfusionRate(), counts, range(1))
        interval = measure_uncertainty(
            CellResampling(counts, seed), ConfusionRate(), runs, Effort(80, 0, 0), seed=seed
        ).intervals[0]
        truth = readable((shares + shares.T) / 2, classes)
        inside = pairs_of((interval.low <= truth) & (truth <= interval.high))
        held += inside.tolist()
        empty += inside[pairs_of(table + table.T) == 0].tolist()
        assert pairs_of(interval.high - interval.low).min() > 0
    assert np.mean(held) > 0.93
    assert np.mean(empty) > 0.85 or len(empty) < 10


def test_very_many_classes_without_a_table(monkeypatch):
    generator = np.random.default_rng(5)
    group = np.arange(300) // 10
    rate = np.where(group[:, None] == group, 2.0, 0.002)
    table = generator.poisson(rate) + 40 * np.eye(300, dtype=int)
    monkeypatch.setattr(confusion_rate, "MOST_CLASSES_IN_A_TABLE", 100)
    embedding = ConfusionRate().embed(counts_of(table))
    assert embedding.vectors.shape == (300, 64)
    nearest = embedding.cosine().values - 2 * np.eye(300)
    assert (group[nearest.argmax(axis=1)] == group).mean() > 0.95
    assert ConfusionRate().embed(counts_of(table)).vectors.tobytes() == embedding.vectors.tobytes()


@with_cases
def test_intervals_of_rare_confusions_hold_the_truth():
    counts, predictions = load_pairs(CASES / "counts_rare_k20_n1000.npz")
    truth = readable(np.loadtxt(CASES / "counts_rare_k20_truth.csv"), 20)
    runs = embed_runs(ConfusionRate(), counts, range(1))
    interval = measure_uncertainty(
        PictureResampling(predictions), ConfusionRate(), runs, Effort(60, 0, 0), seed=0
    ).intervals[0]
    low, high = pairs_of(interval.low), pairs_of(interval.high)
    assert ((low <= truth) & (truth <= high)).mean() > 0.92
    assert (high - low).min() > 0


@with_cases
def test_one_mistake_in_a_thousand_pictures():
    counts, predictions = load_pairs(CASES / "one_mistake.npz")
    runs = embed_runs(ConfusionRate(), counts, range(1))
    interval = measure_uncertainty(
        PictureResampling(predictions, k=1), ConfusionRate(), runs, Effort(40, 0, 0), seed=0
    ).intervals[0]
    similarity = runs.cosines()[0]
    assert pairs_of(similarity).max() < 0.31
    # What was seen once may be as rare as what was never seen, and the other way round.
    most, rest = np.argsort(-pairs_of(similarity))[[0, 1]]
    assert pairs_of(interval.low)[most] < pairs_of(interval.high)[rest]
