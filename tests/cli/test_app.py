import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import confemb
from confemb.cli import app as cli


def test_help_loads_nothing_heavy(process, tmp_path):
    done = process("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("run", "train", "predict", "embed", "report", "similar", "compare", "list", "fetch"):
        assert re.search(rf"\b{command}\b", done.stdout), command
    heavy = {"numpy", "pandas", "scipy", "pydantic", "pyarrow", "jax", "flax", "gensim", "matplotlib", "sklearn"}
    assert not done.loaded & heavy


def test_a_mistake_in_a_process_of_its_own(process, tmp_path):
    done = process("run", "digit", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("confemb: unknown experiment 'digit': did you mean 'digits'? known: ")
    assert "Traceback" not in done.stderr


MINI = """
[dataset]
name = "digits"
[classifier]
name = "fast_cnn"
widths = [8]
shift = 0
[training]
epochs = 1
batch_size = 16
learning_rate = 0.1
[embedding]
seeds = 1
"""


@pytest.fixture
def mini(tmp_path):
    (tmp_path / "mini.toml").write_text(MINI)
    return tmp_path / "mini.toml"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "unknown key 'epoch' in the section [training] of"),
        ("training.epochs=none", "training.epochs = 'none' is not allowed"),
        ("dataset.name=digit", "unknown dataset 'digit': did you mean 'digits'?"),
        ("classifier.name=fast", "unknown classifier 'fast': did you mean 'fast_cnn'?"),
        ("classifier.width=[8]", "unknown option 'width' in the section [classifier] for 'fast_cnn'"),
        ("embedding.name=skip", "unknown embedder 'skip': did you mean 'skipgram'?"),
        ("report.reference=pape", "unknown reference 'pape': did you mean 'paper'?"),
        ("report.groups.some=['ten']", "unknown class 'ten' in report.groups.some: did you mean"),
        ("prediction.k=11", "k = 11 is out of range: there are 10 classes"),
        ("seed", "--set 'seed' must be KEY=VALUE"),
    ],
)
def test_wrong_experiments_are_refused(refused, mini, override, message):
    assert message in refused("run", mini, "--out", mini.parent / "out", "--set", override)


def test_an_experiment_goes_to_reports(run, mini, monkeypatch, no_figures):
    monkeypatch.chdir(mini.parent)
    status, out, err = run("train", "mini.toml")
    assert (status, err) == (0, "")
    assert out == "train: reports/mini/history.csv\ntrain: reports/mini/weights.safetensors\n"
    status, out, _ = run("predict", "mini.toml")
    assert status == 0
    assert "predict: reports/mini/predictions.parquet\n" in out
    status, out, _ = run("run", "mini.toml")
    assert status == 0
    assert out.endswith("report: reports/mini/report.html\n")


def test_an_interrupted_training_and_a_checkpoint_of_another_architecture(run, refused, mini, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    from confemb.networks.training.checkpoints import Checkpoints

    out = mini.parent / "out"
    with monkeypatch.context() as patch:
        save = Checkpoints.save
        patch.setattr(Checkpoints, "save", lambda *values: (save(*values), interrupt()))
        status, _, err = run("train", mini, "--out", out)
    assert (status, err) == (130, "confemb: stopped; the same command goes on from here.\n")
    (key,) = (out / ".unfinished" / "checkpoints").iterdir()
    shutil.rmtree(key)
    with Checkpoints(key) as checkpoints:
        checkpoints.save(1, (np.zeros(3), np.ones((2, 2))), [])
    message = refused("train", mini, "--out", out)
    assert re.search(r"the checkpoint of epoch 1 in .* does not fit this network .*; remove that folder", message)


_STOPPED = """
import confemb.pipeline.run
from confemb.cli.app import main

async def write():
    pass

def stop(*_, **__):
    begun = write()
    raise KeyboardInterrupt

confemb.pipeline.run.run_experiment = stop
main()
"""


def test_nothing_is_said_of_what_a_stopped_run_leaves_half_done(mini):
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    command = [sys.executable, "-c", _STOPPED, "run", str(mini)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "confemb: stopped; the same command goes on from here.\n")


def test_a_failure_is_no_mistake_of_the_user(run, mini, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("confemb.pipeline.run.run_experiment", fail)
    status, _, err = run("run", mini)
    assert status == 1
    assert err == "confemb: RuntimeError: out of luck (this is a failure of confemb; --debug shows where)\n"
    monkeypatch.setattr(sys, "argv", ["confemb", "--debug", "run", str(mini)])
    with pytest.raises(RuntimeError, match="out of luck"):
        cli.main()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["embed", "p.csv"],
        ["embed", "--out", "x"],
        ["embed", "p.csv", "--out", "x", "--seeds", "0"],
        ["embed", "p.csv", "--out", "x", "--dim", "five"],
        ["similar", "x", "a", "--top", "0"],
        ["compare", "x"],
        ["ran"],
        ["run", "digits", "--sets", "seed=1"],
    ],
)
def test_usage_errors(run, arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert "Usage: confemb" in err
    assert "Traceback" not in err


def test_version_and_no_arguments(run):
    assert run("--version") == (0, f"confemb {confemb.__version__}\n", "")
    _, out, err = run()
    assert "Usage: confemb" in out + err


def test_list(run, refused):
    assert "digits\n" in run("list", "datasets")[1]
    listed = "balanced confusion_rate counts diffusion directed features ppmi skipgram weights"
    assert run("list", "embedders")[:2] == (0, listed.replace(" ", "\n") + "\n")
    assert {"fast_cnn", "paper_cnn"} <= set(run("list", "classifiers")[1].split())
    assert "paper" in run("list", "references")[1].split()
    assert "digits" in run("list", "experiments")[1].split()
    assert "unknown kind of name 'dataset': did you mean 'datasets'?" in refused("list", "dataset")


def test_fetch(run, refused):
    assert run("fetch", "digits") == (
        0,
        "digits train: 1,433 pictures, 10 classes\ndigits test: 364 pictures, 10 classes\n",
        "",
    )
    for name, near in (("cifar", "cifar10"), ("wordnets", "wordnet"), ("resnet50", "resnet50:keras")):
        expected = f"unknown dataset, weights or reference {name!r}: did you mean {near!r}"
        assert expected in refused("fetch", name)
    assert "the dataset 'digits' does not take the option path" in refused("fetch", "digits", "--path", "x")


def test_a_file_in_place_of_a_result_is_called_one(refused, tmp_path):
    (tmp_path / "p.csv").write_text("label,top1\n")
    assert "p.csv is a file; give the folder of a result." in refused("similar", tmp_path / "p.csv", "a")
