"""Figures of a tree: the tree with the support of its nodes, and accuracy at each cut."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from confemb.reporting.style import FAINT, GROUPS, INK, MUTED, new_figure, sequential_map, shortened, shortened_apart
from confemb.studies.hierarchy.measures import Estimate
from confemb.studies.hierarchy.tree import ClassTree, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LEAVES = 60
LONGEST_NODE = 30


def pruned(tree: ClassTree, number: int) -> ClassTree:
    """Return the tree above a cut into at most `number` superclasses, which become its leaves."""
    found = cut(tree, number=number)
    # One class stands for each superclass.
    first = {int(node): leaf for leaf, node in reversed(list(enumerate(found.tolist())))}
    order = [leaf for leaf in tree.order.tolist() if first[int(found[leaf])] == leaf]
    shown = tree.restricted_to([tree.class_names[leaf] for leaf in order])
    nodes = [int(found[leaf]) for leaf in order]
    labels = [
        tree.names[node] if node < len(tree.class_names) else f"{shortened(tree.names[node])} ({tree.sizes[node]})"
        for node in nodes
    ]
    unique = labels if len(set(labels)) == len(labels) else [f"{label} {i}" for i, label in enumerate(labels, start=1)]
    return ClassTree(tuple(unique), shown.parents, shown.heights, shown.support, (*unique, *shown.names[len(unique) :]))


def tree_figure(tree: ClassTree, *, names: bool = True) -> "Figure":
    """Draw a tree from the root at the left to its classes, coloured by the support of its nodes.

    Of more than 60 classes the superclasses of a cut into at most 60 are the leaves, with their numbers of classes.

    Args:
        tree: the tree.
        names: whether the inner nodes' names stand beside them, where there is room.
    """
    shown = tree if len(tree.class_names) <= MOST_LEAVES else pruned(tree, MOST_LEAVES)
    leaves = len(shown.class_names)
    place = np.zeros(len(shown))
    place[shown.order] = np.arange(leaves)
    for node in shown.inner:
        below = list(shown.children[node])
        place[node] = (place[below].min() + place[below].max()) / 2
    figure = new_figure(8.2 if names else 6.5, max(0.27 * leaves + 1.1, 2.4))
    axes = figure.subplots()
    colours = sequential_map()
    for node in shown.inner:
        below = list(shown.children[node])
        height, support = shown.heights[node], shown.support[node]
        colour = MUTED if np.isnan(support) else colours(support)
        axes.plot([height, height], [place[below].min(), place[below].max()], color=colour, linewidth=1.8)
        for child in below:
            # A class has height 0; the leaves of a pruned tree are drawn down to it, too.
            axes.plot([shown.heights[child], height], [place[child]] * 2, color=colour, linewidth=1.3)
        _label_node(axes, shown, node, place[node], names=names and leaves <= MOST_LEAVES)
    order = shown.order
    axes.yaxis.tick_right()
    axes.set_yticks(range(leaves), shortened_apart([shown.class_names[i] for i in order]), fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(leaves - 0.4, -0.6)
    axes.set_xlim(float(shown.heights.max()) * 1.04 or 1.0, 0.0)
    axes.set_xlabel("height: 1 - similarity of the groups joined")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.spines["left"].set_visible(False)
    return figure


def _label_node(axes: "Axes", tree: ClassTree, node: int, place: float, *, names: bool) -> None:
    if node == tree.root:
        return
    support = "" if np.isnan(tree.support[node]) else f"{tree.support[node]:.0%}"
    # A name that lists its classes says nothing that the leaves do not.
    noun = names and "," not in tree.names[node]
    name = shortened(tree.names[node], LONGEST_NODE) if noun else ""
    text = f"{name} {support}".strip()
    axes.annotate(
        text,
        (float(tree.heights[node]), place),
        xytext=(-3, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=6.5,
        color=INK,
    )


def cuts_figure(measures: Mapping[str, Mapping[str, Estimate]]) -> "Figure":
    """Draw the accuracy at each cut by each tree, with its interval over items."""
    figure = new_figure(6.2, 3.6)
    axes = figure.subplots()
    for row, (name, found) in enumerate(measures.items()):
        cuts = {int(key.partition("@")[2]): one for key, one in found.items() if key.startswith("accuracy@")}
        numbers = list(cuts)
        colour = GROUPS[row % len(GROUPS)]
        axes.plot(numbers, [one.value for one in cuts.values()], "o-", color=colour, markersize=4, label=name)
        lows, highs = [one.low for one in cuts.values()], [one.high for one in cuts.values()]
        axes.fill_between(numbers, lows, highs, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("superclasses (the last: classes)")
    axes.set_ylabel("share of items right")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.legend()
    return figure
