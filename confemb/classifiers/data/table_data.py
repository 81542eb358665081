"""CSV, Parquet and JSONL files of texts or paths, with a label in each row."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.data.columns import INPUT_NAMES, encode_labels, input_column, label_column
from confemb.classifiers.data.folder_data import kind_of
from confemb.classifiers.fingerprints import files_stamp
from confemb.classifiers.scoring_records import DataSettings, ItemKind, OpenedData
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.files import is_there, parse_json, sha256_file

ROWS_AT_A_TIME = 4096
# A text may be a whole book.
csv.field_size_limit(1 << 28)


@dataclass(frozen=True)
class _Table:
    """A file's columns, and its rows one after another; bounded memory."""

    path: Path
    columns: tuple[str, ...]

    def rows(self, wanted: list[str]) -> Iterator[list[Any]]:
        """Yield the cells of the wanted columns, row by row."""
        readers = {".csv": _csv_rows, ".parquet": _parquet_rows, ".jsonl": _jsonl_rows}
        yield from readers[self.path.suffix.lower()](self.path, wanted)


def open_table(path: Path, settings: DataSettings) -> OpenedData:
    """Open a table of labelled texts or paths; or of numbers, where all columns but label, id and split are.

    A path is looked up from the table's own folder. Of the columns id and split, where there are any, the parts and
    the ids are taken; else a row's id is its number.

    Raises:
        ConfembError: a broken file, columns that could mean several things, paths to files of several kinds.
    """
    if not path.is_file():
        raise ConfembError(f"{path} does not exist: check the path.")
    table = _Table(path, _columns(path))
    where = str(path)
    if twice := repeated(table.columns):
        raise ConfembError(f"{where} has {quoted_list(twice)} as two columns: rename one of them.")
    label = label_column(table.columns, settings, where=where)
    column = input_column(table.columns, settings, where=where)
    split_column = "split" if "split" in table.columns and "split" not in (label, column) else None
    label_cells, kept, splits = _read_labels(table, label, split_column, settings, where)
    labels, names = encode_labels(label_cells, settings.label_names, where=f"the column {label!r} of {where}")
    id_column = "id" if "id" in table.columns and "id" not in (label, column) else None
    if column is None:
        inputs = [name for name in table.columns if name not in (label, split_column, id_column, "weight")]
        kind: ItemKind = "row"
    else:
        inputs = [column]
        kind = settings.kind or _kind_of_column(table, column, where)
    is_path = column is not None and _are_paths(column, kind)
    reader = _Reader(table, inputs, id_column, kept, kind, is_path)
    if kind == "row":
        reader.check_numbers(where)
    stamped = [path, *reader.files()] if reader.is_path else [path]
    return OpenedData(
        name=path.stem,
        kind=kind,
        class_names=names,
        labels=labels,
        splits=splits,
        stream=reader.stream,
        identity={
            "format": "table",
            "sha256": sha256_file(path),
            "input": inputs,
            "label": label,
            "splits": list(settings.splits),
            "label_names": settings.label_names,
            "items": len(labels),
        },
        stamp=files_stamp(stamped),
    )


@dataclass(frozen=True)
class _Reader:
    table: _Table
    inputs: list[str]
    id_column: str | None
    kept: np.ndarray | None
    kind: ItemKind
    is_path: bool

    def stream(self, start: int) -> Iterator[tuple[str, Any]]:
        wanted = [*self.inputs, *([self.id_column] if self.id_column else [])]
        item = -1
        for row, cells in enumerate(self.table.rows(wanted)):
            if self.kept is not None and not self.kept[row]:
                continue
            item += 1
            if item < start:
                continue
            name = str(cells[-1]) if self.id_column else str(row)
            yield name, self._content(cells, row)

    def files(self) -> Iterator[Path]:
        for _, content in self.stream(0):
            yield content

    def check_numbers(self, where: str) -> None:
        """Raise ConfembError unless the first row holds numbers only."""
        try:
            next(iter(self.stream(0)), None)
        except ConfembError as error:
            raise ConfembError(
                f"{where} has the columns {quoted_list(self.table.columns, limit=12)}: name the one that holds texts "
                f"or paths with --input (they are not all numbers: {error})"
            ) from error

    def _content(self, cells: list[Any], row: int) -> Any:
        if self.kind == "row":
            try:
                return np.array([float(cell) for cell in cells[: len(self.inputs)]])
            except (TypeError, ValueError):
                raise ConfembError(
                    f"row {row} of {self.table.path} holds {cells!r}, which are not all numbers."
                ) from None
        cell = cells[0]
        if cell is None:
            raise ConfembError(f"row {row} of {self.table.path} has nothing in the column {self.inputs[0]!r}: fill it.")
        if isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes):
            return cell["bytes"]
        if isinstance(cell, bytes):
            return cell
        return self.table.path.parent / str(cell) if self.is_path else str(cell)


