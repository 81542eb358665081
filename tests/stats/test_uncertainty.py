import numpy as np
import pytest

from confemb.embedders import embed_runs
from confemb.embedders.balanced import Balanced
from confemb.embedders.skipgram import SkipGram
from confemb.records.embedding import ClassEmbedding, EmbeddingRuns
from confemb.records.pairs import count_pairs
from confemb.stats.bootstrap import PictureResampling
from confemb.stats.groups import two_values
from confemb.stats.seeds import summarise_runs
from confemb.stats.uncertainty import (
    INTERVALS,
    RELIABILITY,
    Effort,
    Uncertainty,
    choose_effort,
    intervals_by_source,
    measure_uncertainty,
)
from confemb.support.errors import ConfembError


class TwoPlaces:
    """An embedder whose seed decides where it lands: class c beside a, or opposite to it; a little noise besides."""

    def embed(self, counts, *, seed):
        generator = np.random.default_rng(seed)
        vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.6 if seed % 3 else -0.6, 0, 0.8], [0, 0.9, 0.4]])
        return ClassEmbedding(vectors + 0.01 * generator.normal(size=vectors.shape), counts.class_names)


def test_effort_follows_what_the_embedder_costs():
    assert choose_effort(Balanced(), 1000) == Effort(200, 10, 5)
    assert choose_effort(SkipGram(), 10) == Effort(20, 5, 3)
    assert choose_effort(SkipGram(), 31) == Effort(20, 5, 0)
    assert choose_effort(SkipGram(), 1000, pictures=7, split_halves=0, dimension_splits=1) == Effort(7, 0, 1)
    assert Effort(0, 0, 0).none
    assert not Effort(0, 1, 0).none


def test_a_measurement_is_saved_and_read_back_and_repeats(predictions, tmp_path):
    counts = count_pairs(predictions, k=3)
    runs = embed_runs(Balanced(), counts, [0])
    resampling = PictureResampling(predictions, 3)
    steps = []
    found = measure_uncertainty(
        resampling, Balanced(), runs, Effort(12, 2, 2), seed=0, progress=lambda *step: steps.append(step)
    )
    assert {what for what, _, _ in steps} == {"bootstrap", "split halves", "dimensions"}
    assert all(
        any(step == (what, total, total) for step in steps) for what, total in (("bootstrap", 12), ("split halves", 2))
    )
    [interval] = found.intervals
    assert (interval.source, interval.replicates) == ("pictures", 12)
    value = runs[0].cosine().values
    assert (interval.low <= value + 1e-6).all()
    assert (interval.high >= value - 1e-6).all()
    # A deterministic embedder has no interval over seeds.
    assert list(intervals_by_source(summarise_runs(runs), 1, found)) == ["pictures"]
    files = found.save(tmp_path)
    assert sorted(files) == [RELIABILITY, INTERVALS]
    before = {name: (tmp_path / name).read_bytes() for name in files}
    read = Uncertainty.load(tmp_path, files)
    assert read.reliability == found.reliability
    np.testing.assert_allclose(read.intervals[0].low, interval.low, atol=1e-6)
    measure_uncertainty(resampling, Balanced(), runs, Effort(12, 2, 2), seed=0).save(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files} == before
    assert Uncertainty.load(tmp_path, []).intervals == ()


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / RELIABILITY).write_text('{"split_half": 3}')
    with pytest.raises(ConfembError, match=r"reliability\.json"):
        Uncertainty.load(tmp_path, [RELIABILITY])


def test_seeds_give_an_interval_of_their_own(predictions):
    counts = count_pairs(predictions, k=3)
    names = counts.class_names
    vectors = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)
    summary = summarise_runs(EmbeddingRuns(vectors, (0, 1, 2, 3, 4), names))
    found = intervals_by_source(summary, 5, Uncertainty())
    assert list(found) == ["seeds"]
    assert found["seeds"].replicates == 5
    np.testing.assert_array_equal(found["seeds"].low, summary.similarity.low)


def test_two_places_are_told_apart_from_the_pictures(predictions):
    four = predictions.where(np.isin(predictions.labels, [0, 1, 2, 3]))
    counts = count_pairs(four, k=3, missing_classes="drop")
    runs = embed_runs(TwoPlaces(), counts, range(20))
    basins = summarise_runs(runs).basins
    both = two_values(runs, basins)
    assert len(basins.runs[0]) == 13
    assert both.of(0, 2) == pytest.approx((0.6, -0.6), abs=0.02)
    assert both.of(0, 1) is None
    assert both.apart.sum() == 4  # a with c and b with c, both ways round
    found = measure_uncertainty(PictureResampling(four, 3), TwoPlaces(), runs, Effort(20, 0, 0), seed=0)
    low, high = found.intervals[0].between(0, 2)
    # The pictures change nothing here: what is left is the resolution, far from the 1.2 between the places.
    assert 0.5 < low < 0.6 < high < 0.7
    assert two_values(runs, None) is None
