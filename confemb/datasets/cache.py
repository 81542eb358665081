"""The cache of prepared pictures: memory-mapped `.npy` files that appear whole or not at all.

A dataset called `cifar10` has the folder `cifar10/arrays` under the cache root, holding for each split
`SPLIT.images.npy` (N, H, W, C) uint8, `SPLIT.labels.npy` (N,) int32 and `SPLIT.ids.npy` (N,) str, beside one
`info.json` with the class names, the shapes and the fingerprints.

What is loaded is what was hashed: `stamps.json`, beside that folder, has the sizes and times (also of the last change,
which no program can set) of the files when they were hashed. Where one differs, the dataset is hashed again, which
takes some 2 s a gigabyte.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from confemb.datasets import Dataset
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import make_folder, open_file, parse_json, read_bytes, unfinished_folder, write_json
from confemb.support.locks import alone_in
from confemb.support.progress import Progress

FORMAT = 1
INFO, STAMPS = "info.json", "stamps.json"
UNFINISHED = ".part"
REPORT_EVERY = 500
_HASHED_AT_ONCE = 256
# What damaged files make JSON and NumPy raise.
_DAMAGED = (
    ConfembError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class SplitRows:
    """One split that is about to be written.

    Attributes:
        labels: (N,) int32 indices of the classes.
        ids: the N pictures' ids, in the same order.
        images: yields the N pictures, (H, W, C) uint8, all of one shape; read one by one.
    """

    labels: np.ndarray
    ids: Sequence[str]
    images: Iterable[np.ndarray]


@dataclass(frozen=True)
class Contents:
    """A whole dataset that is about to be written.

    Attributes:
        class_names: the K class names.
        splits: the parts by name.
        source: where the pictures come from, for messages and for the record.
    """

    class_names: Sequence[str]
    splits: Mapping[str, SplitRows]
    source: str


def cache_root(cache_dir: str | None = None) -> Path:
    """Return where prepared data lies: `cache_dir`, $CONFEMB_CACHE, or the user's cache folder of this system.

    That is $XDG_CACHE_HOME/confemb or ~/.cache/confemb on Linux, ~/Library/Caches/confemb on macOS.
    """
    import platformdirs

    if named := cache_dir or os.environ.get("CONFEMB_CACHE"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("confemb", appauthor=False).expanduser()


class ArrayCache:
    """The prepared pictures of one dataset.

    Args:
        root: the cache root.
        key: the dataset's folder under it, letters, digits, `-` and `_`.
        name: the dataset's name.
        signature: what the pictures were made from; another one makes the cache stale.
        fingerprints: for a dataset that never changes, the fingerprint each split must have.
    """

    def __init__(
        self, root: Path, key: str, *, name: str, signature: str = "", fingerprints: Mapping[str, str] | None = None
    ) -> None:
        self.home = root / key
        self.folder = self.home / "arrays"
        self.name = name
        self.signature = signature
        self.fingerprints = fingerprints

    def info(self) -> dict[str, Any] | None:
        """Return what `info.json` says, or None where the cache is absent, stale or damaged."""
        try:
            info = parse_json(read_bytes(self.folder / INFO), where=str(self.folder / INFO))
            if info["format"] != FORMAT or info["signature"] != self.signature:
                return None
            names = info["class_names"]
            for split, about in info["splits"].items():
                _, labels, _ = self._arrays(split, tuple(about["shape"]))
                texts = [*names, about["fingerprint"]]
                if not all(isinstance(text, str) for text in texts) or labels.min() < 0 or labels.max() >= len(names):
                    return None
            if not self._is_as_hashed(info):
                return None
        except _DAMAGED:
            return None
        return info

    def _is_as_hashed(self, info: Mapping[str, Any]) -> bool:
        """Tell whether the files are those that were hashed; where one has changed since, hash them again."""
        before = self._stamps(info["splits"])
        try:
            if parse_json(read_bytes(self.home / STAMPS), where=STAMPS) == before:
                return True
        except ConfembError:
            pass
        for split, about in info["splits"].items():
            images, labels, ids = self._arrays(split, tuple(about["shape"]))
            # Caches of earlier versions have no hash of the ids.
            if "ids" in about and _hash_ids(ids) != about["ids"]:
                return False
            if fingerprint(images, labels, info["class_names"]) != about["fingerprint"]:
                return False
        if self._stamps(info["splits"]) == before:
            with contextlib.suppress(ConfembError, OSError):
                # A cache that cannot be written to is hashed every time.
                write_json(self.home / STAMPS, before)
        return True

    def _stamps(self, splits: Iterable[str]) -> dict[str, list[int]]:
        found = {}
        for split in splits:
            for what in ("images", "labels", "ids"):
                about = (self.folder / f"{split}.{what}.npy").stat()
                found[f"{split}.{what}"] = [about.st_size, about.st_ino, about.st_mtime_ns, about.st_ctime_ns]
        return found

    def load(self, split: str) -> Dataset:
        """Return one split, its arrays memory-mapped and read-only.

        Raises:
            ConfembError: an unknown split, or no sound cache (call `build` first).
        """
        info = self.info()
        if info is None:
            raise ConfembError(f"the cache of {self.name} in {self.folder} is not complete: fetch {self.name} again.")
        if split not in info["splits"]:
            raise unknown_name("split", split, info["splits"], where=self.name)
        about = info["splits"][split]
        images, labels, ids = self._arrays(split, tuple(about["shape"]))
        return Dataset(
            images,
            labels,
            tuple(info["class_names"]),
            ids,
            name=self.name,
            split=split,
            fingerprint=about["fingerprint"],
        )

    def _arrays(self, split: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Open a split's three files; raises ValueError where one is not what it should be."""
        arrays = []
        for what, kind, expected in (("images", "u1", shape), ("labels", "i4", shape[:1]), ("ids", "U", shape[:1])):
            path = self.folder / f"{split}.{what}.npy"
            # A pipe would be waited for.
            with open_file(path):
                pass
            # Unlike numpy.load this takes nothing but a plain array.
            array = np.lib.format.open_memmap(path, mode="r")
            whole = path.stat().st_size == array.offset + array.nbytes
            if not whole or array.shape != expected or kind not in (array.dtype.kind, array.dtype.str[1:]):
                raise ValueError(f"{path} is damaged")
            if kind == "U" and (not array.itemsize or array.view(np.uint32).max() > sys.maxunicode):
                raise ValueError(f"{path} holds what is no text")
            arrays.append(array)
        return arrays[0], arrays[1], arrays[2]

    def build(self, make: Callable[[Path], Contents], progress: Progress | None = None) -> None:
        """Write the cache, unless it is there: in a folder beside, which is renamed at the end.

        Another process that builds the same dataset is waited for, and its result used. What a killed one left is
        removed.

        Args:
            make: given a scratch folder, returns what to write.
            progress: called for each few hundred pictures.

        Raises:
            ConfembError: the cache folder cannot be written, pictures differ in size, or a fingerprint is wrong.
        """
        if self.info() is not None:
            return
        with scratch_folder(self.home, f"prepares {self.name}", progress) as scratch:
            if self.info() is not None:
                return
            try:
                self._write(scratch, make, progress)
            except OSError as error:
                if error.filename is None or Path(error.filename).is_relative_to(self.home):
                    raise ConfembError(
                        f"cannot write the cache of {self.name} in {self.home}: {error.strerror or error}; "
                        "free some space there, or set CONFEMB_CACHE to another folder."
                    ) from error
                raise

    def _write(self, scratch: Path, make: Callable[[Path], Contents], progress: Progress | None) -> None:
        contents = make(scratch)
        arrays = scratch / "arrays"
        arrays.mkdir()
        about: dict[str, dict[str, Any]] = {}
        total, done = sum(len(rows.labels) for rows in contents.splits.values()), 0
        for split, rows in contents.splits.items():

            def report(count: int, before: int = done) -> None:
                if progress is not None:
                    progress(f"caching {self.name}", before + count, total)

            shape, digest = write_split(arrays, split, rows, contents.class_names, report)
            ids = _hash_ids(np.asarray(rows.ids, dtype=np.str_))
            about[split] = {"shape": list(shape), "fingerprint": digest, "ids": ids}
            done += len(rows.labels)
        found = {split: said["fingerprint"] for split, said in about.items()}
        if self.fingerprints is not None and found != dict(self.fingerprints):
            raise ConfembError(
                f"what {contents.source} holds is not {self.name}, its pictures or labels differ: "
                "remove it, or use another source."
            )
        write_json(
            arrays / INFO,
            {
                "format": FORMAT,
                "name": self.name,
                "signature": self.signature,
                "source": contents.source,
                "class_names": list(contents.class_names),
                "splits": about,
            },
        )
        if self.folder.exists() and self.info() is None:
            # A stale or damaged cache is moved out first: a folder cannot be renamed onto a full one.
            os.rename(self.folder, scratch / "old")
        rename_folder(arrays, self.folder)
        with contextlib.suppress(ConfembError, OSError):
            write_json(self.home / STAMPS, self._stamps(about))


