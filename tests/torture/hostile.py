"""Files made to do harm: each is refused in one sentence, in little time and memory.

    python -m tests.torture.hostile

Bombs that unpack to gigabytes, headers that claim 2^60 bytes, class indices of 2^40, nesting without end, mixed
encodings, NUL bytes, files that shrink while they are read, links in circles, pipes, devices, and folders in place of
files. What a file unpacks to is bounded by `support.files.MOST_UNPACKED` (4 GiB); the trials lower that bound, so that
their bombs need not be larger, and give each reader a fixed amount of memory.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.torture.confined import MEMORY, SECONDS, Case, Outcome, run_confined
from tests.torture.fuzz import place
from tests.torture.harmful_files import all_hostile
from tests.torture.readers import Reader, all_readers
from tests.torture.trials import Trial


def odd_files(reader: Reader, folder: Path) -> Iterator[tuple[str, Case, bool]]:
    """Yield what may stand in a file's place: (what, the reading of it, whether it must be refused)."""

    def fresh(name: str) -> Path:
        path = place(reader, folder / name, reader.seeds[0])
        path.unlink()
        return path

    def read(path: Path) -> Case:
        return lambda: reader.read(path)

    path = fresh("folder")
    path.mkdir()
    # A folder of TF.js is a checkpoint too, and a folder of pictures has no classes.txt of its own.
    yield "a folder", read(path), True
    path = fresh("pipe")
    os.mkfifo(path)
    yield "a named pipe that nobody writes to", read(path), True
    path = fresh("device")
    path.symlink_to("/dev/zero")
    yield "a link to /dev/zero", read(path), True
    path = fresh("circle")
    path.symlink_to(path)
    yield "a link to itself", read(path), True
    yield "nothing", read(fresh("nothing")), True
    path = fresh("sparse")
    with open(path, "wb") as file:
        file.truncate(1 << 42)
    yield "a sparse file of 4 TiB", read(path), True
    path = fresh("unreadable")
    path.write_bytes(b"")
    yield "an empty file", read(path), True
    path = fresh("link")
    other = path.with_name("elsewhere")
    other.write_bytes(reader.seeds[0])
    path.symlink_to(other)
    yield "a link to a sound file", read(path), False
    if reader.mapped:
        return
    path = fresh("shrinking")
    yield "a file that shrinks while it is read", lambda: shrinking(reader, path), False


def shrinking(reader: Reader, path: Path) -> object:
    """Read a file while another thread cuts and restores it, again and again."""
    from confemb.support.errors import ConfembError

    sound = reader.seeds[0] * 1
    stop = threading.Event()

    def cut() -> None:
        while not stop.is_set():
            for size in (len(sound) // 2, 0, len(sound)):
                with open(path, "r+b") as file:
                    file.truncate(size)
                    if size == len(sound):
                        file.write(sound)

    path.write_bytes(sound)
    thread = threading.Thread(target=cut)
    thread.start()
    until = time.monotonic() + 0.2
    found: object = None
    try:
        while time.monotonic() < until:
            try:
                found = reader.read(path)
            except ConfembError as error:
                found = error
    finally:
        stop.set()
        thread.join()
    return found


def judged(reader: str, what: str, outcome: Outcome, refused: bool) -> str | None:
    """Return what went wrong with a case, or None."""
    if not outcome.held:
        return f"{reader}, {what}: {outcome.kind}: {outcome.detail}"
    if refused and outcome.kind == "read":
        return f"{reader}, {what}: it was read"
    return None


# Without these files all goes on: they are optional, or parts of stopped runs that are computed again.
OPTIONAL = frozenset(
    {
        *("image folder, classes.txt", "weights, Hugging Face preprocessor", "manifest of word vectors"),
        *("part of features", "part of picture vectors, NPZ", "part of word vectors, NPZ"),
        *("unfinished result, ready.json", "unfinished result, report/manifest.json"),
        *("unfinished result, manifest.json", "TFDS folder, label.labels.txt"),
    }
)


def run(seconds: float, seed: int) -> list[Trial]:
    """Try every hostile file and, for every reader, everything that may stand in a file's place; once each."""
    with tempfile.TemporaryDirectory(prefix="confemb-hostile-") as name:
        scratch, work = Path(name) / "seeds", Path(name) / "work"
        scratch.mkdir()
        work.mkdir()
        readers = {reader.name: reader for reader in all_readers(scratch)}
        cases: list[Case] = []
        about: list[tuple[str, str, bool]] = []
        for number, hostile in enumerate(all_hostile()):
            if hostile.reader not in readers:
                continue
            reader = readers[hostile.reader]
            path = place(reader, work / str(number), hostile.content())
            cases.append(lambda reader=reader, path=path: reader.read(path))  # type: ignore[misc]
            about.append((hostile.reader, hostile.what, hostile.refused))
        made = len(cases)
        for reader in readers.values():
            if reader.name == "--set KEY=VALUE":
                # Words of the command line, not a file.
                continue
            for what, case, refused in odd_files(reader, work / f"odd {reader.name}".replace("/", "_")):
                if reader.name in OPTIONAL:
                    refused = False
                cases.append(case)
                about.append((reader.name, what, refused))
        outcomes = run_confined(cases)
    failures = [judged(*case[:2], outcome, case[2]) for case, outcome in zip(about, outcomes, strict=True)]
    ends = [outcome.kind for outcome in outcomes]
    must = f"refused in one sentence, within {SECONDS:.0f} s of CPU time and {MEMORY >> 20} MiB"
    return [
        Trial.of(f"files made to do harm: {must}", made, [f for f in failures[:made] if f], ends[:made]),
        Trial.of(
            f"pipes, devices, folders, links, shrinking files in a file's place: read, or {must}",
            len(cases) - made,
            [f for f in failures[made:] if f],
            ends[made:],
        ),
    ]


def main() -> None:
    """Run the trials and print what failed."""
    for trial in run(0, 0):
        print(f"{trial.what}: {trial.held} of {trial.tried}")
        for failure in trial.failures:
            print(f"   {failure}")


if __name__ == "__main__":
    main()
