"""The report's tables: made once, written as Markdown, LaTeX and CSV, shown in the HTML page."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from confemb.reporting.analysis import Analysis
from confemb.similarity import Agreement, neutral_cell

NEIGHBOURS = 10
COLUMNS_IN_A_CHUNK = 5
PAIRS_WHOLE, PAIRS_MANY = 15, 50


@dataclass(frozen=True)
class Neighbour:
    """One cell of a similarity column: another class and how similar it is."""

    name: str
    cosine: float
    low: float | None
    high: float | None
    reference: float | None
    count_similarity: float


@dataclass(frozen=True)
class ColumnTable:
    """The paper's form: each column a class, below it others in descending order of cosine."""

    title: str
    columns: list[tuple[str, list[Neighbour]]]


@dataclass(frozen=True)
class Table:
    """A plain table of text cells; `align` holds "l" (left) or "r" (right) for each column."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]
    align: str


def number(value: float | None, digits: int = 2) -> str:
    """Format a number with a fixed count of decimals; a dash where there is none, never "-0.00"."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def interval(low: float | None, high: float | None) -> str:
    """Format an interval, "" where there is none."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def neighbour_columns(analysis: Analysis, classes: Sequence[int], limit: int | None = None) -> list[list[Neighbour]]:
    """Return, for each class index, the other classes, most similar first (all of them without a `limit`)."""
    similarity, reference, names = analysis.similarity, analysis.reference_values(), analysis.class_names
    columns = []
    for i in classes:
        column = []
        for j in similarity.order_for(names[i])[:limit]:
            known = None if reference is None or math.isnan(reference[i, j]) else float(reference[i, j])
            column.append(
                Neighbour(
                    names[j],
                    float(similarity.values[i, j]),
                    None if similarity.low is None else float(similarity.low[i, j]),
                    None if similarity.high is None else float(similarity.high[i, j]),
                    known,
                    float(analysis.counts.values[i, j]),
                )
            )
        columns.append(column)
    return columns


def column_tables(analysis: Analysis) -> list[ColumnTable]:
    """Return the paper's tables: a table for each declared group, else the classes five at a time.

    For many classes it is one table of neighbour lists, ten neighbours for every class.
    """
    names = analysis.class_names
    if not analysis.whole:
        every = range(len(names))
        lists = neighbour_columns(analysis, every, NEIGHBOURS)
        return [ColumnTable("The ten nearest classes of every class", list(zip(names, lists, strict=True)))]
    index = {name: i for i, name in enumerate(names)}
    parts = [
        (f"Table {t}. Similarities of the {group} classes", [index[name] for name in members])
        for t, (group, members) in enumerate(analysis.result.groups.items(), start=1)
    ]
    rest = [i for i in range(len(names)) if analysis.group[i] < 0]
    for start in range(0, len(rest), COLUMNS_IN_A_CHUNK):
        chunk = rest[start : start + COLUMNS_IN_A_CHUNK]
        parts.append((f"Table {len(parts) + 1}. Similarities of {', '.join(names[i] for i in chunk)}", chunk))
    return [
        ColumnTable(title, list(zip([names[i] for i in classes], neighbour_columns(analysis, classes), strict=True)))
        for title, classes in parts
    ]


def pairs_table(analysis: Analysis) -> Table:
    """Return the most similar pairs with the interval, the baseline and the reference beside each."""
    pairs = analysis.strongest_pairs(PAIRS_WHOLE if analysis.whole else PAIRS_MANY)
    similarity, reference = analysis.similarity, analysis.reference_values()
    header = ["class", "class", "cosine"]
    if similarity.low is not None:
        header.append("95 % of seeds")
    header.append("counts")
    if reference is not None:
        header.append(analysis.result.reference_name)
    rows = []
    for i, j in pairs:
        row = [analysis.class_names[i], analysis.class_names[j], number(similarity.values[i, j])]
        if similarity.low is not None and similarity.high is not None:
            row.append(interval(similarity.low[i, j], similarity.high[i, j]))
        row.append(number(analysis.counts.values[i, j], 3))
        if reference is not None:
            row.append(number(reference[i, j]))
        rows.append(row)
    note = (
        "Counts: the plain baseline, the share of one class's predictions that went to the other, "
        "averaged over both directions."
    )
    return Table("Most similar pairs", note, header, rows, "ll" + "r" * (len(header) - 2))


def agreement_table(analysis: Analysis) -> Table | None:
    """Return how well the embedding and the count baseline agree with the reference, or None without one."""
    if analysis.agreement is None or analysis.counts_agreement is None:
        return None
    seeds = len(analysis.result.runs)
    name = analysis.result.reference_name
    rows = []
    if seeds > 1:
        rows.append(_agreement_row(f"embedding, median cosine of {seeds} seeds", analysis.agreement))
    else:
        rows.append(_agreement_row("embedding", analysis.agreement))
    each = analysis.run_agreement
    if each is not None and seeds > 1:
        low, middle, high = (
            number(float(q)) for q in (min(each.spearman), float(np.median(each.spearman)), max(each.spearman))
        )
        right = each.nearest_right
        rows.append(
            [
                "each seed by itself: median, range",
                f"{middle} [{low}, {high}]",
                "",
                str(analysis.agreement.pairs),
                f"{np.median(right):g} [{min(right)}, {max(right)}] of {each.nearest_columns}",
                "",
            ]
        )
    rows.append(_agreement_row("co-occurrence counts (baseline)", analysis.counts_agreement))
    note = f"Nearest: in how many columns the most similar class is the same as in {name}."
    header = ["similarity", "Spearman", "Pearson", "pairs", "nearest right", "wrong"]
    return Table(f"Agreement with {name}", note, header, rows, "lrrrrl")


def _agreement_row(what: str, found: Agreement) -> list[str]:
    wrong = [f"{name}: {here} (not {there})" for name, here, there in found.nearest_wrong]
    shown = "; ".join(wrong[:4]) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")
    return [
        what,
        number(found.spearman),
        number(found.pearson),
        str(found.pairs),
        f"{found.nearest_right} of {found.nearest_columns}",
        shown or "none",
    ]


def separation_table(analysis: Analysis) -> Table | None:
    """Return the mean cosines within and across the declared groups, or None without two groups."""
    if analysis.separation is None or analysis.counts_separation is None:
        return None
    ours, counts = analysis.separation, analysis.counts_separation
    rows = [[f"within {name}", number(ours.within[name]), number(counts.within[name], 3)] for name in ours.within]
    rows.append(["within all groups", number(ours.within_all), number(counts.within_all, 3)])
    rows.append(["across groups", number(ours.across), number(counts.across, 3)])
    return Table("Groups of classes", "Means over pairs of classes.", ["pairs", "cosine", "counts"], rows, "lrr")


def seeds_table(analysis: Analysis) -> Table:
    """Return the number of seeds, how alike their orders are, and the basins they fall into."""
    runs, seeds = analysis.runs, analysis.result.runs.seeds
    rows = [["seeds", str(len(seeds))], ["seed in embedding.txt (the most central)", str(seeds[runs.medoid])]]
    if len(seeds) > 1:
        rows.append(["mean rank correlation between two seeds", number(runs.rank_agreement, 3)])
    if runs.basins is not None:
        (first, second), score = runs.basins.runs, number(runs.basins.silhouette)
        rows.append(["groups the seeds fall into", f"2: {len(first)} and {len(second)} seeds (silhouette {score})"])
        for pair in runs.basins.differences:
            medians = " and ".join(number(value) for value in pair.medians)
            rows.append([f"{pair.class_1} with {pair.class_2} in the two groups", medians])
    elif len(seeds) > 3:
        rows.append(["groups the seeds fall into", "1"])
    return Table("Seeds", "The same pairs, embedded once for each seed.", ["what", "value"], rows, "ll")


def accuracy_table(analysis: Analysis) -> Table | None:
    """Return the classifier's accuracy on each split, or None without predictions."""
    if not analysis.accuracy:
        return None
    rows = [[a.split, f"{a.pictures:,}", f"{a.top_1:.2%}", f"{a.top_k:.2%}"] for a in analysis.accuracy]
    return Table("Classifier", "", ["pictures", "number", "top-1", f"top-{analysis.accuracy[0].k}"], rows, "lrrr")


