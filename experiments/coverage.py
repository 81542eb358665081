"""How often the intervals over pictures hold the truth: by embedder, classes, pictures, ranks and rarity.

Classifiers are made up whose law is known: the shares with which each class is taken for the others come from a
gamma distribution. Pictures are drawn from that law, embedded with their intervals as `confemb embed` does it, and
the intervals are compared with the similarities that the law itself has, the expected counts of as many pictures.
With three ranks the classes of a picture are drawn one after the other by their shares (Plackett 1975, Luce 1959).

* frequent: 30 % of the pictures are taken for another class, all classes alike (shape 1);
* rare: 6 % are, unevenly (shape 0.2), so that most cells of the table are empty.

    python experiments/coverage.py                     all of it, under 30 minutes on two cores
    python experiments/coverage.py --only counts       one embedder

An embedder of vectors from a single law depends on few pairs where there are three classes: more laws are drawn there.
Seeded embedders are embedded from five seeds and have 20 replicates, as usual; up to 10 classes.
"""

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from confemb.embedders import Embedder, embed_runs, is_deterministic, make_pair_embedder
from confemb.records.pair_weights import MILLIONTH
from confemb.records.pairs import PairCounts, count_pairs
from confemb.records.predictions import Predictions
from confemb.records.ranks import informative_ranks
from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.tables import frame_table
from confemb.stats.bootstrap import PictureResampling
from confemb.stats.uncertainty import choose_effort, measure_uncertainty
from confemb.support.errors import ConfembError
from confemb.support.manifest import study_manifest
from confemb.support.threads import one_thread, usable_cores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EMBEDDERS = ("counts", "diffusion", "balanced", "ppmi", "directed", "skipgram")
# Classes, ranks, and from how many laws pictures are drawn: 60 to 1,770 intervals in each cell of the table; --times N
# draws N times as many.
TABLES = ((3, 1, 20), (10, 3, 6), (50, 3, 1), (60, 1, 1))
SEEDED_TABLES = ((3, 1, 6), (10, 3, 2))
PICTURES = (50, 200, 1000)
SEEDED_PICTURES = (50, 200)
# Share of pictures taken for another class, and the shape of the gamma distribution of the shares.
RARITIES = {"frequent": (0.3, 1.0), "rare": (0.06, 0.2)}
SEEDS = 5
SMALLEST_SHARE = 1e-7
# Similarities this near to a bound are held by it: intervals are kept as float32.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    embedder: str
    classes: int
    ranks: int
    pictures: int
    rarity: str
    laws: int


def cells(embedders: tuple[str, ...], times: int) -> Iterator[Cell]:
    """Yield the rows of the table, in its order."""
    for name in embedders:
        deterministic = is_deterministic(make_pair_embedder(name, {}))
        for classes, ranks, laws in TABLES if deterministic else SEEDED_TABLES:
            for pictures in PICTURES if deterministic else SEEDED_PICTURES:
                for rarity in RARITIES:
                    yield Cell(name, classes, ranks, pictures, rarity, laws * times)


def draw_law(classes: int, rarity: str, generator: np.random.Generator) -> np.ndarray:
    """Return (K, K) shares, rows adding up to 1: how often a picture of a class is taken for each."""
    error, shape = RARITIES[rarity]
    others = generator.gamma(shape, size=(classes, classes)) + SMALLEST_SHARE
    np.fill_diagonal(others, 0.0)
    return (1 - error) * np.eye(classes) + error * others / others.sum(axis=1, keepdims=True)


def rank_shares(law: np.ndarray, ranks: int) -> np.ndarray:
    """Return (K, K) the chance that a class is among the first 1 or 3 of a picture, see the module's docstring."""
    if ranks == 1:
        return law
    size = len(law)
    found = law.copy()
    different = ~np.eye(size, dtype=bool)
    for i, p in enumerate(law):
        second = np.where(different, p[:, None] * p / (1 - p[:, None]), 0.0)
        left = 1 - p[:, None] - p
        both = np.divide(second, left, out=np.zeros_like(second), where=left > 0)
        # In the third place j, after any two that are not j: all of them less those with j in one place.
        third = p * (both.sum() - both.sum(axis=0) - both.sum(axis=1))
        found[i] += second.sum(axis=0) + third
    return found


