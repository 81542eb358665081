"""Commands that put similarities and mistakes to use: `suggest`, `severity`, `costs` and `unknown`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.options import ClassNames, ExperimentName, Overrides, given_paths
from confemb.cli.commands.printing import say, say_text
from confemb.cli.commands.reading import reads, with_classes
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.support.output_folder import check_output, refuse_input
from confemb.support.ranges import MOST_SEED

if TYPE_CHECKING:
    import numpy as np

    from confemb.records.similarity import SimilarityMatrix


@reads(squares=False)
def suggest(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A result folder, or a file of predictions.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of the report. Default: suggestions within the result.")
    ] = None,
    classes: ClassNames = None,
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
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Draws the halves that classes are split on.")] = 0,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Suggest classes to merge, classes to split and pictures to label again, with the evidence."""
    from confemb.datasets.predicted_pictures import open_pictures, split_learned_from, unlearned
    from confemb.records.prediction_files import ALL_CLASSES
    from confemb.reporting.study import write_study
    from confemb.result.model_files import load_classifier
    from confemb.studies.suggestions_report import find_suggestions, suggestions_study
    from confemb.support.errors import ConfembError
    from confemb.support.manifest import Manifest, study_manifest

    path = Path(result)
    if out is None and not path.is_dir():
        raise ConfembError("give the folder of the report with --out: the predictions are no result folder.")
    check_output(out or path / "suggestions", inputs=[*([] if out is None else [result]), *given_paths(classes)])
    experiment = Manifest(path).values.get("experiment") if path.is_dir() else None
    names, reading = with_classes(classes, reading)
    predictions = load_classifier(result, class_names=names, split=split, keep=ALL_CLASSES, options=reading)
    learned_from = split_learned_from(experiment)
    if split is None:
        predictions, learned = unlearned(predictions, learned_from)
    else:
        learned = None if experiment is None else split == learned_from
    pictures, missing = None, ""
    try:
        pictures = open_pictures(predictions, experiment, dataset=dataset, split=dataset_split)
    except ConfembError as error:
        missing = str(error)
    found = find_suggestions(
        predictions,
        title=f"What the mistakes of {predictions.classifier or path.stem} suggest",
        most=most,
        seed=seed,
        learned=learned,
        pictures=pictures,
        manifest=study_manifest(result=path.name, pictures=len(predictions), split=split, seed=seed),
    )
    say_text(write_study(suggestions_study(found), out or path / "suggestions"))
    if missing:
        say(f"no example pictures: {missing}")


@reads()
def severity(
    predictions: Annotated[str, typer.Argument(metavar="PREDICTIONS", help="A result folder or a predictions file.")],
    similarities: Annotated[
        list[str] | None,
        typer.Option("--similarity", help="A result folder, a square CSV, or a reference: confemb list references."),
    ] = None,
    classes: ClassNames = None,
    scale: Annotated[str, typer.Option(help="1 - similarity as given, or by rank: given or rank.")] = "given",
    wordnet_height: Annotated[
        bool, typer.Option(help="Also the height of the lowest common hypernym in WordNet.")
    ] = False,
    split: Annotated[str | None, typer.Option(help="Only the pictures of one split, as test.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Draws the bootstrap.")] = 0,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Tell how bad a classifier's mistakes are: how unlike the true class is the one it predicted."""
    from confemb.references import open_reference
    from confemb.references.wordnet import class_synsets
    from confemb.references.wordnet_database import reading_wordnet
    from confemb.result.model_files import load_classifier
    from confemb.studies.severity import lca_heights, mistake_severity, severities
    from confemb.support.errors import ConfembError, one_of

    scaled = one_of("--scale", scale, "given", "rank")
    if not similarities and not wordnet_height:
        raise ConfembError("say under which similarity: --similarity RESULT_OR_REFERENCE, or --wordnet-height.")
    names, reading = with_classes(classes, reading)
    found = load_classifier(predictions, class_names=names, split=split, options=reading)
    measures: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    for name in similarities or []:
        matrix = open_reference(name, kind=reading.kind).similarity(found.class_names)
        measures[name] = severities(matrix, scaled), matrix.class_names
    if wordnet_height:
        with reading_wordnet() as wordnet:
            synsets = class_synsets(wordnet, found.class_names)
            measures["WordNet height"] = lca_heights(list(synsets.values())), tuple(synsets)
    for name, (costs, known) in measures.items():
        one = mistake_severity(found, costs, known, seed=seed)
        say(
            f"{name}: mean severity {one.mean:.3f} [{one.low:.3f}, {one.high:.3f}] over {one.mistakes:,} mistakes of "
            f"{one.pictures:,} pictures; random mistakes {one.random:.3f}, ratio {one.ratio:.3f} "
            f"[{one.ratio_low:.3f}, {one.ratio_high:.3f}]"
        )
        if one.left_out:
            say(f"  {one.left_out:,} pictures left out: their class or the predicted one is not known there")


@reads(tables=False)
def costs(
    similarity: Annotated[
        str, typer.Argument(metavar="RESULT", help="A result folder, a square CSV, or a reference: confemb list.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The CSV to write.")],
    classes: Annotated[
        str | None, typer.Option(help="For a reference without classes of its own: class names, as in embed.")
    ] = None,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Write what each mistake costs, from 0 to 1, by how unlike the two classes are."""
    import numpy as np

    from confemb.records.class_cells import load_class_names
    from confemb.references import open_reference
    from confemb.studies.costs import cost_matrix, save_costs
    from confemb.support.errors import ConfembError

    refuse_input(out, [similarity, *given_paths(classes)])
    reference = open_reference(similarity, kind=reading.kind)
    names = reference.class_names if classes is None else load_class_names(classes)
    if names is None:
        raise ConfembError(f"the reference {similarity!r} has no classes of its own; give them with --classes.")
    matrix: SimilarityMatrix = reference.similarity(names)
    values = cost_matrix(matrix)
    save_costs(values, matrix.class_names, out)
    apart = np.where(np.eye(len(values), dtype=bool), np.inf, values)
    i, j = np.unravel_index(int(apart.argmin()), apart.shape)
    say(
        f"costs of {len(values)} classes: {out}",
        f"the mildest mistake costs {apart.min():.3f} ({matrix.class_names[i]}, {matrix.class_names[j]}), the worst 1",
    )


def unknown(
    experiment: ExperimentName,
    out: Annotated[Path, typer.Option("--out", help="The result folder; the study goes into unknown within.")],
    overrides: Overrides = None,
    reject: Annotated[float, typer.Option(help="The share of known pictures that may be rejected.")] = 0.1,
) -> None:
    """Train without the classes of dataset.hold_out, and tell their pictures from those of known classes."""
    from confemb.pipeline.experiment import load_experiment
    from confemb.pipeline.unknown_run import held_out_logits, judge
    from confemb.reporting.study import write_study
    from confemb.studies.unknown import check_share
    from confemb.studies.unknown_report import unknown_study
    from confemb.support.manifest import study_manifest
    from confemb.support.progress import Display

    # Before a training, which may take hours.
    check_share(reject)
    check_output(out / "unknown")
    found = load_experiment(experiment, overrides)
    held = held_out_logits(found, out, display=Display())
    judged = judge(held, found, reject=reject)
    manifest = study_manifest(experiment=found.model_dump(mode="json", exclude_none=True), reject=reject)
    title = f"Without {held.name}: {found.title}"
    say_text(write_study(unknown_study([judged], title=title, manifest=manifest), out / "unknown"))
