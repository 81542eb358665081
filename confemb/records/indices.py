"""Where names and pairs of classes stand in arrays."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

import numpy as np

Name = TypeVar("Name", bound=Hashable)


def name_index(names: Iterable[Name]) -> dict[Name, int]:
    """Return each name's place, counted from 0; of a name that stands more than once, its last."""
    return {name: place for place, name in enumerate(names)}


def pair_indices(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, columns), each (K (K - 1) / 2,), of the pairs of K classes, the lower index first, row by row.

    A symmetric (K, K) matrix at these places is its vector of pairs, in the order that all tables and tests use.
    """
    rows, columns = np.triu_indices(classes, k=1)
    return rows, columns
