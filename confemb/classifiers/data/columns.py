"""Which column of a table holds the items, which their labels."""

from collections.abc import Sequence

import numpy as np

from confemb.classifiers.scoring_records import NO_LABEL, DataSettings, ItemKind
from confemb.records.indices import name_index
from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, quoted_list, unknown_name

# What an input column is usually called, and what that says of its cells; a path may lead to anything.
INPUT_NAMES: dict[str, ItemKind | None] = {
    "text": "text",
    "sentence": "text",
    "content": "text",
    "image": "picture",
    "picture": "picture",
    "img": "picture",
    "image_path": "picture",
    "audio": "audio",
    "path": None,
    "file": None,
    "filename": None,
    "file_name": None,
}
LABEL = "label"
# Columns that are never what is classified.
ASIDE = frozenset({"id", "split", "weight"})


def label_column(columns: Sequence[str], settings: DataSettings, *, where: str) -> str:
    """Return the column of labels: the one given, or "label"."""
    wanted = settings.label or LABEL
    if wanted in columns:
        return wanted
    if settings.label is not None:
        raise unknown_name("column", wanted, columns, where=where)
    raise ConfembError(
        f"{where} has no column 'label'; its columns are {quoted_list(columns, limit=12)}: name the column of labels "
        "with --label."
    )


def input_column(columns: Sequence[str], settings: DataSettings, *, where: str) -> str | None:
    """Return the column of items: the one given, the one with a usual name, or the only one left; None for several.

    Raises:
        ConfembError: an unknown column, or several with usual names.
    """
    if settings.input is not None:
        if settings.input not in columns:
            raise unknown_name("column", settings.input, columns, where=where)
        return settings.input
    label = settings.label or LABEL
    usual = [name for name in columns if name.lower() in INPUT_NAMES and name != label]
    if len(usual) > 1:
        raise ConfembError(f"{where} has the columns {quoted_list(usual)}: say which holds the items with --input.")
    if usual:
        return usual[0]
    left = [name for name in columns if name != label and name.lower() not in ASIDE]
    return left[0] if len(left) == 1 else None


def encode_labels(
    cells: Sequence[str | int | None], label_names: Sequence[str] | None, *, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn labels into indices and names: those given for whole numbers, else each distinct label's own text, sorted.

    Whole numbers without names keep their digits as names, in the order of the numbers.

    Returns:
        (N,) int32 indices, `NO_LABEL` for None and empty texts, and the names.

    Raises:
        ConfembError: no label at all, or a number that has no name.
    """
    texts = [None if cell is None or (isinstance(cell, str) and not cell.strip()) else str(cell) for cell in cells]
    distinct = {text for text in texts if text is not None}
    if not distinct:
        raise ConfembError(f"{where} has no labels: they are all empty.")
    numbers = all(text.isdecimal() for text in distinct)
    if label_names is not None and not distinct <= set(label_names):
        if not numbers:
            strange = sorted(distinct - set(label_names))
            raise unknown_name("label", strange[0], label_names, where=f"{where}, by the names given")
        if largest := [text for text in distinct if int(text) >= len(label_names)]:
            raise ConfembError(
                f"{where} has the label {max(largest, key=int)}, but only {len(label_names)} names are given (0 to "
                f"{len(label_names) - 1}): give the names of all labels."
            )
        index = {text: int(text) for text in distinct}
        names = tuple(label_names)
    else:
        order = sorted(distinct, key=int) if numbers else sorted(distinct)
        names = tuple(label_names) if label_names is not None else tuple(order)
        index = name_index(names)
    check_class_names(names)
    labels = np.fromiter((NO_LABEL if t is None else index[t] for t in texts), np.int32, len(texts))
    return labels, names
