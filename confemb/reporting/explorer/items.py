"""Which items go into a page, and their thumbnails: as many as a budget allows, the most informative first."""

import io
from dataclasses import dataclass

import numpy as np

from confemb.reporting.explorer.records import ExplorerItems
from confemb.support.errors import visible

# Thumbnails to a sheet: one file of many is smaller than many files, and only those looked at are decoded.
COLUMNS, PER_SHEET = 12, 144
# Larger pictures are made smaller.
LARGEST_SIDE = 96
LONGEST_TEXT = 600
QUALITY = 80


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """Thumbnails on sheets, row by row.

    Attributes:
        size: the side of each, in pixels.
        sheets: WebP files of up to `PER_SHEET` thumbnails, `COLUMNS` to a row.
    """

    size: int
    sheets: list[bytes]


def most_informative(items: ExplorerItems) -> np.ndarray:
    """Return all rows in the order in which they go into a page.

    Items of each cell take turns, the cell with the most first. Of a cell of mistakes the most confident come first;
    of those predicted right the least and the most confident by turns, since they show what is hard and what is
    typical.
    """
    first = items.top_classes[:, 0]
    confidence = np.zeros(len(items)) if items.top_probs is None else items.top_probs[:, 0].astype(np.float64)
    size = int(max(items.labels.max(), first.max())) + 1
    cell = items.labels.astype(np.int64) * size + first
    _, cell, sizes = np.unique(cell, return_inverse=True, return_counts=True)
    right = items.labels == first
    # Within each cell: from the most confident on.
    order = np.lexsort((np.arange(len(items)), -confidence, cell))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    turn = np.empty(len(items), np.int64)
    turn[order] = np.arange(len(items)) - starts[cell[order]]
    from_end = sizes[cell] - 1 - turn
    # 0, 2, 4, ... for the typical ones, 1, 3, 5, ... for the hard ones; two of those right go to each turn.
    turn = np.where(right, np.minimum(2 * turn + 1, 2 * from_end) // 2, turn)
    return np.lexsort((np.arange(len(items)), -sizes[cell], turn))


def shown_texts(items: ExplorerItems, rows: np.ndarray) -> list[str] | None:
    """Return the texts of some rows, long ones cut; None where there are none."""
    if items.texts is None:
        return None
    texts = (items.texts[row] for row in rows.tolist())
    return [visible(text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rstrip() + " …") for text in texts]


def rows_within(items: ExplorerItems, budget: int) -> np.ndarray:
    """Return the rows, most informative first, whose ids, classes and texts fit into `budget` bytes of the page."""
    order = most_informative(items)
    k = items.top_classes.shape[1]
    each = 4 / 3 * (2 + k * (2 if items.top_probs is None else 4))
    lengths = np.fromiter((len(str(key).encode()) + 3 for key in items.ids), np.int64, len(items)) * 4 / 3 + each
    if items.texts is not None:
        lengths += np.fromiter((min(len(text), LONGEST_TEXT) + 3 for text in items.texts), np.int64, len(items)) * 4 / 3
    return order[: int(np.searchsorted(np.cumsum(lengths[order]), budget, side="right"))]


def make_thumbnails(items: ExplorerItems, rows: np.ndarray, budget: int) -> Thumbnails:
    """Return thumbnails of the first rows, as many as fit into `budget` bytes of the page.

    The number shown is that of the rows on the sheets: `sheets` is empty where not even one fits.
    """
    assert items.pictures is not None
    sheets: list[bytes] = []
    size, spent = 0, 0.0
    for start in range(0, len(rows), PER_SHEET):
        part = rows[start : start + PER_SHEET]
        pictures = items.pictures(part)
        size = size or min(LARGEST_SIDE, int(min(pictures.shape[1:3])))
        sheet = _sheet(pictures, size)
        # Base64 takes four bytes for three.
        if spent + len(sheet) * 4 / 3 > budget:
            break
        sheets.append(sheet)
        spent += len(sheet) * 4 / 3
    return Thumbnails(size, sheets)


def _sheet(pictures: np.ndarray, size: int) -> bytes:
    """Return (n, H, W, C) pictures as a WebP file, the centre of each."""
    from PIL import Image

    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * size, rows * size), "#808080")
    for i, pixels in enumerate(pictures):
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
        if side != size:
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
        sheet.paste(picture, (i % COLUMNS * size, i // COLUMNS * size))
    out = io.BytesIO()
    sheet.save(out, "webp", quality=QUALITY, method=4)
    return out.getvalue()
