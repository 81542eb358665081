"""How far a similarity can be relied on: split halves of the pictures, neighbours that stay, a fitting dimension."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.embedders import Embedder
from confemb.embedders.counts import count_similarity
from confemb.records.embedding import EmbeddingRuns, cosines
from confemb.records.indices import pair_indices
from confemb.records.pairs import PairCounts
from confemb.stats.bootstrap import Resampling, run_cosines
from confemb.stats.intervals import Source
from confemb.stats.seeds import pair_square
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps

NEIGHBOURS = 10
MOST_RUNS_COMPARED_WHOLE = 20
# Dimensions that are tried, as far as there are more classes; between them little changes.
_DIMENSIONS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300)
_FEW_DIMENSIONS = (2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300)
_MANY_CLASSES = 50


@dataclass(frozen=True)
class SplitHalf:
    """How alike the similarities of two halves of the pictures are.

    Attributes:
        spearman: the rank correlation over the pairs of classes between the halves of each random split.
    """

    spearman: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the splits, from -1 to 1."""
        return float(np.mean(self.spearman))

    @property
    def corrected(self) -> float:
        """The reliability to expect of all pictures, 2 r / (1 + r) (Spearman 1910, Brown 1910).

        Each half has half the pictures, so its own correlation understates the whole. The formula is exact for
        Pearson correlations of parallel halves; ranks come near that. A correlation below 0 is left as it is.
        """
        return 2 * self.mean / (1 + self.mean) if self.mean > 0 else self.mean


@dataclass(frozen=True)
class NeighbourOverlap:
    """How many of a class's nearest classes two runs have in common (Wendlandt et al. 2018; here as Jaccard).

    Attributes:
        source: what differs between the runs, "seeds" or "pictures".
        top: how many nearest classes of each class were compared.
        jaccard: classes in both lists by classes in either, the mean over classes and comparisons, from 0 to 1.
        chance: the same to expect of lists drawn at random.
        comparisons: how many pairs of runs were compared.
    """

    source: Source
    top: int
    jaccard: float
    chance: float
    comparisons: int


@dataclass(frozen=True)
class DimensionChoice:
    """How well an embedding of one half of the pictures foretells the plain counts of the other half, by dimension.

    Attributes:
        dims: the dimensions tried, rising.
        scores: the mean Spearman correlation for each.
        errors: its standard error over splits and directions, for each.
        ceiling: the same between the plain counts of both halves.
        used: the dimension of the result itself.
    """

    dims: tuple[int, ...]
    scores: tuple[float, ...]
    errors: tuple[float, ...]
    ceiling: float
    used: int

    @property
    def best(self) -> int:
        """The dimension with the highest mean score."""
        return self.dims[int(np.argmax(self.scores))]

    @property
    def suggested(self) -> int:
        """The smallest dimension within one standard error of the best (Breiman et al. 1984, section 3.4.3)."""
        top = int(np.argmax(self.scores))
        enough = self.scores[top] - self.errors[top]
        return next(dim for dim, score in zip(self.dims, self.scores, strict=True) if score >= enough)


@dataclass(frozen=True)
class Reliability:
    """What is known of a result's reliability; None or empty where it was not measured."""

    split_half: SplitHalf | None = None
    overlaps: tuple[NeighbourOverlap, ...] = ()
    dimension: DimensionChoice | None = None


def split_half(
    resampling: Resampling,
    embedder: Embedder,
    class_names: tuple[str, ...],
    *,
    splits: int,
    seed: int,
    progress: Steps | None = None,
) -> SplitHalf | None:
    """Embed random halves of the pictures apart, and compare their similarities.

    A seeded embedder is run twice on each half and its cosines averaged; what its seeds do is part of the result.

    Args:
        resampling: draws the halves, stratified by class.
        embedder: makes the vectors of each half.
        class_names: the K classes.
        splits: how many random splits, at least 1.
        seed: the embedding seeds follow from it.
        progress: called with (splits done, splits in all).

    Returns:
        None where no split has three pairs of classes known in both halves, or too few pictures to embed.
    """
    found = []
    for number in range(splits):
        try:
            halves = resampling.halves(number)
            first, second = (
                run_cosines(embedder, half, class_names, key=f"half/{seed}/{number}/{side}").mean(axis=0)
                for side, half in enumerate(halves)
            )
            found.append(_spearman(first, second))
        except ConfembError:
            # Half of so few pictures that a class got no vector.
            found.append(float("nan"))
        if progress is not None:
            progress(number + 1, splits)
    known = tuple(value for value in found if not math.isnan(value))
    return SplitHalf(known) if known else None


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return the rank correlation over what both know; NaN for fewer than three values, or equal ones."""
    from scipy import stats

    known = ~(np.isnan(first) | np.isnan(second))
    # Vectors are float32: beyond six decimals equal cosines (of pairs never confused, say) differ by rounding only.
    first, second = np.round(first[known].astype(np.float64), 6), np.round(second[known].astype(np.float64), 6)
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])


def neighbours_shown(classes: int) -> int:
    """Return how many neighbours to compare: ten, but at most a third of the others, or all lists would be alike."""
    return max(1, min(NEIGHBOURS, (classes - 1) // 3))


def top_neighbours(pairs: np.ndarray, classes: int, top: int) -> np.ndarray:
    """Return (K, top) int32 indices of each class's most similar others, in no order, those not known last.

    Args:
        pairs: (P,) similarities in upper-triangle order, NaN where not known.
        classes: K, at least 2.
        top: from 1 to K - 1.
    """
    values = pair_square(pairs, classes).astype(np.float32)
    np.copyto(values, -2.0, where=np.isnan(values))
    np.fill_diagonal(values, -3.0)
    return np.argpartition(-values, top - 1, axis=1)[:, :top].astype(np.int32)


def mean_jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean Jaccard index of (K, top) neighbour lists of two runs, row by row."""
    top = first.shape[1]
    common = (first[:, :, None] == second[:, None, :]).sum(axis=(1, 2))
    return float((common / (2 * top - common)).mean())


