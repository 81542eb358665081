"""From a table's columns, or arrays of scores, to `Predictions`: the one place where cells become predictions.

Every format comes here: delimited text, JSON, Parquet and Arrow as a `Table`, NPZ and values given in Python as arrays.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from confemb.records.cell_rules import encode_classes, folded
from confemb.records.column_names import Columns, choose_columns, class_columns
from confemb.records.predictions import Predictions, check_class_names, predictions_from_scores
from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.records.score_kinds import are_probabilities, check_order, check_scores
from confemb.records.table_files import Table
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.files import parse_json
from confemb.support.notes import say

# The class that a language model's answers outside the classes are counted as.
OTHER = "other"
# Rows that a column of counts may stand for.
_MOST_ROWS = 50_000_000

RowName = Callable[[int], str]


def own_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the class names in a Parquet file's metadata, or None; raises ConfembError where they are no names."""
    if "class_names" not in metadata:
        return None
    names = parse_json(metadata["class_names"], where="the metadata's 'class_names'")
    if not isinstance(names, list):
        raise ConfembError("the metadata's 'class_names' is no list of names: write the file again.")
    return tuple(check_class_names(names))


def predictions_of_table(
    table: Table, given: tuple[str, ...] | None, *, keep: int = 5, options: ReadOptions = DEFAULT
) -> Predictions:
    """Build predictions from a table's columns.

    Args:
        table: the columns.
        given: the K class names in index order; those in the table's metadata go before them.
        keep: how many classes to keep where there is a score for each.
        options: what the user says of the columns and cells.

    Raises:
        ConfembError: no columns of predictions, a cell that is none, or what can be read in two ways; rows are named.
    """
    columns = choose_columns(table.header, options)
    if len(columns.tops) > 1 and not options.top_columns and _are_scores(table, columns):
        # Called by numbers, as pred_0, pred_1: a probability for each class, not the classes by rank.
        columns = replace(columns, tops=(), probs=(), wide=columns.tops)
    own = own_names(table.metadata)
    reader = _TableReader(table, columns, own or given, own is not None, keep, options)
    return reader.predictions()


def _are_scores(table: Table, columns: Columns) -> bool:
    """Tell whether columns of predicted classes hold numbers that are not whole, as scores are and classes are not."""
    for name in columns.tops:
        try:
            numbers = as_numbers(table.read(name), name, table.row_name)
        except ConfembError:
            return False
        if np.isfinite(numbers).all() and (numbers != np.floor(numbers)).any():
            return columns.tops[0].lower() != "top1"
    return False


