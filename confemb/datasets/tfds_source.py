"""Image-classification sets of TensorFlow Datasets (TFDS), read without TensorFlow."""

import contextlib
import hashlib
import io
import os
import re
import stat
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from confemb.datasets import Dataset
from confemb.datasets.cache import REPORT_EVERY, ArrayCache, Contents, SplitRows, cache_root, rename_folder
from confemb.datasets.pictures import decode_picture
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.extras import import_extra
from confemb.support.files import parse_json, read_bytes, sha256_file
from confemb.support.progress import Progress

REACH_SECONDS = 5.0
# Bytes of a dataset_info.json; thousands of shards take some hundred thousand.
LARGEST_INFO = 1 << 26


class TfdsSource:
    """Any TFDS image-classification set, `tfds:NAME`.

    A folder where TFDS has prepared the set (as array_record) is used where there is one: `path`, $TFDS_DATA_DIR,
    ~/tensorflow_datasets, confemb's cache, in this order; else TFDS downloads and prepares it, which for many sets
    needs TensorFlow. Pictures are in the order of their `id` where the set has one, else in TFDS's order. Splits
    without labels are left out. Grey pictures keep one channel.

    Args:
        dataset: TFDS's name, "mnist", also "name/config:version".
        path: a TFDS data_dir to look in first.
        image_size: resize the shorter side to this and cut out the centre.
        crop: the side of that centre, `image_size` by default.
        cache_dir: the cache root, see `confemb.datasets.cache.cache_root`.
    """

    def __init__(
        self,
        dataset: str,
        *,
        path: str | None = None,
        image_size: int | None = None,
        crop: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        self.name = f"tfds:{dataset}"
        self._dataset = dataset
        self._path = check_data_dir(path)
        self._image_size, self._crop = image_size, crop
        self._root = cache_root(cache_dir)
        place = str(self._path.resolve()) if self._path else ""
        digest = hashlib.sha256(f"{dataset}\n{place}\n{image_size}\n{crop}".encode()).hexdigest()[:8]
        key = f"tfds-{re.sub(r'[^A-Za-z0-9]+', '_', dataset)}-{digest}"
        self._cache = ArrayCache(self._root, key, name=self.name, signature=_signature(dataset, self._path))

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the labelled parts; the dataset is fetched to know them."""
        self.fetch()
        info = self._cache.info()
        return tuple(info["splits"]) if info else ()

    def fetch(self, progress: Progress | None = None) -> None:
        """Prepare the set and cache its arrays, unless that is done.

        Raises:
            ConfembError: TFDS does not know the set, its download home cannot be reached, preparing it needs
                TensorFlow, it has no picture and class features, or its pictures differ in size and no image_size
                is given.
        """

        def make(scratch: Path) -> Contents:
            builder = find_prepared(self._dataset, data_dirs(self._path, self._root))
            if builder is None:
                self._download(scratch, progress)
                builder = just_prepared(self._dataset, self._root)
            return read_splits(builder, name=self.name, image_size=self._image_size, crop=self._crop, progress=progress)

        self._cache.build(make, progress)

    def load(self, split: str) -> Dataset:
        """Return one part, fetching it first where needed; raises ConfembError for an unknown one."""
        self.fetch()
        return self._cache.load(split)

    def _download(self, scratch: Path, progress: Progress | None) -> None:
        if progress is not None:
            progress(f"downloading {self._dataset} by TFDS", 0, 1)
        urls = list(open_builder(self._dataset, scratch / "tfds").url_infos or {})
        homes = {urllib.parse.urlsplit(url).netloc: url for url in urls}
        if any(not reachable(url) for url in homes.values()):
            raise ConfembError(
                f"{self._dataset} is not prepared in any TFDS folder, and its download home "
                f"({', '.join(sorted(homes))}) cannot be reached: prepare it elsewhere with "
                'file_format="array_record" and give its folder as path.'
            )
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                prepare(lambda data_dir: open_builder(self._dataset, data_dir), scratch, self._root / "tfds")
        except ImportError as error:
            raise ConfembError(
                f"TFDS cannot prepare {self._dataset} here ({error}): install what is missing, or prepare it elsewhere "
                'with file_format="array_record" and give its folder as path.'
            ) from error
        except Exception as error:
            # TFDS and the dataset's own code raise errors of many kinds.
            said = " ".join(str(error).split())[:300]
            raise ConfembError(f"TFDS could not prepare {self._dataset} ({type(error).__name__}: {said}).") from error


def check_data_dir(path: str | None) -> Path | None:
    """Return a TFDS data_dir that the user gave, or raise ConfembError if it is no folder."""
    if path is None:
        return None
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ConfembError(f"there is no folder {path}: give a folder where TFDS has prepared datasets.")
    return folder


def data_dirs(path: Path | None, root: Path) -> list[Path]:
    """Return the folders in which TFDS may have prepared a dataset, in the order they are looked at."""
    named = os.environ.get("TFDS_DATA_DIR")
    usual = [Path(named).expanduser()] if named else []
    return [*([path] if path else []), *usual, Path.home() / "tensorflow_datasets", root / "tfds"]


@contextlib.contextmanager
def quiet_tfds() -> Iterator[Any]:
    """Import TFDS and keep its log, its prints and its progress bars to itself."""
    tfds = import_extra("tensorflow_datasets", "train", what="TFDS datasets")
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    tfds.disable_progress_bar()
    try:
        yield tfds
    finally:
        logging.set_verbosity(before)


def open_builder(dataset: str, data_dir: Path) -> Any:
    """Return TFDS's builder of a dataset for a data_dir, prepared there or not.

    Raises:
        ConfembError: TFDS does not know the dataset, its configuration or its version.
    """
    with quiet_tfds() as tfds:
        try:
            return tfds.builder(dataset, data_dir=str(data_dir), file_format="array_record")
        except tfds.core.registered.DatasetNotFoundError as error:
            known = tfds.list_builders(with_community_datasets=False)
            raise unknown_name("TFDS dataset", dataset, known) from error
        except (AssertionError, ValueError, TypeError) as error:
            raise ConfembError(f"TFDS cannot open {dataset!r}: {' '.join(str(error).split())}") from error


def find_prepared(dataset: str, folders: list[Path]) -> Any | None:
    """Return the builder of the first folder that holds the dataset prepared as array_record, or None.

    Raises:
        ConfembError: TFDS does not know the dataset, or a folder of it is damaged.
    """
    for folder in folders:
        home = folder / _stem(dataset)
        if not home.is_dir():
            continue
        _check_files(home)
        try:
            with _whole(home):
                builder = open_builder(dataset, folder)
        except ConfembError as error:
            # Prepared as tfrecord, which only TensorFlow reads.
            if "file format" in str(error).lower():
                continue
            raise
        with quiet_tfds(), _whole(home):
            if builder.is_prepared() and builder.info.file_format.value == "array_record":
                return builder
    return None


def _check_files(home: Path) -> None:
    """Refuse a prepared folder with what TFDS would wait for, or that would let it import a module not its own."""
    for path in sorted(home.rglob("*")):
        with _whole(home):
            kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise ConfembError(f"{path} is a pipe or a device, no file: remove the folder {home} and fetch again.")
        if path.name == "features.json":
            for name in _feature_classes(parse_json(read_bytes(path), where=str(path))):
                if not name.startswith("tensorflow_datasets."):
                    raise ConfembError(
                        f"{path} names the class {name!r}, which is no part of TFDS: use a dataset without it."
                    )


def _feature_classes(content: Any) -> Iterator[str]:
    """Yield the names of the Python classes in a features.json: TFDS imports their modules."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
            # Protocol buffers take both spellings.
            yield from (str(value[key]) for key in ("pythonClassName", "python_class_name") if key in value)
        elif isinstance(value, list):
            left += value


def just_prepared(dataset: str, root: Path) -> Any:
    """Return the builder of a dataset that `prepare` has put into confemb's own TFDS folder.

    Raises:
        ConfembError: something else lay in its place.
    """
    builder = find_prepared(dataset, [root / "tfds"])
    if builder is None:
        raise ConfembError(f"the folder {root / 'tfds' / _stem(dataset)} is damaged: remove it and fetch again.")
    return builder


def prepare(make_builder: Callable[[Path], Any], scratch: Path, data_dir: Path) -> None:
    """Download and prepare a dataset in `scratch`, then put it into the TFDS folder `data_dir` as a whole."""
    with quiet_tfds() as tfds:
        builder = make_builder(scratch / "tfds")
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        builder.download_and_prepare(
            download_dir=str(scratch / "downloads"), download_config=config, file_format="array_record"
        )
        made = Path(builder.data_dir)
    rename_folder(made, data_dir / made.relative_to(scratch / "tfds"))


def reachable(url: str, *, seconds: float = REACH_SECONDS) -> bool:
    """Return whether a download can be opened; gives up after `seconds`, whatever hangs."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds):
                answers.append(True)
        except (OSError, ValueError):
            answers.append(False)

    # A name lookup has no time limit of its own, so the waiting is bounded here.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answers == [True]


def read_splits(
    builder: Any,
    *,
    name: str,
    image_size: int | None,
    crop: int | None = None,
    progress: Progress | None = None,
) -> Contents:
    """Read a prepared TFDS set: its class names and its labelled splits, pictures one by one as they are asked for.

    Raises:
        ConfembError: no single picture feature and class feature, pictures that are not 8-bit grey or RGB, or a
            damaged folder.
    """
    home = Path(builder.data_dir)
    with quiet_tfds() as tfds, _whole(home):
        features = builder.info.features
        image = _the_one(builder, tfds.features.Image, name, "picture")
        label = _the_one(builder, tfds.features.ClassLabel, name, "class")
        channels = features[image].shape[-1]
        if features[image].np_dtype != np.uint8 or channels not in (1, 3):
            raise ConfembError(f"the pictures of {name} are not 8-bit grey or RGB, the kinds that can be used.")
        # The pictures are decoded by confemb: TFDS would do it with whatever library is installed.
        skip = {image: tfds.decode.SkipDecoding()}
        names = list(features[label].names)
        sizes = {name: int(split.num_examples) for name, split in builder.info.splits.items()}
    splits = {}
    total, done = sum(sizes.values()), 0
    for split in sizes:
        with _whole(home):
            source = builder.as_data_source(split=split, decoders=skip)
        found_labels, found_ids = [], []
        # No memory is taken for as many records as the folder says, before they are there.
        for row in range(len(source)):
            with _whole(home):
                example = source[row]
                found_labels.append(int(example[label]))
                found_ids.append(example["id"].decode() if "id" in features else f"{split}_{row:05d}")
            if progress is not None and (row + 1) % REPORT_EVERY == 0:
                progress(f"reading {name}", done + row + 1, total)
        done += len(source)
        labels, ids = np.array(found_labels, np.int32), np.array(found_ids, object)
        if (labels < 0).all():
            continue
        # TFDS stores the pictures shuffled.
        order = np.argsort(ids, kind="stable")
        images = _images(builder, source, order, ids, "L" if channels == 1 else "RGB", image, image_size, crop)
        splits[split] = SplitRows(labels[order], list(ids[order]), images)
    if not splits:
        raise ConfembError(f"{name} has no labelled pictures: choose another dataset.")
    return Contents(names, splits, str(builder.data_dir))


def _images(
    builder: Any,
    source: Any,
    order: np.ndarray,
    ids: np.ndarray,
    mode: str,
    image: str,
    image_size: int | None,
    crop: int | None,
) -> Iterator[np.ndarray]:
    for row in order:
        with _whole(Path(builder.data_dir)):
            encoded = bytes(source[int(row)][image])
        where = f"the picture {ids[row]} in {builder.data_dir}"
        yield decode_picture(encoded, mode=mode, image_size=image_size, crop=crop, where=where)


@contextlib.contextmanager
def _whole(home: Path) -> Iterator[None]:
    """Turn what TFDS's readers raise on damaged files, errors of many kinds, into one sentence."""
    try:
        yield
    except ConfembError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ConfembError(
            f"the TFDS folder {home} is damaged ({type(error).__name__}: {said}): remove it and fetch again."
        ) from error


def _the_one(builder: Any, kind: type, name: str, what: str) -> str:
    """Return the name of the one feature of a kind, the supervised one where there are several."""
    features = builder.info.features
    found = [key for key in features if isinstance(features[key], kind)]
    if len(found) > 1:
        found = [key for key in found if key in (builder.info.supervised_keys or ())]
    if len(found) != 1:
        raise ConfembError(f"{name} has no single {what} feature: it is no image-classification set.")
    return str(found[0])


def _signature(dataset: str, path: Path | None) -> str:
    """Tell what lies prepared in a folder the user gave, so that the cache follows when it changes."""
    if path is None:
        return ""
    digest = hashlib.sha256()
    for info in sorted((path / _stem(dataset)).glob("**/dataset_info.json")):
        digest.update(f"{info}\n{info.stat().st_mtime_ns}\n".encode())
        if info.stat().st_size > LARGEST_INFO:
            raise ConfembError(f"{info} is too large to be what TFDS writes: remove the folder and fetch again.")
        digest.update(sha256_file(info).encode())
    return digest.hexdigest()


def _stem(dataset: str) -> str:
    """Return the dataset's name without its configuration and version."""
    return re.split(r"[/:]", dataset)[0]
