"""The ratios that the benchmarks print."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


@pytest.fixture
def ratios(monkeypatch):
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not here")
    monkeypatch.syspath_prepend(BENCHMARKS)
    import ratios

    yield ratios
    del sys.modules["ratios"]


def test_ratios_are_taken_round_by_round(ratios, monkeypatch):
    clock = {"now": 0.0}
    # What each call takes: the first round does not count, the machine is slower in the third.
    took = {"peer": iter([9.0, 2.0, 8.0, 2.0]), "ours": iter([9.0, 1.0, 2.0, 0.5])}
    monkeypatch.setattr(ratios.time, "perf_counter", lambda: clock["now"])
    monkeypatch.setattr(ratios.time, "process_time", lambda: clock["now"] / 2)

    def work(name):
        clock["now"] += next(took[name])

    runs = {name: lambda name=name: work(name) for name in took}
    table = ratios.in_turns(runs, peer="peer", rounds=3, work=10).set_index("what")
    assert table.loc["peer", "times as fast"] == 1
    ours = table.loc["ours"]
    assert [ours["seconds"], ours["CPU seconds"], ours["per second"]] == [1, 0.5, 10]
    assert [ours["times as fast"], ours["lowest"], ours["highest"], ours["by CPU seconds"]] == [4, 2, 4, 4]


def test_a_table_is_printed_and_written(ratios, tmp_path, capsys):
    ratios.publish("one", "A title", pd.DataFrame({"what": ["a"], "seconds": [0.12345678]}), csv=tmp_path / "one.csv")
    assert "| a | 0.12 |" in capsys.readouterr().out
    written = pd.read_csv(tmp_path / "one.csv")
    assert written["seconds"].tolist() == [0.1235]
    assert written["cores"].tolist() == [ratios.cores()]


def test_memory_is_what_a_call_takes(ratios):
    total, mib = ratios.alone(np.ones, 40 * 2**20 // 8)
    assert total.sum() == 40 * 2**20 // 8
    assert 35 < mib < 120


@pytest.mark.slow
def test_what_wants_an_accelerator_runs_through_on_a_cpu(tmp_path):
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not here")
    command = [sys.executable, BENCHMARKS / "accelerator.py", "--smoke", "--out", tmp_path]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parents[1])})
    parts = ["cifar10", "retraining"] + ["resnet50"] * (find_spec("torch") is not None)
    tables = [pd.read_csv(tmp_path / f"accelerator_{part}.csv") for part in parts]
    assert all((table["backend"] == "cpu").all() and table["device"].str.contains(" x cpu").all() for table in tables)
    assert tables[0]["accuracy, mean"][0] > 0.2
    assert tables[1]["networks"].tolist() == [2, 2]
