"""A study's report: sections of text, tables and figures, written as Markdown, LaTeX, pictures and one HTML page.

The report of a single result has a shape of its own (`confemb.reporting.write`); this one is for what is found out
over several: networks trained anew, classifiers, checkpoints, epochs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from confemb.records.similarity import neutral_cell
from confemb.reporting.html import content_hash, flatten, minus_signs, page_style, page_template
from confemb.reporting.latex import plain_latex
from confemb.reporting.tables import Table, markdown_text, plain_markdown
from confemb.support.draft import Draft
from confemb.support.errors import ConfembError, visible
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
        manifest: JSON-able: what was run.
    """

    title: str
    description: str
    findings: Sequence[str]
    sections: Sequence[Section]
    facts: Sequence[tuple[str, str]] = ()
    data: dict[str, pd.DataFrame] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> str:
        """Write the study's report into a folder, as `write_study`; return the findings, to print."""
        return write_study(self, folder)


def write_study(study: Study, folder: Path) -> str:
    """Write `tables.md`, `tables.tex`, the data as CSV, `figures/`, `report.html` and `manifest.json`.

    Equal studies give equal bytes. Figures of an earlier study in the folder that this one has not are removed.

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
        shown = write_pages(study, draft.new_report())
        # An earlier study in this folder may have had figures that this one has not.
        earlier = draft.published.values.get(FIGURES)
        names = earlier if isinstance(earlier, list) else []
        draft.publish(stale=[f"figures/{name}.{kind}" for name in names for kind in ("png", "svg")])
    return f"{shown}\n\nreport: {folder / 'report.html'}"


def write_pages(study: Study, folder: Path) -> str:
    """Write a study without its manifest; returns the findings, to print."""
    from confemb.reporting.style import figure_style
    from confemb.reporting.write import save_figure

    for name, frame in study.data.items():
        write_text(folder / name, frame_csv(frame))
    write_text(folder / "tables.md", _markdown(study))
    write_text(folder / "tables.tex", _latex(study))
    shown = {}
    for section in study.sections:
        for figure in section.figures:
            with figure_style():
                drawn = figure.draw()
            how: dict[str, Any] = (
                {"dpi": PHOTOGRAPHS_DPI, "kinds": ("png",), "most": None} if figure.photographs else {}
            )
            shown[figure.name] = save_figure(drawn, make_folder(folder / "figures"), figure.name, **how)
    style = page_style()
    page = page_template("study.html.j2").render(
        study=study, figures=shown, manifest=flatten(study.manifest), style=style, style_hash=content_hash(style)
    )
    write_text(folder / "report.html", page)
    return visible("\n".join([study.title, "", *map(minus_signs, study.findings)]))


def frame_csv(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV: six decimals, unknown values empty, text that no spreadsheet runs as a formula."""
    frame = frame.copy()
    for name in frame.columns:
        if pd.api.types.is_float_dtype(frame[name]):
            # Adding 0.0 turns a rounded -0.0 into 0.0.
            frame[name] = frame[name].round(6) + 0.0
        elif not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = [neutral_cell(value) if isinstance(value, str) else value for value in frame[name]]
    frame.columns = [neutral_cell(str(name)) for name in frame.columns]
    return frame.to_csv(index=False, float_format="%.6f", lineterminator="\n")


def _markdown(study: Study) -> str:
    lines = [f"# {markdown_text(study.title)}", ""]
    for text in (study.description, *study.findings):
        lines += [markdown_text(text), ""] if text else []
    for section in study.sections:
        lines += [f"## {markdown_text(section.heading)}", ""]
        lines += [markdown_text(section.text), ""] if section.text else []
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
    return "\n".join(lines)