def write_split(
    folder: Path,
    split: str,
    rows: SplitRows,
    class_names: Sequence[str],
    report: Callable[[int], None],
) -> tuple[tuple[int, ...], str]:
    """Write one split's three files, one picture at a time, and return its shape and fingerprint.

    The pictures are appended rather than written through a memory map: a full disk is then an error, not a crash.
    """
    count = len(rows.labels)
    labels = np.ascontiguousarray(rows.labels, dtype="<i4")
    shape: tuple[int, ...] = (0, 0, 0, 0)
    digest = hashlib.sha256()
    written = 0
    with open(folder / f"{split}.images.npy", "wb") as file:
        for image in rows.images:
            if written == 0:
                shape = (count, *image.shape)
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                digest.update(fingerprint_header(shape, class_names))
            if image.shape != shape[1:] or image.dtype != np.uint8:
                raise ConfembError(
                    f"the picture {rows.ids[written]} has the shape {image.shape}, the first one {shape[1:]}: "
                    "give image_size to make them alike."
                )
            pixels = image.tobytes()
            file.write(pixels)
            digest.update(pixels)
            written += 1
            if written % REPORT_EVERY == 0 or written == count:
                report(written)
        if written != count or count == 0:
            raise ConfembError(
                f"the split {split!r} gave {written} pictures for {count} labels; there must be as many."
            )
        file.flush()
        os.fsync(file.fileno())
    digest.update(labels.tobytes())
    np.save(folder / f"{split}.labels.npy", labels, allow_pickle=False)
    np.save(folder / f"{split}.ids.npy", np.asarray(rows.ids, dtype=np.str_), allow_pickle=False)
    return shape, digest.hexdigest()


