"""What counting and embedding cost against the number of pictures, classes and dimensions.

    python experiments/benchmarks/cost_curves.py [--most-pictures 3000000] [--most-classes 128000]

Each point is a fresh process: its CPU seconds, which other work on the machine hardly changes, and the peak of its
memory beyond what the interpreter and the libraries take. Pictures come in Parquet shards of 300,000 rows.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gensim.models  # noqa: F401  # what is imported at first use is not what is measured
import pandas as pd
from counting_pairs import simulate
from many_classes import make_shard
from ratios import alone, arguments, publish

from confemb.embedders.ppmi import Ppmi
from confemb.embedders.skipgram import SkipGram
from confemb.records.pairs import PairCounts, count_pairs
from confemb.records.prediction_files import save_predictions
from confemb.stats.counting import count_shards
from confemb.stats.neighbours import nearest_neighbours

SHARD, CLASSES, DIM = 300_000, 1_000, 50


def count(paths: list[Path]) -> float:
    started = time.process_time()
    count_shards(paths, k=3)
    return time.process_time() - started


def skipgram(pictures: int, dim: int) -> float:
    counts = count_pairs(simulate(pictures, CLASSES, 3), k=3)
    started = time.process_time()
    SkipGram(dim=dim).embed(counts, seed=0)
    return time.process_time() - started


def ppmi(file: Path, dim: int) -> float:
    counts = PairCounts.load(file)
    started = time.process_time()
    Ppmi(dim=dim).embed(counts)
    return time.process_time() - started


def neighbours(file: Path) -> float:
    vectors = Ppmi(dim=32).embed(PairCounts.load(file)).vectors
    started = time.process_time()
    nearest_neighbours(vectors, 10)
    return time.process_time() - started


def up_to(first: int, most: int, factor: float) -> list[int]:
    found = [first]
    while found[-1] * factor <= most * 1.01:
        found.append(round(found[-1] * factor))
    return found


def main() -> None:
    given = arguments(__doc__, most_pictures=3_000_000, most_classes=128_000)
    rows = []

    def point(work: str, against: str, size: int, function: Callable[..., float], *arguments: object) -> None:
        seconds, mib = alone(function, *arguments)
        rows.append({"work": work, "against": against, "size": size, "CPU seconds": seconds, "peak MiB": mib})
        print(rows[-1], file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards: list[Path] = []
        for pictures in up_to(SHARD // 10, given.most_pictures, 10**0.5):
            if pictures < SHARD:
                paths = [folder / f"{pictures}.parquet"]
                save_predictions(simulate(pictures, CLASSES, 3), paths[0])
            else:
                while len(shards) * SHARD < pictures:
                    shards.append(folder / f"shard_{len(shards)}.parquet")
                    drawn = simulate(SHARD, CLASSES, 3, seed=len(shards))
                    save_predictions(drawn, shards[-1])
                paths = shards
            point("counting Parquet", "pictures", pictures, count, list(paths))
            if pictures <= given.most_pictures // 10:
                point(f"skip-gram, {DIM} dimensions", "pictures", pictures, skipgram, pictures, DIM)
        for dim in (5, 10, 25, 50, 100, 200):
            point("skip-gram, 1,000 classes, 100,000 pairs", "dimensions", dim, skipgram, 33_333, dim)
        for classes in up_to(8_000, given.most_classes, 2):
            make_shard(folder, classes, classes, 3_000 * classes)
            file = folder / f"shard_{classes:03}.npz"
            point("PPMI, 32 dimensions", "classes", classes, ppmi, file, 32)
            if classes <= given.most_classes // 4:
                point("ten nearest of all, every two compared", "classes", classes, neighbours, file)
            if classes == 16_000:
                for dim in (8, 16, 32, 64, 128):
                    point("PPMI, 16,000 classes", "dimensions", dim, ppmi, file, dim)
    publish("cost_curves", "What it costs", pd.DataFrame(rows), csv=given.csv)


if __name__ == "__main__":
    main()
