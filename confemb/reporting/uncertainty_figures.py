"""Figures of the uncertainty: intervals by source, agreement with held-out counts by dimension."""

from typing import TYPE_CHECKING

import numpy as np

from confemb.intervals import Source
from confemb.reporting.analysis import Analysis
from confemb.reporting.figures import MOST_NUMBERS, MOST_PAIRS_IN_SPREAD
from confemb.reporting.style import FAINT, INK, MUTED, new_figure, shortened
from confemb.reporting.tables import source_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart by colour-blind eyes, and by their height and order.
_COLOURS: dict[Source, str] = {"seeds": "#9aa5b1", "pictures": "#2f6ea3", "retrainings": "#d4701c"}


def intervals(analysis: Analysis) -> "Figure | None":
    """Draw every pair's interval for each source; None where only the seeds' is known, or for over 20 classes."""
    names, found = analysis.class_names, analysis.intervals
    if not any(source != "seeds" for source in found) or not 2 <= len(names) <= MOST_NUMBERS:
        return None
    rows, columns = np.triu_indices(len(names), k=1)
    middle = analysis.similarity.values[rows, columns]
    widths = np.nanmax([np.nan_to_num(i.high - i.low)[rows, columns] for i in found.values()], axis=0)
    widest = np.argsort(-widths, kind="stable")[:MOST_PAIRS_IN_SPREAD]
    shown = widest[np.argsort(middle[widest], kind="stable")]
    height = np.arange(len(shown))
    figure = new_figure(5.2, (0.13 + 0.05 * len(found)) * len(shown) + 1.1)
    axes = figure.subplots()
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=0)
    for place, (source, interval) in enumerate(found.items()):
        shift = ((len(found) - 1) / 2 - place) * 0.26
        low, high = interval.low[rows, columns][shown], interval.high[rows, columns][shown]
        label = f"other {source_name(analysis, source)}"
        axes.hlines(height + shift, low, high, color=_COLOURS[source], linewidth=3, label=label, zorder=2)
    axes.scatter(middle[shown], height, marker="|", s=60, color=INK, linewidths=1.2, label="value", zorder=3)
    labels = [f"{shortened(names[rows[p]], 16)} – {shortened(names[columns[p]], 16)}" for p in shown]
    axes.set_yticks(height, labels, fontsize=7.5)
    axes.set_ylim(-0.8, len(shown) - 0.2)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("cosine")
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper right", ncols=len(found) + 1, fontsize=8.5, handletextpad=0.4)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
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
    axes.set_axisbelow(True)
    axes.legend(loc="best", fontsize=8)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    return figure
