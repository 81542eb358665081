"""The command `explore`: one offline page in which a confusion can be clicked."""

from pathlib import Path
from typing import Annotated

import typer

from confemb.cli.commands.options import ClassNames
from confemb.cli.commands.printing import say


def explore(
    result: Annotated[
        str,
        typer.Argument(
            metavar="RESULT", help="A result folder, a file of predictions, or FILE.npz:NAME for one of many in it."
        ),
    ],
    other: Annotated[
        str | None, typer.Argument(metavar="[OTHER]", help="Another: the page shows what changed from RESULT to it.")
    ] = None,
    pictures: Annotated[
        str | None,
        typer.Option(help="Show the pictures: a dataset's name, or a folder in which the ids are files."),
    ] = None,
    texts: Annotated[Path | None, typer.Option(help="Show the texts: a CSV file with columns id and text.")] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="MB", help="Room for pictures, texts and ids. Default: 3, above 100 classes 8."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("explorer.html"),
    split: Annotated[str | None, typer.Option(help="Only the items of one split, as test.")] = None,
    classes: ClassNames = None,
    title: Annotated[str | None, typer.Option(help="The page's heading. Default: the result's.")] = None,
    item: Annotated[str | None, typer.Option(help="What was classified, one of it: picture, text, ...")] = None,
    level: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The false-discovery rate for changes between two results.")
    ] = 0.05,
) -> None:
    """Write one offline page to explore a result: its confusions, what is behind each, map and tree."""
    from confemb.records.class_cells import load_class_names
    from confemb.result.explore import ExploreOptions
    from confemb.result.explore import explore as make_page
    from confemb.support.files import write_text

    options = ExploreOptions(
        pictures=pictures,
        texts=texts,
        split=split,
        class_names=None if classes is None else load_class_names(classes),
        title=title,
        item=item,
        budget=budget,
        level=level,
    )
    page = make_page(result, other, options)
    write_text(out, page.html)
    say(f"explorer: {out} ({len(page.html.encode('utf-8')) / 1e6:.1f} MB); open it in a browser.")
