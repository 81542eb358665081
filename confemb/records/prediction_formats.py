"""The formats of prediction files: CSV rows, Parquet and NPZ bytes, confusion matrices -> records.

Messages name the row or key; `confemb.records.prediction_files` puts the file's name before them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from confemb.records.class_cells import encode_classes, positions
from confemb.records.predictions import Predictions, check_class_names, label_sets, predictions_from_scores
from confemb.support import files
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.files import parse_json
from confemb.support.npz import read_arrays

_TOP_COLUMN = re.compile(r"top[0-9]+")
_COLUMN = re.compile(r"label|id|split|weight|(top|prob)[0-9]+")
# A cell's number, or its reference to a text.
_CELL_BYTES = 8
_NPZ_ARRAYS = frozenset(
    {"labels", "probs", "logits", "topk", "top_classes", "top_probs", "class_names", "ids", "splits", "weights"}
)


def parse_prediction_rows(rows: list[list[str]], class_names: tuple[str, ...] | None) -> Predictions:
    """Build predictions from a CSV file's rows, header first, all equally long; raises ConfembError naming the line."""
    header, *body = rows
    if _is_square(header, body):
        raise ConfembError("a confusion matrix holds no single predictions: `confemb embed` and `load_pairs` read it.")
    columns = {name: np.array(cells, dtype=object) for name, cells in zip(header, zip(*body, strict=True), strict=True)}
    return _from_columns(columns.get, list(columns), class_names, lambda row: f"line {row + 2}", {})


def parse_parquet(data: bytes, given: tuple[str, ...] | None) -> Predictions:
    """Build predictions from a Parquet file's bytes; class names in its metadata go before those given.

    Raises:
        ConfembError: bytes that are no Parquet file, or columns that are no predictions.
    """
    import pyarrow as pa

    try:
        table = _read_table(data)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfembError(f"the Parquet file is broken or no Parquet at all ({error}): write it again.") from error
    names = own_names(metadata) or given

    def read(name: str) -> np.ndarray | None:
        if name not in table.column_names:
            return None
        column = table[name]
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_nested(kind):
            raise ConfembError(
                f"column {name!r} holds {kind}; a picture of several classes is a row for each of them, with "
                "the same id and a weight."
            )
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_primitive(kind)):
            raise ConfembError(f"column {name!r} holds {kind}; it must hold texts or numbers.")
        if column.null_count:
            row = column.is_null().index(True).as_py()
            raise ConfembError(f"row {row} has no value in column {name!r}: fill it or leave the row out.")
        try:
            # A damaged file may refer to values that are not there, or hold texts that are none.
            column.validate(full=True)
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

    return _from_columns(read, table.column_names, names, lambda row: f"row {row}", metadata)


def own_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the class names in a Parquet file's metadata, or None; raises ConfembError where they are no names."""
    if "class_names" not in metadata:
        return None
    names = parse_json(metadata["class_names"], where="the metadata's 'class_names'")
    if not isinstance(names, list):
        raise ConfembError("the metadata's 'class_names' is no list of names: write the file again.")
    return tuple(check_class_names(names))


