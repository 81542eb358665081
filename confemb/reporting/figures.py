"""Figures of the similarities: heatmap, dendrogram, map, seeds, comparison with a reference."""

from typing import TYPE_CHECKING, Any

import numpy as np

from confemb.analysis.clustering import place_on_map
from confemb.analysis.derived import Analysis
from confemb.records.indices import pair_indices
from confemb.reporting.labels import label_points
from confemb.reporting.pair_axes import legend_above, mark_values, pair_axes, pair_labels, widest_pairs
from confemb.reporting.style import (
    FAINT,
    INK,
    MUTED,
    diverging_map,
    group_colour,
    new_figure,
    sequential_map,
    shortened,
    shortened_apart,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NUMBERS = 20
MOST_NAMED_ROWS, MOST_NAMED_CLUSTERS = 60, 42
ODD_PAIRS, MOST_TIMES_NAMED = 8, 3
# Beyond, dots cover one another, and an SVG of half a million would have 55 MB.
MOST_DOTS, MANY_PAIRS = 5000, 500


def heatmap(analysis: Analysis) -> "Figure":
    """Draw the cosines with like standing by like; numbers in the cells up to 20 classes."""
    if not analysis.whole:
        return _overview(analysis)
    import seaborn

    order = analysis.seriation.order
    names = shortened_apart(analysis.class_names[i] for i in order)
    values = analysis.similarity.values[np.ix_(order, order)]
    size = len(order)
    numbers = size <= MOST_NUMBERS
    limit = _colour_limit(values)
    cell = 0.46 if numbers else 0.27
    figure = new_figure(max(size * cell + 2.0, 4.2), max(size * cell + 1.2, 3.4))
    axes = figure.subplots()
    seaborn.heatmap(
        values,
        ax=axes,
        cmap=diverging_map(),
        vmin=-limit,
        vmax=limit,
        square=True,
        annot=_cell_texts(values) if numbers else False,
        fmt="",
        annot_kws={"size": 8.0 if size <= 12 else 6.5},
        linewidths=1.0 if numbers else 0.4,
        linecolor="white",
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"label": "cosine", "shrink": 0.75, "aspect": 28, "pad": 0.02, **_colour_ends(limit)},
    )
    axes.tick_params(length=0)
    axes.set_xticklabels(names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(names, rotation=0)
    _colour_ticks(axes, analysis, order)
    return figure


def _colour_limit(values: np.ndarray) -> float:
    """Return the cosine at which the colours end: 1, or less where no two classes come near it (plain counts)."""
    off = np.abs(values[~np.eye(len(values), dtype=bool)])
    largest = float(off.max()) if len(off) else 1.0
    return 1.0 if largest > 0.5 or largest == 0 else float(np.ceil(largest * 20) / 20)


def _colour_ends(limit: float) -> dict[str, Any]:
    """Return ticks for a colour bar up to `limit`, pointed where classes, each with itself, lie beyond."""
    return {"ticks": [-limit, -limit / 2, 0, limit / 2, limit], "extend": "neither" if limit == 1 else "max"}


def _cell_texts(values: np.ndarray) -> np.ndarray:
    """Format cosines as .85, -.12; nothing on the diagonal."""
    texts = np.empty(values.shape, dtype=object)
    for (i, j), value in np.ndenumerate(values):
        text = f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")
        texts[i, j] = "" if i == j else text.replace("0.", ".", 1)
    return texts


def _colour_ticks(axes: "Axes", analysis: Analysis, order: np.ndarray) -> None:
    """Write class names at both axes in their group's colour."""
    if not analysis.result.groups:
        return
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, i in zip(labels, order, strict=True):
            label.set_color(group_colour(analysis.group[i]))


def _overview(analysis: Analysis) -> "Figure":
    """Draw many classes as one picture, naming the rows where they fit, else the clusters."""
    order = analysis.seriation.order
    values = analysis.similarity.values[np.ix_(order, order)]
    figure = new_figure(8.2, 6.6)
    axes = figure.subplots()
    limit = _colour_limit(values)
    image = axes.imshow(
        values, cmap=diverging_map(), vmin=-limit, vmax=limit, interpolation="antialiased", interpolation_stage="data"
    )
    figure.colorbar(image, ax=axes, label="cosine", shrink=0.6, aspect=28, pad=0.015, **_colour_ends(limit))
    places: list[float] = []
    texts: list[str] = []
    every = len(order) <= MOST_NAMED_ROWS
    if every:
        places, texts = list(range(len(order))), shortened_apart(analysis.class_names[i] for i in order)
    room, end = len(order) / MOST_NAMED_CLUSTERS, 0
    for cluster in analysis.clusters:
        start, end = end, end + len(cluster.members)
        middle = (start + end - 1) / 2
        if not every and end - start > 1 and (not places or middle - places[-1] >= room):
            places.append(middle)
            texts.append(cluster_label(analysis, cluster.medoid, len(cluster.members)))
        axes.axhline(end - 0.5, color="white", linewidth=0.3)
        axes.axvline(end - 0.5, color="white", linewidth=0.3)
    axes.set_yticks(places, texts, fontsize=6.8)
    axes.set_xticks([])
    axes.tick_params(length=2.5)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"{len(order)} classes, like beside like")
    return figure


