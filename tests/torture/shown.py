"""Text at random on a terminal and in tables: lines stay lines, cells cells, and nothing is markup or a formula."""

import csv
import io
import re
import time
from collections.abc import Callable
from random import Random

from confemb.reporting.latex import latex_text
from confemb.reporting.tables import markdown_table
from confemb.support.cells import csv_cell, plain_cell, tsv_text
from confemb.support.errors import ConfembError, shown, visible
from tests.torture.names import NAMES
from tests.torture.trials import Trial

_ALPHABET = "ab1 _*`~[]()!<>|\\&#;:.,-+=@\"'${}%^/\n\t\r\x0b\x1b\x7f\x9b\u00a0\u200b\u200e\u202e\u2028\u2066\ufeff＝é犬"
_COMMANDS = re.compile(
    r"\\(?:text(?:backslash|asciitilde|asciicircum|asciigrave|less|greater|bar)\{\}|[{}$&#%_])|\$-\$|[-']\{\}"
)


def run(seconds: float, seed: int) -> list[Trial]:
    """Try texts made at random and the hostile names, in equal shares of the time."""
    random = Random(f"{seed} shown")
    kinds = {
        "a line on a terminal": _terminal,
        "a CSV cell": _csv,
        "TSV cells": _tsv,
        "a Markdown table, rendered": _markdown,
        "LaTeX": _latex,
    }
    return [_tried(what, check, time.monotonic() + seconds / len(kinds), random) for what, check in kinds.items()]


def _tried(what: str, check: Callable[[str], bool], until: float, random: Random) -> Trial:
    failures, tried = [], 0
    while not tried or time.monotonic() < until:
        text = random.choice(NAMES) if random.random() < 0.1 else ""
        text += "".join(random.choices(_ALPHABET, k=random.randrange(1, 16)))
        tried += 1
        if not check(text):
            failures.append(ascii(text))
    return Trial.of(what, tried, failures)


def _terminal(text: str) -> bool:
    harmless = "\u00a0\u200c\u200d\u202f\u3000"
    told = str(ConfembError(text))
    return all(c.isprintable() or c in harmless for c in shown(text) + told)


def _csv(text: str) -> bool:
    rows = list(csv.reader(io.StringIO(f"{csv_cell(text)},1\n", newline="")))
    return len(rows) == 1 and plain_cell(rows[0][0]) == text and not re.match(r"[=+\-@\t\r＝]", rows[0][0])


def _tsv(text: str) -> bool:
    lines = tsv_text([("a", "b"), (text, text)]).splitlines()
    return len(lines) == 2 and lines[1].count("\t") == 1 and not re.search(r"(?:^|\t)[=+@＝]", lines[1])


def _markdown(text: str) -> bool:
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        return True
    import html

    page = MarkdownIt("commonmark").enable("table").render("\n".join(markdown_table(["x"], [[text], ["y"]], "l")))
    cells = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    return [html.unescape(cell) for cell in cells] == [visible(" ".join(text.split())).strip(), "y"]


def _latex(text: str) -> bool:
    return not set(_COMMANDS.sub("", latex_text(text))) & set("\\{}$&#%_~^`")
