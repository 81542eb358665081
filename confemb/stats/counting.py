"""Counting many predictions: shard after shard, none of them held as a whole, into one exact sum.

A shard is a file of predictions, or of counts made from some. Parquet is read some hundred thousand rows at a time, so
the memory needed depends on how many different pairs there are, not on how many predictions.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from confemb.records.cell_rules import positions
from confemb.records.indices import name_index
from confemb.records.pair_weights import Weighting
from confemb.records.pairs import PairCounts, PairSum, count_pairs
from confemb.records.parquet_bounds import check_row_groups
from confemb.records.prediction_files import check_falling, load_pairs, load_predictions, naming_file
from confemb.records.prediction_tables import own_names
from confemb.records.predictions import Predictions, check_class_names, check_k
from confemb.records.read_options import DEFAULT, ReadOptions, named_alike
from confemb.stats.count_replicates import CountReplicates, ReplicateSum, load_replicates
from confemb.stats.csv_chunks import open_csv_chunks
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import MOST_UNPACKED, open_file, sha256_file
from confemb.support.progress import Progress

# So many cells of a table are held at a time.
_CELLS = 2**22
# The paper's number of classes kept for each picture.
_USUAL_K = 3


def count_shards(
    paths: Sequence[str | os.PathLike[str]],
    *,
    k: int | None = None,
    class_names: Sequence[str] | None = None,
    weighting: Weighting = "count",
    temperature: float = 1.0,
    options: ReadOptions = DEFAULT,
    progress: Progress | None = None,
) -> PairCounts:
    """Count the pairs of all shards; their order makes no difference.

    Nothing is left out that could be left out later: pairs of a class with itself and classes without pictures stay
    (`PairCounts.select`). A shard is known by the hash of its bytes, which the counts keep.

    Args:
        paths: files of predictions (Parquet and large CSV files are streamed, others are read whole), confusion
            matrices, or counts that `PairCounts.save` wrote.
        k: how many predicted classes to pair with the true one; None: 3, or as many as the shards have.
        class_names: the K class names in index order; None where every shard says what its classes are. Tables without
            a list of classes are added by name, the classes in sorted order where the shards differ.
        options: how the files are to be read, as in `confemb.load_predictions`.
        weighting, temperature: as in `count_pairs`; counts that are added must have been weighted so.
        progress: called with (what, bytes done, bytes in all).

    Raises:
        ConfembError: a file that cannot be read, a row that is no prediction, shards whose classes, k or weights
            differ, or a shard that is there twice, by itself or within counts; the message names the file.
    """
    how = _How(k, weighting, temperature, options)
    return _count_shards(paths, class_names, how, progress, None)


def held_replicates(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[int, int]]:
    """Return (number, seed) of the replicates that each of the files holds; number 0 where it holds none."""
    held = (load_replicates(path) for path in paths)
    return [(0, 0) if found is None else (len(found), found.seed) for found in held]


def common_replicates(held: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return (number, seed) of the replicates that all hold: the fewest of them; (0, 0) where their seeds differ.

    Args:
        held: (number, seed) of each, see `held_replicates`.
    """
    number, seed = min(held, default=(0, 0))
    return (number, seed) if {seed} == {other for _, other in held} else (0, 0)


@dataclass(frozen=True)
class _How:
    """How shards are counted."""

    k: int | None
    weighting: Weighting
    temperature: float
    options: ReadOptions


def _count_shards(
    paths: Sequence[str | os.PathLike[str]],
    class_names: Sequence[str] | None,
    how: _How,
    progress: Progress | None,
    drawn: ReplicateSum | None,
) -> PairCounts:
    files = [Path(path) for path in paths]
    sizes = [_size(file) for file in files]
    done, total = 0, sum(sizes)

    def step(what: str, part: float) -> None:
        if progress is not None:
            progress(what, done + int(part), total)

    shards: dict[str, Path] = {}
    for file in files:
        # All of them before the first is counted, which may take an hour.
        shard = sha256_file(file)[:32]
        if shard in shards:
            raise ConfembError(
                f"{file} would be counted twice, it is the same as {shards[shard]}: leave one of them out."
            )
        shards[shard] = file
    found = PairSum()
    names = None if class_names is None else tuple(check_class_names(class_names))
    if names is None and len(files) > 1 and (names := _common_names(files, how)) is not None:
        how = replace(how, options=named_alike(names, how.options))
    for (shard, file), size in zip(shards.items(), sizes, strict=True):
        step(file.name, 0)
        with naming_file(file):
            counts = _count(file, names, how, drawn, lambda part: step(file.name, part * size))  # noqa: B023
            found.add(counts if counts.shards else replace(counts, shards=(shard,)))
        done += size
    return found.counts()


