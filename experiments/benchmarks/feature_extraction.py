"""Vectors of pictures beside plain ResNet-50 inference: what loading and decoding cost.

    python experiments/benchmarks/feature_extraction.py PICTURES [--weights resnet50:keras] [--rounds 5] [--pictures 64]

PICTURES is a folder of class folders. Three runs take turns: the network alone on batches that are decoded already;
the lab's stream, which decodes the next batches while the network computes; and decoding first, then computing, batch
after batch, as a plain loop does it. Each round times all three; the ratios are to the network alone in the same round.

Found on two cores busy with other work (32 ImageNet pictures, 5 rounds): the stream takes 1.04 times as long as the
network alone in the median round and 0.98 times in the best, and waits for decoded pictures for 0.7 % of its time;
decoding first takes 1.03 and 1.03 times as long. Decoding is little work beside ResNet-50 on a CPU; a few per cent
are the noise of the machine here.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from confemb.datasets.image_folder import scan_folder
from confemb.datasets.pictures import decode_picture
from confemb.networks.pretrained.models import load_pretrained
from confemb.reporting.tables import frame_to_markdown
from confemb.spaces.words.activations import BATCH_SIZE, Clock, NetworkActivations, stream_vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="PICTURES")
    parser.add_argument("--weights", default="resnet50:keras")
    parser.add_argument("--layer", default="avg_pool")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=64)
    given = parser.parse_args()
    files = [
        file for classes in scan_folder(given.folder).values() for of_class in classes.values() for file in of_class
    ]
    # Of all classes alike.
    files = files[:: max(1, len(files) // given.pictures)][: given.pictures]
    activations = NetworkActivations(load_pretrained(given.weights), layer=given.layer)

    def decoded(chosen: list[Path]) -> np.ndarray:
        return np.stack([activations.cut(decode_picture(f, mode="RGB", image_size=None, where=str(f))) for f in chosen])

    batches = [files[start : start + BATCH_SIZE] for start in range(0, len(files), BATCH_SIZE)]
    ready = [decoded(batch) for batch in batches]
    waited: list[float] = []

    def stream() -> np.ndarray:
        clock = Clock()
        found = list(stream_vectors(activations, ((str(f), f) for f in files), clock=clock))
        waited.append(clock.share_waiting)
        return np.stack(found)

    runs: dict[str, Callable[[], np.ndarray]] = {
        "network alone": lambda: np.concatenate([activations.vectors(batch) for batch in ready]),
        "stream": stream,
        "decoding, then network": lambda: np.concatenate([activations.vectors(decoded(batch)) for batch in batches]),
    }
    # The first turn compiles, and shows that all three compute the same.
    first = [run() for run in runs.values()]
    for other in first[1:]:
        np.testing.assert_allclose(other, first[0], atol=1e-5)
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(given.rounds):
        for label, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[label].append(time.perf_counter() - started)
    alone = np.array(seconds["network alone"])
    rows = [
        {
            "run": label,
            "pictures/s, best round": len(files) / min(each),
            "time to the network's alone, median": float(np.median(np.array(each) / alone)),
            "best rounds": min(each) / float(alone.min()),
        }
        for label, each in seconds.items()
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{len(files)} pictures, {given.rounds} rounds, {cores} cores\n")
    print(frame_to_markdown(pd.DataFrame(rows)))
    print(f"of the stream's time {np.median(waited[1:]):.1%} was spent waiting for decoded pictures (median)")


if __name__ == "__main__":
    main()