class _TableReader:
    """Reads one table."""

    def __init__(
        self,
        table: Table,
        columns: Columns,
        names: tuple[str, ...] | None,
        own: bool,
        keep: int,
        options: ReadOptions,
    ) -> None:
        self.table, self.columns, self.names, self.own, self.keep = table, columns, names, own, keep
        self.options = options

    def predictions(self) -> Predictions:
        """Return the table's predictions."""
        columns = self.columns
        if columns.answers is not None:
            return self._answers(columns.answers)
        label = self._label()
        if columns.lists is not None:
            return self._listed(label, columns.lists)
        if columns.binary is not None:
            return self._binary(label, columns.binary)
        wide = self._wide(label)
        if wide is not None:
            return self._scored(label, *wide)
        if not columns.tops:
            raise ConfembError(
                f"the columns {quoted_list(columns.wide)} are not called after the classes in {columns.label!r}: name "
                "those of the probabilities (--prob-columns), or those of the predicted classes (--top-columns)."
            )
        return self._ranked(label)

    def _label(self) -> np.ndarray:
        if self.columns.label is not None:
            return self.table.read(self.columns.label)
        assert self.columns.file is not None
        paths = self.table.read(self.columns.file)
        folders = [PurePosixPath(str(path).replace("\\", "/")).parent.name for path in paths.tolist()]
        if not all(folders):
            raise ConfembError(
                f"there is no column of true classes, and not every path in {self.columns.file!r} has a folder that "
                "could name one: add a column 'label'."
            )
        say(f"there is no column of true classes: the folder in {self.columns.file!r} is taken for it.")
        return np.array(folders, dtype=object)

    def _common(self) -> dict[str, Any]:
        """Return what a table says of its rows besides the classes."""
        read, columns = self.table.read, self.columns
        texts = {"ids": columns.id, "splits": columns.split}
        found: dict[str, Any] = {what: None if name is None else as_texts(read(name)) for what, name in texts.items()}
        found["dataset"] = self.table.metadata.get("dataset", "")
        found["classifier"] = self.table.metadata.get("classifier", "")
        return found

    def _weights(self) -> np.ndarray | None:
        name = self.columns.weight
        return None if name is None else self._numbers(name)

    def _numbers(self, name: str) -> np.ndarray:
        return as_numbers(self.table.read(name), name, self.table.row_name)

    def _ranked(self, label: np.ndarray) -> Predictions:
        columns, row_name = self.columns, self.table.row_name
        tops = {name: self.table.read(name) for name in columns.tops}
        if len(tops) == 1:
            tops = _of_lists(*next(iter(tops.items())), row_name)
        if self.table.records and len(tops) == 1 and self._has_outsiders(label, next(iter(tops.values()))):
            return self._answers(columns.tops[0])
        cells = {columns.label or columns.file or "label": label, **tops}
        options = self.options
        # A file that lists its classes refers to them by name.
        if self.own and options.cells is None and all(cell.dtype.kind == "O" for cell in cells.values()):
            options = replace(options, cells="names")
        indices, names = encode_classes(cells, self.names, row_name=row_name, options=options)
        labels, *ranks = indices.values()
        top = np.stack(ranks, axis=1)
        probs = self._top_probs(top.shape[1])
        if probs is None:
            top = check_order(labels, top, options)
        elif options.order == "rising":
            top, probs = top[:, ::-1], probs[:, ::-1]
        found = Predictions(labels, top, probs, names, weights=self._weights(), **self._common())
        return found if columns.count is None else self._repeated(found, columns.count)

    def _top_probs(self, k: int) -> np.ndarray | None:
        names, row_name = self.columns.probs, self.table.row_name
        if not names:
            return None
        if len(names) == 1 and k > 1:
            lists = _of_lists(names[0], self.table.read(names[0]), row_name)
            return np.stack([as_numbers(part, name, row_name) for name, part in lists.items()], axis=1).astype(
                np.float32
            )
        return np.stack([self._numbers(name) for name in names], axis=1).astype(np.float32)

    def _repeated(self, found: Predictions, name: str) -> Predictions:
        """Return rows that stand for several, as in a long table of counts; others keep the column unused."""
        pairs = found.labels.astype(np.int64) * len(found.class_names) + found.top_classes[:, 0]
        counts = self._numbers(name)
        if len(np.unique(pairs)) < len(pairs) or found.weights is not None or found.ids is not None:
            return found
        if (counts < 0).any() or (counts != np.floor(counts)).any() or counts.sum() > _MOST_ROWS:
            raise ConfembError(
                f"the column {name!r} must hold whole numbers that say how often each row occurred, in all at most "
                f"{_MOST_ROWS:,}; rename it if it holds something else."
            )
        say(f"the column {name!r} is taken as how often each pair of classes occurred.")
        return found.where(np.repeat(np.arange(len(found)), counts.astype(np.int64)))

    def _wide(self, label: np.ndarray) -> tuple[np.ndarray, tuple[str, ...], bool] | None:
        """Return (N, K) scores of a table with a column for each class, their class names, and whether they are logits.

        None where the columns are not called after the classes.
        """
        columns = list(self.columns.wide)
        if not columns:
            return None
        called = class_columns(columns)
        logits = called != tuple(columns) and columns[0].lower().startswith("logit")
        classes = list(dict.fromkeys(map(str, _plain(label))))
        chosen = _matched(called, columns, classes, self.names)
        if chosen is None:
            return None
        places, names = chosen
        if self.columns.tops and len(places) < 2:
            return None
        explicit = self.options.prob_columns is not None
        scores: list[np.ndarray | None] = []
        for place in places:
            try:
                scores.append(self._numbers(columns[place]))
            except ConfembError:
                if explicit or names[places.index(place)] in classes:
                    raise
                scores.append(None)
        kept = [i for i, column in enumerate(scores) if column is not None]
        array = np.stack([column for column in scores if column is not None], axis=1)
        names = tuple(names[i] for i in kept)
        return (*_without_extras(array, names, classes, self.names is not None or explicit), logits)

    def _scored(self, label: np.ndarray, scores: np.ndarray, names: tuple[str, ...], logits: bool) -> Predictions:
        options = self.options
        if options.cells is None and set(map(str, _plain(label))) <= set(names):
            options = replace(options, cells="names")
        name = self.columns.label or self.columns.file or "label"
        found = scored_predictions(
            scores,
            label,
            names,
            k=self.keep,
            logits=logits,
            row_name=self.table.row_name,
            label_name=name,
            options=options,
            **self._common(),
        )
        weights = self._weights()
        return found if weights is None else replace(found, weights=weights)

    def _binary(self, label: np.ndarray, name: str) -> Predictions:
        names = self.names or two_classes(label)
        if names is None or len(names) != 2:
            raise ConfembError(
                f"the column {name!r} can be the probability of one of two classes, but which is not said: give "
                "the two "
                "class names, the one it belongs to last (--classes), or a column for each class."
            )
        if self.names is None:
            say(f"the column {name!r} is taken as the probability of the class {names[1]!r}.")
        return self._scored(label, of_second(self._numbers(name), name), names, logits=False)

    def _listed(self, label: np.ndarray, name: str) -> Predictions:
        """Read a column whose cells are lists, or dictionaries by class, of scores."""
        cells = self.table.read(name).tolist()
        row_name, names = self.table.row_name, self.names
        if all(isinstance(cell, dict) for cell in cells):
            keys = tuple(dict.fromkeys(key for cell in cells for key in cell))
            names = keys if names is None else names
            cells = [[cell.get(key, 0.0) for key in names] for cell in cells]
            if unknown := [key for key in keys if key not in names]:
                raise ConfembError(f"column {name!r} has scores of {quoted_list(unknown)}, which are no class names.")
        lists = _of_lists(name, _objects(cells), row_name)
        scores = np.stack([as_numbers(part, part_name, row_name) for part_name, part in lists.items()], axis=1)
        if names is None:
            names = tuple(map(str, range(scores.shape[1])))
        if len(names) != scores.shape[1]:
            raise ConfembError(f"column {name!r} has {scores.shape[1]} scores, but there are {len(names)} class names.")
        return self._scored(label, scores, names, logits=name.strip().lower() == "logits")

    def _has_outsiders(self, label: np.ndarray, predicted: np.ndarray) -> bool:
        if label.dtype.kind != "O" or predicted.dtype.kind != "O":
            return False
        if set(map(type, label.tolist())) | set(map(type, predicted.tolist())) != {str}:
            return False
        known = set(self.names or label.tolist())
        return set(label.tolist()) <= known and not set(predicted.tolist()) <= known

    def _answers(self, name: str) -> Predictions:
        """Read a language model's answers, one or several of each row; those outside the classes count as `OTHER`."""
        answers = [cell if isinstance(cell, list) else [cell] for cell in self.table.read(name).tolist()]
        label = self._label()
        indices, names = encode_classes(
            {self.columns.label or "label": label}, self.names, row_name=self.table.row_name, options=self.options
        )
        labels = next(iter(indices.values()))
        index = _answer_index(names)
        rows = np.repeat(np.arange(len(answers)), [len(each) for each in answers])
        flat = [answer for each in answers for answer in each]
        if not flat or any(len(each) == 0 for each in answers):
            row = next((i for i, each in enumerate(answers) if not each), 0)
            raise ConfembError(f"{self.table.row_name(row)} has no answer in column {name!r}: leave the row out.")
        found = np.array([index.get(_said(answer), -1) for answer in flat])
        outside = Counter(str(answer) for answer, place in zip(flat, found, strict=True) if place < 0)
        if outside:
            names = names if OTHER in names else (*names, OTHER)
            found[found < 0] = names.index(OTHER)
            say(
                f"{sum(outside.values()):,} of {len(flat):,} answers are none of the {len(names) - 1} classes and "
                "count as "
                f"{OTHER!r}: {quoted_list([f'{answer[:40]} ({n})' for answer, n in outside.most_common(5)])}."
            )
        common = self._common()
        ids = np.arange(len(answers)).astype(str).astype(object) if common["ids"] is None else common["ids"]
        common["ids"] = ids[rows]
        common["splits"] = None if common["splits"] is None else common["splits"][rows]
        return Predictions(labels[rows], found[:, None], None, names, **common)