def _common_names(files: Sequence[Path], how: _How) -> tuple[str, ...] | None:
    """Return the classes of tables that do not list theirs, and name different ones or in another order; else None."""
    if any(_is_parquet(file) or file.suffix.lower() == ".npz" for file in files):
        return None
    found = []
    for file in files:
        with naming_file(file):
            found.append(load_pairs(file, k=1, missing_classes="keep", options=how.options)[0].class_names)
    if len(set(found)) == 1:
        return None
    names = {name for own in found for name in own}
    return tuple(sorted(names, key=int if all(map(str.isdecimal, names)) else str))


def count_replicates(  # noqa: PLR0913 - how to count, and what to draw
    paths: Sequence[str | os.PathLike[str]],
    *,
    replicates: int,
    seed: int = 0,
    k: int | None = None,
    class_names: Sequence[str] | None = None,
    weighting: Weighting = "count",
    temperature: float = 1.0,
    options: ReadOptions = DEFAULT,
    progress: Progress | None = None,
) -> CountReplicates:
    """Count as `count_shards`, and count bootstrap replicates of the pictures in the same pass.

    Args:
        paths: as in `count_shards`; every picture needs an id, and counts need as many replicates of the same seed.
        replicates: how many.
        seed: other seeds draw other replicates; `confemb.PictureResampling` draws the same with the same.
        k, class_names, weighting, temperature, options, progress: as in `count_shards`.

    Raises:
        ConfembError: as `count_shards`, and for pictures without ids, confusion matrices, and counts without these
            replicates.
    """
    drawn = ReplicateSum(replicates, seed=seed)
    counts = _count_shards(paths, class_names, _How(k, weighting, temperature, options), progress, drawn)
    return drawn.of(counts)


def _count(
    file: Path,
    class_names: tuple[str, ...] | None,
    how: _How,
    drawn: ReplicateSum | None,
    progress: Callable[[float], None],
) -> PairCounts:
    """Return the counts of one shard, and add its replicates to those that are drawn."""
    chunks: Iterable[tuple[Predictions, float]] | None = None
    k, weighting, temperature = how.k, how.weighting, how.temperature
    if not _is_parquet(file):
        chunks = open_csv_chunks(file, lambda few: load_predictions(few, class_names=class_names, options=how.options))
    if chunks is None and not _is_parquet(file):
        counts, whole = load_pairs(
            file,
            class_names=class_names,
            k=k,
            missing_classes="keep",
            weighting=weighting,
            temperature=temperature,
            options=how.options,
        )
        if drawn is not None and whole is not None:
            drawn.add(whole, k=counts.k, weighting=weighting, temperature=temperature)
        elif drawn is not None:
            drawn.add_counted(load_replicates(file), k=counts.k, class_names=class_names)
        return counts
    found = PairSum()
    rows = 0
    columns = {"probabilities": weighting == "probability", "ids": drawn is not None}
    for predictions, done in _stream(file, k, class_names, **columns) if chunks is None else chunks:
        kept = predictions.k if chunks is None else min(_USUAL_K, predictions.k) if k is None else k
        with _from_row(rows):
            if predictions.top_probs is not None:
                check_falling(predictions.top_probs)
            found.add(
                count_pairs(
                    predictions,
                    k=kept,
                    missing_classes="keep",
                    weighting=weighting,
                    temperature=temperature,
                )
            )
            if drawn is not None:
                drawn.add(predictions, k=kept, weighting=weighting, temperature=temperature)
        rows += len(predictions)
        progress(done)
    return found.counts()


