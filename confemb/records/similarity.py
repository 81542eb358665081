"""`SimilarityMatrix`: how alike every two classes are, and how well two such matrices agree."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from confemb.records.class_cells import decimal_points, parse_csv, sniff_delimiter
from confemb.records.indices import name_index, pair_indices
from confemb.records.predictions import check_class_names
from confemb.records.square_tables import check_similarities
from confemb.support.cells import csv_cells, plain_cell
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import read_text, write_text
from confemb.support.held import held


@dataclass(frozen=True, eq=False)
class SimilarityMatrix:
    """A symmetric matrix of similarities: bigger means closer.

    Attributes:
        values: (K, K) float64, a read-only copy; NaN where a similarity is not known (a reference may know only some).
        class_names: the K class names.
        low, high: (K, K) float64, the bounds of each value's interval, or None for a single run.
    """

    values: np.ndarray
    class_names: tuple[str, ...]
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Raise ConfembError for shapes that do not fit or values that are not symmetric."""
        names = tuple(check_class_names(self.class_names))
        object.__setattr__(self, "class_names", names)
        for what in ("values", "low", "high"):
            array = getattr(self, what)
            if array is None:
                continue
            array = np.asarray(array, np.float64)
            if array.shape != (len(names), len(names)):
                raise ConfembError(f"similarities have shape {array.shape}, but there are {len(names)} classes.")
            if not np.allclose(array, array.T, atol=1e-6, equal_nan=True):
                raise ConfembError(
                    "similarities must be symmetric; if this is a confusion matrix, embed it with `confemb embed`."
                )
            object.__setattr__(self, what, held(array))

    def index(self, class_name: str) -> int:
        """Return a class's row; raises ConfembError, with the nearest known name, for an unknown class."""
        try:
            return self.class_names.index(class_name)
        except ValueError:
            raise unknown_name("class", class_name, self.class_names) from None

    def between(self, class_1: str, class_2: str) -> float:
        """Return the similarity of two classes."""
        return float(self.values[self.index(class_1), self.index(class_2)])

    def order_for(self, class_name: str) -> np.ndarray:
        """Return (n,) indices of the other classes with known similarity, most similar first, ties by index."""
        row = self.index(class_name)
        order = np.argsort(-self.values[row], kind="stable")
        return order[(order != row) & ~np.isnan(self.values[row, order])]

    def ranked(self, class_name: str) -> list[tuple[str, float]]:
        """Return (class name, similarity) of the other classes, most similar first."""
        row = self.index(class_name)
        return [(self.class_names[i], float(self.values[row, i])) for i in self.order_for(class_name)]

    def complete_classes(self) -> list[str]:
        """Return the classes whose similarity to every other class is known."""
        known = ~np.isnan(self.values)
        np.fill_diagonal(known, True)
        return [name for name, row in zip(self.class_names, known, strict=True) if row.all()]

    def restricted_to(self, class_names: tuple[str, ...]) -> "SimilarityMatrix":
        """Return the matrix of some of the classes, in the order given."""
        rows = np.array([self.index(name) for name in class_names], dtype=np.intp)
        cells = np.ix_(rows, rows)
        low, high = (None if bound is None else bound[cells] for bound in (self.low, self.high))
        return SimilarityMatrix(self.values[cells], tuple(class_names), low, high)

    def laid_out(self, class_names: Sequence[str]) -> np.ndarray:
        """Return the (n, n) values for n class names in the order given, NaN for those that are not known."""
        index = name_index(self.class_names)
        rows = np.array([index.get(name, -1) for name in class_names], dtype=np.intp)
        values = self.values[np.ix_(rows, rows)]
        values[rows < 0] = values[:, rows < 0] = np.nan
        return values

    def to_frame(self) -> pd.DataFrame:
        """Return the long form: a row for each unordered pair with class_1, class_2, cosine (, low, high)."""
        rows, columns = pair_indices(len(self.class_names))
        names = np.array(self.class_names, dtype=object)
        frame = pd.DataFrame({"class_1": names[rows], "class_2": names[columns], "cosine": self.values[rows, columns]})
        if self.low is not None and self.high is not None:
            frame["low"] = self.low[rows, columns]
            frame["high"] = self.high[rows, columns]
        return frame.dropna(subset=["cosine"]).reset_index(drop=True)

    def save_matrix(self, path: str | os.PathLike[str]) -> None:
        """Write the square CSV, class names as header and index, six decimals, unknown cells empty.

        Class names a spreadsheet would run as a formula are made plain text, see `confemb.support.cells`.
        """
        names = csv_cells(self.class_names)
        rows = [",".join(["", *names])]
        # Adding 0.0 turns a rounded -0.0 into 0.0.
        for name, row in zip(names, (np.round(self.values, 6) + 0.0).tolist(), strict=True):
            rows.append(",".join([name, *(f"{value:.6f}" if value == value else "" for value in row)]))
        write_text(path, "\n".join(rows) + "\n")

    @classmethod
    def load_matrix(cls, path: str | os.PathLike[str], *, kind: str | None = None) -> "SimilarityMatrix":
        """Read a square CSV.

        Args:
            path: the file, class names as header and first column; empty cells are not known.
            kind: "similarity" or "distance" (read as 1 - distance); None: similarities, unless they look otherwise.

        Raises:
            ConfembError: header and index that differ, a cell that is no number, values that are not symmetric or
                that look like distances and are not said to be.
        """
        where = os.fspath(path)
        text = read_text(path)
        rows = parse_csv(text, where=where, skip_blanks=False, delimiter=sniff_delimiter(text))
        first, *rows = decimal_points(rows, delimiter=sniff_delimiter(text))
        header, index = ([plain_cell(name) for name in names] for names in (first[1:], [row[0] for row in rows]))
        if header != index:
            raise ConfembError(f"{path}: its header and its first column must name the same classes in the same order.")
        values = np.empty((len(rows), len(rows)))
        for line, row in enumerate(rows):
            try:
                values[line] = [float(cell or "nan") for cell in row[1:]]
            except ValueError as error:
                raise ConfembError(f"{path} is no square similarity matrix: line {line + 2}, {error}.") from error
        if np.isinf(values).any():
            raise ConfembError(f"{path} holds a similarity that is not finite: mend it, or leave the cell empty.")
        try:
            found = cls(values, tuple(header))
            return cls(check_similarities(found.values, header, kind), tuple(header))
        except ConfembError as error:
            raise ConfembError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Agreement:
    """How well a similarity agrees with a reference, over the pairs both know.

    Attributes:
        spearman, pearson: correlations from -1 to 1 over the pairs; NaN with fewer than three pairs.
        pairs: how many pairs were compared.
        nearest_right: in how many columns the nearest class is the reference's nearest, or one of them.
        nearest_columns: how many classes' columns both know completely.
        nearest_wrong: (class, nearest here, nearest in the reference) where they differ.
    """

    spearman: float
    pearson: float
    pairs: int
    nearest_right: int
    nearest_columns: int
    nearest_wrong: tuple[tuple[str, str, str], ...]


