"""Prediction files: Parquet (read and written), CSV, NPZ and confusion matrices (read)."""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from confemb.records.class_cells import parse_csv, positions
from confemb.records.pair_weights import Weighting
from confemb.records.pairs import MissingClasses, PairCounts, SelfPairs, count_pairs, pairs_from_confusions
from confemb.records.prediction_formats import (
    has_predictions,
    parse_confusions,
    parse_npz,
    parse_parquet,
    parse_prediction_rows,
)
from confemb.records.predictions import Predictions, check_class_names, check_k
from confemb.support.errors import ConfembError
from confemb.support.files import decode_text, read_bytes, whole_file
from confemb.support.npz import array_names

# How many classes are kept from scores over all classes where nothing else is asked for.
DEFAULT_KEEP = 5
# As many classes of each picture as a file has.
ALL_CLASSES = 1_000_000

_SUFFIXES = (".csv", ".npz", ".parquet")
_PARQUET_MAGIC = b"PAR1"
_ZIP_MAGIC = b"PK\x03\x04"


def save_predictions(predictions: Predictions, path: str | os.PathLike[str]) -> None:
    """Write predictions as Parquet, whole or not at all; the same predictions give the same bytes.

    Columns: `id` and `split` (where known), `label` and `top1`..`topk` (class names), `prob1`..`probk`
    (float32) and `weight` (float64, where known). The schema's metadata holds `class_names` and `splits` (JSON
    lists), `dataset` and `classifier`.

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
    metadata = {
        "class_names": json.dumps(predictions.class_names, ensure_ascii=False),
        "dataset": predictions.dataset,
        "classifier": predictions.classifier,
        "splits": json.dumps(splits, ensure_ascii=False),
    }
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        table = pa.table(columns).replace_schema_metadata(metadata)
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
    path: str | os.PathLike[str], *, class_names: Sequence[str] | None = None, keep: int = DEFAULT_KEEP
) -> Predictions:
    """Read predictions from Parquet, CSV or NPZ.

    * Parquet and CSV: columns `label` and `top1`..`topk` with class names or class indices, optionally
      `prob1`..`probk`, `id`, `split` and `weight`; other columns are passed over.
    * NPZ: `labels` (N,) and one of `probs` (N, K), `logits` (N, K), `topk` or `top_classes` (N, k, with
      `top_probs` (N, k) where known); optionally `class_names` (K,), `ids` (N,), `splits` (N,) and `weights` (N,).

    A picture of several classes is a row for each of them, all with its `id` (and `split`) and its predictions, and
    with a `weight` such as 1/m for m classes. In NPZ, `labels` may also be (N, K) of 0 and 1, a column for each class
    and a row for each picture: every class of a picture then has the weight 1/m.

    Cells that are all class names are taken as names, else cells that are all whole numbers as indices.
    Where neither the file nor `class_names` says what the classes are, named ones are numbered by first
    appearance (first down the column of labels, then the predictions), and indices are named
    "0", "1", ... up to the largest.

    Args:
        path: the file; "-" reads standard input.
        class_names: the K class names in index order. Where the file has a list of its own, this one
            sets the order and must contain all of it.
        keep: how many classes to keep from `probs` or `logits`; at most K are there.

    Raises:
        ConfembError: a file that cannot be read or is broken, or a cell that fits no prediction; the
            message names the file and the row or key.
    """
    content, where = _read(path)
    return _load_predictions(content, where, class_names, keep)


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
) -> tuple[PairCounts, Predictions | None]:
    """Read predictions, or a confusion matrix, and count the pairs; or read pairs that were counted.

    A confusion matrix is a square CSV of whole numbers with the class names as header and first column:
    rows true, columns predicted. It holds only each picture's most probable class, so k is 1, and there
    are no single predictions. Nor are there in counts (NPZ, from `confemb count` or `PairCounts.save`).

    Args:
        path: the file; "-" reads standard input.
        class_names: as in `load_predictions`.
        k: how many predicted classes to pair with the true one; None takes 3, or as many as there are; of the
            probabilities that `weighting=None` finds, 10.
        self_pairs, missing_classes, weighting, temperature: as in `count_pairs`; a weighting of None weighs by
            probability where the file has probabilities, and counts where it has none.

    Returns:
        The pair counts, and the predictions (None for a confusion matrix or counts).

    Raises:
        ConfembError: as `load_predictions` and `count_pairs`; a confusion matrix that is not square,
            whose header and first column differ, or that holds anything but whole numbers of at least 0; counts
            that cannot say what other settings would have given (`PairCounts.select`).
    """
    content, where = _read(path)
    if isinstance(content, bytes) and holds_counts(content):
        with naming_file(where):
            counts = PairCounts.from_npz(content)
            if weighting == "probability" and counts.unit == 1.0:
                raise ConfembError("its pairs were counted without probabilities: count them again to weigh them.")
            if temperature != 1.0:
                raise ConfembError("its pairs are counted already: a temperature must be given to the counting.")
            k = min(3, counts.k) if k is None else k
            return counts.select(
                k=k, self_pairs=self_pairs, missing_classes=missing_classes, class_names=class_names
            ), None
    if isinstance(content, list) and not has_predictions(content):
        check_k(1 if k is None else k, 1, what="predicted classes for each picture in a confusion matrix")
        if weighting == "probability":
            raise ConfembError(f"{where} is a confusion matrix and has no probabilities to weigh pairs by.")
        with naming_file(where):
            confusions, names = parse_confusions(content, class_names)
            return pairs_from_confusions(
                confusions, names, self_pairs=self_pairs, missing_classes=missing_classes
            ), None
    keep = classes_to_keep(MOST_WEIGHED if k is None and weighting is None else k)
    predictions = _load_predictions(content, where, class_names, keep)
    with naming_file(where):
        if weighting is None:
            weighting, most = ("count", 3) if predictions.top_probs is None else ("probability", MOST_WEIGHED)
        else:
            most = 3
        k = min(most, predictions.k) if k is None else k
        counts = count_pairs(
            predictions,
            k=k,
            self_pairs=self_pairs,
            missing_classes=missing_classes,
            weighting=weighting,
            temperature=temperature,
        )
        return counts, predictions


def holds_counts(content: bytes) -> bool:
    """Tell an NPZ file of pair counts from one of predictions."""
    return content.startswith(_ZIP_MAGIC) and {"true", "predicted", "rank", "counts"} <= set(array_names(content))


@contextmanager
def naming_file(where: str | os.PathLike[str], *, lines: bool = False) -> Iterator[None]:
    """Put the file's name before the errors raised within; `lines` tells how its rows are counted."""
    try:
        yield
    except ConfembError as error:
        # Rows are counted from 0, as in numpy and pandas; a text editor counts lines from 1.
        note = " (row 0 is line 2)" if lines and re.search(r"\brow \d", str(error)) else ""
        raise ConfembError(f"{where}{note}: {error}") from error


