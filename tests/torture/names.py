"""Names made to be run: class names, titles and paths that HTML, spreadsheets, LaTeX or SVG could take for more.

    python -m tests.torture.names [--keep FOLDER]

Reports of a few classes, of many, and of a study are written with such names everywhere. Then: a browser opens the
pages, and no script may run and nothing may be asked for; every CSV file is read as spreadsheets of several countries
read it, and no cell may be a formula; LaTeX has no command and SVG and Markdown no markup of a name's; the names read
back as they were.
"""

import argparse
import csv
import io
import re
import shutil
import subprocess
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np

from tests.torture.trials import Trial

RUN = "document.title='RUN'"
NAMES = (
    f"<script>{RUN}</script>",
    f'"><img src=@HOME@/a onerror="{RUN}">',
    "</title></style></script><b>",
    f"<svg onload={RUN}>",
    f"' onmouseover='{RUN}' autofocus onfocus='{RUN}",
    f"javascript:{RUN}",
    "<iframe src=@HOME@/b>",
    "<link rel=stylesheet href=@HOME@/c>",
    "![](@HOME@/d)",
    "[x](@HOME@/e)",
    "<@HOME@/f>",
    "`code` *bold* _under_ **x** ~~y~~",
    "a|b\\|c",
    "{{ 7 * 7 }} {% raw %}",
    "=cmd()",
    '=HYPERLINK("@HOME@/g")',
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "a;=cmd()",
    'a";=cmd();"',
    "\tb\t=cmd()",
    "line\nbreak",
    "line\n=cmd()",
    "'=quoted",
    "＝cmd()",
    "\\input{/etc/passwd}",
    "\\write18{touch pwned}",
    "$x_1$ ${}^{2}$ \\$",
    "%comment & \\\\ # ~ ^ {",
    "\u202eright to left",
    "a\u2066b\u2069",
    "é 犬 👩\u200d🚀 ﷽",
    "comment --> x <!-- y",
    "]]> <![CDATA[ z",
    "&lt;&#60;&amp;",
    "NA",
    "null",
    "nan",
    "True",
    "1e5",
    "name with  two blanks",
)


@contextmanager
def home() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server on this machine, and a list in which every request to it is noted."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def browser() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


