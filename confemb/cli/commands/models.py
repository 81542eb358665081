"""Commands that look at several classifiers: `retrain`, `models`, `diff` and `formation`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.options import ClassNames, ExperimentName, Overrides, PairedClasses, given_paths
from confemb.cli.commands.printing import say_text
from confemb.cli.commands.reading import reads, with_classes
from confemb.records.read_options import DEFAULT, ReadOptions, named_alike
from confemb.support.errors import ConfembError
from confemb.support.output_folder import check_output
from confemb.support.ranges import MOST_DIMENSIONS, MOST_REPLICATES, MOST_SEED, MOST_SEEDS

if TYPE_CHECKING:
    from confemb.references import Reference

References = Annotated[
    list[str] | None,
    typer.Option("--reference", help="Compare with it too: confemb list references. Default: the experiment's."),
]


def retrain(
    experiment: ExperimentName,
    networks: Annotated[int, typer.Option(min=2, help="How many networks to train.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the study; each network gets one within.")],
    references: References = None,
    together: Annotated[
        int, typer.Option(min=1, help="How many to train at once: for an accelerator that one does not fill.")
    ] = 1,
    overrides: Overrides = None,
) -> None:
    """Train an experiment's classifier several times, and show how far its similarities depend on that."""
    from confemb.pipeline.experiment import load_experiment
    from confemb.pipeline.series import train_networks
    from confemb.reporting.study import write_study
    from confemb.result.folder import read_analysis
    from confemb.studies.retraining import NETWORKS, save_networks
    from confemb.studies.retraining_report import collect_networks, retraining_study
    from confemb.support.manifest import study_manifest

    found = load_experiment(experiment, overrides)
    check_output(out)
    chosen = _references(references, found.report.references)
    folders = train_networks(found, networks, out, references=list(chosen), together=together)
    retraining = collect_networks(
        {folder.name: read_analysis(folder) for folder in folders},
        title=found.title,
        references=list(chosen.values()),
        manifest=study_manifest(experiment=found.model_dump(mode="json", exclude_none=True), networks=networks),
    )
    vectors = {NETWORKS: lambda path: save_networks(retraining.runs, retraining.names, path)}
    say_text(write_study(retraining_study(retraining), out, further=vectors))


def formation(
    experiment: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT|TRACK", help="A TOML file, a name, or the track (.npz) of confemb.Tracker."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The result folder; the study goes into formation within. Default: reports/NAME."),
    ] = None,
    references: References = None,
    overrides: Overrides = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Embedding seeds for a track. Default: 20; an experiment has its own.")
    ] = None,
) -> None:
    """Show how similarities form: embed the classes after each epoch that was kept, or that a tracker has seen."""
    if experiment.lower().endswith(".npz"):
        _formation_of_track(Path(experiment), out, references, overrides, seeds or 20)
        return
    if seeds is not None:
        raise ConfembError("--seeds is for a track: an experiment's seeds are set with --set embedding.seeds=N.")
    from confemb.embedders import make_pair_embedder
    from confemb.pipeline.experiment import load_experiment
    from confemb.pipeline.run import pair_counts
    from confemb.pipeline.series import predict_epochs
    from confemb.references import known_ceilings
    from confemb.reporting.study import write_study
    from confemb.studies.formation import form
    from confemb.studies.formation_report import formation_study
    from confemb.support.manifest import study_manifest
    from confemb.support.progress import Display

    found = load_experiment(experiment, overrides)
    chosen = _references(references, found.report.references)
    folder = out or Path("reports") / found.name
    check_output(folder / "formation")
    display = Display()
    predictions = predict_epochs(found, folder, references=list(chosen), display=display)
    display.stage(f"embed: {len(predictions)} epochs")
    with display.bar() as update:
        formed = form(
            predictions,
            lambda one: pair_counts(found, one),
            make_pair_embedder(found.embedding.name, found.embedding.options),
            range(found.seed, found.seed + found.embedding.seeds),
            progress=lambda done, total: update("epochs", done, total),
        )
    study = formation_study(
        formed,
        title=f"How similarities form: {found.title}",
        references={one.title: one.similarity(formed.class_names) for one in chosen.values()},
        ceilings=known_ceilings(list(chosen.values()), formed.class_names),
        groups=found.report.groups,
        manifest=study_manifest(experiment=found.model_dump(mode="json", exclude_none=True)),
    )
    say_text(write_study(study, folder / "formation"))


def _formation_of_track(
    path: Path, out: Path | None, references: list[str] | None, overrides: list[str] | None, seeds: int
) -> None:
    """Report what a tracker has seen."""
    from confemb.embedders.skipgram import SkipGram
    from confemb.references import known_ceilings
    from confemb.reporting.study import write_study
    from confemb.studies.formation import form_counts
    from confemb.studies.formation_report import formation_study
    from confemb.studies.tracking import Tracker
    from confemb.support.files import sha256_file
    from confemb.support.manifest import study_manifest
    from confemb.support.progress import Display

    if overrides:
        raise ConfembError("--set changes an experiment, and a track has none: leave it out.")
    tracker = Tracker.load(path)
    chosen = _references(references, [])
    with Display().bar() as update:
        formed = form_counts(
            tracker.epochs, SkipGram(), range(seeds), progress=lambda done, total: update("epochs", done, total)
        )
    study = formation_study(
        formed,
        title=f"How similarities form: {path.stem}",
        references={one.title: one.similarity(formed.class_names) for one in chosen.values()},
        ceilings=known_ceilings(list(chosen.values()), formed.class_names),
        groups={},
        manifest=study_manifest(track=path.name, sha256=sha256_file(path), seeds=seeds),
    )
    say_text(write_study(study, (out or Path("reports") / path.stem) / "formation"))