def scored_predictions(
    scores: np.ndarray,
    label: np.ndarray,
    names: tuple[str, ...],
    *,
    k: int,
    logits: bool,
    row_name: RowName,
    label_name: str,
    options: ReadOptions = DEFAULT,
    **common: Any,
) -> Predictions:
    """Return the predictions of (N, K) scores, a column for each of K class names, and (N,) cells of true classes.

    Raises:
        ConfembError: scores of another meaning than they are said to have, labels that are no classes, or labels that
            count from 1 where the columns count from 0.
    """
    if scores.dtype.kind == "f" and not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise ConfembError(
            f"row {row} has the score {scores[row, column]} for class {names[column]!r}; scores must be finite numbers."
        )
    check_scores(scores, logits=logits)
    options = replace(options, first_index=_label_start(label, scores, options))
    indices, names = encode_classes({label_name: label}, names, row_name=row_name, options=options)
    labels = indices[label_name]
    return predictions_from_scores(scores, labels, names, k=min(k, len(names)), logits=logits, **common)


def _label_start(label: np.ndarray, scores: np.ndarray, options: ReadOptions) -> Any:
    """Return 0 where indices beside scores clearly count from 0, None where that is not clear.

    Raises:
        ConfembError: without a 0 among them they agree better with the scores when counted from 1.
    """
    if options.first_index is not None or label.dtype.kind not in "iu" or not len(label) or label.min() < 1:
        return options.first_index
    if label.max() >= scores.shape[1]:
        return None
    best = scores.argmax(axis=1)
    from_0, from_1 = int((best == label).sum()), int((best == label - 1).sum())
    if from_1 > from_0:
        raise ConfembError(
            f"the labels go from {label.min()} to {label.max()} and none is 0: counted from 1 they agree with the "
            f"scores in {from_1:,} of {len(label):,} rows, counted from 0 in {from_0:,}. Say which: --first-index 1 or "
            "--first-index 0."
        )
    return 0