def _read_labels(
    table: _Table, label: str, split_column: str | None, settings: DataSettings, where: str
) -> tuple[list[str | int | None], np.ndarray | None, tuple[tuple[str, int], ...]]:
    """Return the labels of the rows to take, which rows those are (None: all), and the parts."""
    cells: list[str | int | None] = []
    kept: list[bool] = []
    runs: list[list[Any]] = []
    seen: dict[str, None] = {}
    texts: dict[str, str] = {}
    for row in table.rows([label, *([split_column] if split_column else [])]):
        split = str(row[1]) if split_column else ""
        seen.setdefault(split)
        take = not settings.splits or split in settings.splits
        kept.append(take)
        if not take:
            continue
        cell = row[0]
        # One text for each distinct label: a million equal ones take no room.
        cells.append(texts.setdefault(cell, cell) if isinstance(cell, str) else _whole_number(cell, where))
        if runs and runs[-1][0] == split:
            runs[-1][1] += 1
        else:
            runs.append([split, 1])
    if settings.splits and (unknown := [split for split in settings.splits if split not in seen]):
        raise ConfembError(f"{where} has no split {unknown[0]!r}; its splits are {quoted_list(seen) or 'not named'}.")
    if not cells:
        raise ConfembError(f"{where} has no rows: give at least one.")
    return cells, None if all(kept) else np.array(kept), tuple((name, count) for name, count in runs)


def _whole_number(cell: Any, where: str) -> int | None:
    if cell is None or (isinstance(cell, int) and not isinstance(cell, bool)):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    raise ConfembError(f"{where} has the label {cell!r}: a label is a text or a whole number.")


def _kind_of_column(table: _Table, column: str, where: str) -> ItemKind:
    """Return what a column's cells are, by its name, else by the first cells."""
    kind = INPUT_NAMES.get(column.lower(), "text" if column.lower() not in INPUT_NAMES else None)
    first = [cells[0] for cells, _ in zip(table.rows([column]), range(100), strict=False)]
    cells = [cell for cell in first if isinstance(cell, str)]
    exist = [cell for cell in cells if _is_file(table.path.parent / cell)]
    if column.lower() not in INPUT_NAMES and exist:
        raise ConfembError(
            f"the column {column!r} of {where} could hold texts or paths ({exist[0]!r} is a file): say --kind text, or "
            "--kind picture, audio or file."
        )
    if kind is not None:
        return kind
    missing = [cell for cell in cells if cell not in exist]
    if missing:
        raise ConfembError(
            f"{where} names the file {missing[0]!r}, which is not in {table.path.parent}: paths are looked up from the "
            "table's folder."
        )
    return kind_of([Path(cell) for cell in cells], where=f"the column {column!r} of {where}")


def _is_file(path: Path) -> bool:
    """Tell whether a path leads to a file; a whole text, which is too long for a path, does not."""
    return is_there(path) and path.is_file()


def _are_paths(column: str, kind: ItemKind) -> bool:
    if kind in ("picture", "audio", "file"):
        return True
    return column.lower() in INPUT_NAMES and INPUT_NAMES[column.lower()] is None


def _columns(path: Path) -> tuple[str, ...]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        with open(path, encoding="utf-8-sig", newline="") as file:
            try:
                header = next(csv.reader(file), None)
            except (UnicodeDecodeError, csv.Error) as error:
                raise ConfembError(f"{path} cannot be read as CSV in UTF-8 ({error}).") from error
        if not header:
            raise ConfembError(f"{path} is empty: the first line must name the columns.")
        return tuple(name.strip() for name in header)
    if suffix == ".parquet":
        return tuple(_parquet(path).schema_arrow.names)
    first = next(_jsonl_objects(path), None)
    if first is None:
        raise ConfembError(f"{path} is empty.")
    return tuple(first)


def _csv_rows(path: Path, wanted: list[str]) -> Iterator[list[Any]]:
    places = [_columns(path).index(name) for name in wanted]
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            width = len(next(reader))
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != width:
                    raise ConfembError(
                        f"{path}: line {reader.line_num} has {len(cells)} cells, but the header has {width}: a comma "
                        "in a text needs quotes around it."
                    )
                yield [cells[place] for place in places]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ConfembError(f"{path} cannot be read as CSV in UTF-8 (line {reader.line_num}: {error}).") from error


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(os.fspath(path))
    except (pa.ArrowException, OSError) as error:
        raise ConfembError(f"{path} is broken or not Parquet ({error}): write it again.") from error


def _parquet_rows(path: Path, wanted: list[str]) -> Iterator[list[Any]]:
    import pyarrow as pa

    try:
        for batch in _parquet(path).iter_batches(ROWS_AT_A_TIME, columns=wanted):
            columns = [batch.column(name).to_pylist() for name in wanted]
            for cells in zip(*columns, strict=True):
                yield list(cells)
    except (pa.ArrowException, OSError) as error:
        raise ConfembError(f"{path} is broken ({error}): write it again.") from error


def _jsonl_objects(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                value = parse_json(line, where=f"{path}, line {number},")
                if not isinstance(value, dict):
                    raise ConfembError(f"{path}: line {number} holds {json.dumps(value)[:40]}; it must hold an object.")
                yield value
        except UnicodeDecodeError as error:
            raise ConfembError(f"{path} is not UTF-8 text ({error}): save it as UTF-8.") from error


def _jsonl_rows(path: Path, wanted: list[str]) -> Iterator[list[Any]]:
    for number, value in enumerate(_jsonl_objects(path)):
        if missing := [name for name in wanted if name not in value]:
            raise ConfembError(f"{path}: object {number} has no {missing[0]!r}; it has {quoted_list(value)}.")
        yield [value[name] for name in wanted]
