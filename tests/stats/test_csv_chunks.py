"""Large CSV files are counted in parts, with the counts of the whole."""

import numpy as np
import pytest

from confemb.stats import csv_chunks
from confemb.stats.counting import count_replicates, count_shards
from confemb.support.errors import ConfembError


@pytest.fixture
def streamed(monkeypatch):
    monkeypatch.setattr(csv_chunks, "STREAMED_FROM", 0)
    monkeypatch.setattr(csv_chunks, "_ROWS", 7)


def table(rows: int, *, names: list[str], quoted: bool = False) -> str:
    generator = np.random.default_rng(3)
    lines = ["id,label,top1,top2,top3,prob1,prob2,prob3,other"]
    for row in range(rows):
        label, (first, second, third) = generator.integers(len(names)), generator.permutation(len(names))[:3]
        cells = [names[label], names[first], names[second], names[third]]
        cells = [f'"{cell}"' if quoted or "," in cell else cell for cell in cells]
        lines.append(",".join([f"p{row}", *cells, "0.5", "0.3", "0.1", "x"]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("names", [["cat", "d,og", "owl", "emu"], ["0", "1", "2", "3", "4"], ["3", "1", "2", "0"]])
@pytest.mark.parametrize("k", [None, 1, 2])
@pytest.mark.parametrize("weighting", ["count", "probability"])
def test_parts_give_the_counts_of_the_whole(tmp_path, monkeypatch, names, k, weighting):
    path = tmp_path / "p.csv"
    path.write_text(table(60, names=names))
    whole = count_shards([path], k=k, weighting=weighting)
    monkeypatch.setattr(csv_chunks, "STREAMED_FROM", 0)
    monkeypatch.setattr(csv_chunks, "_ROWS", 7)
    opened = []
    own = csv_chunks.CsvChunks.__iter__
    monkeypatch.setattr(csv_chunks.CsvChunks, "__iter__", lambda chunks: opened.append(chunks) or own(chunks))
    parts = count_shards([path], k=k, weighting=weighting)
    assert opened
    assert (parts.class_names, parts.k, parts.unit) == (whole.class_names, whole.k, whole.unit)
    for name in ("true", "predicted", "rank", "counts"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name))


def test_given_names_mean_in_every_part_what_they_mean_in_the_whole(tmp_path, streamed):
    # The first part alone could be read as names.
    path = tmp_path / "p.csv"
    path.write_text("label,top1\n" + "1,2\n" * 20 + "0,1\n")
    counts = count_shards([path], class_names=["1", "2", "3"])
    assert counts.matrix().toarray().tolist() == [[0, 1, 0], [0, 0, 20], [0, 0, 0]]


def test_replicates_are_those_of_the_whole(tmp_path, monkeypatch):
    path = tmp_path / "p.csv"
    path.write_text(table(60, names=["a", "b", "c"]))
    whole = count_replicates([path], replicates=3)
    monkeypatch.setattr(csv_chunks, "STREAMED_FROM", 0)
    monkeypatch.setattr(csv_chunks, "_ROWS", 7)
    parts = count_replicates([path], replicates=3)
    whole.save(tmp_path / "whole.npz")
    parts.save(tmp_path / "parts.npz")
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "parts.npz").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,top1\n" + "a,b\n" * 9 + "a\n", "line 11 has 1 cells"),
        ("label,top1\n" + "a,b\n" * 9 + "\na,b\n", "line"),
        ("label,top1,prob1\n" + "a,b,0.5\n" * 9 + "a,b,half\n", "'half' in column 'prob1'"),
        ("label,top1,top2\n" + "a,b,a\n" * 9 + "a,b,b\n", "row 9 predicts the same class twice"),
        ("label,top1\n" + "a,b\n" * 9 + "a,\n", "empty cell"),
    ],
)
def test_errors_say_where(tmp_path, streamed, text, message):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ConfembError, match=message) as caught:
        count_shards([path])
    assert "p.csv" in str(caught.value)