def two_classes(label: np.ndarray) -> tuple[str, str] | None:
    """Return the names of two classes that are numbers 0 and 1, or booleans; None for others."""
    cells = set(map(str, _plain(label)))
    if cells <= {"0", "1"}:
        return ("0", "1")
    return ("False", "True") if cells <= {"False", "True"} else None


def of_second(column: np.ndarray, name: str) -> np.ndarray:
    """Return (N, 2) probabilities from (N,) of the second class; raises ConfembError for what is no probability."""
    bad = ~((column >= 0) & (column <= 1))
    if bad.any():
        row = int(np.argmax(bad))
        raise ConfembError(
            f"row {row} has {column[row]:g} in {name!r}: as the probability of the second of two classes it must "
            "be from 0 "
            "to 1."
        )
    return np.stack([1 - column, column], axis=1)


def _plain(cells: np.ndarray) -> list[Any]:
    """Return cells as texts would have them: whole floats without a point, no blanks around texts."""
    if cells.dtype.kind == "f" and np.isfinite(cells).all() and (cells == np.floor(cells)).all():
        cells = cells.astype(np.int64)
    return [cell.strip() if isinstance(cell, str) else cell for cell in cells.tolist()]


def _matched(
    called: Sequence[str], columns: Sequence[str], classes: Sequence[str], given: tuple[str, ...] | None
) -> tuple[list[int], tuple[str, ...]] | None:
    """Return the places of the class columns and the classes they are of; None where they are not called so."""
    for names in (called, tuple(columns)):
        place = {folded(name): i for i, name in enumerate(names)}
        if len(place) < len(names):
            continue
        if given is not None and all(folded(name) in place for name in given):
            return [place[folded(name)] for name in given], given
        if given is not None and set(place) == set(map(str, range(len(given)))):
            return [place[str(i)] for i in range(len(given))], given
        if given is None and all(folded(name) in place for name in classes):
            return list(range(len(names))), tuple(name.strip() for name in names)
    return None


