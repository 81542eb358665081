"""How steady a similarity is over seeds, how far declared groups separate, and agreement run by run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from confemb.records.embedding import EmbeddingRuns, cosines
from confemb.records.indices import name_index, pair_indices
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.dip import dip_p_value
from confemb.support.errors import ConfembError, unknown_name

# Kaufman & Rousseeuw (1990) call a mean silhouette above 0.70 a strong structure.
CLEAR_SILHOUETTE = 0.70
# The chance that runs which scatter about one place are said to be two groups, by the dip and by the gap.
DIP_ERROR, GAP_ERROR = 0.04, 0.005
# A run or two far from the rest are outliers, as heavy tails give them; a group has at least three members.
FEWEST_IN_A_GROUP = 3
FEWEST_RUNS_FOR_BASINS = 2 * FEWEST_IN_A_GROUP


@dataclass(frozen=True)
class PairDifference:
    """One pair of classes on which two basins differ: its median cosine in each basin."""

    class_1: str
    class_2: str
    medians: tuple[float, float]


@dataclass(frozen=True)
class Basins:
    """Two groups of runs: the training settles in one of two places, depending on the seed.

    Attributes:
        runs: the run indices of both basins; the basin with more runs comes first.
        silhouette: the mean silhouette of the grouping, from -1 to 1 (1: fully apart).
        differences: the pairs of classes whose medians differ most between the basins, most first.
    """

    runs: tuple[tuple[int, ...], tuple[int, ...]]
    silhouette: float
    differences: tuple[PairDifference, ...]


@dataclass(frozen=True, eq=False)
class RunSummary:
    """What several runs of one embedder agree on.

    Attributes:
        similarity: for each pair the median cosine over the runs, with the 2.5 and 97.5 percentiles as
            `low` and `high` (None for a single run).
        medoid: the index of the run whose cosines are nearest to those of all the others.
        rank_agreement: the mean Spearman correlation between the pair orders of two runs, from -1 to 1;
            NaN with one run or fewer than three pairs.
        basins: the two groups the runs fall into, or None where they form one.
    """

    similarity: SimilarityMatrix
    medoid: int
    rank_agreement: float
    basins: Basins | None


def summarise_runs(runs: EmbeddingRuns, *, differences: int = 6) -> RunSummary:
    """Summarise the cosines of all runs: centre, interval, most central run, basins, rank agreement.

    Runs are compared by the root mean square difference of their cosines over all pairs of classes; whether they
    fall into two groups, see `find_basins`.

    Args:
        runs: the embeddings from S seeds.
        differences: how many of the pairs that differ most between two basins to keep.
    """
    names = runs.class_names
    values = _pair_cosines(runs)
    if len(runs) == 1:
        return RunSummary(SimilarityMatrix(pair_square(values[0], len(names)), names), 0, float("nan"), None)
    low, median, high = np.percentile(values, [2.5, 50.0, 97.5], axis=0)
    low, median, high = (pair_square(pairs, len(names)) for pairs in (low, median, high))
    similarity = SimilarityMatrix(median, names, low, high)
    if values.shape[1] == 0:
        return RunSummary(similarity, 0, float("nan"), None)
    return RunSummary(
        similarity,
        int(np.argmin(_distances(values).sum(axis=1))),
        _mean_rank_correlation(values),
        find_basins(values, names, differences=differences),
    )


def next_run_within(runs: int) -> float:
    """Return how often the interval that holds 95 % of some runs also holds the next run, from 0 to 1.

    Of S independent values of one continuous distribution the next falls between any two neighbours in order with a
    chance of 1 / (S + 1); the percentiles of `summarise_runs` lie 0.95 (S - 1) such steps apart.
    """
    return 0.95 * (runs - 1) / (runs + 1)


def _pair_cosines(runs: EmbeddingRuns) -> np.ndarray:
    """Return (S, P) float32 cosines of the P unordered pairs of classes, in upper-triangle order."""
    upper = pair_indices(len(runs.class_names))
    values = np.empty((len(runs), len(upper[0])), np.float32)
    for row, vectors in zip(values, runs.vectors, strict=True):
        row[:] = cosines(vectors)[upper]
    return values


def pair_square(pairs: np.ndarray, size: int) -> np.ndarray:
    """Lay upper-triangle values out as a symmetric (size, size) matrix with ones on the diagonal."""
    square = np.eye(size)
    rows, columns = pair_indices(size)
    square[rows, columns] = square[columns, rows] = pairs
    return square


def _mean_rank_correlation(values: np.ndarray) -> float:
    """Return the mean Spearman correlation over all pairs of rows of (S, P) values."""
    return float(rank_correlations(values)[pair_indices(len(values))].mean())


def rank_correlations(values: np.ndarray) -> np.ndarray:
    """Return the Spearman correlation of every two rows.

    Args:
        values: (S, P), a row for each of S runs or classifiers, a column for each of P pairs of classes.

    Returns:
        (S, S) float64 from -1 to 1, exactly symmetric, ones on the diagonal. A row of equal values has none with
        any other (NaN), and no row has one over fewer than three columns.
    """
    from scipy import stats

    if values.shape[1] < 3:
        return np.where(np.eye(len(values), dtype=bool), 1.0, np.nan)
    ranks = np.empty(values.shape, np.float64)
    # Row by row: ranking half a million pairs of many rows at once takes several times their memory.
    for out, row in zip(ranks, values, strict=True):
        out[:] = stats.rankdata(row)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks = np.divide(ranks, lengths, out=np.full_like(ranks, np.nan), where=lengths > 0)
    correlations = np.clip(ranks @ ranks.T, -1.0, 1.0)
    correlations = (correlations + correlations.T) / 2
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _distances(values: np.ndarray) -> np.ndarray:
    """Return (S, S) the root mean square difference of every two rows of (S, P) values."""
    return np.array([np.sqrt(np.mean((values - row) ** 2, axis=1, dtype=np.float64)) for row in values])


def find_basins(values: np.ndarray, class_names: Sequence[str], *, differences: int = 6) -> Basins | None:
    """Return the two groups that runs, or networks, fall into; None where they form one, or are too few to tell.

    The runs are laid along the direction in which they vary most (the first principal component) and cut where the
    squares between the two sides are largest, at least three runs on either side. The sides count as basins with a
    mean silhouette of at least `CLEAR_SILHOUETTE`, if a single peak is rejected along that direction by

    * the dip test (Hartigan & Hartigan 1985) at 4 %, which holds whatever the tails and the skew, or
    * the gap between the sides, see `_gap_p_value`, at 0.5 %, which sees a small group where the dip cannot.

    Two groups are announced in at most 5 % of runs with one peak (simulated with 6 to 40 runs along one or three
    directions: normal, Student's t with 1 and 2 degrees of freedom, lognormal, exponential; next to even runs the
    most). Power, with groups 4, 6, 8 and 12 standard deviations apart: 10 and
    10 runs 20, 85, 100 and 100 %; 14 and 6 runs 3, 13, 58 and 93 %; 16 and 4 runs 2, 7, 13 and 58 %; 3 and 3 runs 15,
    43, 82 and 98 %; with three of 20 runs 17 % at twelve, so that a group of three or four runs may go unseen.

    Args:
        values: (S, P) similarities, a row for each run, a column for each pair of classes in upper-triangle order.
        class_names: the K class names.
        differences: how many of the pairs that differ most between the basins to name.
    """
    if len(values) < FEWEST_RUNS_FOR_BASINS:
        return None
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    if not centred.any():
        return None
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    positions = left[:, 0] * lengths[0]
    group = _cut(positions)
    score = silhouette(_distances(values), group)
    # The test takes longer than the silhouette.
    if score < CLEAR_SILHOUETTE:
        return None
    if _gap_p_value(positions, group) >= GAP_ERROR and dip_p_value(positions) >= DIP_ERROR:
        return None
    members = sorted((np.flatnonzero(group == g) for g in (0, 1)), key=lambda m: (-len(m), m[0]))
    medians = [np.median(values[m], axis=0) for m in members]
    most = np.argsort(-np.abs(medians[0] - medians[1]), kind="stable")[:differences]
    upper = pair_indices(len(class_names))
    return Basins(
        (tuple(int(i) for i in members[0]), tuple(int(i) for i in members[1])),
        score,
        tuple(
            PairDifference(
                class_names[upper[0][p]], class_names[upper[1][p]], (float(medians[0][p]), float(medians[1][p]))
            )
            for p in most
        ),
    )


def _cut(positions: np.ndarray) -> np.ndarray:
    """Return (S,) 0 or 1: below and above the cut with the largest squares between, three members each at least."""
    order, size = np.argsort(positions, kind="stable"), len(positions)
    sums, below = np.cumsum(positions[order]), np.arange(1, size)
    between = sums[:-1] ** 2 / below + (sums[-1] - sums[:-1]) ** 2 / (size - below)
    allowed = (below >= FEWEST_IN_A_GROUP) & (size - below >= FEWEST_IN_A_GROUP)
    group = np.ones(size, int)
    group[order[: int(np.where(allowed, between, -np.inf).argmax()) + 1]] = 0
    return group


def _gap_p_value(positions: np.ndarray, group: np.ndarray) -> float:
    """Return how often the m outermost of numbers with one peak stand so close together beyond so wide a gap.

    Away from a peak the distances between neighbours grow outwards. At worst they are exponential spacings of one
    scale, and so wide a gap has the chance 1 / (1 + gap / range) ** (m - 1) (Pyke 1965). 1 where the gap is not the
    widest distance of all.

    Args:
        positions: (S,) numbers.
        group: (S,) 0 or 1, below and above a cut.
    """
    sides = sorted((np.sort(positions[group == g]) for g in (0, 1)), key=len)
    gap = max(sides[0][0] - sides[1][-1], sides[1][0] - sides[0][-1])
    if gap <= max(np.diff(side).max() for side in sides):
        return 1.0
    return float((1 + gap / max(np.ptp(sides[0]), 1e-12 * gap)) ** (1 - len(sides[0])))


def silhouette(distances: np.ndarray, group: np.ndarray) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of a grouping, from -1 to 1; a member alone counts 0.

    Args:
        distances: (S, S) distances, zero on the diagonal.
        group: (S,) the group of each member; at least two groups.
    """
    inside = np.zeros(len(group))
    outside = np.full(len(group), np.inf)
    alone = np.zeros(len(group), bool)
    for g in np.unique(group):
        member = group == g
        sums = distances[:, member].sum(axis=1)
        alone |= member & (member.sum() == 1)
        inside[member] = sums[member] / max(member.sum() - 1, 1)
        outside[~member] = np.minimum(outside[~member], sums[~member] / member.sum())
    larger = np.maximum(inside, outside)
    scores = np.divide(outside - inside, larger, out=np.zeros_like(larger), where=larger > 0)
    return float(np.where(alone, 0.0, scores).mean())


