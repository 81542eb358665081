"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ExperimentName = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="A TOML file, or a name: confemb list.")]
OutFolder = Annotated[Path | None, typer.Option("--out", help="The result folder. Default: reports/NAME.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace one value, as training.epochs=2; several times."),
]
PairedClasses = Annotated[
    int | None,
    typer.Option("-k", help="Predicted classes to pair with the true one. Default: 3, or as many as there are."),
]


def given_paths(*paths: object) -> list[str]:
    """Return those of some options that were given, as paths; of FILE.csv:COLUMN the file."""
    return [each.rpartition(":")[0] if ".csv:" in each.lower() else each for each in map(str, filter(None, paths))]


ResultFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a result.")]
ClassNames = Annotated[
    str | None,
    typer.Option(help="Class names in index order: a text file, a JSON list, FILE.csv:COLUMN, or imagenet."),
]