def opened(page: Path) -> str:
    """Return the page as a browser has it after running whatever it lets run."""
    program = browser()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="confemb-browser-") as profile:
        done = subprocess.run(
            [
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={profile}",
                "--virtual-time-budget=3000",
                "--dump-dom",
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    return done.stdout


def title(dom: str) -> str:
    """Return a page's title."""
    found = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    return found.group(1) if found else ""


def write_reports(folder: Path, names: tuple[str, ...], *, every: bool = True) -> None:
    """Write reports of some of the names, of all of them, and a study; of the names that are left only if `every`."""
    import pandas as pd

    from confemb.analysis.derived import analyse
    from confemb.analysis.record import AnalysisRecord, KnownReference
    from confemb.records.embedding import EmbeddingRuns
    from confemb.records.pairs import count_pairs
    from confemb.records.prediction_files import save_predictions
    from confemb.records.predictions import Predictions
    from confemb.records.similarity import SimilarityMatrix
    from confemb.reporting.study import Section, Study, StudyFigure, write_study
    from confemb.reporting.style import new_figure
    from confemb.reporting.tables import frame_table
    from confemb.reporting.write import write_report
    from confemb.studies.costs import cost_matrix, save_costs

    generator = np.random.default_rng(0)
    few, many = names[: min(20, len(names))], names
    for number, (what, chosen) in enumerate({"few": few, "many": many, "rest": names[20:]}.items()):
        if what == "rest" and not every:
            continue
        size = len(chosen)
        labels = np.arange(size * 6) % size
        top = np.column_stack([labels, (labels + 1) % size, (labels + 2) % size])
        predictions = Predictions(
            labels, top, None, chosen, np.array([f"{chosen[i]}{n}" for n, i in enumerate(labels)])
        )
        runs = EmbeddingRuns(generator.normal(size=(2, size, 3)).astype(np.float32), (0, 1), chosen)
        (folder / what).mkdir(parents=True)
        save_predictions(predictions, folder / what / "predictions.parquet")
        reference = SimilarityMatrix(np.eye(size), chosen)
        record = AnalysisRecord(
            title=names[number],
            description=names[number + 3],
            counts=count_pairs(predictions, k=3),
            runs=runs,
            predictions=predictions,
            groups={names[0]: list(chosen[:2]), names[-1]: list(chosen[2:4])},
            references=[KnownReference(names[1], reference)],
            item=names[3][:40],
        )
        write_report(analyse(record), folder / what, manifest={name: name for name in names})
        save_costs(cost_matrix(runs[0].cosine()), chosen, folder / what / "costs.csv")
    frame = pd.DataFrame({names[14]: list(names), "value": np.linspace(0, 1, len(names))})

    def draw():  # type: ignore[no-untyped-def]
        figure = new_figure(4, 3)
        figure.subplots().set_title(names[0])
        return figure

    sections = [Section(name, name, [frame_table(name, frame, note=name)]) for name in names[:3]]
    sections.append(Section("figure", "", (), [StudyFigure("figure", names[1], draw)]))
    study = Study(
        title=names[0],
        description=names[1],
        findings=names[:4],
        facts=[(name, name) for name in names[:4]],
        sections=sections,
        data={"table.csv": frame},
        manifest={name: name for name in names},
    )
    write_study(study, folder / "study")


def formulas(text: str, delimiter: str) -> list[str]:
    """Return the cells that a spreadsheet with that delimiter would take for a formula."""
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]
    return [c for c in cells if re.match(r"[=@\t\r＝＋－＠]|[+-](?!\d+(\.\d+)?$)", c)]


def check_csv(folder: Path) -> tuple[int, list[str]]:
    """Read every CSV file as spreadsheets do; return how many readings there were, and what was wrong."""
    tried, failures = 0, []
    for path in sorted(folder.rglob("*.csv")):
        text = path.read_bytes().decode("utf-8")
        for delimiter in ",;\t":
            tried += 1
            if found := formulas(text, delimiter):
                failures.append(f"{path.relative_to(folder)} by {delimiter!r}: {found[0]!r}")
    return tried, failures


def check_names(folder: Path, names: tuple[str, ...]) -> tuple[int, list[str]]:
    """Read the names back from every format that holds them; return how many there were, and what was wrong."""
    import pandas as pd

    from confemb.records.prediction_files import load_predictions
    from confemb.records.similarity import SimilarityMatrix
    from confemb.support.cells import plain_cell

    found = {
        "predictions.parquet": load_predictions(folder / "many" / "predictions.parquet").class_names,
        "similarity_matrix.csv": SimilarityMatrix.load_matrix(folder / "many" / "similarity_matrix.csv").class_names,
    }
    pairs = pd.read_csv(folder / "many" / "similarities.csv", keep_default_na=False, dtype=str)
    listed = dict.fromkeys(plain_cell(name) for name in pairs["class_1"]) | dict.fromkeys(
        map(plain_cell, pairs["class_2"])
    )
    found["similarities.csv"] = tuple(listed)
    return len(found), [f"{what}: the names differ" for what, read in found.items() if read != names]


def check_pages(folder: Path, asked: list[str]) -> tuple[int, list[str]]:
    """Open every page; return how many there were, and what ran or was asked for."""
    from confemb.support.errors import visible

    failures = []
    pages = sorted(folder.rglob("*.html"))
    for page in pages:
        before = len(asked)
        dom = opened(page)
        if title(dom) == "RUN":
            failures.append(f"{page.relative_to(folder)}: a script ran")
        if len(asked) > before:
            failures.append(f"{page.relative_to(folder)}: {asked[before]} was asked for")
        if not dom.rstrip().endswith("</html>") or visible("\u202e") not in dom:
            failures.append(f"{page.relative_to(folder)}: it was not opened whole, or a name is missing")
    return len(pages), failures


_COMMAND = re.compile(r"\\(input|write)|(?<!\\)[$](?!-[$])(?<![$]-[$])|\^\^|[\u202a-\u202e]")
_MARKUP = frozenset({"html_block", "html_inline", "link_open", "image", "code_inline", "em_open", "s_open"})


def check_texts(folder: Path) -> tuple[int, list[str]]:
    """Look for commands in LaTeX, markup in Markdown and SVG; return how many files there were, and what was found."""
    from markdown_it import MarkdownIt

    tried, failures = 0, []
    for path in sorted(folder.rglob("*.tex")):
        tried += 1
        if found := re.search(
            r"\\(input|write)|(?<!\\)[$](?!-[$])(?<![$]-[$])|\^\^|[\u202a-\u202e]", path.read_text(encoding="utf-8")
        ):
            failures.append(f"{path.relative_to(folder)}: {found.group()!r}")
    reader = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    for path in sorted(folder.rglob("*.md")):
        tried += 1
        for block in reader.parse(path.read_text(encoding="utf-8")):
            for token in block.children or [block]:
                ours = token.type == "image" and str(token.attrs["src"]).startswith("figures/")
                if token.type in _MARKUP and not ours:
                    failures.append(f"{path.relative_to(folder)}: {token.type} {block.content[:80]!r}")
    for path in sorted(folder.rglob("*.svg")):
        tried += 1
        try:
            every = list(ElementTree.fromstring(path.read_bytes()).iter())
        except ElementTree.ParseError as error:
            failures.append(f"{path.relative_to(folder)}: {error}")
            continue
        for element in every:
            address = next((value for key, value in element.attrib.items() if key.endswith("href")), "#")
            name = element.tag.rpartition("}")[2]
            if name in ("script", "foreignObject", "a") or not address.startswith(("#", "data:image/png")):
                failures.append(f"{path.relative_to(folder)}: {element.tag} {address[:60]}")
    return tried, failures


def run(seconds: float, seed: int, keep: Path | None = None) -> list[Trial]:
    """Write the reports and try all that could take a name for more than text; once, whatever the time."""
    trials = []
    with tempfile.TemporaryDirectory(prefix="confemb-names-") as temporary, home() as (address, asked):
        folder = keep or Path(temporary)
        names = tuple(name.replace("@HOME@", address) for name in NAMES)
        write_reports(folder, names)
        readable = {
            "CSV files read with comma, semicolon and tab: no cell is a formula": check_csv(folder),
            "class names read back from Parquet and CSV: as they were": check_names(folder, names),
            "LaTeX, Markdown and SVG: no command, markup or address from a name": check_texts(folder),
        }
        trials += [Trial.of(what, tried, failures) for what, (tried, failures) in readable.items()]
        if browser() is None:
            trials.append(Trial.of("pages opened in a browser: there is none here", 0, []))
            return trials
        # So that it is known that the browser would have noticed.
        careless = folder / "careless.htm"
        careless.write_text("<title>t</title>" + "".join(names), encoding="utf-8")
        dom = opened(careless)
        noticed = [] if title(dom) == "RUN" and asked else ["a page that escapes nothing did no harm"]
        trials.append(Trial.of("a page that escapes nothing: a script runs, and something is asked for", 1, noticed))
        asked.clear()
        what = "pages of hostile names in headless Chromium: no script runs, nothing is asked for"
        trials.append(Trial.of(what, *check_pages(folder, asked)))
    return trials


def main() -> None:
    """Run the trials and print what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="an empty folder for the reports")
    for trial in run(0, 0, parser.parse_args().keep):
        print(f"{trial.what}: {trial.held} of {trial.tried}")
        for failure in trial.failures:
            print(f"   {failure}")


if __name__ == "__main__":
    main()