@reads(squares=False)
def models(
    classifiers: Annotated[
        list[str],
        typer.Argument(metavar="A B ...", help="Result folders, prediction files, or an NPZ file of many classifiers."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder of the study.")],
    classes: ClassNames = None,
    k: PairedClasses = None,
    missing_classes: Annotated[str, typer.Option(help="Classes without pictures: error or drop.")] = "error",
    embedder: Annotated[
        str | None, typer.Option(help="Compare vectors too: confemb list embedders. Default: the plain counts alone.")
    ] = None,
    dim: Annotated[
        int | None, typer.Option(min=1, max=MOST_DIMENSIONS, help="Embedding dimensions. Default: the embedder's own.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="How many embedding seeds.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="The first of them; draws the halves too.")] = 0,
    splits: Annotated[
        int, typer.Option(min=0, max=MOST_REPLICATES, help="How often to halve the pictures; 0: not at all.")
    ] = 20,
    families: Annotated[
        str | None, typer.Option(help='Families of classifiers: a TOML file of lines family = ["classifier", ...].')
    ] = None,
    title: Annotated[str | None, typer.Option(help="The report's heading.")] = None,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Show how alike several classifiers see the same classes: matrix, map and families."""
    from confemb.analysis.options import load_groups
    from confemb.embedders import make_pair_embedder
    from confemb.records.options import PairOptions
    from confemb.records.prediction_files import classes_to_keep
    from confemb.reporting.study import write_study
    from confemb.result.model_files import load_classifiers
    from confemb.studies.models import join_pictures
    from confemb.studies.models_report import compare_models, models_study
    from confemb.support.errors import one_of
    from confemb.support.manifest import study_manifest

    missing = one_of("--missing-classes", missing_classes, "error", "drop")
    check_output(out, inputs=[*classifiers, *given_paths(classes, families)])
    names, reading = with_classes(classes, reading)
    found = load_classifiers(classifiers, class_names=names, keep=classes_to_keep(k), options=reading)
    if len(found) < 2:
        raise ConfembError("one classifier cannot be compared; give at least 2, or an NPZ file of many.")
    joined = dict(zip(found, join_pictures(list(found.values())), strict=True))
    comparison = compare_models(
        joined,
        title=title or f"How alike {len(found)} classifiers see their classes",
        pairs=PairOptions(k=min(3, *(one.k for one in found.values())) if k is None else k, missing_classes=missing),
        embedder=None if embedder is None else make_pair_embedder(embedder, {} if dim is None else {"dim": dim}),
        seeds=range(seed, seed + seeds),
        splits=splits,
        families={} if families is None else load_groups(families),
        manifest=study_manifest(classifiers=list(found), embedder=embedder, k=k, seed=seed, splits=splits),
    )
    say_text(write_study(models_study(comparison), out))


@reads(squares=False)
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A result folder or a predictions file: before.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same, of the same pictures: after.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the study.")],
    classes: ClassNames = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Predicted classes of each picture that count.")] = 1,
    weighting: Annotated[str, typer.Option(help="Weigh them by count or by probability.")] = "count",
    split: Annotated[str | None, typer.Option(help="Only the pictures of one split, as test.")] = None,
    level: Annotated[float, typer.Option(min=0.0, max=1.0, help="The false-discovery rate.")] = 0.05,
    flips: Annotated[int, typer.Option(min=99, help="Random swaps, for --weighting probability.")] = 9999,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Draws them.")] = 0,
    title: Annotated[str | None, typer.Option(help="The report's heading.")] = None,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Show which class pairs moved between two checkpoints of one network, beyond chance."""
    from confemb.records.prediction_files import classes_to_keep
    from confemb.result.model_files import load_classifier
    from confemb.studies import DifferenceOptions, compare_checkpoints
    from confemb.support.errors import one_of
    from confemb.support.manifest import study_manifest

    check_output(out, inputs=[a, b, *given_paths(classes)])
    names = (Path(a).stem, Path(b).stem)
    options = DifferenceOptions(
        k=k,
        weighting=one_of("--weighting", weighting, "count", "probability"),
        level=level,
        flips=flips,
        seed=seed,
        names=names if names[0] != names[1] else (a, b),
        title=title or "",
    )
    given, reading = with_classes(classes, reading)
    keep = classes_to_keep(k)
    before = load_classifier(a, class_names=given, split=split, keep=keep, options=reading)
    reading = reading if given is not None else named_alike(before.class_names, reading)
    after = load_classifier(b, class_names=before.class_names, split=split, keep=keep, options=reading)
    manifest = study_manifest(before=a, after=b, k=k, weighting=weighting, split=split, level=level, seed=seed)
    say_text(compare_checkpoints(before, after, options, manifest=manifest).save(out))


def _references(names: list[str] | None, default: list[str]) -> "dict[str, Reference]":
    """Return the references by name, the default ones where none is named."""
    from confemb.references import open_reference

    return {name: open_reference(name) for name in names or default}
