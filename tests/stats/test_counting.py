import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import confemb
from confemb.records.pairs import PairCounts, count_pairs
from confemb.records.prediction_files import load_pairs, save_predictions
from confemb.records.predictions import predictions_from_scores
from confemb.stats import counting
from confemb.stats.bootstrap import PictureResampling
from confemb.stats.count_replicates import CountedResampling, load_replicates
from confemb.stats.counting import common_replicates, count_replicates, count_shards, held_replicates
from confemb.support.errors import ConfembError


@pytest.fixture
def shards(predictions, tmp_path) -> list[Path]:
    """Three Parquet files of the pictures, in turns."""
    paths = [tmp_path / f"shard_{part}.parquet" for part in range(3)]
    for part, path in enumerate(paths):
        save_predictions(predictions.where(np.arange(len(predictions)) % 3 == part), path)
    return paths


def assert_cells(a: PairCounts, b: PairCounts) -> None:
    assert (a.class_names, a.k, a.unit) == (b.class_names, b.k, b.unit)
    for what in ("true", "predicted", "rank", "counts"):
        np.testing.assert_array_equal(getattr(a, what), getattr(b, what))


@pytest.mark.parametrize(("weighting", "temperature"), [("count", 1.0), ("probability", 1.0), ("probability", 2.0)])
def test_shards_streamed_are_the_whole(predictions, shards, weighting, temperature, monkeypatch):
    # Seven rows at a time.
    monkeypatch.setattr(counting, "_CELLS", 30)
    settings = {"k": 2, "weighting": weighting, "temperature": temperature}
    found = count_shards(shards, **settings)
    assert_cells(found, count_pairs(predictions, **settings))
    assert len(found.shards) == 3
    again = count_shards(shards[::-1], **settings)
    assert_cells(again, found)
    assert again.shards == found.shards


def test_weights_of_pictures_of_several_classes_count(tmp_path):
    labels = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 0]])
    scores = np.array([[0.5, 0.4, 0.1], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1]])
    predictions = predictions_from_scores(scores, labels, ("a", "b", "c"), k=3)
    save_predictions(predictions, tmp_path / "p.parquet")
    assert_cells(count_shards([tmp_path / "p.parquet"]), count_pairs(predictions, k=3))


def test_every_format_and_counts_add_up(predictions, shards, tmp_path):
    np.savez(
        tmp_path / "p.npz",
        labels=predictions.labels,
        topk=predictions.top_classes,
        class_names=np.array(predictions.class_names),
    )
    part = count_shards(shards[:2])
    part.save(tmp_path / "part.npz")
    found = count_shards([tmp_path / "part.npz", tmp_path / "p.npz", shards[2]])
    once = count_pairs(predictions, k=3)
    np.testing.assert_array_equal(found.counts, 2 * once.counts)
    assert set(part.shards) < set(found.shards)
    assert len(found.shards) == 4
    # Counts of a result know no shards; the file then is one.
    once.save(tmp_path / "pairs.npz")
    assert len(count_shards([tmp_path / "pairs.npz"]).shards) == 1


def test_columns_of_numbers_and_of_plain_text(predictions, tmp_path):
    names = np.array(predictions.class_names, object)
    for cells, name in ((lambda indices: indices, "numbers"), (lambda indices: names[indices], "text")):
        columns = {"label": cells(predictions.labels)}
        columns |= {f"top{rank + 1}": cells(predictions.top_classes[:, rank]) for rank in range(3)}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        found = count_shards([tmp_path / f"{name}.parquet"], class_names=predictions.class_names)
        assert_cells(found, count_pairs(predictions, k=3))
    with pytest.raises(ConfembError, match=r'text\.parquet: its metadata has no "class_names": give all class names'):
        count_shards([tmp_path / "text.parquet"])


def test_class_names_given_set_the_order(predictions, shards):
    order = ("new", *predictions.class_names[::-1])
    found = count_shards(shards, class_names=order)
    assert_cells(found, count_pairs(predictions, k=3, missing_classes="keep").select(class_names=order))


def rewritten(path: Path, change) -> Path:
    """Write a shard again, with its columns changed."""
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    change(columns)
    pq.write_table(pa.table(columns).replace_schema_metadata(table.schema.metadata), path)
    return path


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("top2", "dragon", r"unknown class 'dragon' in column 'top2', row 50"),
        ("label", None, r"row 50 has no value in column 'label'"),
        ("prob3", 0.9999, r"row 50 has probabilities that rise"),
        ("prob1", 1.5, r"row 50 has the probability 1\.5 at rank 1"),
    ],
)
def test_a_bad_row_is_named_with_its_file(shards, column, value, sentence, monkeypatch):
    monkeypatch.setattr(counting, "_CELLS", 49)

    def change(columns):
        columns[column][50] = value

    rewritten(shards[1], change)
    with pytest.raises(ConfembError, match=rf"shard_1\.parquet: .*{sentence}"):
        count_shards(shards, weighting="probability")


