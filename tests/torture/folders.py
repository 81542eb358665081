"""Folders that are not confemb's: a user's own files, links, other users' drafts. Nothing in them may change."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from confemb.support.draft import Draft
from confemb.support.errors import ConfembError
from confemb.support.files import write_text
from confemb.support.output_folder import OLDER_NAMES, output_folder
from tests.torture.trials import Trial

_NAMES = (*sorted(OLDER_NAMES - {"manifest.json"}), "predictions.parquet", "notes.txt", "a.csv", "weights.safetensors")


def run(seconds: float, seed: int) -> list[Trial]:
    """Write over folders made at random, in equal shares of the time."""
    random = Random(f"{seed} folders")
    kinds = [_own_files, _own_files_in_a_result, _links, _forged_drafts]
    return [kind(time.monotonic() + seconds / len(kinds), random) for kind in kinds]


def _write(folder: Path, random: Random) -> None:
    """Write a folder with some files at random through the door."""
    with output_folder(folder) as new:
        for name in random.sample(_NAMES, random.randrange(1, 6)):
            write_text(new.new(name), f"of confemb {random.random()}")
        for name in random.sample(("a.png", "b.svg", "c.png"), random.randrange(0, 3)):
            write_text(new.new(f"figures/{name}"), f"of confemb {random.random()}")


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _again(what: str, until: float, trial: Callable[[Path], tuple[str, str]]) -> Trial:
    """Repeat a trial, which returns how it ended and what went wrong, in a new folder each."""
    failures, ends = [], []
    while not ends or time.monotonic() < until:
        with tempfile.TemporaryDirectory() as home:
            end, failure = trial(Path(home))
        ends.append(end)
        if failure:
            failures.append(failure)
    return Trial.of(what, len(ends), failures, ends)


def _own_files(until: float, random: Random) -> Trial:
    def trial(home: Path) -> tuple[str, str]:
        folder = home / "mine"
        for name in random.sample(_NAMES, random.randrange(1, 6)):
            place = random.choice((folder, folder / "figures", folder / "sub"))
            write_text(place / name, "mine")
        before = _digests(folder)
        try:
            _write(folder, random)
        except ConfembError:
            return "refused", "" if _digests(folder) == before else f"{sorted(before)}: changed though refused"
        return "written", f"{sorted(before)}: written over"

    return _again("a folder with a user's own files and no manifest: refused, nothing in it changed", until, trial)


def _own_files_in_a_result(until: float, random: Random) -> Trial:
    def trial(home: Path) -> tuple[str, str]:
        folder = home / "out"
        _write(folder, random)
        listed = set(json.loads((folder / "manifest.json").read_text())["written"])
        own = []
        for name in random.sample((*_NAMES, "figures/a.png", "figures/own.svg"), 4):
            if name not in listed:
                write_text(folder / name, "mine")
                own.append(name)
        try:
            _write(folder, random)
            end = "written"
        except ConfembError:
            end = "refused"
        lost = [name for name in own if not (folder / name).is_file() or (folder / name).read_text() != "mine"]
        return end, f"{end}, lost {lost}" if lost else ""

    return _again("a user's own files in a result: kept, whether it is written again or refused", until, trial)


def _links(until: float, random: Random) -> Trial:
    def trial(home: Path) -> tuple[str, str]:
        outside, folder = home / "outside", home / "out"
        for name in (*_NAMES, "figures/a.png", "b.svg", "manifest.json"):
            write_text(outside / name, "mine")
        _write(folder, random)
        for _ in range(random.randrange(1, 4)):
            place = folder / random.choice((*_NAMES, "figures", "figures/a.png", "manifest.json", ".unfinished"))
            if place.parent.is_symlink() or not place.parent.is_dir():
                continue
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            place.unlink(missing_ok=True)
            place.symlink_to(outside / random.choice((".", "figures", "a.csv", "manifest.json")))
        before = _digests(outside)
        try:
            _write(folder, random)
            end = "written"
        except ConfembError:
            end = "refused"
        return end, "" if _digests(outside) == before else f"{end}, and changed through a link"

    return _again("links in a result, of files and folders: nothing is changed through them", until, trial)


def _forged_drafts(until: float, random: Random) -> Trial:
    def trial(home: Path) -> tuple[str, str]:
        folder = home / "out"
        _write(folder, random)
        before = _digests(folder)
        work = folder / ".unfinished"
        evil = {
            "confemb": "1",
            "stages": {"train": {"key": "k", "files": {"weights.txt": _sha("evil")}}},
            "written": {},
        }
        write_text(work / "manifest.json", json.dumps(evil))
        write_text(work / "weights.txt", "evil")
        write_text(work / "seal", random.choice(("", "0" * 64, "x")))
        if random.random() < 0.7:
            write_text(work / "report" / "manifest.json", json.dumps(evil))
            write_text(work / "report" / "report.html", "evil")
            write_text(work / "ready.json", json.dumps({"remove": sorted(before)}))
        forged = _digests(work)
        draft = Draft(folder)
        used = draft.reuse("train", "k")
        draft.discard()
        after = {name: digest for name, digest in _digests(folder).items() if not name.startswith(".unfinished/")}
        if used or after != before or _digests(work) != forged:
            return "used", f"used: {used}, changed: {after != before}, touched: {_digests(work) != forged}"
        return "passed over", ""

    return _again("somebody else's unfinished work: neither used, nor moved in, nor removed", until, trial)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
