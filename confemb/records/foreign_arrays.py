"""Values of other libraries as NumPy arrays, with the names that come with them.

Lists, NumPy, pandas, Polars, PyTorch (with gradients, bfloat16, on any device), JAX, TensorFlow, PyArrow and sparse
matrices. None of these libraries is imported: a value says by its type where it is from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from confemb.records.cell_rules import folded
from confemb.records.column_names import class_columns
from confemb.support.errors import ConfembError, quoted_list


@dataclass(frozen=True, eq=False)
class NamedArray:
    """An array with the names that came with it.

    Attributes:
        values: numbers, booleans, or texts as objects.
        columns: the names of its columns, where it is a data frame that has some or a list of dictionaries.
        categories: the classes of a categorical column in their order, those only that occur.
    """

    values: np.ndarray
    columns: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None


def named_array(value: Any, what: str = "the values") -> NamedArray:
    """Return a value of any of the libraries as an array with its names.

    Args:
        value: the value.
        what: what it is called in messages.

    Raises:
        ConfembError: missing values, rows of unequal length, or anything that is no array.
    """
    library = type(value).__module__.partition(".")[0]
    if library in ("pandas", "polars") and hasattr(value, "columns"):
        return _of_frame(value, what)
    if library in ("pandas", "polars", "pyarrow"):
        return _of_series(value, what)
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        keys = tuple(dict.fromkeys(str(key) for row in value for key in row))
        rows = [{str(key): cell for key, cell in row.items()} for row in value]
        return NamedArray(_plain([[row.get(key, 0.0) for key in keys] for row in rows], what), keys)
    return NamedArray(_plain(value, what))


def _of_frame(frame: Any, what: str) -> NamedArray:
    columns = list(frame.columns)
    parts = [_of_series(frame[:, i] if hasattr(frame, "lazy") else frame.iloc[:, i], what) for i in range(len(columns))]
    arrays = [part.values for part in parts]
    kinds = {array.dtype.kind for array in arrays}
    if kinds <= set("biuf"):
        values = np.stack(arrays, axis=1) if arrays else np.empty((len(frame), 0))
    else:
        values = np.empty((len(frame), len(arrays)), object)
        for place, array in enumerate(arrays):
            values[:, place] = [cell if isinstance(cell, str) else str(cell) for cell in array.tolist()]
    # pandas numbers columns that have no names.
    numbered = columns == list(range(len(columns)))
    return NamedArray(values, None if numbered else tuple(map(str, columns)))


def _of_series(series: Any, what: str) -> NamedArray:
    missing = getattr(series, "null_count", 0)
    missing = missing() if callable(missing) else missing
    if missing or (hasattr(series, "isna") and bool(series.isna().any())):
        raise ConfembError(f"{what} have missing values: fill them, or leave those rows out.")
    categories = None
    kind = str(getattr(series, "dtype", ""))
    if kind == "category":
        occurring = set(series.tolist())
        categories = tuple(str(name) for name in series.cat.categories if name in occurring)
        return NamedArray(_plain(series.tolist(), what), categories=categories)
    if kind.startswith("Enum"):
        # Of Polars; its Categorical has no order of its own.
        cells = series.to_list()
        occurring = set(cells)
        categories = tuple(str(name) for name in series.dtype.categories.to_list() if name in occurring)
        return NamedArray(_plain(cells, what), categories=categories)
    if hasattr(series, "to_pylist"):
        return NamedArray(_plain(series.to_pylist(), what))
    array = np.asarray(series.to_numpy())
    return NamedArray(_plain(series.to_list() if array.dtype.kind == "O" else array, what))


def _plain(value: Any, what: str) -> np.ndarray:
    """Return an array of numbers, booleans, or objects that are texts."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
        # NumPy has no bfloat16.
        value = (value.float() if value.is_floating_point() else value).numpy()
    elif hasattr(value, "toarray"):
        value = value.toarray()
    elif isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise ConfembError(f"{what} have masked values: fill them, or leave those rows out.")
        value = value.data
    elif isinstance(value, list | tuple) and value and hasattr(value[0], "detach"):
        value = [one.detach().cpu().float().numpy() for one in value]
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ConfembError(f"{what} are not an array, as rows of equal length would be ({error}).") from error
    if isinstance(value, list | tuple) and array.dtype.kind == "U":
        # Numbers among texts have become texts; booleans among numbers have become numbers.
        array = np.asarray(value, dtype=object)
    if array.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        return array.astype(np.float32)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8").astype(object)
    if array.dtype.kind == "O":
        return _objects(array, what)
    return array.astype(object) if array.dtype.kind == "U" else np.asarray(array)


