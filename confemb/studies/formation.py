"""How similarities form during training: the classes embedded anew after each of several epochs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from confemb.embedders import Embedder, embed_runs
from confemb.embedders.counts import count_similarity
from confemb.records.indices import pair_indices
from confemb.records.pairs import PairCounts
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.seeds import RunSummary, rank_correlations, summarise_runs
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps


@dataclass(frozen=True, eq=False)
class Epoch:
    """The class similarities after one epoch.

    Attributes:
        epoch: counted from 1.
        accuracy: split -> share of right predictions, from 0 to 1; "all" without splits.
        runs: the embeddings' summary, its similarity with intervals over the seeds.
        counts: the plain baseline.
    """

    epoch: int
    accuracy: dict[str, float]
    runs: RunSummary
    counts: SimilarityMatrix

    @property
    def similarity(self) -> SimilarityMatrix:
        """The median over the seeds."""
        return self.runs.similarity


@dataclass(frozen=True, eq=False)
class Formation:
    """The similarities after each of E epochs, the last being the end of the training.

    Attributes:
        epochs: in rising order.
        class_names: the K class names.
        medians: (E, P) median cosine of each pair of classes, in upper-triangle order.
        counts: (E, P) the plain count similarity.
    """

    epochs: tuple[Epoch, ...]
    class_names: tuple[str, ...]
    medians: np.ndarray
    counts: np.ndarray

    @property
    def agreement_with_final(self) -> np.ndarray:
        """(E,) Spearman correlation of each epoch's medians with the last one's; 1 at the end."""
        return rank_correlations(self.medians)[-1]

    @property
    def counts_agreement_with_final(self) -> np.ndarray:
        """(E,) the same for the plain counts."""
        return rank_correlations(self.counts)[-1]

    def moved_most(self, count: int) -> np.ndarray:
        """Return (`count`,) indices of the pairs whose median changed most between its least and its largest."""
        return np.argsort(-np.ptp(self.medians, axis=0), kind="stable")[:count]


def form(
    predictions: Mapping[int, Predictions],
    count: Callable[[Predictions], PairCounts],
    embedder: Embedder,
    seeds: Sequence[int],
    *,
    progress: Steps | None = None,
) -> Formation:
    """Embed the classes after each epoch.

    Args:
        predictions: epoch -> predictions of the same pictures.
        count: counts their pairs.
        embedder: turns pairs into vectors.
        seeds: the embedding seeds, the same for each epoch.
        progress: called with (epochs done, epochs in all).

    Raises:
        ConfembError: fewer than two epochs, or a class that can get no vector.
    """
    counted = {epoch: _Counted(one, count) for epoch, one in predictions.items()}
    return form_counts(counted, embedder, seeds, progress=progress)


class CountedEpoch(Protocol):
    """What is known of one epoch: its pairs, and how many predictions were right."""

    def counts(self) -> PairCounts:
        """Return its pairs."""
        ...

    def accuracy(self) -> dict[str, float]:
        """Return split -> share of right predictions."""
        ...


def form_counts(
    epochs: Mapping[int, CountedEpoch],
    embedder: Embedder,
    seeds: Sequence[int],
    *,
    progress: Steps | None = None,
) -> Formation:
    """Embed the classes after each epoch, of which only the pairs are known.

    Args:
        epochs: epoch -> its pairs, all of the same classes.
        embedder, seeds, progress: as in `form`.

    Raises:
        ConfembError: as `form`.
    """
    if len(epochs) < 2:
        raise ConfembError("one epoch shows nothing form; keep at least one epoch before the last.")
    formed: list[Epoch] = []
    for epoch, one in sorted(epochs.items()):
        counts = one.counts()
        runs = summarise_runs(embed_runs(embedder, counts, seeds))
        formed.append(Epoch(epoch, one.accuracy(), runs, count_similarity(counts)))
        if progress is not None:
            progress(len(formed), len(epochs))
    names = formed[0].similarity.class_names
    upper = pair_indices(len(names))
    return Formation(
        tuple(formed),
        names,
        np.stack([one.similarity.values[upper] for one in formed]),
        np.stack([one.counts.values[upper] for one in formed]),
    )


@dataclass(frozen=True)
class _Counted:
    predictions: Predictions
    count: Callable[[Predictions], PairCounts]

    def counts(self) -> PairCounts:
        return self.count(self.predictions)

    def accuracy(self) -> dict[str, float]:
        return _accuracy(self.predictions)


def _accuracy(predictions: Predictions) -> dict[str, float]:
    if predictions.splits is None:
        return {"all": predictions.accuracy}
    splits = dict.fromkeys(predictions.splits.tolist())
    return {str(split): predictions.where(np.asarray(predictions.splits == split)).accuracy for split in splits}
