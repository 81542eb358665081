"""Full disks, folders that cannot be written to, inputs that vanish: a sentence, and the earlier result intact."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from tests.torture import children
from tests.torture.setting import Setting, difference, digests, shared_setting
from tests.torture.trials import Trial

ENOUGH = 256 << 20


def run(seconds: float, seed: int) -> list[Trial]:
    """Try every kind of bad place, in equal shares of the time."""
    random = Random(f"{seed} places")
    setting = shared_setting()
    kinds = [full_disk, file_too_large, read_only, vanished, truncated_while_read]
    return [kind(setting, time.monotonic() + seconds / len(kinds), random) for kind in kinds]


@contextlib.contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[str], None] | None]:
    """Mount a file system of so many bytes, and yield what changes its options; None where that is not permitted."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield None if done.returncode else lambda options: _remount(folder, options)
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def _remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def full_disk(setting: Setting, until: float, random: Random) -> Trial:
    """Run on a disk that becomes full: at the cache, at any stage, or at the report; then with enough room."""
    failures, tried = [], 0
    where = setting.home / "disk"
    while not tried or time.monotonic() < until:
        with disk(where, ENOUGH) as remount:
            if remount is None:
                break
            folder = setting.over_earlier(where / "result")
            before = digests(folder, timed=True)
            environment = {"CONFEMB_CACHE": str(where / "cache")}
            status = os.statvfs(where)
            used = (status.f_blocks - status.f_bfree) * status.f_frsize
            # What a run writes is some 1.2 MB.
            room = round(1.3e6 * random.random()) // 4096 * 4096
            remount(f"size={used + room}")
            status, said = children.call(
                "run", setting.experiment, "--out", folder, log=setting.log, environment=environment
            )
            tried += 1
            if status != 0:
                kept = {k: v for k, v in digests(folder, timed=True).items() if not k.startswith(".unfinished")}
                wrong = difference(kept, before)
                if not children.refused(status, said):
                    failures.append(f"{room} bytes left: status {status}, {said[-300:]!r}")
                elif wrong:
                    failures.append(f"{room} bytes left: of the earlier result {wrong}")
                remount(f"size={ENOUGH}")
                status, said = children.call(
                    "run", setting.experiment, "--out", folder, log=setting.log, environment=environment
                )
                if status:
                    failures.append(f"{room} bytes left, then enough: status {status}, {said[-300:]!r}")
            if status == 0 and (wrong := setting.wrong(folder)):
                failures.append(f"{room} bytes left, in the end: {wrong}")
    what = (
        "full disk: one sentence, the earlier result intact; with enough room the same command ends with the same bytes"
    )
    return Trial.of(what if tried else f"{what} (not tried: mounting is not permitted)", tried, failures)


def file_too_large(setting: Setting, until: float, random: Random) -> Trial:
    """Run where no file may be larger than some bytes, which needs no mounting."""
    failures, tried = [], 0

    while not tried or time.monotonic() < until:
        folder = setting.over_earlier(setting.home / "limited")
        before = digests(folder, timed=True)
        # What the child prints goes into a file as well, and must fit.
        limit = round(10 ** random.uniform(3, 5))

        def limited(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        status, said = children.call(
            "run",
            setting.experiment,
            "--out",
            folder,
            log=setting.log,
            environment=setting.cache("limited"),
            before=limited,
        )
        kept = {k: v for k, v in digests(folder, timed=True).items() if not k.startswith(".unfinished")}
        if status and not children.refused(status, said):
            failures.append(f"files of {limit} bytes: status {status}, {said[-300:]!r}")
        elif status and (wrong := difference(kept, before)):
            failures.append(f"files of {limit} bytes: of the earlier result {wrong}")
        tried += 1
        shutil.rmtree(folder)
        shutil.rmtree(setting.home / "caches" / "limited", ignore_errors=True)
    return Trial.of("a limit on the size of files: one sentence, the earlier result intact", tried, failures)


def read_only(setting: Setting, until: float, random: Random) -> Trial:
    """Write to a folder that cannot be written to, and read from it."""
    what = "read-only folder: run, report, embed refuse in one sentence; similar and compare read"
    failures: list[str] = []
    where = setting.home / "read_only"
    with disk(where, ENOUGH) as remount:
        folder = setting.over_earlier(where / "result")
        before = digests(folder, timed=True)
        predictions = folder / "predictions.parquet"
        if remount is not None:
            remount("ro")
        elif os.geteuid() != 0:
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o500 if path.is_dir() else 0o400)
        else:
            shutil.rmtree(folder)
            return Trial.of(f"{what} (not tried: mounting is not permitted, and nothing is forbidden to root)", 0, [])
        writing = [
            ("run", setting.experiment, "--out", folder),
            ("run", setting.experiment, "--set", "seed=7", "--out", folder),
            ("train", setting.experiment, "--out", folder),
            ("report", folder),
            ("embed", predictions, "--out", folder / "embedded"),
            ("models", predictions, predictions.with_name("pairs.npz"), "--out", folder / "study"),
        ]
        reading: list[tuple[str | Path, ...]] = [("similar", folder, "digit_1"), ("compare", folder, folder)]
        for number, arguments in enumerate([*writing, *reading]):
            status, said = children.call(*arguments, log=setting.log, environment=setting.cache("unbroken"))
            if number < len(writing) and not children.refused(status, said):
                failures.append(f"{arguments[0]}: status {status}, {said[-300:]!r}")
            if number >= len(writing) and status:
                failures.append(f"{arguments[0]}: status {status}, {said[-300:]!r}")
        if wrong := difference(digests(folder, timed=True), before):
            failures.append(f"of the result {wrong}")
        if remount is None:
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o700)
            shutil.rmtree(folder)
    return Trial.of(what, len(writing) + len(reading), failures)


