"""A diffusion map of the confusion graph: classes are near where confusions lead from one to the other."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
from annotated_types import Gt, Lt

from confemb.embedders.cooccurrence import require_table
from confemb.embedders.counts import symmetric_shares
from confemb.embedders.spectral import checked_dim, spectral_embedding, symmetric_eigen, truncated_svd
from confemb.records.embedding import ClassEmbedding
from confemb.records.pairs import PairCounts
from confemb.support.errors import ConfembError, one_of
from confemb.support.ranges import Dimensions, check_ranges

Weight = Literal["heat", "walk"]
Compare = Literal["auto", "direct", "profiles"]

# "auto" compares more classes by profiles.
MOST_COMPARED_DIRECTLY = 50


@dataclass(frozen=True)
class Diffusion:
    """Vectors from the spectrum of the confusion graph, in which whatever spreads for a while is what is compared.

    The graph's weights S are the symmetrised row shares of `count_similarity` without their diagonal, D their row
    sums, N = D^-1/2 S D^-1/2 with eigenvalues l from -1 to 1. Eigenvectors are weighed by

        "heat":  exp(time * (l - 1)), so that the inner products are the heat kernel exp(-2 time (I - N)) of the
                 normalised Laplacian (Kondor and Lafferty 2002), and at small times the shares themselves;
        "walk":  ((1 + l) / 2) ^ time, those of 2 * time steps of the random walk that stays where it is with
                 probability 1/2 (Coifman and Lafon 2006). Without staying, l = -1 would weigh as much as l = 1, and
                 two classes confused only with one another would have a cosine of 0.

    Coifman and Lafon also divide the vector of class i by the root of D_i, which changes no cosine. The eigenvector
    of l = 1, the same for all classes but for their lengths, is kept: it says how much all have in common.

    A class that is confused with none is an island of its own: its walk stays, l = 1, and its cosine with every
    other class is 0. So is that between the classes of any two parts that nothing connects.

    What is said of two classes that are never confused differs between `compare`

        "direct":    the vectors above; two classes are alike as far as confusions lead from one to the other;
        "profiles":  two classes are alike as far as confusions lead from both to the same classes. With H the inner
                     products above, H_ij / sqrt(D_i D_j) * sum(D) is the chance that what spread from i is at j, over
                     the chance that it would be there after long; vectors are the rows of its logarithm, after
                     `smoothing` is added, less the mean row. That is the matrix which DeepWalk factors
                     (Qiu et al. 2018, "Network embedding as matrix factorization"), here with another weighing of
                     short and long walks, and whole. A row says where a class stands among all classes, of which
                     most are far off, so that many small chances add up where a single cell of the table is empty.

    "auto", the default, compares directly up to 50 classes, and profiles beyond. Where all of the few classes are
    confused now and then, the shares themselves say most: on CIFAR-10 the direct cosines agree with people's confusions
    (CIFAR-10H) at 0.936 from softmax mass, plain counts at 0.931 and profiles at 0.82 (Spearman; ten networks trained
    after the settings were chosen, `experiments/cifar10_embedders.py`). Of ImageNet's 499,500 pairs of classes only
    some 5 % are ever confused among 3 ranks, and what is never confused must be told apart too: there profiles agree
    with WordNet at 0.579 and direct cosines at 0.384, with 0.952 and 0.845 between halves of the pictures (30
    classifiers the settings were not chosen on, `experiments/imagenet_embedders.py`). In between, on groups of some 120
    alike and often confused classes of ImageNet (mammals, dogs), neither is better by more than 0.04.

    Attributes:
        time: how long it spreads: longer blends in more distant paths of confusions.
        weight: "heat" or "walk".
        compare: "direct", "profiles" or "auto".
        smoothing: with profiles, the chance relative to that after long that counts as next to nothing.
        dim: keep so many eigenvectors, largest l first (with profiles: singular vectors of the rows); None: all K.
    """

    deterministic: ClassVar[bool] = True

    time: Annotated[float, Gt(0), Lt(1e6)] = 1.0
    weight: Weight = "heat"
    compare: Compare = "auto"
    smoothing: Annotated[float, Gt(0), Lt(1e6)] = 0.01
    dim: Dimensions | None = None

    def __post_init__(self) -> None:
        """Raise ConfembError for an unknown `weight` or `compare`, or a number out of range."""
        check_ranges(self)
        one_of("weight", self.weight, *get_args(Weight))
        one_of("compare", self.compare, *get_args(Compare))

    def embed(self, counts: PairCounts, *, seed: int = 0) -> ClassEmbedding:
        """Return the vectors; the seed changes nothing.

        Raises:
            ConfembError: more dimensions than classes, or fewer than the graph has parts.
        """
        require_table(counts, "diffusion")
        from scipy.sparse.csgraph import connected_components

        names = counts.class_names
        dim = checked_dim(self.dim, len(names), usual=len(names))
        shares = symmetric_shares(counts)
        np.fill_diagonal(shares, 0.0)
        compare = self.compare
        if compare == "auto":
            compare = "direct" if len(names) <= MOST_COMPARED_DIRECTLY else "profiles"
        parts, _ = connected_components(shares, directed=False)
        if compare == "direct" and dim < parts:
            # Which of the parts' equal eigenvalues were kept would be chance.
            raise ConfembError(
                f"the confusions fall into {parts} parts that nothing connects, and dim = {dim} keeps fewer "
                f"eigenvectors; give a dim of {parts} or more, or leave it out."
            )
        degree = shares.sum(axis=1)
        island = degree == 0
        shares[island, island] = degree[island] = 1.0
        roots = np.sqrt(degree)
        values, vectors = symmetric_eigen(shares / roots / roots[:, None])
        values = np.clip(values, -1.0, 1.0)
        weights = np.exp(self.time * (values - 1)) if self.weight == "heat" else ((1 + values) / 2) ** self.time
        vectors = vectors * weights
        if compare == "direct":
            return spectral_embedding(vectors[:, :dim], names, "give a larger dim")
        rows = self._profiles(vectors @ vectors.T, degree, island)
        if dim < len(names):
            u, s, _ = truncated_svd(rows, dim)
            return spectral_embedding(u * s, names, "give a larger dim")
        return spectral_embedding(rows, names, 'give compare = "direct"')

    def _profiles(self, kernel: np.ndarray, degree: np.ndarray, island: np.ndarray) -> np.ndarray:
        """Return (K, K) float64, the rows of log ratios less their mean; an island's is at a right angle to all."""
        roots = np.sqrt(degree)
        # Rounding makes what is next to nothing negative.
        ratio = np.maximum(kernel, 0.0) / roots / roots[:, None] * degree.sum()
        rows = np.log(ratio + self.smoothing)
        rows[island] = rows[:, island] = 0.0
        if not island.all():
            rows[~island] -= rows[~island].mean(axis=0)
        rows[island, island] = 1.0
        return rows