def _stream(  # noqa: C901 - one pass over a file; to be one reader with that of `prediction_formats`
    file: Path, k: int | None, class_names: tuple[str, ...] | None, *, probabilities: bool, ids: bool
) -> Iterator[tuple[Predictions, float]]:
    """Yield a Parquet file's predictions, some rows at a time, and which share of the rows has been read.

    Columns that are not needed are not read. So it is not known which rows are of one picture, unless `ids` are asked
    for, and not looked at whether they agree.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(file) as content, pq.ParquetFile(content) as opened:
            schema, all_rows = opened.schema_arrow, opened.metadata.num_rows
            metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        own = own_names(metadata)
        names = class_names or own
        if names is None:
            raise ConfembError('its metadata has no "class_names": give all class names (--classes FILE).')
        place = None if own is None or own == names else positions(own, names)
        ranks = [name for name in schema.names if re.fullmatch("top[0-9]+", name)]
        k = min(_USUAL_K, len(ranks)) if k is None else k
        if ranks:
            check_k(k, len(ranks), what="predicted classes for each picture")
        named = ["label", *(f"top{rank + 1}" for rank in range(max(k, 1)))]
        wanted = named + [f"prob{rank + 1}" for rank in range(k) if probabilities]
        for name in wanted:
            if name not in schema.names:
                raise ConfembError(f"there is no column {name!r}; its columns are {', '.join(schema.names[:12])}.")
        further = ["weight", "id", "split"] if ids else ["weight"]
        wanted += [name for name in further if name in schema.names]
        texts = [name for name in named if not pa.types.is_integer(schema.field(name).type)]
        index = name_index(own or names)
        cells = [_Cells(name, index) for name in named]
        options = {"read_dictionary": texts, "buffer_size": 2**20, "pre_buffer": False}
        with open_file(file) as content, pq.ParquetFile(content, **options) as opened:
            check_row_groups(opened.metadata, wanted, file.stat().st_size, together=False)
            start = 0
            # A thread of Arrow's that holds the Python file while the interpreter ends would abort the process.
            for batch in opened.iter_batches(max(1, _CELLS // len(wanted)), columns=wanted, use_threads=False):
                if not len(batch):
                    continue
                # A damaged file may refer to values that are not there, or hold texts that are none.
                batch.validate(full=True)
                with _from_row(start):
                    for name in wanted:
                        if batch[name].null_count:
                            row = batch[name].is_null().index(True).as_py()
                            raise ConfembError(f"row {row} has no value in column {name!r}: fill it, or leave it out.")
                    label, *top = (column.indices(batch[column.name]) for column in cells)
                    if place is not None:
                        label, *top = (place[indices] for indices in (label, *top))
                    probs = [batch[name].to_numpy() for name in wanted if name.startswith("prob")]
                    if probs:
                        check_falling(np.stack(probs, axis=1))
                    predictions = Predictions(
                        label,
                        np.stack(top, axis=1),
                        np.stack(probs, axis=1) if probs else None,
                        names,
                        *(_texts(batch[name]) if name in wanted else None for name in ("id", "split")),
                        weights=batch["weight"].to_numpy() if "weight" in wanted else None,
                    )
                start += len(batch)
                yield predictions, start / all_rows
            if start == 0:
                raise ConfembError("there are no predictions: give at least one row.")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfembError(f"the Parquet file is broken or no Parquet at all ({error}): write it again.") from error


def _texts(column: Any) -> np.ndarray:
    """Return (N,) texts, as a Parquet file that is read whole has them."""
    return np.array([str(value) for value in column.to_pylist()], object)


class _Cells:
    """Turns a column's class names, or class indices, into class indices."""

    def __init__(self, name: str, index: dict[str, int]) -> None:
        self.name = name
        self._index = index
        self._dictionary: Any = None
        self._place: np.ndarray | None = None

    def indices(self, column: Any) -> np.ndarray:
        """Return (N,) whole numbers; raises ConfembError for a name that is no class."""
        import pyarrow as pa

        if pa.types.is_integer(column.type):
            return np.asarray(column.to_numpy())
        if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
            raise ConfembError(f"column {self.name!r} holds {column.type}; it must hold class names or whole numbers.")
        # Batches of one row group share their dictionary.
        if self._place is None or not column.dictionary.equals(self._dictionary):
            self._dictionary = column.dictionary
            self._place = np.array([self._index.get(value, -1) for value in column.dictionary.to_pylist()], np.int32)
        codes = np.asarray(column.indices.to_numpy())
        found = self._place[codes]
        if (found < 0).any():
            row = int(np.argmax(found < 0))
            cell = column.dictionary[int(codes[row])].as_py()
            raise unknown_name("class", cell, self._index, where=f"column {self.name!r}, row {row}")
        return np.asarray(found)


def _is_parquet(file: Path) -> bool:
    with open_file(file) as opened:
        return opened.read(4) == b"PAR1"


def _size(file: Path) -> int:
    """Return a file's size; raises ConfembError for a missing file, a folder, an empty file, or one too large."""
    if not file.exists():
        raise ConfembError(f"{file} does not exist: check the path.")
    if not file.is_file():
        raise ConfembError(f"{file} is no file: give files of predictions or counts.")
    size = file.stat().st_size
    if size == 0:
        raise ConfembError(f"{file} is empty.")
    if size > MOST_UNPACKED and not _is_parquet(file):
        # Before it is read for its hash: a file may claim any size and occupy nothing.
        raise ConfembError(
            f"{file} is no Parquet file and larger than {MOST_UNPACKED:,} bytes: only Parquet is read in parts, so "
            "write it as Parquet, or as several files."
        )
    return size


@contextmanager
def _from_row(first: int) -> Iterator[None]:
    """Count the rows in the errors raised within from the file's first row on."""
    try:
        yield
    except ConfembError as error:
        text = re.sub(r"\brow (\d+)", lambda found: f"row {int(found[1]) + first}", str(error))
        raise ConfembError(text) from error
