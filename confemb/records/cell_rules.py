"""What a class cell means: the one rule by which every format tells an index from a name.

The rule holds for CSV, TSV, JSON lines and records, Parquet, Arrow and Feather, NPZ, packed files, streams and values
given in Python. It looks at the column of true classes and at those of predicted classes together:

1. A number (of an integer type, or of a float type where all are whole) is an index into the class names, counted
   from 0. Only where some are no index and every one is a class name by its digits are they names.
2. A text is a class name, letter by letter; failing that, a class name but for blanks around it, the kind of blank
   within it and the way in which accents are encoded.
3. Texts that are all whole numbers as they are usually written ("7", "7.0", not "07" or "+7") are indices where they
   are no class names. "True" and "False" are the indices 1 and 0 of two classes whose names are others.
4. Where no class names are known, numbers name themselves: the classes are "0" (or "1", where 0 does not occur) to the
   largest. Texts are names, numbered by first appearance; texts such as "07" are names.
5. What has two readings that differ is refused, and both are named: texts that are class names and, as indices, other
   classes; indices 1, 2, ... without 0 beside a list of names, which may count from 1; ids of a class list that are
   row numbers, too. `ReadOptions.cells` and `first_index` (--cells, --first-index) say which is meant.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from confemb.records.indices import name_index
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.notes import say

# More classes than this are not made up from bare indices: one wild number would fill the memory.
MAX_UNNAMED_CLASSES = 100_000

_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_WHOLE_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.0*")
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}")
# Characters that cannot be seen at the ends of a name, besides blanks: zero-width ones and the byte-order mark.
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"

RowName = Callable[[int], str]
Columns = Mapping[str, np.ndarray]
Encoded = tuple[dict[str, np.ndarray], tuple[str, ...]]


def folded(name: str) -> str:
    """Return a name as it is compared with others: without outer blanks, each inner blank a plain one, in NFC."""
    name = unicodedata.normalize("NFC", name) if not name.isascii() else name
    return " ".join(name.strip().strip(_UNSEEN).split())


def encode_classes(
    columns: Columns,
    class_names: Sequence[str] | None,
    *,
    row_name: RowName,
    options: ReadOptions = DEFAULT,
) -> Encoded:
    """Turn cells into class indices by the rule of this module.

    Args:
        columns: column name -> (N,) whole numbers, floats, booleans, or strings in an array of objects.
        class_names: the K class names in index order, or None where they are not known.
        row_name: says which row of the file an index is, "line 3", for messages.
        options: what the user says of the cells.

    Returns:
        The columns as (N,) int64 indices, and the class names.

    Raises:
        ConfembError: an empty cell, an unknown name, an index out of range, names mixed with numbers, or cells that
            can be read in two ways.
    """
    cells = {name: _typed(column, name, row_name) for name, column in columns.items()}
    if all(column.dtype.kind in "iu" for column in cells.values()) and options.cells != "names":
        names = None if class_names is None else tuple(class_names)
        if names is None or options.cells is not None or not _only_names(cells, names, options):
            return _numbers(cells, names, row_name, options)
    texts = {name: _as_strings(column) for name, column in cells.items()}
    _refuse_empty(texts, row_name)
    if class_names is None:
        return _unnamed(texts, row_name, options)
    return _named(texts, tuple(class_names), row_name, options)


def _typed(column: np.ndarray, name: str, row_name: RowName) -> np.ndarray:
    """Return whole numbers as int64, booleans as the texts that a CSV would hold, texts as they are."""
    kind = column.dtype.kind
    if kind in "iu":
        return column
    if kind == "b":
        return np.where(column, "True", "False").astype(object)
    if kind == "f":
        bad = ~(np.isfinite(column) & (column == np.floor(column)) & (np.abs(column) < 2**53))
        if bad.any():
            row = int(np.argmax(bad))
            what = "no value" if np.isnan(column[row]) else f"{column[row]:g}"
            raise ConfembError(
                f"{row_name(row)} has {what} in column {name!r}, which holds {column.dtype}; it must hold class names "
                "or whole numbers."
            )
        return column.astype(np.int64)
    if kind == "U":
        return column.astype(object)
    if kind != "O":
        raise ConfembError(f"column {name!r} holds {column.dtype}; it must hold class names or whole numbers.")
    return column


def _as_strings(cells: np.ndarray) -> np.ndarray:
    return cells if cells.dtype == object else cells.astype(np.str_).astype(object)


def _refuse_empty(texts: Columns, row_name: RowName) -> None:
    for name, cells in texts.items():
        if set(map(type, cells.tolist())) <= {str} and all(map(str.strip, dict.fromkeys(cells.tolist()))):
            continue
        for row, cell in enumerate(cells.tolist()):
            if not isinstance(cell, str):
                raise ConfembError(
                    f"{row_name(row)} has {cell!r} in column {name!r}: it must hold one class name or whole number (a "
                    "picture of several classes is a row for each of them, with the same id and a weight)."
                )
            if not cell.strip():
                raise ConfembError(
                    f"{row_name(row)} has an empty cell in column {name!r}: fill it or leave the row out."
                )


def _only_names(cells: Columns, names: tuple[str, ...], options: ReadOptions) -> bool:
    """Tell whether numbers are class names by their digits, and cannot all be indices (or ids)."""
    distinct = _distinct(cells)
    known = set(names)
    if not all(str(number) in known for number in distinct):
        return False
    ids = set(options.class_ids or ())
    return not (all(0 <= n < len(names) for n in distinct) or (bool(ids) and ids.issuperset(distinct)))


def _distinct(cells: Columns) -> list[int]:
    return sorted({int(n) for column in cells.values() for n in np.unique(column).tolist()})


def _numbers(cells: Columns, names: tuple[str, ...] | None, row_name: RowName, options: ReadOptions) -> Encoded:
    """Take whole numbers as indices, or as ids of a class list that has some."""
    whole = {name: column.astype(np.int64) for name, column in cells.items()}
    if names is None:
        return _self_named(whole, row_name, options)
    distinct = _distinct(whole)
    first = options.first_index
    if options.cells == "ids" and options.class_ids is None:
        raise ConfembError("the cells are said to be ids, but the list of classes has none: give one with a column id.")
    if options.class_ids is not None and _are_ids(distinct, options.class_ids, options):
        place = name_index(options.class_ids)
        return {name: _placed(column, place, name, row_name) for name, column in whole.items()}, names
    if first is None:
        _refuse_counting_from_1(distinct, names)
    shifted = {name: column - (first or 0) for name, column in whole.items()}
    for name, column in shifted.items():
        _check_range(column, len(names), name, row_name, first or 0, named=True)
    return shifted, names


def _are_ids(distinct: list[int], ids: tuple[int, ...], options: ReadOptions) -> bool:
    """Tell numbers that are ids of a class list from row numbers; raise where they can be both and differ."""
    if options.cells is not None:
        return options.cells == "ids"
    fits_ids, fits_rows = set(ids).issuperset(distinct), all(0 <= n < len(ids) for n in distinct)
    if fits_ids and fits_rows and any(ids[n] != n for n in distinct):
        raise ConfembError(
            f"the numbers {quoted_list(map(str, distinct), limit=3)} can be ids of the class list or rows of it, "
            "counted "
            f"from 0 ({distinct[-1]} is its id {distinct[-1]}, or its row with the id {ids[distinct[-1]]}): say which, "
            "--cells ids or --cells indices."
        )
    if not fits_ids and fits_rows and any(number != row for row, number in enumerate(ids)):
        say("the numbers are not ids of the class list: they are taken as its rows, counted from 0.")
    return fits_ids


def _placed(column: np.ndarray, place: Mapping[int, int], name: str, row_name: RowName) -> np.ndarray:
    for row, number in enumerate(column.tolist()):
        if number not in place:
            raise ConfembError(
                f"{row_name(row)} has {number} in column {name!r}, which is no id of the class list: mend the row, or "
                "complete the list."
            )
    return np.fromiter((place[number] for number in column.tolist()), np.int64, len(column))


def _refuse_counting_from_1(distinct: list[int], names: tuple[str, ...]) -> None:
    """Raise where indices without a 0 run from 1 without a gap, or to the number of names: they may count from 1."""
    if len(distinct) < 2 or distinct[0] < 1:
        return
    last, size = distinct[-1], len(names)
    if last == size:
        raise ConfembError(
            f"the indices go from {distinct[0]} to {last}, and the last of {size} class names has the index "
            f"{size - 1}: "
            "do they count from 1? Say so (--first-index 1), or give all the class names."
        )
    if distinct == list(range(1, last + 1)) and last < size:
        raise ConfembError(
            f"the indices go from 1 to {last} and none is 0: do they count from 1? Then 1 is {names[0]!r}; "
            "counted from "
            f"0 it is {names[1]!r}, and {names[0]!r} never occurs. Say which: --first-index 1 or --first-index 0."
        )


def _check_range(column: np.ndarray, size: int, name: str, row_name: RowName, first: int = 0, *, named: bool) -> None:
    bad = (column < 0) | (column >= size)
    if bad.any():
        row = int(np.argmax(bad))
        raise ConfembError(
            f"{row_name(row)} has the class index {column[row] + first} in column {name!r}, but "
            f"{'' if named else 'without names '}there are at most {size} classes ({first} to "
            f"{size - 1 + first}): mend "
            "the row, or give all the class names (numbers with gaps, as COCO's ids: in a list that has a column of "
            "ids)."
        )


def _self_named(whole: Columns, row_name: RowName, options: ReadOptions) -> Encoded:
    """Take numbers as classes that are called by their numbers."""
    largest = max(int(column.max(initial=0)) for column in whole.values())
    smallest = min(int(column.min(initial=largest)) for column in whole.values())
    size = min(largest + 1, MAX_UNNAMED_CLASSES)
    for name, column in whole.items():
        _check_range(column, size, name, row_name, named=False)
    # Of numbers that count from 1, 0 is no class.
    first = 1 if smallest == 1 and options.first_index != 0 else 0
    return {name: column - first for name, column in whole.items()}, tuple(map(str, range(first, size)))


def _number_reading(texts: Columns, *, lenient: bool) -> dict[str, np.ndarray] | None:
    """Return texts as whole numbers where all are written as such; None where one is not.

    Raises:
        ConfembError: "1" and "1.0" in one column, which may be two classes.
    """
    plain = _DIGITS if lenient else _PLAIN
    for name, cells in texts.items():
        distinct = [cell.strip() for cell in dict.fromkeys(cells.tolist())]
        if all(map(plain.fullmatch, distinct)):
            continue
        if not all(map(_WHOLE_FLOAT.fullmatch, distinct)):
            if all(plain.fullmatch(cell) or _WHOLE_FLOAT.fullmatch(cell) for cell in distinct):
                one = next(cell for cell in distinct if _WHOLE_FLOAT.fullmatch(cell))
                other = next(cell for cell in distinct if plain.fullmatch(cell))
                raise ConfembError(
                    f"column {name!r} holds whole numbers in two forms, {other!r} and {one!r}: write them all in one, "
                    "or say that they are names (--cells names)."
                )
            return None
    return {name: _parsed(cells) for name, cells in texts.items()}


def _parsed(cells: np.ndarray) -> np.ndarray:
    number = {cell: int(cell.strip().partition(".")[0]) for cell in dict.fromkeys(cells.tolist())}
    return np.fromiter((number[cell] for cell in cells.tolist()), np.int64, len(cells))


def _unnamed(texts: Columns, row_name: RowName, options: ReadOptions) -> Encoded:
    """Read texts where no class names are known: numbers that name themselves, or names by first appearance."""
    numbers = None if options.cells == "names" else _number_reading(texts, lenient=options.cells == "indices")
    if numbers is not None:
        return _self_named(numbers, row_name, options)
    if options.cells in ("indices", "ids"):
        raise _not_a_number(texts, row_name)
    in_numbers = [name for name, cells in texts.items() if all(map(_PLAIN.fullmatch, dict.fromkeys(cells.tolist())))]
    every = dict.fromkeys(cell for cells in texts.values() for cell in cells.tolist())
    # Beside "07", "7" is a text, too.
    padded = all(map(_DIGITS.fullmatch, every))
    if in_numbers and not padded and options.cells != "names":
        raise ConfembError(
            f"column {in_numbers[0]!r} holds numbers where others hold class names: write all classes the same way, or "
            "give the class names."
        )
    if set(every) <= {"True", "False"}:
        every = {"False": None, "True": None} if len(every) == 2 else every
    first: dict[str, str] = {}
    for cell in every:
        first.setdefault(folded(cell), cell.strip())
    index = name_index(first)
    place = {cell: index[folded(cell)] for cell in every}
    return {name: _looked_up(cells, place) for name, cells in texts.items()}, tuple(first.values())


def _looked_up(cells: np.ndarray, place: Mapping[str, int]) -> np.ndarray:
    return np.fromiter((place[cell] for cell in cells.tolist()), np.int64, len(cells))


def _not_a_number(texts: Columns, row_name: RowName) -> ConfembError:
    for name, cells in texts.items():
        for row, cell in enumerate(cells.tolist()):
            if not _DIGITS.fullmatch(cell.strip()) and not _WHOLE_FLOAT.fullmatch(cell.strip()):
                return ConfembError(f"{row_name(row)} has {cell!r} in column {name!r}: it is said to be a number.")
    return ConfembError("the classes are said to be numbers, but are not written as such.")


def _named(texts: Columns, names: tuple[str, ...], row_name: RowName, options: ReadOptions) -> Encoded:
    """Read texts beside a list of class names."""
    every = dict.fromkeys(cell for cells in texts.values() for cell in cells.tolist())
    by_name = None if options.cells in ("indices", "ids") else _name_reading(every, names)
    numbers = None
    if options.cells != "names" and (by_name is None or any(map(str.isdecimal, every))):
        numbers = _number_reading(texts, lenient=options.cells in ("indices", "ids"))
    if by_name is not None and numbers is not None and _readings_differ(by_name, names, options):
        example = next(cell for cell in every if names[int(float(cell))] != names[by_name[cell]])
        raise ConfembError(
            f"the cells are class names and indices alike: {example!r} is the class of that name, or the class with "
            f"that index, {names[int(float(example))]!r}; say which: --cells names or --cells indices."
        )
    if by_name is not None:
        return {name: _looked_up(cells, by_name) for name, cells in texts.items()}, names
    if numbers is not None:
        return _numbers(numbers, names, row_name, options)
    if options.cells in ("indices", "ids"):
        raise _not_a_number(texts, row_name)
    if (mixed := _by_column(texts, names, row_name, options)) is not None:
        return mixed, names
    if len(names) == 2 and {cell.lower() for cell in every} <= {"true", "false"}:
        place = {cell: int(cell.lower() == "true") for cell in every}
        return {name: _looked_up(cells, place) for name, cells in texts.items()}, names
    raise _unknown(texts, names, row_name)


def _by_column(
    texts: Columns, names: tuple[str, ...], row_name: RowName, options: ReadOptions
) -> dict[str, np.ndarray] | None:
    """Read columns of names beside columns of indices that are no names; None where a column is neither."""
    found = {}
    for name, cells in texts.items():
        distinct = dict.fromkeys(cells.tolist())
        by_name = _name_reading(distinct, names)
        if by_name is not None:
            found[name] = _looked_up(cells, by_name)
            continue
        numbers = _number_reading({name: cells}, lenient=False)
        if numbers is None or set(distinct) & set(names):
            return None
        found |= _numbers(numbers, names, row_name, options)[0]
    return found


def _readings_differ(by_name: Mapping[str, int], names: tuple[str, ...], options: ReadOptions) -> bool:
    """Tell whether cells that are names are indices of other classes, too; not where some are no indices."""
    first = options.first_index or 0
    indices = {cell: int(float(cell)) - first for cell in by_name}
    if not all(0 <= index < len(names) for index in indices.values()):
        return False
    return any(indices[cell] != index for cell, index in by_name.items())


def _name_reading(cells: Iterable[str], names: tuple[str, ...]) -> dict[str, int] | None:
    """Return the class of each cell where every one is a class name, letter by letter or as `folded`; else None."""
    index = name_index(names)
    alike: dict[str, int] = {}
    shared = set()
    for i, name in enumerate(names):
        if alike.setdefault(folded(name), i) != i:
            shared.add(folded(name))
    found = {}
    for cell in cells:
        place = index.get(cell)
        if place is None and (fold := folded(cell)) not in shared:
            place = alike.get(fold)
        if place is None:
            return None
        found[cell] = place
    return found


def _unknown(texts: Columns, names: tuple[str, ...], row_name: RowName) -> ConfembError:
    known = set(names)
    alike = {folded(name) for name in names}
    for name, cells in texts.items():
        for row, cell in enumerate(cells.tolist()):
            if cell in known or folded(cell) in alike:
                continue
            error = unknown_name("class", cell, known, where=f"column {name!r}, {row_name(row)}")
            if not _DIGITS.fullmatch(cell.strip()):
                return error
            return ConfembError(f"{error} As an index it would be written {int(cell)} (--cells indices reads it so).")
    return ConfembError("two class names differ only in their blanks or in how accents are encoded: rename one.")


def positions(own: Sequence[str], given: Sequence[str]) -> np.ndarray:
    """Return (K,) the index in `given` of each of a file's own classes; raise for one that is not there."""
    index = name_index(given)
    for name in own:
        if name not in index:
            raise unknown_name("class", name, given, where="the class names given, though the file has it")
    return np.array([index[name] for name in own])