def cluster_label(analysis: Analysis, medoid: int, size: int) -> str:
    """Name a cluster after its most typical class and say how many more there are."""
    name = shortened(analysis.class_names[medoid])
    return f"{name} +{size - 1}" if size > 1 else name


def dendrogram(analysis: Analysis) -> "Figure | None":
    """Draw the average-linkage tree; of the clusters where there are many classes; None for one class."""
    from scipy.cluster.hierarchy import dendrogram as draw

    tree = analysis.seriation.tree
    if len(tree) == 0:
        return None
    size = len(analysis.class_names)
    if analysis.whole:
        tree_drawn = draw(tree, no_plot=True)
        labels = shortened_apart(analysis.class_names[i] for i in tree_drawn["leaves"])
        colours = [group_colour(analysis.group[i]) for i in tree_drawn["leaves"]]
    else:
        tree_drawn = draw(tree, p=len(analysis.clusters), truncate_mode="lastp", no_plot=True)
        labels = [cluster_label(analysis, cluster.medoid, len(cluster.members)) for cluster in analysis.clusters]
        colours = [INK] * len(labels)
    leaves = len(labels)
    figure = new_figure(5.0 if size <= 12 else 5.8, max((0.32 if size <= 12 else 0.27) * leaves + 0.9, 2.2))
    axes = figure.subplots()
    for heights, positions in zip(tree_drawn["dcoord"], tree_drawn["icoord"], strict=True):
        axes.plot(1.0 - np.array(heights), positions, color=MUTED, linewidth=1.3, solid_joinstyle="miter")
    axes.yaxis.tick_right()
    axes.set_yticks([5 + 10 * i for i in range(leaves)], labels, fontsize=9.5 if leaves <= 30 else 7.5)
    axes.tick_params(axis="y", length=0)
    for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
        label.set_color(colour)
    # The topmost leaf is the first of the heatmap's rows.
    axes.set_ylim(10 * leaves, 0)
    lowest = float(1.0 - tree[:, 2].max())
    axes.set_xlim(min(lowest - 0.05, 0.0), 1.0)
    axes.set_xlabel("mean cosine at which branches join" if size > 1 else "cosine")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.spines["left"].set_visible(False)
    return figure


