"""What a comparison of two similarities says: on the terminal, as a table of pairs, as a figure."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from confemb.analysis.clustering import Seriation, find_clusters, seriate
from confemb.records.indices import pair_indices
from confemb.records.similarity import SimilarityMatrix
from confemb.references.comparison import Comparison
from confemb.reporting.agreement_table import ceiling_text, interval_text, p_statement, p_text
from confemb.reporting.figures import MOST_NAMED_CLUSTERS, MOST_NAMED_ROWS, MOST_NUMBERS
from confemb.reporting.labels import label_points
from confemb.reporting.pair_axes import pair_labels
from confemb.reporting.style import FAINT, INK, MUTED, UNGROUPED, diverging_map, new_figure, shortened, shortened_apart
from confemb.reporting.tables import number
from confemb.support.cells import csv_cells
from confemb.support.errors import ConfembError, quoted_list, shown
from confemb.support.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAIRS_TOLD, NEAREST_TOLD, PAIRS_NAMED = 5, 10, 5
# From here on dots would hide one another: their density is drawn.
MANY_PAIRS = 2000


def comparison_text(found: Comparison) -> str:
    """Return the comparison as plain text, some twenty lines."""
    a, b = short_titles(found)
    tested = found.agreement
    told = tested.found
    lines = [f"{a} and {b}, {len(found.class_names):,} classes", f"Spearman {number(told.spearman, 3)}"]
    lines[-1] += f" over {told.pairs:,} pairs" + (f", {interval_text(tested)}" if interval_text(tested) else "")
    lines += [text for text in (p_text(tested), *map(ceiling_text, (a, b), found.ceilings)) if text]
    lines.append(f"Pearson {number(told.pearson, 3)}")
    lines.append(f"nearest class the same for {told.nearest_right} of {told.nearest_columns} classes")
    for name, here, there in told.nearest_wrong[:NEAREST_TOLD]:
        lines.append(f"  {name}: {here} in {a}, {there} in {b}")
    if len(told.nearest_wrong) > NEAREST_TOLD:
        lines.append(f"  and {len(told.nearest_wrong) - NEAREST_TOLD} more")
    first, second = found.rank_shares()
    odd = [found.odd_pairs(PAIRS_TOLD, more_alike_in=side) for side in (0, 1)]
    if any(odd):
        names = [[shown(f"{found.class_names[i]} – {found.class_names[j]}") for i, j in pairs] for pairs in odd]
        width = max(len(name) for part in names for name in part)
        lines.append("pairs that differ most, by their rank from 0, least alike, to 1, most alike:")
        lines.append(f"  {'':<{width}}  {a}  {b}")
        for pairs, part in zip(odd, names, strict=True):
            lines += [
                f"  {name:<{width}}  {number(first[pair]):<{len(a)}}  {number(second[pair])}"
                for name, pair in zip(part, pairs, strict=True)
            ]
    if found.left_out:
        lines.append(f"left out, being in one of the two only: {quoted_list(found.left_out, limit=10)}")
    return "\n".join(map(shown, lines))


def short_titles(found: Comparison) -> tuple[str, str]:
    """Return what the two are called; of the paths of two results only the last parts, where these differ."""
    a, b = (Path(title).name if "/" in title else title for title in found.titles)
    return (a, b) if a != b else found.titles


def figure_stem(out: Path) -> Path:
    """Return the path, without suffix, of the files to write: within a folder they are called "comparison".

    Raises:
        ConfembError: a file of another kind than PNG or SVG.
    """
    if out.suffix.lower() in (".png", ".svg") and not out.is_dir():
        return out.with_suffix("")
    if out.is_file():
        raise ConfembError(f"{out} is a file, but no .png or .svg: give one of these, or a folder.")
    return out / "comparison"


def write_comparison(found: Comparison, stem: Path) -> list[Path]:
    """Write STEM.png, STEM.svg and STEM.csv (every pair, those that differ most first); return their paths."""
    from confemb.reporting import style

    with style.figure_style():
        figure = comparison_figure(found)
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg", "csv")]
    for path in paths[:2]:
        style.save_bytes(path, style.figure_bytes(figure, path.suffix[1:], dpi=200))
    write_text(paths[2], pairs_csv(found))
    return paths


def pairs_csv(found: Comparison) -> str:
    """Return the pairs as CSV: class_1, class_2, a, b (similarities), rank_a, rank_b (shares from 0 to 1)."""
    first, second = found.rank_shares()
    rows, columns = pair_indices(len(found.class_names))
    known = ~np.isnan(first[rows, columns])
    rows, columns = rows[known], columns[known]
    order = np.argsort(-np.abs(first - second)[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    lines = ["class_1,class_2,a,b,rank_a,rank_b"]
    names = csv_cells(found.class_names)
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    table = np.column_stack([m[rows, columns] for m in (found.a.values, found.b.values, first, second)]).round(6) + 0.0
    for i, j, values in zip(rows.tolist(), columns.tolist(), table.tolist(), strict=True):
        lines.append(",".join([names[i], names[j], *(f"{value:.6f}" for value in values)]))
    return "\n".join(lines) + "\n"


def comparison_figure(found: Comparison) -> "Figure":
    """Draw the pairs' ranks in one against those in the other, and where in the matrix they differ.

    Ranks, since values of different settings or kinds are not comparable. On the left each dot is a pair of classes
    (from 2,000 pairs on: the density of the pairs), the most different ones named. On the right the difference of the
    ranks, classes in the order that puts like by like in the mean of both.
    """
    size = len(found.class_names)
    side = min(max(0.36 * size + 2.4, 5.2), 6.6)
    figure = new_figure(5.6 + side + 0.8, side)
    left, right = figure.subplots(1, 2, width_ratios=[5.2, side])
    first, second = found.rank_shares()
    _difference(right, found, first - second)
    _scatter(left, found, first, second)
    odd = _named(found)
    rows, columns = pair_indices(size)
    points = np.column_stack([second[rows, columns], first[rows, columns]])
    points = points[~np.isnan(points[:, 0])]
    named = np.array([(second[pair], first[pair]) for pair in odd]).reshape(-1, 2)
    texts = pair_labels([(found.class_names[i], found.class_names[j]) for i, j in odd], longest=18)
    label_points(
        left,
        named,
        texts,
        [INK] * len(odd),
        obstacles=named if len(points) > MANY_PAIRS else points,
        size=8,
        must_place=False,
    )
    return figure


def _named(found: Comparison) -> list[tuple[int, int]]:
    """Return the pairs to name: the oddest on either side."""
    return [pair for side in (0, 1) for pair in found.odd_pairs(PAIRS_NAMED, more_alike_in=side)]


def _scatter(axes: "Axes", found: Comparison, first: np.ndarray, second: np.ndarray) -> None:
    a, b = short_titles(found)
    rows, columns = pair_indices(len(found.class_names))
    x, y = second[rows, columns], first[rows, columns]
    x, y = x[~np.isnan(x)], y[~np.isnan(x)]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, dashes=(4, 3), zorder=3)
    if len(x) > MANY_PAIRS:
        from matplotlib.colors import LinearSegmentedColormap

        blues = LinearSegmentedColormap.from_list("density", ["#eef3f7", "#8fb8d9", "#2f6ea3", "#12355b"])
        hexagons = axes.hexbin(x, y, gridsize=44, extent=(0, 1, 0, 1), bins="log", cmap=blues, mincnt=1, linewidths=0.1)
        bar = axes.figure.colorbar(hexagons, ax=axes, label="pairs", shrink=0.5, aspect=24, pad=0.015)
        # Powers of ten as plain numbers: class names with a dollar sign forbid mathematical text.
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for i, j in _named(found):
            axes.plot(second[i, j], first[i, j], "o", color="#d4701c", markersize=4, zorder=4)
    else:
        axes.scatter(x, y, s=30 if len(x) < 300 else 10, color=UNGROUPED, alpha=0.85, linewidths=0, zorder=4)
    spearman = number(found.agreement.found.spearman, 3)
    axes.set_title(f"Spearman {spearman}, {p_statement(found.agreement.test.p_value)}")
    for setter, title in ((axes.set_xlabel, b), (axes.set_ylabel, a)):
        setter("\n".join(textwrap.wrap(f"rank of the pair, {title}", 48)))
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    labels = ["least alike", "", "middle", "", "most alike"]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels, rotation=90, va="center")
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(-0.06, 1.06)
    axes.set_box_aspect(1)
    axes.grid(color=FAINT, linewidth=0.5)


def _difference(axes: "Axes", found: Comparison, difference: np.ndarray) -> None:
    first, second = found.rank_shares()
    together = np.nan_to_num((first + second) / 2, nan=0.5)
    np.fill_diagonal(together, 1.0)
    mean = SimilarityMatrix(together, found.class_names)
    seriation = seriate(mean)
    order = seriation.order
    values = difference[np.ix_(order, order)]
    size = len(order)
    few = size <= MOST_NUMBERS
    image = axes.imshow(
        values, cmap=diverging_map(), vmin=-1, vmax=1, interpolation="antialiased", interpolation_stage="data"
    )
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, aspect=28, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
    a, b = (shortened(title, 22) for title in short_titles(found))
    bar.ax.set_yticklabels([f"1 more alike\nin {b}", "0.5", "same rank", "0.5", f"1 more alike\nin {a}"], fontsize=7.5)
    bar.ax.tick_params(length=2)
    if few:
        for (i, j), value in np.ndenumerate(values):
            if i != j and not np.isnan(value) and abs(value) >= 0.005:
                text = f"{abs(value):.2f}".replace("0.", ".", 1)
                dark = abs(value) > 0.62
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else INK)
    if size <= MOST_NAMED_ROWS:
        names = shortened_apart(found.class_names[i] for i in order)
        font = 8.5 if few else 6.8
        axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=font)
        axes.set_yticks(range(size), names, fontsize=font)
    else:
        _name_clusters(axes, mean, seriation)
        axes.set_xticks([])
        axes.set_xlabel(f"{size:,} classes, like beside like")
    axes.tick_params(length=0)
    axes.set_title("Difference of the ranks")
    axes.spines[:].set_visible(False)


def _name_clusters(axes: "Axes", mean: SimilarityMatrix, seriation: Seriation) -> None:
    """Write the most typical class of each cluster beside its rows, where there is room, and how many more it has."""
    size = len(mean.class_names)
    places: list[float] = []
    texts: list[str] = []
    end = 0
    for cluster in find_clusters(mean, seriation, count=round(1.2 * size**0.5)):
        start, end = end, end + len(cluster.members)
        middle = (start + end - 1) / 2
        if end - start > 1 and (not places or middle - places[-1] >= size / MOST_NAMED_CLUSTERS):
            places.append(middle)
            texts.append(f"{shortened(mean.class_names[cluster.medoid], 20)} +{end - start - 1}")
    axes.set_yticks(places, texts, fontsize=6.5)