def cluster_table(analysis: Analysis) -> Table:
    """Return the clusters in seriated order: most typical class, size, mean cosine, members."""
    names = analysis.class_names
    rows = [
        [names[c.medoid], str(len(c.members)), number(c.similarity), ", ".join(names[i] for i in c.members)]
        for c in analysis.clusters
    ]
    note = "Average linkage on 1 - cosine, in the order of the heatmap."
    return Table("Clusters", note, ["most typical", "classes", "mean cosine", "members"], rows, "lrrl")


def plain_tables(analysis: Analysis) -> list[Table]:
    """Return every table that is not in the paper's column form and has something to say."""
    tables = [agreement_table(analysis), separation_table(analysis), seeds_table(analysis), accuracy_table(analysis)]
    tables.append(pairs_table(analysis))
    if not analysis.whole:
        tables.append(cluster_table(analysis))
    return [table for table in tables if table is not None]


def column_note(analysis: Analysis) -> str:
    """Say what the cells of the column tables mean."""
    seeds = len(analysis.result.runs)
    note = "Each column is a class; below it the others in descending order of cosine"
    note += f" (median of {seeds} seeds, 95 % of them within the brackets)." if seeds > 1 else "."
    if analysis.result.reference is not None:
        note += f" In parentheses: {analysis.result.reference_name}."
    return note


