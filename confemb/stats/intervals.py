"""`SimilarityInterval`: between which bounds similarities lie, for one source of uncertainty; its file, its making."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from confemb.records.indices import pair_indices
from confemb.records.predictions import check_class_names
from confemb.stats.seeds import pair_square
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, whole_file
from confemb.support.npz import read_record

# In the order in which they are told: from the cheapest to draw anew to the dearest.
Source = Literal["seeds", "pictures", "retrainings"]
SOURCES: tuple[Source, ...] = get_args(Source)
LEVEL = 0.95

# Fisher's transformation has no value at a cosine of 1 (or -1).
_NEAREST_TO_ONE = 1.0 - 1e-6


@dataclass(frozen=True, eq=False)
class SimilarityInterval:
    """Where 95 % of the similarities would fall if one source of chance were drawn anew, the others held.

    * "seeds": the same pairs embedded from other seeds; the 2.5 and 97.5 percentiles of the runs.
    * "pictures": other pictures of the same kind shown to the same classifier; see `Spread`.
    * "retrainings": the same network trained again from other seeds on the same pictures.

    Attributes:
        source: what was drawn anew.
        low, high: (K, K) float64, the bounds for every two classes; NaN where they are not known.
        class_names: the K class names.
        replicates: how many runs, bootstrap replicates or networks the bounds are from.
    """

    source: Source
    low: np.ndarray
    high: np.ndarray
    class_names: tuple[str, ...]
    replicates: int

    def __post_init__(self) -> None:
        """Raise ConfembError for an unknown source, shapes that do not fit, or bounds that cross."""
        names = tuple(check_class_names(self.class_names))
        object.__setattr__(self, "class_names", names)
        if self.source not in SOURCES:
            raise ConfembError(f"the source of an interval is {self.source!r}; it must be one of {', '.join(SOURCES)}.")
        for what in ("low", "high"):
            bound = np.asarray(getattr(self, what), np.float64)
            if bound.shape != (len(names), len(names)):
                raise ConfembError(f"bounds have shape {bound.shape}, but there are {len(names)} classes.")
            object.__setattr__(self, what, bound)
        if (self.low > self.high).any():
            raise ConfembError(f"an interval over {self.source} has a lower bound above its upper bound.")

    def rounded(self) -> "SimilarityInterval":
        """Return the interval with its bounds in the precision of float32, as `save_intervals` keeps them."""
        low, high = (bound.astype(np.float32).astype(np.float64) for bound in (self.low, self.high))
        return replace(self, low=low, high=high)

    def between(self, row: int, column: int) -> tuple[float, float] | None:
        """Return the bounds for two class indices, or None where they are not known."""
        low, high = float(self.low[row, column]), float(self.high[row, column])
        return None if np.isnan(low) or np.isnan(high) else (low, high)

    def widened(self, low: np.ndarray, high: np.ndarray) -> "SimilarityInterval":
        """Return the interval that holds both this one and other (K, K) bounds, where this one is known."""
        return replace(self, low=np.minimum(self.low, low), high=np.maximum(self.high, high))


def save_intervals(intervals: Iterable[SimilarityInterval], path: str | os.PathLike[str]) -> None:
    """Write the intervals of several sources over the same classes to one NPZ file; nothing is pickled.

    Arrays: `class_names` (K,), and for each source SOURCE_low and SOURCE_high, (P,) float32 in upper-triangle order,
    and SOURCE_replicates.

    Raises:
        ConfembError: intervals over different classes, or two of one source.
    """
    arrays: dict[str, np.ndarray] = {}
    for interval in intervals:
        names = np.array(interval.class_names, dtype=np.str_)
        if not np.array_equal(arrays.setdefault("class_names", names), names):
            raise ConfembError("intervals over different classes do not go into one file.")
        if f"{interval.source}_low" in arrays:
            raise ConfembError(f"there are two intervals over {interval.source}; give one.")
        upper = pair_indices(len(names))
        arrays[f"{interval.source}_low"] = interval.low[upper].astype(np.float32)
        arrays[f"{interval.source}_high"] = interval.high[upper].astype(np.float32)
        arrays[f"{interval.source}_replicates"] = np.array(interval.replicates, np.int64)
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the keyword for its own option


def load_intervals(path: str | os.PathLike[str]) -> tuple[SimilarityInterval, ...]:
    """Read what `save_intervals` wrote; raises ConfembError for anything else."""
    wanted = {"class_names": ("U", 1)}
    for source in SOURCES:
        wanted |= {f"{source}_low?": ("f", 1), f"{source}_high?": ("f", 1), f"{source}_replicates?": ("iu", 0)}
    try:
        return _intervals(read_record(read_bytes(path), wanted))
    # An interval without one of its bounds, or of another number of classes.
    except (KeyError, ValueError, ConfembError) as error:
        raise ConfembError(f"cannot read the intervals in {path}: {error}") from error


def _intervals(arrays: Mapping[str, np.ndarray]) -> tuple[SimilarityInterval, ...]:
    names = tuple(arrays["class_names"].tolist())
    return tuple(
        SimilarityInterval(
            source,
            pair_square(arrays[f"{source}_low"], len(names)),
            pair_square(arrays[f"{source}_high"], len(names)),
            names,
            int(arrays[f"{source}_replicates"]),
        )
        for source in SOURCES
        if f"{source}_low" in arrays
    )


def fisher_z(cosines: np.ndarray) -> np.ndarray:
    """Return Fisher's z = artanh of cosines, float64 of the same shape; 1 and -1 count as just inside."""
    return np.arctanh(np.clip(cosines.astype(np.float64), -_NEAREST_TO_ONE, _NEAREST_TO_ONE))


