"""The tables of a result's report: made once, written as Markdown, LaTeX and CSV, shown in the HTML page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from confemb.analysis.caveats import isolated
from confemb.analysis.derived import Analysis, source_name
from confemb.records.indices import name_index
from confemb.reporting.agreement_table import agreement_tables
from confemb.reporting.reliability_table import reliability_table
from confemb.reporting.tables import (
    Table,
    decimals_of,
    interval,
    markdown_line,
    markdown_table,
    markdown_text,
    number,
    plain_markdown,
)
from confemb.stats.intervals import Source
from confemb.support.cells import csv_cell, csv_cells

NEIGHBOURS = 10
COLUMNS_IN_A_CHUNK = 5
PAIRS_WHOLE, PAIRS_MANY = 15, 50


@dataclass(frozen=True)
class Neighbour:
    """One cell of a similarity column: another class and how similar it is.

    Attributes:
        name: the other class.
        cosine: the similarity.
        two: both values where the runs fall into two groups that differ here, else None.
        intervals: for each source of uncertainty measured, the bounds, or None where they are not known.
        reference: the reference's value, or None.
        reference_text: the same as text, "" for None.
        count_similarity: the plain baseline.
    """

    name: str
    cosine: float
    two: tuple[float, float] | None
    intervals: dict[Source, tuple[float, float] | None]
    reference: float | None
    reference_text: str
    count_similarity: float


@dataclass(frozen=True)
class ColumnTable:
    """The paper's form: each column a class, below it others in descending order of cosine."""

    title: str
    columns: list[tuple[str, list[Neighbour]]]


def cosine_text(cosine: float, two: tuple[float, float] | None) -> str:
    """Format a cosine, or both where the runs fall into two groups that differ."""
    return number(cosine) if two is None else f"{number(two[0])} or {number(two[1])}"