@dataclass(frozen=True)
class GroupSeparation:
    """Mean similarity within and across declared groups of classes; NaN where there is no pair.

    Attributes:
        within: the mean over the pairs inside each group.
        within_all: the mean over the pairs inside any group.
        across: the mean over the pairs of two groups.
    """

    within: dict[str, float]
    within_all: float
    across: float


def group_separation(similarity: SimilarityMatrix, groups: Mapping[str, Sequence[str]]) -> GroupSeparation:
    """Return how similar classes are within and across groups; classes in no group are left out.

    Args:
        similarity: the similarities; unknown ones (NaN) are left out of the means.
        groups: group name -> its class names.

    Raises:
        ConfembError: a class that is not known, or that stands in two groups.
    """
    member = group_of(similarity.class_names, groups)
    rows, columns = pair_indices(len(member))
    values = similarity.values[rows, columns]
    grouped = (member[rows] >= 0) & (member[columns] >= 0) & ~np.isnan(values)
    same = member[rows] == member[columns]

    def mean(which: np.ndarray) -> float:
        return float(values[which].mean()) if which.any() else float("nan")

    return GroupSeparation(
        {name: mean(grouped & same & (member[rows] == g)) for g, name in enumerate(groups)},
        mean(grouped & same),
        mean(grouped & ~same),
    )


