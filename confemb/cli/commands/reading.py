"""The options that say how an input is to be read, the same for every command that reads one."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, get_type_hints

import typer

from confemb.records.read_options import ReadOptions
from confemb.support.errors import ConfembError, one_of


def _option(name: str, text: str, **more: Any) -> Any:
    return Annotated[str | None, typer.Option(name, help=text, rich_help_panel="How the input is read", **more)]


_TABLES = {
    "label_column": _option("--label-column", "The column of true classes, where it has another name than label."),
    "top_columns": _option(
        "--top-columns", "The columns of predicted classes, best first, as A,B,C.", metavar="A,B,..."
    ),
    "prob_columns": _option(
        "--prob-columns",
        "Beside --top-columns their probabilities; else one column for each class, called after it.",
        metavar="A,B,...",
    ),
    "cells": _option("--cells", "What numbers among the classes are: names, indices, or ids of the list in --classes."),
    "first_index": _option("--first-index", "Whether class indices count from 0 or 1.", metavar="0|1"),
    "order": _option("--order", "Predicted classes stand best first (falling) or best last (rising)."),
}
_SQUARES = {
    "rows": _option("--rows", "What the rows of a confusion matrix are: true or predicted classes."),
    "kind": _option("--kind", "What a square table holds: counts or shares; similarity or distance."),
}


def reads(*, tables: bool = True, squares: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of `ReadOptions`, and its argument `reading` the record of what they say.

    Args:
        tables: the options for tables of predictions.
        squares: those for square tables.
    """
    added = (_TABLES if tables else {}) | (_SQUARES if squares else {})

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(command, include_extras=True)

        @functools.wraps(command)
        def called(**arguments: Any) -> Any:
            said = {name: arguments.pop(name, None) for name in added}
            return command(**arguments, reading=read_options(**said))

        signature = inspect.signature(command)
        own = [one.replace(annotation=hints[name]) for name, one in signature.parameters.items() if name != "reading"]
        extra = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in added.items()
        ]
        called.__signature__ = inspect.Signature([*own, *extra])  # type: ignore[attr-defined]
        called.__annotations__ = {name: hints[name] for name in hints if name not in ("reading", "return")} | added
        return called

    return decorate


def read_options(
    label_column: str | None = None,
    top_columns: str | None = None,
    prob_columns: str | None = None,
    cells: str | None = None,
    first_index: str | None = None,
    order: str | None = None,
    rows: str | None = None,
    kind: str | None = None,
) -> ReadOptions:
    """Return the record of options as they stand on the command line; raises ConfembError for an unknown value."""

    def choice(name: str, value: str | None, *allowed: str) -> Any:
        return None if value is None else one_of(name, value, *allowed)

    first = choice("--first-index", first_index, "0", "1")
    return ReadOptions(
        label_column=label_column,
        top_columns=_columns("--top-columns", top_columns),
        prob_columns=_columns("--prob-columns", prob_columns),
        cells=choice("--cells", cells, "names", "indices", "ids"),
        first_index=None if first is None else (1 if first == "1" else 0),
        order=choice("--order", order, "falling", "rising"),
        rows=choice("--rows", rows, "true", "predicted"),
        kind=choice("--kind", kind, "counts", "shares", "similarity", "distance"),
    )


def _columns(option: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ConfembError(f"{option} {text!r} names an empty column: give names parted by commas.")
    return names


def with_classes(classes: str | None, reading: ReadOptions) -> tuple[tuple[str, ...] | None, ReadOptions]:
    """Return the class names in a file, and the options with the ids that it gives them."""
    from confemb.records.class_cells import load_class_list

    if classes is None:
        return None, reading
    found = load_class_list(classes)
    return found.names, replace(reading, class_ids=found.ids)
