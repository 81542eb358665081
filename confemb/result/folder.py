"""Result folders: embedding pair counts into one, opening one, writing its report."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from confemb.analysis.options import ReportOptions
from confemb.analysis.record import Embedded
from confemb.embedders import ClassifierEmbedder, Embedder, embed_runs, is_deterministic, make_pair_embedder
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.embedders.options import EmbedderOptions
from confemb.records.class_cells import parse_csv
from confemb.records.embedding import EmbeddingRuns
from confemb.records.options import PairOptions
from confemb.records.pairs import PairCounts
from confemb.records.prediction_files import load_predictions, save_predictions
from confemb.records.predictions import Predictions
from confemb.references import left_out, open_reference
from confemb.result.uncertainty_stage import measure_chance
from confemb.stats.count_replicates import CountedResampling
from confemb.stats.options import UncertaintyOptions
from confemb.stats.seeds import group_of
from confemb.stats.uncertainty import UNCERTAINTY_FILES, Uncertainty
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError
from confemb.support.files import is_there, read_text
from confemb.support.locks import alone_in
from confemb.support.manifest import MANIFEST, Manifest, stage_key, versions
from confemb.support.progress import Display

if TYPE_CHECKING:
    from confemb.analysis.record import KnownReference

HISTORY = "history.csv"
PREDICTIONS = "predictions.parquet"
EXAMPLES = "examples.npz"
PAIRS = "pairs.npz"
RUNS = "embedding_runs.npz"

# Moving a result into its folder takes milliseconds; a reader that meets it looks again.
READ_ATTEMPTS, SECONDS_BETWEEN = 20, 0.1


def embed_predictions(
    counts: PairCounts,
    predictions: Predictions | None,
    section: EmbedderOptions,
    folder: Path,
    *,
    seed: int,
    title: str,
    description: str = "",
    groups: Mapping[str, Sequence[str]] | None = None,
    references: Sequence[str] = (),
    item: str = "picture",
    pairs: PairOptions | None = None,
    uncertainty: UncertaintyOptions | None = None,
    counted: CountedResampling | None = None,
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
        references: names of references to compare with, see `confemb.references.open_reference`.
        item: what was classified, one of it, as the report calls it: "picture", "text".
        pairs: how the counts were weighted, for drawing the pictures anew; by default each pair counts once.
        uncertainty: how much is drawn anew to tell how far the result is chance.
        counted: replicates that were counted along, for counts without predictions.
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
    embedder = make_pair_embedder(section.name, section.options)
    groups = {name: list(members) for name, members in (groups or {}).items()}
    group_of(counts.class_names, groups)
    if len(counts.class_names) > MOST_CLASSES_IN_A_TABLE and (groups or references):
        raise ConfembError(
            "groups and references need a table of all pairs of classes, which is made of up to "
            f"{MOST_CLASSES_IN_A_TABLE:,} classes; here are {len(counts.class_names):,}: leave them out."
        )
    for reference in references:
        open_reference(reference).similarity(counts.class_names)
    with alone_in(folder):
        draft = Draft(folder)
        if "experiment" in draft.values:
            raise ConfembError(f"{folder} holds the result of an experiment; choose another folder with --out.")
        draft.values.update(title=title, description=description, source=source)
        draft.values["report"] = {"groups": groups, "reference": list(references), "item": item}
        key = stage_key("embed", source, seed, section.model_dump(mode="json"))
        try:
            files = []
            if predictions is not None:
                save_predictions(predictions, draft.new(PREDICTIONS))
                files.append(PREDICTIONS)
            embed_counts(counts, embedder, range(seed, seed + section.seeds), draft, key, display=display, files=files)
            measure_chance(
                counts,
                EmbeddingRuns.load(draft.path(RUNS)),
                predictions,
                embedder,
                pairs or PairOptions(),
                uncertainty or UncertaintyOptions(),
                draft,
                key,
                seed=seed,
                display=display,
                counted=counted,
            )
            return write_draft_report(draft, display=display)
        finally:
            # After a failure there is nothing to go on from: all of it is done anew.
            draft.discard()


def embed_counts(
    counts: PairCounts,
    embedder: Embedder,
    seeds: range,
    draft: Draft,
    key: str,
    *,
    display: Display,
    files: list[str],
) -> None:
    """Embed counts once for each seed, save counts and runs, and record the stage "embed" (with `files` too)."""
    often = "no seed" if is_deterministic(embedder) else f"{len(seeds)} seeds"
    display.stage(f"embed: {counts.total:,} pairs of {len(counts.class_names)} classes, {often}")
    started = time.monotonic()
    with display.bar() as update:
        runs = embed_runs(embedder, counts, seeds, progress=lambda done, total: update("embedding", done, total))
    record_embedding(counts, runs, embedder, draft, key, seconds=time.monotonic() - started, files=files)


def record_embedding(
    counts: PairCounts,
    runs: EmbeddingRuns,
    embedder: Embedder | ClassifierEmbedder,
    draft: Draft,
    key: str,
    *,
    seconds: float,
    files: Sequence[str] = (),
) -> None:
    """Save counts and runs, and record the stage "embed" (with `files` too)."""
    counts.save(draft.new(PAIRS))
    runs.save(draft.new(RUNS))
    draft.record(
        "embed",
        key,
        [*files, PAIRS, RUNS],
        seconds=round(seconds, 1),
        embedder=repr(embedder),
        deterministic=is_deterministic(embedder),
        looks_into_classifier=isinstance(embedder, ClassifierEmbedder),
        seeds=list(runs.seeds),
        pairs={"total": counts.total, "k": counts.k, "self_pairs": counts.self_pairs},
        versions=versions(),
    )


def write_result_report(folder: Path, *, display: Display | None = None) -> str:
    """Write tables, figures and report.html of a result folder, from what its manifest records.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: a folder that holds no result, one that cannot be written to, or files that are not those
            recorded.
    """
    open_result(folder)
    with alone_in(folder):
        draft = Draft(folder)
        draft.keep_rest()
        return write_draft_report(draft, display=display or Display())


def write_draft_report(draft: Draft, *, display: Display) -> str:
    """Write tables, figures and report.html of a draft, and publish it.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: as `write_result_report`.
    """
    from confemb.analysis.examples import load_examples
    from confemb.reporting import Result, write_report
    from confemb.reporting.write import FIGURE_FILES, MANY_CLASSES_FILES, TABLE_FILES

    display.stage("report: tables, figures, report.html")
    values = draft.manifest_values
    title, description, shown = _said(values, draft.folder)
    runs = EmbeddingRuns.load(draft.path(RUNS))
    if len(runs.class_names) > MOST_CLASSES_IN_A_TABLE:
        summary = _write_many_classes(runs, draft, display)
        draft.publish(stale=[*FIGURE_FILES, *TABLE_FILES])
        return f"{summary}\n\nreport: {draft.folder / 'report.html'}"
    predictions, history, examples = (draft.file(name) for name in (PREDICTIONS, HISTORY, EXAMPLES))
    summary = write_report(
        Result(
            title=title,
            description=description,
            counts=PairCounts.load(draft.path(PAIRS)),
            runs=runs,
            manifest=values,
            predictions=None if predictions is None else load_predictions(predictions),
            history=None if history is None else load_history(history),
            examples=None if examples is None else load_examples(examples),
            groups=shown.groups,
            references=[_known_reference(name, runs.class_names) for name in shown.references],
            item=shown.item,
            uncertainty=_uncertainty(draft.file),
            deterministic=draft.stages["embed"].get("deterministic", False),
            from_classifier=draft.stages["embed"].get("looks_into_classifier", False),
        ),
        draft.new_report(),
    )
    draft.publish(stale=[*FIGURE_FILES, *MANY_CLASSES_FILES])
    return f"{summary}\n\nreport: {draft.folder / 'report.html'}"


def _write_many_classes(runs: EmbeddingRuns, draft: Draft, display: Display) -> str:
    """Write the report of a result whose classes are too many for a table of all pairs."""
    from confemb.reporting.many_classes import write_many_classes

    values = draft.manifest_values
    with display.bar() as update:
        return write_many_classes(
            PairCounts.load(draft.path(PAIRS)),
            runs,
            draft.new_report(),
            title=values["title"],
            description=values["description"],
            manifest=values,
            progress=lambda done, total: update("neighbours", done, total),
        )


def open_result(folder: Path) -> Manifest:
    """Return the manifest of a folder that holds an embedding; raises ConfembError where it holds none."""
    if not folder.is_dir():
        what = f"{folder} is a file" if is_there(folder) else f"there is no folder {folder}"
        raise ConfembError(f"{what}; give the folder of a result.")
    manifest = Manifest(folder)
    for name in (PAIRS, RUNS):
        if manifest.file(name) is None or not (folder / name).is_file():
            raise ConfembError(f"{folder} holds no finished result ({name} is missing); run the experiment first.")
    return manifest


def load_result(folder: Path) -> Embedded:
    """Read a finished result without disturbing whoever writes the next one into the folder: all of one result.

    Raises:
        ConfembError: a folder that holds none, or files that are not those recorded.
    """
    for _ in range(READ_ATTEMPTS):
        manifest = open_result(folder)
        found = problem = None
        try:
            counts, runs = PairCounts.load(folder / PAIRS), EmbeddingRuns.load(folder / RUNS)
            found = Embedded(manifest.stages, counts, runs, _uncertainty(manifest.file))
        except ConfembError as error:
            problem = error
        # Looked at afterwards: while another run is moved into the folder, its files come before its manifest.
        if manifest.is_whole("embed") and manifest.is_whole("uncertainty"):
            if found is None:
                assert problem is not None
                raise problem
            return found
        time.sleep(SECONDS_BETWEEN)
    raise ConfembError(
        f"the files in {folder} are not those that its {MANIFEST} records; another confemb may be at work there, or "
        "they were changed: run the experiment again."
    )


def _uncertainty(find: Callable[[str], Path | None]) -> Uncertainty:
    """Return what is known of a result's uncertainty, its files found by `find`; empty where it was not measured."""
    files = [path for name in UNCERTAINTY_FILES if (path := find(name)) is not None]
    return Uncertainty.load(files[0].parent, [path.name for path in files]) if files else Uncertainty()


