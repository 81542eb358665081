import numpy as np
import pytest
from scipy import stats

from confemb.embedders import make_pair_embedder
from confemb.embedders.counts import count_similarity
from confemb.records.options import PairOptions
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.stats.bootstrap import PictureResampling, picture_replicates
from confemb.stats.intervals import SimilarityInterval, Spread, fisher_z, load_intervals, save_intervals
from confemb.support.errors import ConfembError

NAMES = ("a", "b", "c")


def an_interval(source="pictures", low=-0.5, high=0.5, names=NAMES):
    size = len(names)
    return SimilarityInterval(source, np.full((size, size), low), np.full((size, size), high), names, 7)


def test_they_are_saved_and_read_back(tmp_path):
    pictures, retrainings = an_interval(), an_interval("retrainings", 0.1, 0.3)
    pictures.low[0, 1] = pictures.low[1, 0] = np.nan
    pictures.high[0, 1] = pictures.high[1, 0] = np.nan
    save_intervals([pictures, retrainings], tmp_path / "i.npz")
    found = load_intervals(tmp_path / "i.npz")
    assert [(i.source, i.replicates, i.class_names) for i in found] == [
        ("pictures", 7, NAMES),
        ("retrainings", 7, NAMES),
    ]
    assert found[0].between(0, 1) is None
    assert found[0].between(2, 1) == (-0.5, 0.5)
    assert found[1].between(0, 1) == pytest.approx((0.1, 0.3))
    first = (tmp_path / "i.npz").read_bytes()
    save_intervals([pictures, retrainings], tmp_path / "i.npz")
    assert (tmp_path / "i.npz").read_bytes() == first


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ConfembError, match="must be one of seeds, pictures, retrainings"):
        an_interval("weather")
    with pytest.raises(ConfembError, match="lower bound above"):
        an_interval(low=0.6)
    with pytest.raises(ConfembError, match="3 classes"):
        SimilarityInterval("seeds", np.zeros((2, 2)), np.zeros((2, 2)), NAMES, 2)
    with pytest.raises(ConfembError, match="two intervals over pictures"):
        save_intervals([an_interval(), an_interval()], tmp_path / "i.npz")
    with pytest.raises(ConfembError, match="different classes"):
        save_intervals([an_interval(), an_interval("seeds", names=("x", "y", "z"))], tmp_path / "i.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(ConfembError, match=r"cannot read the intervals in .*bad\.npz"):
        load_intervals(tmp_path / "bad.npz")


def test_one_run_each_gives_the_standard_deviation_of_z():
    cosines = np.random.default_rng(0).uniform(-0.9, 0.9, size=(30, 1, 3)).astype(np.float32)
    spread = Spread(3)
    for replicate in cosines:
        spread.add(replicate)
    z = fisher_z(cosines[:, 0])
    np.testing.assert_allclose(spread.variance(), z.var(axis=0, ddof=1), rtol=1e-10)
    found = spread.interval(np.array([0.1, 0.5, -0.9]), NAMES)
    half = stats.t.ppf(0.975, 29) * z.std(axis=0, ddof=1)
    np.testing.assert_allclose(found.low[0, 1], np.tanh(np.arctanh(0.1) - half[0]))
    np.testing.assert_allclose(found.high[1, 2], np.tanh(np.arctanh(-0.9) + half[2]))
    assert found.replicates == 30


def test_runs_of_one_replicate_give_the_analysis_of_variance():
    # Searle et al. 1992, section 3.6, worked out in the plain way for 40 replicates of 2 runs.
    generator = np.random.default_rng(1)
    cosines = np.tanh(0.3 * generator.normal(size=(40, 1, 2)) + 0.1 * generator.normal(size=(40, 2, 2)))
    spread = Spread(2)
    for replicate in cosines:
        spread.add(replicate)
    z = np.arctanh(cosines)
    within = z.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(spread.variance(), z.mean(axis=1).var(axis=0, ddof=1) - within / 2, rtol=1e-8)


def test_what_is_rarely_known_has_no_interval():
    spread = Spread(2)
    for number in range(10):
        spread.add(np.array([[0.1 * (number % 3), np.nan if number < 6 else 0.1 * number]], np.float32))
    variance = spread.variance()
    assert variance[0] > 0
    assert np.isnan(variance[1])


def test_the_value_lies_within_even_at_one():
    spread = Spread(1)
    for value in (1.0, 1.0, 0.999):
        spread.add(np.array([[value]], np.float32))
    found = spread.interval(np.array([1.0]), ("a", "b"))
    assert found.low[0, 1] < found.high[0, 1] == 1.0


@pytest.mark.parametrize(("pictures", "seeds"), [(0.2, 0.0), (0.2, 0.1), (0.1, 0.2), (0.05, 0.2)])
def test_the_pictures_part_covers_beside_the_seeds(pictures, seeds):
    # 2,000 pairs at once, each with a true value, an estimate that is off by its pictures, and replicates that vary by
    # pictures and seeds. The part that is told apart must cover at the nominal level, or rather above.
    generator = np.random.default_rng(5)
    size = 2000
    estimate = pictures * generator.normal(size=size)
    spread = Spread(size)
    if seeds:
        spread.add_seeds(np.tanh(estimate + seeds * generator.normal(size=(20, size))))
    for _ in range(20):
        runs = (
            estimate + pictures * generator.normal(size=size) + seeds * generator.normal(size=(2 if seeds else 1, size))
        )
        spread.add(np.tanh(runs))
    half = stats.t.ppf(0.975, 19) * np.sqrt(spread.variance())
    covered = (np.abs(estimate) <= half).mean()
    error = np.sqrt(0.95 * 0.05 / size)
    assert covered > 0.95 - 0.03 - 3 * error
    # Not by being endless: with the seeds left in, the width would be that of both together.
    if seeds <= pictures:
        assert np.median(half) < 2.093 * np.hypot(pictures, seeds / np.sqrt(2))


def test_an_interval_over_pictures_covers_the_large_sample_similarity():
    # Pictures drawn 80 times from a known distribution: five classes, confusions from 2 to 13 per cent.
    generator = np.random.default_rng(11)
    size, each = 5, 120
    confusions = generator.uniform(0.02, 0.13, size=(size, size))
    np.fill_diagonal(confusions, 0)
    np.fill_diagonal(confusions, 1 - confusions.sum(axis=1))
    truth = ((confusions + confusions.T) / 2)[np.triu_indices(size, k=1)]
    names = tuple("abcde")
    upper = np.triu_indices(size, k=1)
    labels = np.repeat(np.arange(size), each)
    covered = []
    for draw in range(80):
        top = np.concatenate([generator.choice(size, each, p=row) for row in confusions])[:, None]
        predictions = Predictions(labels, top, None, names)
        resampling = PictureResampling(predictions, 1, seed=draw)
        spread = Spread(len(truth))
        for number in range(50):
            spread.add(count_similarity(resampling.replicate(number)).values[upper][None])
        found = spread.interval(count_similarity(count_pairs(predictions, k=1)).values[upper], names)
        covered.append((found.low[upper] <= truth) & (truth <= found.high[upper]))
    share = np.mean(covered)
    # The ten pairs of one draw are nearly independent; three binomial standard errors, with half a per cent for the
    # skewness of small counts.
    assert abs(share - 0.95) < 3 * np.sqrt(0.95 * 0.05 / np.size(covered)) + 0.005


@pytest.mark.slow
@pytest.mark.parametrize(
    ("embedder", "scatter", "least"),
    [("counts", 1, 0.93), ("diffusion", 1, 0.93), ("diffusion", 2, 0.93), ("balanced", 2, 0.92), ("balanced", 1, 0.5)],
)
def test_intervals_over_pictures_cover_the_similarity_of_all_pictures(embedder, scatter, least):
    # Samples of 2,000 drawn from 60,000 pictures, whose own embedding is the truth; 3 classes are kept of each. With a
    # scatter of 1 a quarter of the cells hold less than 1 % of their row: logarithms of such shares are biased.
    generator = np.random.default_rng(3)
    size, names = 8, tuple("abcdefgh")
    labels = np.arange(60_000) % size
    places = generator.normal(size=(size, 3))
    points = places[labels] + scatter * generator.normal(size=(len(labels), 3))
    logits = -2 * np.linalg.norm(points[:, None] - places, axis=2)
    everything = predictions_from_scores(logits, labels, names, k=3, logits=True)
    made, upper = make_pair_embedder(embedder, {}), np.triu_indices(size, k=1)

    def similarities(predictions):
        return made.embed(count_pairs(predictions, k=3), seed=0).cosine().values[upper]

    truth, covered = similarities(everything), []
    for draw in range(40):
        sample = everything.where(generator.choice(len(labels), 2000, replace=False))
        spread = Spread(len(truth))
        for values in picture_replicates(sample, made, pairs=PairOptions(k=3), replicates=40, seed=draw):
            spread.add(values)
        found = spread.interval(similarities(sample), names)
        covered.append((found.low[upper] <= truth) & (truth <= found.high[upper]))
    assert least <= np.mean(covered) <= 0.99
    # What `Spread.interval` warns of; where this fails, the warning may be taken back.
    assert (np.mean(covered) < 0.8) == ((embedder, scatter) == ("balanced", 1))