def on_common_classes(a: SimilarityMatrix, b: SimilarityMatrix) -> tuple[SimilarityMatrix, SimilarityMatrix]:
    """Return both over the classes that they have in common, in the order of `b`.

    Raises:
        ConfembError: fewer than two classes in common.
    """
    known = set(a.class_names)
    common = tuple(name for name in b.class_names if name in known)
    if len(common) < 2:
        raise ConfembError(
            f"the two results have {len(common)} classes in common; at least 2 are needed (class names must be alike)."
        )
    return a.restricted_to(common), b.restricted_to(common)


def agreement(similarity: SimilarityMatrix, reference: SimilarityMatrix) -> Agreement:
    """Compare a similarity with a reference over the classes and pairs that both know.

    Raises:
        ConfembError: fewer than two classes in common.
    """
    from scipy import stats

    ours, theirs = on_common_classes(similarity, reference)
    upper = pair_indices(len(ours.class_names))
    x, y = ours.values[upper], theirs.values[upper]
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    enough = len(x) >= 3 and np.ptp(x) > 0 and np.ptp(y) > 0
    wrong = []
    complete_here = set(ours.complete_classes())
    columns = [name for name in theirs.complete_classes() if name in complete_here]
    for name in columns:
        here, there = ours.ranked(name)[0][0], theirs.ranked(name)[0][0]
        # Several classes may be equally near in the reference: any of them is right.
        if theirs.between(name, here) < theirs.between(name, there):
            wrong.append((name, here, there))
    return Agreement(
        spearman=float(stats.spearmanr(x, y).statistic) if enough else float("nan"),
        pearson=float(stats.pearsonr(x, y).statistic) if enough else float("nan"),
        pairs=len(x),
        nearest_right=len(columns) - len(wrong),
        nearest_columns=len(columns),
        nearest_wrong=tuple(wrong),
    )
