"""The report's tables as LaTeX."""

import re

from confemb.analysis.derived import Analysis
from confemb.reporting.result_tables import (
    ColumnTable,
    cell_text,
    column_note,
    column_tables,
    cosine_text,
    intervals_of,
    plain_tables,
)
from confemb.reporting.tables import Table
from confemb.support.errors import visible

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", '"': "''", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}",
}  # fmt: skip
# Two hyphens, or two apostrophes, would be set as one sign.
_PARTED = re.compile("-(?=-)|'(?=')")
# Up to here pdflatex knows every letter.
_LAST_LATIN = "\u017f"


def latex_text(text: str) -> str:
    """Escape LaTeX's special characters and set minus signs before numbers as such."""
    parts = _PARTED.split(visible(" ".join(text.split())))
    signs = [*_PARTED.findall(visible(" ".join(text.split()))), ""]
    escaped = "".join(
        "".join(_LATEX.get(character, character) for character in part) + (f"{sign}{{}}" if sign else "")
        for part, sign in zip(parts, signs, strict=True)
    )
    return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", escaped)


def to_latex(analysis: Analysis) -> str:
    """Return all tables as LaTeX (packages booktabs, graphicx, longtable)."""
    out = [r"% \usepackage{booktabs,graphicx,longtable}", ""]
    note = latex_text(column_note(analysis))
    for table in column_tables(analysis):
        caption = f"{latex_text(table.title)}. {note}"
        if analysis.whole:
            out += _latex_columns(table, caption, with_reference=analysis.result.reference is not None)
        else:
            rows = [[name, ", ".join(cell_text(n) for n in column)] for name, column in table.columns]
            out += _latex_long(caption, ["class", "nearest, with cosine"], rows)
    for plain in plain_tables(analysis):
        out += plain_latex(plain)
    return needs_unicode(out)


def needs_unicode(lines: list[str]) -> str:
    """Join the lines of a LaTeX file; where pdflatex lacks one of their letters, the first line says what has it."""
    text = "\n".join(lines)
    foreign = max(text, default="") > _LAST_LATIN and any(c > _LAST_LATIN and c.isalpha() for c in text)
    return ("% Some names have letters that pdflatex lacks: use lualatex or xelatex.\n" if foreign else "") + text


def plain_latex(table: Table) -> list[str]:
    """Return a plain table as lines of LaTeX."""
    caption = " ".join(latex_text(part) for part in (f"{table.title}.", table.note) if part)
    if table.title == "Clusters":
        return _latex_long(caption, table.header, table.rows)
    return _latex_table(caption, table.align, [_latex_row(table.header)], [_latex_row(row) for row in table.rows])


def _latex_row(cells: list[str]) -> str:
    return _joined([latex_text(cell) for cell in cells])


def _joined(cells: list[str]) -> str:
    """Join LaTeX cells into a row; a row must not begin with what the line break before it takes for its own."""
    row = " & ".join(cells) + r" \\"
    return "{}" + row if row.startswith(("[", "*")) else row


def _latex_columns(table: ColumnTable, caption: str, *, with_reference: bool) -> list[str]:
    """Set a column table: for each class its neighbours, their cosines and, where known, the reference's."""
    width = 3 if with_reference else 2
    head = [rf"\multicolumn{{{width}}}{{c}}{{{latex_text(name)}}}" for name, _ in table.columns]
    body = []
    for row in zip(*(column for _, column in table.columns), strict=True):
        cells = []
        for neighbour in row:
            cells += [latex_text(neighbour.name), latex_text(cosine_text(neighbour.cosine, neighbour.two))]
            for bounds in intervals_of(neighbour).values():
                cells[-1] += rf" {{\tiny {latex_text(bounds)}}}"
            if with_reference:
                cells.append("" if neighbour.reference is None else f"({latex_text(neighbour.reference_text)})")
        body.append(_joined(cells))
    return _latex_table(caption, "lrr"[:width] * len(head), [_joined(head)], body)


def _latex_table(caption: str, align: str, head: list[str], body: list[str]) -> list[str]:
    start = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", r"\resizebox{\linewidth}{!}{%"]
    inner = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", *head, r"\midrule", *body, r"\bottomrule"]
    return [*start, *inner, r"\end{tabular}}", r"\end{table}", ""]


def _latex_long(caption: str, header: list[str], rows: list[list[str]]) -> list[str]:
    align = "l" * (len(header) - 1) + r"p{0.6\linewidth}"
    start = [rf"\begin{{longtable}}{{{align}}}", rf"\caption{{{caption}}} \\", r"\toprule", _latex_row(header)]
    return [*start, r"\midrule", r"\endhead", *map(_latex_row, rows), r"\bottomrule", r"\end{longtable}", ""]