def neighbour_columns(analysis: Analysis, classes: Sequence[int], limit: int | None = None) -> list[list[Neighbour]]:
    """Return, for each class index, the other classes, most similar first (all of them without a `limit`)."""
    similarity, reference, names = analysis.similarity, analysis.reference_values(), analysis.class_names
    digits = 2 if reference is None else decimals_of(reference)
    columns = []
    for i in classes:
        column = []
        for j in similarity.order_for(names[i])[:limit]:
            known = None if reference is None or math.isnan(reference[i, j]) else float(reference[i, j])
            column.append(
                Neighbour(
                    names[j],
                    float(similarity.values[i, j]),
                    None if analysis.two_values is None else analysis.two_values.of(i, j),
                    {source: found.between(i, j) for source, found in analysis.intervals.items()},
                    known,
                    "" if known is None else number(known, digits),
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
        alone = set(isolated(analysis.similarity))
        lists = neighbour_columns(analysis, every, NEIGHBOURS)
        # What would stand there is the order of the class names.
        lists = [[] if name in alone else column for name, column in zip(names, lists, strict=True)]
        return [ColumnTable("The ten nearest classes of every class", list(zip(names, lists, strict=True)))]
    index = name_index(names)
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
    header = ["class", "class", "cosine", *(f"95 % of {source_name(analysis, s)}" for s in analysis.intervals)]
    header.append("counts")
    if reference is not None:
        header.append(analysis.result.reference_name)
    rows = []
    for i, j in pairs:
        two = None if analysis.two_values is None else analysis.two_values.of(i, j)
        row = [analysis.class_names[i], analysis.class_names[j], cosine_text(similarity.values[i, j], two)]
        row += [interval(*(found.between(i, j) or (None, None))) for found in analysis.intervals.values()]
        row.append(number(analysis.counts.values[i, j], 3))
        if reference is not None:
            row.append(number(reference[i, j], decimals_of(reference)))
        rows.append(row)
    note = (
        "Counts: the plain baseline, the share of one class's predictions that went to the other, "
        "averaged over both directions."
    )
    return Table("Most similar pairs", note, header, rows, "ll" + "r" * (len(header) - 2))


def separation_table(analysis: Analysis) -> Table | None:
    """Return the mean cosines within and across the declared groups, or None without two groups."""
    if analysis.separation is None or analysis.counts_separation is None:
        return None
    ours, counts = analysis.separation, analysis.counts_separation
    rows = [[f"within {name}", number(ours.within[name]), number(counts.within[name], 3)] for name in ours.within]
    rows.append(["within all groups", number(ours.within_all), number(counts.within_all, 3)])
    rows.append(["across groups", number(ours.across), number(counts.across, 3)])
    return Table("Groups of classes", "Means over pairs of classes.", ["pairs", "cosine", "counts"], rows, "lrr")


def seeds_table(analysis: Analysis) -> Table | None:
    """Return the number of seeds, how alike their orders are, and the basins they fall into; None without seeds."""
    if analysis.result.deterministic:
        return None
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
    header = [f"{analysis.result.item}s", "number", "top-1", f"top-{analysis.accuracy[0].k}"]
    note = ""
    predictions = analysis.result.predictions
    if predictions is not None and len(predictions.hits()) < len(predictions):
        note = (
            f"A {analysis.result.item} may be of several classes: top-1, the most probable class is one of them; "
            "top-k, one of them is among the k most probable."
        )
    return Table("Classifier", note, header, rows, "lrrr")


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
    tables = [*agreement_tables(analysis), separation_table(analysis), seeds_table(analysis)]
    tables += [reliability_table(analysis), accuracy_table(analysis), pairs_table(analysis)]
    if not analysis.whole:
        tables.append(cluster_table(analysis))
    return [table for table in tables if table is not None]


def column_note(analysis: Analysis) -> str:
    """Say what the cells of the column tables mean."""
    seeds = len(analysis.result.runs)
    note = "Each column is a class; below it the others in descending order of cosine"
    note += f" (median of {seeds} seeds)." if seeds > 1 else "."
    sources = [f"other {source_name(analysis, source)}" for source in analysis.intervals]
    if sources:
        note += f" In brackets: where 95 % fall with {', then with '.join(sources)}."
    if analysis.two_values is not None:
        note += " Two values: one for each of the two groups that the seeds fall into, the larger group first."
    if analysis.result.reference is not None:
        note += f" In parentheses: {analysis.result.reference_name}."
    return note


def to_markdown(analysis: Analysis) -> str:
    """Return all tables as GitHub-flavoured Markdown."""
    lines = [f"# {markdown_text(analysis.result.title)}", "", markdown_line(analysis.result.description), ""]
    lines += [markdown_line(column_note(analysis)), ""]
    for table in column_tables(analysis):
        lines += [f"## {markdown_text(table.title)}", ""]
        header = [name for name, _ in table.columns]
        rows = [list(row) for row in zip(*([cell_text(n) for n in column] for _, column in table.columns), strict=True)]
        if not analysis.whole:
            header = ["class", "nearest, with cosine"]
            rows = [[name, ", ".join(cell_text(n) for n in column)] for name, column in table.columns]
        lines += markdown_table(header, rows, "l" * len(header))
    for plain in plain_tables(analysis):
        lines += plain_markdown(plain)
    return "\n".join(lines).rstrip("\n") + "\n"


def cell_text(neighbour: Neighbour) -> str:
    """Return one cell of a column table as plain text: name, cosine, intervals, the reference in parentheses."""
    parts = [neighbour.name, cosine_text(neighbour.cosine, neighbour.two), *intervals_of(neighbour).values()]
    if neighbour.reference is not None:
        parts.append(f"({neighbour.reference_text})")
    return " ".join(part for part in parts if part)


def intervals_of(neighbour: Neighbour) -> dict[Source, str]:
    """Return the neighbour's known intervals as texts."""
    return {source: interval(*bounds) for source, bounds in neighbour.intervals.items() if bounds is not None}


def to_csv(analysis: Analysis) -> str:
    """Return the column tables in tidy form: a row for each class and each of its neighbours."""
    bounds = [f"{source}_{bound}" for source in analysis.intervals for bound in ("low", "high")]
    two = [] if analysis.two_values is None else ["group_1", "group_2"]
    header = ["table", "class", "rank", "neighbour", "cosine", *bounds, *two, "reference", "count_similarity"]
    lines = [",".join(header)]
    for table in column_tables(analysis):
        for name, column in table.columns:
            for rank, n in enumerate(column, start=1):
                found = [value for pair in n.intervals.values() for value in pair or (None, None)]
                values = [n.cosine, *found, *((n.two or (None, None)) if two else ()), n.reference, n.count_similarity]
                cells = ["" if value is None else number(value, 6) for value in values]
                lines.append(",".join([*csv_cells([table.title, name]), str(rank), csv_cell(n.name), *cells]))
    return "\n".join(lines) + "\n"
