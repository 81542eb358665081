"""Commands that put similarities and mistakes to use: `suggest`, `severity`, `costs` and `unknown`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from confemb.commands.models import ExperimentName, Overrides

if TYPE_CHECKING:
    import numpy as np

    from confemb.predictions import Predictions
    from confemb.provenance import Manifest
    from confemb.reporting.suggestions_report import Pictures
    from confemb.similarity import SimilarityMatrix

# As many classes of each picture as a file has.
ALL_CLASSES = 1_000_000


def suggest(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A result folder, or a file of predictions.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of the report. Default: suggestions within the result.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class names in index order: a text file, a JSON list, or FILE.csv:COLUMN.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only these pictures. Default: those the classifier has not learned from.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Where the pictures are, as cifar10. Default: the experiment's dataset.")
    ] = None,
    dataset_split: Annotated[
        str | None, typer.Option(help="Its part, where the predictions do not say it, as test.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many pairs of classes to list.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Draws the halves that classes are split on.")] = 0,
) -> None:
    """Suggest classes to merge, classes to split and pictures to label again, with the evidence."""
    from confemb.class_cells import load_class_names
    from confemb.errors import ConfembError
    from confemb.prediction_files import load_predictions
    from confemb.provenance import Manifest
    from confemb.reporting.study import write_study
    from confemb.reporting.suggestions_report import Suggestions, suggestions_study
    from confemb.results import PREDICTIONS
    from confemb.suggestions import suggest_merges, suggest_relabels, suggest_splits

    path = Path(result)
    if path.is_dir():
        manifest = Manifest(path)
        file = manifest.file(PREDICTIONS)
        if file is None or not file.is_file():
            raise ConfembError(f"{path} holds no predictions of single pictures ({PREDICTIONS}); predict some first.")
        predictions = load_predictions(file)
    else:
        manifest = None
        if out is None:
            raise ConfembError("give the folder of the report with --out: the predictions are no result folder.")
        names = None if classes is None else load_class_names(classes)
        predictions = load_predictions(result, class_names=names, keep=ALL_CLASSES)
    predictions, learned = _unlearned(predictions, manifest, split)

    def tried(function: Any, **options: Any) -> Any:
        try:
            return function(predictions, **options)
        except ConfembError as error:
            return str(error)

    pictures, missing = _pictures(predictions, manifest, dataset, dataset_split)
    found = Suggestions(
        title=f"What the mistakes of {predictions.classifier or path.stem} suggest",
        predictions=predictions,
        merges=suggest_merges(predictions.labels, predictions.top_classes[:, 0], predictions.class_names, most=most),
        splits=tried(suggest_splits, seed=seed),
        relabels=tried(suggest_relabels),
        learned=learned,
        pictures=pictures,
        manifest=_manifest(result=path.name, pictures=len(predictions), split=split, seed=seed),
    )
    typer.echo(write_study(suggestions_study(found), out or path / "suggestions"))
    if missing:
        typer.echo(f"no example pictures: {missing}")


def severity(
    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="A result folder or a predictions file.")],
    similarities: Annotated[
        list[str] | None,
        typer.Option("--similarity", help="A result folder, a square CSV, or a reference: confemb list references."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class names in index order: a text file, a JSON list, or FILE.csv:COLUMN.")
    ] = None,
    scale: Annotated[str, typer.Option(help="1 - similarity as given, or by rank: given or rank.")] = "given",
    wordnet_height: Annotated[
        bool, typer.Option(help="Also the height of the lowest common hypernym in WordNet.")
    ] = False,
    split: Annotated[str | None, typer.Option(help="Only the pictures of one split, as test.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the bootstrap.")] = 0,
) -> None:
    """Tell how bad a classifier's mistakes are: how unlike the true class is the one it predicted."""
    from confemb.class_cells import load_class_names
    from confemb.errors import ConfembError, unknown_name
    from confemb.model_files import load_classifier
    from confemb.references import open_reference
    from confemb.references.wordnet import class_synsets
    from confemb.severity import lca_heights, mistake_severity, severities
    from confemb.wordnet import open_wordnet

    if scale not in ("given", "rank"):
        raise unknown_name("value", scale, ("given", "rank"), where="--scale")
    if not similarities and not wordnet_height:
        raise ConfembError("say under which similarity: --similarity RESULT_OR_REFERENCE, or --wordnet-height.")
    found = load_classifier(predictions, class_names=None if classes is None else load_class_names(classes))
    if split is not None:
        found = _of_split(found, split)
    measures: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    for name in similarities or []:
        matrix = open_reference(name).similarity(found.class_names)
        measures[name] = severities(matrix, scale), matrix.class_names  # type: ignore[arg-type]  # just checked
    if wordnet_height:
        synsets = class_synsets(open_wordnet(), found.class_names)
        measures["WordNet height"] = lca_heights(list(synsets.values())), tuple(synsets)
    for name, (costs, names) in measures.items():
        one = mistake_severity(found, costs, names, seed=seed)
        typer.echo(
            f"{name}: mean severity {one.mean:.3f} [{one.low:.3f}, {one.high:.3f}] over {one.mistakes:,} mistakes of "
            f"{one.pictures:,} pictures; random mistakes {one.random:.3f}, ratio {one.ratio:.3f} "
            f"[{one.ratio_low:.3f}, {one.ratio_high:.3f}]"
        )
        if one.left_out:
            typer.echo(f"  {one.left_out:,} pictures left out: their class or the predicted one is not known there")


