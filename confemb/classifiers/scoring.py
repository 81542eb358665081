"""Scoring labelled items by a model: streamed, decoded while it computes, stopped and taken up again."""

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.class_matching import ClassMatch
from confemb.classifiers.classification import checked_scores
from confemb.classifiers.data.decoding import decode
from confemb.classifiers.score_parts import Part, PartStore, write_all_scores
from confemb.classifiers.scoring_records import PLURALS, OpenedData, OpenedModel
from confemb.records.predictions import Predictions, check_k, predictions_from_scores
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps

# Batches in which items of like length are sought; a resumed run begins at one of them, so it forms the same batches.
BATCHES_IN_CHUNK = 8
# Prepared batches that wait for the model: what is decoded ahead.
AHEAD = 4
SECONDS_BETWEEN_PARTS = 20.0
MOST_DECODERS = 8
# How far rows of probabilities may be from a sum of 1: half precision.
SUM_TOLERANCE = 2e-3


@dataclass(frozen=True)
class ScoreSettings:
    """How to score.

    Attributes:
        top: classes to keep for each item; at most the model's are.
        all_scores: an NPZ file for every score, too.
        restart: discard what an earlier run of another scoring left.
        seconds_between_parts: how often what is done is written down.
    """

    top: int = 5
    all_scores: Path | None = None
    restart: bool = False
    seconds_between_parts: float = SECONDS_BETWEEN_PARTS


@dataclass(frozen=True, eq=False)
class Scored:
    """What came of it.

    Attributes:
        predictions: over the model's classes, in its order.
        logits: whether the model's outputs were logits.
        resumed: items that an earlier run had scored.
        left_out: items whose label means no class.
        seconds: what scoring the others took, decoding included.
    """

    predictions: Predictions
    logits: bool
    resumed: int
    left_out: int
    seconds: float
    record: dict[str, Any] = field(default_factory=dict)


def score(
    model: OpenedModel,
    data: OpenedData,
    match: ClassMatch,
    out: Path,
    settings: ScoreSettings | None = None,
    *,
    progress: Steps | None = None,
) -> Scored:
    """Score every item whose label means a class.

    Only a few batches are in memory at a time, besides the most probable classes of what is done. What is done is
    written to a folder beside `out`, `out.parts`; the same call goes on from there, and it is removed in the end.

    Args:
        model, data: opened.
        match: which class each label means.
        out: the predictions' file to be, which says where the parts lie; it is not written.
        settings: how to score.
        progress: called with (items done, items in all).

    Raises:
        ConfembError: an item that cannot be decoded, scores of a wrong shape or not finite, scores whose meaning
            cannot be judged, parts of another scoring.
    """
    settings = settings or ScoreSettings()
    top = min(settings.top, len(model.class_names))
    check_k(top, len(model.class_names))
    rows = np.flatnonzero((data.labels >= 0) & (match.places[data.labels] >= 0))
    if not len(rows):
        raise ConfembError(f"no item of {data.name} has a label that means a class of {model.name}.")
    record = scoring_record(model, data, match, top)
    store = _open_store(out, record, data, model, settings)
    run = _Run(model, data, match, rows, top, keep_scores=settings.all_scores is not None)
    done = list(store.parts())
    resumed = sum(len(part.labels) for part in done)
    if done:
        run.logits = bool(done[0].logits)
    started = time.monotonic()
    for part in run.parts(resumed, settings.seconds_between_parts, progress):
        store.add(part)
        done.append(part.without_scores())
    seconds = time.monotonic() - started
    assert run.logits is not None
    predictions = _joined(done, model, data)
    if settings.all_scores is not None:
        write_all_scores(settings.all_scores, store, count=len(rows), class_names=model.class_names, logits=run.logits)
    return Scored(predictions, run.logits, resumed, len(data) - len(rows), seconds, record)


def discard_parts(out: Path) -> None:
    """Remove the parts of a scoring, once its predictions are written."""
    PartStore(parts_folder(out), None).discard()


def parts_folder(out: Path) -> Path:
    """Return where the parts of the predictions' file lie."""
    return out.with_name(out.name + ".parts")


def scoring_record(model: OpenedModel, data: OpenedData, match: ClassMatch, top: int) -> dict[str, Any]:
    """Return all that the predictions depend on, JSON-able: model, data, how classes were matched."""
    return {
        "model": {"name": model.name, **model.identity},
        "data": {"name": data.name, "kind": data.kind, **data.identity},
        "classes": match.as_record(),
        "top": top,
        "batch_size": model.batch_size,
    }


