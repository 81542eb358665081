"""The command `score`: any model on any data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.printing import log, note, say, say_text
from confemb.support.errors import ConfembError, one_of, visible
from confemb.support.progress import Steps

if TYPE_CHECKING:
    from confemb.classifiers.class_matching import ClassMatch
    from confemb.classifiers.scoring import Scored
    from confemb.classifiers.scoring_records import DataSettings, ModelSettings, OpenedData, OpenedModel

SECONDS_BETWEEN_LINES = 30.0

MODEL_HELP = (
    "hf:NAME-OR-FOLDER, clip:NAME-OR-FOLDER, timm:NAME, onnx:FILE, torch:FILE.pt2, keras:FILE.keras, "
    "sklearn:FILE.skops, python:MODULE:NAME, resnet50:keras, or a trained experiment."
)
DATA_HELP = (
    "A folder of class folders, hf:NAME-OR-FOLDER, tfds:NAME, a CSV, Parquet or JSONL file of texts or paths with a "
    "label, an NPZ file, or a dataset of confemb list datasets."
)


def score(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)],
    out: Annotated[Path, typer.Option("--out", help="The predictions' file to write: FILE.parquet.")],
    top: Annotated[int, typer.Option(min=1, help="Most probable classes to keep for each item.")] = 5,
    all_scores: Annotated[Path | None, typer.Option(help="Write every score too, as FILE.npz.")] = None,
    report: Annotated[Path | None, typer.Option(help="Embed the predictions into this result folder, too.")] = None,
    prompts: Annotated[
        str | None, typer.Option(help='Zero-shot: a template with {} for the class ("a photo of a {}."), or a file.')
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="The model's class names in the order of its outputs: a file, or imagenet.")
    ] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="Which class each label means: CSV (label,class) or JSON.")
    ] = None,
    unmatched: Annotated[str, typer.Option(help="Labels that match no class: refuse or leave-out.")] = "refuse",
    only_labels: Annotated[
        bool, typer.Option(help="Let the model choose among the labels' classes only, of all that it knows.")
    ] = False,
    checkpoint: Annotated[Path | None, typer.Option(help="The weights' file, for timm:NAME.")] = None,
    scores: Annotated[
        str, typer.Option(help="What the model gives: auto (judged by its outputs), logits or probabilities.")
    ] = "auto",
    preprocess: Annotated[
        str | None,
        typer.Option(help="Pictures for onnx:, torch:, keras: raw, unit, symmetric, imagenet, caffe or FILE.json."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, ...; auto: a GPU where the library sees one.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Items scored at a time.")] = None,
    input_column: Annotated[str | None, typer.Option("--input", help="The column of texts, paths or pictures.")] = None,
    label_column: Annotated[str | None, typer.Option("--label", help="The column of labels.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Take this part only; several times.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="What the items are: picture, text, audio, row or file. Default: by the data.")
    ] = None,
    label_names: Annotated[
        str | None, typer.Option(help="The names of labels that are whole numbers, in index order: a file.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize pictures of tfds:NAME to this first.")] = None,
    path: Annotated[str | None, typer.Option(help="A folder where TFDS has prepared tfds:NAME.")] = None,
    restart: Annotated[bool, typer.Option(help="Discard what another scoring left, and replace --out.")] = False,
) -> None:
    """Score labelled data by a model: write each item's most probable classes, ready for confemb embed."""
    from confemb.classifiers.scoring import ScoreSettings, among_matched
    from confemb.classifiers.scoring_records import KINDS, DataSettings, ModelSettings
    from confemb.records.class_cells import load_class_names

    model_settings = ModelSettings(
        class_names=None if classes is None else load_class_names(classes),
        checkpoint=checkpoint,
        prompts=prompts,
        device=device,
        scores=one_of("--scores", scores, "auto", "logits", "probabilities"),
        preprocess=preprocess,
        batch_size=batch_size,
    )
    data_settings = DataSettings(
        input=input_column,
        label=label_column,
        splits=tuple(split or ()),
        kind=None if kind is None else one_of("--kind", kind, *KINDS),
        label_names=None if label_names is None else load_class_names(label_names),
        image_size=image_size,
        path=path,
    )
    _check_files(out, all_scores, report, restart)
    opened, scored_data, match = _open(model, data, model_settings, data_settings, map_file, unmatched)
    if only_labels:
        opened, match = among_matched(opened, match)
    scored = _score_and_save(
        opened, scored_data, match, out, ScoreSettings(top=top, all_scores=all_scores, restart=restart)
    )
    _say(scored, scored_data, out)
    if report is not None:
        _embed(out, report, scored, scored_data)


def _check_files(out: Path, all_scores: Path | None, report: Path | None, restart: bool) -> None:
    if out.suffix.lower() != ".parquet":
        raise ConfembError(f"--out {out} must end in .parquet, the format that predictions are written in.")
    if all_scores is not None and all_scores.suffix.lower() != ".npz":
        raise ConfembError(f"--all-scores {all_scores} must end in .npz.")
    if out.exists() and not restart:
        raise ConfembError(f"{out} exists: give --restart to replace it, or choose another --out.")


