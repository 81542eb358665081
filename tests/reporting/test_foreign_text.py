"""Foreign text is shown as text: on a terminal, in Markdown, in LaTeX and in cells."""

import ast
import csv
import html
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import confemb
from confemb.reporting.latex import latex_text, needs_unicode
from confemb.reporting.study import frame_csv
from confemb.reporting.tables import Table, markdown_line, markdown_table, plain_markdown
from confemb.reporting.terminal import _columns
from confemb.support.cells import csv_cell, csv_cells, neutral_cell, plain_cell, tsv_text
from confemb.support.errors import ConfembError, shown, visible
from tests.torture.names import NAMES

HOSTILE = (
    *NAMES, "\\", "^^5c", "_", "__init__", "^", "~", "-", "--", "---", "?`", "!`", "``", "''", "<<", "[", "]",
    "[2cm] x",
    "*", "{", "}", "#", "## x", "C #", "\\end{tabular}", "\\par", "%", "&", "1. x", "- x", "+ x", "> x", "===",
    "![a](b)",
    "[a]: b", "a\rb", "a\u2028b", "a\u200eb", "\x9bx", "−5", "x" * 300,
)  # fmt: skip
TEXT = st.text(alphabet=st.sampled_from("ab1 _*`~[]()!<>|\\&#;:.-+=\"'$\n\t\r\u202e\u2028é犬"), min_size=1, max_size=14)
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_shown_text_stays_one_line_and_moves_nothing():
    every = "".join(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029, *map(ord, BIDI)]))
    assert shown(every).isprintable()
    assert shown("a\nb\tc\rd\x1b[2Je\u200ef\u2028g") == r"a\x0ab\x09c\x0dd\x1b[2Je\u200ef\u2028g"
    for text in ("naïve café 犬", "👩\u200d🚀", "می\u200cخواهم", "two\u00a0words"):
        assert shown(text) == text
    assert str(ConfembError("a name: x\u200f\x1b[2J")) == r"a name: x\u200f\x1b[2J."


def test_every_command_prints_through_one_door():
    """`typer.echo` and `print` stand in `commands/printing.py` and `app.py`'s own messages only."""
    root = Path(confemb.__file__).parent
    for path in [*root.glob("cli/commands/*.py"), root / "cli" / "app.py"]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        echoes = [call for call in calls if ast.unparse(call.func) in ("typer.echo", "print", "sys.stdout.write")]
        texts = [ast.unparse(call) for call in echoes]
        allowed = {"app.py": ("__version__", "shown(message)"), "printing.py": ("shown(",)}.get(path.name, ())
        assert all(any(part in text for part in allowed) for text in texts), (path, texts)


def rendered_cells(markdown: str) -> tuple[list[str], list[str]]:
    """Return the texts of a Markdown document's cells, paragraphs and headings, and its other HTML tags."""
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table").enable("strikethrough")
    page = renderer.render(markdown)
    plain = re.findall(r"<(?:td|p|h1|h2)(?: [^>]*)?>(.*?)</(?:td|p|h1|h2)>", page, re.DOTALL)
    known = r"</?(?:table|thead|tbody|tr|th|td|p|h1|h2)(?: style=\"text-align:(?:right|left)\")?>"
    left = re.findall(r"<[^>]*>", re.sub(known, "", page))
    return [html.unescape(text) for text in plain], left


def as_shown(text: str) -> str:
    return visible(" ".join(text.split()))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_markdown_renderer_shows_names_as_text(name):
    check_markdown(name)


@settings(max_examples=600, deadline=None)
@given(name=TEXT)
def test_a_markdown_renderer_shows_any_text_as_text(name):
    if name.strip():
        check_markdown(name)


