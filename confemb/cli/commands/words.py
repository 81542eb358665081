"""Commands for word vectors: `confemb words vectors | nouns | similarity | nearest | analogy | translate`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.printing import note, say, say_text
from confemb.support.errors import ConfembError, shown

if TYPE_CHECKING:
    from confemb.records.word_vectors import WordVectors
    from confemb.spaces.words.activations import NetworkActivations
    from confemb.spaces.words.sources import PictureSource

CLASSIFIER, LAYER = "resnet50:keras", "avg_pool"

words = typer.Typer(no_args_is_help=True, help="Word vectors: from pictures by a classifier, or from text.")

VectorsFile = Annotated[
    Path,
    typer.Option(
        "--vectors",
        envvar="CONFEMB_VECTORS",
        help="word2vec text or binary (.bin), or GloVe; also .gz, .zip (FILE.zip/NAME).",
    ),
]
Top = Annotated[int, typer.Option(min=1, help="How many words.")]
Network = Annotated[
    str | None, typer.Option(help="Whose weights a file holds, where it does not say: vgg16, resnet50, ...")
]
DEFAULT_VECTORS = Path("word_vectors.bin")


@words.command()
def vectors(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Pictures: a folder (car.jpg, or car/*.jpg), a .tsv of word and path, a dataset (cifar10, tfds:NAME).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="NAME.bin for binary, else text.")] = DEFAULT_VECTORS,
    classifier: Annotated[str, typer.Option(help="Weights: resnet50:keras, hf:ORG/NAME, or a file.")] = CLASSIFIER,
    layer: Annotated[str, typer.Option(help="Whose activations: avg_pool, stage3, fc2, ...")] = LAYER,
    network: Network = None,
    only: Annotated[Path | None, typer.Option("--words", help="Only the words in this file, one a line.")] = None,
    pictures: Annotated[int | None, typer.Option(min=1, help="At most so many pictures a word. Default: all.")] = None,
    split: Annotated[str | None, typer.Option(help="Of a dataset. Default: its first.")] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Of a dataset whose pictures differ in size: resize them to it.")
    ] = None,
) -> None:
    """Make a vector for each word from its pictures; go on where a stopped run left off."""
    from confemb.spaces.words.sources import ChosenWords, JoinedPictures
    from confemb.spaces.words.visual import summary, visual_vectors
    from confemb.support.progress import Display

    found = [_source(name, split, image_size) for name in sources]
    source = found[0] if len(found) == 1 else JoinedPictures(found)
    if only is not None:
        chosen = ChosenWords(source, _lines(only))
        if chosen.missing:
            note(f"no pictures of {len(chosen.missing)} of the words in {only}.")
        source = chosen
    with Display().bar() as update:
        made = visual_vectors(
            source, load_activations(classifier, layer, network), out, pictures_per_word=pictures, progress=update
        )
    say_text(summary(made, out))


@words.command()
def nouns(
    wordnet: Annotated[
        Path | None, typer.Option(help="A folder with WordNet's files. Default: where they usually are.")
    ] = None,
    names: Annotated[bool, typer.Option(help="Keep proper names, of people and places.")] = True,
) -> None:
    """Print WordNet's nouns, one a line: what to look for pictures of."""
    from confemb.references.wordnet_database import reading_wordnet
    from confemb.spaces.words.nouns import wordnet_nouns

    with reading_wordnet(wordnet) as opened:
        found = wordnet_nouns(opened, names=names)
    say(*found)


@words.command()
def similarity(
    word_1: Annotated[str, typer.Argument(metavar="WORD")],
    word_2: Annotated[str, typer.Argument(metavar="WORD")],
    file: VectorsFile = DEFAULT_VECTORS,
) -> None:
    """Print the cosine of two words' vectors."""
    say(f"{_vectors(file).similarity(word_1, word_2):+.3f}")


@words.command()
def nearest(
    word: Annotated[str, typer.Argument(metavar="WORD")], file: VectorsFile = DEFAULT_VECTORS, top: Top = 10
) -> None:
    """Print the words nearest to one."""
    _print_words(_vectors(file).nearest(word, top=top))


