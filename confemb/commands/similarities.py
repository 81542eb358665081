"""Commands that look at the similarities of finished results: `similar` and `compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.errors import unknown_name

if TYPE_CHECKING:
    from confemb.similarity import SimilarityMatrix

ResultFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a result.")]


def similar(
    folder: ResultFolder,
    class_name: Annotated[str, typer.Argument(metavar="CLASS")],
    top: Annotated[int, typer.Option(min=1, help="How many classes.")] = 10,
) -> None:
    """Print the classes nearest to one, with the spread over seeds."""
    similarity = result_similarity(folder)
    order = similarity.order_for(class_name)[:top]
    row = similarity.index(class_name)
    width = max((len(similarity.class_names[i]) for i in order), default=0)
    for i in order:
        line = f"{similarity.class_names[i]:<{width}}  {similarity.values[row, i]:+.3f}"
        if similarity.low is not None and similarity.high is not None:
            line += f"  [{similarity.low[row, i]:+.3f}, {similarity.high[row, i]:+.3f}]"
        typer.echo(line)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A result folder, a square CSV, or a reference.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
) -> None:
    """Tell how well two results, or a result and a reference, agree."""
    from confemb.similarity import agreement

    first, second = similarity_of(a), similarity_of(b)
    found = agreement(first, second)
    typer.echo(f"Spearman {found.spearman:.3f}, Pearson {found.pearson:.3f} over {found.pairs} pairs")
    typer.echo(f"nearest class the same for {found.nearest_right} of {found.nearest_columns} classes")
    for name, here, there in found.nearest_wrong:
        typer.echo(f"  {name}: {here} in {a}, {there} in {b}")


def result_similarity(folder: Path) -> "SimilarityMatrix":
    """Return the medians over the seeds of a finished result, with intervals."""
    from confemb.embedding import EmbeddingRuns
    from confemb.results import RUNS, open_result
    from confemb.statistics import summarise_runs

    open_result(folder)
    return summarise_runs(EmbeddingRuns.load(folder / RUNS)).similarity


def similarity_of(what: str) -> "SimilarityMatrix":
    """Return the similarity of a result folder, a square CSV or a reference; raises ConfembError for neither."""
    from confemb.references import REFERENCES
    from confemb.results import load_reference
    from confemb.similarity import SimilarityMatrix

    path = Path(what)
    if path.is_dir():
        return result_similarity(path)
    if path.is_file():
        return SimilarityMatrix.load_matrix(path)
    if what not in REFERENCES.names():
        raise unknown_name("result or reference", what, REFERENCES.names())
    return load_reference(what)