def _objects(array: np.ndarray, what: str) -> np.ndarray:
    """Return an array of objects as what they are: numbers, booleans or texts."""
    cells = array.reshape(-1).tolist()
    if any(cell is None for cell in cells):
        raise ConfembError(f"{what} have missing values: fill them, or leave those rows out.")
    if any(isinstance(cell, list | tuple | np.ndarray | dict) for cell in cells):
        raise ConfembError(f"{what} are not an array: their rows have different lengths.")
    types = set(map(type, cells))
    if types and all(issubclass(kind, bool | np.bool_ | int | np.integer | float | np.floating) for kind in types):
        return np.array(cells).reshape(array.shape)
    found = np.empty(len(cells), object)
    found[:] = [str(cell) for cell in cells]
    return found.reshape(array.shape)


def name_list(names: Any) -> tuple[tuple[str, ...], bool] | None:
    """Return class names given in Python as texts, and whether they were numbers; None for none.

    Args:
        names: names in index order, of any type that can be gone through; or number -> name, as a model's `id2label`.

    Raises:
        ConfembError: numbers of a mapping that are not 0, 1, 2, ...
    """
    if names is None:
        return None
    if isinstance(names, str):
        raise ConfembError(f"class_names is the text {names!r}: give a list of names.")
    if isinstance(names, Mapping):
        by_number = {int(key): str(name) for key, name in names.items() if str(key).lstrip("-").isdecimal()}
        if sorted(by_number) != list(range(len(names))):
            raise ConfembError(
                "class_names maps numbers to names, but they are not 0, 1, 2, ...: give a list of names."
            )
        return tuple(by_number[number] for number in range(len(names))), False
    found = [name.item() if isinstance(name, np.generic) else name for name in names]
    return tuple(map(str, found)), bool(found) and all(type(name) in (int, float, bool) for name in found)


def in_order_of(array: NamedArray, names: Sequence[str], what: str) -> np.ndarray:
    """Return (N, K) scores with their columns in the order of K class names.

    Columns without names, or with the numbers 0 to K - 1, are taken as they stand.

    Raises:
        ConfembError: columns whose names are not the class names.
    """
    if array.columns is None or array.values.ndim != 2:
        return array.values
    for columns in (class_columns(array.columns), array.columns):
        place = {folded(name): i for i, name in enumerate(columns)}
        if len(place) == len(columns) == len(names) and all(folded(name) in place for name in names):
            return array.values[:, [place[folded(name)] for name in names]]
        if len(columns) == len(names) and set(columns) == set(map(str, range(len(names)))):
            return array.values[:, [place[str(i)] for i in range(len(names))]]
    columns = class_columns(array.columns)
    unknown = [name for name in columns if folded(name) not in set(map(folded, names))]
    lacking = [name for name in names if folded(name) not in set(map(folded, columns))]
    told = f"{quoted_list(unknown)} are no class names" if unknown else f"there is none for {quoted_list(lacking)}"
    raise ConfembError(
        f"the columns of {what} are called {quoted_list(array.columns)}: {told}. Name the columns as the classes, or "
        "give an array without names."
    )
