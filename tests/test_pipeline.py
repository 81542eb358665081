import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from confemb import pipeline
from confemb.errors import ConfembError
from confemb.experiment import EmbeddingSection, Experiment
from confemb.files import sha256_file
from confemb.locks import alone_in
from confemb.pairs import PairCounts, count_pairs
from confemb.pipeline import run_experiment
from confemb.prediction_files import load_predictions
from confemb.progress import Display
from confemb.provenance import Manifest
from confemb.results import embed_predictions, load_result, write_result_report

MINI = {
    "name": "mini",
    "title": "A few digits",
    "dataset": {"name": "digits"},
    "classifier": {"name": "fast_cnn", "widths": [8, 16], "shift": 1, "mirror": False},
    "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.1},
    "embedding": {"seeds": 2, "epochs": 10},
    "uncertainty": {"pictures": 3, "split_halves": 1, "dimension_splits": 0},
    "report": {"groups": {"round": ["zero", "six", "eight"], "straight": ["one", "four", "seven"]}},
}
SAME_BYTES = (
    "similarity_intervals.npz",
    "reliability.json",
    "tables.md",
    "tables.tex",
    "tables.csv",
    "similarities.csv",
    "similarity_matrix.csv",
    "embedding.txt",
)


def mini(**changes) -> Experiment:
    """Return the experiment with some sections' values changed."""
    merged = {key: value | changes.get(key, {}) if isinstance(value, dict) else value for key, value in MINI.items()}
    return Experiment.model_validate(merged | {k: v for k, v in changes.items() if not isinstance(MINI.get(k), dict)})


def section(which: str, /, **changes) -> Experiment:
    """Return the experiment with some values of one section changed."""
    return mini().model_copy(update={which: getattr(mini(), which).model_copy(update=changes)})


def contents(folder: Path, names=None) -> dict[str, bytes]:
    paths = [p for p in folder.rglob("*") if p.is_file()] if names is None else [folder / name for name in names]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, run_experiment(mini(), folder)


@pytest.fixture
def result(finished, tmp_path):
    """Return a copy of the finished result, for a test to go on with."""
    return Path(shutil.copytree(finished[0], tmp_path / "result"))


class CalledError(Exception):
    pass


@pytest.fixture
def nothing_runs(monkeypatch):
    """Let the stages named raise CalledError."""

    def call(*stages):
        def refuse(*_, **__):
            raise CalledError

        parts = {
            "train": "confemb.training.train",
            "predict": "confemb.pipeline.classify_datasets",
            "embed": "confemb.results.embed_runs",
        }
        for stage in stages:
            monkeypatch.setattr(parts[stage], refuse)

    return call


def test_a_result_folder_holds_what_the_design_says(finished):
    folder, summary = finished
    there = set(contents(folder))
    assert there >= {"manifest.json", "predictions.parquet", "report.html", "weights.safetensors", "history.csv"}
    assert there >= set(SAME_BYTES)
    for figure in ("similarity_heatmap", "dendrogram", "class_map", "training", "examples"):
        assert {f"figures/{figure}.png", f"figures/{figure}.svg"} <= there
    assert not (folder / ".unfinished").exists()
    assert not [name for name in there if ".part" in name]
    assert "A few digits" in summary
    assert summary.endswith(f"report: {folder / 'report.html'}")


def test_every_picture_is_predicted_once(finished, digits):
    predictions = load_predictions(finished[0] / "predictions.parquet")
    assert len(predictions) == 1797
    assert predictions.k == 3
    assert predictions.class_names == digits["train"].class_names
    for split, dataset in digits.items():
        part = predictions.where(predictions.splits == split)
        assert part.ids.tolist() == dataset.ids.tolist()
        np.testing.assert_array_equal(part.labels, dataset.labels)
    assert predictions.accuracy > 0.7


