"""Lists of class names, and the rows of delimited text."""

import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.files import parse_json, read_text

# Class names that ship with confemb, by what they are called on the command line.
_BUILT_IN = {"imagenet": f"{Path(__file__).parent / 'imagenet_classes.csv'}:name"}

# Columns that number the classes of a table, where their numbers are whole and differ.
_ID_COLUMNS = frozenset({"id", "index", "idx", "class_id", "label_id", "category_id", "class_index", "number"})
# A number with a decimal comma or without decimals, or an empty cell.
_NUMBER = re.compile(r"\s*(?:-?[0-9]+(?:,[0-9]+)?(?:[eE][+-]?[0-9]+)?\s*%?)?\s*")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class ClassList:
    """The names of the classes in index order.

    Attributes:
        names: the K class names.
        ids: the K ids by which data may name the classes, where the list has some other than 0, 1, 2, ...
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] | None = None


def load_class_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read class names in index order; see `load_class_list` for the formats.

    Returns:
        The K class names; blanks around a name and empty lines at the end of a text are removed.

    Raises:
        ConfembError: a file that cannot be read, an unknown column, an empty or repeated name.
    """
    return load_class_list(path).names


def load_class_list(path: str | os.PathLike[str]) -> ClassList:
    """Read class names in index order, and the ids that a list may give them.

    * a text file with one name on each line;
    * JSON: a list of names; `{"0": "cat", ...}` (a model's id2label, also within its config.json);
      `{"cat": 0, ...}` (Keras's class_indices); `{"0": ["n02123045", "tabby"], ...}` (Keras's ImageNet index); or
      records with `id` and `name` (COCO's categories);
    * `FILE.csv:COLUMN` (or .tsv): one column of a table, rows in index order; a column called id, index, class_id or
      the like gives the ids;
    * "imagenet" for ImageNet's 1,000.

    Raises:
        ConfembError: as `load_class_names`.
    """
    path = _BUILT_IN.get(os.fspath(path), path)
    file, _, column = os.fspath(path).rpartition(":")
    if not file.lower().endswith((".csv", ".tsv")):
        file, column = os.fspath(path), ""
    text = read_text(file)
    suffix = Path(file).suffix.lower()
    if suffix == ".json":
        found = _from_json(parse_json(text, where=file), file)
    elif suffix in (".csv", ".tsv"):
        found = _from_table(text, file, column)
    else:
        # As in a CSV file, empty lines at the end are no rows.
        found = ClassList(tuple(text.rstrip().splitlines()))
    try:
        names = tuple(check_class_names([name.strip() for name in found.names]))
    except ConfembError as error:
        place = " (class 0 is line 1)" if suffix not in (".json", ".csv", ".tsv") else ""
        raise ConfembError(f"{path}: {error}{place}") from error
    ids = found.ids if found.ids is not None and found.ids != tuple(range(len(names))) else None
    return ClassList(names, ids)


def _from_table(text: str, file: str, column: str) -> ClassList:
    header, *rows = parse_csv(text, where=file, delimiter=sniff_delimiter(text))
    if column not in header:
        raise ConfembError(
            f"{file}: say which column holds the class names, as {Path(file).name}:COLUMN; "
            f"its columns are {quoted_list(header, limit=12)}."
        )
    names = tuple(row[header.index(column)] for row in rows)
    for place, name in enumerate(header):
        cells = [row[place].strip() for row in rows]
        if name.strip().lower() in _ID_COLUMNS and all(map(str.isdecimal, cells)) and len(set(cells)) == len(cells):
            return ClassList(names, tuple(map(int, cells)))
    return ClassList(names)


