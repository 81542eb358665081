"""What a joint space of pictures and captions shows: contact sheets for sentences, captioned pictures."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from confemb.captions.space import Found
from confemb.datasets.pictures import decode_picture
from confemb.reporting.contact_sheet import contact_sheet
from confemb.reporting.study import Section, Study, StudyFigure, frame_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        note = f"Unknown words, which did not count: {', '.join(unknown)}." if unknown else ""
        frame = pd.DataFrame({"picture": [e.name for e in found], "score": [e.score for e in found]})
        figures = []
        if shown:
            draw = partial(_sheet, [file for file, _ in shown], [each for _, each in shown])
            figures = [StudyFigure(f"pictures_{number}", f"The pictures that suit “{sentence}” best.", draw)]
        sections.append(Section(sentence, note, [frame_table("Scores", frame, digits=3)], figures))
    return Study(
        title="Pictures for sentences",
        description="The pictures whose places in the joint space score highest with each sentence, best first.",
        findings=(),
        sections=sections,
    )


def _sheet(files: Sequence[Path], found: Sequence[Found]) -> "Figure":
    return contact_sheet(thumbnails(files), [[f"{each.score:.3f}"] for each in found])