def _open(
    model: str,
    data: str,
    model_settings: "ModelSettings",
    data_settings: "DataSettings",
    map_file: Path | None,
    unmatched: str,
) -> "tuple[OpenedModel, OpenedData, ClassMatch]":
    """Open both and match their classes, saying what was opened and matched."""
    from confemb.classifiers.class_matching import load_map, match_classes
    from confemb.classifiers.data.data_names import open_data
    from confemb.classifiers.models.model_names import open_model
    from confemb.classifiers.scoring import describe
    from confemb.pipeline.trained_model import is_experiment, open_trained

    opened_data = open_data(data, data_settings)
    mapping = None if map_file is None else load_map(map_file)
    # A zero-shot model chooses from what the labels mean.
    meant = [name if mapping is None else mapping.get(name, name) for name in opened_data.class_names]
    if is_experiment(model):
        opened = open_trained(model, model_settings)
    else:
        opened = open_model(
            model,
            model_settings,
            data_kind=opened_data.kind,
            label_names=tuple(dict.fromkeys(name for name in meant if name is not None)),
        )
    for line in describe(opened, opened_data):
        say(line)
    match = match_classes(
        opened_data.class_names,
        opened.class_names,
        mapping=mapping,
        unmatched=one_of("--unmatched", unmatched, "refuse", "leave-out"),
    )
    say(f"classes: {match.summary()}")
    return opened, opened_data, match


def _score_and_save(
    opened: "OpenedModel", data: "OpenedData", match: "ClassMatch", out: Path, settings: object
) -> "Scored":
    import json

    from confemb.classifiers.scoring import ScoreSettings, discard_parts, score
    from confemb.records.prediction_files import save_predictions

    assert isinstance(settings, ScoreSettings)
    with _progress() as progress:
        scored = score(opened, data, match, out, settings, progress=progress)
    record = {**scored.record, "scores": "logits" if scored.logits else "probabilities"}
    save_predictions(
        scored.predictions, out, metadata={"scoring": json.dumps(record, ensure_ascii=False, sort_keys=True)}
    )
    discard_parts(out)
    return scored


def _say(scored: "Scored", data: "OpenedData", out: Path) -> None:
    from confemb.classifiers.scoring_records import PLURALS

    items, predictions = PLURALS[data.kind], scored.predictions
    now = len(predictions) - scored.resumed
    pace = f"{now:,} {items} in {scored.seconds:.1f} s, {now / max(scored.seconds, 1e-9):,.1f} a second"
    before = f"{scored.resumed:,} were scored before; " if scored.resumed else ""
    left = f"; {scored.left_out:,} left out" if scored.left_out else ""
    say(f"scored: {before}{pace}{left} (outputs: {'logits' if scored.logits else 'probabilities'})")
    say(f"right: {predictions.accuracy:.1%} of {len(predictions):,}")
    say(f"predictions: {out}")


@contextmanager
def _progress() -> "Iterator[Steps]":
    """Yield what shows items done and items a second: a bar on a terminal, a line now and then in a log."""
    from confemb.support.progress import Display

    display = Display()
    started = last = time.monotonic()
    first: int | None = None
    with display.bar() as update:

        def progress(done: int, total: int) -> None:
            nonlocal first, last
            now = time.monotonic()
            first = done if first is None else first
            pace = f"{(done - first) / (now - started):,.1f} a second" if done > first else "starting"
            update(f"scoring, {pace}", done, total)
            if not display.enabled and now - last >= SECONDS_BETWEEN_LINES:
                last = now
                log(f"scored {done:,} of {total:,}, {pace}")

        yield progress


def _embed(out: Path, report: Path, scored: "Scored", data: "OpenedData") -> None:
    """Embed the predictions as `confemb embed` does by itself; classes without items are left out."""
    from confemb.analysis.options import ReportOptions
    from confemb.records.options import PairOptions
    from confemb.records.pairs import count_pairs
    from confemb.records.prediction_files import chosen_weighting
    from confemb.result import analyze_counts, default_options
    from confemb.result.folder import save_analysis, writing
    from confemb.support.files import sha256_file
    from confemb.support.progress import Display

    item = {"picture": "picture", "text": "text", "audio": "recording", "row": "row", "file": "file"}[data.kind]
    names = scored.predictions.class_names
    missing = len(names) - len(set(scored.predictions.labels.tolist()))
    if missing:
        note(f"{missing:,} of {len(names):,} classes have no {item}; they are left out of the report.")
    weighting, most = chosen_weighting(None, scored.predictions)
    pairs = PairOptions(
        k=min(most, scored.predictions.k), weighting=weighting, missing_classes="drop" if missing else "error"
    )
    options = default_options().model_copy(
        update={
            "title": visible(f"{scored.predictions.classifier} on {scored.predictions.dataset}"),
            "pairs": pairs,
            "report": ReportOptions(item=item),
        }
    )
    with writing(report) as draft:
        result = analyze_counts(
            count_pairs(scored.predictions, **pairs.model_dump()),
            scored.predictions,
            options,
            source={"file": out.name, "sha256": sha256_file(out)},
            display=Display(),
        )
        say_text(save_analysis(result, draft, display=Display()))
