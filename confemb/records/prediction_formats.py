"""Prediction files in binary formats, Parquet and NPZ, from their bytes to records.

Messages name the row or key; `confemb.records.prediction_files` puts the file's name before them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from confemb.records.cell_rules import encode_classes
from confemb.records.column_names import choose_columns
from confemb.records.parquet_bounds import read_columns
from confemb.records.prediction_tables import of_second, predictions_of_table, scored_predictions
from confemb.records.predictions import Predictions, check_class_names, label_sets
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.records.score_kinds import check_order
from confemb.records.table_files import Table, table_of_columns
from confemb.support import files
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.npz import read_arrays

# A cell's number, or its reference to a text.
_CELL_BYTES = 8
_NPZ_ARRAYS = frozenset(
    {"labels", "probs", "logits", "topk", "top_classes", "top_probs", "class_names", "ids", "splits", "weights"}
)


def parse_parquet(
    data: bytes, given: tuple[str, ...] | None, options: ReadOptions = DEFAULT, *, keep: int = 5
) -> Predictions:
    """Build predictions from a Parquet file's bytes; class names in its metadata go before those given.

    Raises:
        ConfembError: bytes that are no Parquet file, or columns that are no predictions.
    """
    import pyarrow as pa

    try:
        table = table_of_columns(_read_table(data, options))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfembError(f"the Parquet file is broken or no Parquet at all ({error}): write it again.") from error
    return predictions_of_table(table, given, keep=keep, options=options)


def small_square(data: bytes) -> Table | None:
    """Return the table in a Parquet file's bytes if it may be square; None where it has too many rows for that."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = file.schema_arrow.names
        if repeated(names) or not 0 < file.metadata.num_rows <= len(names):
            return None
        return table_of_columns(file.read())
    except (pa.ArrowException, OSError):
        # What is broken is told by whoever reads it whole.
        return None


def _read_table(data: bytes, options: ReadOptions = DEFAULT) -> Any:
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
    wanted = choose_columns(names, options).all()
    texts = [name for name in wanted if not pa.types.is_nested(schema.field(name).type)]
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts, pre_buffer=False)
    # Equal values are packed without end: the rows, not the bytes, say what a column takes.
    if file.metadata.num_rows * len(wanted) * _CELL_BYTES > files.MOST_UNPACKED:
        raise ConfembError(
            f"it claims {file.metadata.num_rows:,} rows, which would take more than the {files.MOST_UNPACKED:,} bytes "
            "allowed: split it."
        )
    return read_columns(file, wanted, len(data))


def parse_npz(data: bytes, given: tuple[str, ...] | None, keep: int, options: ReadOptions = DEFAULT) -> Predictions:
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
    names = given
    if "class_names" in contents:
        names = tuple(check_class_names([str(name) for name in contents["class_names"].reshape(-1).tolist()]))
        if contents["labels"].dtype.kind == "U" and options.cells is None:
            # A file that lists its classes refers to them by name.
            options = replace(options, cells="names")
    return _from_arrays(contents, forms[0], names, keep, options)


def _from_arrays(
    contents: dict[str, np.ndarray], form: str, names: tuple[str, ...] | None, keep: int, options: ReadOptions
) -> Predictions:
    if contents["labels"].ndim == 2 and contents["labels"].shape[1] == 1:
        contents["labels"] = contents["labels"][:, 0]
    contents[form] = _in_columns(contents[form], form, names)
    values, labels = contents[form], contents["labels"]
    if values.size == 0:
        raise ConfembError(f"{form!r} has shape {values.shape} and holds nothing: give at least one row.")
    if labels.ndim not in (1, 2) or values.ndim != 2 or len(labels) != len(values):
        raise ConfembError(
            f"'labels' has shape {labels.shape} and {form!r} {values.shape}; they must be (N,) and "
            f"({'N, k' if form.startswith('top') else 'N, K'}) with the same N."
        )
    if labels.ndim == 2:
        contents, names = _one_label_a_row(contents, form, names)
        values, labels = contents[form], contents["labels"]
    texts: dict[str, Any] = {
        name: contents[name].astype(str) if name in contents else None for name in ("ids", "splits")
    }
    labels = labels.astype(object) if labels.dtype.kind == "U" else labels
    if form in ("probs", "logits"):
        if values.dtype.kind not in "fiu":
            raise ConfembError(f"{form!r} holds {values.dtype}; it must hold numbers.")
        if names is None:
            names = tuple(map(str, range(values.shape[1])))
        if len(names) != values.shape[1]:
            raise ConfembError(
                f"scores have shape {values.shape}; with {len(names)} classes they must be (N, {len(names)})."
            )
        found = scored_predictions(
            values,
            labels,
            names,
            k=keep,
            logits=form == "logits",
            row_name=lambda row: f"row {row}",
            label_name="labels",
            options=options,
            **texts,
        )
        return replace(found, weights=contents.get("weights"))
    values = values.astype(object) if values.dtype.kind == "U" else values
    columns = {"labels": labels} | {f"{form}[:, {rank}]": values[:, rank] for rank in range(values.shape[1])}
    indices, names = encode_classes(columns, names, row_name=lambda row: f"row {row}", options=options)
    label_indices, *ranks = indices.values()
    top, probs = np.stack(ranks, axis=1), contents.get("top_probs")
    if probs is None:
        top = check_order(label_indices, top, options)
    elif options.order == "rising":
        top, probs = top[:, ::-1], probs[:, ::-1]
    return Predictions(label_indices, top, probs, names, **texts, weights=contents.get("weights"))


def _in_columns(values: np.ndarray, form: str, names: tuple[str, ...] | None) -> np.ndarray:
    """Return predictions that are one number a row, or of one column, as the columns that they stand for."""
    one = values.ndim == 1 or values.shape[1:] == (1,)
    if not one or not (form in ("top_classes", "topk") or values.dtype.kind == "f") or form == "logits":
        return values
    if form == "probs" and (names is None or len(names) != 1):
        return of_second(values.reshape(-1), form)
    return values.reshape(-1, 1)


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
