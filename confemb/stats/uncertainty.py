"""How much of a result is chance: measures intervals over pictures and reliability, keeps both in files."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from confemb.embedders import Embedder
from confemb.records.embedding import EmbeddingRuns, cosines
from confemb.records.indices import pair_indices
from confemb.stats.bootstrap import Resampling, replicate_cosines, runs_of
from confemb.stats.groups import two_values
from confemb.stats.intervals import LEVEL, SOURCES, SimilarityInterval, Source, Spread, load_intervals, save_intervals
from confemb.stats.posterior import PosteriorResampling, Tails
from confemb.stats.reliability import (
    NeighbourOverlap,
    Reliability,
    choose_dimension,
    neighbour_overlap,
    neighbours_shown,
    seed_overlap,
    split_half,
    top_neighbours,
)
from confemb.stats.seeds import RunSummary, pair_square, summarise_runs
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, write_json
from confemb.support.progress import Progress, Steps

INTERVALS = "similarity_intervals.npz"
RELIABILITY = "reliability.json"
UNCERTAINTY_FILES = (INTERVALS, RELIABILITY)

# A deterministic embedder takes milliseconds. One run of skip-gram on 60,000 pictures takes about a second, and each
# replicate and half is embedded twice: 20 replicates, 5 splits and 3 more for the dimensions take about 90 seconds.
_PICTURES = {"deterministic": 200, "seeded": 20}
_SPLIT_HALVES = {"deterministic": 10, "seeded": 5}
_DIMENSION_SPLITS = {"deterministic": 5, "seeded": 3}
# Of fewer replicates the outermost 5 % are one or two, and the spread of all says more.
FEWEST_FOR_PERCENTILES = 60
# Beyond, trying dimensions with a seeded embedder would take longer than all else together.
_MOST_CLASSES_FOR_SEEDED_DIMENSIONS = 30
# A replicate of 2,000 classes takes some 5 s, and each takes eight times as long for twice as many.
MOST_CLASSES_MEASURED = 2_000


@dataclass(frozen=True)
class Effort:
    """How much is drawn to measure the uncertainty; 0 leaves a part out.

    Attributes:
        pictures: bootstrap replicates of the pictures.
        split_halves: random splits into halves for the reliability.
        dimension_splits: random splits into halves on which dimensions are tried.
    """

    pictures: int
    split_halves: int
    dimension_splits: int

    @property
    def none(self) -> bool:
        """Whether nothing is to be measured."""
        return not (self.pictures or self.split_halves or self.dimension_splits)


def choose_effort(
    embedder: Embedder,
    classes: int,
    *,
    pictures: int | None = None,
    split_halves: int | None = None,
    dimension_splits: int | None = None,
) -> Effort:
    """Fill in what was not chosen (None), by what the embedder costs.

    For a deterministic embedder 200 replicates, 10 and 5 splits; for a seeded one 20 replicates of two runs, 5 and 3
    splits, and beyond 30 classes no search for a dimension. Beyond `MOST_CLASSES_MEASURED` classes nothing is measured
    unless it was chosen.
    """
    kind = "deterministic" if runs_of(embedder) == 1 else "seeded"
    if classes > MOST_CLASSES_MEASURED:
        pictures, split_halves, dimension_splits = (
            0 if chosen is None else chosen for chosen in (pictures, split_halves, dimension_splits)
        )
    if dimension_splits is None and kind == "seeded" and classes > _MOST_CLASSES_FOR_SEEDED_DIMENSIONS:
        dimension_splits = 0
    return Effort(
        _PICTURES[kind] if pictures is None else pictures,
        _SPLIT_HALVES[kind] if split_halves is None else split_halves,
        _DIMENSION_SPLITS[kind] if dimension_splits is None else dimension_splits,
    )


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How much of a result is chance.

    Attributes:
        intervals: of each source that was measured beside the seeds, whose interval follows from the runs.
        reliability: split halves, neighbours, dimension.
    """

    intervals: tuple[SimilarityInterval, ...] = ()
    reliability: Reliability = field(default_factory=Reliability)

    def __post_init__(self) -> None:
        """Round the intervals to what their file keeps, so that an analysis just made equals the one read back."""
        object.__setattr__(self, "intervals", tuple(interval.rounded() for interval in self.intervals))

    def save(self, folder: Path) -> list[str]:
        """Write `similarity_intervals.npz`, where there are intervals, and `reliability.json`; return their names."""
        files = [RELIABILITY]
        if self.intervals:
            save_intervals(self.intervals, folder / INTERVALS)
            files.append(INTERVALS)
        write_json(folder / RELIABILITY, dataclasses.asdict(self.reliability))
        return files

    @classmethod
    def load(cls, folder: Path, files: list[str]) -> "Uncertainty":
        """Read those of the `files` that `save` wrote; raises ConfembError for anything else."""
        intervals = load_intervals(folder / INTERVALS) if INTERVALS in files else ()
        reliability = _load_reliability(folder / RELIABILITY) if RELIABILITY in files else Reliability()
        return cls(intervals, reliability)