def _open_store(
    out: Path, record: dict[str, Any], data: OpenedData, model: OpenedModel, settings: ScoreSettings
) -> PartStore:
    key = {
        **record,
        "files": data.stamp,
        "device": model.device,
        "class_names": list(model.class_names),
        "all scores": settings.all_scores is not None,
    }
    if settings.restart:
        PartStore(parts_folder(out), None).discard()
    return PartStore(parts_folder(out), key)


class _Run:
    """One call of `score`: what its steps share."""

    def __init__(
        self, model: OpenedModel, data: OpenedData, match: ClassMatch, rows: np.ndarray, top: int, *, keep_scores: bool
    ) -> None:
        self.model, self.data, self.rows, self.top, self.keep_scores = model, data, rows, top, keep_scores
        self.logits = model.logits
        self._labels = match.places[data.labels[rows]]
        splits = data.split_names()
        self._splits = np.full(len(rows), "", dtype=object) if splits is None else splits[rows]

    def parts(self, start: int, seconds: float, progress: Steps | None) -> Iterator[Part]:
        """Yield what is scored from item `start` on, every few seconds."""
        waiting: list[Part] = []
        last = time.monotonic()
        total = len(self.rows)
        with self._chunks(start) as chunks:
            for ids, batches in chunks:
                part = self._score_chunk(start, ids, batches)
                waiting.append(part)
                start += len(ids)
                if progress is not None:
                    progress(start, total)
                if time.monotonic() - last >= seconds or start == total:
                    yield _join_parts(waiting)
                    waiting, last = [], time.monotonic()
        if start != total:
            raise ConfembError(
                f"{self.data.name} gave {start} of {total} items: it changed while it was read; score it again."
            )

    @contextmanager
    def _chunks(self, start: int) -> Iterator[Iterator[tuple[list[str], Iterator[tuple[np.ndarray, Any]]]]]:
        """Yield chunks: the items' ids, and their batches, prepared in another thread."""
        prepared: queue.Queue[Any] = queue.Queue(AHEAD)
        stop = threading.Event()
        thread = threading.Thread(target=self._prepare_all, args=(start, prepared, stop), daemon=True)
        thread.start()

        def take() -> Any:
            value = prepared.get()
            if isinstance(value, BaseException):
                raise value
            return value

        def chunks() -> Iterator[tuple[list[str], Iterator[tuple[np.ndarray, Any]]]]:
            while (head := take()) is not None:
                ids, count = head
                yield ids, (take() for _ in range(count))

        try:
            yield chunks()
        finally:
            stop.set()
            while thread.is_alive():
                # A full queue would keep the other thread waiting.
                with suppress(queue.Empty):
                    prepared.get(timeout=0.05)
            thread.join()

    def _prepare_all(self, start: int, prepared: "queue.Queue[Any]", stop: threading.Event) -> None:
        """Decode and prepare the items from `start` on, in order; ends with None, or with the error that stopped it."""

        def put(value: Any) -> None:
            while not stop.is_set():
                try:
                    prepared.put(value, timeout=0.1)
                    return
                except queue.Full:
                    continue

        try:
            workers = min(MOST_DECODERS, os.cpu_count() or 1)
            with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
                for chunk in _chunked(self._items(start), self.model.batch_size * BATCHES_IN_CHUNK):
                    if stop.is_set():
                        return
                    self._prepare_chunk(chunk, pool, put, stop)
            put(None)
        except BaseException as error:  # Raised again where it is waited for.
            put(error)

    def _prepare_chunk(
        self,
        chunk: list[tuple[str, Any]],
        pool: ThreadPoolExecutor,
        put: Callable[[Any], None],
        stop: threading.Event,
    ) -> None:
        model, size = self.model, self.model.batch_size
        order = np.arange(len(chunk))
        decoded: list[Any] | None = None
        if model.length is not None:
            decoded = self._decode(chunk, pool)
            order = np.argsort([model.length(item) for item in decoded], kind="stable")
        starts = range(0, len(chunk), size)
        put(([name for name, _ in chunk], len(starts)))
        for first in starts:
            if stop.is_set():
                return
            places = order[first : first + size]
            items = self._decode([chunk[i] for i in places], pool) if decoded is None else [decoded[i] for i in places]
            put((places, model.prepare(items)))

    def _decode(self, chunk: Sequence[tuple[str, Any]], pool: ThreadPoolExecutor) -> list[Any]:
        kind = self.data.kind
        if kind in ("row", "file") or (kind == "text" and isinstance(chunk[0][1], str)):
            return [content for _, content in chunk]
        return list(pool.map(lambda one: decode(one[1], kind, where=f"the item {one[0]!r}"), chunk))

    def _items(self, start: int) -> Iterator[tuple[str, Any]]:
        """Yield (id, content) of the items to score, from number `start` of them on."""
        if start == len(self.rows):
            return
        wanted = iter(self.rows[start:].tolist())
        first = next(wanted)
        row = first
        for here, one in enumerate(self.data.stream(first), start=first):
            if here != row:
                continue
            yield one
            following = next(wanted, None)
            if following is None:
                return
            row = following

    def _score_chunk(self, start: int, ids: list[str], batches: Iterator[tuple[np.ndarray, Any]]) -> Part:
        names, count = self.model.class_names, len(ids)
        labels = self._labels[start : start + count]
        classes = np.empty((count, self.top), np.int32)
        probs = np.empty((count, self.top), np.float32)
        every = np.empty((count, len(names)), np.float32) if self.keep_scores else None
        for places, prepared in batches:
            scores = self._checked(self.model.forward(prepared), len(places), start)
            found = predictions_from_scores(scores, labels[places], names, k=self.top, logits=bool(self.logits))
            assert found.top_probs is not None
            classes[places], probs[places] = found.top_classes, found.top_probs
            if every is not None:
                every[places] = scores
        return Part(
            start,
            labels.astype(np.int32),
            classes,
            probs,
            np.array(ids, dtype=object),
            self._splits[start : start + count],
            np.array(bool(self.logits)),
            every,
        )

    def _checked(self, scores: np.ndarray, count: int, start: int) -> np.ndarray:
        """Return a batch's scores, or raise; with the first batch it is settled what they are, where that is open."""
        scores = np.asarray(scores)
        if self.logits is None and scores.ndim == 2 and scores.dtype.kind in "fiu" and np.isfinite(scores).all():
            self.logits = are_logits(scores, self.model.name)
        return checked_scores(
            scores,
            self.model.name,
            logits=bool(self.logits),
            count=count,
            classes=len(self.model.class_names),
            done=start,
        )


