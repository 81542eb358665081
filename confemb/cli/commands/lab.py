"""Commands of the embedding-space lab: `confemb lab nearest | analogies | embed | plot | measure | export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.options import given_paths
from confemb.cli.commands.printing import note, say, say_text
from confemb.cli.commands.words import CLASSIFIER, LAYER, Network, load_activations
from confemb.support.errors import ConfembError
from confemb.support.output_folder import check_output, refuse_input
from confemb.support.ranges import MOST_SEED

if TYPE_CHECKING:
    from confemb.spaces.lab.labelled import LabelledVectors

lab = typer.Typer(no_args_is_help=True, help="The embedding-space lab: look at and measure any vectors.")

WordFile = Annotated[
    Path,
    typer.Argument(
        metavar="VECTORS", help="GloVe or word2vec, text or binary (.bin), also .gz and .zip (FILE.zip/NAME)."
    ),
]
AnyVectors = Annotated[
    Path,
    typer.Argument(metavar="VECTORS", help="An .npz of confemb lab embed, a result folder, or a file of word vectors."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="A .tsv of word and label, for word vectors and results. Default: a result's groups."
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of everything random.")]
Chosen = Annotated[
    list[str] | None, typer.Option("--class", help="Only this class; may be given several times. Default: all.")
]


@lab.command()
def nearest(
    file: WordFile,
    out: Annotated[Path, typer.Option("--out", help="Where the table goes: word, nearest word, cosine.")],
    words: Annotated[int, typer.Option(min=2, help="Of so many words, from the first on, among themselves.")] = 10_000,
) -> None:
    """Write the nearest word of each of the first words."""
    from confemb.records.word_vectors import WordVectors
    from confemb.spaces.lab.neighbours import nearest_words
    from confemb.support.progress import Display

    refuse_input(out, [file])
    vectors = WordVectors.load(file, limit=words)
    with Display().bar() as update:
        found = nearest_words(vectors, words=words, progress=update)
    found.save(out)
    say(f"the nearest of {len(found.words):,} words: {out}")


@lab.command()
def analogies(
    file: WordFile,
    questions: Annotated[
        Path,
        typer.Argument(metavar="QUESTIONS", help="Sections ': name', then four words a line, or pairs of two words."),
    ],
    limit: Annotated[int | None, typer.Option(min=4, help="Use only so many words, from the first on.")] = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Write the table as CSV, too.")] = None,
) -> None:
    """Score a set of analogies, as word2vec's questions-words.txt; one by one: confemb words analogy."""
    from confemb.records.word_vectors import WordVectors
    from confemb.reporting.study import frame_csv
    from confemb.reporting.tables import plain_markdown
    from confemb.spaces.lab.analogies import load_analogies, score_analogies
    from confemb.spaces.lab.report import analogy_frame, analogy_table
    from confemb.support.errors import quoted_list
    from confemb.support.files import write_text

    if out is not None:
        refuse_input(out, [file, questions])
    asked = load_analogies(questions)
    scores = score_analogies(WordVectors.load(file, limit=limit), asked, seed=seed)
    if out is not None:
        write_text(out, frame_csv(analogy_frame(scores)))
    say(*plain_markdown(analogy_table(scores, asked.name)))
    if scores.unknown:
        say(f"{len(scores.unknown)} words are unknown: {quoted_list(scores.unknown)}")


@lab.command()
def embed(
    pictures: Annotated[Path, typer.Argument(metavar="PICTURES", help="A folder with a folder of pictures a class.")],
    out: Annotated[Path, typer.Option("--out", help="NAME.npz: embeddings, labels, class_names, ids.")],
    classifier: Annotated[str, typer.Option(help="Weights: resnet50:keras, hf:ORG/NAME, or a file.")] = CLASSIFIER,
    layer: Annotated[str, typer.Option(help="Whose activations: avg_pool, stage3, fc2, ...")] = LAYER,
    network: Network = None,
) -> None:
    """Make a vector for each picture; go on where a stopped run left off."""
    from confemb.spaces.lab.pictures import embed_pictures, summary
    from confemb.support.progress import Display

    with Display().bar() as update:
        found = embed_pictures(pictures, load_activations(classifier, layer, network), out, progress=update)
    say_text(summary(found, out))


