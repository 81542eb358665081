"""Prediction files: Parquet (read and written), CSV, NPZ and confusion matrices (read)."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from confemb.records.cell_rules import positions
from confemb.records.column_names import has_predictions
from confemb.records.pair_weights import Weighting
from confemb.records.pairs import MissingClasses, PairCounts, SelfPairs, count_pairs, pairs_from_confusions
from confemb.records.prediction_formats import parse_npz, parse_parquet, small_square
from confemb.records.prediction_tables import OTHER, predictions_of_table
from confemb.records.predictions import Predictions, check_class_names, check_k
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.records.square_tables import is_square, read_confusions
from confemb.records.table_files import (
    PACKED,
    PARQUET_MAGIC,
    SUFFIXES,
    ZIP_MAGIC,
    Table,
    format_of,
    square_rows,
    table_of_arrow,
    table_of_json,
    table_of_json_lines,
    table_of_text,
    unpacked,
)
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, whole_file
from confemb.support.npz import array_names

# How many classes are kept from scores over all classes where nothing else is asked for.
DEFAULT_KEEP = 5
# As many classes of each picture as a file has.
ALL_CLASSES = 1_000_000


def save_predictions(
    predictions: Predictions, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write predictions as Parquet, whole or not at all; the same predictions give the same bytes.

    Columns: `id` and `split` (where known), `label` and `top1`..`topk` (class names), `prob1`..`probk`
    (float32) and `weight` (float64, where known). The schema's metadata holds `class_names` and `splits` (JSON
    lists), `dataset` and `classifier`, and what `metadata` adds.

    Raises:
        ConfembError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = pa.array(predictions.class_names, pa.string())

    def named(indices: np.ndarray) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), names)

    for what in ("ids", "splits"):
        _refuse_halves(getattr(predictions, what), what, path)
    columns = {} if predictions.ids is None else {"id": pa.array(predictions.ids, pa.string())}
    columns["label"] = named(predictions.labels)
    splits: list[str] = []
    if predictions.splits is not None:
        splits = list(dict.fromkeys(predictions.splits.tolist()))
        columns["split"] = pa.array(predictions.splits, pa.string())
    named_columns = [name for name in columns if name != "id"]
    for rank in range(predictions.k):
        columns[f"top{rank + 1}"] = named(predictions.top_classes[:, rank])
        named_columns.append(f"top{rank + 1}")
    if predictions.top_probs is not None:
        for rank in range(predictions.k):
            columns[f"prob{rank + 1}"] = pa.array(predictions.top_probs[:, rank], pa.float32())
    if predictions.weights is not None:
        columns["weight"] = pa.array(predictions.weights, pa.float64())
    described = {
        **(metadata or {}),
        "class_names": json.dumps(predictions.class_names, ensure_ascii=False),
        "dataset": predictions.dataset,
        "classifier": predictions.classifier,
        "splits": json.dumps(splits, ensure_ascii=False),
    }
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        table = pa.table(columns).replace_schema_metadata(described)
        # Not by its path, which pyarrow wants in UTF-8.
        pq.write_table(table, file, compression="zstd", use_dictionary=named_columns)


def _refuse_halves(texts: np.ndarray | None, what: str, path: str | os.PathLike[str]) -> None:
    """Raise ConfembError for ids or splits that are no text, such as the names of files that are not UTF-8."""
    every = [] if texts is None else texts.tolist()
    try:
        "".join(map(str, every)).encode()
    except UnicodeEncodeError as error:
        wrong = next(text for text in map(str, every) if any("\ud800" <= c <= "\udfff" for c in text))
        raise ConfembError(f"cannot write {path}: among the {what}, {wrong!r} is not UTF-8: rename it.") from error


def classes_to_keep(k: int | None) -> int:
    """Return how many classes to keep from scores over all, so that `k` of them can be paired (None: the usual)."""
    return max(k or 0, DEFAULT_KEEP)


def load_predictions(
    path: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    keep: int = DEFAULT_KEEP,
    options: ReadOptions = DEFAULT,
) -> Predictions:
    """Read predictions from a table in any usual format, or from NPZ.

    * CSV, TSV and other delimited text, JSON lines, JSON records, Parquet, Arrow and Feather, each also packed (.gz,
      .zst): columns `label` and `top1`..`topk` with class names or class indices, optionally `prob1`..`probk`, `id`,
      `split` and `weight`; or columns that are called as `y_true` and `y_pred` are; or a true class and a column of
      probabilities for each class, called after it; or the answers of a language model (`answers`), of which those
      outside the classes count as "other". Other columns are passed over. See `confemb.column_names`.
    * NPZ: `labels` (N,) and one of `probs` (N, K), `logits` (N, K), `topk` or `top_classes` (N, k, with
      `top_probs` (N, k) where known); optionally `class_names` (K,), `ids` (N,), `splits` (N,) and `weights` (N,).

    A picture of several classes is a row for each of them, all with its `id` (and `split`) and its predictions, and
    with a `weight` such as 1/m for m classes. In NPZ, `labels` may also be (N, K) of 0 and 1, a column for each class
    and a row for each picture: every class of a picture then has the weight 1/m.

    What is an index and what is a name is the same for all formats: the rule stands in `confemb.cell_rules`.
    Where neither the file nor `class_names` says what the classes are, named ones are numbered by first
    appearance (first down the column of labels, then the predictions), and indices are named
    "0", "1", ... up to the largest.

    Args:
        path: the file; "-" reads standard input.
        class_names: the K class names in index order. Where the file has a list of its own, this one
            sets the order and must contain all of it.
        keep: how many classes to keep from `probs` or `logits`; at most K are there.
        options: what the user says of columns and cells that could be read in more than one way.

    Raises:
        ConfembError: a file that cannot be read or is broken, or a cell that fits no prediction; the
            message names the file and the row or key.
    """
    return _load_predictions(_read(path), class_names, keep, options)


# The probabilities beyond are next to nothing, and a file of many classes seldom holds them.
MOST_WEIGHED = 10


def load_pairs(
    path: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    k: int | None = None,
    self_pairs: SelfPairs = "keep",
    missing_classes: MissingClasses = "error",
    weighting: Weighting | None = "count",
    temperature: float = 1.0,
    options: ReadOptions = DEFAULT,
) -> tuple[PairCounts, Predictions | None]:
    """Read predictions, or a confusion matrix, and count the pairs; or read pairs that were counted.

    A confusion matrix is a square CSV of whole numbers with the class names as header and first column:
    rows true, columns predicted, unless its corner or `options.rows` says otherwise; totals are left out. It holds
    only each picture's most probable class, so k is 1, and there are no single predictions. Nor
    are there in counts (NPZ, from `confemb count` or `PairCounts.save`).

    Args:
        path: the file; "-" reads standard input.
        class_names: as in `load_predictions`.
        k: how many predicted classes to pair with the true one; None takes 3, or as many as there are; of the
            probabilities that `weighting=None` finds, 10.
        self_pairs, missing_classes, weighting, temperature: as in `count_pairs`; a weighting of None weighs by
            probability where the file has probabilities, and counts where it has none.
        options: as in `load_predictions`; `rows` and `kind` for confusion matrices.

    Returns:
        The pair counts, and the predictions (None for a confusion matrix or counts).

    Raises:
        ConfembError: as `load_predictions` and `count_pairs`; a confusion matrix that is not square,
            whose header and first column differ, or that holds anything but whole numbers of at least 0; counts
            that cannot say what other settings would have given (`PairCounts.select`).
    """
    content = _read(path)
    where = content.where
    if content.form == "npz" and holds_counts(content.data):
        with naming_file(where):
            return _select_counted(
                content.data, class_names, k, self_pairs, missing_classes, weighting, temperature
            ), None
    if _is_matrix(content, options):
        check_k(1 if k is None else k, 1, what="predicted classes for each picture in a confusion matrix")
        if weighting == "probability":
            raise ConfembError(f"{where} is a confusion matrix and has no probabilities to weigh pairs by.")
        assert content.table is not None
        rows = content.table.rows or square_rows(content.table)
        assert rows is not None
        with naming_file(where):
            confusions, names, shares = read_confusions(rows, class_names, options)
            confusions = confusions if shares else confusions.astype(np.int64)
            return pairs_from_confusions(
                confusions, names, self_pairs=self_pairs, missing_classes=missing_classes, shares=shares
            ), None
    keep = classes_to_keep(MOST_WEIGHED if k is None and weighting is None else k)
    predictions = _load_predictions(content, class_names, keep, options)
    with naming_file(where):
        weighting, most = chosen_weighting(weighting, predictions)
        k = min(most, predictions.k) if k is None else k
        unseen = set(np.flatnonzero(np.bincount(predictions.labels, minlength=len(predictions.class_names)) == 0))
        only_other = {predictions.class_names[i] for i in unseen} == {OTHER}
        if missing_classes == "error" and only_other and OTHER not in (class_names or ()):
            # Nothing is of this class, but answers are.
            missing_classes = "keep"
        counts = count_pairs(
            predictions,
            k=k,
            self_pairs=self_pairs,
            missing_classes=missing_classes,
            weighting=weighting,
            temperature=temperature,
        )
        return counts, predictions


def _select_counted(
    data: bytes,
    class_names: Sequence[str] | None,
    k: int | None,
    self_pairs: SelfPairs,
    missing_classes: MissingClasses,
    weighting: Weighting | None,
    temperature: float,
) -> PairCounts:
    """Return pairs that were counted, as other settings would have counted them."""
    counts = PairCounts.from_npz(data)
    if weighting == "probability" and counts.unit == 1.0:
        raise ConfembError("its pairs were counted without probabilities: count them again to weigh them.")
    if temperature != 1.0:
        raise ConfembError("its pairs are counted already: a temperature must be given to the counting.")
    k = min(3, counts.k) if k is None else k
    return counts.select(k=k, self_pairs=self_pairs, missing_classes=missing_classes, class_names=class_names)


def chosen_weighting(weighting: Weighting | None, predictions: Predictions) -> tuple[Weighting, int]:
    """Return how pairs are weighed, and how many classes of an item are paired where nobody says otherwise.

    Args:
        weighting: what was asked for; None weighs by probability where there are probabilities.
        predictions: what is counted.
    """
    if weighting is None and predictions.top_probs is not None:
        return "probability", MOST_WEIGHED
    return weighting or "count", 3


def holds_counts(content: bytes) -> bool:
    """Tell an NPZ file of pair counts from one of predictions."""
    return content.startswith(ZIP_MAGIC) and {"true", "predicted", "rank", "counts"} <= set(array_names(content))


@contextmanager
def naming_file(where: str | os.PathLike[str], *, lines: bool = False) -> Iterator[None]:
    """Put the file's name before the errors raised within, unless it stands there.

    `lines` tells whether the file's rows are lines of text, whose numbers are then explained.
    """
    try:
        yield
    except ConfembError as error:
        if str(error).startswith(os.fspath(where)):
            raise
        # Rows are counted from 0, as in numpy and pandas; a text editor counts lines from 1.
        note = " (row 0 is line 2)" if lines and re.search(r"\brow \d", str(error)) else ""
        raise ConfembError(f"{where}{note}: {error}") from error


@dataclass(frozen=True, eq=False)
class _Content:
    """A file's bytes, unpacked, or the table in them."""

    where: str
    form: str
    data: bytes
    table: Table | None


