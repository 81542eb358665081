"""Figures of how alike several classifiers are: the matrix with its tree, and the map; families by colour."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from confemb.analysis.clustering import place_on_map, seriate
from confemb.records.similarity import SimilarityMatrix
from confemb.reporting.figures import map_frame
from confemb.reporting.labels import label_points
from confemb.reporting.style import MUTED, group_colour, new_figure, shortened_apart
from confemb.stats.seeds import group_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def agreement_figure(
    agreement: SimilarityMatrix, families: Mapping[str, Sequence[str]], *, title: str, label: str
) -> "Figure":
    """Draw the classifiers' agreement, like by like, with the average-linkage tree of 1 - agreement beside it."""
    import seaborn
    from scipy.cluster.hierarchy import dendrogram

    member = group_of(agreement.class_names, families)
    seriation = seriate(agreement)
    order = seriation.order
    side = 3.2 + 0.11 * len(order)
    figure = new_figure(side + 0.4, side)
    tree_axes, axes = figure.subplots(1, 2, width_ratios=(1, 6))
    with warnings.catch_warnings():
        # Of classifiers that agree fully the tree has no height; it is given one below.
        warnings.filterwarnings("ignore", message="Attempting to set identical")
        dendrogram(
            seriation.tree,
            orientation="left",
            no_labels=True,
            ax=tree_axes,
            color_threshold=0,
            above_threshold_color=MUTED,
        )
    if not seriation.tree[:, 2].any():
        tree_axes.set_xlim(1, 0)
    for lines in tree_axes.collections:
        lines.set_linewidth(0.8)
    tree_axes.invert_yaxis()
    tree_axes.axis("off")
    lowest = agreement.values.min()
    values = np.where(np.eye(len(order), dtype=bool), np.nan, agreement.values[np.ix_(order, order)])
    colours = seaborn.color_palette("mako_r", as_cmap=True)
    image = axes.imshow(values, cmap=colours, vmin=lowest, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks(range(len(order)), [agreement.class_names[i] for i in order], fontsize=7.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for text, i in zip(axes.get_yticklabels(), order, strict=True):
        text.set_color(group_colour(member[i]))
    axes.set_title(title)
    figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=40, label=label)
    if families:
        handles = [axes.plot([], [], "s", color=group_colour(g), label=name)[0] for g, name in enumerate(families)]
        figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def models_map(agreement: SimilarityMatrix, families: Mapping[str, Sequence[str]]) -> "Figure":
    """Draw the classifiers in the plane, near where they agree, by classical multidimensional scaling.

    A rank correlation is the inner product of two unit vectors of ranks, so 2 (1 - agreement) is their squared
    distance, and the map is the best picture of it in the plane; nothing is drawn by chance.
    """
    member = group_of(agreement.class_names, families)
    places, kept = place_on_map(agreement)
    figure = new_figure(7.2, 6.2)
    axes = figure.subplots()
    colours = [group_colour(g) for g in member]
    axes.scatter(places[:, 0], places[:, 1], s=30, c=colours, linewidths=0, zorder=4)
    map_frame(axes, kept, "classifiers", margin=0.12)
    for g, family in enumerate(families):
        axes.scatter([], [], s=30, color=group_colour(g), label=family)
    if families:
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.09), ncols=5, handletextpad=0.1, borderaxespad=0, fontsize=8)
    names = shortened_apart(agreement.class_names, 34)
    label_points(axes, places, names, colours, obstacles=places, size=7.0, must_place=len(names) <= 30)
    return figure