def _from_json(content: Any, file: str) -> ClassList:
    if isinstance(content, Mapping):
        for key in ("id2label", "categories", "class_indices", "label2id"):
            if isinstance(content.get(key), Mapping | list):
                return _from_json(content[key], file)
    if isinstance(content, list) and all(isinstance(name, str) for name in content) and content:
        return ClassList(tuple(content))
    pairs = _numbered(content)
    if pairs is None or len({number for number, _ in pairs}) < len(pairs):
        raise ConfembError(
            f'{file} must hold a JSON list of class names, each a string, or an object of numbers and names: {{"0": '
            '"cat"}, {"cat": 0}, or records with "id" and "name".'
        )
    # Records stand in the order of their rows; the others by their numbers.
    ordered = pairs if isinstance(content, list) else sorted(pairs)
    return ClassList(tuple(name for _, name in ordered), tuple(number for number, _ in ordered))


def _numbered(content: Any) -> list[tuple[int, str]] | None:
    """Return (number, name) of each class of a JSON object or of records; None for anything else."""
    found: list[tuple[Any, Any]] = []
    if isinstance(content, list):
        if not content or not all(
            isinstance(record, Mapping) and {"id", "name"} <= record.keys() for record in content
        ):
            return None
        found = [(record["id"], record["name"]) for record in content]
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, list) and len(value) == 2:
                value = value[1]
            if isinstance(value, str) and key.isdecimal():
                found.append((int(key), value))
            else:
                found.append((value, key))
    whole = all(type(number) is int and isinstance(name, str) for number, name in found)
    return found if found and whole else None


def sniff_delimiter(text: str) -> str:
    """Return what parts the cells of delimited text: the first of comma, semicolon, tab and bar that fits its rows.

    One fits where the header has at least two cells and the first rows have as many; a text with a single column, or
    none that fits, is taken as parted by commas.
    """
    lines = text.lstrip("\ufeff").splitlines(keepends=True)[:50]
    for delimiter in _DELIMITERS:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t") if row]
        except csv.Error:
            continue
        # The last of the lines may end within quotes.
        rows = rows[:-1] if len(lines) == 50 else rows
        if rows and len(rows[0]) > 1 and {len(row) for row in rows} == {len(rows[0])}:
            return delimiter
    first = lines[0] if lines else ""
    return next((each for each in _DELIMITERS if each in first), ",")


def delimiter_word(delimiter: str) -> str:
    """Return what a delimiter is called in messages."""
    return _DELIMITERS[delimiter]


def parse_csv(text: str, *, where: str, skip_blanks: bool = True, delimiter: str = ",") -> list[list[str]]:
    """Return the rows of delimited text, header first, all equally long.

    Empty lines at the end are passed over, and blanks after a delimiter unless `skip_blanks` is false.

    Raises:
        ConfembError: no row, a row of another length than the header, a column name given twice.
    """
    rows: list[list[str]] = []
    # Lines without a cell, which only the end of the file may have.
    empty = 0
    skip = skip_blanks and delimiter != "\t"
    try:
        for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=skip, delimiter=delimiter):
            if not row:
                empty += 1
                continue
            header = rows[0] if rows else row
            if empty or len(row) != len(header):
                line = len(rows) + 1
                raise ConfembError(
                    f"{where}: line {line} has {0 if empty else len(row)} cells, but the header has {len(header)}: "
                    "add or remove cells, or quote those that hold a "
                    f"{'comma' if delimiter == ',' else repr(delimiter)}."
                )
            rows.append(row)
    except csv.Error as error:
        raise ConfembError(f"{where} is no CSV file: {error}.") from error
    if len(rows) < 2:
        raise ConfembError(f"{where} has no row below its header.")
    if twice := repeated(rows[0]):
        raise ConfembError(f"{where}: the header names {twice[0]!r} twice; rename one of the columns.")
    return rows


def decimal_points(rows: list[list[str]], *, delimiter: str) -> list[list[str]]:
    """Write numbers with a decimal comma ("0,5") with a point, in columns of numbers; not where commas part cells."""
    if delimiter == ",":
        return rows
    header, *body = rows
    columns = [list(column) for column in zip(*body, strict=True)]
    for place, cells in enumerate(columns):
        if any("," in cell for cell in cells) and all(_NUMBER.fullmatch(cell) for cell in cells):
            columns[place] = [cell.replace(",", ".") for cell in cells]
    return [header, *map(list, zip(*columns, strict=True))]
