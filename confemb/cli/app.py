"""The command line: parses, calls, prints."""

import errno
import io
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from confemb.cli.commands import captions, compare, counting, explore, hierarchy, lab, models, similarities, uses, words
from confemb.cli.commands import score as scoring
from confemb.cli.commands.options import (
    ClassNames,
    ExperimentName,
    OutFolder,
    Overrides,
    PairedClasses,
    ResultFolder,
    given_paths,
)
from confemb.cli.commands.printing import note, say, say_text
from confemb.cli.commands.reading import reads, with_classes
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.support.errors import ConfembError, one_of, shown, unknown_name, visible
from confemb.support.extras import missing_library
from confemb.support.output_folder import check_output
from confemb.support.ranges import MOST_DIMENSIONS, MOST_REPLICATES, MOST_SEED, MOST_SEEDS
from confemb.support.stopping import STATUS, STOPPED, Stopping, quietly

if TYPE_CHECKING:
    from confemb.pipeline.experiment import Experiment

# What typer makes of a KeyboardInterrupt.
_INTERRUPTED = STATUS[signal.SIGINT]
# The class of all that is wrong with arguments; it has no public name in every version of typer.
_UsageError: type[Exception] = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")

app = typer.Typer(
    name="confemb",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Shows how a classifier sees its classes: embeds them from its top-k predictions.",
)

Together = Annotated[
    str | None,
    typer.Option(
        "--distributed",
        metavar="auto|HOST:PORT,INDEX,COUNT",
        help="Share the work with other processes that run the same command: found by themselves on a cluster, or "
        "this is number INDEX of COUNT and number 0 listens at HOST:PORT.",
    ),
]


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Shows how a classifier sees its classes: embeds them from its top-k predictions."""
    # --debug is read in `main`, which is where errors arrive.
    if version:
        from confemb.support.version import __version__

        typer.echo(f"confemb {__version__}")
        raise typer.Exit


@app.command()
def run(experiment: ExperimentName, out: OutFolder = None, overrides: Overrides = None) -> None:
    """Run every stage of an experiment; go on where a stopped run left off."""
    from confemb.pipeline.predictions_experiment import PredictionsExperiment, load_runnable

    found = load_runnable(experiment, overrides)
    if not isinstance(found, PredictionsExperiment):
        _run_stages(found, out, "report", None)
        return
    from confemb.pipeline.predictions_run import run_predictions

    say_text(run_predictions(found, out or Path("reports") / found.name))


@app.command()
def train(
    experiment: ExperimentName, out: OutFolder = None, overrides: Overrides = None, distributed: Together = None
) -> None:
    """Train an experiment's classifier."""
    from confemb.pipeline.experiment import load_experiment

    _run_stages(load_experiment(experiment, overrides), out, "train", distributed)


@app.command()
def predict(
    experiment: ExperimentName, out: OutFolder = None, overrides: Overrides = None, distributed: Together = None
) -> None:
    """Train an experiment's classifier where needed, and predict; `confemb run` goes on from there."""
    from confemb.pipeline.experiment import load_experiment

    _run_stages(load_experiment(experiment, overrides), out, "predict", distributed)


app.command()(counting.count)
app.command()(scoring.score)