def _read_table(data: bytes) -> Any:
    """Return those columns of a Parquet file's bytes that predictions have, texts as dictionaries.

    Raises:
        ConfembError: two columns of one name, or more rows than may be unpacked.
        pyarrow.ArrowException, OSError: a broken file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.ParquetFile(pa.BufferReader(data)).schema_arrow
    names = schema.names
    if twice := repeated(names):
        raise ConfembError(f"it has {quoted_list(twice)} as two columns: rename one of them.")
    wanted = [name for name in names if _COLUMN.fullmatch(name)]
    if not wanted:
        raise ConfembError(f"its columns are {quoted_list(names, limit=12)}, and predictions need 'label' and 'top1'.")
    texts = [name for name in wanted if not pa.types.is_nested(schema.field(name).type)]
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
    # Equal values are packed without end: the rows, not the bytes, say what a column takes.
    if file.metadata.num_rows * len(wanted) * _CELL_BYTES > files.MOST_UNPACKED:
        raise ConfembError(
            f"it claims {file.metadata.num_rows:,} rows, which would take more than the {files.MOST_UNPACKED:,} bytes "
            "allowed: split it."
        )
    return file.read(columns=wanted)


def _from_columns(
    read: Callable[[str], np.ndarray | None],
    header: list[str],
    class_names: tuple[str, ...] | None,
    row_name: Callable[[int], str],
    metadata: Mapping[str, str],
) -> Predictions:
    """Build predictions from a table's columns, each (N,), read by name."""
    k = sum(1 for name in header if _TOP_COLUMN.fullmatch(name))
    names = ["label", *(f"top{rank + 1}" for rank in range(max(k, 1)))]
    prob_names = [f"prob{rank + 1}" for rank in range(k)]
    there = set(header)
    absent = [name for name in names if name not in there]
    if absent:
        raise ConfembError(
            f"there is no column {absent[0]!r}; its columns are {quoted_list(header, limit=12)}, and predictions need "
            "'label' and 'top1', 'top2', ... without a gap."
        )
    known_probs = [name for name in header if re.fullmatch(r"prob[0-9]+", name)]
    if known_probs and set(known_probs) != set(prob_names):
        raise ConfembError(
            f"there are {k} columns top1..top{k} but the probabilities {quoted_list(known_probs)}: give "
            f"prob1..prob{k}, or none."
        )
    cells: dict[str, np.ndarray] = {}
    for name in names:
        column = read(name)
        assert column is not None
        if column.dtype.kind not in "iuO":
            raise ConfembError(f"column {name!r} holds {column.dtype}; it must hold class names or whole numbers.")
        cells[name] = column
    indices, class_names = encode_classes(cells, class_names, row_name=row_name)
    probs = [_numbers(read(name), name, row_name) for name in prob_names if known_probs]
    ids, splits = (None if (column := read(name)) is None else _texts(column) for name in ("id", "split"))
    weights = _numbers(read("weight"), "weight", row_name) if "weight" in header else None
    return Predictions(
        indices["label"],
        np.stack([indices[name] for name in names[1:]], axis=1),
        np.stack(probs, axis=1).astype(np.float32) if probs else None,
        class_names,
        ids,
        splits,
        weights=weights,
        dataset=metadata.get("dataset", ""),
        classifier=metadata.get("classifier", ""),
    )


def _texts(column: np.ndarray) -> np.ndarray:
    """Return a column as (N,) texts, each an object of its own length: one long cell does not make all of them long."""
    return column if column.dtype == object else column.astype(str).astype(object)


def _numbers(column: np.ndarray | None, name: str, row_name: Callable[[int], str]) -> np.ndarray:
    """Return a column of numbers as (N,) float64, or name the first cell that is no number."""
    assert column is not None
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        for row, cell in enumerate(column):
            try:
                float(cell)
            except (TypeError, ValueError):
                raise ConfembError(f"{row_name(row)} has {cell!r} in column {name!r}: it must be a number.") from None
        raise


def parse_npz(data: bytes, given: tuple[str, ...] | None, keep: int) -> Predictions:
    """Build predictions from an NPZ file's bytes; class names in it go before those given.

    Raises:
        ConfembError: bytes that are no NPZ file, or arrays that are no predictions.
    """
    contents = read_arrays(data, _NPZ_ARRAYS)
    forms = [name for name in ("probs", "logits", "topk", "top_classes") if name in contents]
    if "labels" not in contents or len(forms) != 1:
        raise ConfembError(
            f"an NPZ file needs 'labels' and one of 'probs', 'logits', 'topk' or 'top_classes'; this one "
            f"holds {quoted_list(contents)}."
        )
    values, labels = contents[forms[0]], contents["labels"]
    if values.size == 0:
        raise ConfembError(f"{forms[0]!r} has shape {values.shape} and holds nothing: give at least one row.")
    if labels.ndim not in (1, 2) or values.ndim != 2 or len(labels) != len(values):
        raise ConfembError(
            f"'labels' has shape {labels.shape} and {forms[0]!r} {values.shape}; they must be (N,) and "
            f"({'N, k' if forms[0].startswith('top') else 'N, K'}) with the same N."
        )
    names = given
    if "class_names" in contents:
        names = tuple(check_class_names([str(name) for name in contents["class_names"].reshape(-1).tolist()]))
    if labels.ndim == 2:
        contents, names = _one_label_a_row(contents, forms[0], names)
        values, labels = contents[forms[0]], contents["labels"]
    ids, splits = (contents[name].astype(str) if name in contents else None for name in ("ids", "splits"))
    columns = {"labels": _class_array(labels, "labels")}
    if forms[0] in ("probs", "logits"):
        if values.dtype.kind not in "fiu":
            raise ConfembError(f"{forms[0]!r} holds {values.dtype}; it must hold numbers.")
        if names is None:
            names = tuple(map(str, range(values.shape[1])))
        indices, names = encode_classes(columns, names, row_name=lambda row: f"row {row}")
        predictions = predictions_from_scores(
            values,
            indices["labels"],
            names,
            k=min(keep, len(names)),
            logits=forms[0] == "logits",
            ids=ids,
            splits=splits,
        )
        return replace(predictions, weights=contents.get("weights"))
    values = _class_array(values, forms[0])
    columns |= {f"{forms[0]}[:, {rank}]": values[:, rank] for rank in range(values.shape[1])}
    indices, names = encode_classes(columns, names, row_name=lambda row: f"row {row}")
    label_indices, *ranks = indices.values()
    top = np.stack(ranks, axis=1) if ranks else np.empty((len(labels), 0), np.int64)
    return Predictions(
        label_indices, top, contents.get("top_probs"), names, ids, splits, weights=contents.get("weights")
    )


