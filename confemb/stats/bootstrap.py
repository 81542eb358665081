"""Drawing pictures anew: Poisson bootstrap replicates and random halves of what was counted.

A bootstrap replicate counts each picture Poisson(1) times (Chamandy et al. 2012, "Estimating uncertainty for massive
data streams"): nearly the classical bootstrap, but each picture's count depends on no other picture.
Here it depends on the seed, the replicate and the picture's id alone, so that shards counted apart add up exactly to
the replicate of the whole, and the order of the pictures changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from hashlib import blake2b
from typing import Protocol

import numpy as np

from confemb.embedders import Embedder, embed_seeds
from confemb.records.embedding import cosines
from confemb.records.indices import name_index, pair_indices
from confemb.records.options import PairOptions
from confemb.records.pair_weights import Weighting
from confemb.records.pairs import PairCounts, SelfPairs, count_pairs
from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps

# A seeded embedder runs this often on each replicate, from other seeds each time: two runs of one replicate differ by
# their seeds alone, which tells the seeds' part from the pictures'.
RUNS_OF_A_SEEDED_EMBEDDER = 2


class Resampling(Protocol):
    """Something that can be resampled: single pictures, or the cells of a confusion matrix."""

    def whole(self) -> PairCounts:
        """Return the counts of everything that is drawn from."""
        ...

    def replicate(self, number: int) -> PairCounts:
        """Return the counts of bootstrap replicate `number`, of those classes only that have pictures in it."""
        ...

    def halves(self, number: int) -> tuple[PairCounts, PairCounts]:
        """Return the counts of two random halves of the pictures of each class, split number `number`."""
        ...


@dataclass(frozen=True, eq=False)
class PictureResampling:
    """Draws the pictures of predictions anew.

    Rows of one picture (the same id in the same split) are drawn together. Without ids a picture is known by its row.

    Attributes:
        predictions: the classifier's most probable classes.
        k, self_pairs, weighting, temperature: as in `count_pairs`.
        seed: other seeds draw other replicates and halves.
        hashes: (N,) uint64, one number for each picture's identity.
    """

    predictions: Predictions
    k: int = 3
    self_pairs: SelfPairs = "keep"
    weighting: Weighting = "count"
    temperature: float = 1.0
    seed: int = 0
    hashes: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise ConfembError where the pictures cannot be counted so, see `count_pairs`."""
        object.__setattr__(self, "hashes", picture_hashes(self.predictions))
        self._count(np.ones(len(self.predictions), np.int64))

    def whole(self) -> PairCounts:
        """Return the counts of all pictures."""
        return self._count(np.ones(len(self.predictions), np.int64))

    def replicate(self, number: int) -> PairCounts:
        """Return the counts of one replicate, see `poisson_weights`."""
        return self._count(poisson_weights(self.hashes, seed=self.seed, replicate=number))

    def halves(self, number: int) -> tuple[PairCounts, PairCounts]:
        """Return the counts of two halves: the pictures of each class in random order, alternately to either.

        A picture of several classes counts to the first of them here.
        """
        pictures, of_row = np.unique(self.hashes, return_inverse=True)
        label = np.full(len(pictures), np.iinfo(np.int32).max)
        np.minimum.at(label, of_row, self.predictions.labels)
        order = np.lexsort((_mixed(pictures, f"half/{self.seed}/{number}"), label))
        side = np.empty(len(pictures), np.int64)
        side[order] = np.arange(len(pictures)) % 2
        return self._count(side[of_row]), self._count(1 - side[of_row])

    def _count(self, repeats: np.ndarray) -> PairCounts:
        return count_pairs(
            self.predictions,
            k=self.k,
            self_pairs=self.self_pairs,
            missing_classes="drop",
            weighting=self.weighting,
            temperature=self.temperature,
            repeats=repeats,
        )