def test_the_manifest_tells_how_it_was_made(finished, digits):
    manifest = json.loads((finished[0] / "manifest.json").read_text())
    assert manifest["experiment"] == mini().model_dump(mode="json", exclude_none=True)
    assert manifest["data"] == {split: {"pictures": len(d), "sha256": d.fingerprint} for split, d in digits.items()}
    assert list(manifest["stages"]) == ["train", "predict", "embed", "uncertainty"]
    assert manifest["stages"]["embed"]["seeds"] == [0, 1]
    assert manifest["stages"]["embed"]["pairs"] == {"total": 3 * 1797, "k": 3, "self_pairs": "keep"}
    assert manifest["stages"]["train"]["versions"]["jax"]
    predictions = load_predictions(finished[0] / "predictions.parquet")
    assert manifest["stages"]["predict"]["accuracy"] == {
        split: round(predictions.where(predictions.splits == split).accuracy, 6) for split in ("train", "test")
    }


def test_what_is_measured_anew_leaves_the_vectors_and_nothing_stale(result):
    before = contents(result)
    run_experiment(section("uncertainty", pictures=4, split_halves=0), result)
    after = contents(result)
    assert before["embedding_runs.npz"] == after["embedding_runs.npz"]
    assert before["similarity_intervals.npz"] != after["similarity_intervals.npz"]
    run_experiment(section("uncertainty", pictures=0, split_halves=0), result)
    assert "uncertainty" not in json.loads((result / "manifest.json").read_text())["stages"]
    assert not (result / "similarity_intervals.npz").exists()
    assert "pictures_low" not in (result / "similarities.csv").read_text()


def test_gensim_reads_the_vectors(finished, digits):
    from gensim.models import KeyedVectors

    keyed = KeyedVectors.load_word2vec_format(finished[0] / "embedding.txt")
    assert keyed.index_to_key == list(digits["train"].class_names)
    rows = (finished[0] / "similarities.csv").read_text().splitlines()
    columns = rows[0].split(",")
    for row in rows[1:]:
        cells = dict(zip(columns, row.split(","), strict=True))
        expected = keyed.similarity(cells["class_1"], cells["class_2"])
        assert float(cells["embedding"]) == pytest.approx(float(expected), abs=2e-6)


def test_two_folders_hold_the_same_bytes(finished, tmp_path):
    run_experiment(mini(), tmp_path / "other")
    first, second = contents(finished[0]), contents(tmp_path / "other")
    assert set(first) == set(second)
    # These tell the time that training took.
    timed = {"manifest.json", "history.csv", "report.html"}
    assert {name for name in first if first[name] != second[name]} <= timed
    assert set(SAME_BYTES) & timed == set()


def test_a_second_run_reuses_every_stage(result, nothing_runs):
    nothing_runs("train", "predict", "embed")
    before = contents(result)
    run_experiment(mini(), result)
    assert contents(result) == before


def test_what_only_the_report_shows_needs_no_stage(result, nothing_runs):
    nothing_runs("train", "predict", "embed")
    changed = mini(title="Another title", report={"groups": {"odd": ["one", "three"], "even": ["two", "four"]}})
    run_experiment(changed, result)
    assert "Another title" in (result / "tables.md").read_text()
    page = (result / "report.html").read_text()
    assert "Another title" in page
    assert "straight" not in page


def test_a_changed_embedding_is_embedded_anew(result, nothing_runs):
    before = contents(result, ["weights.safetensors", "predictions.parquet", "pairs.npz"])
    runs = (result / "embedding_runs.npz").read_bytes()
    nothing_runs("train", "predict")
    run_experiment(mini(embedding={"dim": 4}), result, until="embed")
    assert contents(result, before) == before
    assert (result / "embedding_runs.npz").read_bytes() != runs
    run_experiment(mini(), result, until="embed")
    assert (result / "embedding_runs.npz").read_bytes() == runs


def test_changed_pairs_are_counted_anew(result, nothing_runs):
    nothing_runs("train", "predict")
    run_experiment(section("pairs", self_pairs="drop"), result, until="embed")
    manifest = json.loads((result / "manifest.json").read_text())
    assert manifest["stages"]["embed"]["pairs"]["self_pairs"] == "drop"