def _one_label_a_row(
    contents: dict[str, np.ndarray], form: str, names: tuple[str, ...] | None
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Lay pictures whose `labels` are (N, K) of 0 and 1 out as rows of one true class; return the class names too."""
    if "weights" in contents:
        raise ConfembError(
            "'weights' go with one true class on each row; where 'labels' has a column for each class, leave them out."
        )
    labels, values = contents["labels"], contents[form]
    names = tuple(map(str, range(labels.shape[1]))) if names is None else names
    picture, true, weights = label_sets(labels, pictures=len(values), classes=len(names))
    by_picture = {name: contents[name] for name in (form, "top_probs", "ids", "splits") if name in contents}
    by_picture.setdefault("ids", np.arange(len(values)).astype(str))
    for name, column in by_picture.items():
        if len(column) != len(values):
            raise ConfembError(f"there are {len(values)} rows of {form!r} but {len(column)} {name}.")
    # Names where the predicted classes are named: they are encoded together.
    contents = {name: column[picture] for name, column in by_picture.items()}
    contents["labels"] = true if values.dtype.kind != "U" else np.array(names)[true]
    return contents if weights is None else contents | {"weights": weights}, names


def _class_array(values: np.ndarray, name: str) -> np.ndarray:
    """Return whole numbers as they are and strings as objects; raise for anything else."""
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind != "U":
        raise ConfembError(f"{name!r} holds {values.dtype}; it must hold whole numbers or class names.")
    return values.astype(object)


def _is_square(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    return list(header[1:]) == [row[0] for row in rows]


def has_predictions(rows: Sequence[Sequence[str]]) -> bool:
    """Tell a table of predictions from a confusion matrix, which may have a class called "label"."""
    header, *body = rows
    named = "label" in header or any(_TOP_COLUMN.fullmatch(name) for name in header)
    return named and not _is_square(header, body)


def parse_confusions(rows: list[list[str]], given: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (K, K) int64 counts and their class names, from a CSV file's rows, header first.

    Where class names are given they set the order, and must contain all those of the file.

    Raises:
        ConfembError: a table that is not square, or a cell that is no count; the line is named.
    """
    header, *body = rows
    names = header[1:]
    if len(body) != len(names):
        raise ConfembError(
            f"it has {len(names)} columns and {len(body)} rows of counts: a confusion matrix must be square, with the "
            "class names as header and first column, and predictions need the columns 'label' and 'top1'."
        )
    for line, (name, row) in enumerate(zip(names, body, strict=True), start=2):
        if row[0] != name:
            raise ConfembError(
                f"line {line} is of {row[0]!r} where the header has {name!r}: header and first column must name the "
                "same classes in the same order."
            )
    check_class_names(names)
    counts = np.empty((len(names), len(names)))
    for line, (true, row) in enumerate(zip(names, body, strict=True), start=2):
        for column, cell in enumerate(row[1:]):
            try:
                counts[line - 2, column] = float(cell)
            except ValueError:
                raise ConfembError(
                    f"line {line} ({true!r}) has {cell!r} under {names[column]!r}: counts must be whole numbers."
                ) from None
    bad = ~np.isfinite(counts) | (counts < 0) | (counts != np.floor(counts))
    if bad.any():
        row_index, column = np.argwhere(bad)[0]
        raise ConfembError(
            f"line {row_index + 2} ({names[row_index]!r}) has {body[row_index][column + 1]} under {names[column]!r}: "
            "counts must be whole numbers of at least 0, not shares."
        )
    if counts.sum() > 2**53:
        raise ConfembError("its counts add up to more than 2^53 and are not exact: divide them all by one number.")
    whole = counts.astype(np.int64)
    if given is None:
        return whole, tuple(names)
    given = tuple(check_class_names(given))
    index = positions(names, given)
    placed = np.zeros((len(given), len(given)), np.int64)
    placed[np.ix_(index, index)] = whole
    return placed, given
