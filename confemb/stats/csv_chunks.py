"""CSV files of predictions read some rows at a time, with the same outcome as when they are read whole.

What the cells mean (names or indices, which classes there are and in which order) can depend on all of a file. So it is
gone through twice: first for the rows in which a cell appears that its column has not had before. A file of these rows
alone is read as any file is; the second time, every cell means what it means there.
"""

import csv
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError, repeated
from confemb.support.files import open_file, write_text

# Smaller files are read whole.
STREAMED_FROM = 2**24
# Rows held at a time, and characters of a line.
_ROWS, _LONGEST_LINE = 2**16, 2**20
_CLASS_COLUMN = re.compile(r"label|top[0-9]+")


@dataclass(frozen=True)
class CsvChunks:
    """A CSV file of predictions that can be read in parts.

    Attributes:
        path: the file.
        header: its columns.
        meaning: class column -> cell -> class index.
        class_names: the K class names.
    """

    path: Path
    header: tuple[str, ...]
    meaning: dict[str, dict[str, int]]
    class_names: tuple[str, ...]

    def __iter__(self) -> Iterator[tuple[Predictions, float]]:
        """Yield the predictions of some rows, and which share of the file has been read.

        Raises:
            ConfembError: a row that is no prediction; rows are counted from the part's first one.
        """
        size = self.path.stat().st_size
        for rows, place in _parts(self.path):
            yield self._predictions(rows), min(place / size, 1.0)

    def _predictions(self, rows: list[list[str]]) -> Predictions:
        columns = dict(zip(self.header, zip(*rows, strict=True), strict=True))
        ranks = range(1, len(self.meaning))
        try:
            indices = {
                name: np.fromiter((index[cell] for cell in columns[name]), np.int32, len(rows))
                for name, index in self.meaning.items()
            }
        except KeyError as error:
            raise ConfembError(f"{self.path} was changed while it was read: read it again.") from error
        probs = [_numbers(columns, f"prob{rank}") for rank in ranks if f"prob{rank}" in columns]
        return Predictions(
            indices["label"],
            np.stack([indices[f"top{rank}"] for rank in ranks], axis=1),
            np.stack(probs, axis=1).astype(np.float32) if probs else None,
            self.class_names,
            *(np.array(columns[name], object) if name in columns else None for name in ("id", "split")),
            weights=_numbers(columns, "weight") if "weight" in columns else None,
        )


def open_csv_chunks(path: Path, read: Callable[[Path], Predictions]) -> CsvChunks | None:
    """Return a large CSV file of predictions to be read in parts; None for another file, which is to be read whole.

    Args:
        path: the file.
        read: reads a small file of predictions, as `confemb.load_predictions`.

    Raises:
        ConfembError: a file that cannot be read, or a row of another length than the header.
    """
    if path.suffix.lower() != ".csv" or path.stat().st_size < STREAMED_FROM:
        return None
    header = _header(path)
    columns = [place for place, name in enumerate(header) if _CLASS_COLUMN.fullmatch(name)]
    if not {"label", "top1"} <= set(header) or repeated(header):
        return None
    seen: list[set[str]] = [set() for _ in columns]
    first: list[list[str]] = []
    for rows, _ in _parts(path):
        for row in rows:
            cells = [row[place] for place in columns]
            if any(cell not in known for cell, known in zip(cells, seen, strict=True)):
                first.append(row)
                for cell, known in zip(cells, seen, strict=True):
                    known.add(cell)
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.csv"
        write_text(few, "".join(",".join(map(_quoted, row)) + "\n" for row in (header, *first)))
        try:
            found = read(few)
        except ConfembError:
            # The whole file says what is wrong, and where.
            return None
    names = ["label", *(f"top{rank + 1}" for rank in range(found.k))]
    if len(found) != len(first) or set(names) != {header[place] for place in columns}:
        return None
    indices = [found.labels, *found.top_classes.T]
    meaning = {
        name: dict(zip((row[header.index(name)] for row in first), own.tolist(), strict=True))
        for name, own in zip(names, indices, strict=True)
    }
    return CsvChunks(path, tuple(header), meaning, found.class_names)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _header(path: Path) -> list[str]:
    with open_file(path) as file:
        line = file.readline(_LONGEST_LINE)
    try:
        return next(csv.reader([line.decode("utf-8-sig")], skipinitialspace=True), [])
    except (csv.Error, UnicodeDecodeError):
        return []


def _parts(path: Path) -> Iterator[tuple[list[list[str]], int]]:
    """Yield rows below the header, and at which byte the file is read; empty lines may stand at the end only."""
    with open_file(path) as file:

        def lines() -> Iterator[str]:
            start = "utf-8-sig"
            while line := file.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE:
                    raise ConfembError(f"{path} is no CSV file: a line has more than {_LONGEST_LINE:,} bytes.")
                yield line.decode(start)
                start = "utf-8"

        try:
            reader = csv.reader(lines(), skipinitialspace=True)
            header, rows, number, empty = next(reader), [], 1, False
            for row in reader:
                number += 1
                if not row:
                    empty = True
                    continue
                if empty or len(row) != len(header):
                    raise ConfembError(
                        f"{path}: line {number} has {0 if empty else len(row)} cells, but the header has "
                        f"{len(header)}: add or remove cells, or quote those that hold a comma."
                    )
                rows.append(row)
                if len(rows) == _ROWS:
                    yield rows, file.tell()
                    rows = []
        except csv.Error as error:
            raise ConfembError(f"{path} is no CSV file: {error}.") from error
        except UnicodeDecodeError as error:
            raise ConfembError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
        if rows:
            yield rows, file.tell()


def _numbers(columns: dict[str, tuple[str, ...]], name: str) -> np.ndarray:
    """Return a column of numbers as (n,) float64; raises ConfembError naming the first cell that is none."""
    try:
        return np.array(columns[name], object).astype(np.float64)
    except ValueError:
        for row, cell in enumerate(columns[name]):
            try:
                float(cell)
            except ValueError:
                raise ConfembError(f"row {row} has {cell!r} in column {name!r}: it must be a number.") from None
        raise
