"""Arrays that a record holds: its own, and read-only, so that what was checked once stays as it was."""

import numpy as np
import numpy.typing as npt


def held(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """Return `values` as an array that nobody else can change: a read-only copy.

    An array that is read-only and owns its memory, as those of another record do, is shared instead of copied.

    Args:
        values: an array of any shape, or what numpy makes one of.
        dtype: its type; None keeps the type that it has.

    Raises:
        TypeError, ValueError: as `numpy.asarray`.
    """
    if (
        type(values) is np.ndarray
        and not values.flags.writeable
        and values.base is None
        and dtype in (None, values.dtype)
    ):
        return values
    return frozen(np.array(values, dtype, copy=True, subok=False))


def frozen(array: np.ndarray) -> np.ndarray:
    """Make an array that nobody else has read-only, and return it: `held` then shares it, without a copy."""
    array.flags.writeable = False
    return array