def _read(path: str | os.PathLike[str]) -> tuple[bytes | list[list[str]], str]:
    """Return a file's content, and what to call it in messages; CSV comes as rows, header first."""
    if os.fspath(path) == "-":
        data, where = sys.stdin.buffer.read(), "standard input"
        if not data:
            raise ConfembError("standard input is empty: pipe a predictions file into it, or give a file's path.")
        suffix = ""
    else:
        data, where, suffix = read_bytes(path), os.fspath(path), Path(path).suffix.lower()
    if suffix not in ("", *_SUFFIXES):
        raise ConfembError(
            f"{path} has the unknown suffix {suffix!r}: predictions are read from {', '.join(_SUFFIXES)} files."
        )
    if suffix == ".csv" or (not suffix and not data.startswith((_PARQUET_MAGIC, _ZIP_MAGIC))):
        return parse_csv(decode_text(data, where=where), where=where), where
    if suffix == ".parquet" and not data.startswith(_PARQUET_MAGIC):
        raise ConfembError(f"{where} is no Parquet file, whatever its suffix says: write it again.")
    if suffix == ".npz" and not data.startswith(_ZIP_MAGIC):
        raise ConfembError(f"{where} is no NPZ file, whatever its suffix says: write it with np.savez.")
    return data, where


def _load_predictions(
    content: bytes | list[list[str]], where: str, class_names: Sequence[str] | None, keep: int
) -> Predictions:
    with naming_file(where, lines=isinstance(content, list)):
        given = None if class_names is None else tuple(check_class_names(class_names))
        if isinstance(content, list):
            predictions = parse_prediction_rows(content, given)
        elif content.startswith(_PARQUET_MAGIC):
            predictions = parse_parquet(content, given)
        else:
            predictions = parse_npz(content, given, keep)
        if predictions.top_probs is not None:
            check_falling(predictions.top_probs)
        return predictions if given is None else _in_order(predictions, given)


def check_falling(probs: np.ndarray) -> None:
    """Raise ConfembError unless the (N, k) probabilities of each row are in falling order."""
    rising = probs[:, 1:] > probs[:, :-1]
    if rising.any():
        row = int(np.argmax(rising.any(axis=1)))
        raise ConfembError(
            f"row {row} has probabilities that rise ({', '.join(f'{p:g}' for p in probs[row])}): "
            "put the most probable class first."
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