class Spread:
    """How much P similarities vary over bootstrap replicates, added up one replicate at a time.

    A replicate may be embedded several times, from other seeds. What varies within a replicate then comes from the
    seeds, and is taken off what varies between replicates: the one-way random-effects analysis of variance (Searle,
    Casella & McCulloch 1992, section 3.6), on Fisher's z = artanh of the cosines. Only sums are kept, so that memory
    does not grow with the replicates.
    """

    def __init__(self, pairs: int) -> None:
        """Begin without replicates of `pairs` similarities."""
        self.replicates = 0
        # For each pair: replicates in which it is known, their mean, the sum of squares about it.
        self._known = np.zeros(pairs)
        self._mean = np.zeros(pairs)
        self._between = np.zeros(pairs)
        # The sum over replicates of 1 / runs, and sum of squares and degrees of freedom within replicates.
        self._inverse_runs = np.zeros(pairs)
        self._within = np.zeros(pairs)
        self._freedom = np.zeros(pairs)

    def add(self, cosines: np.ndarray) -> None:
        """Add one replicate: (runs, P) cosines, NaN where a similarity is not known."""
        self.replicates += 1
        runs, mean = self._add_within(cosines)
        there = runs > 0
        self._known += there
        # Welford's update: no difference of large sums.
        change = np.where(there, mean - self._mean, 0.0)
        self._mean += change / np.maximum(self._known, 1)
        self._between += change * np.where(there, mean - self._mean, 0.0)
        self._inverse_runs += np.divide(1.0, runs, out=np.zeros_like(mean), where=there)

    def add_seeds(self, cosines: np.ndarray) -> None:
        """Add (runs, P) cosines of the counts themselves from several seeds: they tell more of the seeds' variance."""
        self._add_within(cosines)

    def _add_within(self, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add to the sums within; return (P,) the number of known runs and their mean z (0 where there is none)."""
        z = fisher_z(cosines)
        known = ~np.isnan(z)
        runs = known.sum(axis=0)
        z = np.where(known, z, 0.0)
        mean = z.sum(axis=0) / np.maximum(runs, 1)
        self._within += (np.where(known, z - mean, 0.0) ** 2).sum(axis=0)
        self._freedom += np.maximum(runs - 1, 0)
        return runs, mean

    def variance(self) -> np.ndarray:
        """Return (P,) the variance of z that comes from the pictures; NaN where under half the replicates know it.

        Where seeds vary too, the variance is a difference and may come out near 0 or below by chance. It is then set
        to its own standard error, the smallest that can be told from 0: rather too wide than too narrow.
        """
        freedom = self._known - 1
        usable = (freedom >= 1) & (2 * self._known >= self.replicates)
        between = np.divide(self._between, freedom, out=np.full_like(freedom, np.nan), where=usable)
        seeds = np.divide(self._within, self._freedom, out=np.zeros_like(freedom), where=self._freedom > 0)
        share = np.divide(self._inverse_runs, self._known, out=np.ones_like(freedom), where=self._known > 0)
        error = 2 * between**2 / np.maximum(freedom, 1)
        error += 2 * np.divide((share * seeds) ** 2, self._freedom, out=np.zeros_like(seeds), where=self._freedom > 0)
        return np.where(seeds > 0, np.maximum(between - share * seeds, np.sqrt(error)), between)

    def interval(self, cosines: np.ndarray, class_names: tuple[str, ...]) -> SimilarityInterval:
        """Return the interval over pictures around the (P,) cosines that were found.

        tanh(z +- t s), with s the standard deviation of z over pictures and t Student's quantile. For seeded embedders,
        whose replicates are few and vary by their seeds too; deterministic ones take the replicates' percentiles, see
        `stats.posterior.Tails`. How often both hold the truth: `experiments/coverage.py`.
        """
        from scipy import stats

        freedom = np.maximum(self._known - 1, 1)
        half = stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(self.variance())
        z = fisher_z(cosines)
        # The value found lies within its interval even where rounding or the clipping at 1 would put it outside.
        low = np.where(np.isnan(half), np.nan, np.minimum(np.tanh(z - half), cosines))
        high = np.where(np.isnan(half), np.nan, np.maximum(np.tanh(z + half), cosines))
        size = len(class_names)
        return SimilarityInterval(
            "pictures", pair_square(low, size), pair_square(high, size), class_names, self.replicates
        )
