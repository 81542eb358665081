"""Which column of a table holds what: the names that people and libraries give to labels and predictions.

Names are compared without regard to case, and blanks, hyphens and dots count as underscores. The documented names,
`label` and `top1`..`topk`, go before all others. Where two columns could be meant, both are named and an option of
`ReadOptions` decides; nothing is chosen by which stands first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confemb.records.read_options import DEFAULT, ReadOptions
from confemb.support.errors import ConfembError, quoted_list, unknown_name

LABELS = (
    *("label", "y_true", "ytrue", "true_label", "target", "actual", "true", "truth", "ground_truth", "groundtruth"),
    *(
        "gt",
        "true_class",
        "actual_class",
        "actual_label",
        "target_label",
        "gold",
        "gold_label",
        "expected",
        "reference",
    ),
    *("label_true", "class_true", "real", "y"),
)
PREDICTED = (
    *("prediction", "predictions", "predicted", "pred", "preds", "y_pred", "ypred", "predicted_label", "yhat", "y_hat"),
    *("predicted_class", "pred_label", "pred_class", "prediction_label", "label_pred", "label_predicted", "class_pred"),
    *("predicted_labels", "top_1", "top_1_class", "top1_class", "model_prediction"),
)
ANSWERS = ("answers", "samples", "completions", "responses", "answer", "completion", "response")
PROBABILITIES = ("prob", "probability", "proba", "y_prob", "y_proba", "y_score", "score", "p", "confidence")
COUNTS = ("count", "counts", "freq", "frequency", "n")
FILES = ("filename", "file_name", "file", "path", "filepath", "file_path", "image", "image_path", "filenames")
A_REPORT = (
    "this is a classification report: it does not say which class was taken for which. Give the predictions, or "
    "sklearn.metrics.confusion_matrix as a CSV with class names."
)
IDS = ("id", "split", "weight")
# A file's own column of numbers that pandas writes.
_ROW_NUMBERS = re.compile(r"^$|^unnamed:_?0$|^__index_level_0__$|^index$")

_TOP = re.compile(r"top[0-9]+")
_PROB = re.compile(r"prob[0-9]+")
# timm's inference script: index_0, label_0, prob_0 and so on, the best first.
# Ranks under other names: pred_1, top_2, top1_class; and their probabilities.
_RANKED = re.compile(r"(?:top|pred|prediction|predicted)_?([0-9]+)(?:_(?:class|label|name|pred))?")
_RANKED_PROBS = re.compile(r"(?:top|prob|score|conf|p)_?([0-9]+)(?:_(?:prob|probability|score|conf|confidence))?")
_TIMM = {what: re.compile(rf"{what}_([0-9]+)") for what in ("label", "index", "prob")}
# Cells that are lists: the classes best first, and their probabilities; or one score for each class.
TOP_LISTS = ("top", "topk", "top_k", "top_classes", "top_labels")
TOP_PROBS = ("top_probs", "top_probabilities", "top_scores")
SCORE_LISTS = ("probs", "probabilities", "probas", "scores", "logits")
# In front of the classes' names in a wide table.
_PREFIX = re.compile(
    r"(?:probs?|proba|probability|p|score|conf|confidence|pred|prediction|y_prob|y_pred|class|logits?)[_ :.\-]+(?=\S)",
    re.I,
)


@dataclass(frozen=True)
class Columns:
    """What the columns of a table of predictions hold, by their names in the table.

    Attributes:
        label: the true class; None where it is the folder in `file`.
        tops: the predicted classes, most probable first; empty where there is a column for each class.
        probs: their probabilities, as many as `tops`, or none.
        wide: columns that may hold a probability for each class.
        binary: a column with the probability of the second of two classes.
        lists: a column of lists, or of dictionaries by class, with a score for each class.
        answers: what a language model answered, texts or lists of them.
        count: how often each row occurred.
        file: paths whose folder is the true class.
        id, split, weight: as in `Predictions`.
    """

    label: str | None
    tops: tuple[str, ...] = ()
    probs: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    binary: str | None = None
    lists: str | None = None
    answers: str | None = None
    count: str | None = None
    file: str | None = None
    id: str | None = None
    split: str | None = None
    weight: str | None = None

    def all(self) -> list[str]:
        """Return every column named here, each once."""
        singles = (self.label, self.binary, self.lists, self.answers, self.count, self.file)
        named = [*singles, *self.tops, *self.probs, *self.wide, self.id, self.split, self.weight]
        return list(dict.fromkeys(name for name in named if name is not None))


def plain_name(name: str) -> str:
    """Return a column's name as it is compared: in lower case, with underscores for blanks, hyphens and dots."""
    return re.sub(r"[\s.\-]+", "_", name.strip().lower())