def chance_jaccard(classes: int, top: int) -> float:
    """Return the mean Jaccard index of two lists of `top` of K - 1 classes drawn at random (hypergeometric)."""
    others = classes - 1
    ways = [math.comb(top, c) * math.comb(others - top, top - c) for c in range(top + 1)]
    return sum(way / math.comb(others, top) * c / (2 * top - c) for c, way in enumerate(ways))


def neighbour_overlap(lists: Sequence[np.ndarray], classes: int, source: Source) -> NeighbourOverlap | None:
    """Compare the neighbour lists of runs; None for fewer than two runs, or fewer than three classes.

    Of up to 20 runs every two are compared; of more, each with the next, since there are enough of them.

    Args:
        lists: for each run (K, top), see `top_neighbours`.
        classes: K.
        source: what differs between the runs.
    """
    if len(lists) < 2 or classes < 3:
        return None
    count = len(lists)
    few = count <= MOST_RUNS_COMPARED_WHOLE
    pairs = [(i, j) for i in range(count) for j in range(i)] if few else [(i, i - 1) for i in range(1, count)]
    overlaps = [mean_jaccard(lists[i], lists[j]) for i, j in pairs]
    top = lists[0].shape[1]
    return NeighbourOverlap(source, top, float(np.mean(overlaps)), chance_jaccard(classes, top), len(pairs))


def seed_overlap(runs: EmbeddingRuns) -> NeighbourOverlap | None:
    """Compare the neighbours of every two runs from different seeds; None for a single run or two classes."""
    classes = len(runs.class_names)
    if len(runs) < 2 or classes < 3:
        return None
    upper = pair_indices(classes)
    top = neighbours_shown(classes)
    lists = [top_neighbours(cosines(vectors)[upper], classes, top) for vectors in runs.vectors]
    return neighbour_overlap(lists, classes, "seeds")


def choose_dimension(
    resampling: Resampling,
    embedder: Embedder,
    class_names: tuple[str, ...],
    *,
    splits: int,
    seed: int,
    used: int,
    progress: Steps | None = None,
) -> DimensionChoice | None:
    """Try dimensions by twofold cross-validation over the pictures.

    One half is embedded; its cosines are compared, by rank, with the plain counts of the other half (row-normalised,
    symmetrised: `count_similarity`). Too few dimensions blur classes together, too many follow the chance of the
    half; reliability alone would not do, since a single dimension is perfectly reliable and says next to nothing.
    The judge is how often classes are taken for one another directly: whether two classes are alike without ever
    being confused, which an embedding can also show, is not judged. Each half has half the pictures, so all of them
    may carry a little more than is suggested; splits share pictures, so the standard error is a rough one.

    Args:
        resampling: draws the halves, stratified by class.
        embedder: a dataclass with a field `dim`.
        class_names: the K classes.
        splits: how many random splits, at least 1.
        seed: the embedding seeds follow from it.
        used: the dimension of the result itself.
        progress: called with (embeddings done, embeddings in all).

    Returns:
        None where the embedder has no dimension to choose or keeps them all (`whole`), there are fewer than four
        classes, or too few pictures.
    """
    classes = len(class_names)
    if not dataclasses.is_dataclass(embedder) or classes < 4:
        return None
    if "dim" not in {field.name for field in dataclasses.fields(embedder)} or getattr(embedder, "whole", False):
        return None
    tried = _DIMENSIONS if classes <= _MANY_CLASSES else _FEW_DIMENSIONS
    dims = sorted({dim for dim in (*tried, used) if dim < classes})
    scores: list[list[float]] = []
    ceilings: list[float] = []
    for number in range(splits):
        try:
            halves = resampling.halves(number)
            plain = [_count_pairs_of(half, class_names) for half in halves]
            rows: list[list[float]] = [[], []]
            for done, dim in enumerate(dims):
                sized = dataclasses.replace(embedder, dim=dim)
                for side, half in enumerate(halves):
                    key = f"dimension/{seed}/{number}/{side}/{dim}"
                    cosine = run_cosines(sized, half, class_names, key=key, runs=1)[0]
                    rows[side].append(_spearman(cosine, plain[1 - side]))
                if progress is not None:
                    progress(number * len(dims) + done + 1, splits * len(dims))
        except ConfembError:
            continue
        scores += rows
        ceilings.append(_spearman(*plain))
    table = np.array(scores, np.float64).reshape(-1, len(dims))
    if len(table) == 0 or np.isnan(table).any():
        return None
    errors = table.std(axis=0, ddof=1) / np.sqrt(len(table))
    return DimensionChoice(
        tuple(dims),
        tuple(table.mean(axis=0).tolist()),
        tuple(errors.tolist()),
        float(np.mean(ceilings)),
        used,
    )


def _count_pairs_of(counts: PairCounts, class_names: tuple[str, ...]) -> np.ndarray:
    """Return (P,) the plain count similarities laid out for `class_names`; NaN for classes without pictures."""
    return count_similarity(counts).laid_out(class_names)[pair_indices(len(class_names))]
