"""Contact sheets: many small pictures, each with a line or two below it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from confemb.reporting.style import INK, MUTED, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_A_ROW = 8


def contact_sheet(images: np.ndarray, captions: Sequence[Sequence[str]]) -> "Figure":
    """Draw pictures in rows of eight.

    Args:
        images: (n, H, W, C) uint8, C of 1 or 3; n of at least 1.
        captions: for each picture its lines, the first one dark and the others grey.
    """
    lines = max(len(one) for one in captions)
    across = min(len(images), IN_A_ROW)
    down = -(-len(images) // across)
    figure = new_figure(1.15 * across, (1.05 + 0.15 * lines) * down, h_pad=0.02, w_pad=0.02)
    grid = figure.add_gridspec(2 * down, across, height_ratios=[1.0, 0.15 * lines] * down)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(place, across)
        picture = figure.add_subplot(grid[2 * row, column])
        grey = image.shape[-1] == 1
        picture.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
        picture.set_axis_off()
        below = figure.add_subplot(grid[2 * row + 1, column])
        below.set_axis_off()
        for number, line in enumerate(caption):
            below.text(
                0.5,
                1.0 - number / lines,
                shortened(line, 20),
                ha="center",
                va="top",
                fontsize=6.5,
                color=MUTED if number else INK,
                transform=below.transAxes,
            )
    return figure
