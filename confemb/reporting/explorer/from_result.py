"""What an explorer shows, from a result as it is analysed today."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from confemb.analysis.clustering import place_on_map, seriate
from confemb.analysis.record import AnalysisRecord
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.records.embedding import EmbeddingRuns
from confemb.records.indices import name_index
from confemb.records.pairs import PairCounts
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.reporting.explorer.records import ExplorerData, ExplorerItems
from confemb.stats.groups import TwoValues, two_values
from confemb.stats.seeds import summarise_runs
from confemb.stats.uncertainty import intervals_by_source

# Of more classes than `MOST_CLASSES_IN_A_TABLE` a page shows so many blocks.
BLOCKS = 300


def explorer_data(
    result: AnalysisRecord,
    *,
    name: str = "",
    pictures: Callable[[np.ndarray], np.ndarray] | None = None,
    texts: Sequence[str] | None = None,
) -> ExplorerData:
    """Return what an explorer shows of a result.

    Args:
        result: counts, embeddings, uncertainty and predictions.
        name: what the classifier is called where two are compared.
        pictures: returns the pictures of some rows of the predictions, or None.
        texts: a text for each row of the predictions, or None.
    """
    if len(result.counts.class_names) > MOST_CLASSES_IN_A_TABLE:
        return _blocks_only(result, name)
    predictions = result.predictions
    summary = summarise_runs(result.runs)
    seriation = seriate(summary.similarity)
    places, kept = place_on_map(summary.similarity)
    true, predicted, counts = _cells(result.counts, predictions)
    intervals = intervals_by_source(summary, len(result.runs), result.uncertainty)
    size = len(result.counts.class_names)
    hit = true == predicted
    return ExplorerData(
        title=result.title,
        description=result.description,
        name=name,
        item=result.item,
        class_names=result.counts.class_names,
        true=true,
        predicted=predicted,
        counts=counts,
        hits=np.bincount(true[hit], weights=counts[hit], minlength=size),
        cosine=summary.similarity.values,
        intervals={source: (one.low, one.high, one.replicates) for source, one in intervals.items()},
        both=_both(two_values(result.runs, summary.basins)),
        tree=seriation.tree,
        order=seriation.order,
        places=places,
        kept=kept,
        items=None if predictions is None else _items(predictions, pictures, texts),
    )


def restricted(data: ExplorerData, class_names: tuple[str, ...]) -> ExplorerData:
    """Return what is known of some of the classes: cells and items whose classes are both among them.

    Tree, order and map are made of those classes' similarities.
    """
    if class_names == data.class_names:
        return data
    assert data.cosine is not None
    index = name_index(class_names)
    new = np.array([index.get(name, -1) for name in data.class_names])
    old = np.array([data.class_names.index(name) for name in class_names])
    kept = (new[data.true] >= 0) & (new[data.predicted] >= 0)
    true, predicted, counts = new[data.true[kept]], new[data.predicted[kept]], data.counts[kept]
    square = np.ix_(old, old)
    similarity = SimilarityMatrix(data.cosine[square], class_names)
    seriation, (places, scatter) = seriate(similarity), place_on_map(similarity)
    return dataclasses.replace(
        data,
        class_names=class_names,
        true=true,
        predicted=predicted,
        counts=counts,
        hits=np.bincount(true[true == predicted], weights=counts[true == predicted], minlength=len(class_names)),
        cosine=similarity.values,
        intervals={source: (low[square], high[square], n) for source, (low, high, n) in data.intervals.items()},
        both=[((int(new[i]), int(new[j])), values) for (i, j), values in data.both if new[i] >= 0 and new[j] >= 0],
        tree=seriation.tree,
        order=seriation.order,
        places=places,
        kept=scatter,
        items=_renumbered(data.items, new),
    )


def _renumbered(items: ExplorerItems | None, new: np.ndarray) -> ExplorerItems | None:
    """Return items under other class numbers; None where a class was left out, for which some may have been taken."""
    if items is None or (new < 0).any():
        return None
    return dataclasses.replace(items, labels=new[items.labels], top_classes=new[items.top_classes])


def _cells(counts: PairCounts, predictions: Predictions | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cells of the confusion matrix that are not zero: true, predicted, how many.

    From the predictions where they are of these classes, else from the first rank of the pairs.
    """
    size = len(counts.class_names)
    if predictions is not None and set(predictions.class_names) >= set(counts.class_names):
        index = name_index(counts.class_names)
        new = np.array([index.get(name, -1) for name in predictions.class_names])
        true, predicted = new[predictions.labels], new[predictions.top_classes[:, 0]]
        known = (true >= 0) & (predicted >= 0)
        weights = np.ones(len(predictions)) if predictions.weights is None else predictions.weights
        code = true[known] * size + predicted[known]
        cells, inverse = np.unique(code, return_inverse=True)
        sums = np.bincount(inverse, weights=weights[known], minlength=len(cells))
        return cells // size, cells % size, sums
    first = counts.rank == 0
    values = counts.counts[first].astype(np.float64) * counts.unit
    return counts.true[first].astype(np.int64), counts.predicted[first].astype(np.int64), values


