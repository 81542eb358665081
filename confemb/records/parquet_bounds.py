"""How much memory a Parquet file may take: what it holds unpacked is bounded by what it is packed.

Parquet packs texts that are alike, or long runs within them, without end: a file of some kilobytes can hold gigabytes.
Files of predictions are packed ten or twenty times.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from confemb.support import files
from confemb.support.errors import ConfembError

# So many bytes any file may hold unpacked; a larger one so many times what it is packed, and at most
# `confemb.support.files.MOST_UNPACKED`.
ALWAYS_ALLOWED, MOST_TIMES = 2**28, 50


def allowed_bytes(packed: int) -> int:
    """Return how many bytes a file of `packed` bytes may hold unpacked."""
    return min(max(ALWAYS_ALLOWED, MOST_TIMES * packed), files.MOST_UNPACKED)


def check_row_groups(metadata: Any, columns: Sequence[str], packed: int, *, together: bool) -> None:
    """Raise ConfembError where a Parquet file says of itself that its columns unpack to too much.

    Args:
        metadata: the file's `pyarrow.parquet.FileMetaData`.
        columns: those that are to be read.
        packed: the file's size in bytes.
        together: whether all row groups are read at once; else the largest counts.
    """
    wanted = set(columns)
    sizes = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = (group.column(place) for place in range(group.num_columns))
        sizes.append(sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] in wanted))
    unpacked = sum(sizes) if together else max(sizes, default=0)
    if unpacked > allowed_bytes(packed):
        raise _too_much(unpacked, packed)


def read_columns(file: Any, columns: Sequence[str], packed: int) -> Any:
    """Return columns of a Parquet file as a table, a row group at a time, so that what is too much is noticed early.

    No threads of Arrow's are used: one that lets go of the file's bytes, which are Python's, while the interpreter
    ends would abort the process.

    Args:
        file: a `pyarrow.parquet.ParquetFile`.
        columns: which.
        packed: the file's size in bytes.

    Raises:
        ConfembError: more than `allowed_bytes`.
        pyarrow.ArrowException, OSError: a broken file.
    """
    import pyarrow as pa

    check_row_groups(file.metadata, columns, packed, together=True)
    tables, unpacked = [], 0
    for number in range(file.metadata.num_row_groups):
        table = file.read_row_group(number, columns=list(columns), use_threads=False)
        unpacked += text_bytes(column for column in table.columns)
        if unpacked > allowed_bytes(packed):
            raise _too_much(unpacked, packed)
        tables.append(table)
    return pa.concat_tables(tables) if tables else file.schema_arrow.empty_table().select(list(columns))


def text_bytes(columns: Iterable[Any]) -> int:
    """Return how many bytes the texts of some columns take, those of a dictionary once."""
    import pyarrow as pa

    total = 0
    for column in columns:
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            total += (chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk).nbytes
    return total


def _too_much(unpacked: int, packed: int) -> ConfembError:
    return ConfembError(
        f"it would take {unpacked:,} bytes unpacked, more than the {allowed_bytes(packed):,} allowed for a Parquet "
        f"file of {packed:,}: its ids or other texts are very long; shorten them, or leave that column out."
    )
