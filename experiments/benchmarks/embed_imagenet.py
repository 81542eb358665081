"""`confemb embed` on 50,000 x 5 predictions of 1,000 classes, beside a notebook that does the same by hand.

    python experiments/benchmarks/embed_imagenet.py [--pictures 50000] [--classes 1000] [--rounds 2]

Both start in a fresh process, as one would, and read the same NPZ file. confemb writes all of its outputs for one seed
of skip-gram in 50 dimensions; intervals over the pictures, which the notebook does not have, are left out. The
notebook is `notebook.py`, in this folder.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from counting_pairs import simulate
from ratios import arguments, publish

HERE = Path(__file__).parent
OPTIONS = ["--embedder", "skipgram", "--dim", "50", "--seeds", "1", "--bootstraps", "0"]


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    given = arguments(__doc__, pictures=50_000, classes=1_000, rounds=2)
    predictions = simulate(given.pictures, given.classes, 5)
    # One thread each: two that wait for one another on a busy machine tell nothing.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "PYTHONPATH": str(HERE.parents[1])}
    seconds: dict[str, list[tuple[float, float]]] = {"notebook": [], "confemb embed": []}
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/predictions.npz"
        np.savez(
            file,
            labels=predictions.labels,
            topk=predictions.top_classes,
            class_names=np.array(predictions.class_names),
        )
        code = "from confemb.cli.app import main; main()"
        commands = {
            "notebook": [str(HERE / "notebook.py"), file, f"{folder}/notebook"],
            "confemb embed": ["-c", code, "embed", file, "--out", f"{folder}/confemb", *OPTIONS],
        }
        for _ in range(given.rounds):
            for name, command in commands.items():
                started = time.perf_counter(), children_seconds()
                subprocess.run([sys.executable, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
                seconds[name].append((time.perf_counter() - started[0], children_seconds() - started[1]))
    rows = []
    for name, each in seconds.items():
        wall, cpu = (np.array(column) for column in zip(*each, strict=True))
        peer_wall, peer_cpu = (np.array(column) for column in zip(*seconds["notebook"], strict=True))
        rows.append(
            {
                "what": name,
                "seconds, best": wall.min(),
                "CPU seconds, best": cpu.min(),
                "times as fast": float(np.median(peer_wall / wall)),
                "by CPU seconds": float(np.median(peer_cpu / cpu)),
            }
        )
    title = f"{given.pictures:,} x 5 predictions of {given.classes:,} classes, all outputs"
    publish("embed_imagenet", title, pd.DataFrame(rows), csv=given.csv)


if __name__ == "__main__":
    main()