def draw_pictures(law: np.ndarray, pictures: int, ranks: int, generator: np.random.Generator) -> Predictions:
    """Draw as many pictures of each class: the classes in the order of log share plus Gumbel noise (Yellott 1977)."""
    labels = np.repeat(np.arange(len(law)), pictures)
    with np.errstate(divide="ignore"):
        keys = np.log(law)[labels] + generator.gumbel(size=(len(labels), len(law)))
    return Predictions(labels, np.argsort(-keys, axis=1)[:, :ranks], None, class_names(len(law)))


def class_names(classes: int) -> tuple[str, ...]:
    """Return names that sort as numbers do."""
    return tuple(f"c{i:03}" for i in range(classes))


def true_similarities(law: np.ndarray, pictures: int, ranks: int, embedder: Embedder) -> np.ndarray:
    """Return (P,) the similarities of the expected counts of as many pictures; the median over seeds."""
    size = len(law)
    expected = np.round(rank_shares(law, ranks) * pictures / MILLIONTH).astype(np.int64)
    true, predicted = np.nonzero(expected)
    rank = np.zeros_like(true)
    counts = PairCounts(class_names(size), 1, "keep", true, predicted, rank, expected[true, predicted], MILLIONTH)
    runs = embed_runs(embedder, counts, range(100, 100 + 2 * SEEDS))
    return np.median(runs.cosines(), axis=0)[np.triu_indices(size, k=1)]


def measure(cell: Cell) -> dict[str, Any]:
    """Return a row of the table: the share of intervals that hold the truth, of pairs never confused too, the width."""
    embedder = make_pair_embedder(cell.embedder, {})
    held, empty, widths, failed = [], [], [], 0
    with one_thread():
        for number in range(cell.laws):
            generator = np.random.default_rng([cell.classes, cell.ranks, cell.pictures, number])
            law = draw_law(cell.classes, cell.rarity, generator)
            predictions = draw_pictures(law, cell.pictures, cell.ranks, generator)
            counts, _ = informative_ranks(count_pairs(predictions, k=cell.ranks))
            try:
                truth = true_similarities(law, cell.pictures, cell.ranks, embedder)
                runs = embed_runs(embedder, counts, range(SEEDS))
                effort = choose_effort(embedder, cell.classes, split_halves=0, dimension_splits=0)
                drawn = PictureResampling(predictions, counts.k, seed=number)
                interval = measure_uncertainty(drawn, embedder, runs, effort, seed=number).intervals[0]
            except ConfembError:
                # A class can get no vector: there is no result, and no interval.
                failed += 1
                continue
            upper = np.triu_indices(cell.classes, k=1)
            table = counts.matrix().toarray()
            low, high = interval.low[upper], interval.high[upper]
            held.append((low - ROUNDING <= truth) & (truth <= high + ROUNDING))
            empty.append((table + table.T)[upper] == 0)
            widths.append(high - low)
    row: dict[str, Any] = {
        "embedder": cell.embedder,
        "classes": cell.classes,
        "ranks": cell.ranks,
        "pictures": cell.pictures,
        "confusions": cell.rarity,
    }
    if not held:
        return row | dict.fromkeys(("coverage", "standard_error", "never_confused", "coverage_there", "width")) | {
            "intervals": 0, "no_result": failed,
        }  # fmt: skip
    by_law = [float(one.mean()) for one in held]
    every, none, width = (np.concatenate(parts) for parts in (held, empty, widths))
    return row | {
        "coverage": float(every.mean()),
        "standard_error": float(np.std(by_law, ddof=1) / np.sqrt(len(by_law))) if len(by_law) > 1 else None,
        "never_confused": float(none.mean()),
        "coverage_there": float(every[none].mean()) if none.any() else None,
        "width": float(np.median(width)),
        "intervals": len(every),
        "no_result": failed,
    }


