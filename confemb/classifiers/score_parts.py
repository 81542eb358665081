"""The parts of a scoring that is under way: what was scored so far, kept for a run that goes on."""

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, parse_json, read_bytes, read_text, whole_file, write_json
from confemb.support.npz import read_arrays

KEY = "scoring.json"


@dataclass(frozen=True, eq=False)
class Part:
    """Consecutive scored items.

    Attributes:
        start: the number of the first of them among the scored items.
        labels: (n,) int32 true classes as the model's.
        top_classes, top_probs: (n, k) as in `Predictions`.
        ids: (n,) str.
        splits: (n,) str.
        logits: () bool, whether the model's scores are logits.
        scores: (n, K) float32 all the scores; None where they are not asked for.
    """

    start: int
    labels: np.ndarray
    top_classes: np.ndarray
    top_probs: np.ndarray
    ids: np.ndarray
    splits: np.ndarray
    logits: np.ndarray
    scores: np.ndarray | None = None

    def without_scores(self) -> "Part":
        """Return it without all the scores, which may not fit into memory."""
        return replace(self, scores=None)


class PartStore:
    """A folder of parts beside the file that they become; it belongs to one model, data and settings.

    Args:
        folder: where the parts lie; made when the first is written.
        key: what must be the same for parts to be taken up again, JSON-able; None: only to discard what is there.

    Raises:
        ConfembError: the folder holds parts of something else.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any] | None) -> None:
        self._folder = folder
        self._key = json.loads(json.dumps(key))
        if folder.exists() and key is not None:
            self._check()

    def _check(self) -> None:
        file = self._folder / KEY
        if not file.is_file():
            if any(self._folder.iterdir()):
                raise ConfembError(f"{self._folder} is not a folder of confemb score: choose another --out.")
            return
        before = parse_json(read_text(file), where=str(file))
        if before != self._key:
            differing = sorted(key for key in {*before, *self._key} if before.get(key) != self._key.get(key))
            raise ConfembError(
                f"{self._folder} holds parts of another scoring ({', '.join(differing)} differ): give --restart to "
                "discard them, or choose another --out."
            )

    def parts(self) -> Iterator[Part]:
        """Yield the parts that are there, in order, up to the first gap."""
        start = 0
        while (path := self._path(start)).is_file():
            part = self._read(path, start)
            yield part
            start += len(part.labels)

    def add(self, part: Part) -> None:
        """Write a part, whole or not at all."""
        if not (self._folder / KEY).is_file():
            make_folder(self._folder)
            write_json(self._folder / KEY, self._key)
        arrays = {name: value for name, value in vars(part).items() if isinstance(value, np.ndarray)}
        with whole_file(self._path(part.start)) as temporary, open(temporary, "wb") as file:
            texts = {name: array.astype(str) for name, array in arrays.items() if array.dtype == object}
            np.savez(file, **(arrays | texts))

    def discard(self) -> None:
        """Remove the parts and the folder."""
        if (self._folder / KEY).is_file():
            shutil.rmtree(self._folder)

    def _path(self, start: int) -> Path:
        return self._folder / f"part-{start:012}.npz"

    def _read(self, path: Path, start: int) -> Part:
        try:
            arrays = read_arrays(read_bytes(path))
            return Part(start, **arrays)
        except (ConfembError, TypeError) as error:
            raise ConfembError(f"{path} is damaged ({error}): give --restart to score again.") from error


def write_all_scores(path: Path, parts: PartStore, *, count: int, class_names: tuple[str, ...], logits: bool) -> None:
    """Write every score as NPZ, part by part, never all in memory: `probs` or `logits` (N, K), `labels`, names and ids.

    `confemb embed` and `load_predictions` read it.
    """
    columns = {
        "logits" if logits else "probs": ("scores", (count, len(class_names)), np.dtype(np.float32)),
        "labels": ("labels", (count,), np.dtype(np.int32)),
    }
    for name in ("ids", "splits"):
        width = max((getattr(part, name).dtype.itemsize for part in parts.parts()), default=4)
        columns[name] = (name, (count,), np.dtype(f"<U{max(1, width // 4)}"))
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, (attribute, shape, dtype) in columns.items():
            with archive.open(_entry(name), "w", force_zip64=True) as file:
                header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for part in parts.parts():
                    file.write(np.ascontiguousarray(getattr(part, attribute), dtype=dtype).tobytes())
        with archive.open(_entry("class_names"), "w") as file:
            np.lib.format.write_array(file, np.array(class_names, dtype=str))


def _entry(name: str) -> zipfile.ZipInfo:
    # A fixed time, so that the same scores give the same bytes.
    return zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