def _read(path: str | os.PathLike[str]) -> _Content:
    """Return a file's content, and what to call it in messages."""
    if os.fspath(path) == "-":
        data, where = sys.stdin.buffer.read(), "standard input"
        if not data:
            raise ConfembError("standard input is empty: pipe a predictions file into it, or give a file's path.")
        suffix = ""
    else:
        data, where = read_bytes(path), os.fspath(path)
        *_, before, suffix = ("", "", *(part.lower() for part in Path(path).suffixes))
        suffix = before if suffix in PACKED else suffix
    if suffix not in ("", ".npz", *SUFFIXES):
        raise ConfembError(
            f"{path} has the unknown suffix {suffix!r}: predictions are read from "
            f"{', '.join(sorted((*SUFFIXES, '.npz')))} files, and from these with {' or '.join(PACKED)} behind."
        )
    data = unpacked(data, where)
    form = format_of(data, suffix)
    if form == "parquet" and not data.startswith(PARQUET_MAGIC):
        raise ConfembError(f"{where} is no Parquet file, whatever its suffix says: write it again.")
    if form == "npz" and not data.startswith(ZIP_MAGIC):
        raise ConfembError(f"{where} is no NPZ file, whatever its suffix says: write it with np.savez.")
    if form == "text":
        return _Content(where, form, b"", table_of_text(data, where))
    if form in ("json", "jsonl"):
        return _Content(where, form, b"", (table_of_json if form == "json" else table_of_json_lines)(data, where))
    if form == "arrow":
        with naming_file(where):
            return _Content(where, form, b"", table_of_arrow(data, where))
    if form == "parquet":
        with naming_file(where):
            return _Content(where, form, data, small_square(data))
    return _Content(where, form, data, None)


