"""Damaged files for every reader: each is read, or refused in one sentence, in little time and memory.

python -m tests.torture.fuzz [--seconds 60] [--seed 0] [--reader WORD]
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.torture.confined import Case, Outcome, run_confined
from tests.torture.mutations import mutants
from tests.torture.readers import Reader, all_readers
from tests.torture.trials import Trial

BATCH = 50


@contextmanager
def readers(only: str = "") -> Iterator[tuple[list[Reader], Path]]:
    """Yield the readers whose name holds `only`, and an empty folder for their files."""
    with tempfile.TemporaryDirectory(prefix="confemb-fuzz-") as name:
        scratch, work = Path(name) / "seeds", Path(name) / "work"
        scratch.mkdir()
        work.mkdir()
        yield [reader for reader in all_readers(scratch) if only in reader.name], work


def place(reader: Reader, folder: Path, content: bytes) -> Path:
    """Lay a reader's file into a folder, with the sound ones beside it; return its path."""
    for name, sound in {**reader.beside, reader.file: content}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound)
    return folder / reader.file


def case(reader: Reader, path: Path, content: bytes) -> Case:
    """Return a case that writes the content and reads it."""

    def run() -> object:
        path.write_bytes(content)
        return reader.read(path)

    return run


def fuzz_reader(reader: Reader, work: Path, seconds: float, random: Random) -> tuple[list[bytes], list[Outcome]]:
    """Damage a reader's files for some seconds; return what was tried and what became of it."""
    folder = work / reader.name.replace("/", "_")
    folder.mkdir(exist_ok=True)
    path = place(reader, folder, reader.seeds[0])
    sound = run_confined([case(reader, path, content) for content in reader.seeds])
    for outcome in sound:
        # CIFAR-10H is pinned by its hash: no small file can stand for it.
        if outcome.kind != "read" and reader.name != "CIFAR-10H":
            raise RuntimeError(f"{reader.name}: the sound file is not read: {outcome}")
    tried: list[bytes] = []
    outcomes: list[Outcome] = []
    until = time.monotonic() + seconds
    while not tried or time.monotonic() < until:
        batch = [mutants(reader.seeds, random) for _ in range(BATCH)]
        outcomes += run_confined([case(reader, path, content) for content in batch])
        tried += batch
    return tried, outcomes


def run(seconds: float, seed: int) -> list[Trial]:
    """Damage the files of every reader, in equal shares of the time."""
    trials = []
    with readers() as (found, work):
        for reader in found:
            _, outcomes = fuzz_reader(reader, work, seconds / len(found), Random(f"{seed} {reader.name}"))
            failures = [f"{o.kind}: {o.detail}" for o in outcomes if not o.held]
            trials.append(Trial.of(reader.name, len(outcomes), failures, (outcome.kind for outcome in outcomes)))
    return trials


def main() -> None:
    """Fuzz from the command line, and keep what fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", default="", help="only readers whose name holds this")
    parser.add_argument("--keep", type=Path, help="a folder for one file of each way to fail")
    options = parser.parse_args()
    with readers(options.reader) as (found, work):
        for reader in found:
            random = Random(f"{options.seed} {reader.name}")
            tried, outcomes = fuzz_reader(reader, work, options.seconds / len(found), random)
            kinds = Counter(outcome.kind for outcome in outcomes)
            slowest = max(outcome.seconds for outcome in outcomes)
            print(f"{reader.name}: {len(outcomes)} tried, {dict(kinds)}, slowest {slowest:.2f} s", flush=True)
            failed: dict[str, tuple[int, bytes]] = {}
            for content, outcome in zip(tried, outcomes, strict=True):
                if not outcome.held:
                    key = f"{outcome.kind}: {outcome.detail}"
                    failed[key] = (failed.get(key, (0, b""))[0] + 1, content)
            for number, (key, (count, content)) in enumerate(sorted(failed.items(), key=lambda item: -item[1][0])[:12]):
                print(f"   {count} x {key}")
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{reader.file.replace('/', '_')}.{number}").write_bytes(content)


if __name__ == "__main__":
    main()