def _said(values: Mapping[str, Any], folder: Path) -> tuple[str, str, ReportOptions]:
    """Return the title, the description and what the report shows; raises ConfembError where a manifest has others."""
    try:
        shown = values["experiment"]["report"] if "experiment" in values else values["report"]
        # What a result of an earlier version does not say has its default.
        return str(values["title"]), str(values["description"]), ReportOptions.model_validate(shown)
    # pydantic's errors are ValueErrors.
    except (KeyError, TypeError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise ConfembError(
            f"{folder / MANIFEST} does not say what to report ({reason}): run the experiment again."
        ) from error


def describe_result(manifest: Manifest) -> tuple[str, str, ReportOptions]:
    """Return a result's title, description and what its report shows; raises ConfembError where it says none."""
    return _said(manifest.values, manifest.folder)


def load_history(path: Path) -> pd.DataFrame:
    """Read a training's history: a column `epoch` and others, numbers only, empty cells as NaN.

    Raises:
        ConfembError: another file.
    """
    header, *rows = parse_csv(read_text(path), where=str(path))
    try:
        history = pd.DataFrame([[float(cell or "nan") for cell in row] for row in rows], columns=header)
    except ValueError as error:
        raise ConfembError(f"{path} is no history of a training: {error}.") from error
    if "epoch" not in history:
        raise ConfembError(f"{path} is no history of a training: it has no column 'epoch'.")
    return history


def _known_reference(name: str, class_names: Sequence[str]) -> "KnownReference":
    """Return what a reference says of the classes."""
    from confemb.analysis.record import KnownReference

    reference = open_reference(name)
    similarity = reference.similarity(class_names)
    missing = tuple(left_out(class_names, similarity))
    return KnownReference(reference.title, similarity, reference.noise_ceiling(class_names), missing)
