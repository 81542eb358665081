"""What the base install does, and what it says where an extra is needed.

Runs everywhere, with every library of an extra hidden: nothing here is skipped.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import confemb
from confemb.support.extras import LIBRARIES, MissingLibraryError, import_extra, missing_library

# Runs command lines, given as JSON, one after the other in one process where no library of an extra can be imported.
_WITHOUT_EXTRAS = """
import contextlib, io, json, sys

libraries, commands = json.loads(sys.argv[1])

class Hidden:
    def find_spec(name, path=None, target=None):
        if name in libraries:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden)

import confemb
from confemb.cli.app import main

assert all(getattr(confemb, name) is not None for name in confemb.__all__)
done = {}
for command in commands:
    sys.argv = ["confemb", *command.split()]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
    done[command] = status, out.getvalue(), err.getvalue()
try:
    confemb.FlaxClassifier(None, ["a"])
except ImportError as error:
    assert isinstance(error, confemb.ConfembError)
    done["FlaxClassifier"] = str(error)
print(json.dumps(done))
"""
MAKE = [f"embed {number}.parquet --out result_{number} --bootstraps 3" for number in (1, 2)]
DONE = [
    "embed p.csv --out from_csv --embedder counts --bootstraps 0",
    "embed p.npz --out from_npz --embedder skipgram --seeds 2 --bootstraps 0",
    "similar result_1 a",
    "compare result_1 result_2",
    "models 1.parquet 2.parquet --splits 2 --out models",
    "diff 1.parquet 2.parquet --out diff",
    "suggest 1.parquet --out suggest",
    "severity 1.parquet --similarity result_2",
    "costs result_1 --out costs.csv",
    "count 1.parquet 2.parquet --out counts.npz",
    "report result_2",
    *(f"list {kind}" for kind in ("datasets", "classifiers", "embedders", "references", "experiments")),
    "--version",
]
NEEDS = {
    "run digits --out run": "train",
    "train mine.toml --out run": "train",
    "predict mine.toml --out run": "train",
    "run digits --set classifier.name=resnet50 --set classifier.weights=resnet50:keras --out run": "train",
    "run digits --set dataset.name=tfds:mnist --out run": "train",
    "fetch tfds:mnist": "train",
    "retrain digits --networks 2 --out run": "train",
    "formation digits --set training.keep_epochs=[1] --out run": "train",
    "train digits --distributed auto --out run": "train",
    "captions search nothing cat": "train",
    "severity 1.parquet --wordnet-height": "wordnet",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run every command in a folder with predictions of two classifiers; return what became of each."""
    folder = tmp_path_factory.mktemp("base")
    generator = np.random.default_rng(0)
    names, labels = list("abcxyz"), np.arange(240) % 6
    for number in (1, 2):
        scores = generator.normal(size=(240, 6)) + 3.0 * (labels[:, None] // 3 == np.arange(6) // 3)
        scores[np.arange(240), labels] += 2.0
        ids = np.array([f"picture_{i:03}" for i in range(240)])
        one = confemb.predictions_from_scores(scores, labels, names, k=3, logits=True, ids=ids)
        confemb.save_predictions(one, folder / f"{number}.parquet")
    rows = [f"{names[i]},{names[j]}" for i, j in zip(one.labels, one.top_classes[:, 0], strict=True)]
    (folder / "p.csv").write_text("\n".join(["label,top1", *rows]) + "\n")
    np.savez(folder / "p.npz", labels=one.labels, topk=one.top_classes, class_names=np.array(names))
    (folder / "mine.toml").write_text('extends = "digits"\n')
    environment = {**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parent.parent)}
    given = json.dumps([sorted(LIBRARIES), [*MAKE, *DONE, *NEEDS]])
    command = [sys.executable, "-c", _WITHOUT_EXTRAS, given]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert not [path for path in (folder / "run").rglob("*") if path.is_file()]
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", [*MAKE, *DONE])
def test_the_base_install_does(command, done):
    status, out, err = done[command]
    assert status == 0, err
    assert out


@pytest.mark.parametrize("command", NEEDS)
def test_what_needs_an_extra_names_it(command, done):
    status, out, err = done[command]
    assert (status, out) == (2, ""), err
    extra = re.escape(f"pip install 'confemb[{NEEDS[command]}]'")
    assert re.fullmatch(rf"confemb: .+ need \w+, which is missing: {extra}\.\n", err)


def test_every_public_name_is_there_and_says_what_it_needs(done):
    assert done["FlaxClassifier"] == "Flax modules need flax, which is missing: pip install 'confemb[train]'."


def test_only_a_missing_library_of_an_extra_is_named(monkeypatch):
    assert missing_library(ModuleNotFoundError("no", name="numpy")) is None
    assert missing_library(ImportError("cannot import name", name="jax")) is None
    assert missing_library(ModuleNotFoundError("no", name="jax.nothing")) is None
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingLibraryError) as missing:
        import_extra("jax", "train", what="networks")
    assert missing_library(missing.value) is missing.value