@dataclass(frozen=True)
class NearestInGroup:
    """How often a class's nearest class is of its own group.

    Attributes:
        hits: for how many classes it is.
        classes: how many classes were asked: those with another class in their group.
        chance: the share to expect of a nearest class drawn at random, from 0 to 1.
    """

    hits: int
    classes: int
    chance: float

    @property
    def share(self) -> float:
        """The share of the classes asked, from 0 to 1."""
        return self.hits / self.classes


def nearest_in_group(similarity: SimilarityMatrix, groups: Mapping[str, Sequence[str]]) -> NearestInGroup:
    """Count the classes whose nearest class is of their group.

    The nearest is looked for among all other classes, those in no group too; ties go by class order.

    Args:
        similarity: the similarities; classes with no known one are not asked.
        groups: group name -> its class names; a class alone in its group is not asked.

    Raises:
        ConfembError: a class that is not known or stands in two groups, or no class to ask.
    """
    member = group_of(similarity.class_names, groups)
    hits, chances = 0, []
    for row, name in enumerate(similarity.class_names):
        mates = int((member == member[row]).sum()) - 1
        order = similarity.order_for(name)
        if member[row] < 0 or mates == 0 or len(order) == 0:
            continue
        hits += bool(member[order[0]] == member[row])
        chances.append(mates / (len(member) - 1))
    if not chances:
        raise ConfembError("no group has two classes: name at least two classes of one group.")
    return NearestInGroup(hits, len(chances), float(np.mean(chances)))