@dataclass(frozen=True, eq=False)
class CellResampling:
    """Draws the cells of a confusion matrix anew, where single pictures are not known.

    The sum of n Poisson(1) counts is Poisson(n): drawing each cell at once gives exactly the distribution of the
    bootstrap over its n pictures, and a hypergeometric draw from each row that of a random half of its pictures.

    Attributes:
        counts: pairs of one rank, so that each stands for one picture.
        seed: other seeds draw other replicates and halves.
    """

    counts: PairCounts
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ConfembError where a picture has several pairs, or a pair a weight."""
        if self.counts.k != 1 or self.counts.unit != 1.0:
            raise ConfembError(
                "only a confusion matrix (k = 1, whole counts) can be drawn anew without its pictures; "
                "give the predictions."
            )

    def whole(self) -> PairCounts:
        """Return the confusion matrix itself."""
        return self.counts

    def replicate(self, number: int) -> PairCounts:
        """Return the counts of one replicate: each cell from the Poisson distribution with its count as the mean."""
        return self._with(self._generator("replicate", number).poisson(self.counts.counts))

    def halves(self, number: int) -> tuple[PairCounts, PairCounts]:
        """Return the counts of two halves of the pictures of each class; of an odd number one half has one more."""
        generator = self._generator("halves", number)
        first = np.zeros_like(self.counts.counts)
        extra = 0
        for true in np.unique(self.counts.true):
            cells = np.flatnonzero(self.counts.true == true)
            total = int(self.counts.counts[cells].sum())
            size, odd = divmod(total, 2)
            first[cells] = generator.multivariate_hypergeometric(
                self.counts.counts[cells], size + odd * extra, method="marginals"
            )
            # Alternately to either half, so that neither gets the odd pictures of all classes.
            extra ^= odd
        return self._with(first), self._with(self.counts.counts - first)

    def _generator(self, what: str, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number, ("replicate", "halves").index(what)])

    def _with(self, drawn: np.ndarray) -> PairCounts:
        """Return the counts with the cells drawn, without the classes of which no picture was drawn."""
        size = len(self.counts.class_names)
        had, has = (np.bincount(self.counts.true, n, minlength=size) > 0 for n in (self.counts.counts, drawn))
        lost = had & ~has
        return _selected(self.counts, np.where(lost[self.counts.predicted], 0, drawn))


def picture_hashes(predictions: Predictions) -> np.ndarray:
    """Return (N,) uint64, a hash of each row's picture: of its split and id, or of its row where it has no id."""
    if predictions.ids is None:
        names: Sequence[str] = [f"row {row}" for row in range(len(predictions))]
    elif predictions.splits is None:
        names = [str(name) for name in predictions.ids.tolist()]
    else:
        keys = zip(predictions.splits.tolist(), predictions.ids.tolist(), strict=True)
        # A blank cannot be mistaken: the length of the split stands before it.
        names = [f"{len(split)} {split} {name}" for split, name in keys]
    digests = b"".join(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def poisson_weights(hashes: np.ndarray, *, seed: int, replicate: int) -> np.ndarray:
    """Return (N,) int64, how often each picture counts in a bootstrap replicate: Poisson(1), by its hash alone.

    Args:
        hashes: (N,) uint64, see `picture_hashes`.
        seed: other seeds give other replicates.
        replicate: 0, 1, ...
    """
    uniform = _mixed(hashes, f"replicate/{seed}/{replicate}")
    return np.searchsorted(_POISSON_THRESHOLDS, uniform, side="right").astype(np.int64)


def _poisson_thresholds() -> np.ndarray:
    """Return P(X <= 0), P(X <= 1), ... of Poisson(1) in units of 2**-64, as long as they are below 1."""
    with localcontext() as context:
        context.prec = 50
        probability = cumulated = Decimal(-1).exp()
        found, count = [], 0
        while (threshold := int(cumulated * 2**64)) < 2**64 - 1:
            found.append(threshold)
            count += 1
            probability /= count
            cumulated += probability
    return np.array(found, np.uint64)


_POISSON_THRESHOLDS = _poisson_thresholds()


def _mixed(hashes: np.ndarray, key: str) -> np.ndarray:
    """Return (N,) uint64, uniform and unrelated for every key: two rounds of SplitMix64 (Steele et al. 2014)."""
    words = np.frombuffer(blake2b(key.encode(), digest_size=16).digest(), "<u8").astype(np.uint64)
    values = hashes
    for word in words:
        values = values ^ word
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        values = values ^ (values >> np.uint64(31))
    return values


def picture_replicates(
    predictions: Predictions,
    embedder: Embedder,
    *,
    pairs: PairOptions | None = None,
    replicates: int = 200,
    seed: int = 0,
    progress: Steps | None = None,
) -> Iterator[np.ndarray]:
    """Embed bootstrap replicates of the pictures, one after the other.

    Args:
        predictions: the classifier's most probable classes.
        embedder: makes vectors from each replicate's counts.
        pairs: which pairs are counted; by default as in `count_pairs`. Classes without pictures are left out.
        replicates: how many.
        seed: draws the replicates, and the embedding seeds of each.
        progress: called with (replicates done, replicates in all).

    Yields:
        See `replicate_cosines`; the P pairs are of the classes that have pictures, in their order.
    """
    one = pairs or PairOptions()
    resampling = PictureResampling(predictions, one.k, one.self_pairs, one.weighting, one.temperature, seed)
    names = tuple(predictions.class_names[i] for i in np.unique(predictions.labels))
    return replicate_cosines(resampling, embedder, names, replicates=replicates, seed=seed, progress=progress)


def replicate_cosines(
    resampling: Resampling,
    embedder: Embedder,
    class_names: tuple[str, ...],
    *,
    replicates: int,
    seed: int,
    progress: Steps | None = None,
) -> Iterator[np.ndarray]:
    """Embed bootstrap replicates, one after the other, so that they need not be held at once.

    Other pictures give a seeded embedder another corpus, in another order: measured on CIFAR-10, the same seed brings
    none of a run's chance back. So every replicate gets seeds of its own, and is embedded from two, by which the
    seeds' part can be taken off (`Spread`).

    Yields:
        (runs, P) float32 cosines of the pairs of classes in upper-triangle order, one run for a deterministic embedder
        and two for a seeded one; NaN where a class has no picture, or stands in no pair, in the replicate, and all NaN
        where it has too few for the embedder.

    Raises:
        ConfembError: no replicate could be embedded.
    """
    pairs = len(class_names) * (len(class_names) - 1) // 2
    failed = 0
    for number in range(replicates):
        try:
            counts = resampling.replicate(number)
            values = run_cosines(embedder, counts, class_names, key=f"replicate/{seed}/{number}")
        except ConfembError as error:
            # By chance some class got too few pictures for a vector: this replicate tells nothing.
            failed += 1
            if failed == replicates:
                raise ConfembError(
                    f"none of {replicates} bootstrap replicates of the pictures can be embedded "
                    f"({str(error).rstrip('.')}): give more pictures, or ask for no intervals (--bootstraps 0, or "
                    "uncertainty.pictures = 0)."
                ) from error
            values = np.full((runs_of(embedder), pairs), np.nan, np.float32)
        yield values
        if progress is not None:
            progress(number + 1, replicates)


def runs_of(embedder: Embedder) -> int:
    """Return how often a drawn sample is embedded: once by a deterministic embedder, twice by a seeded one."""
    return 1 if getattr(embedder, "deterministic", False) else RUNS_OF_A_SEEDED_EMBEDDER


def run_cosines(
    embedder: Embedder, counts: PairCounts, class_names: tuple[str, ...], *, key: str, runs: int | None = None
) -> np.ndarray:
    """Return (runs, P) float32 cosines of a sample's counts, laid out for `class_names`; NaN for those it lacks.

    Args:
        embedder: makes the vectors, see `runs_of`.
        counts: the pairs of some of the classes.
        class_names: the classes wanted, in the order wanted.
        key: the embedding seeds follow from it and the number of the run.
        runs: how often a seeded embedder runs; by default twice.

    Raises:
        ConfembError: a class that can get no vector.
    """
    size = len(class_names)
    upper = pair_indices(size)
    # A class in no pair has no vector.
    counts = _selected(counts, counts.counts)
    index = name_index(class_names)
    rows = np.array([index[name] for name in counts.class_names])
    values = np.empty((min(runs_of(embedder), runs or RUNS_OF_A_SEEDED_EMBEDDER), len(upper[0])), np.float32)
    for run, found in enumerate(_cosine_tables(embedder, counts, key, len(values))):
        if len(rows) < size:
            whole = np.full((size, size), np.nan)
            whole[np.ix_(rows, rows)] = found
            found = whole
        values[run] = found[upper]
    return values


def _cosine_tables(embedder: Embedder, counts: PairCounts, key: str, runs: int) -> Iterator[np.ndarray]:
    """Return the (K, K) cosines of each run, without making vectors where the embedder needs none for them."""
    table = getattr(embedder, "cosine_table", None)
    if table is not None:
        yield table(counts)
        return
    keys = (blake2b(f"{key}/{run}".encode(), digest_size=4).digest() for run in range(runs))
    seeds = [int.from_bytes(digest, "little") % 2**31 for digest in keys]
    for embedding in embed_seeds(embedder, counts, seeds):
        yield cosines(embedding.vectors)


def _selected(counts: PairCounts, drawn: np.ndarray) -> PairCounts:
    """Return `counts` with other numbers in its cells, without the cells at 0 and the classes left in no pair."""
    kept = drawn > 0
    true, predicted = counts.true[kept], counts.predicted[kept]
    seen = np.zeros(len(counts.class_names), bool)
    seen[true] = seen[predicted] = True
    if not seen.any():
        raise ConfembError("no pair is left in this sample; it needs more pictures.")
    place = np.cumsum(seen) - 1
    return PairCounts(
        tuple(name for name, there in zip(counts.class_names, seen, strict=True) if there),
        counts.k,
        counts.self_pairs,
        place[true].astype(np.int32),
        place[predicted].astype(np.int32),
        counts.rank[kept],
        drawn[kept],
        counts.unit,
    )