def class_map(analysis: Analysis) -> "Figure | None":
    """Draw the classes in the plane, near where similar; None for fewer than three classes."""
    size = len(analysis.class_names)
    if size < 3:
        return None
    places, kept = place_on_map(analysis.similarity)
    few = size <= 12
    figure = new_figure(*((5.2, 4.3) if few else (6.6, 6.0)))
    axes = figure.subplots()
    colours = [group_colour(g) for g in analysis.group]
    named = list(range(size)) if analysis.whole else [c.medoid for c in analysis.clusters if len(c.members) > 1]
    axes.axhline(0, color=FAINT, linewidth=0.7, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=0.7, zorder=0)
    axes.scatter(
        places[:, 0],
        places[:, 1],
        s=44 if few else 26 if analysis.whole else 7,
        c=colours,
        zorder=4,
        linewidths=0,
        alpha=1 if analysis.whole else 0.5,
    )
    if not analysis.whole:
        inks = [colours[i] for i in named]
        axes.scatter(places[named, 0], places[named, 1], s=22, c=inks, edgecolors="white", linewidths=0.6, zorder=4)
    map_frame(axes, kept, "classes", margin=0.14)
    for g, group in enumerate(analysis.result.groups):
        axes.scatter([], [], s=44, color=group_colour(g), label=group)
    if analysis.result.groups:
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.1), ncols=4, handletextpad=0.1, borderaxespad=0)
    texts = shortened_apart(analysis.class_names[i] for i in named)
    label_points(
        axes,
        places[named],
        texts,
        [colours[i] for i in named],
        obstacles=places if analysis.whole else places[named],
        size=9.5 if few else 7.5 if analysis.whole else 6.8,
    )
    return figure


def map_frame(axes: "Axes", kept: float, what: str, *, margin: float) -> None:
    """Frame a map of points, whose axes have no unit: how much of the scatter of `what` it keeps stands below."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(margin)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, color=FAINT)
    axes.set_xlabel(f"two directions that keep {kept:.0%} of the scatter of the {what}", color=MUTED)


def seeds_spread(analysis: Analysis) -> "Figure | None":
    """Draw every seed's cosine for each pair, coloured by basin; None for one seed or over 20 classes."""
    similarity, names = analysis.similarity, analysis.class_names
    if similarity.low is None or similarity.high is None or not 2 <= len(names) <= MOST_NUMBERS:
        return None
    rows, columns = pair_indices(len(names))
    low, high = similarity.low[rows, columns], similarity.high[rows, columns]
    middle = similarity.values[rows, columns]
    shown = widest_pairs(middle, high - low)
    every = analysis.result.runs.cosines()[:, rows, columns][:, shown]
    basin_of = np.zeros(len(every), dtype=int)
    if analysis.runs.basins is not None:
        basin_of[list(analysis.runs.basins.runs[1])] = 1
    figure, axes, height = pair_axes(pair_labels([(names[rows[p]], names[columns[p]]) for p in shown]))
    axes.hlines(height, low[shown], high[shown], color=FAINT, linewidth=5, zorder=1)
    colours = (group_colour(2), "#d4701c")
    for basin in sorted(set(basin_of.tolist())):
        values = every[basin_of == basin]
        # A small shift keeps two basins that coincide both visible.
        shift = 0.0 if not basin_of.any() else (0.16, -0.16)[basin]
        label = f"{len(values)} seeds"
        if basin_of.any():
            label = f"{('first', 'second')[basin]} group: {label}"
        axes.scatter(
            values.ravel(),
            np.tile(height + shift, len(values)),
            s=7,
            color=colours[basin],
            alpha=0.45,
            linewidths=0,
            label=label,
            zorder=2,
        )
    mark_values(axes, middle[shown], height, "median")
    legend_above(figure)
    return figure