def are_logits(scores: np.ndarray, name: str) -> bool:
    """Judge by (n, K) scores whether they are logits: probabilities are from 0 to 1, and each row sums to 1.

    Raises:
        ConfembError: all are from 0 to 1, but rows do not sum to 1: they may be either.
    """
    if scores.min() < 0 or scores.max() > 1 + SUM_TOLERANCE:
        return True
    if (np.abs(scores.sum(axis=1, dtype=np.float64) - 1) <= SUM_TOLERANCE).all():
        return False
    raise ConfembError(
        f"the scores of {name} are from 0 to 1 but do not sum to 1: they may be logits, or probabilities of a sigmoid "
        "for each class; say which with --scores logits or --scores probabilities."
    )


def _chunked(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _join_parts(parts: list[Part]) -> Part:
    def both(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)

    return Part(
        parts[0].start,
        both("labels"),
        both("top_classes"),
        both("top_probs"),
        both("ids"),
        both("splits"),
        parts[0].logits,
        both("scores"),
    )


def _joined(parts: list[Part], model: OpenedModel, data: OpenedData) -> Predictions:
    whole = _join_parts([part.without_scores() for part in parts])
    splits = whole.splits.astype(object)
    return Predictions(
        whole.labels,
        whole.top_classes,
        whole.top_probs,
        model.class_names,
        whole.ids.astype(object),
        splits if any(splits) else None,
        dataset=data.name,
        classifier=model.name,
    )


def among_matched(model: OpenedModel, match: ClassMatch) -> tuple[OpenedModel, ClassMatch]:
    """Return the model made to choose among the classes that labels mean, and the match with those.

    Probabilities are divided by their sum over these classes; logits stay as they are.
    """
    places = np.unique(match.places[match.places >= 0])
    names = tuple(model.class_names[place] for place in places)
    known = [model.logits]

    def forward(prepared: Any) -> np.ndarray:
        scores = np.asarray(model.forward(prepared))
        if scores.ndim != 2 or scores.shape[1] != len(model.class_names):
            # What is wrong is said where scores are checked.
            return scores
        if known[0] is None:
            known[0] = are_logits(scores, model.name)
        some = scores[:, places]
        return some if known[0] else some / some.sum(axis=1, keepdims=True, dtype=np.float64)

    new_place = np.full(len(model.class_names), -1, np.int32)
    new_place[places] = np.arange(len(places))
    matched = np.where(match.places >= 0, new_place[match.places], -1).astype(np.int32)
    chosen = replace(model, class_names=names, forward=forward, identity={**model.identity, "among": list(names)})
    return chosen, replace(match, class_names=names, places=matched)


def describe(model: OpenedModel, data: OpenedData) -> list[str]:
    """Return lines that say what scores what."""
    where = "" if model.device == "cpu" else f", on {model.device}"
    lines = [
        f"model: {model.name} ({len(model.class_names):,} classes{where})",
        f"data: {data.name} ({len(data):,} {PLURALS[data.kind]}, {len(data.class_names):,} labels)",
    ]
    return [*lines, *(f"note: {note}" for note in (*model.notes, *data.notes))]
