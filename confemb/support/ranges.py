"""Ranges of numbers that a user may choose: the same in Python, in experiments and on the command line."""

import dataclasses
import numbers
import types
import typing
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

from confemb.support.errors import ConfembError

# gensim and numpy's older generators take 32 bits; a range of seeds begins at it.
MOST_SEED = 2**31 - 1
# More than these is a slip: it would fill the memory, or not end.
MOST_SEEDS, MOST_DIMENSIONS, MOST_NEGATIVE, MOST_EPOCHS, MOST_REPLICATES = 10_000, 100_000, 10_000, 1_000_000, 100_000

Dimensions = Annotated[int, Ge(1), Le(MOST_DIMENSIONS)]
Negative = Annotated[int, Ge(1), Le(MOST_NEGATIVE)]
Epochs = Annotated[int, Ge(1), Le(MOST_EPOCHS)]


def check_seed(seed: int) -> int:
    """Return a seed; raises ConfembError unless it is a whole number from 0 to `MOST_SEED`."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= seed <= MOST_SEED:
        raise ConfembError(f"seed = {seed!r} is out of range: give a whole number from 0 to {MOST_SEED:,}.")
    return int(seed)


def check_ranges(record: Any) -> None:
    """Raise ConfembError for the first field of a dataclass whose value is outside what its annotation allows.

    Annotations are those of `annotated_types`, which pydantic reads too: `Annotated[int, Ge(1), Le(10)]`, also with
    `| None`. Other fields are passed over.
    """
    hints = typing.get_type_hints(type(record), include_extras=True)
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        for hint in _parts(hints[field.name]):
            if typing.get_origin(hint) is Annotated and value is not None:
                _check(field.name, value, *typing.get_args(hint))


def _parts(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def _check(name: str, value: Any, kind: type, *limits: Any) -> None:
    whole = kind is int
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        raise ConfembError(f"{name} = {value!r} is not allowed: give a {'whole ' if whole else ''}number.")
    for limit in limits:
        for one, holds, text in (
            (Ge, lambda bound: value >= bound, "at least"),
            (Gt, lambda bound: value > bound, "above"),
            (Le, lambda bound: value <= bound, "at most"),
            (Lt, lambda bound: value < bound, "below"),
        ):
            if isinstance(limit, one):
                bound = getattr(limit, one.__name__.lower())
                if not holds(bound):
                    raise ConfembError(f"{name} = {value!r} is out of range: it must be {text} {bound:,}.")
