import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from confemb.classifiers.classification import classify
from confemb.datasets.digits import Digits
from confemb.networks import CLASSIFIERS
from confemb.pipeline.experiment import load_experiment
from confemb.pipeline.run import run_experiment
from confemb.records.prediction_files import load_predictions
from confemb.support.errors import ConfembError

FOLDER = Path(__file__).parents[2] / "experiments" / "plugin_example"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """What `pip install experiments/plugin_example` leaves: the module and its entry points on the path."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)


def test_it_is_found_by_name(installed):
    assert "nearest_mean" in CLASSIFIERS.names()
    assert CLASSIFIERS.get("nearest_mean").__module__ == "nearest_mean"


def test_without_it_the_name_is_unknown():
    with pytest.raises(ConfembError, match="unknown classifier 'nearest_mean'"):
        CLASSIFIERS.get("nearest_mean")


def test_the_nearest_mean_picture_wins(installed):
    train, test = Digits().load("train"), Digits().load("test")
    classifier = CLASSIFIERS.get("nearest_mean")(train, seed=0)
    found = classify(classifier, test.images, test.labels, test.class_names, k=3, ids=test.ids, batch_size=100)
    means = pd.DataFrame(train.images.reshape(len(train), -1)).groupby(train.labels).mean()
    nearest = np.argsort(cdist(test.images.reshape(len(test), -1), means), axis=1)
    np.testing.assert_array_equal(found.top_classes, nearest[:, :3])
    assert 0.85 < found.accuracy < 0.95
    assert (found.classifier, found.class_names) == ("nearest_mean", train.class_names)


def test_its_width_makes_it_more_or_less_sure(installed):
    train, test = Digits().load("train"), Digits().load("test")
    make = CLASSIFIERS.get("nearest_mean")
    narrow, wide = (
        classify(make(train, seed=0, width=width), test.images, test.labels, test.class_names, k=3)
        for width in (0.5, 2)
    )
    np.testing.assert_array_equal(narrow.top_classes, wide.top_classes)
    assert narrow.top_probs[:, 0].mean() > wide.top_probs[:, 0].mean() + 0.05


def test_its_experiment_names_it():
    experiment = load_experiment(str(FOLDER / "nearest_mean_digits.toml"))
    assert (experiment.classifier.name, experiment.classifier.options) == ("nearest_mean", {"width": 1.0})
    assert experiment.dataset.name == "digits"


def test_its_experiment_runs(installed, tmp_path, monkeypatch):
    monkeypatch.setattr("confemb.reporting.write.write_figures", lambda analysis, folder: {})
    experiment = load_experiment(str(FOLDER / "nearest_mean_digits.toml"), ["embedding.seeds=2", "embedding.epochs=5"])
    run_experiment(experiment, tmp_path / "result")
    found = load_predictions(tmp_path / "result" / "predictions.parquet")
    assert (len(found), found.classifier) == (1797, "nearest_mean")
    assert 0.85 < found.accuracy < 0.95
