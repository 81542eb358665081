"""Tables in any format that people keep predictions in, each read into one `Table`.

CSV, TSV and other delimited text, JSON lines, JSON records, Parquet, Arrow and Feather; each also gzipped or packed
with Zstandard. What a cell means is not decided here: see `confemb.cell_rules`.
"""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import numpy as np

from confemb.records.class_cells import decimal_points, delimiter_word, parse_csv, sniff_delimiter
from confemb.records.column_names import A_REPORT, has_predictions
from confemb.records.square_tables import is_square, refuse_nameless
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.files import bounded, decode_text, parse_json
from confemb.support.notes import say

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".arrow", ".feather")
PACKED = (".gz", ".zst")

PARQUET_MAGIC = b"PAR1"
ZIP_MAGIC = b"PK\x03\x04"
_ARROW_MAGIC = b"ARROW1"
_FEATHER_1_MAGIC = b"FEA1"
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A larger table of numbers alone is no confusion matrix.
_MOST_NAMELESS = 5_000
_STREAM_MAGIC = b"\xff\xff\xff\xff"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of cells.

    Attributes:
        header: the columns' names, all different.
        read: returns a column as (N,) numbers, booleans, or objects (texts, lists, dictionaries).
        row_name: says which row of the file an index is, "line 3".
        metadata: what the file says of itself (Parquet, Arrow).
        rows: the rows of delimited text, header first, from which a square table is read; None for other formats.
        lines: whether rows are lines of text, so that row 0 is line 2.
        records: whether the cells have types of their own and may be lists, as in JSON.
    """

    header: tuple[str, ...]
    read: Callable[[str], np.ndarray]
    row_name: Callable[[int], str]
    metadata: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Sequence[str]] | None = None
    lines: bool = False
    records: bool = False


def unpacked(data: bytes, where: str) -> bytes:
    """Return a file's bytes unpacked where they are gzipped or packed with Zstandard, known by their first bytes.

    Raises:
        ConfembError: a broken file, or more than `confemb.files.MOST_UNPACKED` bytes.
    """
    import pyarrow as pa

    if not data.startswith((_GZIP_MAGIC, _ZSTD_MAGIC)):
        return data
    try:
        if data.startswith(_GZIP_MAGIC):
            with gzip.open(io.BytesIO(data)) as file:
                return bounded(cast(BinaryIO, file), where).read()
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return bounded(cast(BinaryIO, stream), where).read()
    except (OSError, EOFError, zlib.error, pa.ArrowException, ValueError) as error:
        raise ConfembError(f"{where} is broken ({error}): write it again.") from error
    except MemoryError:
        raise ConfembError(f"{where} does not fit into memory unpacked.") from None


def format_of(data: bytes, suffix: str) -> str:
    """Return the format of a file's bytes by its suffix or, without one, by its first bytes.

    Returns:
        "parquet", "arrow", "npz", "jsonl", "json" or "text".
    """
    by_suffix = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".npz": "npz"}
    by_suffix |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "text", ".tsv": "text"}
    if suffix in by_suffix:
        # People call lines of JSON .json, too.
        return _json_form(data) if by_suffix[suffix] == "json" else by_suffix[suffix]
    for magic, kind in ((PARQUET_MAGIC, "parquet"), (ZIP_MAGIC, "npz"), (_ARROW_MAGIC, "arrow")):
        if data.startswith(magic):
            return kind
    if data.startswith(_STREAM_MAGIC):
        return "arrow"
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _json_form(data)
    return "text"


def _json_form(data: bytes) -> str:
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    first = text.partition(b"\n")[0].strip()
    if text.startswith(b"{") and first.endswith(b"}") and text.count(b"\n{"):
        return "jsonl"
    return "json"


def table_of_text(data: bytes, where: str) -> Table:
    """Return the table in delimited text; what parts its cells is seen from its rows, and said.

    Raises:
        ConfembError: text that is not UTF-8, or that is not a table; the line is named.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # As spreadsheets save "Unicode text".
        data = _from_utf16(data, where)
    text = decode_text(data, where=where)
    first = text[:1000].partition("\n")[0].lower()
    if "precision" in first and "recall" in first and "f1" in first:
        raise ConfembError(f"{where}: {A_REPORT}")
    delimiter = sniff_delimiter(text)
    if first[:1].isdigit() and text.count("\n") < _MOST_NAMELESS:
        _refuse_nameless_text(text, delimiter, where)
    rows = decimal_points(parse_csv(text, where=where, delimiter=delimiter), delimiter=delimiter)
    if delimiter in ";|":
        say(f"{where}: its cells are parted by {delimiter_word(delimiter)}.")
    header, *body = rows
    columns = {name: np.array(cells, dtype=object) for name, cells in zip(header, zip(*body, strict=True), strict=True)}
    return Table(tuple(header), columns.__getitem__, lambda row: f"line {row + 2}", rows=rows, lines=True)