def costs(
    similarity: Annotated[
        str, typer.Argument(metavar="RESULT", help="A result folder, a square CSV, or a reference: confemb list.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The CSV to write.")],
    classes: Annotated[
        str | None, typer.Option(help="For a reference without classes of its own: class names, as in embed.")
    ] = None,
) -> None:
    """Write what each mistake costs, from 0 to 1, by how unlike the two classes are."""
    import numpy as np

    from confemb.class_cells import load_class_names
    from confemb.costs import cost_matrix, save_costs
    from confemb.errors import ConfembError
    from confemb.references import open_reference

    reference = open_reference(similarity)
    names = reference.class_names if classes is None else load_class_names(classes)
    if names is None:
        raise ConfembError(f"the reference {similarity!r} has no classes of its own; give them with --classes.")
    matrix: SimilarityMatrix = reference.similarity(names)
    values = cost_matrix(matrix)
    save_costs(values, matrix.class_names, out)
    apart = np.where(np.eye(len(values), dtype=bool), np.inf, values)
    i, j = np.unravel_index(int(apart.argmin()), apart.shape)
    typer.echo(
        f"costs of {len(values)} classes: {out}\nthe mildest mistake costs {apart.min():.3f} "
        f"({matrix.class_names[i]}, {matrix.class_names[j]}), the worst 1"
    )


def unknown(
    experiment: ExperimentName,
    out: Annotated[Path, typer.Option("--out", help="The result folder; the study goes into unknown within.")],
    overrides: Overrides = None,
    reject: Annotated[float, typer.Option(help="The share of known pictures that may be rejected.")] = 0.1,
) -> None:
    """Train without the classes of dataset.hold_out, and tell their pictures from those of known classes."""
    from confemb.experiment import load_experiment
    from confemb.progress import Display
    from confemb.reporting.study import write_study
    from confemb.reporting.unknown_report import unknown_study
    from confemb.unknown_run import held_out_logits, judge

    found = load_experiment(experiment, overrides)
    held = held_out_logits(found, out, display=Display())
    judged = judge(held, found, reject=reject)
    manifest = _manifest(experiment=found.model_dump(mode="json", exclude_none=True), reject=reject)
    typer.echo(write_study(unknown_study([judged], title=found.title, manifest=manifest), out / "unknown"))


def _unlearned(
    predictions: "Predictions", manifest: "Manifest | None", split: str | None
) -> "tuple[Predictions, bool | None]":
    """Return the pictures to look at, and whether the classifier has learned from them (None: not known)."""
    if manifest is None or "experiment" not in manifest.values:
        return (predictions if split is None else _of_split(predictions, split)), None
    experiment = manifest.values["experiment"]
    trained_on = None if "weights" in experiment["classifier"] else experiment["dataset"]["train"]
    if split is not None:
        return _of_split(predictions, split), split == trained_on
    if predictions.splits is None or trained_on is None:
        return predictions, None if trained_on is None else True
    unlearned = predictions.splits != trained_on
    return (predictions.where(unlearned), False) if unlearned.any() else (predictions, True)


def _of_split(predictions: "Predictions", split: str) -> "Predictions":
    """Return the predictions of one split; raises ConfembError where there is none."""
    from confemb.errors import unknown_name

    known = [] if predictions.splits is None else list(dict.fromkeys(predictions.splits.tolist()))
    if split not in known:
        raise unknown_name("split", split, known, where="the predictions")
    assert predictions.splits is not None
    return predictions.where(predictions.splits == split)


def _pictures(
    predictions: "Predictions", manifest: "Manifest | None", name: str | None, split: str | None
) -> "tuple[Pictures | None, str]":
    """Return what shows the pictures of rows, or None and why they cannot be shown."""
    import numpy as np

    from confemb.datasets import open_dataset
    from confemb.errors import ConfembError

    options: dict[str, Any] = {}
    if name is None:
        if manifest is None or "experiment" not in manifest.values:
            return None, "the predictions do not say where they are; give --dataset and --dataset-split."
        section = manifest.values["experiment"]["dataset"]
        name = str(section["name"])
        options = {key: section[key] for key in ("path", "image_size", "crop") if key in section}
    try:
        source = open_dataset(name, **options)
        # Where the predictions do not say, all are of one part.
        if predictions.splits is None:
            splits = np.full(len(predictions), split or source.splits[0], dtype=object)
        else:
            splits = predictions.splits
        parts = {one: source.load(one) for one in dict.fromkeys(splits.tolist())}
        if predictions.ids is None and [len(part) for part in parts.values()] != [len(predictions)]:
            raise ConfembError("the predictions have no ids, and are not as many as the dataset's pictures.")
        places = {one: {str(key): i for i, key in enumerate(part.ids.tolist())} for one, part in parts.items()}
        if predictions.ids is not None:
            for one, key in zip(splits.tolist(), predictions.ids.tolist(), strict=True):
                if str(key) not in places[one]:
                    raise ConfembError(f"the dataset {name} has no picture {str(key)!r} in its part {one!r}.")
    except ConfembError as error:
        return None, str(error)

    def pictures(rows: "np.ndarray") -> "np.ndarray":
        ids = None if predictions.ids is None else predictions.ids
        return np.stack(
            [
                parts[splits[row]].images[row if ids is None else places[splits[row]][str(ids[row])]]
                for row in rows.tolist()
            ]
        )

    return pictures, ""


def _manifest(**facts: Any) -> dict[str, Any]:
    """Return what a study was made from, without what was not given, and with which versions."""
    from confemb import __version__
    from confemb.provenance import versions

    given = {name: value for name, value in facts.items() if value is not None}
    return {"confemb": __version__, **given, "versions": versions()}
