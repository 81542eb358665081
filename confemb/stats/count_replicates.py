"""Bootstrap replicates that are counted along with the pairs, for predictions too many to be kept.

Each replicate draws every picture by its id alone (`stats.bootstrap.poisson_weights`), so that shards counted apart
add up to the very replicates that the predictions as a whole would give.
"""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from confemb.records.pair_weights import Weighting
from confemb.records.pairs import PairCounts, PairSum, count_pairs
from confemb.records.prediction_files import holds_counts
from confemb.records.predictions import Predictions
from confemb.stats.bootstrap import picture_hashes, poisson_weights
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, whole_file
from confemb.support.npz import array_names, read_record

# The arrays beside those of the counts.
_SAVED = {"replicates": ("iu", 2), "replicates_seed": ("iu", 0)}


@dataclass(frozen=True, eq=False)
class CountReplicates:
    """Pair counts, and how often each cell was counted in each bootstrap replicate of the pictures.

    Attributes:
        counts: all pairs, as they were counted.
        drawn: (B, M) int64, a row for each replicate, a column for each of the counts' cells.
        seed: drew them.
    """

    counts: PairCounts
    drawn: np.ndarray
    seed: int

    def __post_init__(self) -> None:
        """Raise ConfembError where the replicates are not of these counts."""
        if self.drawn.ndim != 2 or self.drawn.shape[1] != len(self.counts.counts) or (self.drawn < 0).any():
            raise ConfembError(
                f"its replicates have shape {self.drawn.shape}, but there are {len(self.counts.counts)} cells: count "
                "again."
            )
        object.__setattr__(self, "drawn", self.drawn.astype(np.int64, copy=False))

    def __len__(self) -> int:
        """Return how many replicates there are."""
        return len(self.drawn)

    def replicate(self, number: int) -> PairCounts:
        """Return the counts of one replicate, without the cells that it lacks; classes without pictures stay."""
        counts, there = self.counts, self.drawn[number] > 0
        return replace(
            counts,
            true=counts.true[there],
            predicted=counts.predicted[there],
            rank=counts.rank[there],
            counts=self.drawn[number][there],
            shards=(),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one NPZ file: that of the counts, which `PairCounts.load` reads, with two arrays more."""
        narrow = np.min_scalar_type(int(self.drawn.max(initial=0)))
        arrays = {"replicates": self.drawn.astype(narrow), "replicates_seed": np.array(self.seed, np.int64)}
        with whole_file(path) as temporary:
            self.counts.save(temporary)
            with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, array, allow_pickle=False)


def load_replicates(path: str | os.PathLike[str]) -> CountReplicates | None:
    """Read what `CountReplicates.save` wrote; None for counts without replicates, and for other files.

    Raises:
        ConfembError: replicates that do not fit their counts.
    """
    content = read_bytes(path) if Path(path).suffix.lower() == ".npz" else b""
    if not content or not holds_counts(content) or not set(_SAVED) <= set(array_names(content)):
        return None
    try:
        arrays = read_record(content, _SAVED)
        return CountReplicates(PairCounts.from_npz(content), arrays["replicates"], int(arrays["replicates_seed"]))
    except ConfembError as error:
        raise ConfembError(f"cannot read the pair counts in {path}: {error}") from error


@dataclass(frozen=True, eq=False)
class CountedResampling:
    """Draws the pictures anew as they were drawn while they were counted.

    The replicates are those that `stats.bootstrap.PictureResampling` draws from the predictions with the same seed.
    Halves cannot be had: which pictures are in which is settled when all of a class are known.

    Attributes:
        replicates: what was counted.
        like: the pairs that are embedded, selected from the same counts (`PairCounts.select`).
        class_names: the order of the classes that was asked for there, or None.
    """

    replicates: CountReplicates
    like: PairCounts
    class_names: Sequence[str] | None = None

    def whole(self) -> PairCounts:
        """Return the pairs that are embedded."""
        return self.like

    def replicate(self, number: int) -> PairCounts:
        """Return the counts of bootstrap replicate `number`, of those classes only that have pictures in it."""
        return self.replicates.replicate(number).select(
            k=self.like.k, self_pairs=self.like.self_pairs, missing_classes="drop", class_names=self.class_names
        )

    def halves(self, number: int) -> tuple[PairCounts, PairCounts]:
        """Raise ConfembError."""
        raise ConfembError("counts do not know halves of their pictures: give the predictions.")


class ReplicateSum:
    """Adds up the replicates of many predictions, and of counts that have some; the order makes no difference."""

    def __init__(self, replicates: int, *, seed: int) -> None:
        """Begin with as many empty replicates."""
        self.seed = seed
        self._sums = [PairSum() for _ in range(replicates)]

    def add(self, predictions: Predictions, *, k: int, weighting: Weighting, temperature: float) -> None:
        """Draw the pictures of some predictions; raises ConfembError where they have no ids."""
        if predictions.ids is None:
            raise ConfembError("its pictures have no ids by which they could be drawn: give a column id, or array ids.")
        hashes = picture_hashes(predictions)
        for number, total in enumerate(self._sums):
            repeats = poisson_weights(hashes, seed=self.seed, replicate=number)
            if repeats.any():
                options = {"weighting": weighting, "temperature": temperature, "repeats": repeats}
                total.add(count_pairs(predictions, k=k, missing_classes="keep", **options))  # type: ignore[arg-type]

    def add_counted(self, found: CountReplicates | None, *, k: int, class_names: Sequence[str] | None) -> None:
        """Add the replicates of counts; raises ConfembError where they are not there, or drawn by another seed."""
        if found is None:
            raise ConfembError(
                "its pictures are not known and it holds no replicates: count its predictions with --bootstraps, or "
                "leave replicates out (--bootstraps 0)."
            )
        if len(found) < len(self._sums) or found.seed != self.seed:
            raise ConfembError(
                f"it holds {len(found)} replicates of seed {found.seed}, but {len(self._sums)} of seed {self.seed} are "
                "wanted: count with the same --bootstraps and --seed."
            )
        for number, total in enumerate(self._sums):
            if found.drawn[number].any():
                total.add(found.replicate(number).select(k=k, class_names=class_names, missing_classes="keep"))

    def of(self, counts: PairCounts) -> CountReplicates:
        """Return the replicates of `counts`, the sum of all that was drawn from."""
        codes = counts.codes()
        drawn = np.zeros((len(self._sums), len(codes)), np.int64)
        for row, total in zip(drawn, self._sums, strict=True):
            if not total.empty:
                own = total.counts()
                row[np.searchsorted(codes, own.codes())] = own.counts
        return CountReplicates(counts, drawn, self.seed)
