"""Coverage-guided fuzzing of the readers written in Python, by Atheris (libFuzzer); optional: pip install atheris.

    python -m experiments.torture.guided [--seconds 120] [--seed 0] [--reader WORD]

Each reader is run in a process of its own, whose bytecode tells libFuzzer which inputs reach new code; those are kept
and changed further, so that it finds its way into formats by itself. What a reader does with an input is judged as in
`experiments.torture.fuzz`; failures do not end the run but are counted and listed. Readers whose work is done by C and
Rust libraries (Parquet, pictures, safetensors, PyTorch, HDF5) show no coverage there and are left to the other trials.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.torture.confined import MEMORY, SECONDS, UNPACKED
from experiments.torture.trials import Trial

# Whose bytecode is watched beside confemb's own.
WATCHED = ("confemb", "zipfile", "tarfile", "tomllib", "json", "gzip", "numpy.lib._format_impl", "csv")
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


def worker(name: str, seconds: float, seed: int, report: Path) -> None:
    """Fuzz one reader in this process, which libFuzzer ends; write what happened to `report`, again and again."""
    import atheris

    with atheris.instrument_imports(include=list(WATCHED)):
        from experiments.torture.confined import judge
        from experiments.torture.fuzz import place
        from experiments.torture.readers import all_readers

    from confemb import files

    files.MOST_UNPACKED = UNPACKED
    folder = report.parent
    (folder / "seeds").mkdir()
    (reader,) = [one for one in all_readers(folder / "seeds") if one.name == name]
    path = place(reader, folder / "work", reader.seeds[0])
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(reader.seeds):
        (corpus / str(number)).write_bytes(content)
    counts = {"tried": 0, "failures": []}

    def test(data: bytes) -> None:
        path.write_bytes(data)
        kind, detail = judge(lambda: reader.read(path))
        counts["tried"] += 1
        if kind not in ("read", "refused"):
            counts["failures"].append(f"{kind}: {detail}")
            (folder / f"failed-{len(counts['failures'])}").write_bytes(data)
        if counts["tried"] % 200 == 0 or kind not in ("read", "refused"):
            report.write_text(json.dumps(counts))

    limits = [f"-rss_limit_mb={2 * (MEMORY >> 20)}", f"-timeout={SECONDS:.0f}", "-max_len=65536"]
    options = [f"-max_total_time={seconds:.0f}", f"-seed={seed + 1}", "-verbosity=0", "-close_fd_mask=3"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], test)
    atheris.Fuzz()


def guide(name: str, seconds: float, seed: int) -> Trial:
    """Fuzz one reader in a process of its own."""
    what = f"{name}, guided by coverage: read, or refused in one sentence, within {SECONDS:.0f} s"
    with tempfile.TemporaryDirectory(prefix="confemb-guided-") as folder:
        report = Path(folder) / "report.json"
        arguments = ["--worker", name, "--seconds", str(seconds), "--seed", str(seed), "--report", str(report)]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "experiments.torture.guided", *arguments],
                capture_output=True,
                timeout=seconds + 240,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
                check=False,
            )
            status = f"status {done.returncode}: {done.stderr[-300:]!r}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            status = "it did not end"
        counts = json.loads(report.read_text()) if report.exists() else {"tried": 0, "failures": []}
    ended = [f"the process failed with {status}"] if status else []
    return Trial.of(what, counts["tried"], [*counts["failures"], *ended])


def run(seconds: float, seed: int) -> list[Trial]:
    """Fuzz each of `GUIDED`, in equal shares of the time; nothing where Atheris is not installed."""
    if not available():
        return [Trial.of("fuzzing guided by coverage: Atheris is not installed", 0, [])]
    return [guide(name, seconds / len(GUIDED), seed) for name in GUIDED]


def main() -> None:
    """Fuzz from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", default="", help="only readers whose name holds this")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.seconds, options.seed, options.report)
        return
    chosen = [name for name in GUIDED if options.reader in name]
    for name in chosen:
        trial = guide(name, options.seconds / len(chosen), options.seed)
        print(f"{trial.what}: {trial.held} of {trial.tried}", flush=True)
        for failure in trial.failures:
            print(f"   {failure}")


if __name__ == "__main__":
    main()