def _from_utf16(data: bytes, where: str) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeError as error:
        raise ConfembError(f"{where} is broken UTF-16 text ({error}): save it as UTF-8.") from error


def _refuse_nameless_text(text: str, delimiter: str, where: str) -> None:
    """Raise where delimited text is a square of numbers without class names."""
    rows = [[cell.strip() for cell in line.split(delimiter)] for line in text.splitlines() if line.strip()]
    try:
        refuse_nameless(rows)
    except ConfembError as error:
        raise ConfembError(f"{where}: {error}") from error


def table_of_json_lines(data: bytes, where: str) -> Table:
    """Return the table of JSON lines, an object on each; raises ConfembError naming the first line that is none."""
    records, numbers = [], []
    for number, line in enumerate(decode_text(data, where=where).split("\n"), start=1):
        if not line.strip():
            continue
        record = parse_json(line, where=f"{where}, line {number}")
        if not isinstance(record, dict):
            raise ConfembError(f'{where}, line {number}: each line must be a JSON object, such as {{"label": ...}}.')
        records.append(record)
        numbers.append(number)
    return _of_records(records, where, lambda row: f"line {numbers[row]}")


def table_of_json(data: bytes, where: str) -> Table:
    """Return the table in JSON: a list of records, or an object of columns, as pandas' orients "list" and "columns".

    Raises:
        ConfembError: anything else.
    """
    content = parse_json(data, where=where)
    if isinstance(content, dict) and {"columns", "data"} <= content.keys():
        content = [dict(zip(content["columns"], row, strict=False)) for row in content["data"]]
    lists = isinstance(content, dict) and content and all(isinstance(column, list) for column in content.values())
    if lists:
        if len({len(column) for column in content.values()}) != 1:
            raise ConfembError(f"{where}: its columns are not equally long.")
        content = [dict(zip(content, row, strict=True)) for row in zip(*content.values(), strict=True)]
    if isinstance(content, dict) and content and all(isinstance(column, dict) for column in content.values()):
        _refuse_report(content, where)
        keys = dict.fromkeys(key for column in content.values() for key in column)
        content = [{name: column.get(key) for name, column in content.items()} for key in keys]
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise ConfembError(
            f'{where} must hold records, [{{"label": "cat", "prediction": "dog"}}, ...], or an object of columns, '
            '{"label": [...], "prediction": [...]}.'
        )
    return _of_records(content, where, lambda row: f"record {row}")


def _refuse_report(content: Mapping[str, Mapping[str, Any]], where: str) -> None:
    if any({"precision", "recall"} <= column.keys() for column in content.values()):
        raise ConfembError(f"{where}: {A_REPORT}")


def _of_records(records: list[dict[str, Any]], where: str, row_name: Callable[[int], str]) -> Table:
    if not records:
        raise ConfembError(f"{where} holds no records.")
    header = tuple(dict.fromkeys(name for record in records for name in record))

    def read(name: str) -> np.ndarray:
        cells = [record.get(name) for record in records]
        for row, cell in enumerate(cells):
            if cell is None:
                raise ConfembError(f"{row_name(row)} has no value in column {name!r}: fill it or leave the row out.")
        return as_column(cells)

    return Table(header, read, row_name, records=True)


