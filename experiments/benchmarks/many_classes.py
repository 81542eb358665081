"""Very many classes, from sharded counts to vectors, nearest classes and the strongest pairs.

    python experiments/benchmarks/many_classes.py [--classes 21841] [--millions 66] [--shards 8] [--dim 32]
    python experiments/benchmarks/many_classes.py --classes 1000000 --millions 3000 --shards 24

Classes are made up: their frequencies are heavy-tailed (Zipf, exponent 0.6), and each lies in a group of ten with which
it is confused for the most part, and a little (1 in 50) with all classes of its neighbourhood of a hundred. The shards
of counts are made first, which is not timed. Then one fresh process for each embedder adds them up, embeds, finds the
ten nearest of every class and writes the result as `confemb embed` does, and the peak of its memory is taken. No table
of all pairs of classes is ever made. How many of a class's five nearest are of its own group says whether the vectors
are of use.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ratios import alone, arguments, peak_mib, publish

from confemb.counting import count_shards
from confemb.embedders import embed_runs
from confemb.embedders.balanced import Balanced
from confemb.embedders.ppmi import Ppmi
from confemb.neighbours import nearest_neighbours
from confemb.pairs import PairCounts, PairSum
from confemb.reporting.many_classes import write_many_classes

K, GROUP, AROUND = 3, 10, 100


def make_shard(folder: Path, number: int, classes: int, pairs: int) -> None:
    """Draw the counts of one shard of so many pairs."""
    generator = np.random.default_rng([0, number])
    rate = 1.0 / np.arange(1, classes + 1) ** 0.6
    # Frequent and rare classes lie side by side.
    rate = np.random.default_rng(0).permutation(rate)
    pictures = generator.poisson(np.maximum(rate / rate.sum() * pairs / K, 2e-1))
    # Classes are drawn in stretches, so that a draw for each picture fits into memory.
    total = PairSum()
    names = tuple(f"class {i}" for i in range(classes))
    ends = np.cumsum(pictures)
    first = 0
    while first < classes:
        last = max(int(np.searchsorted(ends, (ends[first - 1] if first else 0) + 8_000_000)), first + 1)
        label = np.repeat(np.arange(first, min(last, classes), dtype=np.int64), pictures[first:last])
        codes = []
        for rank in range(K):
            # The first is right for seven in ten; the others are of the group, or from around.
            own = generator.random(len(label), dtype=np.float32) < (0.7, 0.1, 0.05)[rank]
            near = generator.random(len(label), dtype=np.float32) < 0.98
            size = np.where(near, GROUP, AROUND)
            predicted = np.where(own, label, label // size * size + generator.integers(0, size))
            codes.append((label * classes + np.minimum(predicted, classes - 1)) * K + rank)
        cells, counts = np.unique(np.concatenate(codes), return_counts=True)
        pair, rank = np.divmod(cells, K)
        true, predicted = np.divmod(pair, classes)
        columns = (column.astype(np.int32) for column in (true, predicted, rank))
        if len(cells):
            total.add(PairCounts(names, K, "keep", *columns, counts))
        first = last
    total.counts().save(folder / f"shard_{number:03}.npz")


def work_off(folder: Path, embedder: str, dim: int) -> dict[str, Any]:
    """Go from the shards to a result; return the seconds of each part and what was found."""
    made = {"ppmi": Ppmi, "balanced": Balanced}[embedder](dim=dim)
    times = [time.perf_counter()]
    counts = count_shards(sorted(folder.glob("shard_*.npz")))
    times.append(time.perf_counter())
    runs = embed_runs(made, counts, [0])
    times.append(time.perf_counter())
    write_many_classes(counts, runs, folder / embedder, title=f"{len(counts.class_names):,} classes", manifest={})
    times.append(time.perf_counter())
    process = time.process_time()
    nearest = nearest_neighbours(runs.vectors[0][: min(100_000, len(runs.vectors[0]))], 5).indices
    group = np.arange(len(nearest)) // GROUP
    return {
        "classes": len(counts.class_names),
        "pairs": counts.total,
        "cells": len(counts.counts),
        "embedder": embedder,
        "dim": dim,
        "adding up s": times[1] - times[0],
        "embedding s": times[2] - times[1],
        "neighbours and files s": times[3] - times[2],
        "seconds": times[3] - times[0],
        "CPU seconds": process,
        "of the five nearest, of its group": float((group[nearest] == group[:, None]).mean()),
    }


def main() -> None:
    given = arguments(__doc__, classes=21_841, millions=66, shards=8, dim=32)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(given.shards):
            make_shard(folder, number, given.classes, given.millions * 1_000_000 // given.shards)
            print(f"made shard {number + 1} of {given.shards} ({peak_mib():,.0f} MiB)", file=sys.stderr, flush=True)
        for embedder in ("ppmi", "balanced"):
            row, mib = alone(work_off, folder, embedder, given.dim)
            rows.append(row | {"peak MiB": mib})
            print(rows[-1], file=sys.stderr, flush=True)
    name = f"many_classes_{given.classes}"
    publish(name, f"{given.classes:,} classes, {given.shards} shards of counts", pd.DataFrame(rows), csv=given.csv)


if __name__ == "__main__":
    main()