@app.command()
@reads()
def embed(
    predictions: Annotated[
        str,
        typer.Argument(
            metavar="PREDICTIONS",
            help="CSV, TSV, JSON lines, Parquet, Arrow, NPZ (also .gz, .zst), a confusion matrix (CSV) or counts; - "
            "reads stdin.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The result folder.")],
    classes: ClassNames = None,
    k: PairedClasses = None,
    self_pairs: Annotated[str, typer.Option(help="Pairs of a class with itself: keep or drop.")] = "keep",
    missing_classes: Annotated[str, typer.Option(help="Classes without pictures: error or drop.")] = "error",
    weighting: Annotated[
        str | None,
        typer.Option(
            help="Weigh pairs by count or by probability. Default: by probability where the file has probabilities and "
            "no embedder is named, else by count."
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(help="Soften the probabilities: above 1 is softer.")] = 1.0,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="How pairs become vectors: confemb list embedders; skipgram is the paper's. Default: confusion_rate."
        ),
    ] = None,
    dim: Annotated[
        int | None, typer.Option(min=1, max=MOST_DIMENSIONS, help="Embedding dimensions. Default: the embedder's own.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="One of the embedder's own, as time=2; several times."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=MOST_SEEDS, help="How many embedding seeds, where the embedder has one.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="The first of them; draws the replicates too.")] = 0,
    bootstraps: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_REPLICATES,
            help="Replicates of the pictures for intervals; 0: no uncertainty. Default: 200; 20 where there are seeds.",
        ),
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help='Groups of classes to tell apart: a TOML file of lines group = ["class", ...].')
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Compare with it: confemb list references; or another result. May be given several times."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="The report's heading. Default: the file's name.")] = None,
    item: Annotated[str, typer.Option(help="What was classified, one of it: picture, text, ...")] = "picture",
    reading: ReadOptions = DEFAULT,
) -> None:
    """Embed the classes of any classifier from its predictions."""
    from confemb.analysis.options import AnalysisOptions, ReportOptions, load_groups
    from confemb.embedders.options import DEFAULT_EMBEDDER, embedder_options
    from confemb.records.options import PairOptions
    from confemb.records.prediction_files import load_pairs
    from confemb.result import analyze_counts
    from confemb.result.folder import save_analysis, writing
    from confemb.stats.count_replicates import CountedResampling, load_replicates
    from confemb.stats.options import UncertaintyOptions
    from confemb.support.files import unchanged
    from confemb.support.progress import Display

    check_output(out, inputs=given_paths(predictions, classes, groups, *(reference or [])))
    # The default reads the probabilities where there are any; whoever names an embedder says what it reads.
    weigh_by = one_of("--weighting", weighting or "count", "count", "probability")
    by_what_there_is = weighting is None and embedder is None
    embedder = embedder or DEFAULT_EMBEDDER
    pairs = PairOptions(
        self_pairs=one_of("--self-pairs", self_pairs, "keep", "drop"),
        missing_classes=one_of("--missing-classes", missing_classes, "error", "drop"),
        weighting=weigh_by,
        temperature=temperature,
    )
    names, reading = with_classes(classes, reading)
    standard_input = predictions == "-"
    name = "standard input" if standard_input else visible(Path(predictions).name)
    options = AnalysisOptions(
        title=visible(title or "") or f"Class similarities from {name}",
        seed=seed,
        pairs=pairs,
        embedding=embedder_options(embedder, seeds, option or [], dim=dim),
        uncertainty=UncertaintyOptions(pictures=bootstraps)
        if bootstraps != 0
        else UncertaintyOptions(pictures=0, split_halves=0, dimension_splits=0),
        report=ReportOptions(groups={} if groups is None else load_groups(groups), reference=reference, item=item),
    )
    with unchanged(None if standard_input else predictions) as digest:
        counting = pairs.model_dump(exclude={"k"}) | ({"weighting": None} if by_what_there_is else {})
        counts, found = load_pairs(predictions, class_names=names, k=k, options=reading, **counting)
        replicates = None if found is not None or standard_input else load_replicates(predictions)
    if counts.k == 1 and embedder in ("skipgram", "directed"):
        note(f"each {item} has one predicted class only; {embedder} learns little from that (from 3 or more it does).")
    if found is None and replicates is None and counts.k > 1 and bootstraps != 0:
        note(
            f"counts alone do not tell which pairs are of one {item}, so no interval is given for other {item}s; "
            "confemb count --bootstraps 200 counts what that needs."
        )
    if by_what_there_is and found is not None and found.top_probs is not None:
        weigh_by = "probability"
        options = options.model_copy(update={"pairs": pairs.model_copy(update={"weighting": weigh_by})})
    source = {"file": name} if digest is None else {"file": name, "sha256": digest}
    with writing(out) as draft:
        result = analyze_counts(
            counts,
            found,
            options,
            counted=None if replicates is None else CountedResampling(replicates, counts, names),
            source=source | {"missing_classes": missing_classes, "weighting": weigh_by, "temperature": temperature},
            display=Display(),
        )
        say_text(save_analysis(result, draft, display=Display()))


@app.command()
def report(folder: ResultFolder) -> None:
    """Write a result's tables, figures and report.html again, from what is there."""
    from confemb.result.folder import write_result_report

    say_text(write_result_report(folder))


app.command()(explore.explore)
app.command()(similarities.similar)
app.command()(compare.compare)
app.command()(models.retrain)
app.command(name="models")(models.models)
app.command()(models.diff)
app.command()(models.formation)
app.command()(hierarchy.hierarchy)
app.command()(uses.suggest)
app.command()(uses.severity)
app.command()(uses.costs)
app.command()(uses.unknown)
app.add_typer(words.words, name="words")
app.add_typer(lab.lab, name="lab")
app.add_typer(captions.captions, name="captions")


@app.command(name="list")
def list_names(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="datasets, models, classifiers, embedders, references or experiments.")
    ],
) -> None:
    """Print the names that are known."""
    if kind == "experiments":
        from confemb.support.settings import experiment_names

        names = experiment_names()
    elif kind == "models":
        from confemb.classifiers.models.model_names import FAMILIES
        from confemb.networks.pretrained.weight_sources import PUBLISHED

        names = [f"{one.prefix}:{one.argument}  {one.what}" for one in FAMILIES.values()]
        names += [f"{name}  confemb's own network" for name in PUBLISHED]
    else:
        from confemb.datasets import DATASETS
        from confemb.embedders import EMBEDDERS
        from confemb.networks import CLASSIFIERS
        from confemb.references import REFERENCES

        registries = {r.kind + "s": r for r in (DATASETS, CLASSIFIERS, EMBEDDERS, REFERENCES)}
        if kind not in registries:
            raise unknown_name("kind of name", kind, [*registries, "models", "experiments"])
        names = registries[kind].names()
    for name in names:
        say(name)


