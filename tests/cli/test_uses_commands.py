"""The commands suggest, severity, costs and unknown, on small inputs with known answers."""

import csv
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from confemb.classifiers.adapters.sklearn import SklearnClassifier
from confemb.cli.app import app
from confemb.networks import CLASSIFIERS
from confemb.records.prediction_files import save_predictions
from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError

HELD_OUT = """
extends = "digits"
[dataset]
hold_out = ["three"]
[classifier]
name = "logistic"
[embedding]
name = "counts"
"""


def logistic(training, *, seed):
    """Make a small classifier of pictures."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    flat = FunctionTransformer(lambda images: np.asarray(images).reshape(len(images), -1) / 255)
    model = make_pipeline(flat, LogisticRegression(max_iter=300))
    model.fit(training.images, training.labels)
    return SklearnClassifier(model, class_names=training.class_names)


def run(*arguments):
    """Run the command line; errors come through."""
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def digit_predictions(tmp_path, digits):
    """Return a file of predictions of the digits' test pictures; three zeros are surely sixes."""
    test = digits["test"]
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.full(10, 0.4), size=len(test)) * 0.1
    probs[np.arange(len(test)), test.labels] += 0.9
    zeros = np.flatnonzero(test.labels == 0)[:3]
    probs[zeros] = 0.001
    probs[zeros, 6] = 0.991
    order = np.argsort(-probs, axis=1)
    predictions = Predictions(
        test.labels,
        order.astype(np.int32),
        np.take_along_axis(probs, order, axis=1).astype(np.float32),
        test.class_names,
        np.array(test.ids),
        np.full(len(test), "test"),
        dataset="digits",
        classifier="planted",
    )
    save_predictions(predictions, tmp_path / "predictions.parquet")
    return tmp_path / "predictions.parquet", test.ids[zeros]


def test_suggest_lists_the_pictures_to_label_again(digit_predictions, tmp_path):
    file, wrong = digit_predictions
    done = run("suggest", file, "--dataset", "digits", "--out", tmp_path / "out")
    assert "Label again: 3 of 364 pictures" in done.output
    found = rows(tmp_path / "out" / "label_again.csv")
    assert {row["id"] for row in found} == set(wrong)
    assert {(row["label"], row["suggested"]) for row in found} == {("zero", "six")}
    assert (tmp_path / "out" / "figures" / "label_again.png").is_file()
    assert (tmp_path / "out" / "report.html").is_file()


def test_suggest_works_without_pictures_and_probabilities(tmp_path):
    labels = np.arange(60) % 3
    top = np.where(np.arange(60) % 2 == 0, labels, labels ^ (labels < 2))
    lines = ["label,top1", *(f"{'abc'[i]},{'abc'[j]}" for i, j in zip(labels, top, strict=True))]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n")
    done = run("suggest", tmp_path / "p.csv", "--out", tmp_path / "out")
    assert "Merge: a with b: the predictions surely carry less than half" in done.output
    assert "Label again: not sought: the predictions have no probabilities" in done.output
    assert "no example pictures" in done.output
    with pytest.raises(ConfembError, match="--out"):
        run("suggest", tmp_path / "p.csv")


def test_severity_tells_the_mean_and_what_chance_would_give(tmp_path):
    (tmp_path / "similar.csv").write_text(",a,b,c\na,1,0.9,0\nb,0.9,1,0.1\nc,0,0.1,1\n")
    (tmp_path / "p.csv").write_text("label,top1\na,b\na,b\na,c\nb,b\nc,c\n")
    done = run("severity", tmp_path / "p.csv", "--similarity", tmp_path / "similar.csv")
    # (0.1 + 0.1 + 1) / 3, and (0.1 + 1) / 2 by chance.
    assert "mean severity 0.400" in done.output
    assert "over 3 mistakes of 5 pictures; random mistakes 0.550, ratio 0.727" in done.output
    with pytest.raises(ConfembError, match="--similarity"):
        run("severity", tmp_path / "p.csv")
    with pytest.raises(ConfembError, match="--scale"):
        run("severity", tmp_path / "p.csv", "--similarity", tmp_path / "similar.csv", "--scale", "rang")


def test_nothing_is_suggested_for_pictures_of_several_classes(tmp_path):
    (tmp_path / "p.csv").write_text("id,label,weight,top1\np,a,0.5,a\np,b,0.5,a\nq,b,1,b\n")
    with pytest.raises(ConfembError, match="suggestions rest on one true class for each picture"):
        run("suggest", tmp_path / "p.csv", "--out", tmp_path / "out")
    with pytest.raises(ConfembError, match="predictions 1 are of pictures of several classes"):
        run("diff", tmp_path / "p.csv", tmp_path / "p.csv", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_costs_writes_the_table(tmp_path):
    (tmp_path / "similar.csv").write_text(",a,b,c\na,1,0.9,0\nb,0.9,1,0.1\nc,0,0.1,1\n")
    done = run("costs", tmp_path / "similar.csv", "--out", tmp_path / "costs.csv")
    assert "the mildest mistake costs 0.100 (a, b)" in done.output
    assert (tmp_path / "costs.csv").read_text().splitlines()[2] == "b,0.100000000,0.000000000,0.900000000"


def test_unknown_tells_a_digit_that_was_held_out(tmp_path, monkeypatch):
    monkeypatch.setitem(CLASSIFIERS._built_in, "logistic", f"{__name__}:logistic")
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or SimpleNamespace(logistic=logistic))
    (tmp_path / "held.toml").write_text(HELD_OUT)
    done = run("unknown", tmp_path / "held.toml", "--out", tmp_path / "result")
    assert "three, held out" in done.output
    areas = {row["score"]: float(row["auroc"]) for row in rows(tmp_path / "result" / "unknown" / "auroc.csv")}
    assert areas["max_softmax"] > 0.9
    assert areas["mean_vector"] > 0.9
    (found,) = rows(tmp_path / "result" / "unknown" / "new_class.csv")
    assert (int(found["known"]), int(found["unknown"])) == (327, 37)
    assert float(found["accuracy"]) > 0.9
    assert int(found["rejected_unknown"]) / int(found["rejected"]) > 3 * 37 / 364
    manifest = json.loads((tmp_path / "result" / "manifest.json").read_text())
    assert list(manifest["stages"]) == ["logits"]
    # A second time nothing is scored, and the report is the same.
    before = (tmp_path / "result" / "unknown" / "tables.md").read_bytes()
    monkeypatch.setattr(SklearnClassifier, "scores", None)
    run("unknown", tmp_path / "held.toml", "--out", tmp_path / "result")
    assert (tmp_path / "result" / "unknown" / "tables.md").read_bytes() == before


def test_unknown_needs_a_class_held_out(tmp_path):
    with pytest.raises(ConfembError, match="holds no class out"):
        run("unknown", "digits", "--out", tmp_path)
    with pytest.raises(ConfembError, match=r"share of known pictures to reject is 1\.5"):
        run("unknown", "digits", "--out", tmp_path / "out", "--set", 'dataset.hold_out=["one"]', "--reject", 1.5)
    # Said before anything is trained.
    assert not (tmp_path / "out").exists()