def test_more_kept_classes_are_predicted_anew(result, nothing_runs):
    nothing_runs("train")
    old = load_predictions(result / "predictions.parquet")
    run_experiment(section("prediction", k=5), result, until="predict")
    new = load_predictions(result / "predictions.parquet")
    np.testing.assert_array_equal(new.top_classes[:, :3], old.top_classes)
    assert new.k == 5
    # What was embedded from the old ones is no result any more.
    with pytest.raises(ConfembError, match=r"holds no finished result \(pairs.npz is missing\)"):
        write_result_report(result)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"training": {"epochs": 3}},
        {"training": {"learning_rate": 0.2}},
        {"classifier": {"shift": 0}},
    ],
)
def test_a_changed_training_is_trained_anew(result, nothing_runs, changes):
    nothing_runs("train")
    with pytest.raises(CalledError):
        run_experiment(mini(**changes), result)
    # Nothing was lost by it: the old experiment is still done.
    run_experiment(mini(), result, until="embed")


def test_changed_pictures_are_trained_on_anew(result, nothing_runs, monkeypatch):
    nothing_runs("train")
    change_pictures(monkeypatch, lambda dataset: replace(dataset, fingerprint=dataset.fingerprint[::-1]))
    with pytest.raises(CalledError):
        run_experiment(mini(), result)


@pytest.mark.parametrize(
    ("name", "stage"), [("predictions.parquet", "predict"), ("weights.safetensors", "train"), ("pairs.npz", "embed")]
)
def test_a_file_changed_by_others_is_not_reused(result, nothing_runs, name, stage):
    content = bytearray((result / name).read_bytes())
    content[len(content) // 2] ^= 1
    (result / name).write_bytes(content)
    nothing_runs(stage)
    with pytest.raises(CalledError):
        run_experiment(mini(), result)
    (result / name).unlink()
    with pytest.raises(CalledError):
        run_experiment(mini(), result)


def test_a_lost_file_is_made_again(result, finished, nothing_runs):
    nothing_runs("train")
    (result / "predictions.parquet").unlink()
    run_experiment(mini(), result, until="embed")
    same = ["predictions.parquet", "embedding_runs.npz", "pairs.npz", "examples.npz"]
    assert contents(result, same) == contents(finished[0], same)


def test_stages_one_by_one_give_the_same_result(finished, tmp_path):
    folder = tmp_path / "one"
    assert run_experiment(mini(), folder, until="train") == "\n".join(
        f"train: {folder / name}" for name in ("history.csv", "weights.safetensors")
    )
    assert not (folder / "predictions.parquet").exists()
    with pytest.raises(ConfembError, match="holds no finished result"):
        write_result_report(folder)
    run_experiment(mini(), folder, until="predict")
    run_experiment(mini(), folder, until="embed")
    same = ["weights.safetensors", "predictions.parquet", "examples.npz", "embedding_runs.npz", "pairs.npz"]
    assert contents(folder, same) == contents(finished[0], same)


def test_progress_is_shown(result, capsys):
    run_experiment(mini(), result, until="embed", display=Display(enabled=True))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: done before, reused" in shown.err
    run_experiment(mini(), result, until="embed")
    assert capsys.readouterr().err == ""


def change_pictures(monkeypatch, change):
    """Let the pipeline see changed datasets."""

    class Changed:
        def __init__(self, source):
            self.source = source
            self.splits = source.splits

        def fetch(self, progress=None):
            pass

        def load(self, split):
            return change(self.source.load(split))

    real = pipeline.open_dataset
    monkeypatch.setattr(pipeline, "open_dataset", lambda *args, **options: Changed(real(*args, **options)))


def without_nines(dataset):
    rows = dataset.labels != 9
    return replace(dataset, images=dataset.images[rows], labels=dataset.labels[rows], ids=dataset.ids[rows])


def test_a_class_without_pictures_is_found_before_the_training(monkeypatch, tmp_path, nothing_runs):
    nothing_runs("train")
    change_pictures(monkeypatch, without_nines)
    with pytest.raises(ConfembError, match="1 of 10 classes of digits have no picture: 'nine'; add some, or set"):
        run_experiment(mini(), tmp_path)
    with pytest.raises(CalledError):
        run_experiment(section("pairs", missing_classes="drop"), tmp_path)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (section("prediction", k=11), "k = 11 is out of range: there are 10 classes"),
        (section("pairs", k=4), r"k = 4 is out of range: there are 3 classes kept for each picture \(prediction\.k\)"),
        (section("report", groups={"odd": ["nein"]}), "unknown class 'nein' in report.groups.odd: did you mean 'nine'"),
        (section("report", reference="papers"), "unknown reference 'papers': did you mean 'paper'"),
        (section("report", reference="paper"), "the reference 'paper' knows fewer than 2 of the classes"),
        (section("dataset", name="digit"), "unknown dataset 'digit': did you mean 'digits'"),
        (section("dataset", test="tests"), "unknown split 'tests' in digits: did you mean 'test'"),
        (section("dataset", path="somewhere"), "the dataset 'digits' does not take the option path"),
        (mini(embedding={"name": "skipgrams"}), "unknown embedder 'skipgrams': did you mean 'skipgram'"),
        (mini(embedding={"dims": 4}), "unknown option 'dims' in .*: did you mean 'dim'"),
        (mini(embedding={"dim": 0}), r"embedding\.dim = 0 is not allowed"),
        (mini(classifier={"name": "fast"}), "unknown classifier 'fast': did you mean 'fast_cnn'"),
        (mini(classifier={"width": [4]}), "unknown option 'width' in .*: did you mean 'widths'"),
        (mini(classifier={"widths": [8, 8, 8]}), "3 blocks need pictures larger than 8 pixels a side"),
    ],
)
def test_mistakes_are_found_before_the_training(tmp_path, nothing_runs, experiment, message):
    nothing_runs("train")
    with pytest.raises(ConfembError, match=message):
        run_experiment(experiment, tmp_path)