def _both(two: TwoValues | None) -> list[tuple[tuple[int, int], tuple[float, float]]]:
    """Return the pairs of classes on which the seeds split."""
    if two is None:
        return []
    pairs = np.argwhere(np.triu(two.apart, k=1)).tolist()
    return [((i, j), (float(two.medians[0, i, j]), float(two.medians[1, i, j]))) for i, j in pairs]


def _items(
    predictions: Predictions,
    pictures: Callable[[np.ndarray], np.ndarray] | None,
    texts: Sequence[str] | None,
) -> ExplorerItems:
    """Return the items of predictions, by row number where they have no ids."""
    ids = [str(row) for row in range(len(predictions))] if predictions.ids is None else predictions.ids.tolist()
    return ExplorerItems(
        predictions.labels,
        predictions.top_classes,
        predictions.top_probs,
        [str(key) for key in ids],
        texts,
        pictures,
    )


def _blocks_only(result: AnalysisRecord, name: str) -> ExplorerData:
    """Return a result of very many classes as blocks of like classes (k-means on their unit vectors)."""
    from sklearn.cluster import MiniBatchKMeans

    names = result.counts.class_names
    vectors = _units(result.runs)
    block = MiniBatchKMeans(BLOCKS, random_state=0, n_init=1, batch_size=4096).fit_predict(vectors)
    # Some may have stayed empty.
    kept, block = np.unique(block, return_inverse=True)
    centres = np.stack([vectors[block == b].mean(axis=0) for b in range(len(kept))])
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    centres = centres / np.where(lengths > 0, lengths, 1.0)
    members = [np.flatnonzero(block == b) for b in range(len(kept))]
    called = [names[own[int(np.argmax(vectors[own] @ centre))]] for own, centre in zip(members, centres, strict=True)]
    similarity = SimilarityMatrix(np.clip(centres @ centres.T, -1, 1), tuple(called))
    seriation, (places, scatter) = seriate(similarity), place_on_map(similarity)
    true, predicted, counts = _cells(result.counts, result.predictions)
    hit = true == predicted
    cells, inverse = np.unique(block[true] * len(kept) + block[predicted], return_inverse=True)
    return ExplorerData(
        title=result.title,
        description=result.description,
        name=name,
        item=result.item,
        class_names=tuple(called),
        true=cells // len(kept),
        predicted=cells % len(kept),
        counts=np.bincount(inverse, weights=counts),
        hits=np.bincount(block[true[hit]], weights=counts[hit], minlength=len(kept)),
        cosine=similarity.values,
        tree=seriation.tree,
        order=seriation.order,
        places=places,
        kept=scatter,
        members=[[names[c] for c in own.tolist()] for own in members],
        notes=[
            f"The {len(names):,} classes are shown as {len(kept)} blocks of like ones (k-means on their vectors); each "
            "is called by the class in its middle."
        ],
    )


def _units(runs: EmbeddingRuns) -> np.ndarray:
    """Return (K, d) the first run's vectors at length 1."""
    vectors = runs.vectors[0].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
