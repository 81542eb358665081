"""The activations of captioned pictures, computed once: kept in parts, by what the pictures' files hold."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from confemb.datasets.cache import cache_root
from confemb.spaces.parts import PartStore
from confemb.spaces.words.activations import Activations, Broken, stream_vectors
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, sha256_file
from confemb.support.manifest import stage_key
from confemb.support.npz import read_npy
from confemb.support.progress import Progress

# Pictures whose features are put on disk together: what a stopped run loses at most.
PICTURES_IN_PART = 256


def picture_features(
    files: Sequence[Path],
    activations: Activations,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the features of picture files; what an earlier call computed is read, and a stopped one goes on.

    A part of the pictures is known by the bytes of their files and by the activations' name: moved or renamed pictures
    are not computed again, changed ones are.

    Args:
        files: N picture files.
        activations: what turns pictures into vectors, such as `NetworkActivations(load_pretrained("resnet50:keras"))`.
        folder: where the parts are kept; by default `features` in confemb's cache.
        progress: called with pictures done and pictures in all.

    Returns:
        (N, d) float32, a row for each file.

    Raises:
        ConfembError: a file that is missing or no sound picture, or no files.
    """
    if not files:
        raise ConfembError("there are no pictures: give at least one.")
    store = PartStore(folder if folder is not None else cache_root() / "features", ["features"])
    parts = []
    for start in range(0, len(files), PICTURES_IN_PART):
        of_part = files[start : start + PICTURES_IN_PART]
        name = stage_key(activations.name, [sha256_file(file) for file in of_part])
        rows = len(of_part)
        part = store.load(name, whole=partial(_has_rows, rows))
        if part is None:
            part = {"features": _compute(of_part, activations)}
            store.save(name, **part)
        parts.append(part["features"])
        if progress is not None:
            progress(f"features by {activations.name.rpartition('/')[0]}", start + len(of_part), len(files))
    return np.concatenate(parts)


def load_features(path: Path, pictures: int) -> np.ndarray:
    """Read features that were computed elsewhere: a `.npy` with a row for each picture.

    Args:
        path: the file.
        pictures: how many rows it must have, N: a row for each picture, in the order in which the captions name them.

    Returns:
        (N, d) float32.

    Raises:
        ConfembError: no such file, no array of numbers in two dimensions, another number of rows, or a number that is
            not finite.
    """
    if not path.is_file():
        raise ConfembError(f"there is no file of features {path}: check the path.")
    data = read_bytes(path)
    try:
        loaded = read_npy(data)
    except ConfembError as error:
        raise ConfembError(f"{path} is no .npy file of numbers: {error}") from error
    if loaded.dtype.kind not in "fiu":
        raise ConfembError(f"{path} is no .npy file of numbers: write it with np.save.")
    if loaded.ndim != 2 or len(loaded) != pictures or not loaded.shape[1]:
        raise ConfembError(
            f"{path} has shape {loaded.shape}, but {pictures} pictures have captions: it must be "
            f"({pictures}, numbers), a row for each picture in the order in which the captions name them first."
        )
    features = loaded.astype(np.float32)
    for row in np.flatnonzero(~np.isfinite(features).all(axis=1)):
        raise ConfembError(f"{path}, row {row}: a number is not finite; compute that picture's features again.")
    return features


def _has_rows(rows: int, arrays: dict[str, np.ndarray]) -> bool:
    return arrays["features"].shape[:-1] == (rows,)


def _compute(files: Sequence[Path], activations: Activations) -> np.ndarray:
    rows = []
    for file, vector in zip(files, stream_vectors(activations, ((str(f), f) for f in files)), strict=True):
        if isinstance(vector, Broken):
            raise ConfembError(f"{vector.reason} Or remove its captions.")
        if not np.isfinite(vector).all():
            raise ConfembError(f"{file} gives activations that are not finite: remove its captions.")
        rows.append(vector)
    return np.stack(rows)
