"""Result folders: saving an analysis into one, opening one, writing its report again."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from confemb.analysis.compute import EMBED, UNCERTAINTY
from confemb.analysis.derived import analyse
from confemb.analysis.examples import load_examples, save_examples
from confemb.analysis.options import ReportOptions
from confemb.analysis.record import AnalysisRecord, NamedReference
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.records.class_cells import parse_csv
from confemb.records.embedding import EmbeddingRuns
from confemb.records.pairs import PairCounts
from confemb.records.prediction_files import ALL_CLASSES, load_predictions, save_predictions
from confemb.stats.uncertainty import UNCERTAINTY_FILES, Uncertainty
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError
from confemb.support.files import is_there, make_folder, read_text, write_text
from confemb.support.locks import alone_in
from confemb.support.manifest import MANIFEST, Manifest
from confemb.support.output_folder import WRITTEN
from confemb.support.progress import Display

HISTORY = "history.csv"
PREDICTIONS = "predictions.parquet"
EXAMPLES = "examples.npz"
PAIRS = "pairs.npz"
RUNS = "embedding_runs.npz"
# The files that hold an analysis; a stage may have others, such as weights.
_HELD = (HISTORY, PREDICTIONS, EXAMPLES, PAIRS, RUNS, *UNCERTAINTY_FILES)

# Moving a result into its folder takes milliseconds; a reader that meets it looks again.
READ_ATTEMPTS, SECONDS_BETWEEN = 20, 0.1


@contextmanager
def writing(folder: str | os.PathLike[str], *, experiment: bool = False) -> Iterator[Draft]:
    """Yield the draft of an analysis that will be in `folder`, which is locked meanwhile.

    What the folder holds stays until `save_analysis`. After a failure nothing is left to go on from.

    Args:
        folder: new, or a result's.
        experiment: whether the analysis is an experiment's.

    Raises:
        ConfembError: a folder that holds another kind of result, at which another confemb is at work, or that cannot be
            written to.
    """
    folder = Path(folder)
    new = not is_there(folder)
    try:
        with alone_in(folder):
            draft = Draft(folder)
            check_kind(draft, experiment=experiment)
            try:
                yield draft
            finally:
                draft.discard()
    except BaseException:
        # Nothing is left of an analysis that failed, nor of the folder that was made for it.
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def check_kind(draft: Draft, *, experiment: bool) -> None:
    """Raise ConfembError where a folder holds the result of an experiment and shall hold another one, or vice versa."""
    for key, kind, unwanted in (
        ("experiment", "an experiment", not experiment),
        ("source", "`confemb embed`", experiment),
    ):
        if unwanted and key in draft.values:
            raise ConfembError(f"{draft.folder} holds the result of {kind}; choose another folder with --out.")


def save_analysis(record: AnalysisRecord, draft: Draft, *, display: Display | None = None) -> str:
    """Write an analysis and its report into a draft, and publish it.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: the folder cannot be written to.
    """
    draft.values = _values(record)
    files = _save_files(record, draft)
    for stage, facts in record.provenance.get("stages", {}).items():
        kept = {name: value for name, value in facts.items() if name not in ("key", "files")}
        elsewhere = facts.get("files", {})
        if files.get(stage) or elsewhere:
            draft.record(stage, facts["key"], files.get(stage, []), **kept)
            draft.stages[stage]["files"] = dict(sorted((draft.stages[stage]["files"] | elsewhere).items()))
    return publish_report(record, draft, display=display or Display())


def _save_files(record: AnalysisRecord, draft: Draft) -> dict[str, list[str]]:
    """Write the files that hold an analysis; return the names of each stage's."""
    predict = "predict" if "predict" in record.provenance.get("stages", {}) else EMBED
    files: dict[str, list[str]] = {EMBED: [PAIRS, RUNS]}
    record.counts.save(draft.new(PAIRS))
    record.runs.save(draft.new(RUNS))
    if record.predictions is not None:
        save_predictions(record.predictions, draft.new(PREDICTIONS))
        files.setdefault(predict, []).append(PREDICTIONS)
    if record.examples is not None:
        save_examples(record.examples, draft.new(EXAMPLES))
        files.setdefault(predict, []).append(EXAMPLES)
    if record.history is not None:
        save_history(record.history, draft.new(HISTORY))
        files["train"] = [HISTORY]
    if UNCERTAINTY in record.provenance.get("stages", {}):
        files[UNCERTAINTY] = record.uncertainty.save(make_folder(draft.work))
    return files


def _values(record: AnalysisRecord) -> dict[str, Any]:
    """Return what the manifest of an analysis says besides its stages."""
    values: dict[str, Any] = {"title": record.title, "description": record.description}
    values |= {key: value for key, value in record.provenance.items() if key not in ("stages", "confemb")}
    if "experiment" not in values:
        groups = {name: list(members) for name, members in record.groups.items()}
        references = [reference.name for reference in record.references if reference.name]
        values["report"] = {"groups": groups, "reference": references, "item": record.item}
    return values


