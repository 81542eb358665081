"""Labels beside the points of a figure."""

from typing import TYPE_CHECKING, cast

import numpy as np

from confemb.analysis.clustering import place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def label_points(
    axes: "Axes",
    points: np.ndarray,
    texts: list[str],
    colours: list[str],
    *,
    obstacles: np.ndarray,
    size: float,
    must_place: bool = True,
    upon: bool = False,
) -> None:
    """Write a label by each of (n, 2) points where it covers nothing, with a thin line to it from afar.

    `obstacles`, `must_place` and `upon` are those of `confemb.analysis.clustering.place_labels`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patheffects import Stroke

    figure = cast("Figure", axes.figure)
    figure.draw_without_rendering()
    # Labels are placed for the axes as they stand now: nothing may move them afterwards.
    figure.set_layout_engine("none")
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim(), autoscale_on=False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = [axes.text(0, 0, text, fontsize=size, ha="center", va="center") for text in texts]
    boxes = [text.get_window_extent(renderer) for text in drawn]
    area = axes.get_window_extent(renderer)
    centres = place_labels(
        axes.transData.transform(points),
        np.array([(box.width, box.height) for box in boxes]).reshape(-1, 2),
        (area.x0 + 2, area.y0 + 2, area.x1 - 2, area.y1 - 2),
        obstacles=axes.transData.transform(obstacles),
        must_place=must_place,
        upon=upon,
    )
    scale = figure.dpi / 72
    for text, box, point, colour, centre in zip(drawn, boxes, points, colours, centres, strict=True):
        if centre is None:
            text.remove()
            continue
        place = axes.transData.inverted().transform(centre)
        x, y = float(place[0]), float(place[1])
        text.set_position((x, y))
        text.set_color(colour)
        # A text of its own, below all labels: in an SVG a text with an effect holds the outline of every letter.
        halo = axes.text(x, y, text.get_text(), fontsize=size, ha="center", va="center", color="white", zorder=2.9)
        halo.set_path_effects([Stroke(linewidth=2.0, foreground="white")])
        nearest = axes.transData.transform(point)
        half = np.array([box.width / 2, box.height / 2])
        edge = np.clip(nearest, np.array(centre) - half, np.array(centre) + half)
        if np.hypot(*(nearest - edge)) > 9 * scale:
            end = axes.transData.inverted().transform(edge)
            axes.plot([point[0], end[0]], [point[1], end[1]], color=colour, linewidth=0.5, alpha=0.6, zorder=1)