def check_markdown(name: str) -> None:
    rows = [[name, "1"], ["b", name]]
    texts, tags = rendered_cells("\n".join(markdown_table(["x", "y"], rows, "lr")))
    assert (texts, tags) == ([as_shown(name), "1", "b", as_shown(name)], [])
    texts, tags = rendered_cells("\n".join(plain_markdown(Table(name, name, ["x"], [["1"]], "l"))))
    assert (texts, tags) == ([as_shown(name), as_shown(name), "1"], [])
    assert rendered_cells(markdown_line(name)) == ([as_shown(name)], [])


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_holds_no_command_of_a_name(name):
    text = latex_text(name)
    for own in (
        "textbackslash{}", "textasciitilde{}", "textasciicircum{}", "textless{}", "textgreater{}", "textbar{}",
        "textasciigrave{}", "{", "}", "$", "&", "#", "%", "_",
    ):  # fmt: skip
        text = text.replace(f"\\{own}", "")
    text = text.replace("$-$", "").replace("-{}", "").replace("'{}", "")
    assert not set(text) & set("\\{}$&#%_~^`")
    assert "--" not in text.replace("–", "")


@pytest.mark.skipif(shutil.which("lualatex") is None, reason="there is no lualatex")
def test_latex_compiles_with_every_hostile_name(tmp_path):
    from confemb.reporting.latex import plain_latex

    names = [name.replace("@HOME@", "http://127.0.0.1:9") for name in HOSTILE]
    table = Table("Names", " ".join(names), ["name", "n"], [[name, "-0.5"] for name in names], "lr")
    long = Table("Clusters", names[0], ["n", "names"], [[name, name] for name in names], "ll")
    body = needs_unicode([*plain_latex(table), *plain_latex(long)])
    assert body.startswith("% Some names have letters")
    (tmp_path / "tables.tex").write_text(body, encoding="utf-8")
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx,longtable}\n\\begin{document}\\input{tables.tex}"
        "\\end{document}\n"
    )
    command = ["lualatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_cells_are_whole_and_no_formula(name):
    row = next(csv.reader(io.StringIO(",".join([csv_cell(name), "1", csv_cell(name)]) + "\n", newline="")))
    assert [plain_cell(cell) for cell in row] == [name, "1", name]
    assert not re.match(r"[=+@\-\t\r]", row[0])
    frame = pd.DataFrame({"class": [name, "b"], "x": [-0.5, np.nan], "n": [1, 2]})
    rows = list(csv.reader(io.StringIO(frame_csv(frame), newline="")))
    assert rows == [["class", "x", "n"], [neutral_cell(name), "-0.500000", "1"], ["b", "", "2"]]


def test_study_csv_is_what_pandas_wrote_where_names_are_plain():
    frame = pd.DataFrame(
        {"a": ["x", 'q"u,o', None], "b": [1.5, -0.0000001, np.nan], "c": [1, 2, 3], "d": [True, False, True],
         "e": pd.array([1, None, 3], "Int64"), "f": pd.Categorical(["u", "v", "u"])}
    )  # fmt: skip
    expected = frame.assign(b=frame["b"].round(6) + 0.0).to_csv(index=False, float_format="%.6f", lineterminator="\n")
    assert frame_csv(frame) == expected
    assert frame_csv(frame.head(0)) == "a,b,c,d,e,f\n"


def test_tsv_has_as_many_cells_as_its_header_and_no_formula():
    names = [name for name in HOSTILE if name.strip()]
    lines = tsv_text([("name", "other"), *zip(names, reversed(names), strict=True)]).split("\n")
    assert len(lines) == len(names) + 2
    for name, line in zip(names, lines[1:], strict=False):
        first, second = line.split("\t")
        assert plain_cell(first) == " ".join(name.split())
        assert not re.match(r"[=+@\-]", first)
        assert not re.match(r"[=+@\-]", second)
    assert tsv_text([("word", "near", "-0.25"), ("-1e-5", "=1", "")]) == "word\tnear\t-0.25\n-1e-5\t'=1\t\n"


def test_csv_cells_of_plain_names_stand_as_they_are():
    assert csv_cells(["cat", "a,b", 'q"', "=1", "-x"]) == ["cat", '"a,b"', '"q"""', "'=1", "'-x"]


def test_names_in_a_terminals_table_keep_to_their_columns():
    from confemb.reporting.result_tables import ColumnTable, Neighbour

    evil = "a\ndog  +1.000\x1b[1A"
    neighbour = Neighbour(evil, 0.5, None, {}, None, "", 0.5)
    lines = _columns(ColumnTable("t", [(evil, [neighbour])]), 80)
    assert all(line.isprintable() for line in lines)
    assert lines[0] == r"a\x0adog  +1.000\x1b[1A".ljust(len(lines[1])).rstrip()