def reference_scatter(analysis: Analysis) -> "Figure | None":
    """Draw each pair's cosine against the reference and name the pairs that differ most; None without one.

    Many pairs are drawn as their density.
    """
    compared = _compared_pairs(analysis)
    if compared is None:
        return None
    rows, columns, x, y = compared
    similarity, names = analysis.similarity, analysis.class_names
    same = analysis.group[rows] == analysis.group[columns]
    grouped = (analysis.group[rows] >= 0) & (analysis.group[columns] >= 0)
    many = len(x) > MANY_PAIRS
    figure = new_figure(6.0, 5.6)
    axes = figure.subplots()
    cosines = _are_cosines(x)
    if cosines:
        least, most = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot([least, most], [least, most], color=MUTED, linewidth=0.8, dashes=(4, 3), zorder=0)
    if similarity.low is not None and similarity.high is not None and not many:
        axes.vlines(
            x, similarity.low[rows, columns], similarity.high[rows, columns], color=FAINT, linewidth=2, zorder=1
        )
    parts = [("pairs", np.ones(len(x), bool), group_colour(-1))]
    if grouped.any():
        parts = [("within a group", grouped & same, "#d4701c"), ("across groups", grouped & ~same, "#2f6ea3")]
        parts += [("other pairs", ~grouped, MUTED)] if (~grouped).any() else []
    if len(x) > MOST_DOTS:
        bins = axes.hexbin(x, y, gridsize=55, bins="log", mincnt=1, cmap=sequential_map(), linewidths=0.1, zorder=2)
        figure.colorbar(bins, ax=axes, label="pairs", shrink=0.6, aspect=28, pad=0.015, format="{x:,.0f}")
    else:
        for label, which, colour in parts:
            size, alpha = (4, 0.25) if many else (30, 0.9)
            axes.scatter(x[which], y[which], s=size, color=colour, alpha=alpha, linewidths=0, label=label, zorder=4)
        if len(parts) > 1:
            axes.legend(loc="upper left", handletextpad=0.1)
    axes.set_xlabel(f"similarity, {analysis.result.reference_name}")
    axes.set_ylabel("cosine, this result")
    axes.margins(0.1)
    axes.grid(color=FAINT, linewidth=0.5)
    odd = _oddest(np.abs(x - y) if cosines else _rank_distance(x, y), rows, columns)
    points = np.column_stack([x, y])
    texts = pair_labels([(names[rows[p]], names[columns[p]]) for p in odd])
    label_points(
        axes,
        points[odd],
        texts,
        [INK] * len(odd),
        obstacles=points[odd] if many else points,
        size=8,
        must_place=False,
    )
    return figure


def reference_caption(analysis: Analysis) -> str:
    """Say what `reference_scatter` shows; "" where there is none."""
    compared = _compared_pairs(analysis)
    if compared is None:
        return ""
    x = compared[2]
    density = len(x) > MOST_DOTS
    said = ["The pairs of classes as their density." if density else "Each dot is a pair of classes."]
    said += ["On the dashed line both agree."] if _are_cosines(x) else []
    said += ["Named are pairs that differ most" + ("." if _are_cosines(x) else " in their order.")]
    said += ["Grey: 95 % of the seeds."] if analysis.similarity.low is not None and len(x) <= MANY_PAIRS else []
    return " ".join(said)


def _compared_pairs(analysis: Analysis) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Return (P,) rows and columns of the pairs that the reference knows, its similarities, and the cosines."""
    reference = analysis.reference_values()
    if reference is None or analysis.agreement is None:
        return None
    rows, columns = pair_indices(len(analysis.class_names))
    known = ~np.isnan(reference[rows, columns])
    rows, columns = rows[known], columns[known]
    return rows, columns, reference[rows, columns], analysis.similarity.values[rows, columns]


def _are_cosines(similarities: np.ndarray) -> bool:
    """Tell cosines, which may be compared number by number, from shares and the like, whose order alone may be."""
    return bool(similarities.min() < 0)


def _rank_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how far each pair's place by one similarity is from its place by the other."""
    from scipy import stats

    return np.abs(stats.rankdata(x) - stats.rankdata(y))


def _oddest(distance: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the pairs of the largest distance, a class a few times at most: one odd class would fill the figure."""
    named: dict[int, int] = {}
    found: list[int] = []
    for pair in np.argsort(-distance, kind="stable"):
        both = int(rows[pair]), int(columns[pair])
        if len(found) == ODD_PAIRS:
            break
        if max(named.get(one, 0) for one in both) < MOST_TIMES_NAMED:
            found.append(int(pair))
            for one in both:
                named[one] = named.get(one, 0) + 1
    return np.array(found)