def _load_reliability(path: Path) -> Reliability:
    try:
        # JSON has lists where the record has tuples; other types, and other names, are refused.
        return TypeAdapter(Reliability).validate_json(read_bytes(path))
    except (ValidationError, RecursionError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is nested too deeply"
        raise ConfembError(f"cannot read the reliability in {path}: {reason}.") from error


def intervals_by_source(summary: RunSummary, runs: int, uncertainty: Uncertainty) -> dict[Source, SimilarityInterval]:
    """Return the intervals of all sources that were measured, the seeds' from the summary of the runs first."""
    found = {interval.source: interval for interval in uncertainty.intervals}
    similarity = summary.similarity
    if similarity.low is not None and similarity.high is not None:
        found["seeds"] = SimilarityInterval("seeds", similarity.low, similarity.high, similarity.class_names, runs)
    return {source: found[source] for source in SOURCES if source in found}


def measure_uncertainty(
    resampling: Resampling,
    embedder: Embedder,
    runs: EmbeddingRuns,
    effort: Effort,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Uncertainty:
    """Draw the pictures anew in every way asked for, embed what was drawn, and say how far the similarities move.

    Where the runs fall into two groups, only those replicates' runs count that land in the larger one, and the
    interval of a pair with two values stands around the larger one's: which group a run lands in is the seeds' doing.

    Args:
        resampling: draws the pictures of the result.
        embedder: the one that made the runs.
        runs: the result's own embeddings.
        effort: how much is drawn.
        seed: the embedding seeds of what is drawn follow from it; what is drawn, from the resampling's own.
        progress: called with (what, steps done, steps in all).

    Raises:
        ConfembError: no replicate has enough pictures to be embedded.
    """
    names = runs.class_names

    def step(what: str) -> Steps:
        return lambda done, total: None if progress is None else progress(what, done, total)

    overlaps = [seed_overlap(runs)]
    intervals = []
    if effort.pictures > 1 and len(names) > 1:
        # Fitted once to all pictures, an embedder may give the cosines of a replicate in a fraction of the time.
        fitted = embedder.fit(resampling.whole()) if hasattr(embedder, "fit") else embedder
        interval, overlap = _over_pictures(
            resampling, fitted, runs, effort.pictures, seed=seed, progress=step("bootstrap")
        )
        if hasattr(fitted, "interval"):
            interval = interval.widened(*fitted.interval(LEVEL))
        intervals.append(interval)
        overlaps.append(overlap)
    half = dimension = None
    if effort.split_halves:
        half = split_half(
            resampling, embedder, names, splits=effort.split_halves, seed=seed, progress=step("split halves")
        )
    if effort.dimension_splits:
        dimension = choose_dimension(
            resampling,
            embedder,
            names,
            splits=effort.dimension_splits,
            seed=seed,
            used=runs.vectors.shape[2],
            progress=step("dimensions"),
        )
    known = tuple(overlap for overlap in overlaps if overlap is not None)
    return Uncertainty(tuple(intervals), Reliability(half, known, dimension))


def _over_pictures(
    resampling: Resampling,
    embedder: Embedder,
    runs: EmbeddingRuns,
    replicates: int,
    *,
    seed: int,
    progress: Steps,
) -> tuple[SimilarityInterval, NeighbourOverlap | None]:
    """Return the interval over the pictures, and how many neighbours two replicates have in common."""
    names = runs.class_names
    classes = len(names)
    upper = pair_indices(classes)
    found = np.stack([cosines(vectors)[upper] for vectors in runs.vectors]).astype(np.float32)
    middle = np.median(found, axis=0)
    basins = summarise_runs(runs).basins
    two = two_values(runs, basins)
    centres = None
    if basins is not None and two is not None:
        centres = two.medians[:, *upper]
        middle = np.where(two.apart[upper], centres[0], middle)
        found = found[list(basins.runs[0])]
    top = neighbours_shown(classes)
    spread = Spread(len(upper[0]))
    tails = None
    # What an embedder does not know of empty cells itself, a prior on the cells does.
    knows_empty_cells = hasattr(embedder, "interval")
    if runs_of(embedder) > 1:
        spread.add_seeds(found)
    elif not knows_empty_cells:
        tails = Tails(len(upper[0]), replicates)
    lists = []
    drawn = resampling if knows_empty_cells else PosteriorResampling(resampling, seed)
    for values in replicate_cosines(drawn, embedder, names, replicates=replicates, seed=seed, progress=progress):
        if not np.isnan(values[0]).all():
            lists.append(top_neighbours(values[0], classes, top))
        if centres is not None:
            values = _of_the_first(values, centres)
        spread.add(values)
        if tails is not None:
            tails.add(values[0])
    if tails is not None and replicates >= FEWEST_FOR_PERCENTILES:
        return percentile_interval(tails, middle, names), neighbour_overlap(lists, classes, "pictures")
    return spread.interval(middle, names), neighbour_overlap(lists, classes, "pictures")


def percentile_interval(tails: Tails, values: np.ndarray, class_names: tuple[str, ...]) -> SimilarityInterval:
    """Return the interval of the percentiles, widened to the value found where that lies outside.

    Where a cell is empty the value found may be the least there is, and all replicates lie above it.

    Args:
        tails: of all replicates.
        values: (P,) the similarities found.
        class_names: the K classes.
    """
    low, high = tails.bounds()
    low, high = np.minimum(low, values), np.maximum(high, values)
    size = len(class_names)
    return SimilarityInterval(
        "pictures", pair_square(low, size), pair_square(high, size), class_names, tails.replicates
    )


def _of_the_first(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return (runs, P) cosines with NaN for the runs that are nearer to the second of (2, P) centres."""
    distances = np.stack([np.nansum((values - centre) ** 2, axis=1) for centre in centres])
    return np.where((distances[0] <= distances[1])[:, None], values, np.nan)
