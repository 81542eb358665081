"""What a joint space of pictures and captions shows: contact sheets for sentences, captioned pictures, a map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from confemb.datasets.pictures import decode_picture
from confemb.reporting.contact_sheet import contact_sheet
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.style import FAINT, INK, MUTED, group_colour, new_figure, shortened
from confemb.reporting.tables import frame_table
from confemb.spaces.captions.space import Found

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Photographs are shown small: they are others'.
THUMBNAIL = 96


def thumbnails(files: Sequence[Path], *, size: int = THUMBNAIL) -> np.ndarray:
    """Return (n, size, size, 3) uint8 centres of picture files; raises ConfembError for one that is no picture."""
    return np.stack([decode_picture(file, mode="RGB", image_size=size, where=str(file)) for file in files])


def search_study(answers: Sequence[tuple[str, Sequence[str], Sequence[Found]]], files: Mapping[str, Path]) -> Study:
    """Return the report on sentences and the pictures they found.

    Args:
        answers: each sentence, its unknown words, and what it found, best first.
        files: the pictures' files by name, for those that are there.
    """
    sections = []
    for number, (sentence, unknown, found) in enumerate(answers, start=1):
        shown = [(files[each.name], each) for each in found if each.name in files]
        note = f"Unknown words, read as padding: {', '.join(unknown)}." if unknown else ""
        frame = pd.DataFrame({"picture": [e.name for e in found], "score": [e.score for e in found]})
        figures = []
        if shown:
            draw = partial(_sheet, [file for file, _ in shown], [each for _, each in shown])
            caption = f"The pictures that suit “{sentence}” best."
            figures = [StudyFigure(f"pictures_{number}", caption, draw, photographs=True)]
        sections.append(Section(sentence, note, [frame_table("Scores", frame, digits=3)], figures))
    return Study(
        title="Pictures for sentences",
        description="The pictures whose places in the joint space score highest with each sentence, best first.",
        findings=(),
        sections=sections,
    )


def _sheet(files: Sequence[Path], found: Sequence[Found]) -> "Figure":
    return contact_sheet(thumbnails(files), [[f"{each.score:.3f}"] for each in found])


def sentence_rows(rows: Sequence[tuple[str, np.ndarray]]) -> "Figure":
    """Draw for each sentence a row of pictures, best first.

    Args:
        rows: sentences, each with (n, H, W, 3) uint8 pictures.
    """
    across = max(len(images) for _, images in rows)
    figure = new_figure(1.1 * across, 1.36 * len(rows), h_pad=0.02, w_pad=0.02)
    grid = figure.add_gridspec(2 * len(rows), across, height_ratios=[0.2, 1.0] * len(rows))
    for number, (sentence, images) in enumerate(rows):
        title = figure.add_subplot(grid[2 * number, :])
        title.set_axis_off()
        title.text(0, 0, f"“{sentence}”", fontsize=10, va="bottom", transform=title.transAxes)
        for place, image in enumerate(images):
            _photograph(figure.add_subplot(grid[2 * number + 1, place]), image)
    return figure


@dataclass(frozen=True, eq=False)
class Captioned:
    """A picture with captions.

    Attributes:
        image: (H, W, 3) uint8.
        given: the captions it was given, best first.
        said: what people wrote under it.
        rank: the best rank of those among all captions of the pictures it was measured with.
    """

    image: np.ndarray
    given: Sequence[str]
    said: Sequence[str]
    rank: int


def captioned_pictures(pictures: Sequence[Captioned], *, among: int, in_a_row: int = 2) -> "Figure":
    """Draw pictures with the captions they were given, what people wrote, and how well they found that.

    Args:
        pictures: at least one.
        among: how many captions the rank is among.
        in_a_row: pictures side by side.
    """
    down = -(-len(pictures) // in_a_row)
    figure = new_figure(6.2 * in_a_row, 1.5 * down, h_pad=0.05, w_pad=0.03)
    grid = figure.add_gridspec(down, 2 * in_a_row, width_ratios=[1.0, 3.2] * in_a_row)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, in_a_row)
        _photograph(figure.add_subplot(grid[row, 2 * column]), picture.image)
        beside = figure.add_subplot(grid[row, 2 * column + 1])
        beside.set_axis_off()
        lines = [(text, INK, "normal") for text in picture.given]
        lines += [(text, MUTED, "italic") for text in picture.said]
        lines += [(f"its captions: rank {picture.rank:,} of {among:,}", MUTED, "normal")]
        for place, (text, colour, slant) in enumerate(lines):
            y = 0.98 - place / (len(lines) + 0.2)
            beside.text(
                0, y, shortened(text, 68), color=colour, style=slant, fontsize=8, va="top", transform=beside.transAxes
            )
    return figure


def joint_map(points: np.ndarray, captions: np.ndarray, named: Mapping[int, str]) -> "Figure":
    """Draw pictures and captions on one map, a line between each picture and its caption.

    Args:
        points: (n, 2) the pictures' places on the map.
        captions: (n, 2) those of a caption of each.
        named: what to write beside some of the captions, by row.
    """
    figure = new_figure(8.0, 6.4)
    axes = figure.add_subplot()
    for point, caption in zip(points, captions, strict=True):
        axes.plot(*np.stack([point, caption]).T, color=FAINT, linewidth=0.6, zorder=1)
    axes.scatter(points[:, 0], points[:, 1], s=14, color=group_colour(2), label="pictures", zorder=2)
    axes.scatter(captions[:, 0], captions[:, 1], s=14, color="#d4701c", marker="^", label="captions", zorder=2)
    for row, text in named.items():
        axes.annotate(shortened(text, 44), captions[row], (4, 3), textcoords="offset points", fontsize=7, color=INK)
    axes.legend(loc="upper left", fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom", "top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def learning_curves(curves: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], *, until: float) -> "Figure":
    """Draw how a measure grows with the time of training.

    Args:
        curves: for each setting the runs' (CPU seconds, share from 0 to 1) after each epoch.
        until: a time to mark, in CPU seconds.
    """
    from matplotlib.ticker import MultipleLocator

    figure = new_figure(7.4, 3.8)
    axes = figure.add_subplot()
    for number, (name, runs) in enumerate(curves.items()):
        for run, (seconds, values) in enumerate(runs):
            label = name if run == 0 else None
            axes.plot(seconds, values, color=group_colour(number), linewidth=1.4, alpha=0.9, label=label)
    axes.axvline(until, color=FAINT, zorder=0)
    axes.set_xlabel("CPU seconds of training")
    axes.set_ylabel("mean recall, validation")
    axes.yaxis.set_major_locator(MultipleLocator(0.05))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, loc="lower right")
    return figure


def _photograph(axes: "Axes", image: np.ndarray) -> None:
    axes.imshow(image, interpolation="none")
    axes.set_axis_off()
