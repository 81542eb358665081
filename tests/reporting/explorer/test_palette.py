"""The colours can be told apart by people with each common colour blindness, and in grey print."""

import re
from pathlib import Path

import numpy as np
import pytest

import confemb.reporting.explorer

SOURCE = (Path(confemb.reporting.explorer.__file__).parent / "src" / "colour.ts").read_text(encoding="utf-8")
# Machado, Oliveira & Fernandes (2009), severity 1.0, for linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def palette(name):
    """Return the (n, 3) linear RGB of a scale in the source."""
    (text,) = re.findall(rf"export const {name} = \[(.*?)\];", SOURCE)
    values = np.array(
        [[int(hex_[i : i + 2], 16) / 255 for i in (0, 2, 4)] for hex_ in re.findall(r"#([0-9a-f]{6})", text)]
    )
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(linear):
    """Return CIELAB (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear, 0, 1) @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize(("name", "sign"), [("SEQUENTIAL_LIGHT", -1), ("SEQUENTIAL_DARK", 1)])
def test_amounts_grow_darker_or_lighter_all_along(name, sign, blindness):
    colours = lab(palette(name) @ np.array(BLINDNESS[blindness]).T)
    assert (sign * np.diff(colours[:, 0]) > 4).all()


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("name", ["DIVERGING_LIGHT", "DIVERGING_DARK"])
def test_both_ends_differ_from_the_middle_and_from_each_other(name, blindness):
    colours = lab(palette(name) @ np.array(BLINDNESS[blindness]).T)
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    # A just noticeable difference is about 2.3: every step has several.
    assert distance[np.triu_indices(7, k=1)].min() > 8
