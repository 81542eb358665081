"""Text as cells of CSV and TSV files: no cell is torn into several, and no spreadsheet runs one as a formula."""

import re
from collections.abc import Iterable, Sequence

# What a spreadsheet takes for the beginning of a formula, also in full width or behind apostrophes:
# at the beginning of a cell, and behind what another country's spreadsheet takes for the end of one.
_FORMULA = r"(?<![^;\t\r\n])%s('*)(?=[=+\-@\t\r\n＝＋－＠])"
_BARE, _NEUTRAL = re.compile(_FORMULA % ""), re.compile(_FORMULA % "'")
# Where a reader may end a cell or a line: by the standard, and by `str.splitlines`.
_QUOTED = re.compile('[,"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]')


def neutral_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula; `plain_cell` takes it off.

    Spreadsheets take "=1+1" in a CSV file for a formula, which may call programs. The apostrophe makes it text.
    """
    return _BARE.sub(r"'\1", text)


def plain_cell(text: str) -> str:
    """Undo `neutral_cell`, exactly."""
    return _NEUTRAL.sub(r"\1", text)


def csv_cell(text: str) -> str:
    """Return text as a CSV cell: neutral, and quoted where it must be."""
    text = neutral_cell(text)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def csv_cells(names: Iterable[str]) -> list[str]:
    """Return texts, such as class names, as CSV cells."""
    return [csv_cell(name) for name in names]


def tsv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return rows, header first, as tab-separated text with line feeds.

    The format has no quotes: blanks of any kind within a cell become single blanks. Cells are neutral as in CSV, but
    for numbers.
    """
    return "".join("\t".join(map(tsv_cell, row)) + "\n" for row in rows)


def tsv_cell(text: str) -> str:
    """Return text as a cell of tab-separated text, see `tsv_text`."""
    text = " ".join(text.split())
    return text if _NUMBER.fullmatch(text) else neutral_cell(text)


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
