"""Plain tables: made of text cells once, written as Markdown here, as LaTeX and HTML elsewhere."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from confemb.support.errors import visible

# Similarities below it, as the shares of people's votes are, are told with a decimal more.
SMALL = 0.1
# What Markdown reads as markup anywhere in a line, a closing "#" of a heading among it, and at a line's beginning.
_MARKUP = re.compile(r"[\\|*`<&~$]|](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])|#(?=#*$)|!(?=\[)")
_BLOCK = re.compile(r"^(?:[#>=]|[+-](?=[ -]|$)|[0-9]{1,9}[.)](?= |$))")


@dataclass(frozen=True)
class Table:
    """A plain table of text cells; `align` holds "l" (left) or "r" (right) for each column."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]
    align: str


def number(value: float | None, digits: int = 2) -> str:
    """Format a number with a fixed count of decimals; a dash where there is none, never "-0.00"."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def p_value(value: float | None) -> str:
    """Format a p-value: three decimals, "<0.001" below, a dash where there is none."""
    return "<0.001" if value is not None and 0 <= value < 0.001 else number(value, 3)


def interval(low: float | None, high: float | None) -> str:
    """Format an interval, "" where there is none."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def decimals_of(similarities: np.ndarray) -> int:
    """Return how many decimals similarities need: 2, or 3 where all are small, ones (a diagonal) and NaN apart."""
    sizes = np.where(similarities == 1, 0.0, np.abs(np.nan_to_num(similarities)))
    return 3 if sizes.max(initial=0.0) < SMALL else 2


def frame_table(title: str, frame: pd.DataFrame, *, note: str = "", digits: int = 2) -> Table:
    """Return a data frame as a plain table: fractions with `digits` decimals, numbers to the right, no index.

    Whole numbers have commas between thousands. A column "p" holds p-values. The columns' names lose their underscores,
    and Spearman's gets its capital.
    """

    def text(name: str, value: Any) -> str:
        if name == "p":
            return p_value(value)
        if value is pd.NA or pd.api.types.is_float_dtype(frame[name]):
            return number(None if value is pd.NA else value, digits)
        return f"{value:,}" if pd.api.types.is_integer_dtype(frame[name]) else str(value)

    columns = [[text(name, value) for value in frame[name].tolist()] for name in frame.columns]
    align = "".join("r" if pd.api.types.is_numeric_dtype(frame[name]) else "l" for name in frame.columns)
    return Table(
        title,
        note,
        [str(name).replace("_", " ").replace("spearman", "Spearman") for name in frame.columns],
        [list(r) for r in zip(*columns, strict=True)],
        align,
    )


def plain_markdown(table: Table) -> list[str]:
    """Return a plain table as lines of Markdown, with its title and note."""
    lines = [f"## {markdown_text(table.title)}", "", *([markdown_line(table.note), ""] if table.note else [])]
    return lines + markdown_table(table.header, table.rows, table.align)


def frame_to_markdown(frame: pd.DataFrame, *, digits: int = 2) -> str:
    """Return `frame_table` as Markdown, without a title; the columns' names as they are."""
    table = frame_table("", frame, digits=digits)
    return "\n".join(markdown_table([str(name) for name in frame.columns], table.rows, table.align))


def markdown_table(header: list[str], rows: list[list[str]], align: str) -> list[str]:
    """Return text cells as lines of Markdown; `align` holds "l" or "r" for each column."""
    rules = ["---:" if side == "r" else "---" for side in align]
    lines = [header, rules, *rows]
    cells = [line if line is rules else [markdown_text(cell) for cell in line] for line in lines]
    return [*("| " + " | ".join(line) + " |" for line in cells), ""]


def markdown_text(text: str) -> str:
    """Escape what Markdown would read as markup within a line; an underscore within a word is none."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))


def markdown_line(text: str) -> str:
    """Escape what Markdown would read as markup in a line of its own: also what would begin a list or a heading."""
    return _BLOCK.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", markdown_text(text))
