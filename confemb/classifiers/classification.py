"""Any classifier's predictions: one protocol, streamed batch by batch, only the top k kept.

Nothing here needs a neural-network library: a classifier is whatever gives scores. Those that exist already
are wrapped by `confemb.classifiers.adapters`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from confemb.datasets import Dataset
from confemb.records.classifier import BATCH_SIZE, Classifier, class_places
from confemb.records.foreign_arrays import in_order_of, named_array
from confemb.records.predictions import (
    Predictions,
    as_labels,
    check_class_names,
    check_indices,
    check_k,
    predictions_from_scores,
)
from confemb.records.score_kinds import check_scores
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps


def classify(  # noqa: PLR0913 - `ids`, `splits`, `dataset` describe the predictions
    classifier: Classifier,
    inputs: Any,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    k: int,
    batch_size: int = BATCH_SIZE,
    ids: np.ndarray | None = None,
    splits: np.ndarray | None = None,
    dataset: str = "",
    progress: Steps | None = None,
) -> Predictions:
    """Return the `k` most probable classes of every input; N in, N out, the last partial batch included.

    Only one batch of inputs and scores is held at a time; equal scores go by class index, lowest first.

    Args:
        classifier: gives the scores.
        inputs: N inputs that can be sliced (an array, a memory-map, a sparse matrix, a list).
        labels: (N,) true classes as indices into `class_names`, or by name.
        class_names: the names of the labels; all of them must be among the classifier's, by name, and may
            be only some of them.
        k: classes to keep for each input; the classifier's number of classes keeps them all.
        batch_size: inputs scored at a time.
        ids, splits, dataset: as in `Predictions`.
        progress: called with (inputs done, inputs in all).

    Returns:
        Predictions over the classifier's classes, in its order.

    Raises:
        ConfembError: a label name the classifier does not know, k out of range, inputs and labels of
            different number, scores of a wrong shape, not finite, or said to be probabilities and none.
    """
    labels, total = as_labels(labels, class_names), input_count(inputs)
    if labels.shape != (total,):
        raise ConfembError(f"there are {total} inputs but labels of shape {labels.shape}; there must be as many.")
    if batch_size < 1:
        raise ConfembError(f"batch_size is {batch_size}; it must be at least 1.")
    if total:
        check_indices(labels, len(class_names), what="label")
    starts = range(0, total, batch_size)
    batches = ((inputs[start : start + batch_size], labels[start : start + batch_size]) for start in starts)
    parts, done = [], 0
    for part in _top_of_batches(classifier, batches, class_names, k):
        parts.append(part)
        done += len(part)
        if progress is not None:
            progress(done, total)
    return _joined(parts, classifier, ids, splits, dataset)


def classify_batches(
    classifier: Classifier,
    batches: Iterable[tuple[Any, np.ndarray]],
    class_names: Sequence[str],
    *,
    k: int,
    ids: np.ndarray | None = None,
    splits: np.ndarray | None = None,
    dataset: str = "",
) -> Predictions:
    """Return the `k` most probable classes of every input of a stream, such as a generator or a data loader.

    A batch is asked for only when the one before it is done, and none is kept.

    Args:
        classifier: gives the scores.
        batches: (inputs, labels) pairs, n inputs and (n,) labels; n may differ from batch to batch.
        class_names, k, ids, splits, dataset: as in `classify`; `ids` and `splits` are of all N inputs.

    Raises:
        ConfembError: as `classify`.
    """
    return _joined(list(_top_of_batches(classifier, batches, class_names, k)), classifier, ids, splits, dataset)


def classify_datasets(
    classifier: Classifier,
    datasets: Sequence[Dataset],
    *,
    k: int,
    class_names: Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Steps | None = None,
) -> Predictions:
    """Return the `k` most probable classes of every picture of the datasets, one after the other.

    Args:
        classifier: gives the scores.
        datasets: splits of one dataset; each picture's id and split are recorded.
        k: classes to keep for each picture.
        class_names: what the classifier calls the datasets' classes, where that is not what they do.
        batch_size: pictures scored at a time.
        progress: called with (pictures done, pictures in all).

    Raises:
        ConfembError: as `classify`; splits with different classes.
    """
    first = datasets[0]
    if any(dataset.class_names != first.class_names for dataset in datasets):
        raise ConfembError(f"the splits of {first.name} have different classes; they must be the same.")
    total = sum(len(dataset) for dataset in datasets)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        done = 0
        for dataset in datasets:
            for start in range(0, len(dataset), batch_size):
                rows = slice(start, start + batch_size)
                yield dataset.images[rows], dataset.labels[rows]
                done += len(dataset.labels[rows])
                if progress is not None:
                    progress(done, total)

    predictions = classify_batches(
        classifier,
        batches(),
        class_names or first.class_names,
        k=k,
        ids=np.concatenate([np.asarray(dataset.ids, dtype=object) for dataset in datasets]),
        splits=np.concatenate([np.full(len(dataset), dataset.split, dtype=object) for dataset in datasets]),
        dataset=first.name,
    )
    if len(predictions) != total:
        raise RuntimeError(f"{total} pictures went in, {len(predictions)} predictions came out")
    return predictions


def input_count(inputs: Any) -> int:
    """Return how many inputs there are; a sparse matrix has no length, but a shape."""
    return int(inputs.shape[0]) if hasattr(inputs, "shape") else len(inputs)


def _top_of_batches(
    classifier: Classifier, batches: Iterable[tuple[Any, np.ndarray]], class_names: Sequence[str], k: int
) -> Iterator[Predictions]:
    """Yield the predictions of each batch that holds any input."""
    names = tuple(check_class_names(classifier.class_names))
    check_k(k, len(names))
    places = class_places(class_names, names)
    done = 0
    for number, pair in enumerate(batches):
        try:
            inputs, labels = pair
        except (TypeError, ValueError):
            raise ConfembError(f"batch {number} is no pair: give (inputs, labels) for each batch.") from None
        count, labels = input_count(inputs), as_labels(labels, class_names)
        if labels.shape != (count,):
            raise ConfembError(
                f"batch {number} has {count} inputs but labels of shape {labels.shape}; there must be as many."
            )
        if not count:
            continue
        try:
            labels = places[check_indices(labels, len(places), what="label")]
        except ConfembError as error:
            raise ConfembError(f"batch {number}: {error}") from error
        who = f"the scores of the classifier {classifier.name!r}"
        scores = checked_scores(
            in_order_of(named_array(classifier.scores(inputs), who), names, who),
            classifier.name,
            logits=classifier.logits,
            count=count,
            classes=len(names),
            done=done,
        )
        yield predictions_from_scores(scores, labels, names, k=k, logits=classifier.logits)
        done += count


def checked_scores(scores: Any, name: str, *, logits: bool, count: int, classes: int, done: int) -> np.ndarray:
    """Return a batch's scores as an array, or raise ConfembError unless they are (count, classes) finite numbers.

    Args:
        scores: what a classifier gave.
        name: the classifier's name, for messages.
        logits: whether they are logits; otherwise they must be from 0 to 1.
        count, classes: the shape that is expected.
        done: how many inputs were scored before.
    """
    scores = np.asarray(scores)
    who = f"the classifier {name!r}"
    if scores.shape != (count, classes):
        raise ConfembError(
            f"{who} gave scores of shape {scores.shape} for {count} inputs; with its {classes} classes "
            f"they must be ({count}, {classes})."
        )
    if scores.dtype.kind not in "fiu":
        raise ConfembError(f"{who} gave scores of type {scores.dtype}; they must be numbers.")
    bad = ~np.isfinite(scores).all(axis=1)
    if bad.any():
        raise ConfembError(f"{who} gives scores that are not finite for input {done + int(np.argmax(bad))}.")
    if logits or (scores.size and scores.min() >= 0):
        check_scores(scores, logits=logits, who=f"the scores of {who}")
    if not logits:
        # A little room for the rounding of half precision.
        bad = (scores < 0) | (scores > 1 + 1e-5)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ConfembError(
                f"{who} gives {scores[row, column]:g} as a probability for input {done + row}; if its scores are "
                "logits, say so (logits=True)."
            )
    return scores


def _joined(
    parts: list[Predictions],
    classifier: Classifier,
    ids: np.ndarray | None,
    splits: np.ndarray | None,
    dataset: str,
) -> Predictions:
    if not parts:
        raise ConfembError("there are no inputs: give at least one.")
    return Predictions(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.top_classes for part in parts]),
        np.concatenate([part.top_probs for part in parts if part.top_probs is not None]),
        parts[0].class_names,
        ids,
        splits,
        dataset=dataset,
        classifier=classifier.name,
    )