class _Header:
    """The columns of a table, found by what they may be called."""

    def __init__(self, header: Sequence[str]) -> None:
        self.names = tuple(header)
        self._by_plain: dict[str, list[str]] = {}
        for name in header:
            self._by_plain.setdefault(plain_name(name), []).append(name)

    def exact(self, plain: str) -> str | None:
        """Return the column of a documented name, as it stands if there is one, else in another case."""
        found = self._by_plain.get(plain, [])
        return plain if plain in found else (found[0] if len(found) == 1 else None)

    def of(self, names: Sequence[str]) -> list[str]:
        """Return all columns of one of some names, in the order of those names."""
        return [column for name in names for column in self._by_plain.get(name, [])]

    def numbered(self, pattern: re.Pattern[str]) -> list[str]:
        """Return the columns that match a pattern with a number, by that number; none where there is a gap."""
        found = sorted(
            (int(match[1]), name) for name in self.names if (match := pattern.fullmatch(plain_name(name))) is not None
        )
        numbers = [number for number, _ in found]
        whole = numbers and numbers == list(range(numbers[0], numbers[0] + len(found))) and numbers[0] in (0, 1)
        return [name for _, name in found] if whole else []


def has_predictions(header: Sequence[str]) -> bool:
    """Tell whether the columns are those of predictions, rather than the classes of a confusion matrix."""
    found = _Header(header)
    tops = any(_TOP.fullmatch(plain_name(name)) for name in header)
    timm = found.numbered(_TIMM["label"]) or found.numbered(_TIMM["index"]) or found.numbered(_RANKED)
    return bool(tops or timm or found.of(LABELS) or found.of(PREDICTED) or found.of(ANSWERS))


def choose_columns(header: Sequence[str], options: ReadOptions = DEFAULT) -> Columns:
    """Return what the columns of a table hold.

    Raises:
        ConfembError: no column for the true or the predicted classes, two that could be, or one that an option names
            and that is not there.
    """
    found = _Header(header)
    _refuse_report(found)
    common: dict[str, Any] = {name: found.exact(name) for name in IDS}
    for name in (options.label_column, *(options.top_columns or ()), *(options.prob_columns or ())):
        if name is not None and name not in found.names:
            raise unknown_name("column", name, found.names)
    tops = list(options.top_columns or ())
    documented = found.exact("label") is not None and any(_TOP.fullmatch(plain_name(n)) for n in found.names)
    if not tops and (documented or (any(_TOP.fullmatch(plain_name(n)) for n in found.names))):
        return _documented(found, options, common)
    timm = found.numbered(_TIMM["label"]) or found.numbered(_TIMM["index"]) or found.numbered(_RANKED)
    taken = {*tops, *(options.prob_columns or ()), *timm, *(name for name in common.values() if name)}
    label = options.label_column or _one(found, LABELS, "the true classes", "--label-column", taken)
    taken |= {label} if label else set()
    files = [name for name in found.of(FILES) if name not in taken]
    file = files[0] if label is None and len(files) == 1 else None
    if not tops and timm:
        tops = timm
    if not tops and not options.prob_columns and (lists := found.of(TOP_LISTS)):
        return Columns(_labelled(found, label, None), (lists[0],), tuple(found.of(TOP_PROBS)[:1]), **common)
    if not tops and not options.prob_columns and (lists := found.of(SCORE_LISTS)):
        return Columns(_labelled(found, label, None), lists=lists[0], **common)
    if not tops and not options.prob_columns:
        answers = [name for name in found.of(ANSWERS) if name not in taken]
        predicted = [name for name in found.of(PREDICTED) if name not in taken]
        if answers and not predicted:
            return Columns(_labelled(found, label, None), answers=answers[0], **common)
        one = _one(found, PREDICTED, "the predicted classes", "--top-columns", taken)
        tops = [one] if one else []
    label = label if file is not None else _labelled(found, label, file)
    counts = [name for name in found.of(COUNTS) if name not in taken] if tops else []
    if tops:
        probs = _probabilities(found, tops, options)
        wide = () if options.top_columns or timm or len(tops) > 1 else _wide(found, {*taken, *tops}, label, options)
        return Columns(label, tuple(tops), probs, wide, count=counts[0] if counts else None, file=file, **common)
    wide = _wide(found, taken, label, options)
    binary = [name for name in found.of(PROBABILITIES) if name not in taken]
    if len(wide) < 2 and (len(binary) == 1 or options.prob_columns):
        return Columns(label, binary=(options.prob_columns or binary)[0], file=file, **common)
    if len(wide) < 2:
        raise _missing(found, "top1")
    return Columns(label, wide=wide, file=file, **common)