def publish_report(record: AnalysisRecord, draft: Draft, *, display: Display) -> str:
    """Write tables, figures and report.html of an analysis whose files are in the draft, and publish it.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: a group naming an unknown class, or the folder cannot be written to.
    """
    from confemb.reporting.write import FIGURE_FILES, MANY_CLASSES_FILES, TABLE_FILES, write_report

    display.stage("report: tables, figures, report.html")
    manifest = draft.manifest_values
    if len(record.runs.class_names) > MOST_CLASSES_IN_A_TABLE:
        from confemb.reporting.many_classes import write_many_classes

        with display.bar() as update:
            summary = write_many_classes(
                record,
                draft.new_report(),
                manifest=manifest,
                progress=lambda done, total: update("neighbours", done, total),
            )
        stale = [*FIGURE_FILES, *TABLE_FILES]
    else:
        summary = write_report(analyse(record), draft.new_report(), manifest=manifest)
        stale = [*FIGURE_FILES, *MANY_CLASSES_FILES]
    draft.publish(stale=stale)
    return f"{summary}\n\nreport: {draft.folder / 'report.html'}"


def write_result_report(folder: Path, *, display: Display | None = None) -> str:
    """Write tables, figures and report.html of a result folder again, from what it holds.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: a folder that holds no result, one that cannot be written to, or files that are not those
            recorded.
    """
    check_result(folder)
    with alone_in(folder):
        draft = Draft(folder)
        draft.keep_rest()
        return publish_report(read_analysis(folder), draft, display=display or Display())


def check_result(folder: Path) -> Manifest:
    """Return the manifest of a folder that holds an embedding; raises ConfembError where it holds none."""
    if not folder.is_dir():
        what = f"{folder} is a file" if is_there(folder) else f"there is no folder {folder}"
        raise ConfembError(f"{what}; give the folder of a result.")
    manifest = Manifest(folder)
    for name in (PAIRS, RUNS):
        if manifest.file(name) is None or not (folder / name).is_file():
            raise ConfembError(f"{folder} holds no finished result ({name} is missing); run the experiment first.")
    return manifest


def read_analysis(folder: Path) -> AnalysisRecord:
    """Read a finished result without disturbing whoever writes the next one into the folder: all of one result.

    Raises:
        ConfembError: a folder that holds none, or files that are not those recorded.
    """
    for _ in range(READ_ATTEMPTS):
        manifest = check_result(folder)
        record = problem = None
        try:
            record = _read(manifest)
        except ConfembError as error:
            problem = error
        # Looked at afterwards: while another run is moved into the folder, its files come before its manifest.
        if all(manifest.is_whole(stage, _HELD) for stage in manifest.stages):
            if record is None:
                assert problem is not None
                raise problem
            return record
        time.sleep(SECONDS_BETWEEN)
    raise ConfembError(
        f"the files in {folder} are not those that its {MANIFEST} records; another confemb may be at work there, or "
        "they were changed: run the experiment again."
    )


def _read(manifest: Manifest) -> AnalysisRecord:
    """Return the analysis that a manifest and its files tell."""
    values, folder = manifest.values, manifest.folder
    title, description, shown = _report_options(values, folder)
    predictions, history, examples = (manifest.file(name) for name in (PREDICTIONS, HISTORY, EXAMPLES))
    runs = EmbeddingRuns.load(folder / RUNS)
    embedding = manifest.stages[EMBED]
    return AnalysisRecord(
        title=title,
        description=description,
        counts=PairCounts.load(folder / PAIRS),
        runs=runs,
        provenance=provenance_of(values),
        predictions=None if predictions is None else load_predictions(predictions, keep=ALL_CLASSES),
        history=None if history is None else load_history(history),
        examples=None if examples is None else load_examples(examples),
        groups=shown.groups,
        references=[NamedReference(name, runs.class_names) for name in shown.references],
        item=shown.item,
        uncertainty=read_uncertainty(manifest.file),
        deterministic=embedding.get("deterministic", False),
        from_classifier=embedding.get("looks_into_classifier", False),
    )


def read_uncertainty(find: Callable[[str], Path | None]) -> Uncertainty:
    """Return what is known of a result's uncertainty, its files found by `find`; empty where it was not measured."""
    files = [path for name in UNCERTAINTY_FILES if (path := find(name)) is not None]
    return Uncertainty.load(files[0].parent, [path.name for path in files]) if files else Uncertainty()


def provenance_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says beyond the fields of an analysis, without the hashes of the files that hold it."""
    own = ("confemb", "title", "description", "report", WRITTEN)
    said = {key: value for key, value in values.items() if key not in own}
    said["stages"] = {}
    for stage, facts in values["stages"].items():
        elsewhere = {name: digest for name, digest in facts["files"].items() if name not in _HELD}
        kept = {name: value for name, value in facts.items() if name != "files"}
        said["stages"][stage] = kept | ({"files": elsewhere} if elsewhere else {})
    return said


def _report_options(values: Mapping[str, Any], folder: Path) -> tuple[str, str, ReportOptions]:
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


def save_history(history: pd.DataFrame, path: Path) -> None:
    """Write a training's history as CSV, numbers to six digits."""
    write_text(path, history.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def load_history(path: Path) -> pd.DataFrame:
    """Read a training's history: a column `epoch` of whole numbers and others, empty cells as NaN.

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