def study(frame: pd.DataFrame) -> Study:
    """Return the report."""
    known = frame.dropna(subset=["coverage"])
    inside = known["coverage"].between(0.9, 0.98)
    worst, most = known["coverage"].idxmin(), known["coverage"].idxmax()

    def told(row: int) -> str:
        one = known.loc[row]
        return (
            f"{one['coverage']:.1%} ({one['embedder']}, {one['classes']} classes, {one['ranks']} ranks, "
            f"{one['pictures']} pictures a class, {one['confusions']} confusions)"
        )

    findings = [
        f"The 95 % intervals over pictures hold the truth for {known['coverage'].mean():.1%} on average, for 90 to "
        f"98 % in {int(inside.sum())} of {len(known)} cells of the table; least: {told(worst)}, most: {told(most)}.",
        f"Pairs that were never confused in the sample are held in {known['coverage_there'].mean():.1%} on average.",
    ]
    if len(frame) > len(known):
        findings.append(f"In {len(frame) - len(known)} cells the embedder gave no result: a class got no vector.")
    tables = [
        frame_table(name, part.drop(columns="embedder"), digits=3)
        for name, part in frame.groupby("embedder", sort=False)
    ]
    text = (
        "Coverage: the share of pairs of classes whose interval holds the similarity of the law; its standard error is "
        "over laws. Never confused: the share of pairs with empty cells in both directions; coverage there: of these. "
        "Width: the median width of the intervals."
    )
    figure = StudyFigure("coverage", "Coverage in every cell; the band is 90 to 98 %.", lambda: coverage_figure(known))
    return Study(
        title="Coverage of the intervals over pictures",
        description="Classifiers whose law is known, embedded with their intervals; how often these hold the truth.",
        findings=findings,
        sections=[Section("By embedder, classes, ranks, pictures and rarity", text, tables=tables, figures=[figure])],
        data={"coverage.csv": frame},
        manifest=study_manifest(tables=TABLES, seeded=SEEDED_TABLES, pictures=PICTURES, rarities=RARITIES, seeds=SEEDS),
    )


def coverage_figure(frame: pd.DataFrame) -> "Figure":
    """Draw a point for each cell, a row for each embedder."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(frame["embedder"]))
    figure, axes = plt.subplots(figsize=(5.2, 0.45 * len(names) + 1.0), layout="constrained")
    axes.axvspan(0.9, 0.98, color="0.9", zorder=0)
    axes.axvline(0.95, color="0.6", linewidth=0.8)
    for rarity, marker in zip(RARITIES, ("o", "^"), strict=True):
        part = frame[frame["confusions"] == rarity]
        axes.plot(part["coverage"], [names.index(n) for n in part["embedder"]], marker, alpha=0.6, label=rarity)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("coverage of the 95 % intervals")
    axes.legend(loc="lower left")
    return figure


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("reports/coverage"), help="The folder of the report.")
    parser.add_argument("--only", choices=EMBEDDERS, help="One embedder alone.")
    parser.add_argument("--times", type=int, default=1, help="Draw so many times as many laws.")
    options = parser.parse_args()
    started = time.monotonic()
    rows = []
    with ProcessPoolExecutor(usable_cores()) as pool:
        for row in pool.map(measure, cells(EMBEDDERS if options.only is None else (options.only,), options.times)):
            rows.append(row)
            shown = "no result" if row["coverage"] is None else f"{row['coverage']:.3f} (width {row['width']:.3f})"
            print(*list(row.values())[:5], shown, f"{time.monotonic() - started:.0f} s", flush=True)
    print(write_study(study(pd.DataFrame(rows)), options.out))


if __name__ == "__main__":
    main()
