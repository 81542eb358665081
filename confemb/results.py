"""Result folders: embedding pair counts into one, opening one, writing its report."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from confemb.embedders import Embedder, embed_runs, make_embedder
from confemb.embedding import EmbeddingRuns
from confemb.errors import ConfembError
from confemb.experiment import EmbeddingSection
from confemb.files import make_folder
from confemb.pairs import PairCounts
from confemb.prediction_files import load_predictions, save_predictions
from confemb.predictions import Predictions
from confemb.progress import Display
from confemb.provenance import Manifest, stage_key, versions
from confemb.references import REFERENCES
from confemb.similarity import SimilarityMatrix
from confemb.statistics import group_of

HISTORY = "history.csv"
PREDICTIONS = "predictions.parquet"
EXAMPLES = "examples.npz"
PAIRS = "pairs.npz"
RUNS = "embedding_runs.npz"


def embed_predictions(
    counts: PairCounts,
    predictions: Predictions | None,
    section: EmbeddingSection,
    folder: Path,
    *,
    seed: int,
    title: str,
    description: str = "",
    groups: Mapping[str, Sequence[str]] | None = None,
    reference: str | None = None,
    source: dict[str, Any],
    display: Display | None = None,
) -> str:
    """Embed pair counts of any classifier and write the result folder with its report.

    Args:
        counts: the pairs to embed.
        predictions: what they were counted from, saved beside the result; None for a confusion matrix.
        section: embedder, its options, how many seeds.
        folder: where the result goes.
        seed: the first embedding seed.
        title: the report's heading.
        description: a sentence under it.
        groups: group name -> class names, which the report tells apart; classes may be in none.
        reference: a registered reference to compare with.
        source: facts about where the counts come from, recorded.
        display: where progress shows.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: unknown embedder, option or reference; a group with an unknown class or one of another
            group; a class that can get no vector; a folder that holds another kind of result or cannot be
            written to.
    """
    display = display or Display()
    embedder = make_embedder(section.name, section.options)
    groups = {name: list(members) for name, members in (groups or {}).items()}
    group_of(counts.class_names, groups)
    if reference is not None:
        REFERENCES.get(reference)
    manifest = Manifest(make_folder(folder))
    if "experiment" in manifest.values:
        raise ConfembError(f"{folder} holds the result of an experiment; choose another folder with --out.")
    earlier = manifest.file(PREDICTIONS)
    manifest.stages.clear()
    manifest.values.update(title=title, description=description, source=source)
    manifest.values["report"] = {"groups": groups, "reference": reference}
    files = []
    if predictions is not None:
        save_predictions(predictions, folder / PREDICTIONS)
        files.append(PREDICTIONS)
    key = stage_key("embed", source, seed, section.model_dump(mode="json"))
    embed_counts(counts, embedder, range(seed, seed + section.seeds), manifest, key, display=display, files=files)
    if predictions is None and earlier is not None:
        # Of the result that was in this folder before: it is not this one's.
        earlier.unlink(missing_ok=True)
    return write_result_report(folder, display=display)


def embed_counts(
    counts: PairCounts,
    embedder: Embedder,
    seeds: range,
    manifest: Manifest,
    key: str,
    *,
    display: Display,
    files: list[str],
) -> None:
    """Embed counts once for each seed, save counts and runs, and record the stage "embed" (with `files` too)."""
    display.stage(f"embed: {counts.total:,} pairs of {len(counts.class_names)} classes, {len(seeds)} seeds")
    started = time.monotonic()
    with display.bar() as update:
        runs = embed_runs(embedder, counts, seeds, progress=lambda done, total: update("embedding", done, total))
    counts.save(manifest.folder / PAIRS)
    runs.save(manifest.folder / RUNS)
    manifest.record(
        "embed",
        key,
        [*files, PAIRS, RUNS],
        seconds=round(time.monotonic() - started, 1),
        embedder=repr(embedder),
        seeds=list(seeds),
        pairs={"total": counts.total, "k": counts.k, "self_pairs": counts.self_pairs},
        versions=versions(),
    )


def write_result_report(folder: Path, *, display: Display | None = None) -> str:
    """Write tables, figures and report.html of a result folder, from what its manifest records.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: a folder that holds no result.
    """
    from confemb.reporting import Result, write_report
    from confemb.reporting.examples import load_examples

    manifest = open_result(folder)
    values = manifest.values
    (display or Display()).stage("report: tables, figures, report.html")
    shown = values["experiment"]["report"] if "experiment" in values else values["report"]
    reference = shown.get("reference")
    predictions, history, examples = (manifest.file(name) for name in (PREDICTIONS, HISTORY, EXAMPLES))
    summary = write_report(
        Result(
            title=values["title"],
            description=values["description"],
            counts=PairCounts.load(folder / PAIRS),
            runs=EmbeddingRuns.load(folder / RUNS),
            manifest=values,
            predictions=None if predictions is None else load_predictions(predictions),
            history=None if history is None else pd.read_csv(history),
            examples=None if examples is None else load_examples(examples),
            groups=shown["groups"],
            reference=None if reference is None else load_reference(reference),
            reference_name=f"the {reference}",
        ),
        folder,
    )
    return f"{summary}\n\nreport: {folder / 'report.html'}"


def open_result(folder: Path) -> Manifest:
    """Return the manifest of a folder that holds an embedding; raises ConfembError where it holds none."""
    if not folder.is_dir():
        raise ConfembError(f"there is no folder {folder}; give the folder of a result.")
    manifest = Manifest(folder)
    for name in (PAIRS, RUNS):
        if manifest.file(name) is None or not (folder / name).is_file():
            raise ConfembError(f"{folder} holds no finished result ({name} is missing); run the experiment first.")
    return manifest


def load_reference(name: str) -> SimilarityMatrix:
    """Return the registered reference `name`; raises ConfembError for an unknown one."""
    return REFERENCES.get(name)()
