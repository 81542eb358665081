"""Square tables with class names as header and first column: what they hold, and which way round they stand.

A table of numbers does not say what it is. Before one is believed its margins, its corner, its diagonal and its
symmetry are looked at: totals are not classes, rows may be the predicted classes, shares are not counts, and distances
are not similarities. What is plain is read and said; what is not is refused with the reason, and an option
(`ReadOptions.rows`, `ReadOptions.kind`) says which is meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.records.cell_rules import encode_classes, folded, positions
from confemb.records.indices import name_index
from confemb.records.predictions import check_class_names
from confemb.records.read_options import DEFAULT, ReadOptions, Rows
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.notes import say

_TOTALS = frozenset(
    {"all", "total", "totals", "sum", "sums", "grand total", "row total", "column total", "row totals", "column totals"}
    | {"subtotal", "support", "margin", "margins", "gesamt", "summe", "∑", "σ"}
)
_TRUE_WORDS = frozenset(
    {"true", "truth", "ytrue", "actual", "actuals", "label", "labels", "target", "targets", "gt", "reference", "gold"}
    | {"expected", "observed", "real", "annotated", "annotation"}
)
_PREDICTED_WORDS = frozenset(
    {"predicted", "prediction", "predictions", "predict", "predicts", "pred", "preds", "ypred", "classified", "guess"}
    | {"output", "outputs", "assigned", "hypothesis"}
)
_PREFIX = re.compile(
    r"(true|actual|gt|target|label|predicted|prediction|pred)(?:\s*[:=/|]\s*|_|\s*-\s*|\s+)(?=\S)", re.I
)
_PERCENT = re.compile(r"(.*\S)\s*%")
# So far from 1 may shares that were rounded to two or three places add up to.
_ROUNDING = 0.02


@dataclass(frozen=True)
class SquareTable:
    """Numbers between classes as they stand in a table, without totals.

    Attributes:
        names: the K class names, in the order of the rows.
        values: (K, K) float64, laid out by `names` both ways; NaN for empty cells.
        rows: what the corner or the names say of the rows; None where they say nothing.
        percents: whether the cells are written with a percent sign.
    """

    names: tuple[str, ...]
    values: np.ndarray
    rows: Rows | None
    percents: bool


def is_square(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether a table's first column names what its header names, but for totals and a class never predicted."""
    header = [folded(name) for name in rows[0][1:]]
    first = [folded(row[0]) for row in rows[1:]]
    if header == first:
        return True
    if len(set(first)) < len(first) or not header:
        return False
    header, _ = _without_prefix(header)
    first, _ = _without_prefix(first)
    ours, theirs = (set(names) - {n for n in names if n.lower() in _TOTALS} for names in (header, first))
    return bool(theirs) and len(ours & theirs) >= max(1, (max(len(ours), len(theirs)) + 1) // 2)


def read_square(rows: Sequence[Sequence[str]], *, empty: float | None = None) -> SquareTable:
    """Read a square table, leaving out totals that are sums of the other cells.

    Args:
        rows: a header and the rows below it, all equally long.
        empty: what an empty cell stands for; None: it is refused.

    Raises:
        ConfembError: a table whose header and first column name different classes, or a cell that is no number; the
            message names the line.
    """
    corner = rows[0][0]
    header, above = _without_prefix([name.strip() for name in rows[0][1:]])
    first, beside = _without_prefix([row[0].strip() for row in rows[1:]])
    values, percents = _numbers(rows, header, first, empty)
    header, first, values = _without_totals(header, first, values)
    values = _aligned(header, first, values)
    check_class_names(first)
    stands = _rows_by_corner(corner) if beside is None and above is None else _rows_by_prefix(above, beside)
    return SquareTable(tuple(first), values, stands, percents)


def _without_prefix(names: Sequence[str]) -> tuple[list[str], str | None]:
    """Return names without a prefix such as "pred_" that all of them have, and that prefix's word."""
    found = [_PREFIX.match(name) for name in names]
    words = {match[1].lower() for match in found if match}
    totals = [name for name, match in zip(names, found, strict=True) if not match and name.lower() not in _TOTALS]
    if len(words) != 1 or totals or len(names) < 2:
        return list(names), None
    return [name[match.end() :] if match else name for name, match in zip(names, found, strict=True)], words.pop()


def _rows_by_prefix(above: str | None, beside: str | None) -> Rows | None:
    if beside is not None:
        return "predicted" if beside in _PREDICTED_WORDS else "true"
    return "true" if above in _PREDICTED_WORDS else "predicted"


def _rows_by_corner(corner: str) -> Rows | None:
    """Return what the corner cell says of the rows; raise where it names both, the predicted first."""
    words = [word for word in re.split(r"[^a-z]+", corner.lower().replace("y_", "y")) if word]
    named = [word for word in words if word in _TRUE_WORDS | _PREDICTED_WORDS]
    if not named:
        return None
    predicted = [word in _PREDICTED_WORDS for word in named]
    across = "→" in corner or "->" in corner
    if all(predicted):
        return "true" if across else "predicted"
    if not any(predicted):
        return "predicted" if across else "true"
    # "true \ predicted": what stands first is on the left.
    return "predicted" if predicted[0] else "true"


def _numbers(
    rows: Sequence[Sequence[str]], header: Sequence[str], first: Sequence[str], empty: float | None
) -> tuple[np.ndarray, bool]:
    values = np.empty((len(first), len(header)))
    percents = 0
    for line, row in enumerate(rows[1:]):
        for column, text in enumerate(row[1:]):
            cell = text.strip()
            if match := _PERCENT.fullmatch(cell):
                cell, percents = match[1], percents + 1
            if not cell and empty is not None:
                values[line, column] = empty
                continue
            try:
                values[line, column] = float(cell)
            except ValueError:
                raise ConfembError(
                    f"line {line + 2} ({first[line]!r}) has {text!r} under {header[column]!r}: it must be a number."
                ) from None
    return values, percents > 0


def _without_totals(header: list[str], first: list[str], values: np.ndarray) -> tuple[list[str], list[str], np.ndarray]:
    """Leave out a row and a column of totals, and say so; a class of such a name that is no sum stays."""
    columns = [i for i, name in enumerate(header) if name.lower() in _TOTALS]
    rows = [i for i, name in enumerate(first) if name.lower() in _TOTALS]
    body = np.delete(np.delete(values, rows, axis=0), columns, axis=1)
    if not (columns or rows) or 0 in body.shape:
        _refuse_unnamed_totals(header, first, values)
        return header, first, values
    beside, below = np.delete(values[:, columns], rows, axis=0), np.delete(values[rows], columns, axis=1)
    sums = bool(columns) and bool(np.allclose(beside, body.sum(axis=1)[:, None]))
    sums_below = bool(rows) and bool(np.allclose(below, body.sum(axis=0)[None]))
    # With shares of the rows, pandas' margins are those of the whole.
    if (columns and not sums) or (rows and not sums_below):
        if set(np.array(header)[columns]) == set(np.array(first)[rows]):
            return header, first, values
        if bool(columns) != bool(rows) and (body != np.floor(body)).any():
            # Beside shares of the rows, pandas' row of totals holds those of the whole.
            say(f"{(header[columns[0]] if columns else first[rows[0]])!r} is no class but the shares of all: left out.")
            header = [name for i, name in enumerate(header) if i not in columns]
            return header, [name for i, name in enumerate(first) if i not in rows], body
        raise ConfembError(
            f"{(np.array(header)[columns].tolist() or np.array(first)[rows].tolist())[0]!r} is called as totals are, "
            "but is not the sum of the others: take totals out of the table, or rename the class."
        )
    named = dict.fromkeys([*(header[i] for i in columns), *(first[i] for i in rows)])
    say(f"{quoted_list(named)} are totals of the other cells, no class: they are left out.")
    return (
        [name for i, name in enumerate(header) if i not in columns],
        [name for i, name in enumerate(first) if i not in rows],
        body,
    )


def _refuse_unnamed_totals(header: list[str], first: list[str], values: np.ndarray) -> None:
    """Raise where the last row and column of four classes or more are the sums of all others."""
    if len(header) < 5 or values.shape[0] != values.shape[1] or header[-1] != first[-1]:
        return
    body = values[:-1, :-1]
    beside, below = np.array_equal(values[:-1, -1], body.sum(axis=1)), np.array_equal(values[-1, :-1], body.sum(axis=0))
    if beside and below and body.any() and values[-1, -1] == body.sum():
        raise ConfembError(
            f"the row and the column {header[-1]!r} are the sums of all others: they are totals, no class; take them "
            "out of the table."
        )


def _aligned(header: list[str], first: list[str], values: np.ndarray) -> np.ndarray:
    """Return the (K, K) values with columns in the order of the rows; a class never predicted has an empty column."""
    ours, theirs = [folded(name) for name in first], [folded(name) for name in header]
    if ours == theirs:
        return values
    unique = len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)
    if unique and set(theirs) <= set(ours) and theirs:
        place = name_index(theirs)
        laid = np.zeros((len(ours), len(ours)))
        for row, name in enumerate(ours):
            if name in place:
                laid[:, row] = values[:, place[name]]
        if missing := [name for name in first if folded(name) not in place]:
            say(f"the table has no column {quoted_list(missing)}: never predicted.")
        return laid
    if len(ours) == len(theirs) + 1 and all(_is_number(name) for name in first):
        raise ConfembError(
            "its rows have no class names, only its header has: put the names into the first column as well, as "
            "pandas' "
            "to_csv does with the index."
        )
    if len(ours) != len(theirs):
        raise ConfembError(
            f"it has {len(theirs)} columns and {len(ours)} rows of counts: a confusion matrix must be square, with the "
            "class names as header and first column, and predictions need the columns 'label' and 'top1'."
        )
    row = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    raise ConfembError(
        f"line {row + 2} is of {first[row]!r} where the header has {header[row]!r}: header and first column must name "
        "the same classes in the same order."
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def refuse_nameless(rows: Sequence[Sequence[str]]) -> None:
    """Raise where rows are a square of numbers alone."""
    if len(rows) > 1 and all(len(row) == len(rows) for row in rows) and all(_is_number(c) for row in rows for c in row):
        raise ConfembError(
            f"it holds {len(rows)} rows of {len(rows)} numbers without class names: write them as header and "
            "first column "
            "(pandas.DataFrame(matrix, index=names, columns=names).to_csv)."
        )


def read_confusions(
    rows: Sequence[Sequence[str]], given: Sequence[str] | None, options: ReadOptions = DEFAULT
) -> tuple[np.ndarray, tuple[str, ...], bool]:
    """Read a confusion matrix.

    Args:
        rows: a header and the rows below it.
        given: class names that set the order and contain all those of the file; None: the file's own order.
        options: `rows` and `kind` ("counts" or "shares"), where the user says them.

    Returns:
        (K, K) float64 numbers, rows true and columns predicted; the class names; and whether they are shares, so that
        each class has about 1 in all, rather than counts.

    Raises:
        ConfembError: as `read_square`; anything but counts, unless it is said to be shares.
    """
    table = read_square(rows)
    stands = options.rows or table.rows or "true"
    if options.rows is None and table.rows == "predicted":
        say("the table calls its rows the predicted classes: it is read so (--rows true reads it the other way round).")
    if options.kind in ("similarity", "distance"):
        raise ConfembError(
            f"a table of kind {options.kind!r} holds no counts to embed: `confemb compare` and the like read it."
        )
    values = table.values if stands == "true" else table.values.T
    values = _shares(values, table) if options.kind == "shares" else _counts(values, table, rows, options)
    if given is None:
        return values, table.names, options.kind == "shares"
    given = tuple(check_class_names(given))
    if not set(table.names) & set(given) and all(map(str.isdecimal, table.names)):
        # Classes by number, as a table made without names has them: indices, by the rule for all formats.
        cells = {"of class names": np.array(table.names, object)}
        indices, _ = encode_classes(cells, given, row_name=lambda row: f"line {row + 2}", options=options)
        index = indices["of class names"]
    else:
        index = positions(_called(table.names, given), given)
    placed = np.zeros((len(given), len(given)))
    placed[np.ix_(index, index)] = values
    return placed, given, options.kind == "shares"


def _called(names: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return names as the given ones write them, where they differ only as `folded` does."""
    alike = {folded(name): name for name in given}
    known = set(given)
    return [name if name in known else alike.get(folded(name), name) for name in names]


def _counts(values: np.ndarray, table: SquareTable, rows: Sequence[Sequence[str]], options: ReadOptions) -> np.ndarray:
    """Return the values if they are counts, else raise with what they seem to be."""
    own = table.values
    bad = ~np.isfinite(own) | (own < 0) | (own != np.floor(own))
    if bad.any() or table.percents:
        row, column = np.argwhere(bad)[0] if bad.any() else (0, 0)
        cell = f"{own[row, column]:g}{' %' if table.percents else ''}"
        raise ConfembError(
            f"line {_line_of(rows, table.names[row])} ({table.names[row]!r}) has {cell} under {table.names[column]!r}: "
            f"counts must be whole numbers of at least 0, not shares.{_seems(table)}"
        )
    if own.sum() > 2**53:
        raise ConfembError("its counts add up to more than 2^53 and are not exact: divide them all by one number.")
    symmetric = len(own) > 2 and np.array_equal(own, own.T)
    if symmetric and not own.diagonal().any() and own.any() and options.kind != "counts":
        raise ConfembError(
            "its diagonal is 0 and it is symmetric, as distances are: no class would ever be predicted right. If these "
            "are counts, say so (--kind counts)."
        )
    sums = own.sum(axis=1)
    if options.kind is None and len(own) > 2 and np.ptp(sums) > 0 and (np.abs(sums - 100) <= 2).all():
        say("each row adds up to about 100: taken as counts; if these are rounded percents, say --kind shares.")
    return values


def _line_of(rows: Sequence[Sequence[str]], name: str) -> int:
    """Return the line of a class, which totals above it may have moved."""
    return next((line for line, row in enumerate(rows[1:], start=2) if row[0].strip().endswith(name)), 2)


def _seems(table: SquareTable) -> str:
    """Say in a sentence what numbers that are not counts seem to be."""
    values, known = table.values, np.isfinite(table.values).all()
    if not known or (values < 0).any():
        return ""
    symmetric = bool(np.allclose(values, values.T))
    diagonal = values.diagonal()
    if symmetric and not diagonal.any():
        return " Its diagonal is 0 and it is symmetric: these seem to be distances, which `confemb compare` reads."
    if symmetric and np.ptp(diagonal) == 0 and diagonal[0] == values.max():
        return " Its diagonal is highest and it is symmetric: these seem similarities, which `confemb compare` reads."
    for axis, what in ((1, "row"), (0, "column")):
        sums = values.sum(axis=axis)
        for whole in (1, 100):
            if (np.abs(sums - whole) <= _ROUNDING * whole).all():
                told = "say --kind shares" if axis == 1 else "the counts cannot be told from them: give the counts"
                return f" Each {what} adds up to {whole}: if these are shares of the {what}s, {told}."
    if min(abs(values.sum() - 1), abs(values.sum() - 100) / 100) <= _ROUNDING:
        return f" All add up to {values.sum():g}: if these are shares of all, say --kind shares."
    return ""


def _shares(values: np.ndarray, table: SquareTable) -> np.ndarray:
    """Return shares of the rows as numbers from 0 to 1, or raise where the rows do not add up to one number."""
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ConfembError(
            f"the share of {table.names[column]!r} in {table.names[row]!r} is {values[row, column]:g}: shares must be "
            "numbers of at least 0."
        )
    sums = values.sum(axis=1)
    seen = sums > 0
    for whole in (1.0, 100.0):
        if abs(sums.sum() - whole) <= _ROUNDING * whole and len(values) > 1:
            # Of the whole table: classes keep their shares, which add up to as many as there are.
            return values / sums.sum() * len(values)
    for whole in (1.0, 100.0):
        if seen.any() and (np.abs(sums[seen] - whole) <= _ROUNDING * whole).all():
            return values / whole
    row = int(np.argmax(np.abs(sums - (1 if sums.max() < 2 else 100)) * seen))
    raise ConfembError(
        f"the shares of the true class {table.names[row]!r} add up to {sums[row]:g}, neither 1 nor 100: --kind shares "
        "is for shares of the true classes."
    )


def check_similarities(values: np.ndarray, names: Sequence[str], kind: str | None) -> np.ndarray:
    """Return (K, K) similarities: the values, or 1 - the values where they are said to be distances.

    Args:
        values: (K, K), symmetric; NaN where not known.
        names: the K class names.
        kind: "similarity" or "distance", as the user says it; None: what the diagonal shows.

    Raises:
        ConfembError: values that look like distances and are not said to be; said to be distances and do not look so;
            another kind.
    """
    if kind not in (None, "similarity", "distance"):
        raise ConfembError(f"a table of kind {kind!r} is no table of similarities: embed it with `confemb embed`.")
    diagonal = values.diagonal()
    apart = values[~np.eye(len(values), dtype=bool)]
    apart = apart[~np.isnan(apart)]
    known = len(apart) > 0 and not np.isnan(diagonal).any()
    nearer = known and bool(diagonal.max() <= apart.min()) and bool(diagonal.min() < apart.max())
    if kind == "distance":
        if (known and not nearer and diagonal.max() > apart.min()) or (len(apart) and apart.min() < 0):
            raise ConfembError(
                "these are said to be distances, but a class is farther from itself than from another, or a distance "
                "is below 0: leave out --kind distance."
            )
        turned = 1.0 - values
        np.fill_diagonal(turned, 1.0)
        return turned
    if kind is None and nearer:
        raise ConfembError(
            f"the similarity of {names[0]!r} with itself is {diagonal[0]:g}, less than with others: these look like "
            "distances. Say which they are: --kind distance (read as 1 - distance) or --kind similarity."
        )
    return values