def test_a_class_twice_in_a_row_is_named(shards, monkeypatch):
    monkeypatch.setattr(counting, "_CELLS", 28)

    def change(columns):
        columns["top2"][60] = columns["top1"][60]

    with pytest.raises(ConfembError, match=r"shard_0\.parquet: row 60 predicts the same class twice"):
        count_shards([rewritten(shards[0], change)])


def test_what_does_not_fit_is_refused(predictions, shards, tmp_path, run):
    out = tmp_path / "counts.npz"
    other = tmp_path / "other.parquet"
    save_predictions(predictions_from_scores(np.eye(3), np.arange(3), ("a", "b", "q"), k=3), other)
    fewer = tmp_path / "fewer.parquet"
    table = pq.read_table(shards[0])
    pq.write_table(table.drop_columns(["top3", "prob3"]), fewer)
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(shards[0].read_bytes())
    counted = tmp_path / "counted.npz"
    count_shards(shards[:1]).save(counted)
    text = tmp_path / "notes.parquet"
    text.write_text("no Parquet")
    half = tmp_path / "half.parquet"
    half.write_bytes(shards[0].read_bytes()[:900])
    (tmp_path / "empty.parquet").touch()
    sparse = tmp_path / "sparse.csv"
    with open(sparse, "wb") as opened:
        opened.truncate(1 << 42)
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, something=np.ones(3))
    broken = tmp_path / "broken.npz"
    np.savez(broken, true=np.ones(3), predicted=np.ones(3), rank=np.ones(3), counts=np.ones(3))
    for given, sentence in [
        ([shards[0], other], r"other\.parquet: cannot add pair counts whose class_names differ: 6 and 3 classes"),
        ([shards[1], fewer], r"fewer\.parquet: cannot add pair counts whose k differ: 3 and 2"),
        ([fewer, "-k", 3], r"fewer\.parquet: k = 3 is out of range: there are 2 predicted classes"),
        ([shards[0], copy], r"copy\.parquet would be counted twice, it is the same as .*shard_0\.parquet: leave one"),
        ([shards[1], shards[1]], r"shard_1\.parquet would be counted twice"),
        ([counted, shards[1], shards[0]], r"shard_0\.parquet: 1 of 1 shards would be counted twice"),
        ([shards[1], text], r"notes\.parquet is no Parquet file"),
        ([half], r"half\.parquet: the Parquet file is broken"),
        ([tmp_path / "empty.parquet"], r"empty\.parquet is empty"),
        ([sparse], r"sparse\.csv is no Parquet file and larger than 4,294,967,296 bytes"),
        ([tmp_path / "nowhere.parquet"], r"nowhere\.parquet does not exist"),
        ([tmp_path], r"is no file"),
        ([arrays], r"arrays\.npz: it holds 'something'"),
        ([broken], r"broken\.npz: its array 'true' cannot be float64"),
        ([counted, "--weighting", "probability"], r"counted\.npz: its pairs were counted without probabilities"),
        ([counted, "--temperature", 2], r"counted\.npz: its pairs are counted already"),
    ]:
        status, _, stderr = run("count", *given, "--out", out)
        assert status == 2, stderr
        assert len(stderr.splitlines()) == 1
        assert not out.exists()
        assert re.search(sentence, stderr), stderr
    assert run("count", shards[0], "--out", tmp_path / "counts.csv")[2].startswith("confemb: --out is ")
    assert not list(tmp_path.glob(".*"))


def test_a_refusal_keeps_an_older_file(shards, tmp_path, run):
    out = tmp_path / "counts.npz"
    assert run("count", shards[0], "--out", out)[0] == 0
    before = out.read_bytes()
    assert run("count", shards[0], shards[0], "--out", out)[0] == 2
    assert out.read_bytes() == before


def test_counting_and_embedding_by_command(predictions, shards, tmp_path, run):
    out = tmp_path / "counts.npz"
    status, stdout, _ = run("count", *shards, "--out", out)
    assert status == 0
    cells = len(count_pairs(predictions, k=3).counts)
    assert stdout.strip() == f"{out}: 600 pairs of 6 classes in {cells} cells, from 3 shards"
    assert run("count", *shards[::-1], "--out", tmp_path / "again.npz")[0] == 0
    assert (tmp_path / "again.npz").read_bytes() == out.read_bytes()

    # From the counts come the bytes that the predictions give.
    save_predictions(predictions, tmp_path / "all.parquet")
    options = ("-k", 2, "--self-pairs", "drop", "--embedder", "skipgram", "--seeds", 2, "--bootstraps", 0)
    for given, folder in ((out, "from_counts"), (tmp_path / "all.parquet", "from_predictions")):
        assert run("embed", given, "--out", tmp_path / folder, *options)[0] == 0
    for name in ("embedding.txt", "similarities.csv", "embedding_runs.npz"):
        contents = [(tmp_path / folder / name).read_bytes() for folder in ("from_counts", "from_predictions")]
        assert contents[0] == contents[1]