def test_folders_that_cannot_be_used(tmp_path, predictions, finished):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfembError, match="cannot make the folder .*file"):
        run_experiment(mini(), tmp_path / "file" / "out")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfembError, match=r"cannot read .*manifest\.json .*; remove it to run every stage anew"):
        run_experiment(mini(), tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConfembError, match=r"manifest\.json is no confemb manifest"):
        run_experiment(mini(), tmp_path)
    with pytest.raises(ConfembError, match=r"there is no folder .*none; give the folder of a result"):
        write_result_report(tmp_path / "none")


def test_results_of_both_kinds_do_not_mix(finished, tmp_path, predictions, monkeypatch):
    monkeypatch.setattr("confemb.reporting.write.write_figures", lambda analysis, folder: {})

    def embed(folder, kept=predictions):
        counts = count_pairs(predictions)
        embed_predictions(counts, kept, EmbeddingSection(seeds=1), folder, seed=0, title="Blocks", source={"file": "x"})

    before = contents(finished[0])
    with pytest.raises(ConfembError, match="holds the result of an experiment; choose another folder"):
        embed(finished[0])
    assert contents(finished[0]) == before
    embed(tmp_path)
    assert (tmp_path / "predictions.parquet").is_file()
    embed(tmp_path, kept=None)
    assert not (tmp_path / "predictions.parquet").exists()
    with pytest.raises(ConfembError, match="holds the result of `confemb embed`; choose another folder"):
        run_experiment(mini(), tmp_path)


