"""Writes a result folder: vectors, similarities, tables, figures and the HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from confemb.analysis.derived import Analysis
from confemb.records.indices import pair_indices
from confemb.reporting import style
from confemb.reporting.html import PageFigure, render_page
from confemb.reporting.latex import to_latex
from confemb.reporting.result_tables import to_csv, to_markdown
from confemb.reporting.terminal import to_terminal
from confemb.support.cells import csv_cells
from confemb.support.files import make_folder, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The names of all figures; a result has those that something is known for.
FIGURES = (
    "similarity_heatmap",
    "class_map",
    "dendrogram",
    "reference",
    "seeds_spread",
    "intervals",
    "dimension",
    "examples",
    "training",
)
FIGURE_FILES = tuple(f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg"))
# What only a result of few classes has, and only one of very many.
TABLE_FILES = ("similarities.csv", "similarity_matrix.csv", "tables.csv")
MANY_CLASSES_FILES = ("neighbours.csv", "strongest_pairs.csv")
# Figures on the page are set a little larger than in print (96 pixels an inch).
_PIXELS_PER_INCH = 115
# What needs more than 256 colours: photographs always, and a heatmap's colour bar as long as the file stays small.
_MOST_PNG = {"examples": None, "similarity_heatmap": 250_000}
# Up to this size the page shows the SVG, which stays sharp however near one looks; else the smaller of the two.
_SMALL_SVG = 100_000
# A figure this wide has letters of 9 pixels on a phone.
_PHONE_INCHES = 5.2


def write_report(analysis: Analysis, folder: Path, *, manifest: Mapping[str, Any]) -> str:
    """Write everything that can be said of an analysis into `folder`; the same analysis gives the same bytes.

    Files: `embedding.txt` (the most central run, as word2vec text), `similarities.csv` (long),
    `similarity_matrix.csv` (square), `tables.md`, `tables.tex`, `tables.csv`, `figures/*.png` and `*.svg`,
    `report.html`.

    Returns:
        The report's short form for the terminal.

    Raises:
        ConfembError: the folder cannot be written to.
    """
    folder = make_folder(folder)
    analysis.result.runs[analysis.runs.medoid].save(folder / "embedding.txt")
    write_text(folder / "similarities.csv", similarities_csv(analysis))
    analysis.similarity.save_matrix(folder / "similarity_matrix.csv")
    write_text(folder / "tables.md", to_markdown(analysis))
    write_text(folder / "tables.tex", to_latex(analysis))
    write_text(folder / "tables.csv", to_csv(analysis))
    figures = write_figures(analysis, make_folder(folder / "figures"))
    write_text(folder / "report.html", render_page(analysis, figures, manifest))
    return to_terminal(analysis)


def similarities_csv(analysis: Analysis) -> str:
    """Return the long table: a row for each pair of classes, in class order.

    Columns: class_1, class_2, cosine (median over the seeds); seeds_low and seeds_high, pictures_low and
    pictures_high, retrainings_low and retrainings_high (the bounds of 95 % for each source of uncertainty that was
    measured); group_1 and group_2 (where the seeds fall into two groups, the median of either, the larger first);
    embedding (the cosine in `embedding.txt`), count_similarity, reference (with a reference). What is not known of a
    pair is empty.
    """
    size = len(analysis.class_names)
    rows, columns = pair_indices(size)
    values = {"cosine": analysis.similarity.values}
    for source, interval in analysis.intervals.items():
        values |= {f"{source}_low": interval.low, f"{source}_high": interval.high}
    if analysis.two_values is not None:
        values |= {f"group_{group}": medians for group, medians in enumerate(analysis.two_values.medians, start=1)}
    values |= {"embedding": analysis.medoid.values, "count_similarity": analysis.counts.values}
    reference = analysis.reference_values()
    if reference is not None:
        values["reference"] = reference
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    columns_of = {what: np.round(matrix[rows, columns], 6) + 0.0 for what, matrix in values.items()}
    header = ["class_1", "class_2", *values]
    names = csv_cells(analysis.class_names)
    cells: list[list[Any]] = [[names[i] for i in rows.tolist()], [names[j] for j in columns.tolist()]]
    line = "%s,%s"
    for column in columns_of.values():
        if np.isnan(column).any():
            line += ",%s"
            cells.append(["" if np.isnan(value) else f"{value:.6f}" for value in column.tolist()])
        else:
            line += ",%.6f"
            cells.append(column.tolist())
    # Formatting whole rows is several times faster than pandas: half a million pairs for 1,000 classes.
    return "\n".join([",".join(header), *map(line.__mod__, zip(*cells, strict=True))]) + "\n"


def write_figures(analysis: Analysis, folder: Path) -> dict[str, PageFigure]:
    """Draw the figures that the result has, save each as PNG and SVG, and return them for the page."""
    from confemb.reporting import classifier_figures, figures, uncertainty_figures

    drawers = (
        figures.heatmap,
        figures.class_map,
        figures.dendrogram,
        figures.reference_scatter,
        figures.seeds_spread,
        uncertainty_figures.intervals,
        uncertainty_figures.dimension,
        classifier_figures.example_pictures,
        classifier_figures.training_curve,
    )
    # The heatmap of many classes is a picture with about a dot for each class: more dots would only cost room.
    dpi = 200 if analysis.whole else 150
    shown = {}
    for name, draw in zip(FIGURES, drawers, strict=True):
        with style.figure_style():
            figure = draw(analysis)
        if figure is None:
            for kind in ("png", "svg"):
                # A figure of an older result in this folder would say something about another one.
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
            continue
        shown[name] = save_figure(figure, folder, name, dpi=dpi, most=_MOST_PNG.get(name, style.LARGE_PNG))
    return shown


def save_figure(
    figure: "Figure",
    folder: Path,
    name: str,
    *,
    dpi: int = 200,
    kinds: Sequence[str] = ("png", "svg"),
    most: int | None = style.LARGE_PNG,
) -> PageFigure:
    """Save a figure in `folder`, as PNG and SVG unless told otherwise, and return it for a page.

    A PNG larger than `most` has fewer colours, see `confemb.reporting.style.figure_bytes`.
    """
    contents = {kind: style.figure_bytes(figure, kind, dpi=dpi, most=most) for kind in kinds}
    for kind, content in contents.items():
        style.save_bytes(folder / f"{name}.{kind}", content)
    svg = len(contents.get("svg", b""))
    shown = "svg" if 0 < svg <= _SMALL_SVG else min(contents, key=lambda kind: len(contents[kind]))
    inches = figure.get_figwidth()
    uri = style.data_uri(contents[shown], shown)
    return PageFigure(uri, round(inches * _PIXELS_PER_INCH), inches <= _PHONE_INCHES)
