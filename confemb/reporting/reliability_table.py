"""The table of how far a result can be relied on."""

import numpy as np

from confemb.analysis.derived import Analysis, source_name
from confemb.records.indices import pair_indices
from confemb.reporting.tables import Table, number
from confemb.stats.intervals import SimilarityInterval


def reliability_table(analysis: Analysis) -> Table | None:
    """Return interval widths, split halves, neighbours in common, the fitting dimension; None if nothing is known."""
    found, item = analysis.result.uncertainty.reliability, analysis.result.item
    rows = []
    for source, interval in analysis.intervals.items():
        what = f"width of the 95 % interval over {source_name(analysis, source)}, median of the pairs"
        rows.append([what, f"{number(median_width(interval), 3)} ({interval.replicates:,} replicates)"])
    if found.split_half is not None:
        half = found.split_half
        splits, span = "1 split", ""
        if len(half.spearman) > 1:
            splits = f"{len(half.spearman)} splits"
            span = f" [{number(min(half.spearman), 3)}, {number(max(half.spearman), 3)}]"
        rows.append([f"Spearman between halves of the {item}s, {splits}", f"{number(half.mean, 3)}{span}"])
        rows.append([f"reliability of all {item}s (Spearman-Brown)", number(half.corrected, 3)])
    for overlap in found.overlaps:
        several = "classes" if overlap.top > 1 else "class"
        what = (
            f"nearest {overlap.top} {several} in common between two runs, other {source_name(analysis, overlap.source)}"
        )
        rows.append([what, f"Jaccard {number(overlap.jaccard)} (chance {number(overlap.chance)})"])
    if found.dimension is not None:
        tried = found.dimension
        scores = ", ".join(f"{d}: {number(s, 3)}" for d, s in zip(tried.dims, tried.scores, strict=True))
        rows.append(["Spearman with the counts held out, by dimension", scores])
        rows.append(["the counts of one half with those of the other", number(tried.ceiling, 3)])
        rows.append(
            ["smallest dimension within a standard error of the best", f"{tried.suggested} (used: {tried.used})"]
        )
    if not rows or (list(analysis.intervals) == ["seeds"] and len(rows) == 1):
        return None
    note = (
        "Each interval is over one source by itself. Where the embedding depends on seeds, their part is taken "
        f"off the interval over {item}s, but stays in the halves and the neighbours. Confusions seen in none of the "
        f"{item}s are within the intervals over {item}s by a prior, estimated from the confusions that do."
    )
    return Table("Reliability", note, ["what", "value"], rows, "ll")


def median_width(interval: SimilarityInterval) -> float:
    """Return the median width of an interval over the pairs of classes where it is known; NaN where none is."""
    upper = pair_indices(len(interval.class_names))
    widths = (interval.high - interval.low)[upper]
    widths = widths[~np.isnan(widths)]
    return float(np.median(widths)) if len(widths) else float("nan")
