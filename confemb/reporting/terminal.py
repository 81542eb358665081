"""The short form of a report that the command line prints when it is done."""

import shutil

from confemb.analysis.derived import Analysis
from confemb.reporting.findings import finding
from confemb.reporting.result_tables import ColumnTable, column_tables
from confemb.reporting.tables import number
from confemb.support.errors import shown

_GAP = "   "
_FEWEST_COLUMNS = 80


def to_terminal(analysis: Analysis, *, width: int | None = None) -> str:
    """Return the finding and, for few classes, the tables of similarities, as plain text.

    Args:
        analysis: what to tell.
        width: characters on a line; by default the terminal's.
    """
    width = width or max(shutil.get_terminal_size().columns, _FEWEST_COLUMNS)
    lines = [analysis.result.title, ""]
    if analysis.whole:
        for table in column_tables(analysis):
            lines += [table.title, "", *_columns(table, width)]
    else:
        lines.append(f"{len(analysis.class_names):,} classes: their neighbours are in tables.md and report.html.")
        lines.append("")
    lines += [f"{a.split}: {a.top_1:.2%} right, {a.top_k:.2%} among the first {a.k}" for a in analysis.accuracy]
    return "\n".join(map(shown, [*lines, *finding(analysis)]))


def _columns(table: ColumnTable, width: int) -> list[str]:
    """Lay a table's columns side by side, as many as fit, the others in rows of columns below."""
    blocks = []
    for name, neighbours in table.columns:
        name, nearest = shown(name), [shown(neighbour.name) for neighbour in neighbours]
        longest = max(map(len, nearest), default=0)
        cells = [
            f"{n:<{longest}} {number(neighbour.cosine):>5}" for n, neighbour in zip(nearest, neighbours, strict=True)
        ]
        size = max(len(name), longest + 6)
        blocks.append([name.ljust(size), "-" * size, *(cell.ljust(size) for cell in cells)])
    lines: list[str] = []
    while blocks:
        fitting = 1
        while fitting < len(blocks) and sum(len(b[0]) + len(_GAP) for b in blocks[: fitting + 1]) <= width + len(_GAP):
            fitting += 1
        row, blocks = blocks[:fitting], blocks[fitting:]
        lines += [_GAP.join(cells).rstrip() for cells in zip(*row, strict=True)] + [""]
    return lines
