import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import confemb
from confemb.networks.pretrained.weights import read_checkpoint
from confemb.networks.training.distributed import ALONE, join
from confemb.support.errors import ConfembError

EXPERIMENT = """
extends = "digits"
[training]
epochs = 2
"""


@pytest.mark.parametrize("where", ["", "host", "host:9911", "host:9911,0", "host:port,0,2", ":9911,0,2", "h:9911,2,2"])
def test_an_address_of_another_form_is_refused_with_the_form(where):
    with pytest.raises(ConfembError, match="neither 'auto' nor HOST:PORT,INDEX,COUNT"):
        join(where)


def test_alone_nothing_is_sent(tmp_path):
    tree = {"a": np.arange(3)}
    assert ALONE.lead
    assert ALONE.from_lead(tree) is tree
    assert ALONE.agree(7) == 7
    ALONE.share_file(tmp_path / "not there")
    ALONE.check_same({"train": "ab"})


def command(*arguments):
    return [sys.executable, "-c", "from confemb.cli.app import main; main()", *map(str, arguments)]


def environment(devices=1):
    package = str(Path(confemb.__file__).parent.parent)
    return {
        **os.environ,
        "PYTHONPATH": package,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }


def alone(stage, experiment, out, *, devices=1):
    subprocess.run(command(stage, experiment, "--out", out), env=environment(devices), check=True)


def together(stage, experiments, out, *, count=2):
    """Run `stage` in as many processes; return their exit statuses and what they wrote to standard error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        subprocess.Popen(
            command(stage, experiments[i], "--out", out, "--distributed", f"127.0.0.1:{port},{i},{count}"),
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]
    try:
        errors = [process.communicate(timeout=300)[1] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [process.returncode for process in started], errors


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    return path


def without_predictions(folder, copy):
    shutil.copytree(folder, copy)
    (copy / "predictions.parquet").unlink()
    return copy


@pytest.mark.slow
def test_two_processes_and_eight_devices_predict_the_same_bytes_as_one(tmp_path, experiment):
    one = tmp_path / "one"
    alone("predict", experiment, one)
    expected = (one / "predictions.parquet").read_bytes()
    two = without_predictions(one, tmp_path / "two")
    assert together("predict", [experiment, experiment], two)[0] == [0, 0]
    assert (two / "predictions.parquet").read_bytes() == expected
    eight = without_predictions(one, tmp_path / "eight")
    alone("predict", experiment, eight, devices=8)
    assert (eight / "predictions.parquet").read_bytes() == expected


@pytest.mark.slow
def test_eight_devices_share_a_batch_as_accelerators_do():
    # CPUs compute in parts instead, so this is called by itself.
    code = """if True:
        import jax, numpy as np
        from confemb.networks import make_network
        from confemb.networks.inference import _in_parts, _sharded
        assert len(jax.devices()) == 8
        network = make_network("fast_cnn", (8, 8, 3), 10, seed=0, options={"widths": [8, 16]})
        images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
        shared, expected = (logits(network, True)(images, 64) for logits in (_sharded, _in_parts))
        np.testing.assert_allclose(shared, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(shared.argmax(axis=1), expected.argmax(axis=1))
    """
    subprocess.run([sys.executable, "-c", code], env=environment(devices=8), check=True)


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_one_goes_on_from_there(tmp_path, experiment):
    one, two = tmp_path / "one", tmp_path / "two"
    alone("train", experiment, one)
    assert together("train", [experiment, experiment], two)[0] == [0, 0]
    # The batch is one program instead of parts, so the last bits differ, and with them which of two equal patches of a
    # digit wins in a pooling.
    losses = [pd.read_csv(folder / "history.csv")["train_loss"] for folder in (one, two)]
    np.testing.assert_allclose(*losses, rtol=1e-2)
    first, second = (read_checkpoint(str(folder / "weights.safetensors")).arrays for folder in (one, two))
    for name, values in first.items():
        assert np.linalg.norm(second[name] - values) <= 0.2 * np.linalg.norm(values), name
    alone("predict", experiment, two)
    stages = json.loads((two / "manifest.json").read_text())["stages"]
    assert stages["train"]["devices"].startswith("2 x")
    assert stages["predict"]["accuracy"]["train"] > 0.8


@pytest.mark.slow
def test_processes_that_would_do_something_else_are_refused(tmp_path, experiment):
    other = tmp_path / "other.toml"
    other.write_text(EXPERIMENT.replace("epochs = 2", "epochs = 3"))
    statuses, errors = together("train", [experiment, other], tmp_path / "out")
    assert statuses == [2, 2]
    for error in errors:
        assert "processes 1 would do something else than process 0 in the stage 'train'" in error
