"""A study's report: sections of text, tables and figures, written as Markdown, LaTeX, pictures and one HTML page.

The report of a single result has a shape of its own (`confemb.reporting.write`); this one is for what is found out
over several: networks trained anew, classifiers, checkpoints, epochs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from confemb.reporting.html import content_hash, flatten, minus_signs, page_style, page_template
from confemb.reporting.latex import needs_unicode, plain_latex
from confemb.reporting.tables import Table, markdown_line, markdown_text, plain_markdown
from confemb.support.cells import csv_cell
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError, shown
from confemb.support.files import make_folder, write_text
from confemb.support.locks import alone_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHOTOGRAPHS_DPI = 110
# Under this key the manifest names the study's figures.
FIGURES = "figures"


@dataclass(frozen=True, eq=False)
class StudyFigure:
    """A figure of a study.

    Attributes:
        name: its file's name, without suffix.
        caption: a sentence under it; the page's text for those who do not see it, too.
        draw: makes it; called within the report's figure style.
        photographs: it holds some, so it is written as PNG alone, with fewer dots an inch than lines need.
    """

    name: str
    caption: str
    draw: "Callable[[], Figure]"
    photographs: bool = False


@dataclass(frozen=True, eq=False)
class Section:
    """A section of a study: what was asked, the tables and the figures that answer it."""

    heading: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[StudyFigure] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """Everything a study's report says.

    Attributes:
        title: its heading.
        description: one or two sentences under it.
        findings: what was found, a sentence each; the first stands out.
        facts: (name, value) of a few figures to see at once.
        sections: the body.
        data: file name -> the complete table behind the report, written as CSV.
        texts: file name -> text of a further file, written as it is.
        manifest: JSON-able: what was run.
    """

    title: str
    description: str
    findings: Sequence[str]
    sections: Sequence[Section]
    facts: Sequence[tuple[str, str]] = ()
    data: dict[str, pd.DataFrame] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> str:
        """Write the study's report into a folder, as `write_study`; return the findings, to print."""
        return write_study(self, folder)


def write_study(study: Study, folder: Path, *, further: Mapping[str, Callable[[Path], object]] | None = None) -> str:
    """Write `tables.md`, `tables.tex`, the data as CSV, `figures/`, `report.html` and `manifest.json`.

    Equal studies give equal bytes. What an earlier study in the folder had and this one has not is removed.

    Args:
        study: what to write.
        folder: new, empty, or an earlier study's, see `confemb.support.output_folder`.
        further: name of a further file -> writes it to the path it is given.

    Returns:
        The findings, to print.

    Raises:
        ConfembError: the folder cannot be written to, or holds the result of a single classifier.
    """
    with alone_in(folder):
        draft = Draft(folder)
        if draft.published.stages:
            raise ConfembError(f"{folder} holds a single result; choose another folder with --out.")
        draft.values = dict(study.manifest) | {FIGURES: [figure.name for s in study.sections for figure in s.figures]}
        report = draft.new_report()
        told = write_pages(study, report)
        for name, write in (further or {}).items():
            write(report / name)
        # An earlier study in this folder may have had figures that this one has not.
        earlier = draft.published.values.get(FIGURES)
        names = earlier if isinstance(earlier, list) else []
        draft.publish(stale=[f"figures/{name}.{kind}" for name in names for kind in ("png", "svg")])
    return f"{told}\n\nreport: {folder / 'report.html'}"


def write_pages(study: Study, folder: Path) -> str:
    """Write a study without its manifest; returns the findings, to print."""
    from confemb.reporting.style import figure_style
    from confemb.reporting.write import save_figure

    for name, frame in study.data.items():
        write_text(folder / name, frame_csv(frame))
    for name, text in study.texts.items():
        write_text(folder / name, text)
    write_text(folder / "tables.md", _markdown(study))
    write_text(folder / "tables.tex", _latex(study))
    pictures = {}
    for section in study.sections:
        for figure in section.figures:
            with figure_style():
                drawn = figure.draw()
            how: dict[str, Any] = (
                {"dpi": PHOTOGRAPHS_DPI, "kinds": ("png",), "most": None} if figure.photographs else {}
            )
            pictures[figure.name] = save_figure(drawn, make_folder(folder / "figures"), figure.name, **how)
    style = page_style()
    page = page_template("study.html.j2").render(
        study=study, figures=pictures, manifest=flatten(study.manifest), style=style, style_hash=content_hash(style)
    )
    write_text(folder / "report.html", page)
    return "\n".join(map(shown, [study.title, "", *map(minus_signs, study.findings)]))


def frame_csv(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV: six decimals, unknown values empty, text that no spreadsheet runs as a formula."""
    columns = [_csv_column(frame[name]) for name in frame.columns]
    header = ",".join(csv_cell(str(name)) for name in frame.columns)
    return "\n".join([header, *map(",".join, zip(*columns, strict=True))]) + "\n"


def _csv_column(column: pd.Series) -> list[str]:
    """Return a column's values as CSV cells."""
    known = column.notna().tolist()
    if pd.api.types.is_float_dtype(column):
        # Adding 0.0 turns a rounded -0.0 into 0.0.
        texts = [f"{value:.6f}" for value in (column.astype(float).round(6) + 0.0).tolist()]
    else:
        texts = [csv_cell(value) if isinstance(value, str) else str(value) for value in column.tolist()]
    return [text if there else "" for text, there in zip(texts, known, strict=True)]


def _markdown(study: Study) -> str:
    lines = [f"# {markdown_text(study.title)}", ""]
    for text in (study.description, *study.findings):
        lines += [markdown_line(text), ""] if text else []
    for section in study.sections:
        lines += [f"## {markdown_text(section.heading)}", ""]
        lines += [markdown_line(section.text), ""] if section.text else []
        for figure in section.figures:
            lines += [f"![{markdown_text(figure.caption)}](figures/{figure.name}.png)", ""]
        for table in section.tables:
            # One level below the section's heading.
            first, *rest = plain_markdown(table)
            lines += [f"#{first}", *rest]
    return "\n".join(lines).rstrip("\n") + "\n"


def _latex(study: Study) -> str:
    lines = [r"% \usepackage{booktabs,graphicx}", ""]
    for section in study.sections:
        for table in section.tables:
            lines += plain_latex(table)
    return needs_unicode(lines)