@lab.command()
def plot(
    vectors: AnyVectors,
    out: Annotated[Path, typer.Option("--out", help="NAME.png or NAME.svg.")],
    method: Annotated[str, typer.Option(help="tsne or pca.")] = "tsne",
    chosen: Chosen = None,
    labels: Labels = None,
    points: Annotated[int, typer.Option(min=5, help="At most so many vectors, drawn in equal shares.")] = 2_000,
    perplexity: Annotated[float, typer.Option(min=1, help="Of t-SNE: about how many neighbours count.")] = 30.0,
    seed: Seed = 0,
) -> None:
    """Draw a map of the vectors of chosen classes."""
    from confemb.reporting import style
    from confemb.spaces.lab.maps import draw_map, draw_sample, make_map

    kind = out.suffix.removeprefix(".")
    if kind not in ("png", "svg"):
        raise ConfembError(f"{out} must end in .png or .svg.")
    shown = draw_sample(_open(vectors, labels, chosen), most=points, seed=seed)
    found = make_map(shown.vectors, method, perplexity=perplexity, seed=seed)
    with style.figure_style():
        figure = draw_map(shown, found)
    style.save_bytes(out, style.figure_bytes(figure, kind, dpi=150))
    say(f"{len(shown):,} vectors of {len(shown.class_names)} classes by {found.caption()}: {out}")


@lab.command()
def measure(
    vectors: AnyVectors,
    out: Annotated[Path, typer.Option("--out", help="The folder of the report.")],
    judge: Annotated[Path | None, typer.Option("--test", help="Others to judge the SVM by, as VECTORS.")] = None,
    labels: Labels = None,
    chosen: Chosen = None,
    counts: Annotated[
        list[int] | None,
        typer.Option("--classes", help="Numbers of classes to measure over; several times. Default: 5, 10, ... all."),
    ] = None,
    subsets: Annotated[int, typer.Option(min=2, help="Random subsets for each of them.")] = 10,
    shown: Annotated[list[str] | None, typer.Option("--show", help="A class on the maps; several times.")] = None,
    seed: Seed = 0,
) -> None:
    """Cluster, classify and map vectors, and write a report: NMI, linear SVM, PCA, t-SNE."""
    from confemb.reporting.study import write_study
    from confemb.spaces.lab.examination import examine
    from confemb.spaces.lab.report import examination_study
    from confemb.support.files import sha256_file
    from confemb.support.manifest import versions
    from confemb.support.progress import Display

    check_output(out, inputs=given_paths(vectors, judge, labels))
    learnt = _open(vectors, labels, chosen)
    others = None if judge is None else _open(judge, labels, chosen)
    with Display().bar() as update:
        found = examine(learnt, judge=others, counts=counts, subsets=subsets, shown=shown, seed=seed, progress=update)
    files = {path.name: sha256_file(path) for path in (vectors, judge, labels) if path is not None and path.is_file()}
    manifest = {"vectors": vectors.name, "sha256": files, "seed": seed, "subsets": subsets, "versions": versions()}
    title = f"What the vectors of {vectors.resolve().name} tell apart"
    say_text(write_study(examination_study(found, title=title, description="", manifest=manifest), out))


@lab.command()
def export(
    vectors: AnyVectors,
    out: Annotated[Path, typer.Option("--out", help="The folder of vectors.tsv and metadata.tsv.")],
    labels: Labels = None,
    chosen: Chosen = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Of unlabelled words: only so many, the first ones.")] = None,
) -> None:
    """Write vectors for the TensorBoard projector, projector.tensorflow.org."""
    from confemb.records.word_vectors import WordVectors
    from confemb.spaces.lab.projector import export_labelled, export_projector
    from confemb.spaces.lab.sources import open_classes

    if vectors.suffix == ".npz" or labels is not None or chosen:
        files = export_labelled(_open(vectors, labels, chosen), out)
    else:
        words = open_classes(vectors) if vectors.is_dir() else WordVectors.load(vectors, limit=limit)
        files = export_projector(words.vectors, words.words, out)
    say(*map(str, files))


def _open(vectors: Path, labels: Path | None, chosen: list[str] | None) -> "LabelledVectors":
    from confemb.spaces.lab.sources import open_labelled
    from confemb.support.errors import quoted_list

    found, missing = open_labelled(vectors, labels)
    if missing:
        note(f"no vectors of {len(missing)} words in {labels}: {quoted_list(missing)}.")
    return found.of_classes(chosen) if chosen else found