@app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A dataset (cifar10, tfds:NAME, ...), weights (resnet50:keras) or a reference (cifar10h, wordnet).",
        ),
    ],
    path: Annotated[str | None, typer.Option(help="A TFDS folder to look in first, or an image folder.")] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Resize the pictures to this many pixels.")] = None,
) -> None:
    """Get and prepare a dataset, published weights or a reference ahead of time."""
    from confemb.datasets import DATASETS, is_dataset_name, open_dataset
    from confemb.networks.pretrained.weight_sources import PUBLISHED, fetch_weights, is_weights_name
    from confemb.references import REFERENCE_FILES, fetch_reference
    from confemb.support.progress import Display

    if is_weights_name(name):
        with Display().bar() as update:
            say(f"{name}: {fetch_weights(name, progress=update)}")
        return
    if name in REFERENCE_FILES:
        with Display().bar() as update:
            say(f"{name}: {fetch_reference(name, progress=update)}")
        return
    if not is_dataset_name(name):
        raise unknown_name("dataset, weights or reference", name, [*DATASETS.names(), *PUBLISHED, *REFERENCE_FILES])
    source = open_dataset(name, path=path, image_size=image_size)
    with Display().bar() as update:
        source.fetch(update)
        parts = [source.load(split) for split in source.splits]
    for part in parts:
        say(f"{part.name} {part.split}: {len(part):,} pictures, {len(part.class_names)} classes")


def main(stopping: Stopping | None = None) -> None:  # noqa: C901 - a branch for each way a command can end
    """Run the command line, and raise SystemExit with a status other than 0, see `confemb.cli.main`.

    Args:
        stopping: whether the process was told to stop, where somebody listens for that already.
    """
    debug = "--debug" in sys.argv
    _open_closed_streams()
    if stopping is None:
        stopping = Stopping()
        stopping.listen()
    _print_notes()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding shows what it has no letter for by its number.
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_empty(sys.argv[1:])
        # Orbax's, where a command is interrupted: typer lets go of them before it says so.
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
        status = app(prog_name="confemb", standalone_mode=False)
        if status == _INTERRUPTED:
            _stopped(stopping)
        sys.exit(status or 0)
    except _UsageError as error:
        _refuse_usage(error)
    except ConfembError as error:
        if debug:
            raise
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _stopped(stopping)
    except Exception as error:
        if stopping.status is not None:
            # Some libraries turn an interrupt into an error of their own.
            _stopped(stopping)
        if debug:
            raise
        if isinstance(error, ImportError) and (missing := missing_library(error)):
            _fail(str(missing), 2)
        if isinstance(error, OSError) and error.filename is not None:
            # A path that cannot be used, by its length or for want of a right, is the user's to mend.
            _fail(str(ConfembError(f"{error.filename}: {error.strerror or error}; choose another path.")), 2)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            # Files' writers name theirs: it was the terminal, or the file that the output goes to.
            _fail(f"cannot write the output: {error.strerror}.", 2)
        said = visible(" ".join(f"{type(error).__name__}: {error}".split()))
        _fail(f"{said} (this is a failure of confemb; --debug shows where)", 1)


class _Notes(logging.Handler):
    """Prints what is said of an input, each sentence once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a note on stderr."""
        if (text := record.getMessage()) not in self._said:
            self._said.add(text)
            note(text)


def _print_notes() -> None:
    log = logging.getLogger("confemb")
    for handler in [one for one in log.handlers if isinstance(one, _Notes)]:
        log.removeHandler(handler)
    log.addHandler(_Notes())


def _open_closed_streams() -> None:
    """Lead the standard streams that whoever started this closed nowhere, so that no file takes their place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse an argument without a letter: as a path it would mean the folder that one is in."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument and not (argument.startswith("--") and argument.endswith("=")):
            continue
        where = argument or (f"{before} ''" if before.startswith("-") else "''")
        raise ConfembError(f"{where} is empty: give a value, or leave it out; a shell variable may be unset.")


def _refuse_usage(error: Exception) -> NoReturn:
    """Say what is wrong with the arguments, as typer does, but with every argument shown as text."""
    from typer.rich_utils import rich_format_error

    told: Any = error
    message = shown(told.format_message())
    told.format_message = lambda: message
    rich_format_error(told)
    sys.exit(told.exit_code)


def _stopped(stopping: Stopping) -> NoReturn:
    quietly()
    typer.echo(STOPPED, err=True)
    sys.exit(_INTERRUPTED if stopping.status is None else stopping.status)


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"confemb: {shown(message)}", err=True)
    sys.exit(status)


def _run_stages(experiment: "Experiment", out: Path | None, until: Any, distributed: str | None) -> None:
    from confemb.pipeline.run import run_experiment, run_together

    folder = out or Path("reports") / experiment.name
    if distributed is None:
        say_text(run_experiment(experiment, folder, until=until))
        return
    from confemb.networks.training.distributed import join, leave

    team = join(distributed)
    printed = run_together(experiment, folder, team, until=until)
    leave()
    if team.lead:
        say_text(printed)
