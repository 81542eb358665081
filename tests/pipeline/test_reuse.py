import json
from dataclasses import replace

import numpy as np
import pytest

from confemb.pipeline.run import run_experiment
from confemb.records.prediction_files import load_predictions
from confemb.result.folder import write_result_report
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file
from confemb.support.manifest import Manifest


def test_what_is_measured_anew_leaves_the_vectors_and_nothing_stale(result, section, contents):
    before = contents(result)
    run_experiment(section("uncertainty", pictures=4, split_halves=0), result)
    after = contents(result)
    assert before["embedding_runs.npz"] == after["embedding_runs.npz"]
    assert before["similarity_intervals.npz"] != after["similarity_intervals.npz"]
    run_experiment(section("uncertainty", pictures=0, split_halves=0), result)
    assert "uncertainty" not in json.loads((result / "manifest.json").read_text())["stages"]
    assert not (result / "similarity_intervals.npz").exists()
    assert "pictures_low" not in (result / "similarities.csv").read_text()


def test_a_second_run_reuses_every_stage(result, nothing_runs, mini, contents):
    nothing_runs("train", "predict", "embed")
    before = contents(result)
    run_experiment(mini(), result)
    assert contents(result) == before


def test_what_only_the_report_shows_needs_no_stage(result, nothing_runs, mini):
    nothing_runs("train", "predict", "embed")
    changed = mini(title="Another title", report={"groups": {"odd": ["one", "three"], "even": ["two", "four"]}})
    run_experiment(changed, result)
    assert "Another title" in (result / "tables.md").read_text()
    page = (result / "report.html").read_text()
    assert "Another title" in page
    assert "straight" not in page


def test_a_changed_embedding_is_embedded_anew(result, nothing_runs, mini, contents):
    before = contents(result, ["weights.safetensors", "predictions.parquet", "pairs.npz"])
    runs = (result / "embedding_runs.npz").read_bytes()
    nothing_runs("train", "predict")
    run_experiment(mini(embedding={"dim": 4}), result, until="embed")
    assert contents(result, before) == before
    assert (result / "embedding_runs.npz").read_bytes() != runs
    run_experiment(mini(), result, until="embed")
    assert (result / "embedding_runs.npz").read_bytes() == runs


def test_changed_pairs_are_counted_anew(result, nothing_runs, section):
    nothing_runs("train", "predict")
    run_experiment(section("pairs", self_pairs="drop"), result, until="embed")
    manifest = json.loads((result / "manifest.json").read_text())
    assert manifest["stages"]["embed"]["pairs"]["self_pairs"] == "drop"


def test_more_kept_classes_are_predicted_anew(result, nothing_runs, section):
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
def test_a_changed_training_is_trained_anew(result, nothing_runs, changes, mini, called):
    nothing_runs("train")
    with pytest.raises(called):
        run_experiment(mini(**changes), result)
    # Nothing was lost by it: the old experiment is still done.
    run_experiment(mini(), result, until="embed")


def test_changed_pictures_are_trained_on_anew(result, nothing_runs, mini, called, change_pictures):
    nothing_runs("train")
    change_pictures(lambda dataset: replace(dataset, fingerprint=dataset.fingerprint[::-1]))
    with pytest.raises(called):
        run_experiment(mini(), result)


@pytest.mark.parametrize(
    ("name", "stage"), [("predictions.parquet", "predict"), ("weights.safetensors", "train"), ("pairs.npz", "embed")]
)
def test_a_file_changed_by_others_is_not_reused(result, nothing_runs, name, stage, mini, called):
    content = bytearray((result / name).read_bytes())
    content[len(content) // 2] ^= 1
    (result / name).write_bytes(content)
    nothing_runs(stage)
    with pytest.raises(called):
        run_experiment(mini(), result)
    (result / name).unlink()
    with pytest.raises(called):
        run_experiment(mini(), result)


def test_a_lost_file_is_made_again(result, finished, nothing_runs, mini, contents):
    nothing_runs("train")
    (result / "predictions.parquet").unlink()
    run_experiment(mini(), result, until="embed")
    same = ["predictions.parquet", "embedding_runs.npz", "pairs.npz", "examples.npz"]
    assert contents(result, same) == contents(finished[0], same)


def test_other_test_pictures_leave_the_weights(result, nothing_runs, digits, mini, section, contents):
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