def fingerprint_header(shape: Sequence[int], class_names: Sequence[str]) -> bytes:
    """Return what a fingerprint takes in before the pixels: the shape and the class names."""
    about = {"shape": [int(size) for size in shape], "class_names": list(class_names)}
    return json.dumps(about, ensure_ascii=True, sort_keys=True).encode("ascii")


def _hash_ids(ids: np.ndarray) -> str:
    return hashlib.sha256(json.dumps(ids.tolist(), ensure_ascii=True).encode("ascii")).hexdigest()


def fingerprint(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the SHA-256 (hex) over the shape, the class names, the pixels and the labels, in that order."""
    digest = hashlib.sha256(fingerprint_header(images.shape, class_names))
    # Some at a time: they may be memory-mapped.
    for start in range(0, len(images), _HASHED_AT_ONCE):
        digest.update(np.ascontiguousarray(images[start : start + _HASHED_AT_ONCE]).data)
    digest.update(np.ascontiguousarray(labels, dtype="<i4").tobytes())
    return digest.hexdigest()


@contextmanager
def scratch_folder(parent: Path, work: str, progress: Progress | None = None) -> Iterator[Path]:
    """Hold the lock of `parent`, made where needed, and yield a new folder in it, which goes away at the end.

    What killed processes left unfinished is removed, before and at the end: npm outlives the process that started it,
    and may have gone on writing into its folder for a while.

    Args:
        parent: may be there already.
        work: what is done there, "downloads WordNet"; said while another process that does it is waited for.
        progress: called with that.
    """

    def waiting() -> None:
        if progress is not None:
            progress(f"waiting for another process that {work}", 0, 1)

    with alone_in(parent, waiting=waiting) as held:
        if held:
            _sweep(parent)
        try:
            with unfinished_folder(parent / f"{secrets.token_hex(6)}{UNFINISHED}") as scratch:
                yield scratch
        finally:
            if held:
                _sweep(parent)


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(f"*{UNFINISHED}"):
        shutil.rmtree(leftover, ignore_errors=True)


def rename_folder(source: Path, target: Path) -> None:
    """Put a finished folder in its place; where another process was quicker, its folder stays."""
    make_folder(target.parent)
    try:
        os.rename(source, target)
    except OSError:
        if not target.is_dir():
            raise
