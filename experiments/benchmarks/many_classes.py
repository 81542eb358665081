"""Very many classes, from sharded counts to vectors, nearest classes and the strongest pairs.

    python experiments/benchmarks/many_classes.py [--classes 21841] [--millions 66] [--shards 8] [--dim 32]
    python experiments/benchmarks/many_classes.py --classes 1000000 --millions 3000 --shards 12

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

from confemb.embedders import embed_runs
from confemb.embedders.balanced import Balanced
from confemb.embedders.ppmi import Ppmi
from confemb.records.pairs import PairCounts
from confemb.reporting.many_classes import write_many_classes
from confemb.stats.counting import count_shards
from confemb.stats.neighbours import nearest_neighbours

K, GROUP, AROUND, STRETCH = 3, 10, 100, 100_000


def make_shard(folder: Path, number: int, classes: int, pairs: int) -> None:
    """Draw the counts of one shard of about so many pairs (Poisson), a stretch of classes at a time."""
    generator = np.random.default_rng([0, number])
    # Frequent and rare classes lie side by side.
    rate = np.random.default_rng(0).permutation(1.0 / np.arange(1, classes + 1) ** 0.6)
    pictures = np.maximum(rate / rate.sum() * pairs / K, 0.2)
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for first in range(0, classes, STRETCH):
        label = np.arange(first, min(first + STRETCH, classes))
        codes, counts = [], []
        for rank, own in enumerate((0.7, 0.1, 0.05)):
            near, far = pictures[label] * (1 - own) * 0.98, pictures[label] * (1 - own) * 0.02
            # Each class of the group, the class itself more often; and single ones from around.
            group = label[:, None] // GROUP * GROUP + np.arange(GROUP)
            mean = np.repeat(near[:, None] / GROUP, GROUP, axis=1)
            mean[group == label[:, None]] += pictures[label] * own
            drawn = generator.poisson(mean)
            others = np.repeat(label, generator.poisson(far))
            around = others // AROUND * AROUND + generator.integers(0, AROUND, len(others))
            for true, predicted, number_of in (
                (np.repeat(label, GROUP), group.ravel(), drawn.ravel()),
                (others, around, np.ones(len(others), np.int64)),
            ):
                there = (number_of > 0) & (predicted < classes)
                codes.append((true[there] * classes + predicted[there]) * K + rank)
                counts.append(number_of[there])
        cells, places = np.unique(np.concatenate(codes), return_inverse=True)
        pair, rank = np.divmod(cells, K)
        sums = np.bincount(places, np.concatenate(counts)).astype(np.int64)
        for column, values in zip(columns, (*np.divmod(pair, classes), rank, sums), strict=True):
            column.append(values if column is columns[3] else values.astype(np.int32))
    names = tuple(f"class {i}" for i in range(classes))
    PairCounts(names, K, "keep", *map(np.concatenate, columns)).save(folder / f"shard_{number:03}.npz")


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
            title = f"{given.classes:,} classes, {given.shards} shards of counts"
            publish(f"many_classes_{given.classes}", title, pd.DataFrame(rows), csv=given.csv)


if __name__ == "__main__":
    main()
