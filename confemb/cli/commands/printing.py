"""What commands print: lines, in which no foreign text moves the cursor, turns the writing around or forges a line."""

import typer

from confemb.support.errors import shown


def say(*lines: str) -> None:
    """Print lines on standard output: each stays one line, whatever names it holds, see `errors.shown`."""
    for line in lines:
        typer.echo(shown(line))


def say_text(text: str) -> None:
    """Print text of several lines; the names in it must have been shown already (`confemb.support.errors.shown`)."""
    say(*text.split("\n"))


def note(text: str) -> None:
    """Print a note as one line on standard error."""
    typer.echo(f"confemb: note: {shown(text)}", err=True)
