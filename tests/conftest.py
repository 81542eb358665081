"""Fixtures shared by all tests, and one reproducible Hypothesis profile.

What needs a library of an extra that is not installed is skipped, with the extra as the reason. What the base install
must do without any is in `test_base_install.py`, which skips nothing.
"""

import importlib.machinery
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Before any library reads them: no window, no accelerator.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# A network is compiled once, not once in each test and subprocess. Each worker of pytest has a cache of its own,
# since JAX does not write it atomically.
os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="confemb-compiled-")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.support.extras import LIBRARIES, missing_library

settings.register_profile("confemb", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("confemb")


def lacking(error):
    """Return why a test cannot run here: a library of an extra is not installed; None for any other error."""
    # pytest puts errors of its own around those of a module's imports, and of a test that waits for another message.
    missing = None
    while error is not None and missing is None:
        missing = missing_library(error) if isinstance(error, ImportError) else None
        error = error.__cause__ or error.__context__
    # Installed, but hidden by a test that looks at the message.
    if missing is None or importlib.machinery.PathFinder.find_spec(missing.name) is not None:
        return None
    return str(missing)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a module, or a folder with a conftest.py, whose imports need an extra that is not installed."""
    report = yield
    if report.failed and (reason := lacking(report.call.excinfo.value)):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: {reason}")
    return report


def _skip_without_extra(item):
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as error:
        if reason := lacking(error):
            pytest.skip(reason)
        raise


pytest_runtest_setup = pytest.hookimpl(wrapper=True)(_skip_without_extra)
pytest_runtest_call = pytest.hookimpl(wrapper=True)(_skip_without_extra)


def skip_without_extra(stderr):
    """Skip a test whose command line said that it needs an extra which is not installed."""
    said = re.search(r"need (\w+)\S*, which is missing", stderr)
    if said and said[1] in LIBRARIES and importlib.machinery.PathFinder.find_spec(said[1]) is None:
        pytest.skip(stderr.strip())


@pytest.fixture
def predictions() -> Predictions:
    """200 pictures of 6 classes in two blocks (a, b, c and x, y, z) confused within the block."""
    generator = np.random.default_rng(7)
    names = ("a", "b", "c", "x", "y", "z")
    labels = np.arange(200) % 6
    logits = generator.normal(size=(200, 6)) + 4.0 * (labels[:, None] // 3 == np.arange(6) // 3)
    logits[np.arange(200), labels] += 2.0
    return predictions_from_scores(
        logits,
        labels,
        names,
        k=3,
        logits=True,
        ids=np.array([f"picture_{i:03}" for i in range(200)]),
        splits=np.where(np.arange(200) < 150, "train", "test"),
        dataset="blocks",
        classifier="noise",
    )


# Prints what was imported after the command is through.
_PROCESS = """
import sys
from confemb.cli.app import main
try:
    main()
finally:
    print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.fixture(scope="session")
def process():
    """Run the command line in a process of its own; its result also has the names of the packages it `loaded`."""
    import confemb

    def call(*arguments, cwd):
        environment = {**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parent.parent)}
        command = [sys.executable, "-c", _PROCESS, *arguments]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        skip_without_extra(done.stderr)
        done.loaded = set(done.stderr.splitlines()[-1].removeprefix("loaded: ").split())
        return done

    return call


@pytest.fixture
def no_figures(monkeypatch):
    """Leave the figures out, which take most of an embedding's time and have tests of their own."""
    monkeypatch.setattr("confemb.reporting.write.write_figures", lambda analysis, folder: {})


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process; returns (exit status, stdout, stderr)."""

    from confemb.cli import app as cli

    def call(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["confemb", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        shown = capsys.readouterr()
        skip_without_extra(shown.err)
        return stop.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def refused(run):
    """Call the command line, which must refuse with one sentence and status 2; returns the sentence."""

    def call(*arguments, **options):
        status, out, err = run(*arguments, **options)
        assert (status, out) == (2, ""), err
        assert re.fullmatch(r"confemb: [^\n]+\.\n", err), err
        return err

    return call


@pytest.fixture
def files(predictions, tmp_path):
    """Write the 200 predictions of six classes in every format."""
    from confemb.records.prediction_files import save_predictions

    names = predictions.class_names
    save_predictions(predictions, tmp_path / "p.parquet")
    named = [
        [names[label], *(names[c] for c in top), *map(repr, map(float, probs))]
        for label, top, probs in zip(predictions.labels, predictions.top_classes, predictions.top_probs, strict=True)
    ]
    lines = ["label,top1,top2,top3,prob1,prob2,prob3", *map(",".join, named)]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n")
    np.savez(
        tmp_path / "p.npz",
        labels=predictions.labels,
        top_classes=predictions.top_classes,
        top_probs=predictions.top_probs,
        class_names=np.array(names),
    )
    (tmp_path / "classes.txt").write_text("\n".join(names) + "\n")
    return tmp_path


@pytest.fixture(scope="session", autouse=True)
def _remove_compiled():
    yield
    shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def digits():
    """Return the digits' parts, "train" and "test"."""
    from confemb.datasets import open_dataset

    source = open_dataset("digits")
    return {split: source.load(split) for split in source.splits}


@pytest.fixture(scope="session")
def load_script():
    """Return what imports a script of experiments/ by its name."""

    def load(name):
        path = Path(__file__).parent.parent / "experiments" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"{name}_experiment", path)
        module = importlib.util.module_from_spec(spec)
        # A dataclass looks its module up by name.
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, spec.name, module)
            spec.loader.exec_module(module)
        return module

    return load
