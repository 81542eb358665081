"""Writes a result folder: vectors, similarities, tables, figures and the HTML page."""

from pathlib import Path

import numpy as np

from confemb.files import make_folder, write_text
from confemb.reporting.analysis import Analysis, analyse
from confemb.reporting.html import PageFigure, render_page
from confemb.reporting.result import Result
from confemb.reporting.tables import to_csv, to_latex, to_markdown
from confemb.reporting.terminal import to_terminal
from confemb.similarity import csv_cells

# Figures on the page are set a little larger than in print (96 pixels an inch).
_PIXELS_PER_INCH = 115
# A figure this wide has letters of 9 pixels on a phone.
_PHONE_INCHES = 5.2


def write_report(result: Result, folder: Path) -> str:
    """Write everything that can be said of a result into `folder`; the same result gives the same bytes.

    Files: `embedding.txt` (the most central run, as word2vec text), `similarities.csv` (long),
    `similarity_matrix.csv` (square), `tables.md`, `tables.tex`, `tables.csv`, `figures/*.png` and `*.svg`,
    `report.html`.

    Returns:
        The report's short form for the terminal.

    Raises:
        ConfembError: the folder cannot be written to, a group names an unknown class, or the reference
            has fewer than two classes in common with the result.
    """
    folder = make_folder(folder)
    analysis = analyse(result)
    result.runs[analysis.runs.medoid].save(folder / "embedding.txt")
    write_text(folder / "similarities.csv", similarities_csv(analysis))
    analysis.similarity.save_matrix(folder / "similarity_matrix.csv")
    write_text(folder / "tables.md", to_markdown(analysis))
    write_text(folder / "tables.tex", to_latex(analysis))
    write_text(folder / "tables.csv", to_csv(analysis))
    figures = write_figures(analysis, make_folder(folder / "figures"))
    write_text(folder / "report.html", render_page(analysis, figures))
    return to_terminal(analysis)


def similarities_csv(analysis: Analysis) -> str:
    """Return the long table: a row for each pair of classes, in class order.

    Columns: class_1, class_2, cosine (median over the seeds), low and high (with several seeds),
    embedding (the cosine in `embedding.txt`), count_similarity, reference (with a reference; empty where
    it does not know the pair).
    """
    size = len(analysis.class_names)
    rows, columns = np.triu_indices(size, k=1)
    values = {"cosine": analysis.similarity.values}
    if analysis.similarity.low is not None and analysis.similarity.high is not None:
        values |= {"low": analysis.similarity.low, "high": analysis.similarity.high}
    values |= {"embedding": analysis.medoid.values, "count_similarity": analysis.counts.values}
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    numbers = [(np.round(matrix[rows, columns], 6) + 0.0).tolist() for matrix in values.values()]
    header = ["class_1", "class_2", *values]
    names = csv_cells(analysis.class_names)
    cells = [[names[i] for i in rows.tolist()], [names[j] for j in columns.tolist()], *numbers]
    line = "%s,%s" + ",%.6f" * len(numbers)
    reference = analysis.reference_values()
    if reference is not None:
        header.append("reference")
        line += ",%s"
        cells.append(["" if np.isnan(value) else f"{value:.6f}" for value in reference[rows, columns].tolist()])
    # Formatting whole rows is several times faster than pandas: half a million pairs for 1,000 classes.
    return "\n".join([",".join(header), *map(line.__mod__, zip(*cells, strict=True))]) + "\n"


def write_figures(analysis: Analysis, folder: Path) -> dict[str, PageFigure]:
    """Draw the figures that the result has, save each as PNG and SVG, and return them for the page."""
    from confemb.reporting import classifier_figures, figures, style

    drawers = {
        "similarity_heatmap": figures.heatmap,
        "class_map": figures.class_map,
        "dendrogram": figures.dendrogram,
        "reference": figures.reference_scatter,
        "seeds_spread": figures.seeds_spread,
        "examples": classifier_figures.example_pictures,
        "training": classifier_figures.training_curve,
    }
    # The heatmap of many classes is a picture with about a dot for each class: more dots would only cost room.
    dpi = 200 if analysis.whole else 150
    shown = {}
    for name, draw in drawers.items():
        with style.figure_style():
            figure = draw(analysis)
        if figure is None:
            for kind in ("png", "svg"):
                # A figure of an older result in this folder would say something about another one.
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
            continue
        contents = {kind: style.figure_bytes(figure, kind, dpi=dpi) for kind in ("png", "svg")}
        for kind, content in contents.items():
            style.save_bytes(folder / f"{name}.{kind}", content)
        smaller = min(("svg", "png"), key=lambda kind: len(contents[kind]))
        inches = figure.get_figwidth()
        uri = style.data_uri(contents[smaller], smaller)
        shown[name] = PageFigure(uri, round(inches * _PIXELS_PER_INCH), inches <= _PHONE_INCHES)
    return shown
