"""`ReadOptions`: what a user says of a file of predictions, a confusion matrix or a table of similarities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from confemb.support.errors import ConfembError, one_of

Cells = Literal["names", "indices", "ids"]
Rows = Literal["true", "predicted"]
Kind = Literal["counts", "shares", "similarity", "distance"]
Order = Literal["falling", "rising"]


@dataclass(frozen=True)
class ReadOptions:
    """How an input is to be read where it could be read in more than one way; None leaves it to what the input shows.

    Attributes:
        label_column: the column of true classes.
        top_columns: the columns of predicted classes, most probable first.
        prob_columns: beside `top_columns` their probabilities; otherwise one column of probabilities for each class,
            called as the class is.
        cells: what numbers among the classes are: "names", "indices" into the class names, or "ids" of a class list
            that has a column of ids.
        first_index: whether indices count from 0 or from 1.
        order: whether the predicted classes stand best first ("falling") or best last ("rising").
        rows: whether the rows of a confusion matrix are the true or the predicted classes.
        kind: what a square table holds: counts, shares of rows, similarities (bigger is closer) or distances.
        class_ids: the id of each class name, where the list of classes has ids.
    """

    label_column: str | None = None
    top_columns: tuple[str, ...] | None = None
    prob_columns: tuple[str, ...] | None = None
    cells: Cells | None = None
    first_index: Literal[0, 1] | None = None
    order: Order | None = None
    rows: Rows | None = None
    kind: Kind | None = None
    class_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Raise ConfembError for a value that is none of those listed."""
        choices = (("cells", Cells), ("rows", Rows), ("kind", Kind), ("order", Order))
        for name, allowed in choices:
            if getattr(self, name) is not None:
                one_of(name, getattr(self, name), *get_args(allowed))
        if self.first_index not in (None, 0, 1):
            raise ConfembError(f"first_index is {self.first_index!r}; indices count from 0 or from 1.")


DEFAULT = ReadOptions()


def named_alike(class_names: Sequence[str], options: ReadOptions) -> ReadOptions:
    """Return the options for further files of classes called by numbers: there, too, numbers are names."""
    numbered = options.cells is None and all(map(str.isdecimal, class_names))
    return replace(options, cells="names") if numbered else options