def as_column(cells: Sequence[Any]) -> np.ndarray:
    """Return (N,) values of one type as numbers or booleans, others as objects, numbers among texts as texts."""
    types = set(map(type, cells))
    if types == {bool}:
        return np.array(cells, bool)
    if types == {int} and all(abs(cell) < 2**62 for cell in cells):
        return np.array(cells, np.int64)
    if types <= {int, float}:
        return np.array(cells, np.float64)
    if types <= {int, float, str, bool}:
        cells = [cell if isinstance(cell, str) else json.dumps(cell).capitalize() for cell in cells]
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def table_of_arrow(data: bytes, where: str) -> Table:
    """Return the table in an Arrow file or stream, or a Feather file (version 2).

    Raises:
        ConfembError: a broken file, or two columns of one name.
    """
    import pyarrow as pa

    if data.startswith(_FEATHER_1_MAGIC):
        raise ConfembError(f"{where} is Feather of version 1: write it again with a newer pandas, or as Parquet.")
    try:
        source = pa.BufferReader(data)
        if data.startswith(_ARROW_MAGIC):
            table = pa.ipc.open_file(source).read_all()
        else:
            table = pa.ipc.open_stream(source).read_all()
        return table_of_columns(table)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfembError(f"the Arrow file is broken or no Arrow at all ({error}): write it again.") from error


def table_of_columns(table: Any) -> Table:
    """Return a `pyarrow.Table` as one of ours.

    Raises:
        ConfembError: two columns of one name.
    """
    names = table.column_names
    if twice := repeated(names):
        raise ConfembError(f"it has {quoted_list(twice)} as two columns: rename one of them.")
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return Table(tuple(names), lambda name: arrow_column(table[name], name), lambda row: f"row {row}", metadata)


def square_rows(table: Table) -> list[list[str]] | None:
    """Return a table that is not text as the rows of a square one, class names first; None where it is none."""
    if len(table.header) < 2:
        return None
    try:
        columns = {name: table.read(name) for name in table.header}
    except ConfembError:
        return None
    texts = [name for name, column in columns.items() if column.dtype.kind == "O"]
    others = [name for name in columns if name not in texts]
    if len(texts) != 1 or not others or len(columns[texts[0]]) > len(columns) or has_predictions(others):
        return None
    corner = "" if texts[0].startswith("__index_level") else texts[0]
    body = zip(*(columns[name].tolist() for name in (texts[0], *others)), strict=True)
    rows = [[corner, *others], *([str(name), *map(repr, numbers)] for name, *numbers in body)]
    return rows if is_square(rows) else None


def arrow_column(column: Any, name: str) -> np.ndarray:
    """Return an Arrow column as (N,) values, lists as objects.

    Raises:
        ConfembError: a column of other values, an empty cell, or references to values that are not there.
    """
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if pa.types.is_nested(kind) and not listed:
        raise ConfembError(
            f"column {name!r} holds {kind}; a picture of several classes is a row for each of them, with "
            "the same id and a weight."
        )
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (texts or listed or pa.types.is_primitive(kind)):
        raise ConfembError(f"column {name!r} holds {kind}; it must hold texts or numbers.")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise ConfembError(f"row {row} has no value in column {name!r}: fill it or leave the row out.")
    try:
        # A damaged file may refer to values that are not there, or hold texts that are none.
        column.validate(full=True)
        if listed:
            return as_column(column.to_pylist())
        if not pa.types.is_dictionary(column.type):
            return np.asarray(column.to_numpy())
        # Every cell is a reference to one of the few values: a long one is in memory once.
        parts = [
            chunk.dictionary.to_numpy(zero_copy_only=False)[chunk.indices.to_numpy(zero_copy_only=False)]
            for chunk in column.chunks
        ]
        return np.concatenate(parts) if parts else np.empty(0, object)
    except (pa.ArrowException, ValueError, IndexError, OverflowError) as error:
        raise ConfembError(f"column {name!r} is broken ({error}): write the file again.") from error