def _without_extras(
    scores: np.ndarray, names: tuple[str, ...], classes: Sequence[str], sure: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the scores without columns that are no class, which rows of probabilities show by their sums."""
    own = [i for i, name in enumerate(names) if name in classes]
    if sure or len(own) == len(names) or are_probabilities(scores) or len(own) < 2:
        return scores, names
    if are_probabilities(scores[:, own]):
        return scores[:, own], tuple(names[i] for i in own)
    others = [name for name in names if name not in classes]
    raise ConfembError(
        f"the columns {quoted_list(others)} are no true class of any row: say which columns hold the probabilities of "
        "classes (--prob-columns), or give the class names."
    )


def _of_lists(name: str, column: np.ndarray, row_name: RowName) -> dict[str, np.ndarray]:
    """Return a column of lists as a column for each place in them; another column as it is."""
    from confemb.records.table_files import as_column

    if column.dtype.kind != "O" or not len(column) or not isinstance(column[0], list):
        return {name: column}
    size = len(column[0])
    for row, cell in enumerate(column.tolist()):
        if not isinstance(cell, list) or len(cell) != size or not cell:
            raise ConfembError(f"{row_name(row)} has {cell!r} in column {name!r}: it must be a list of {size}.")
    return {f"{name}[{place}]": as_column([cell[place] for cell in column.tolist()]) for place in range(size)}


def _objects(cells: Sequence[Any]) -> np.ndarray:
    found = np.empty(len(cells), object)
    found[:] = cells
    return found


def _said(answer: Any) -> str:
    """Return an answer as it is compared with class names: without quotes, a full stop, and regard to case."""
    return folded(str(answer)).strip("\"'`*.!,;: \u201c\u201d\u2018\u2019").casefold()


def _answer_index(names: Sequence[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for place, name in enumerate(names):
        if index.setdefault(_said(name), place) != place:
            raise ConfembError(
                f"the classes {names[index[_said(name)]]!r} and {name!r} differ only in case or punctuation, by which "
                "answers are not told apart: rename one."
            )
    return index


def as_texts(column: np.ndarray) -> np.ndarray:
    """Return a column as (N,) texts, each an object of its own length: one long cell does not make all of them long."""
    if column.dtype == object:
        return _objects([cell if isinstance(cell, str) else str(cell) for cell in column.tolist()])
    return column.astype(str).astype(object)


def as_numbers(column: np.ndarray, name: str, row_name: RowName) -> np.ndarray:
    """Return a column of numbers as (N,) float64, or name the first cell that is no number."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        for row, cell in enumerate(column):
            try:
                float(cell)
            except (TypeError, ValueError):
                raise ConfembError(
                    f"{row_name(row)} has {str(cell)!r} in column {name!r}: it must be a number."
                ) from None
        raise