def test_counts_say_which_classes_have_no_picture(predictions, tmp_path, run):
    save_predictions(predictions.where(predictions.labels != 2), tmp_path / "p.parquet")
    status, stdout, _ = run("count", tmp_path / "p.parquet", "--out", tmp_path / "c.npz")
    assert status == 0
    assert stdout.endswith("; 1 classes have no picture\n")
    with pytest.raises(ConfembError, match=r"c\.npz: 1 of 6 classes have no picture: 'c'"):
        load_pairs(tmp_path / "c.npz")
    dropped, found = load_pairs(tmp_path / "c.npz", missing_classes="drop")
    assert found is None
    assert_cells(dropped, load_pairs(tmp_path / "p.parquet", missing_classes="drop")[0])


@pytest.mark.parametrize("weighting", ["count", "probability"])
def test_replicates_are_those_of_the_predictions(predictions, shards, weighting, tmp_path, monkeypatch):
    # Seven rows at a time: most replicates lack some class in some of them.
    monkeypatch.setattr(counting, "_CELLS", 50)
    found = count_replicates(shards, replicates=5, seed=3, k=3, weighting=weighting)
    assert_cells(found.counts, count_pairs(predictions, k=3, weighting=weighting))
    assert len(found) == 5
    found.save(tmp_path / "whole.npz")
    assert_cells(PairCounts.load(tmp_path / "whole.npz"), found.counts)
    # Counted apart and added, by halves, the bytes are the same.
    for name, part in (("a", shards[:1]), ("b", shards[:0:-1])):
        count_replicates(part, replicates=5, seed=3, weighting=weighting).save(tmp_path / f"{name}.npz")
    parts = [tmp_path / "b.npz", tmp_path / "a.npz"]
    assert held_replicates([*parts, shards[0]]) == [(5, 3), (5, 3), (0, 0)]
    count_replicates(parts, replicates=5, seed=3, weighting=weighting).save(tmp_path / "added.npz")
    assert (tmp_path / "added.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()

    read = load_replicates(tmp_path / "whole.npz")
    for k, self_pairs in ((3, "keep"), (2, "drop")):
        like = found.counts.select(k=k, self_pairs=self_pairs)
        ours = CountedResampling(read, like)
        theirs = PictureResampling(predictions, k, self_pairs, weighting, seed=3)
        for number in range(5):
            assert_cells(ours.replicate(number), theirs.replicate(number))
    with pytest.raises(ConfembError, match="counts do not know halves of their pictures"):
        ours.halves(0)


def test_intervals_from_counts_have_the_bytes_of_those_from_predictions(predictions, shards, tmp_path, run):
    status, stdout, _ = run("count", *shards, "--out", tmp_path / "counts.npz", "--bootstraps", 6)
    assert status == 0
    assert stdout.strip().endswith("from 3 shards; 6 replicates")
    # Those that all shards hold are kept unasked.
    assert "; 6 replicates" in run("count", tmp_path / "counts.npz", "--out", tmp_path / "again.npz")[1]
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "counts.npz").read_bytes()
    save_predictions(predictions, tmp_path / "all.parquet")
    options = ("--bootstraps", 6, "--embedder", "diffusion", "--dim", 3)
    for given, folder in (("counts.npz", "from_counts"), ("all.parquet", "from_predictions")):
        status, _, err = run("embed", tmp_path / given, "--out", tmp_path / folder, *options)
        assert (status, "no interval" in err) == (0, False)
    name = "similarity_intervals.npz"
    contents = [(tmp_path / folder / name).read_bytes() for folder in ("from_counts", "from_predictions")]
    assert contents[0] == contents[1]
    manifest = json.loads((tmp_path / "from_counts" / "manifest.json").read_text())
    assert manifest["stages"]["uncertainty"]["drawn"] == "pictures, while they were counted"
    assert manifest["stages"]["uncertainty"]["effort"] == {"pictures": 6, "split_halves": 0, "dimension_splits": 0}


@pytest.mark.parametrize(
    ("held", "common"),
    [
        ([(5, 3), (5, 3)], (5, 3)),
        ([(50, 3), (40, 3), (60, 3)], (40, 3)),
        ([(5, 3), (5, 4)], (0, 0)),
        ([(5, 3), (0, 0)], (0, 0)),
        ([(5, 0), (0, 0)], (0, 0)),
        ([(0, 0)], (0, 0)),
        ([], (0, 0)),
    ],
)
def test_what_all_hold_is_kept(held, common):
    assert common_replicates(held) == common


