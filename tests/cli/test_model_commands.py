"""The commands retrain, models, diff and formation, and the reports they write."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from confemb.pipeline import run as pipeline
from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import load_predictions, save_predictions
from confemb.records.predictions import predictions_from_scores
from confemb.reporting.study import frame_csv
from confemb.reporting.tables import frame_table
from confemb.stats.seeds import rank_correlations
from confemb.studies.difference import pair_differences
from confemb.studies.models import counts_measure
from confemb.studies.retraining import summarise_networks

REPORT = {"report.html", "tables.md", "tables.tex", "manifest.json"}
EXPERIMENT = """
title = "A few digits"
[dataset]
name = "digits"
[classifier]
name = "fast_cnn"
widths = [8, 16]
shift = 1
mirror = false
[training]
epochs = 2
batch_size = 32
learning_rate = 0.1
keep_epochs = [1]
[embedding]
seeds = 2
epochs = 5
"""


@pytest.fixture
def checkpoints(tmp_path):
    """Two checkpoints a, b and a third c that takes class x for y."""
    generator = np.random.default_rng(0)
    labels = np.arange(600) % 5
    base = generator.normal(size=(600, 5))
    base[np.arange(600), labels] += 1.5
    ids = np.array([f"p{i}" for i in range(600)])
    for name in "abc":
        scores = base + generator.normal(size=base.shape)
        if name == "c":
            scores[labels == 0, 1] += 2
        one = predictions_from_scores(scores, labels, tuple("xyuvw"), k=5, logits=True, ids=ids)
        order = generator.permutation(600)
        save_predictions(one.where(order), tmp_path / f"{name}.parquet")
    return tmp_path


def names_in(folder):
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_diff_names_the_pair_that_moved(run, checkpoints):
    out = checkpoints / "out"
    status, shown, _ = run("diff", checkpoints / "a.parquet", checkpoints / "c.parquet", "--out", out)
    assert status == 0
    assert "1 of 10 pairs of classes moved from a to c" in shown
    assert "Most closer: x and y" in shown
    frame = pd.read_csv(out / "differences.csv")
    a, c = (load_predictions(checkpoints / f"{name}.parquet") for name in "ac")
    c = c.where(np.array([c.ids.tolist().index(i) for i in a.ids]))
    wanted = pair_differences(a, c).to_frame()
    assert frame["class_1"].tolist() == wanted["class_1"].tolist()
    np.testing.assert_allclose(frame["difference"], wanted["difference"], atol=1e-6)
    assert names_in(out) == REPORT | {"differences.csv"}
    assert names_in(out / "figures") == {f"{n}.{k}" for n in ("moved_pairs", "differences") for k in ("png", "svg")}
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert page.count("<img") == 2


def test_the_same_diff_gives_the_same_bytes(run, checkpoints):
    folders = [checkpoints / name for name in ("first", "second")]
    for out in folders:
        run("diff", checkpoints / "a.parquet", checkpoints / "b.parquet", "--weighting", "probability", "-k", "5",
            "--flips", "199", "--out", out)  # fmt: skip
    for path in folders[0].rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (folders[1] / path.relative_to(folders[0])).read_bytes(), path


def test_diff_refuses(refused, checkpoints):
    a, out = checkpoints / "a.parquet", checkpoints / "out"
    assert "has no pictures of the split 'test'" in refused("diff", a, a, "--split", "test", "--out", out)
    assert "k = 6 is out of range" in refused("diff", a, a, "-k", "6", "--out", out)
    assert "unknown value 'mass' in --weighting" in refused("diff", a, a, "--weighting", "mass", "--out", out)
    assert not out.exists()


def test_models_compares_classifiers(run, checkpoints):
    out = checkpoints / "out"
    (checkpoints / "families.toml").write_text('same = ["a", "b"]\nother = ["c"]\n')
    paths = [checkpoints / f"{name}.parquet" for name in "abc"]
    status, shown, _ = run("models", *paths, "--out", out, "--embedder", "skipgram", "--seeds", "2", "--splits", "3",
                           "--families", checkpoints / "families.toml", "-k", "2")  # fmt: skip
    assert status == 0
    assert "Two of the 3 classifiers order the 10 pairs" in shown
    found = [load_predictions(path) for path in paths]
    values = np.stack([counts_measure(count_pairs(one, k=2)) for one in found])
    square = pd.read_csv(out / "agreement_plain_counts.csv", index_col=0)
    np.testing.assert_allclose(square.to_numpy(), rank_correlations(values), atol=1e-6)
    assert square.columns.tolist() == ["a", "b", "c"]
    table = pd.read_csv(out / "classifiers.csv")
    assert table["family"].tolist() == ["same", "same", "other"]
    np.testing.assert_allclose(table["top_1"], [one.accuracy for one in found], atol=1e-6)
    assert {"procrustes.csv", "agreement_skipgram.csv"} < names_in(out)
    assert {"agreement.png", "map.png"} < names_in(out / "figures")


def test_of_scores_as_many_classes_count_as_are_asked_for(run, tmp_path):
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 8
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", probs=generator.dirichlet(np.ones(8), size=80), labels=labels)
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    assert run("diff", a, b, "-k", 7, "--out", tmp_path / "diff")[0] == 0
    assert run("models", a, b, "-k", 7, "--splits", 0, "--out", tmp_path / "models")[0] == 0
    found = pd.read_csv(tmp_path / "models" / "agreement_plain_counts.csv", index_col=0)
    scores = [np.load(path)["probs"] for path in (a, b)]
    counts = [count_pairs(predictions_from_scores(one, labels, tuple("01234567"), k=7), k=7) for one in scores]
    expected = rank_correlations(np.stack([counts_measure(one) for one in counts]))
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-6)


def test_models_without_the_classes_that_have_no_picture(run, refused, checkpoints):
    for name in "ab":
        one = load_predictions(checkpoints / f"{name}.parquet", keep=5)
        save_predictions(one.where(one.labels != 4), checkpoints / f"{name}.parquet")
    given = ("models", checkpoints / "a.parquet", checkpoints / "b.parquet", "--out", checkpoints / "out")
    assert "1 of 5 classes have no picture: 'w'" in refused(*given)
    status, shown, _ = run(*given, "--missing-classes", "drop", "--splits", 2)
    assert (status, "order the 6 pairs of classes alike" in shown) == (0, True)
    status, shown, _ = run(*given, "--missing-classes", "drop", "--splits", 0)
    assert (status, "noise of the pictures" in shown) == (0, False)


def test_models_refuses(refused, checkpoints):
    a, out = checkpoints / "a.parquet", checkpoints / "out"
    assert "one classifier cannot be compared" in refused("models", a, "--out", out)
    (checkpoints / "families.toml").write_text('same = ["nobody"]\n')
    error = refused("models", a, checkpoints / "b.parquet", "--out", out, "--families", checkpoints / "families.toml")
    assert "unknown class 'nobody'" in error or "unknown classifier 'nobody'" in error
    rows = [f"{i},{c},{c}\n" for i, c in enumerate("xyuxyu")]
    (checkpoints / "right.csv").write_text("id,label,top1\n" + "".join(rows))
    (checkpoints / "wrong.csv").write_text("id,label,top1\n" + "".join(rows).replace("0,x,x", "0,x,y"))
    error = refused("models", checkpoints / "wrong.csv", checkpoints / "right.csv", "--out", out)
    assert "by plain counts 'right' sees every two classes equally alike" in error
    for name in ("two", "too"):
        (checkpoints / f"{name}.csv").write_text("label,top1\nx,y\nx,x\ny,y\ny,y\n")
    error = refused("models", checkpoints / "two.csv", checkpoints / "too.csv", "--out", out)
    assert "fewer than three classes have no order of pairs" in error
    assert not out.exists()


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "publish_report", lambda record, draft, display: draft.publish() or "")
    (tmp_path / "few.toml").write_text(EXPERIMENT)
    return tmp_path / "few.toml"


def test_retrain_trains_each_network_once(run, experiment, tmp_path, monkeypatch):
    out = tmp_path / "study"
    status, shown, _ = run("retrain", experiment, "--networks", "2", "--out", out)
    assert status == 0
    assert re.search(r"Two of the 2 networks order the 45 pairs of classes alike", shown)
    manifests = [json.loads((out / f"network_0{i}" / "manifest.json").read_text()) for i in (0, 1)]
    assert [manifest["experiment"]["seed"] for manifest in manifests] == [0, 1]
    assert names_in(out) == REPORT | {"similarities.csv", "networks.csv", "networks.npz"}
    networks = pd.read_csv(out / "networks.csv")
    assert networks["network"].tolist() == ["network_00", "network_01"]
    wanted = [manifest["stages"]["predict"]["accuracy"]["test"] for manifest in manifests]
    np.testing.assert_allclose(networks["accuracy_test"], wanted, atol=1e-6)
    from confemb.records.embedding import EmbeddingRuns

    runs = [EmbeddingRuns.load(out / name / "embedding_runs.npz") for name in networks["network"]]
    summary = summarise_networks(runs)
    frame = pd.read_csv(out / "similarities.csv")
    upper = np.triu_indices(10, k=1)
    np.testing.assert_allclose(frame["cosine"], summary.similarity.values[upper], atol=1e-6)
    np.testing.assert_allclose(frame["high"], summary.similarity.high[upper], atol=1e-6)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr("confemb.networks.training.loop.train", lambda *_, **__: pytest.fail("trained again"))
    assert run("retrain", experiment, "--networks", "2", "--out", out)[0] == 0
    assert {path: path.read_bytes() for path in before} == before


def test_networks_may_be_trained_together(run, refused, experiment, tmp_path, monkeypatch):
    error = refused("retrain", experiment, "--networks", "2", "--together", "2", "--out", tmp_path / "x")
    assert "networks that are trained together keep no epochs" in error
    experiment.write_text(EXPERIMENT.replace("keep_epochs = [1]\n", ""))
    assert run("train", experiment, "--set", "seed=1", "--out", tmp_path / "alone")[0] == 0
    monkeypatch.setattr("confemb.networks.training.loop.train", lambda *_, **__: pytest.fail("trained alone"))
    out = tmp_path / "study"
    assert run("retrain", experiment, "--networks", "2", "--together", "2", "--out", out)[0] == 0
    together, alone = (pd.read_csv(folder / "history.csv") for folder in (out / "network_01", tmp_path / "alone"))
    np.testing.assert_allclose(together["train_loss"], alone["train_loss"], rtol=0.01)
    before = {path: path.read_bytes() for path in out.glob("network_0[01]/*") if path.is_file()}
    assert run("retrain", experiment, "--networks", "3", "--together", "3", "--out", out)[0] == 0
    assert {path: path.read_bytes() for path in before} == before
    manifests = [json.loads((out / f"network_0{i}" / "manifest.json").read_text()) for i in range(3)]
    assert [manifest["stages"]["train"]["trained_together"] for manifest in manifests] == [2, 2, 1]


def test_retrain_refuses_before_it_trains(refused, experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("confemb.networks.training.loop.train", lambda *_, **__: pytest.fail("trained"))
    error = refused("retrain", experiment, "--networks", "2", "--out", tmp_path / "x", "--reference", "paper")
    assert "the reference 'paper' knows fewer than 2 of the classes ('zero', 'one'" in error


def test_formation_goes_into_the_result_folder(run, refused, experiment, tmp_path):
    out = tmp_path / "result"
    status, shown, _ = run("formation", experiment, "--out", out)
    assert status == 0
    assert "After epoch 1 of 2" in shown
    epochs = pd.read_csv(out / "formation" / "epochs.csv")
    assert epochs["epoch"].tolist() == [1, 2]
    assert epochs["spearman_with_the_end"].iloc[-1] == 1.0
    pairs = pd.read_csv(out / "formation" / "pairs.csv")
    assert len(pairs) == 90
    error = refused("diff", out / "predictions_epoch_001.parquet", out / "predictions.parquet", "--out", out)
    assert "which is to be written: choose another --out" in error
    after = tmp_path / "diff"
    files = (out / "predictions_epoch_001.parquet", out / "predictions.parquet")
    assert run("diff", *files, "--split", "test", "--out", after)[0] == 0


def test_frames_become_tables_and_csv():
    frame = pd.DataFrame({"name": ["=x", "y"], "share": [-0.0000001, np.nan], "count": [1, 2]})
    assert frame_csv(frame) == "name,share,count\n'=x,0.000000,1\ny,,2\n"
    table = frame_table("T", frame, digits=1)
    assert (table.header, table.rows, table.align) == (
        ["name", "share", "count"],
        [["=x", "0.0", "1"], ["y", "–", "2"]],
        "lrr",
    )