def group_of(class_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Return (K,) the index of each class's group in the order of `groups`, -1 for a class in none.

    Raises:
        ConfembError: a class that is not known, or that stands in two groups.
    """
    index = name_index(class_names)
    member = np.full(len(class_names), -1)
    for g, (group, members) in enumerate(groups.items()):
        for name in members:
            if name not in index:
                raise unknown_name("class", name, class_names, where=f"the group {group!r}")
            if member[index[name]] >= 0:
                raise ConfembError(f"the class {name!r} stands twice in the groups; name it in one group only.")
            member[index[name]] = g
    return member


@dataclass(frozen=True, eq=False)
class RunAgreement:
    """How well each run by itself agrees with a reference.

    Attributes:
        spearman: (S,) rank correlation of each run with the reference, from -1 to 1; NaN for a run whose cosines
            are all equal, as they may be in one dimension.
        nearest_right: (S,) in how many of the completely known columns the nearest class is right.
        nearest_columns: how many classes' columns the reference knows completely.
    """

    spearman: np.ndarray
    nearest_right: np.ndarray
    nearest_columns: int


def run_agreement(runs: EmbeddingRuns, reference: SimilarityMatrix) -> RunAgreement | None:
    """Compare every run with a reference over the classes and pairs both know.

    Returns:
        None where fewer than three pairs are known to both, or all known pairs are equal.
    """
    from scipy import stats

    common = tuple(name for name in reference.class_names if name in set(runs.class_names))
    if len(common) < 3:
        return None
    theirs = reference.restricted_to(common)
    upper = pair_indices(len(common))
    known = ~np.isnan(theirs.values[upper])
    wanted = theirs.values[upper][known]
    if len(wanted) < 3 or np.ptp(wanted) == 0:
        return None
    columns = np.array([theirs.index(name) for name in theirs.complete_classes()], dtype=np.intp)
    blind = np.where(np.eye(len(common), dtype=bool), -np.inf, theirs.values)
    nearest = blind[columns].max(axis=1)
    index = name_index(runs.class_names)
    rows = np.array([index[name] for name in common])
    wanted_ranks = stats.rankdata(wanted)
    spearman, right = [], []
    for vectors in runs.vectors:
        ours = cosines(vectors[rows])
        ranks = stats.rankdata(ours[upper][known])
        spearman.append(np.corrcoef(ranks, wanted_ranks)[0, 1] if np.ptp(ranks) > 0 else np.nan)
        np.fill_diagonal(ours, -np.inf)
        # Several classes may be equally near in the reference: any of them is right.
        right.append(int((blind[columns, ours[columns].argmax(axis=1)] == nearest).sum()))
    return RunAgreement(np.array(spearman), np.array(right), len(columns))