def to_markdown(analysis: Analysis) -> str:
    """Return all tables as GitHub-flavoured Markdown."""
    lines = [f"# {markdown_text(analysis.result.title)}", "", markdown_text(analysis.result.description), ""]
    lines += [markdown_text(column_note(analysis)), ""]
    for table in column_tables(analysis):
        lines += [f"## {markdown_text(table.title)}", ""]
        header = [name for name, _ in table.columns]
        rows = [list(row) for row in zip(*([_cell(n) for n in column] for _, column in table.columns), strict=True)]
        if not analysis.whole:
            header = ["class", "nearest, with cosine"]
            rows = [[name, ", ".join(_cell(n) for n in column)] for name, column in table.columns]
        lines += _markdown_table(header, rows, "l" * len(header))
    for plain in plain_tables(analysis):
        lines += [f"## {markdown_text(plain.title)}", ""]
        lines += [markdown_text(plain.note), ""] if plain.note else []
        lines += _markdown_table(plain.header, plain.rows, plain.align)
    return "\n".join(lines).rstrip("\n") + "\n"


def _cell(neighbour: Neighbour) -> str:
    parts = [neighbour.name, number(neighbour.cosine), interval(neighbour.low, neighbour.high)]
    if neighbour.reference is not None:
        parts.append(f"({number(neighbour.reference)})")
    return " ".join(part for part in parts if part)


def _markdown_table(header: list[str], rows: list[list[str]], align: str) -> list[str]:
    rules = ["---:" if side == "r" else "---" for side in align]
    lines = [header, rules, *rows]
    cells = [line if line is rules else [markdown_text(cell) for cell in line] for line in lines]
    return [*("| " + " | ".join(line) + " |" for line in cells), ""]


def frame_to_markdown(frame: pd.DataFrame, *, digits: int = 2) -> str:
    """Return a data frame as a Markdown table, numbers to the right, fractions with `digits` decimals, no index."""
    columns = [frame[name] for name in frame.columns]
    numeric = [pd.api.types.is_numeric_dtype(column) for column in columns]
    cells = [
        [number(value, digits) if pd.api.types.is_float_dtype(column) else str(value) for value in column]
        for column in columns
    ]
    rows = [list(row) for row in zip(*cells, strict=True)]
    return "\n".join(_markdown_table([str(c) for c in frame.columns], rows, "".join("lr"[right] for right in numeric)))


def markdown_text(text: str) -> str:
    """Escape what Markdown would read as markup; an underscore within a word is none."""
    return re.sub(r"[\\|*`<&~$]|](?=[(\[:])|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(text.split()))


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", '"': "''", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def latex_text(text: str) -> str:
    """Escape LaTeX's special characters and set minus signs before numbers as such."""
    escaped = "".join(_LATEX.get(character, character) for character in " ".join(text.split()))
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
            rows = [[name, ", ".join(_cell(n) for n in column)] for name, column in table.columns]
            out += _latex_long(caption, ["class", "nearest, with cosine"], rows)
    for plain in plain_tables(analysis):
        caption = " ".join(latex_text(part) for part in (f"{plain.title}.", plain.note) if part)
        if plain.title == "Clusters":
            out += _latex_long(caption, plain.header, plain.rows)
            continue
        body = [_latex_row(row) for row in plain.rows]
        out += _latex_table(caption, plain.align, [_latex_row(plain.header)], body)
    return "\n".join(out)


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
            cells += [latex_text(neighbour.name), latex_text(number(neighbour.cosine))]
            if neighbour.low is not None:
                cells[-1] += rf" {{\tiny {latex_text(interval(neighbour.low, neighbour.high))}}}"
            if with_reference:
                cells.append("" if neighbour.reference is None else f"({latex_text(number(neighbour.reference))})")
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


def to_csv(analysis: Analysis) -> str:
    """Return the column tables in tidy form: a row for each class and each of its neighbours."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["table", "class", "rank", "neighbour", "cosine", "low", "high", "reference", "count_similarity"]
    writer.writerow(header)
    for table in column_tables(analysis):
        for name, column in table.columns:
            for rank, n in enumerate(column, start=1):
                values = (n.cosine, n.low, n.high, n.reference, n.count_similarity)
                cells = ["" if value is None else number(value, 6) for value in values]
                writer.writerow([neutral_cell(table.title), neutral_cell(name), rank, neutral_cell(n.name), *cells])
    return out.getvalue()
