"""Signals at any moment: a command ends within seconds, by a stated status, and leaves nothing half-written."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import numpy as np

import confemb
from confemb.support.stopping import SECONDS_TO_STOP, STATUS
from tests.torture.trials import Trial

# Beyond what is promised: the machine may be busy.
PATIENCE = 30.0
COMMANDS = (
    ("embed", "p.parquet", "--out", "out", "--bootstraps", "0"),
    ("embed", "p.parquet", "--out", "out", "--bootstraps", "20"),
    ("models", "p.parquet", "q.parquet", "--out", "out"),
    ("count", "p.parquet", "q.parquet", "--out", "out.npz"),
    ("list", "embedders"),
)


def run(seconds: float, seed: int) -> list[Trial]:
    """Start commands, and send each a signal at a moment drawn from the time that it takes."""
    random = Random(f"{seed} stopped")
    trials = []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        _predictions(folder, seed)
        for command in COMMANDS:
            started = time.monotonic()
            done = _start(command, folder)
            done.communicate()
            usual = time.monotonic() - started
            until = time.monotonic() + seconds / len(COMMANDS)
            failures, ends = [], []
            while not ends or time.monotonic() < until:
                number = random.choice(list(STATUS))
                end, failure = _stopped(command, folder, number, random.uniform(0, 1.1 * usual))
                ends.append(end)
                failures += [failure] if failure else []
            trials.append(Trial.of(f"confemb {command[0]}, {len(STATUS)} signals", len(ends), failures, ends))
    return trials


def _predictions(folder: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels, names = generator.integers(0, 30, 20_000), tuple(f"class {i}" for i in range(30))
    ids = np.array([f"p{i}" for i in range(20_000)], object)
    for name in ("p", "q"):
        top = np.argsort(-generator.random((20_000, 30)), axis=1)[:, :3].astype(np.int32)
        confemb.save_predictions(confemb.Predictions(labels, top, None, names, ids), folder / f"{name}.parquet")


def _start(command: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "confemb", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(confemb.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in STATUS],
    )


def _stopped(command: tuple[str, ...], folder: Path, number: signal.Signals, after: float) -> tuple[str, str]:
    child = _start(command, folder)
    time.sleep(after)
    child.send_signal(number)
    try:
        _, told = child.communicate(timeout=SECONDS_TO_STOP + PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return "hangs", f"{command[0]}: {number.name} after {after:.2f} s: still there {PATIENCE:.0f} s later"
    left = [path.name for path in folder.rglob("*.part*")]
    # Before Python has begun, the signal itself ends the process: to a shell the same status.
    known = child.returncode in (0, STATUS[number], -number)
    said = "Traceback" in told and child.returncode != -number
    if left or not known or said:
        return (
            "wrong",
            f"{command[0]}: {number.name} after {after:.2f} s: status {child.returncode}, {left}, {told[-200:]!r}",
        )
    return "ended first" if child.returncode == 0 else "stopped", ""
