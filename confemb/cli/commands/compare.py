"""The command `compare`: two results, or a result and a reference."""

from pathlib import Path
from typing import Annotated

import typer

from confemb.cli.commands.printing import say, say_text
from confemb.cli.commands.reading import reads
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.support.ranges import MOST_SEED


@reads(tables=False)
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A result folder, a square CSV, or a reference.")],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="The same: paper, cifar10h, wordnet:wup, wordnet:path, glove:FILE, ..."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Draw it too: a folder, or a file NAME.png or NAME.svg (both are written)."),
    ] = None,
    permutations: Annotated[
        int | None,
        typer.Option(min=99, help="Shuffles for the p-value. Default: 9999; 999 for more than 200 classes."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Draws them.")] = 0,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Tell how well two results, or a result and a reference, agree, and on which pairs they differ most."""
    from confemb.references import open_reference
    from confemb.references.comparison import compare
    from confemb.reporting.comparison_report import comparison_text, figure_stem, write_comparison
    from confemb.support.progress import Display

    stem = None if out is None else figure_stem(out)
    first, second = (open_reference(name, kind=reading.kind) for name in (a, b))
    with Display().bar() as update:
        found = compare(
            first,
            second,
            permutations=permutations,
            seed=seed,
            progress=lambda done, total: update("permutations", done, total),
        )
    say_text(comparison_text(found))
    if stem is not None:
        for path in write_comparison(found, stem):
            say(str(path))