@words.command()
def analogy(
    terms: Annotated[list[str], typer.Argument(metavar="WORD [+|- WORD]...", help="For example: king - man + woman")],
    file: VectorsFile = DEFAULT_VECTORS,
    top: Top = 10,
) -> None:
    """Print the words nearest to a sum of words: king - man + woman."""
    positive: list[str] = []
    negative: list[str] = []
    into, expected = positive, True
    for term in terms:
        if term in ("+", "-"):
            into, expected = (positive if term == "+" else negative), True
        elif expected:
            into.append(term)
            expected = False
        else:
            raise ConfembError(f"before {term!r} a + or - is missing: write for example 'king - man + woman'.")
    if expected:
        raise ConfembError(f"after {terms[-1]!r} a word is missing: write for example 'king - man + woman'.")
    _print_words(_vectors(file).analogy(positive, negative, top=top))


@words.command()
def translate(
    pictures: Annotated[
        Path,
        typer.Argument(metavar="PICTURE", help="A picture, a folder of pictures named in another language, or .tsv."),
    ],
    file: VectorsFile = DEFAULT_VECTORS,
    top: Top = 5,
    classifier: Annotated[str | None, typer.Option(help="Default: the one the vectors are from.")] = None,
    layer: Annotated[str | None, typer.Option(help="The same.")] = None,
    network: Network = None,
) -> None:
    """Say what pictures show: the words whose vectors are nearest."""
    from confemb.spaces.words.sources import FolderPictures, NamedPictures, TablePictures
    from confemb.spaces.words.translation import translate
    from confemb.support.part_files import made_by
    from confemb.support.progress import Display

    source: PictureSource
    if pictures.is_dir():
        source = FolderPictures(pictures)
    elif pictures.suffix == ".tsv":
        source = TablePictures(pictures)
    else:
        source = NamedPictures({pictures.stem: [pictures]}, name=pictures.name)
    known = _vectors(file)
    maker = made_by(file)
    of_file = maker.rsplit("/", 2) if maker else [CLASSIFIER, LAYER]
    activations = load_activations(classifier or of_file[0], layer or of_file[1], network)
    if maker and activations.name != maker:
        raise ConfembError(f"{file} was made by {maker}, not by {activations.name}: use the same classifier.")
    with Display().bar() as update:
        found, skipped = translate(source, activations, known, top=top, progress=update)
    width = max(len(shown(each.word)) for each in found)
    for each in found:
        say(f"{shown(each.word):<{width}}  " + "  ".join(f"{word} {cosine:.3f}" for word, cosine in each.nearest))
    for broken in skipped:
        note(f"skipped: {broken.reason}")


def _source(name: str, split: str | None, image_size: int | None) -> "PictureSource":
    """Return the pictures of a folder, a table or a dataset."""
    from confemb.spaces.words.sources import DatasetPictures, FolderPictures, TablePictures

    path = Path(name)
    if path.is_dir():
        return FolderPictures(path)
    if path.suffix == ".tsv":
        return TablePictures(path)
    if path.exists() or "/" in name:
        raise ConfembError(f"{name} is neither a folder of pictures nor a .tsv of words and paths.")
    from confemb.datasets import DATASETS, is_dataset_name, open_dataset
    from confemb.support.errors import unknown_name

    if not is_dataset_name(name):
        unknown = unknown_name("dataset", name.partition(":")[0], DATASETS.names())
        raise ConfembError(f"there is no folder or .tsv {name!r} here; {unknown}")
    dataset = open_dataset(name, image_size=image_size)
    return DatasetPictures(dataset.load(split or dataset.splits[0]))


def load_activations(classifier: str, layer: str, network: str | None) -> "NetworkActivations":
    """Return a layer of a network with weights, fetched where needed; `network` is for files that do not say which."""
    from confemb.networks.pretrained.models import load_pretrained
    from confemb.spaces.words.activations import NetworkActivations
    from confemb.support.progress import Display

    with Display().bar() as update:
        return NetworkActivations(load_pretrained(classifier, classifier=network, progress=update), layer=layer)


def _vectors(file: Path) -> "WordVectors":
    from confemb.records.word_vectors import WordVectors

    if file == DEFAULT_VECTORS and not file.exists():
        raise ConfembError(
            f"there is no {file} here: make it with `confemb words vectors`, or name a file by --vectors."
        )
    return WordVectors.load(file)


def _lines(path: Path) -> list[str]:
    from confemb.support.files import read_lines

    return ["_".join(line.split()) for line in read_lines(path) if line.strip()]


def _print_words(found: Iterable[tuple[str, float]]) -> None:
    lines = [(shown(word), cosine) for word, cosine in found]
    width = max((len(word) for word, _ in lines), default=0)
    for word, cosine in lines:
        say(f"{word:<{width}}  {cosine:+.3f}")
