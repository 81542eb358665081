"""The experiment that the trials run: pictures in a folder, a small network, everything that a result has."""

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.torture import children

EXPERIMENT = """
title = "Digits, few of them"
[dataset]
name = "image_folder"
path = "{pictures}"
[classifier]
name = "fast_cnn"
widths = [8, 16]
shift = 1
mirror = false
[training]
epochs = 4
batch_size = 20
learning_rate = 0.1
keep_epochs = [2]
[embedding]
seeds = 2
epochs = 10
[uncertainty]
pictures = 2
split_halves = 1
dimension_splits = 0
[report]
examples = 2
"""
# What a run does, one after the other: fill the cache, the stages of the result, tables and figures, the moving in.
STAGES = ("fetch", "train", "predict", "embed", "uncertainty", "report", "publish")
# These tell when and how fast it was made.
TIMED = {"manifest.json", "history.csv", "report.html"}


@dataclass(frozen=True)
class Setting:
    """Where the trials work, and what must come out.

    Attributes:
        home: a folder for everything.
        experiment: the experiment's file.
        pictures: the folder of its pictures.
        expected: file name -> SHA-256 of an unbroken run's result, but for `TIMED`.
        earlier: the result of another configuration, to be run over.
        seconds: one of `STAGES` -> how long the unbroken run was at it.
    """

    home: Path
    experiment: Path
    pictures: Path
    expected: dict[str, str]
    earlier: Path
    seconds: dict[str, float]

    @property
    def log(self) -> Path:
        """Where children print."""
        return self.home / "log.txt"

    def cache(self, name: str) -> dict[str, str]:
        """Return the environment with a cache of that name."""
        return {"CONFEMB_CACHE": str(self.home / "caches" / name)}

    def over_earlier(self, folder: Path) -> Path:
        """Copy the earlier result to `folder`, to be run over."""
        return Path(shutil.copytree(self.earlier, folder))

    def wrong(self, folder: Path, *, unfinished: bool = False) -> str:
        """Return what is wrong with a result that should be the unbroken run's; empty where nothing is.

        With `unfinished` something of a run that is not ended may lie there too.
        """
        found = digests(folder)
        if unfinished:
            found = {name: digest for name, digest in found.items() if not name.startswith(".unfinished")}
        return difference(found, self.expected)


@functools.cache
def shared_setting() -> Setting:
    """Return the setting of this process, in a folder that goes away with it."""
    home = Path(tempfile.mkdtemp(prefix="confemb-torture-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    children.preload()
    return make_setting(home)


def make_setting(home: Path) -> Setting:
    """Write pictures and experiment, run it unbroken, and once more with another configuration."""
    pictures = home / "pictures"
    write_pictures(pictures)
    experiment = home / "few_digits.toml"
    experiment.write_text(EXPERIMENT.format(pictures=pictures))
    log = home / "log.txt"
    cache = home / "caches" / "unbroken"
    # The first run also compiles what later ones find compiled, and is not timed.
    for folder, change in (("earlier", ["--set", "seed=7"]), ("unbroken", [])):
        shutil.rmtree(cache, ignore_errors=True)
        command = ("run", experiment, "--out", home / folder, *change)
        child = children.start(*command, log=log, environment={"CONFEMB_CACHE": str(cache)})
        seconds = stage_seconds(child, home / folder, cache)
        if status := child.end():
            raise RuntimeError(f"the unbroken run failed: status {status}, {child.said}")
    return Setting(home, experiment, pictures, digests(home / "unbroken"), home / "earlier", seconds)


def stage_of(folder: Path, cache: Path) -> str:
    """Return what a run into `folder` is at, or was when it was killed: one of `STAGES`."""
    work = folder / ".unfinished"
    if (work / "ready.json").exists():
        return "publish"
    if not list(cache.glob("*/arrays/info.json")):
        return "fetch"
    try:
        done = json.loads((work / "manifest.json").read_text())["stages"]
    except FileNotFoundError:
        done = {}
    return next((stage for stage in STAGES[1:5] if stage not in done), "report")


def stage_seconds(child: children.Child, folder: Path, cache: Path) -> dict[str, float]:
    """Watch a run to its end; return how long it was at each of `STAGES`."""
    seconds = dict.fromkeys(STAGES, 0.0)
    reached, last = 0, time.monotonic()
    while child.running():
        now, at = time.monotonic(), STAGES.index(stage_of(folder, cache))
        # Once all is moved in, the folder looks as before the run.
        if at >= reached:
            seconds[STAGES[at]] += now - last
            reached = at
        last = now
        time.sleep(0.002)
    return seconds


def write_pictures(folder: Path, *, train: int = 20, test: int = 10) -> None:
    """Write some of scikit-learn's digits as PNG: `folder`/SPLIT/CLASS/NUMBER.png."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(10):
        for number, row in enumerate(np.flatnonzero(digits.target == label)[: train + test]):
            path = folder / ("train" if number < train else "test") / f"digit_{label}" / f"{row:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.rint(digits.images[row] * (255 / 16)).astype(np.uint8)).save(path)


def digests(folder: Path, *, timed: bool = False) -> dict[str, str]:
    """Return name -> SHA-256 of the files of a result, hidden ones too; without `TIMED` unless asked for."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (timed or path.name not in TIMED)
    }


def difference(found: dict[str, str], expected: dict[str, str]) -> str:
    """Name the first file that is missing, too many or different; empty where all are the same."""
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            how = "is missing" if name not in found else "is too many" if name not in expected else "differs"
            return f"{name} {how}"
    return ""
