"""Figures of the classifier itself: its training and what it makes of single pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from confemb.analysis.derived import Analysis
from confemb.reporting.style import FAINT, INK, MUTED, new_figure, shortened_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PICTURES = 12
PICTURES_IN_A_ROW = 4
RIGHT, WRONG = "#d4701c", "#8fb8d9"
_TRAIN, _TEST = "#8fb8d9", "#12355b"


def training_curve(analysis: Analysis) -> "Figure | None":
    """Draw accuracy and loss over the epochs; None without a history."""
    history = analysis.result.history
    if history is None or len(history) == 0:
        return None
    figure = new_figure(7.0, 2.9)
    for axes, what in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for part, colour in (("train", _TRAIN), ("test", _TEST)):
            column = history[f"{part}_{what}"].to_numpy(dtype=float, na_value=np.nan)
            known = np.isfinite(column)
            if not known.any():
                continue
            epochs = history["epoch"].to_numpy(dtype=float)[known]
            marker = "o" if known.sum() <= 40 else None
            axes.plot(epochs, column[known], color=colour, linewidth=1.8, marker=marker, markersize=3, label=part)
            if what == "accuracy" and part == "test":
                axes.annotate(
                    f"{column[known][-1]:.1%}",
                    (epochs[-1], column[known][-1]),
                    xytext=(0, -14),
                    textcoords="offset points",
                    ha="right",
                    color=colour,
                    fontweight="bold",
                )
        if what == "accuracy":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("epoch")
        axes.set_title(what)
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="best")
    return figure


def example_pictures(analysis: Analysis) -> "Figure | None":
    """Draw pictures with their true class and bars of the most probable classes (the paper's Figure 1).

    The bar of the true class is orange, those of the others blue. None without example pictures.
    """
    examples = analysis.result.examples
    if examples is None or len(examples.images) == 0:
        return None
    predictions = analysis.result.predictions
    whole = analysis.class_names if predictions is None else predictions.class_names
    titles, names = shortened_apart(whole, 18), shortened_apart(whole, 15)
    shown = min(len(examples.images), MOST_PICTURES)
    across = min(shown, PICTURES_IN_A_ROW)
    down = -(-shown // across)
    k = examples.top_classes.shape[1]
    bars_height, gap = 0.26 * k, 0.12
    figure = new_figure(1.8 * across + 0.2, (2.0 + bars_height + gap) * down, h_pad=0.02, hspace=0.0)
    # Between two rows of pictures stands an empty row, so that bars belong to the picture above them.
    grid = figure.add_gridspec(3 * down, across, height_ratios=[1.75, bars_height, gap] * down)
    for m in range(shown):
        row, column = divmod(m, across)
        picture = figure.add_subplot(grid[3 * row, column])
        image = examples.images[m]
        picture.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
        picture.set_axis_off()
        label = int(examples.labels[m])
        picture.set_title(titles[label], loc="center", pad=3)
        bars = figure.add_subplot(grid[3 * row + 1, column])
        _draw_bars(bars, examples.top_classes[m], examples.top_probs[m], label, names)
    return figure


def _draw_bars(axes: "Axes", classes: np.ndarray, probs: np.ndarray, label: int, names: Sequence[str]) -> None:
    """Draw a picture's most probable classes as bars as wide as their probability, names upon them."""
    height = np.arange(len(classes))[::-1]
    axes.barh(height, 1.0, height=0.8, color="#f1f3f5")
    axes.barh(height, probs, height=0.8, color=[RIGHT if c == label else WRONG for c in classes])
    for y, c, prob in zip(height, classes, probs, strict=True):
        axes.text(0.02, y, names[c], va="center", fontsize=8, color=INK)
        axes.text(0.98, y, f"{prob:.0%}", va="center", ha="right", fontsize=7.5, color=MUTED)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(classes) - 0.4)
    axes.set_axis_off()
