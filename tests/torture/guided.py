"""Coverage-guided fuzzing of the readers written in Python, by Atheris (libFuzzer); optional: pip install atheris.

    python -m tests.torture.guided [--seconds 120] [--seed 0] [--reader WORD]

Each reader is run in a process of its own, whose bytecode tells libFuzzer which inputs reach new code; those are kept
and changed further, so that it finds its way into formats by itself. The processes are forks of one that has imported
everything. What a reader does with an input is judged as in `tests.torture.fuzz`; failures do not end the run but
are counted and listed. Readers whose work is done by C and
Rust libraries (Parquet, pictures, safetensors, PyTorch, HDF5) show no coverage there and are left to the other trials.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.torture.confined import MEMORY, SECONDS, UNPACKED, WAITING
from tests.torture.readers.reader import Reader
from tests.torture.trials import Trial

# Whose bytecode is watched beside confemb's own.
WATCHED = ("confemb", "zipfile", "tarfile", "tomllib", "json", "gzip", "csv")
GUIDED = (
    "predictions, CSV",
    "predictions, NPZ",
    "confusion matrix, CSV",
    "predictions of many models, NPZ",
    "result folder, manifest",
    "result folder, pair counts",
    "result folder, embedding.txt",
    "result folder, intervals",
    "result folder, reliability",
    "result folder, similarities",
    "class names, JSON",
    "class names, CSV column",
    "experiment, TOML",
    "groups, TOML",
    "judgements of words",
    "weights, TF.js folder",
    "weights, TF.js archive",
    "word vectors, text",
    "word vectors, word2vec binary",
    "captions, table",
    "captions, MSCOCO",
    "labelled vectors, NPZ",
    "analogies",
)


def available() -> bool:
    """Tell whether Atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def worker(names: Sequence[str], seconds: float, seed: int, folder: Path) -> None:
    """Fuzz readers one after the other, each in a fork; what happens is written to `folder`/NUMBER/report.json."""
    import atheris

    for name in list(sys.modules):
        # What is imported is not watched.
        if name.split(".")[0] in (*WATCHED, "experiments"):
            del sys.modules[name]
    (folder / "seeds").mkdir()
    with atheris.instrument_imports(include=list(WATCHED)):
        from confemb.support import files
        from tests.torture.fuzz import place
        from tests.torture.readers import all_readers

        files.MOST_UNPACKED = UNPACKED
        readers = {reader.name: reader for reader in all_readers(folder / "seeds", fresh=False)}
        for number, name in enumerate(names):
            # Readers import what they need when they first read.
            reader = readers[name]
            reader.read(place(reader, folder / f"first-{number}", reader.seeds[0]))
    for number, name in enumerate(names):
        home = folder / str(number)
        home.mkdir()
        child = os.fork()
        if child == 0:
            try:
                fuzz(readers[name], seconds, seed, home)
            finally:
                os._exit(1)
        until = time.monotonic() + 2 * seconds + 2 * WAITING * SECONDS
        status = None
        while status is None:
            found, ended = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(ended) if found else None
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.02)
        (home / "status").write_text(str(status))


def fuzz(reader: Reader, seconds: float, seed: int, home: Path) -> None:
    """Fuzz one reader in this process, which libFuzzer ends; write what happened every half second."""
    import atheris

    from tests.torture.confined import judge
    from tests.torture.fuzz import place

    path = place(reader, home / "work", reader.seeds[0])
    corpus, report = home / "corpus", home / "report.json"
    corpus.mkdir()
    for number, content in enumerate(reader.seeds):
        (corpus / str(number)).write_bytes(content)
    written = 0.0
    failures: list[str] = []
    ends: Counter[str] = Counter()

    def test(data: bytes) -> None:
        nonlocal written
        path.write_bytes(data)
        kind, detail = judge(lambda: reader.read(path))
        ends[kind] += 1
        failed = kind not in ("read", "refused")
        if failed:
            failures.append(f"{kind}: {detail}")
            (home / f"failed-{len(failures)}").write_bytes(data)
        # libFuzzer ends the process without a word.
        if failed or time.monotonic() > written + 0.5:
            report.write_text(json.dumps({"ends": ends, "failures": failures}))
            written = time.monotonic()

    limits = [f"-rss_limit_mb={2 * (MEMORY >> 20)}", f"-timeout={WAITING * SECONDS:.0f}", "-max_len=65536"]
    options = [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed + 1}", "-verbosity=0", "-close_fd_mask=3"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], test)
    atheris.Fuzz()


def guide(names: Sequence[str], seconds: float, seed: int) -> list[Trial]:
    """Fuzz readers for so many seconds each."""
    trials = []
    with tempfile.TemporaryDirectory(prefix="confemb-guided-") as name:
        folder = Path(name)
        arguments = ["--worker", *names, "--seconds", str(seconds), "--seed", str(seed), "--folder", name]
        done = subprocess.run(
            [sys.executable, "-m", "tests.torture.guided", *arguments],
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
            check=False,
        )
        if done.returncode:
            return [Trial.of("fuzzing guided by coverage itself", 1, [done.stderr.decode(errors="replace")[-2000:]])]
        for number, reader in enumerate(names):
            home = folder / str(number)
            report = home / "report.json"
            said = json.loads(report.read_text()) if report.exists() else {"ends": {}, "failures": []}
            ends, failures = Counter(said["ends"]), said["failures"]
            if (status := (home / "status").read_text()) != "0":
                failures.append(f"the process ended with {status}")
                ends["ended the process"] += 1
            trials.append(Trial.of(reader, ends.total(), failures, ends.elements()))
    return trials


def run(seconds: float, seed: int) -> list[Trial]:
    """Fuzz each of `GUIDED`, in equal shares of the time; nothing where Atheris is not installed."""
    if not available():
        return [Trial.of("fuzzing guided by coverage (not tried: Atheris is not installed)", 0, [])]
    return guide(GUIDED, seconds / len(GUIDED), seed)


def main() -> None:
    """Fuzz from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", default="", help="only readers whose name holds this")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.seconds, options.seed, options.folder)
        return
    chosen = [name for name in GUIDED if options.reader in name]
    for trial in guide(chosen, options.seconds / max(1, len(chosen)), options.seed):
        print(f"{trial.what}: {trial.held} of {trial.tried}", flush=True)
        for failure in trial.failures:
            print(f"   {failure}")


if __name__ == "__main__":
    main()
