"""Figures of the uncertainty: intervals by source, agreement with held-out counts by dimension."""

from typing import TYPE_CHECKING

import numpy as np

from confemb.analysis.derived import Analysis, source_name
from confemb.records.indices import pair_indices
from confemb.reporting.figures import MOST_NUMBERS
from confemb.reporting.pair_axes import legend_above, mark_values, pair_axes, pair_labels, widest_pairs
from confemb.reporting.style import FAINT, MUTED, new_figure
from confemb.stats.intervals import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart by colour-blind eyes, and by their height and order.
_COLOURS: dict[Source, str] = {"seeds": "#9aa5b1", "pictures": "#2f6ea3", "retrainings": "#d4701c"}


def intervals(analysis: Analysis) -> "Figure | None":
    """Draw every pair's interval for each source; None where only the seeds' is known, or for over 20 classes."""
    names, found = analysis.class_names, analysis.intervals
    if not any(source != "seeds" for source in found) or not 2 <= len(names) <= MOST_NUMBERS:
        return None
    rows, columns = pair_indices(len(names))
    middle = analysis.similarity.values[rows, columns]
    widths = np.nanmax([np.nan_to_num(i.high - i.low)[rows, columns] for i in found.values()], axis=0)
    shown = widest_pairs(middle, widths)
    labels = pair_labels([(names[rows[p]], names[columns[p]]) for p in shown])
    figure, axes, height = pair_axes(labels, width=5.2, line=0.13 + 0.05 * len(found))
    for place, (source, interval) in enumerate(found.items()):
        shift = ((len(found) - 1) / 2 - place) * 0.26
        low, high = interval.low[rows, columns][shown], interval.high[rows, columns][shown]
        label = f"other {source_name(analysis, source)}"
        axes.hlines(height + shift, low, high, color=_COLOURS[source], linewidth=3, label=label, zorder=2)
    mark_values(axes, middle[shown], height, "value")
    legend_above(figure, columns=len(found) + 1)
    return figure


def dimension(analysis: Analysis) -> "Figure | None":
    """Draw how well the embedding of one half foretells the other half's counts, by dimension; None where not tried."""
    tried = analysis.result.uncertainty.reliability.dimension
    if tried is None:
        return None
    figure = new_figure(5.2, 3.1)
    axes = figure.subplots()
    axes.axhline(tried.ceiling, color=MUTED, linewidth=0.9, dashes=(4, 3), label="plain counts of the other half")
    label = "embedding, ± 1 standard error"
    axes.errorbar(
        tried.dims,
        tried.scores,
        yerr=tried.errors,
        label=label,
        color=_COLOURS["pictures"],
        marker="o",
        markersize=4,
        linewidth=1.4,
        capsize=2,
    )
    axes.scatter(
        [tried.suggested],
        [tried.scores[tried.dims.index(tried.suggested)]],
        label=f"suggested: {tried.suggested}",
        s=90,
        facecolors="none",
        edgecolors="#d4701c",
        linewidths=1.6,
        zorder=4,
    )
    axes.set_xscale("log")
    ticks = [dim for dim in tried.dims if tried.dims[-1] <= 10 or dim in (2, 5, 10, 20, 50, 100, 200)]
    axes.set_xticks(ticks, [str(dim) for dim in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("dimensions")
    axes.set_ylabel("Spearman with held-out counts")
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.legend(loc="best", fontsize=8)
    return figure
