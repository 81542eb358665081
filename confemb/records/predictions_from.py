"""`predictions_from`: true classes and whatever a classifier gave for them, as `Predictions`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from confemb.records.cell_rules import encode_classes, folded
from confemb.records.column_names import class_columns
from confemb.records.foreign_arrays import NamedArray, in_order_of, name_list, named_array
from confemb.records.prediction_tables import of_second, scored_predictions, two_classes
from confemb.records.predictions import Predictions, check_class_names, label_sets
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.records.score_kinds import check_order
from confemb.support.errors import ConfembError, one_of

PredictionKind = Literal["labels", "topk", "probs", "logits"]
# How many classes are kept from scores over all classes where nothing else is asked for.
_KEEP = 5


@dataclass(frozen=True, eq=False)
class _Given:
    """What was given, as arrays."""

    true: NamedArray
    predicted: NamedArray
    names: tuple[str, ...] | None
    options: ReadOptions


def predictions_from(
    y_true: Any,
    scores_or_classes: Any,
    *,
    class_names: Any = None,
    k: int | None = None,
    kind: PredictionKind | None = None,
    ids: Sequence[Any] | np.ndarray | None = None,
    splits: Sequence[Any] | np.ndarray | None = None,
    options: ReadOptions = DEFAULT,
) -> Predictions:
    """Return predictions from true classes and labels, top-k classes or scores, of any usual type.

    Lists, NumPy, pandas, Polars, PyTorch, JAX and others (see `confemb.records.foreign_arrays`). What the second
    argument holds is seen from its shape and values:

    * (N,) or (N, 1) classes, by name or number: the predicted labels;
    * (N,) or (N, 1) numbers between 0 and 1: the probability of the second of two classes;
    * (N, k) names, or whole numbers that differ within each row: the top k, most probable first;
    * (N, K) of 0 and 1, a single 1 in each row: the predicted labels;
    * (N, K) numbers from 0 to 1: probabilities. Other scores need `kind="logits"`.

    What an index is and what a name is follows `confemb.records.cell_rules`, as in files. Names that come with the data
    (columns of a data frame, categories) are used; where they contradict `class_names`, they are refused.

    Args:
        y_true: (N,) or (N, 1) true classes, or (N, K) of 0 and 1 where a picture may show several.
        scores_or_classes: the predictions of the same N items.
        class_names: the K class names in index order, or number -> name.
        k: how many classes to keep of scores; None: 5, or as many as there are.
        kind: "labels", "topk", "probs" or "logits", where the values alone do not say it.
        ids, splits: as in `Predictions`.
        options: as for files: `cells`, `first_index` and `order`.

    Raises:
        ConfembError: values of another length or shape, without a single meaning, or that contradict the class names.
    """
    if kind is not None:
        one_of("kind", kind, *get_args(PredictionKind))
    given = _given(y_true, scores_or_classes, class_names, options)
    common: dict[str, Any] = {"ids": _texts(ids, "ids"), "splits": _texts(splits, "splits")}
    values = given.predicted.values
    rows = len(given.true.values)
    if values.ndim not in (1, 2) or given.true.values.ndim not in (1, 2) or len(values) != rows or not rows:
        raise ConfembError(
            f"the true classes have shape {given.true.values.shape} and the predictions {values.shape}: they must be "
            "(N,) and (N,), (N, k) or (N, K), with the same N of at least 1."
        )
    meaning = kind or _meaning(given)
    if meaning == "onehot":
        return _from_onehot(given, common)
    if meaning == "binary" or (meaning in ("probs", "logits") and values.ndim == 1):
        given = _with_second(given, meaning)
        meaning = "probs"
    if meaning in ("probs", "logits"):
        return _from_scores(given, _KEEP if k is None else k, meaning == "logits", common)
    found = _from_classes(given, given.predicted.values, common)
    return found if k is None else replace(found, top_classes=found.top_classes[:, :k])


def _given(y_true: Any, predicted: Any, class_names: Any, options: ReadOptions) -> _Given:
    true, found = (
        _column(named_array(value, what)) for value, what in ((y_true, "y_true"), (predicted, "predictions"))
    )
    listed = name_list(class_names)
    names = None if listed is None else tuple(check_class_names(listed[0]))
    if listed is not None and listed[1] and options.cells is None:
        # Class names that are numbers name the numbers in the data.
        options = replace(options, cells="names")
    if names is None and (true.categories or found.categories):
        names = tuple(dict.fromkeys([*(true.categories or ()), *(found.categories or ())]))
        # Categories of one of the two alone may not be all classes.
        texts = [cell for one in (true, found) if one.values.ndim == 1 for cell in map(str, one.values.tolist())]
        names = names if set(texts) <= set(names) else None
        options = options if names is None or options.cells else replace(options, cells="names")
    return _Given(true, found, names, options)


def _column(array: NamedArray) -> NamedArray:
    """Return (N, 1) values as (N,)."""
    one = array.values.ndim == 2 and array.values.shape[1] == 1
    return replace(array, values=array.values[:, 0], columns=None) if one else array


def _texts(values: Any, what: str) -> np.ndarray | None:
    return None if values is None else named_array(values, what).values.astype(str).astype(object)


def _meaning(given: _Given) -> str:
    """Tell what the predictions are: "labels", "onehot", "topk", "binary" or "probs"."""
    values = given.predicted.values
    kind = values.dtype.kind
    if kind == "f" and not np.isfinite(values).all():
        raise ConfembError(f"row {np.argwhere(~np.isfinite(values))[0][0]} of the predictions is not a finite number.")
    whole = kind in "iu" or (kind == "f" and bool((values == np.floor(values)).all()))
    if values.ndim == 1:
        if kind in "bO" or whole:
            return "labels"
        if values.min() >= 0 and values.max() <= 1:
            return "binary"
        raise ConfembError(
            "the predictions are one number for each row, neither whole (a class) nor from 0 to 1 (the probability of "
            "the second of two classes): give the classes, or a score for each."
        )
    if kind == "O":
        return "topk"
    if kind == "b" or (whole and bool(np.isin(values, (0, 1)).all())):
        return _ones(given)
    if whole:
        ordered = np.sort(values, axis=1)
        if values.min() >= 0 and (ordered[:, 1:] != ordered[:, :-1]).all():
            return "topk"
        raise ConfembError(
            "the predictions are whole numbers that occur twice in a row: they are not the top k classes. If they are "
            "scores, say so (kind='probs' or kind='logits')."
        )
    if values.min() < 0 or values.max() > 1 + 1e-5:
        sums = values.sum(axis=1, dtype=np.float64)
        if values.min() >= 0 and (np.abs(sums - 100) <= 1).all():
            raise ConfembError("the scores are percents (each row adds up to 100): divide by 100.")
        raise ConfembError(
            f"the scores go from {values.min():g} to {values.max():g} and are no probabilities: if they are "
            "logits, say "
            "so (kind='logits')."
        )
    return "probs"


def _ones(given: _Given) -> str:
    """Tell what rows of 0 and 1 are; raise where they have two meanings, or none."""
    values = given.predicted.values
    if not (values.sum(axis=1) == 1).all():
        raise ConfembError(
            "the predictions are 0 and 1 with none or several 1 in a row: predictions of several classes at once "
            "have no "
            "most probable one; give scores."
        )
    named = (
        given.predicted.columns is not None
        and class_columns(given.predicted.columns)
        and not all(name.lower().startswith("top") for name in given.predicted.columns)
    )
    if values.shape[1] > 2 or values.dtype.kind == "b" or named:
        return "onehot"
    if _class_count(given) != 2:
        return "topk"
    raise ConfembError(
        "the predictions are rows of 0 and 1 that can be the two classes in their order (kind='topk') or a "
        "column for each "
        "class (kind='probs'): say which."
    )


def _class_count(given: _Given) -> int:
    """Return how many classes there are, as far as names and true classes show."""
    if given.names is not None:
        return len(given.names)
    true = given.true.values
    if true.ndim == 2:
        return int(true.shape[1])
    if true.dtype.kind in "iuf":
        return max(2, int(true.max()) + 1)
    return len(set(true.tolist()))


def _score_names(given: _Given, count: int) -> tuple[str, ...]:
    """Return the names of the columns of scores."""
    if given.names is not None:
        names = given.names
    elif given.predicted.columns is not None:
        names = tuple(check_class_names(class_columns(given.predicted.columns)))
    elif given.true.columns is not None:
        names = tuple(check_class_names(class_columns(given.true.columns)))
    elif given.true.values.dtype.kind == "O":
        classes = sorted(set(given.true.values.reshape(-1).tolist()))
        raise ConfembError(
            f"the true classes are names ({', '.join(map(repr, classes[:3]))}, ...), but which column of the "
            "scores is of "
            "which class is not said (sorted, or as they first appear?): give class_names, or a data frame."
        )
    else:
        names = (
            ("False", "True") if given.true.values.dtype.kind == "b" and count == 2 else tuple(map(str, range(count)))
        )
    if len(names) != count:
        raise ConfembError(f"the scores have {count} columns, but there are {len(names)} class names: give as many.")
    return names


def _from_scores(given: _Given, k: int, logits: bool, common: dict[str, Any]) -> Predictions:
    values = given.predicted.values
    if values.dtype.kind not in "biuf":
        raise ConfembError("the scores are texts: they must be numbers.")
    names = _score_names(given, values.shape[1])
    values = in_order_of(given.predicted, names, "the scores")
    true, options = given.true.values, given.options
    if true.ndim == 2:
        from confemb.records.predictions import predictions_from_scores

        sets = in_order_of(given.true, names, "the true classes")
        return predictions_from_scores(values, sets, names, k=min(k, len(names)), logits=logits, **common)
    if given.names is None and options.cells is None and set(_cells(true)) <= set(names):
        options = replace(options, cells="names")
    return scored_predictions(
        values,
        true,
        names,
        k=k,
        logits=logits,
        row_name=lambda row: f"row {row}",
        label_name="y_true",
        options=options,
        **common,
    )


def _cells(values: np.ndarray) -> list[str]:
    """Return distinct cells as texts, whole floats without a point."""
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.floor(values)).all():
        values = values.astype(np.int64)
    return [str(cell) for cell in dict.fromkeys(values.tolist())]


def _from_onehot(given: _Given, common: dict[str, Any]) -> Predictions:
    """Read rows with a single 1 as predicted labels."""
    values = given.predicted.values
    names = _score_names(given, values.shape[1])
    values = in_order_of(given.predicted, names, "the predictions")
    return _from_classes(
        replace(given, names=names), np.array(names, object)[values.argmax(axis=1)], common, named=True
    )


def _from_classes(given: _Given, top: np.ndarray, common: dict[str, Any], *, named: bool = False) -> Predictions:
    """Read predicted classes, one or several of each row."""
    top = top.reshape(len(top), -1)
    true, names, options = given.true.values, given.names, given.options
    picture, weights = np.arange(len(top)), None
    if true.ndim == 2:
        names = _set_names(given)
        sets = in_order_of(given.true, names, "the true classes")
        picture, labels, weights = label_sets(sets, pictures=len(top), classes=len(names))
        true = np.array(names, object)[labels] if top.dtype.kind == "O" else labels
        top = top[picture]
        if weights is not None and common["ids"] is None:
            common["ids"] = np.arange(len(given.predicted.values)).astype(str).astype(object)
        common = {what: None if column is None else column[picture] for what, column in common.items()}
    cells = {"y_true": true} | {f"predictions[:, {rank}]": top[:, rank] for rank in range(top.shape[1])}
    if named and names is not None:
        if true.dtype.kind != "O" and not set(_cells(true)) <= set(names):
            # The predicted classes are names already; the true ones are indices.
            indices, _ = encode_classes({"y_true": true}, names, row_name=lambda row: f"row {row}", options=options)
            cells["y_true"] = np.array(names, object)[indices["y_true"]]
        options = replace(options, cells="names")
    indices, names = encode_classes(cells, names, row_name=lambda row: f"row {row}", options=options)
    labels, *ranks = indices.values()
    found = check_order(labels, np.stack(ranks, axis=1), options)
    return Predictions(labels, found, None, names, weights=weights, **common)


def _set_names(given: _Given) -> tuple[str, ...]:
    count = given.true.values.shape[1]
    if given.names is not None:
        names = given.names
    elif given.true.columns is not None:
        names = tuple(check_class_names(class_columns(given.true.columns)))
    else:
        names = tuple(map(str, range(count)))
    if len(names) != count:
        raise ConfembError(f"the true classes have {count} columns, but there are {len(names)} class names.")
    return names


def _with_second(given: _Given, meaning: str) -> _Given:
    """Return (N,) probabilities of the second of two classes as (N, 2)."""
    if meaning == "logits":
        raise ConfembError("one score for each row is no logit of several classes: give (N, K), or probabilities (N,).")
    names = given.names or two_classes(given.true.values)
    if names is None or len(names) != 2 or len({folded(name) for name in names}) != 2:
        raise ConfembError(
            "one probability for each row is that of the second of two classes, but the classes are not said: give two "
            "class_names, the one it belongs to last."
        )
    scores = of_second(given.predicted.values.astype(np.float64), "the predictions")
    return replace(given, predicted=NamedArray(scores), names=names)
