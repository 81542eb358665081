"""`Tracker`: how similarities form in anybody's training, from the scores of each evaluation.

    tracker = confemb.Tracker(class_names, path="track.npz")
    for epoch in range(epochs):
        ...
        for labels, scores in evaluation:
            tracker.update(labels, scores)
        tracker.end_epoch()

Then `confemb formation track.npz` reports as for confemb's own trainings. Only counts are kept, a few kB an epoch.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from confemb.records.pairs import PairCounts, PairSum, count_pairs
from confemb.records.predictions import check_class_names, check_k, predictions_from_scores
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, whole_file
from confemb.support.npz import read_record

# The arrays in a track's file; "format" tells it from other NPZ files.
_SAVED = dict.fromkeys(("epochs", "epoch", "true", "predicted", "rank", "counts"), ("iu", 1)) | {
    "class_names": ("U", 1),
    "k": ("iu", 0),
    "format": ("U", 0),
}
FORMAT = "confemb track 1"


@dataclass(frozen=True, eq=False)
class TrackedEpoch:
    """The pairs of one epoch's evaluation.

    Attributes:
        pairs: of the true class and each of the k most probable; classes without items have empty rows.
    """

    pairs: PairCounts

    def counts(self) -> PairCounts:
        """Return the pairs; raises ConfembError where a class had no item."""
        return self.pairs.select(missing_classes="error")

    def accuracy(self) -> dict[str, float]:
        """Return the share of items whose most probable class was the true one, as {"all": share}."""
        first = self.pairs.rank == 0
        right = first & (self.pairs.true == self.pairs.predicted)
        return {"all": float(self.pairs.counts[right].sum() / self.pairs.counts[first].sum())}

    @property
    def items(self) -> int:
        """How many items were evaluated."""
        return int(self.pairs.counts[self.pairs.rank == 0].sum())


class Tracker:
    """Counts, epoch by epoch, which classes a classifier in training takes for which.

    Args:
        class_names: the K class names, in the order of the scores.
        k: classes kept for each item: the true one is paired with each of them.
        path: a file (.npz) that is written after each epoch, whole or not at all; None: `save` writes it.

    Raises:
        ConfembError: class names that are empty or repeated, k out of range, fewer than two classes.
    """

    def __init__(self, class_names: Sequence[str], *, k: int = 3, path: str | os.PathLike[str] | None = None) -> None:
        self.class_names = tuple(check_class_names(tuple(class_names)))
        if len(self.class_names) < 2:
            raise ConfembError("one class is similar to no other: a tracker needs at least two.")
        k = min(k, len(self.class_names))
        check_k(k, len(self.class_names))
        self.k = k
        self._path = None if path is None else _track_path(path)
        self._epochs: dict[int, TrackedEpoch] = {}
        self._sum = PairSum()

    @property
    def epochs(self) -> Mapping[int, TrackedEpoch]:
        """The epochs that have ended, by number, counted from 1."""
        return dict(self._epochs)

    def update(self, labels: Any, scores: Any) -> None:
        """Count a batch of the evaluation that is under way.

        Args:
            labels: (n,) true classes as indices; an array, a list, or a tensor of PyTorch, JAX or TensorFlow.
            scores: (n, K) logits or probabilities.

        Raises:
            ConfembError: labels out of range, scores of a wrong shape or not finite.
        """
        scores = _as_array(scores)
        labels = _as_array(labels)
        if scores.ndim != 2 or labels.shape != scores.shape[:1]:
            raise ConfembError(
                f"a tracker takes (n,) labels and (n, {len(self.class_names)}) scores, not {labels.shape} and "
                f"{scores.shape}."
            )
        if not len(labels):
            return
        # The order of the classes is all that is counted, so logits need no softmax.
        found = predictions_from_scores(scores, labels, self.class_names, k=self.k, logits=True)
        self._sum.add(count_pairs(found, k=self.k, missing_classes="keep"))

    def end_epoch(self, epoch: int | None = None) -> None:
        """End the evaluation of an epoch, and write the file where there is one.

        Args:
            epoch: its number, larger than that before; None: the next.

        Raises:
            ConfembError: nothing was counted since the last end, or a number that does not rise.
        """
        last = max(self._epochs, default=0)
        number = last + 1 if epoch is None else int(epoch)
        if number <= last:
            raise ConfembError(f"epoch {number} ends after epoch {last}: the numbers must rise.")
        if self._sum.empty:
            raise ConfembError(f"epoch {number} ends without an update: give its labels and scores first.")
        self._epochs[number] = TrackedEpoch(self._sum.counts())
        self._sum = PairSum()
        if self._path is not None:
            self.save(self._path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the epochs that have ended as one NPZ file, whole or not at all; the same counts give the same bytes.

        Raises:
            ConfembError: the file cannot be written, or no epoch has ended.
        """
        if not self._epochs:
            raise ConfembError("no epoch has ended yet: there is nothing to save.")
        pairs = [one.pairs for one in self._epochs.values()]
        columns = {
            name: np.concatenate([getattr(p, name) for p in pairs]) for name in ("true", "predicted", "rank", "counts")
        }
        numbers = np.array(list(self._epochs), dtype=np.int64)
        columns["epoch"] = np.repeat(np.arange(len(pairs)), [len(p.counts) for p in pairs])
        narrow = {name: a.astype(np.min_scalar_type(int(a.max(initial=0)))) for name, a in columns.items()}
        with whole_file(_track_path(path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                format=np.array(FORMAT),
                class_names=np.array(self.class_names, dtype=np.str_),
                k=np.array(self.k, np.int64),
                epochs=numbers,
                **narrow,  # type: ignore[arg-type]
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, to look at it or to go on tracking; raises ConfembError for anything else."""
        try:
            return cls._from_arrays(read_record(read_bytes(path), _SAVED))
        except ConfembError as error:
            raise ConfembError(f"cannot read the track {os.fspath(path)}: {error}") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        if str(arrays["format"]) != FORMAT:
            raise ConfembError(f"its format is {str(arrays['format'])!r}, not {FORMAT!r}: write it with Tracker.save.")
        tracker = cls(arrays["class_names"].tolist(), k=int(arrays["k"]))
        numbers, place = arrays["epochs"], arrays["epoch"]
        if not len(numbers) or (np.diff(numbers.astype(np.int64)) <= 0).any() or int(numbers[0]) < 1:
            raise ConfembError("its epochs are not in rising order: write it again.")
        columns = {name: arrays[name] for name in ("true", "predicted", "rank", "counts")}
        if {column.shape for column in columns.values()} != {place.shape}:
            raise ConfembError("its columns are not equally long: write it again.")
        for i, number in enumerate(numbers.tolist()):
            rows = place == i
            own = {name: column[rows] for name, column in columns.items()}
            if not rows.any():
                raise ConfembError(f"its epoch {number} is empty: write it again.")
            tracker._epochs[number] = TrackedEpoch(PairCounts(tracker.class_names, tracker.k, "keep", **own))
        return tracker


def _track_path(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ConfembError(f"the track {path} must end in .npz.")
    return path


def _as_array(values: Any) -> np.ndarray:
    """Return an array of what a library calls a batch; a PyTorch tensor may lie on a GPU and carry gradients."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if hasattr(values, "is_floating_point") and values.is_floating_point():
            # numpy has no bfloat16.
            values = values.float()
        return np.asarray(values.numpy())
    return np.asarray(values)
