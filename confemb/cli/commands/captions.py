"""Commands for pictures and captions in one space: `confemb captions train | measure | caption | search | similar`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.options import ExperimentName, Overrides, given_paths
from confemb.cli.commands.printing import note, say, say_text
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.output_folder import check_output

if TYPE_CHECKING:
    import numpy as np

    from confemb.spaces.captions.retrieval import Ranks
    from confemb.spaces.captions.space import Among, Found, JointSpace

DEFAULT_SPACE = Path("captions_space")

captions = typer.Typer(no_args_is_help=True, help="Pictures and captions in one space: train it, and ask it.")

SpaceFolder = Annotated[
    Path, typer.Option("--space", envvar="CONFEMB_SPACE", help="The folder of a space, from `confemb captions train`.")
]
Top = Annotated[int, typer.Option(min=1, help="How many.")]
PicturesFolder = Annotated[
    Path | None, typer.Option("--pictures", help="Where the space's pictures are. Default: where they were.")
]


@captions.command()
def train(
    experiment: ExperimentName,
    file: Annotated[
        Path | None,
        typer.Option("--captions", help="A table of pictures and captions (.tsv), annotations, or MSCOCO's JSON."),
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="The folder of the pictures.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="Their features instead: a .npy with a row for each picture.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="Word vectors that words start from: GloVe, word2vec; also .gz.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder of the space.")] = DEFAULT_SPACE,
    overrides: Overrides = None,
) -> None:
    """Train a space from captioned pictures; go on where a stopped run left off."""
    from confemb.spaces.captions.run import measure, train_captions
    from confemb.spaces.captions.settings import load_captions_experiment
    from confemb.support.progress import Display

    named = {"file": file, "pictures": pictures, "features": features, "vectors": vectors}
    found = load_captions_experiment(experiment, overrides)
    given = {key: str(value) for key, value in named.items() if value is not None}
    found = found.model_copy(update={"captions": found.captions.model_copy(update=given)})
    with Display().bar() as update:
        space = train_captions(found, out, progress=update)
    say(
        f"{len(space.captions.pictures):,} pictures, {len(space.captions.texts):,} captions, "
        f"{len(space.vocabulary):,} words: {out}"
    )
    _print_measures(measure(space, "validation"), "validation")


@captions.command(name="measure")
def measure_space(
    space: SpaceFolder = DEFAULT_SPACE,
    part: Annotated[str, typer.Option(help="validation, to choose settings by, or test, to report.")] = "test",
) -> None:
    """Say how well pictures find their captions, and captions their pictures."""
    from confemb.spaces.captions.run import measure

    measured = _part(part)
    if measured == "all":
        raise ConfembError("all pictures at once cannot be measured on: name one part, validation or test.")
    _print_measures(measure(_space(space), measured), part)


@captions.command()
def caption(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A picture.")],
    space: SpaceFolder = DEFAULT_SPACE,
    top: Top = 10,
    among: Annotated[str, typer.Option(help="Whose captions: train, validation, test, or all.")] = "train",
) -> None:
    """Print the captions that suit a picture best, of those that are known."""
    loaded = _space(space)
    _print_found(loaded.captions_for(_place_picture(loaded, picture), top=top, among=_part(among)))


@captions.command()
def search(
    sentences: Annotated[list[str], typer.Argument(metavar="SENTENCE...", help="Each in quotes.")],
    space: SpaceFolder = DEFAULT_SPACE,
    top: Top = 8,
    among: Annotated[str, typer.Option(help="Which pictures: train, validation, test, or all.")] = "all",
    within: Annotated[Path | None, typer.Option(help="Look among the pictures of this folder instead.")] = None,
    pictures: PicturesFolder = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write contact sheets (PNG) and report.html into this folder.")
    ] = None,
) -> None:
    """Print the pictures that suit a sentence best; with --out show them."""
    from confemb.reporting.study import write_study
    from confemb.spaces.captions.gallery import open_gallery
    from confemb.spaces.captions.report import search_study

    if out is not None:
        check_output(out, inputs=given_paths(space, within, pictures))
    loaded = _space(space)
    gallery = open_gallery(loaded, among=_part(among), pictures=pictures, within=within)
    answers = []
    for sentence, place in zip(sentences, loaded.place_captions(sentences), strict=True):
        unknown = loaded.vocabulary.unknown(sentence)
        if unknown:
            note(f"unknown words in {sentence!r}: {quoted_list(unknown)}.")
        found = gallery.best(place, top=top)
        answers.append((sentence, unknown, found))
        if len(sentences) > 1:
            say(sentence)
        _print_found(found)
    if out is not None:
        study = search_study(answers, gallery.files)
        say_text(write_study(study, out).rpartition("\n")[2])


@captions.command()
def similar(
    what: Annotated[str, typer.Argument(metavar="SENTENCE|PICTURE", help="A sentence in quotes, or a picture.")],
    space: SpaceFolder = DEFAULT_SPACE,
    top: Top = 10,
    among: Annotated[str, typer.Option(help="Of which part: train, validation, test, or all.")] = "all",
) -> None:
    """Print the captions most like a sentence, or the pictures most like a picture, with their cosines."""
    from confemb.datasets.picture_files import SUFFIXES
    from confemb.support.files import is_there

    loaded = _space(space)
    # A sentence may be longer than any file's name; one that ends like a picture's name is a picture that is missing.
    if (is_there(what) and Path(what).is_file()) or Path(what).suffix.lower() in SUFFIXES:
        _print_found(loaded.pictures_like(_place_picture(loaded, Path(what)), top=top, among=_part(among)))
    else:
        unknown = loaded.vocabulary.unknown(what)
        place = loaded.place_captions([what])[0]
        if unknown:
            note(f"unknown words: {quoted_list(unknown)}.")
        _print_found(loaded.captions_like(place, top=top, among=_part(among)))


def _space(folder: Path) -> "JointSpace":
    from confemb.spaces.captions.space import JointSpace

    if folder == DEFAULT_SPACE and not folder.exists():
        raise ConfembError(f"there is no {folder} here: make it by `confemb captions train`, or name one by --space.")
    return JointSpace.load(folder)


def _part(name: str) -> "Among":
    from confemb.spaces.captions.space import part_named

    return part_named(name)


def _place_picture(space: "JointSpace", picture: Path) -> "np.ndarray":
    from confemb.spaces.captions.gallery import features_of

    return space.place_pictures(features_of(space, [picture], one=True))[0]


def _print_found(found: "list[Found]") -> None:
    for each in found:
        say(f"{each.score:8.3f}  {each.name}")


def _print_measures(ranks: "Ranks", part: str) -> None:
    found = ranks.measures()
    say(f"{part}: {len(ranks.captions):,} pictures, {len(ranks.pictures):,} captions")
    say(f"  pairwise accuracy {found['pairwise_accuracy']:.1%}")
    for way, text in (("caption", "a picture finds its captions"), ("picture", "a caption finds its picture")):
        recalls = ", ".join(f"{found[f'{way}_recall_{k}']:.1%}" for k in (1, 5, 10))
        say(f"  {text}: recall at 1, 5, 10: {recalls}; median rank {found[f'{way}_median_rank']:g}")