def _is_matrix(content: _Content, options: ReadOptions) -> bool:
    if options.label_column or options.top_columns or options.prob_columns:
        return False
    if content.table is not None and content.table.rows is None:
        return square_rows(content.table) is not None
    rows = None if content.table is None else content.table.rows
    return rows is not None and (is_square(rows) or not has_predictions(rows[0]))


def _square(content: _Content) -> bool:
    return content.table is not None and content.table.rows is not None and is_square(content.table.rows)


def _load_predictions(
    content: _Content, class_names: Sequence[str] | None, keep: int, options: ReadOptions
) -> Predictions:
    with naming_file(content.where, lines=content.table is not None and content.table.lines):
        given = None if class_names is None else tuple(check_class_names(class_names))
        if _is_matrix(content, options) and (_square(content) or content.table is None or content.table.rows is None):
            raise ConfembError(
                "a confusion matrix holds no single predictions: `confemb embed` and `load_pairs` read it."
            )
        if content.form == "parquet":
            predictions = parse_parquet(content.data, given, options, keep=keep)
        elif content.table is not None:
            predictions = predictions_of_table(content.table, given, keep=keep, options=options)
        else:
            predictions = parse_npz(content.data, given, keep, options)
        if predictions.top_probs is not None:
            check_falling(predictions.top_probs)
        if given is None or predictions.class_names == (*given, OTHER):
            return predictions
        return _in_order(predictions, given)


def check_falling(probs: np.ndarray) -> None:
    """Raise ConfembError unless the (N, k) probabilities of each row are in falling order."""
    rising = probs[:, 1:] > probs[:, :-1]
    if rising.any():
        row = int(np.argmax(rising.any(axis=1)))
        raise ConfembError(
            f"row {row} has probabilities that rise ({', '.join(f'{p:g}' for p in probs[row])}): "
            "put the most probable class first, or say that it stands last (--order rising)."
        )


def _in_order(predictions: Predictions, class_names: tuple[str, ...]) -> Predictions:
    """Number the classes as in `class_names`, which must contain all those of the predictions."""
    if predictions.class_names == class_names:
        return predictions
    new_index = positions(predictions.class_names, class_names)
    return replace(
        predictions,
        labels=new_index[predictions.labels],
        top_classes=new_index[predictions.top_classes],
        class_names=class_names,
    )