def test_other_test_pictures_leave_the_weights(result, nothing_runs, digits):
    """What is measured on while training changes the history alone, of the last epoch, whose weights there are."""
    before = contents(result, ["weights.safetensors", "predictions.parquet", "embedding_runs.npz"])
    history = (result / "history.csv").read_text().splitlines()
    nothing_runs("train", "predict", "embed")
    run_experiment(section("dataset", test=None), result)
    assert contents(result, before) == before
    untested = (result / "history.csv").read_text().splitlines()
    assert [row.split(",")[3:5] for row in untested] == [["test_loss", "test_accuracy"], ["", ""], ["", ""]]
    # On the pictures it learned from, the accuracy is that of their predictions.
    run_experiment(section("dataset", test="train"), result)
    predictions = load_predictions(result / "predictions.parquet")
    learned = predictions.where(predictions.splits == "train").accuracy
    rows = [row.split(",") for row in (result / "history.csv").read_text().splitlines()]
    assert rows[1][3:5] == ["", ""]
    assert float(rows[2][4]) == pytest.approx(learned, abs=1e-5)
    run_experiment(mini(), result)
    again = (result / "history.csv").read_text().splitlines()
    assert again[2] == history[2]
    # A history that never had those columns gets them.
    bare = [",".join(cell for i, cell in enumerate(row.split(",")) if i not in (3, 4)) for row in history]
    manifest = Manifest(result)
    (result / "history.csv").write_text("\n".join(bare) + "\n")
    manifest.stages["train"] |= {"tested": None}
    manifest.stages["train"]["files"]["history.csv"] = sha256_file(result / "history.csv")
    manifest.save()
    run_experiment(mini(), result)
    assert (result / "history.csv").read_text().splitlines() == again
    assert contents(result, before) == before


def test_a_failed_run_leaves_the_earlier_result(result, nothing_runs):
    """Another configuration that fails, at any stage, takes nothing of the result that is there."""
    before = contents(result)
    for stage, changes in (("train", {"seed": 1}), ("predict", {"prediction": {"mirror": True}})):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                {"train": "confemb.training.train", "predict": "confemb.pipeline.classify_datasets"}[stage],
                lambda *_, **__: (_ for _ in ()).throw(ConfembError("the disk is full.")),
            )
            with pytest.raises(ConfembError, match="the disk is full"):
                run_experiment(mini(**changes), result)
        assert {k: v for k, v in contents(result).items() if not k.startswith(".unfinished")} == before
    # A report of it can be written meanwhile, and does not disturb what is unfinished.
    write_result_report(result)
    nothing_runs("train", "predict", "embed")
    run_experiment(mini(), result)
    assert contents(result) == before
    assert not (result / ".unfinished").exists()


def test_two_runs_in_one_folder(result):
    with alone_in(result):
        for work in (lambda: run_experiment(mini(), result), lambda: write_result_report(result)):
            with pytest.raises(ConfembError, match="another confemb is at work in .*: wait until it ends, or choose"):
                work()
        # Reading disturbs nobody.
        assert load_result(result).runs.seeds == (0, 1)


def test_a_reader_never_sees_two_results_mixed(result, monkeypatch):
    other = Path(shutil.copytree(result, result.with_name("other")))
    run_experiment(section("pairs", self_pairs="drop"), other, until="embed")
    new = {name: (other / name).read_bytes() for name in ("pairs.npz", "embedding_runs.npz", "manifest.json")}
    load, todo = PairCounts.load, list(new)

    def load_while_another_writes(path):
        """After the first file was read, another process moves its files in, one at each look."""
        found = load(path)
        if todo:
            (result / (name := todo.pop(0))).write_bytes(new[name])
        return found

    monkeypatch.setattr(PairCounts, "load", load_while_another_writes)
    found = load_result(result)
    assert todo == []
    assert found.counts.self_pairs == "drop"
    np.testing.assert_array_equal(found.runs.vectors, load_result(other).runs.vectors)
    (result / "pairs.npz").write_bytes((result / "pairs.npz").read_bytes()[:-1] + b"x")
    monkeypatch.setattr("confemb.results.SECONDS_BETWEEN", 0)
    with pytest.raises(ConfembError, match=r"the files in .* are not those that its manifest.json records"):
        load_result(result)