def _documented(found: _Header, options: ReadOptions, common: dict[str, Any]) -> Columns:
    """Return the columns of a table with top1..topk."""
    label = options.label_column or found.exact("label")
    if label is None:
        label = _one(found, LABELS, "the true classes", "--label-column", set())
    if label is None:
        raise _missing(found, "label")
    k = sum(1 for name in found.names if _TOP.fullmatch(plain_name(name)))
    tops = []
    for rank in range(max(k, 1)):
        name = found.exact(f"top{rank + 1}")
        if name is None:
            raise _missing(found, f"top{rank + 1}")
        tops.append(name)
    known = [name for name in found.names if _PROB.fullmatch(plain_name(name))]
    if options.prob_columns:
        return Columns(label, tuple(tops), _as_many(options.prob_columns, tops), **common)
    probs = [found.exact(f"prob{rank + 1}") for rank in range(k)]
    if known and (len(known) != k or None in probs):
        raise ConfembError(
            f"there are {k} columns top1..top{k} but the probabilities {quoted_list(known)}: give "
            f"prob1..prob{k}, or none."
        )
    return Columns(label, tuple(tops), tuple(name for name in probs if name) if known else (), **common)


def _as_many(probs: Sequence[str], tops: Sequence[str]) -> tuple[str, ...]:
    if len(probs) != len(tops):
        raise ConfembError(
            f"there are {len(tops)} columns of predicted classes and {len(probs)} of their probabilities: name as many."
        )
    return tuple(probs)


def _probabilities(found: _Header, tops: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    if options.prob_columns and options.top_columns:
        return _as_many(options.prob_columns, tops)
    timm = found.numbered(_TIMM["prob"]) or [name for name in found.numbered(_RANKED_PROBS) if name not in tops]
    return tuple(timm) if len(timm) == len(tops) and timm else ()


def _wide(found: _Header, taken: set[str], label: str | None, options: ReadOptions) -> tuple[str, ...]:
    if options.prob_columns:
        return options.prob_columns
    named = {*found.of(FILES), *found.of(IDS), *found.of(COUNTS)}
    return tuple(
        name
        for name in found.names
        if name not in taken and name not in named and name != label and not _ROW_NUMBERS.match(plain_name(name))
    )


def class_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that columns of probabilities are called after: without a prefix that all of them have."""
    prefixes = [_PREFIX.match(name) for name in columns]
    words = {match[0].lower() for match in prefixes if match}
    if len(words) != 1 or not all(prefixes) or len(columns) < 2:
        return tuple(columns)
    return tuple(name[match.end() :] for name, match in zip(columns, prefixes, strict=True) if match)


def _one(found: _Header, names: Sequence[str], what: str, option: str, taken: set[str]) -> str | None:
    """Return the only column of one of the names; raise where there are several; None where there is none."""
    columns = [name for name in found.of(names) if name not in taken]
    if len(columns) > 1:
        raise ConfembError(
            f"{quoted_list(columns)} can each be the column of {what}: say which, {option} {columns[0]!r}."
        )
    return columns[0] if columns else None


def _labelled(found: _Header, label: str | None, file: str | None) -> str | None:
    if label is None and file is None:
        raise _missing(found, "label")
    return label


def _missing(found: _Header, name: str) -> ConfembError:
    option = "--label-column" if name == "label" else "--top-columns"
    return ConfembError(
        f"there is no column {name!r}; its columns are {quoted_list(found.names, limit=12)}, and predictions need "
        f"'label' and 'top1', 'top2', ... without a gap, or columns called as y_true and y_pred are ({option} names "
        "others)."
    )


def _refuse_report(found: _Header) -> None:
    if found.of(["precision"]) and found.of(["recall"]) and found.of(["f1_score", "f1", "fscore"]):
        raise ConfembError(A_REPORT)
