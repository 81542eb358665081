"""Packing: everything that a page shows as one block of bytes, which the browser reads in one go.

The block: "CEX1", the header's length (uint32), a header in JSON, zeros up to a multiple of 8, then arrays, each
beginning at a multiple of 8, all little-endian. The header names each array's type, place and length, and holds texts
and single numbers. Similarities and their bounds are whole multiples of 1/30,000 (int16), pairs in upper-triangle
order; probabilities of 1/65,535 (uint16). `src/data.ts` reads it.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from confemb.records.indices import pair_indices
from confemb.reporting.explorer.items import COLUMNS, PER_SHEET, make_thumbnails, rows_within, shown_texts
from confemb.reporting.explorer.records import Comparison, ExplorerData, ExplorerItems, wilson
from confemb.support.errors import ConfembError, visible

MAGIC = b"CEX1"
SCALE, UNKNOWN = 30_000, -32_768
_TYPES = {"f8": "<f8", "f4": "<f4", "i4": "<i4", "u4": "<u4", "u2": "<u2", "i2": "<i2", "u1": "u1"}
# The share of a budget for thumbnails: the rest is for ids and classes.
PICTURE_SHARE = 0.8


@dataclass
class _Arrays:
    """Arrays behind one another, and where each is."""

    places: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, name: str, kind: str, values: Any) -> None:
        data = np.ascontiguousarray(np.asarray(values), dtype=_TYPES[kind]).tobytes()
        self.places[name] = (kind, self.length, len(data) // np.dtype(_TYPES[kind]).itemsize)
        data += b"\0" * (-len(data) % 8)
        self.parts.append(data)
        self.length += len(data)


def pack(data: ExplorerData, other: ExplorerData | None, comparison: Comparison | None, *, budget: int) -> bytes:
    """Return the block of a page.

    Args:
        data: what is shown; where there are two results: A, whose tree, order and map both have.
        other: B, over the same classes.
        comparison: which changes from A to B stand beyond chance.
        budget: bytes of the page for the items, in all.

    Raises:
        ConfembError: two results of different classes.
    """
    results = [data] if other is None else [data, other]
    if other is not None and other.class_names != data.class_names:
        raise ConfembError("the two results have different classes: give two over the same ones.")
    arrays = _Arrays()
    header: dict[str, Any] = {
        "format": 1,
        "title": visible(data.title),
        "description": visible(data.description),
        "item": visible(data.item),
        "names": [visible(name) for name in data.class_names],
        "members": None if data.members is None else [[visible(one) for one in block] for block in data.members],
        "kept": round(float(data.kept), 4),
        "level": 0.05 if comparison is None else comparison.level,
        "results": [_add_result(arrays, r, one) for r, one in enumerate(results)],
    }
    _add_layout(arrays, data)
    if comparison is not None:
        arrays.add("pair.row", "u4", np.minimum(comparison.rows, comparison.columns))
        arrays.add("pair.column", "u4", np.maximum(comparison.rows, comparison.columns))
        arrays.add("pair.q", "f4", comparison.q)
        arrays.add("recall.q", "f4", comparison.recall_q)
    header["sets"] = sets = _add_sets(arrays, results, budget)
    header["notes"] = [visible(note) for one in results for note in one.notes]
    header["notes"] += dict.fromkeys(_shown_note(one, data.item) for one in sets)
    header["arrays"] = arrays.places
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
    head = MAGIC + struct.pack("<I", len(text)) + text
    return head + b"\0" * (-len(head) % 8) + b"".join(arrays.parts)


def _index_kind(size: int) -> str:
    return "u2" if size <= 65_536 else "u4"


def _add_result(arrays: _Arrays, r: int, data: ExplorerData) -> dict[str, Any]:
    """Add one result's counts, shares and similarities; return its part of the header."""
    size = len(data.class_names)
    kind = _index_kind(size)
    arrays.add(f"{r}.true", kind, data.true)
    arrays.add(f"{r}.predicted", kind, data.predicted)
    arrays.add(f"{r}.count", "f8", data.counts)
    arrays.add(f"{r}.support", "f8", data.support)
    arrays.add(f"{r}.named", "f8", data.named)
    arrays.add(f"{r}.hits", "f8", data.hits)
    for what, n in (("recall", data.support), ("precision", data.named)):
        low, high = wilson(data.hits, n)
        arrays.add(f"{r}.{what}.low", "f4", low)
        arrays.add(f"{r}.{what}.high", "f4", high)
    upper = pair_indices(size)
    if data.cosine is not None:
        arrays.add(f"{r}.cosine", "i2", _in_steps(data.cosine[upper]))
    sources = []
    for source, (low, high, replicates) in data.intervals.items():
        arrays.add(f"{r}.{source}.low", "i2", _in_steps(low[upper]))
        arrays.add(f"{r}.{source}.high", "i2", _in_steps(high[upper]))
        sources.append({"name": source, "replicates": int(replicates)})
    if data.both:
        arrays.add(f"{r}.both.row", kind, [min(pair) for pair, _ in data.both])
        arrays.add(f"{r}.both.column", kind, [max(pair) for pair, _ in data.both])
        arrays.add(f"{r}.both.values", "f4", [values for _, values in data.both])
    return {
        "name": visible(data.name),
        "sources": sources,
        "total": float(data.counts.sum()),
        "right": float(data.hits.sum()),
    }


