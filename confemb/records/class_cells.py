"""From class names or integer indices, as they stand in a file's cells, to class indices."""

import csv
import io
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, quoted_list, repeated, unknown_name
from confemb.support.files import parse_json, read_text

# More classes than this are not made up from bare indices: one wild number would fill the memory.
MAX_UNNAMED_CLASSES = 100_000

# Class names that ship with confemb, by what they are called on the command line.
_BUILT_IN = {"imagenet": f"{Path(__file__).parent / 'imagenet_classes.csv'}:name"}

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def encode_classes(
    columns: dict[str, np.ndarray],
    class_names: Sequence[str] | None,
    *,
    row_name: Callable[[int], str],
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Turn cells into class indices.

    Cells that are all class names are taken as names; else cells that are all whole numbers are taken
    as indices. Without `class_names`, named classes are numbered by first appearance, first down the
    first column, then down the others; indices get the names "0", "1", ... up to the largest.

    Args:
        columns: column name -> (N,) whole numbers, or strings in an array of objects.
        class_names: the K class names in index order, or None where they are not known.
        row_name: says which row of the file an index is, "line 3", for messages.

    Returns:
        The columns as (N,) int64 indices, and the class names.

    Raises:
        ConfembError: an empty cell, an unknown name, an index out of range, names mixed with numbers.
    """
    if all(cells.dtype.kind in "iu" for cells in columns.values()):
        return _check_range(columns, class_names, row_name)
    columns = {name: _as_strings(cells) for name, cells in columns.items()}
    distinct = {name: dict.fromkeys(cells.tolist()) for name, cells in columns.items()}
    for name, cells in columns.items():
        if any(not cell.strip() for cell in distinct[name]):
            row = next(row for row, cell in enumerate(cells) if not cell.strip())
            raise ConfembError(f"{row_name(row)} has an empty cell in column {name!r}: fill it or leave the row out.")
    appeared = dict.fromkeys(cell for cells in distinct.values() for cell in cells)
    known = None if class_names is None else set(class_names)
    if known is None or not known.issuperset(appeared):
        in_numbers = [name for name, cells in distinct.items() if all(map(_WHOLE_NUMBER.fullmatch, cells))]
        if len(in_numbers) == len(columns):
            return _check_range(
                {name: cells.astype(np.int64) for name, cells in columns.items()}, class_names, row_name
            )
        if known is None:
            if in_numbers:
                raise ConfembError(
                    f"column {in_numbers[0]!r} holds numbers where others hold class names: write all classes the same "
                    "way, or give the class names."
                )
            class_names = tuple(appeared)
        else:
            for name, cells in columns.items():
                for row, cell in enumerate(cells):
                    if cell not in known:
                        raise unknown_name("class", cell, known, where=f"column {name!r}, {row_name(row)}")
    assert class_names is not None
    index = {name: i for i, name in enumerate(class_names)}
    codes = {
        name: np.fromiter((index[cell] for cell in cells), np.int64, len(cells)) for name, cells in columns.items()
    }
    return codes, tuple(class_names)


def _as_strings(cells: np.ndarray) -> np.ndarray:
    return cells if cells.dtype == object else cells.astype(np.str_).astype(object)


def _check_range(
    columns: dict[str, np.ndarray], class_names: Sequence[str] | None, row_name: Callable[[int], str]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return whole numbers as indices, with the names "0".."max" where there are none."""
    largest = max(int(cells.max(initial=0)) for cells in columns.values())
    size = min(largest + 1, MAX_UNNAMED_CLASSES) if class_names is None else len(class_names)
    for name, cells in columns.items():
        bad = (cells < 0) | (cells >= size)
        if bad.any():
            row = int(np.argmax(bad))
            raise ConfembError(
                f"{row_name(row)} has the class index {cells[row]} in column {name!r}, but "
                f"{'without names ' if class_names is None else ''}there are at most {size} classes (0 to {size - 1}): "
                "mend the row, or give all the class names."
            )
    names = map(str, range(size)) if class_names is None else class_names
    return {name: cells.astype(np.int64) for name, cells in columns.items()}, tuple(names)


def positions(own: Sequence[str], given: Sequence[str]) -> np.ndarray:
    """Return (K,) the index in `given` of each of a file's own classes; raise for one that is not there."""
    index = {name: i for i, name in enumerate(given)}
    for name in own:
        if name not in index:
            raise unknown_name("class", name, given, where="the class names given, though the file has it")
    return np.array([index[name] for name in own])


def load_class_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read class names in index order.

    Args:
        path: a text file with one name on each line, a JSON list of strings (`.json`),
            `FILE.csv:COLUMN` for one column of a CSV file, rows in index order, or "imagenet" for ImageNet's 1,000.

    Returns:
        The K class names; blanks around a name and empty lines at the end of a text are removed.

    Raises:
        ConfembError: a file that cannot be read, an unknown column, an empty or repeated name.
    """
    path = _BUILT_IN.get(os.fspath(path), path)
    file, _, column = os.fspath(path).rpartition(":")
    if not file.lower().endswith(".csv"):
        file, column = os.fspath(path), ""
    text = read_text(file)
    if file.lower().endswith(".json"):
        names = parse_json(text, where=file)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfembError(f"{file} must hold a JSON list of class names, each a string.")
    elif file.lower().endswith(".csv"):
        header, *rows = parse_csv(text, where=file)
        if column not in header:
            raise ConfembError(
                f"{file}: say which column holds the class names, as {Path(file).name}:COLUMN; "
                f"its columns are {quoted_list(header, limit=12)}."
            )
        names = [row[header.index(column)] for row in rows]
    else:
        # As in a CSV file, empty lines at the end are no rows.
        names = text.rstrip().splitlines()
    try:
        return tuple(check_class_names([name.strip() for name in names]))
    except ConfembError as error:
        raise ConfembError(f"{path}: {error}") from error


def parse_csv(text: str, *, where: str, skip_blanks: bool = True) -> list[list[str]]:
    """Return the rows of comma-separated text, header first, all equally long.

    Empty lines at the end are passed over, and blanks after a comma unless `skip_blanks` is false.

    Raises:
        ConfembError: no row, a row of another length than the header, a column name given twice.
    """
    rows: list[list[str]] = []
    # Lines without a cell, which only the end of the file may have.
    empty = 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=skip_blanks):
            if not row:
                empty += 1
                continue
            header = rows[0] if rows else row
            if empty or len(row) != len(header):
                line = len(rows) + 1
                raise ConfembError(
                    f"{where}: line {line} has {0 if empty else len(row)} cells, but the header has {len(header)}: "
                    "add or remove cells, or quote those that hold a comma."
                )
            rows.append(row)
    except csv.Error as error:
        raise ConfembError(f"{where} is no CSV file: {error}.") from error
    if len(rows) < 2:
        raise ConfembError(f"{where} has no row below its header.")
    if twice := repeated(rows[0]):
        raise ConfembError(f"{where}: the header names {twice[0]!r} twice; rename one of the columns.")
    return rows
