"""Arrays that are computed part by part: a finished part waits on disk, so that a stopped run goes on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, read_bytes, whole_file
from confemb.support.npz import read_arrays, read_npy


class PartStore:
    """A folder of finished parts, each a file: a .npy file where a part is one array, else an NPZ file.

    Args:
        folder: where they are kept; made where needed.
        names: what the arrays of a part are called.

    Raises:
        ConfembError: the folder cannot be made.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = make_folder(folder)
        self._names = tuple(names)

    def load(self, part: str, *, whole: Callable[[dict[str, np.ndarray]], bool]) -> dict[str, np.ndarray] | None:
        """Return a finished part's arrays by name; None for one to be computed: not there, damaged or not `whole`."""
        try:
            data = read_bytes(self._file(part))
            arrays = {self._names[0]: read_npy(data)} if len(self._names) == 1 else read_arrays(data, self._names)
        except ConfembError:
            return None
        return arrays if set(arrays) == set(self._names) and whole(arrays) else None

    def save(self, part: str, **arrays: np.ndarray) -> None:
        """Write a finished part, whole or not at all; raises ConfembError where that cannot be."""
        with whole_file(self._file(part)) as temporary, open(temporary, "wb") as file:
            if len(self._names) == 1:
                np.save(file, arrays[self._names[0]], allow_pickle=False)
            else:
                np.savez(file, **{name: arrays[name] for name in self._names})  # type: ignore[arg-type]  # the stub takes the keyword for its own option

    def _file(self, part: str) -> Path:
        return self._folder / f"{part}.{'npy' if len(self._names) == 1 else 'npz'}"
