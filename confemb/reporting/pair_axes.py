"""Axes with a line for each pair of classes, for dots, ranges and marks along it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from confemb.reporting.style import FAINT, INK, MUTED, new_figure, shortened_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PAIRS = 60


def pair_labels(pairs: Sequence[tuple[str, str]], *, longest: int = 16) -> list[str]:
    """Return how a figure names pairs of classes: long names cut, but so that no two of them look alike."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    short = dict(zip(names, shortened_apart(names, longest), strict=True))
    return [f"{short[class_1]} – {short[class_2]}" for class_1, class_2 in pairs]


def widest_pairs(middle: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return the indices of at most `MOST_PAIRS` of (P,) pairs, those of the widest interval, values rising."""
    widest = np.argsort(-width, kind="stable")[:MOST_PAIRS]
    return widest[np.argsort(middle[widest], kind="stable")]


def pair_axes(
    labels: Sequence[str], *, width: float = 6.2, line: float = 0.175, label: str = "cosine"
) -> "tuple[Figure, Axes, np.ndarray]":
    """Return an empty figure with a line for each pair, the first lowest, and a mark at 0.

    Args:
        labels: (P,) the pairs' names, see `pair_labels`.
        width: the figure's, in inches.
        line: how high a pair's line is, in inches.
        label: what the horizontal axis shows.

    Returns:
        The figure, its axes, and (P,) the heights of the lines.
    """
    figure = new_figure(width, line * len(labels) + 1.1)
    axes = figure.subplots()
    height = np.arange(len(labels))
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=0)
    axes.set_yticks(height, labels, fontsize=7.5)
    axes.set_ylim(-0.8, len(labels) - 0.2)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.spines["left"].set_visible(False)
    return figure, axes, height


def mark_values(axes: "Axes", values: np.ndarray, height: np.ndarray, label: str) -> None:
    """Mark each pair's value, (P,) at (P,) heights, by a short upright stroke, over everything else."""
    axes.scatter(values, height, marker="|", s=60, color=INK, linewidths=1.3, label=label, zorder=6)


def legend_above(figure: "Figure", *, columns: int = 3) -> None:
    """Put the legend above the axes, at the right."""
    figure.legend(loc="outside upper right", ncols=columns, fontsize=8.5, handletextpad=0.3)
