"""Fixtures of the pipeline's tests: a small experiment, its finished result, and what stops a stage from running."""

import shutil
from pathlib import Path

import pytest

from confemb.pipeline import run as pipeline
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import run_experiment

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


def experiment(**changes) -> Experiment:
    merged = {key: value | changes.get(key, {}) if isinstance(value, dict) else value for key, value in MINI.items()}
    return Experiment.model_validate(merged | {k: v for k, v in changes.items() if not isinstance(MINI.get(k), dict)})


@pytest.fixture
def mini():
    """Return the experiment with some sections' values changed."""
    return experiment


@pytest.fixture
def section():
    """Return the experiment with some values of one section changed."""

    def call(which, /, **changes):
        whole = experiment()
        return whole.model_copy(update={which: getattr(whole, which).model_copy(update=changes)})

    return call


@pytest.fixture
def contents():
    """Read the files of a folder, or those named: name -> bytes."""

    def call(folder, names=None):
        paths = [p for p in folder.rglob("*") if p.is_file()] if names is None else [folder / name for name in names]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    return call


@pytest.fixture(scope="package")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, run_experiment(experiment(), folder)


@pytest.fixture
def result(finished, tmp_path):
    """Return a copy of the finished result, for a test to go on with."""
    return Path(shutil.copytree(finished[0], tmp_path / "result"))


class CalledError(Exception):
    pass


@pytest.fixture
def called():
    """Return what a stage raises that `nothing_runs` forbids."""
    return CalledError


@pytest.fixture
def nothing_runs(monkeypatch):
    """Let the stages named raise CalledError."""

    def call(*stages):
        def refuse(*_, **__):
            raise CalledError

        parts = {
            "train": "confemb.networks.training.loop.train",
            "predict": "confemb.pipeline.run.classify_datasets",
            "embed": "confemb.analysis.compute.embed_runs",
        }
        for stage in stages:
            monkeypatch.setattr(parts[stage], refuse)

    return call


@pytest.fixture
def change_pictures(monkeypatch):
    """Let the pipeline see changed datasets."""

    class Changed:
        def __init__(self, source, change):
            self.source, self.change = source, change
            self.splits = source.splits

        def fetch(self, progress=None):
            pass

        def load(self, split):
            return self.change(self.source.load(split))

    def call(change):
        real = pipeline.open_dataset
        monkeypatch.setattr(pipeline, "open_dataset", lambda *args, **options: Changed(real(*args, **options), change))

    return call
