import sys

import numpy as np
import pytest

from confemb.records.pairs import PairCounts, PairSum
from confemb.records.prediction_files import save_predictions
from confemb.stats.beam import beam_sum
from confemb.stats.counting import count_shards
from confemb.support.errors import ConfembError


@pytest.fixture
def shards(predictions, tmp_path):
    paths = [tmp_path / f"{part}.parquet" for part in range(7)]
    for part, path in enumerate(paths):
        save_predictions(predictions.where(np.arange(len(predictions)) % 7 == part), path)
    return [str(path) for path in paths]


def test_without_beam_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ConfembError, match=r"pipelines need apache_beam, .*confemb\[beam\]"):
        beam_sum()


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_on_the_local_runner_gives_the_same_bytes(shards, tmp_path):
    beam = pytest.importorskip("apache_beam")
    out = str(tmp_path / "beam.npz")
    with beam.Pipeline() as pipeline:
        (
            pipeline
            | beam.Create(shards)
            | beam.Map(lambda path: count_shards([path], k=2))
            | beam.Reshuffle()
            | beam.CombineGlobally(beam_sum())
            | beam.Map(lambda counts: counts.save(out))
        )
    count_shards(shards, k=2).save(tmp_path / "one.npz")
    assert (tmp_path / "beam.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()


def test_accumulators_merge_in_any_grouping(shards):
    pytest.importorskip("apache_beam")
    combine = beam_sum()
    parts = [count_shards([path], k=2) for path in shards]
    totals = [combine.create_accumulator() for _ in range(4)]
    for number, part in enumerate(parts):
        totals[number % 3] = combine.add_input(totals[number % 3], part)
    merged: PairCounts = combine.extract_output(combine.merge_accumulators(totals))
    expected = PairSum()
    for part in parts:
        expected.add(part)
    assert merged.shards == expected.counts().shards
    np.testing.assert_array_equal(merged.counts, expected.counts().counts)
    with pytest.raises(ConfembError, match="would be counted twice"):
        combine.add_input(combine.merge_accumulators(totals), parts[0])