def _in_steps(values: np.ndarray) -> np.ndarray:
    """Return similarities from -1 to 1 as whole steps, unknown ones as `UNKNOWN`."""
    known = ~np.isnan(values)
    steps = np.full(len(values), UNKNOWN, np.int64)
    steps[known] = np.rint(np.clip(values[known], -1.05, 1.05) * SCALE).astype(np.int64)
    return steps


def _add_layout(arrays: _Arrays, data: ExplorerData) -> None:
    """Add order, tree and map."""
    tree = np.asarray(data.tree, np.float64).reshape(-1, 4)
    arrays.add("order", "u4", data.order)
    arrays.add("tree.children", "i4", tree[:, :2])
    # Rounding may leave a merge a hair below the one before it.
    arrays.add("tree.height", "f4", np.maximum.accumulate(tree[:, 2]) if len(tree) else tree[:, 2])
    arrays.add("positions", "f4", data.places)


def _same_items(a: ExplorerItems, b: ExplorerItems) -> bool:
    return len(a) == len(b) and list(a.ids) == list(b.ids) and bool((a.labels == b.labels).all())


def _add_sets(arrays: _Arrays, results: list[ExplorerData], budget: int) -> list[dict[str, Any]]:
    """Add the items of one result, those that two have in common, or each one's own."""
    items = [(r, one.items) for r, one in enumerate(results) if one.items is not None and len(one.items)]
    kind = _index_kind(len(results[0].class_names))
    if len(items) == 2 and _same_items(items[0][1], items[1][1]):
        return [_add_set(arrays, 0, (0, 1), [items[0][1], items[1][1]], budget, kind)]
    return [_add_set(arrays, s, (r,), [one], budget // len(items), kind) for s, (r, one) in enumerate(items)]


def _add_set(
    arrays: _Arrays, s: int, by: tuple[int, ...], items: list[ExplorerItems], budget: int, kind: str
) -> dict[str, Any]:
    """Add a set of items with what each of the results `by` made of them; return its part of the header."""
    main = items[-1]
    illustrated = main.pictures is not None
    rows = rows_within(main, int(budget * (1 - PICTURE_SHARE)) if illustrated else budget)
    if len(items) == 2:
        # Both results' mistakes by turns.
        others = rows_within(items[0], budget)
        rows = _by_turns(rows, others)[: len(rows)]
    thumbs = None
    if illustrated:
        made = make_thumbnails(main, rows, int(budget * PICTURE_SHARE))
        rows = rows[: len(made.sheets) * PER_SHEET]
        for i, sheet in enumerate(made.sheets):
            arrays.add(f"set{s}.sheet{i}", "u1", np.frombuffer(sheet, np.uint8))
        thumbs = {
            "size": made.size,
            "columns": COLUMNS,
            "perSheet": PER_SHEET,
            "sheets": len(made.sheets),
            "mime": "image/webp",
        }
    arrays.add(f"set{s}.label", kind, main.labels[rows])
    for at, one in enumerate(items):
        arrays.add(f"set{s}.top{at}", kind, one.top_classes[rows])
        if one.top_probs is not None:
            arrays.add(f"set{s}.prob{at}", "u2", np.rint(np.clip(one.top_probs[rows], 0, 1) * 65_535))
    return {
        "by": list(by),
        "k": [int(one.top_classes.shape[1]) for one in items],
        "probs": [one.top_probs is not None for one in items],
        "shown": len(rows),
        "total": len(main),
        "ids": [visible(str(main.ids[row])) for row in rows.tolist()],
        "texts": shown_texts(main, rows),
        "thumbs": thumbs,
    }


def _by_turns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the values of both, one of each by turns, none twice."""
    both = np.empty(2 * min(len(a), len(b)), np.int64)
    both[0::2], both[1::2] = a[: len(both) // 2], b[: len(both) // 2]
    merged = np.concatenate([both, a[len(both) // 2 :], b[len(both) // 2 :]])
    _, first = np.unique(merged, return_index=True)
    return merged[np.sort(first)]


def _shown_note(one: dict[str, Any], item: str) -> str:
    """Say how many of how many items a page shows."""
    if one["shown"] == one["total"]:
        return f"The page holds all {one['total']:,} {item}s."
    return (
        f"The page holds {one['shown']:,} of {one['total']:,} {item}s: of each confusion the most confident first, of "
        "what was right the least and the most confident."
    )