def test_counts_keep_the_replicates_that_both_hold_or_say_that_they_do_not(predictions, shards, tmp_path, run):
    names = []
    for shard, number, seed in ((0, 4, 0), (1, 3, 0), (2, 3, 1)):
        names.append(tmp_path / f"{shard}.npz")
        run("count", shards[shard], "--out", names[-1], "--bootstraps", number, "--seed", seed)
    _, said, noted = run("count", *names[:2], "--out", tmp_path / "both.npz")
    assert "from 2 shards; 3 replicates" in said
    assert noted == ""
    ours, theirs = load_replicates(tmp_path / "both.npz"), count_replicates(shards[:2], replicates=3)
    np.testing.assert_array_equal(ours.drawn, theirs.drawn)
    _, said, noted = run("count", *names[1:], "--out", tmp_path / "other.npz")
    assert "replicates" not in said
    assert "some shards hold replicates, and others none or those of another seed: they are left out" in noted


def test_counts_alone_give_no_interval_and_say_so(shards, tmp_path, run):
    assert run("count", *shards, "--out", tmp_path / "counts.npz")[0] == 0
    status, _, err = run("embed", tmp_path / "counts.npz", "--out", tmp_path / "out", "--dim", 3)
    assert status == 0
    assert "counts alone do not tell which pairs are of one picture, so no interval is given" in err
    assert not (tmp_path / "out" / "similarity_intervals.npz").exists()


def test_replicates_that_cannot_be_drawn_are_refused(predictions, shards, tmp_path, refused):
    from dataclasses import replace

    save_predictions(replace(predictions, ids=None, splits=None), tmp_path / "nameless.parquet")
    options = ("--out", tmp_path / "out.npz", "--bootstraps", 3)
    assert "nameless.parquet: its pictures have no ids" in refused("count", tmp_path / "nameless.parquet", *options)
    count_shards(shards[:1]).save(tmp_path / "plain.npz")
    assert "plain.npz: its pictures are not known" in refused("count", tmp_path / "plain.npz", shards[1], *options)
    count_replicates(shards[:1], replicates=3, seed=1).save(tmp_path / "other.npz")
    error = refused("count", tmp_path / "other.npz", shards[1], *options)
    assert "other.npz: it holds 3 replicates of seed 1, but 3 of seed 0 are wanted" in error
    with np.load(tmp_path / "other.npz") as arrays:
        broken = dict(arrays)
    np.savez(tmp_path / "broken.npz", **broken | {"replicates": broken["replicates"][:, 1:]})
    options = ("--out", tmp_path / "o", "--missing-classes", "drop")
    assert "broken.npz: its replicates have shape" in refused("embed", tmp_path / "broken.npz", *options)
    assert not (tmp_path / "out.npz").exists()
    assert not (tmp_path / "o").exists()


def test_progress_reaches_the_end(shards):
    seen = []
    count_shards(shards, progress=lambda what, done, total: seen.append((what, done, total)))
    total = sum(path.stat().st_size for path in shards)
    assert {each[2] for each in seen} == {total}
    done = [each[1] for each in seen]
    assert done == sorted(done)
    assert done[-1] == total


def test_a_killed_count_leaves_nothing_half_written(tmp_path):
    # Enough shards that it is killed in the middle; they differ in their metadata.
    names = tuple(f"class {i}" for i in range(300))
    generator = np.random.default_rng(0)
    labels = generator.integers(300, size=200_000)
    columns = {"label": labels, "top1": labels, "top2": (labels + generator.integers(1, 300, size=len(labels))) % 300}
    paths = []
    for number in range(12):
        paths.append(tmp_path / f"{number}.parquet")
        metadata = {"class_names": json.dumps(names), "number": str(number)}
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), paths[-1])
    out = tmp_path / "out" / "counts.npz"
    out.parent.mkdir()
    code = (
        "import sys, confemb.stats.counting as c\n"
        "def told(what, done, total):\n"
        "    print(what, flush=True)\n"
        "c.count_shards(sys.argv[2:], progress=told).save(sys.argv[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(out), *map(str, paths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if line.strip() == "3.parquet":
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    assert list(out.parent.iterdir()) == []


def test_a_shard_that_refers_to_values_that_are_not_there_is_refused(predictions, tmp_path):
    save_predictions(predictions, tmp_path / "p.parquet")
    sound = (tmp_path / "p.parquet").read_bytes()
    generator = np.random.default_rng(0)
    refusals = 0
    for _ in range(150):
        data = bytearray(sound)
        for place in generator.integers(4, len(data) - 4, 2):
            data[place] = generator.integers(256)
        (tmp_path / "q.parquet").write_bytes(data)
        try:
            count_shards([tmp_path / "q.parquet"])
        except ConfembError:
            refusals += 1
    assert refusals > 50
