import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from confemb.pipeline.run import run_experiment
from confemb.records.pairs import PairCounts
from confemb.records.prediction_files import load_predictions
from confemb.result import open_result
from confemb.result.folder import write_result_report
from confemb.support.errors import ConfembError
from confemb.support.locks import alone_in
from confemb.support.progress import Display

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


def test_a_result_folder_holds_what_the_design_says(finished, contents):
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


def test_the_manifest_tells_how_it_was_made(finished, digits, mini):
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


def test_two_folders_hold_the_same_bytes(finished, tmp_path, mini, contents):
    run_experiment(mini(), tmp_path / "other")
    first, second = contents(finished[0]), contents(tmp_path / "other")
    assert set(first) == set(second)
    # These tell the time that training took.
    timed = {"manifest.json", "history.csv", "report.html"}
    assert {name for name in first if first[name] != second[name]} <= timed
    assert set(SAME_BYTES) & timed == set()


def test_stages_one_by_one_give_the_same_result(finished, tmp_path, mini, contents):
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


def test_progress_is_shown(result, capsys, mini):
    run_experiment(mini(), result, until="embed", display=Display(enabled=True))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: done before, reused" in shown.err
    run_experiment(mini(), result, until="embed")
    assert capsys.readouterr().err == ""


def test_a_failed_run_leaves_the_earlier_result(result, nothing_runs, mini, contents):
    """Another configuration that fails, at any stage, takes nothing of the result that is there."""
    before = contents(result)
    for stage, changes in (("train", {"seed": 1}), ("predict", {"prediction": {"mirror": True}})):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                {"train": "confemb.networks.training.loop.train", "predict": "confemb.pipeline.run.classify_datasets"}[
                    stage
                ],
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


def test_two_runs_in_one_folder(result, mini):
    with alone_in(result):
        for work in (lambda: run_experiment(mini(), result), lambda: write_result_report(result)):
            with pytest.raises(ConfembError, match="another confemb is at work in .*: wait until it ends, or choose"):
                work()
        # Reading disturbs nobody.
        assert open_result(result).runs.seeds == (0, 1)


def test_a_reader_never_sees_two_results_mixed(result, monkeypatch, section):
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
    found = open_result(result)
    assert todo == []
    assert found.counts.self_pairs == "drop"
    np.testing.assert_array_equal(found.runs.vectors, open_result(other).runs.vectors)
    (result / "pairs.npz").write_bytes((result / "pairs.npz").read_bytes()[:-1] + b"x")
    monkeypatch.setattr("confemb.result.folder.SECONDS_BETWEEN", 0)
    with pytest.raises(ConfembError, match=r"the files in .* are not those that its manifest.json records"):
        open_result(result)