def vanished(setting: Setting, until: float, random: Random) -> Trial:
    """Lose or damage a part of a result, the cache or the pictures between two runs."""
    failures, tried = [], 0
    environment = setting.cache("vanished")
    folder = Path(shutil.copytree(setting.home / "unbroken", setting.home / "vanished"))
    arguments = ("run", setting.experiment, "--out", folder)
    parts = sorted(digests(folder, timed=True))
    while not tried or time.monotonic() < until:
        lost = folder / random.choice(parts)
        kind = random.choice(["removed", "emptied", "cut", "changed"])
        content = bytearray(lost.read_bytes())
        if kind == "removed":
            lost.unlink()
        else:
            content[len(content) // 2] ^= 1
            size = {"emptied": 0, "cut": len(content) // 2, "changed": len(content)}[kind]
            lost.write_bytes(content[:size])
        if random.random() < 0.5:
            shutil.rmtree(setting.home / "caches" / "vanished", ignore_errors=True)
        status, said = children.call(*arguments, log=setting.log, environment=environment)
        tried += 1
        if lost.name == "manifest.json" and status == 2 and children.refused(status, said):
            # It says to remove it.
            lost.unlink()
            status, said = children.call(*arguments, log=setting.log, environment=environment)
        if status or (said := setting.wrong(folder)):
            failures.append(f"{lost.name} {kind}: status {status}, {said[-300:]!r}")
    # Pictures that are gone are a mistake of the user's; the result is not touched.
    before = digests(folder, timed=True)
    away = setting.pictures.rename(setting.pictures.with_name("away"))
    status, said = children.call(*arguments, log=setting.log, environment=environment)
    away.rename(setting.pictures)
    if not children.refused(status, said) or (said := difference(digests(folder, timed=True), before)):
        failures.append(f"no pictures: status {status}, {said[-300:]!r}")
    shutil.rmtree(folder)
    return Trial.of(
        "a file of the result removed, emptied, cut or changed, the cache gone: made again, the same bytes; "
        "pictures gone: one sentence",
        tried + 1,
        failures,
    )


def truncated_while_read(setting: Setting, until: float, random: Random) -> Trial:
    """Cut a predictions file and write it again while it is read."""
    failures, tried = [], 0
    source = (setting.home / "unbroken" / "predictions.parquet").read_bytes()
    victim = setting.home / "victim.parquet"
    folder = setting.home / "from_victim"
    while not tried or time.monotonic() < until:
        victim.write_bytes(source)
        child = children.start(
            *("embed", victim, "--out", folder, "--embedder", "counts", "--bootstraps", "0"), log=setting.log
        )
        for _ in range(200):
            if not child.running():
                break
            victim.write_bytes(source[: random.randrange(len(source))])
            time.sleep(random.random() * 0.01)
            victim.write_bytes(source)
            time.sleep(random.random() * 0.01)
        victim.write_bytes(source)
        status = child.end()
        tried += 1
        if status != 0 and not children.refused(status, child.said):
            failures.append(f"status {status}, {child.said[-300:]!r}")
        if status != 0 and folder.exists() and any(folder.iterdir()):
            failures.append(f"status {status}, but {folder} is not empty")
        shutil.rmtree(folder, ignore_errors=True)
    return Trial.of("predictions cut short and restored while they are read: read, or one sentence", tried, failures)
