"""The report of a result with so many classes that no table of all their pairs is made."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from confemb.analysis.record import AnalysisRecord
from confemb.records.pairs import PairCounts
from confemb.reporting.study import Section, Study, frame_csv, write_pages
from confemb.reporting.tables import frame_table
from confemb.stats.neighbours import Neighbours, nearest_neighbours
from confemb.support.cells import csv_cells
from confemb.support.files import write_text
from confemb.support.progress import Steps

NEIGHBOURS_SHOWN, PAIRS_KEPT, ROWS_SHOWN = 10, 10_000, 50


def write_many_classes(
    record: AnalysisRecord,
    folder: Path,
    *,
    manifest: dict[str, Any],
    progress: Steps | None = None,
) -> str:
    """Write `embedding.txt`, `neighbours.csv`, `strongest_pairs.csv`, tables and `report.html`, of the first run.

    `neighbours.csv` has a row for each class and each of its ten nearest: class, rank, neighbour, cosine.
    `strongest_pairs.csv` has the 10,000 strongest pairs among them: class_1, class_2, cosine, pairs (how often either
    was predicted for the other).

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: as `nearest_neighbours`, or the folder cannot be written to.
    """
    counts, runs = record.counts, record.runs
    runs[0].save(folder / "embedding.txt")
    found = nearest_neighbours(runs.vectors[0], NEIGHBOURS_SHOWN, progress=progress)
    write_text(folder / "neighbours.csv", _neighbours_csv(found, counts.class_names))
    pairs = _strongest(found, counts)
    write_text(folder / "strongest_pairs.csv", frame_csv(pairs))
    names = np.array(counts.class_names, object)
    often = np.bincount(counts.true, counts.counts * counts.unit, minlength=len(names))
    largest = np.argsort(-often, kind="stable")[:ROWS_SHOWN]
    nearest = pd.DataFrame(
        {
            "class": names[largest],
            "pairs": np.rint(often[largest]).astype(np.int64),
            "nearest": [", ".join(names[row[:5]]) for row in found.indices[largest]],
        }
    )
    facts = (
        ("classes", f"{len(names):,}"),
        ("pairs counted", f"{counts.total:,}"),
        ("dimensions", str(runs.vectors.shape[2])),
    )
    one, two, cosine = pairs.iloc[0][["class_1", "class_2", "cosine"]]
    study = Study(
        title=record.title,
        description=record.description,
        findings=[f"Most alike are {one} and {two}, with a cosine of {cosine:.3f}."],
        facts=facts,
        sections=_sections(pairs, nearest, exact=found.exact),
        manifest=manifest,
    )
    return write_pages(study, folder)


def _sections(pairs: pd.DataFrame, nearest: pd.DataFrame, *, exact: bool) -> list[Section]:
    return [
        Section(
            "Most similar classes",
            "Every class was compared with every other one. "
            if exact
            else "Neighbours were found by an index, which may miss a few. ",
            tables=[frame_table("Strongest pairs", pairs.head(ROWS_SHOWN), digits=3)],
        ),
        Section(
            "Nearest classes",
            f"The {len(nearest)} classes with most pairs; all are in neighbours.csv.",
            tables=[frame_table("Nearest classes", nearest)],
        ),
    ]


def _strongest(found: Neighbours, counts: PairCounts) -> pd.DataFrame:
    first, second, cosine = found.strongest(PAIRS_KEPT)
    names = np.array(counts.class_names, object)
    matrix = counts.matrix()
    pairs = np.asarray(matrix[first, second] + matrix[second, first]).ravel()
    return pd.DataFrame({"class_1": names[first], "class_2": names[second], "cosine": cosine, "pairs": pairs})


def _neighbours_csv(found: Neighbours, class_names: tuple[str, ...]) -> str:
    names = np.array(csv_cells(class_names), object)
    size, count = found.indices.shape
    rows = zip(
        np.repeat(names, count).tolist(),
        np.tile(np.arange(1, count + 1), size).tolist(),
        names[found.indices.ravel()].tolist(),
        found.cosines.ravel().tolist(),
        strict=True,
    )
    return "class,rank,neighbour,cosine\n" + "\n".join(map("%s,%d,%s,%.6f".__mod__, rows)) + "\n"
