"""How far similarities depend on the training: an experiment's classifier trained several times from other seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.records.embedding import EmbeddingRuns, cosines
from confemb.records.indices import pair_indices
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.intervals import fisher_z
from confemb.stats.seeds import Basins, find_basins, pair_square, rank_correlations
from confemb.support.errors import ConfembError
from confemb.support.files import whole_file

NETWORKS = "networks.npz"


@dataclass(frozen=True, eq=False)
class VarianceComponents:
    """What makes a similarity vary, for each of P pairs of classes.

    Attributes:
        network: (P,) float64, the variance that comes from training another network.
        seed: (P,) float64, the variance that comes from another embedding seed of one network; NaN with a single
            seed for each network.
    """

    network: np.ndarray
    seed: np.ndarray

    @property
    def seed_share(self) -> np.ndarray:
        """(P,) the seeds' share of both variances, from 0 to 1; NaN where nothing varies or there is one seed."""
        total = self.network + self.seed
        return np.divide(self.seed, total, out=np.full_like(total, np.nan), where=total > 0)

    @property
    def overall_seed_share(self) -> float:
        """The seeds' share of the variance summed over all pairs."""
        total = float((self.network + self.seed).sum())
        return float(self.seed.sum()) / total if total > 0 else float("nan")


def variance_components(values: np.ndarray) -> VarianceComponents:
    """Split the variance of similarities into that between networks and that between the seeds of one network.

    The analysis of variance of the balanced one-way random-effects model (Searle, Casella & McCulloch 1992, section
    3.6): the seeds' variance is the mean square within networks, the networks' is the mean square between them less
    that within, divided by the number of seeds; below 0, which chance can bring about, it counts as 0.

    Args:
        values: (N, S, P) similarities of P pairs of classes from N networks with S embedding seeds each.
    """
    networks, seeds, _ = values.shape
    values = values.astype(np.float64)
    means = values.mean(axis=1)
    between = means.var(axis=0, ddof=1) if networks > 1 else np.full(values.shape[2], np.nan)
    if seeds == 1:
        return VarianceComponents(between, np.full_like(between, np.nan))
    within = values.var(axis=1, ddof=1).mean(axis=0)
    return VarianceComponents(np.maximum(between - within / seeds, 0.0), within)


def prediction_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval that holds the next network's cosine with probability `level`, one for each pair.

    Student's prediction interval, mean +- t s sqrt(1 + 1/N) with N - 1 degrees of freedom, of Fisher's z = artanh of
    the cosines, so that it stays between -1 and 1. Percentiles would not do: the least and the largest of 5 networks
    hold the next one only 4 times in 6.

    Args:
        values: (N, P) cosines from N networks, N at least 2.
        level: from 0 to 1.

    Returns:
        (P,) lower and (P,) upper bounds.
    """
    from scipy import stats

    z = fisher_z(values)
    count = len(z)
    half = stats.t.ppf((1 + level) / 2, count - 1) * z.std(axis=0, ddof=1) * np.sqrt(1 + 1 / count)
    return np.tanh(z.mean(axis=0) - half), np.tanh(z.mean(axis=0) + half)


@dataclass(frozen=True, eq=False)
class RetrainingSummary:
    """What the networks agree on, each standing for itself by its median over the embedding seeds.

    Attributes:
        similarity: the median over the networks, with the 95 % prediction interval for one more network.
        medians: (N, P) each network's median over its seeds, in upper-triangle order of the pairs.
        components: the variance from networks and from seeds.
        rank_agreement: (N, N) Spearman correlation of every two networks' medians.
        basins: the two groups the networks fall into, or None.
        seed_basins: (N,) whether each network's embedding seeds fall into two groups.
    """

    similarity: SimilarityMatrix
    medians: np.ndarray
    components: VarianceComponents
    rank_agreement: np.ndarray
    basins: Basins | None
    seed_basins: tuple[bool, ...]

    def network(self, index: int) -> SimilarityMatrix:
        """Return one network's medians as a matrix."""
        names = self.similarity.class_names
        return SimilarityMatrix(pair_square(self.medians[index], len(names)), names)

    @property
    def mean_rank_agreement(self) -> float:
        """The mean Spearman correlation between two networks, from -1 to 1."""
        return float(self.rank_agreement[pair_indices(len(self.medians))].mean())


def summarise_networks(networks: Sequence[EmbeddingRuns]) -> RetrainingSummary:
    """Summarise the embeddings of several networks.

    Args:
        networks: for each network the embeddings from its seeds; as many seeds for each, the same classes.

    Raises:
        ConfembError: fewer than two networks, or networks that do not fit each other.
    """
    if len(networks) < 2:
        raise ConfembError("one network cannot show how far networks differ; give at least 2.")
    names = networks[0].class_names
    if any(runs.class_names != names for runs in networks):
        raise ConfembError("the networks are not of the same classes in the same order.")
    if len({len(runs) for runs in networks}) > 1:
        raise ConfembError("the networks have unequal numbers of embedding seeds; embed each with the same number.")
    upper = pair_indices(len(names))
    values = np.stack([[cosines(vectors)[upper] for vectors in runs.vectors] for runs in networks])
    medians = np.median(values, axis=1)
    low, high = prediction_interval(medians)
    middle, low, high = (pair_square(pairs, len(names)) for pairs in (np.median(medians, axis=0), low, high))
    return RetrainingSummary(
        SimilarityMatrix(middle, names, low, high),
        medians,
        variance_components(values),
        rank_correlations(medians),
        find_basins(medians, names),
        tuple(find_basins(runs, names) is not None for runs in values),
    )


def save_networks(networks: Sequence[EmbeddingRuns], names: Sequence[str], path: Path) -> None:
    """Write the embeddings of all networks and seeds to one NPZ file, from which everything can be worked out again.

    Arrays: `vectors` (N, S, K, d) float32, `seeds` (N, S), `networks` (N,), `class_names` (K,); nothing pickled.
    """
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            vectors=np.stack([runs.vectors for runs in networks]),
            seeds=np.array([runs.seeds for runs in networks], np.int64),
            networks=np.array(names, dtype=np.str_),
            class_names=np.array(networks[0].class_names, dtype=np.str_),
        )
