"""What scoring is made of: opened models, opened data, and the settings that open them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError

# What a model takes and what data holds. A file is given to the model by its path, unread.
ItemKind = Literal["picture", "text", "audio", "row", "file"]
KINDS: tuple[ItemKind, ...] = ("picture", "text", "audio", "row", "file")
PLURALS: Mapping[ItemKind, str] = {
    "picture": "pictures",
    "text": "texts",
    "audio": "recordings",
    "row": "rows of numbers",
    "file": "files",
}
ScoreMeaning = Literal["auto", "logits", "probabilities"]

# Labels of items that have none.
NO_LABEL = -1


@dataclass(frozen=True)
class ModelSettings:
    """What opening a model may need besides its name.

    Attributes:
        class_names: the K names in the order of the model's outputs, in place of the model's own names; for zero-shot
            models the classes to choose from.
        checkpoint: the weights' file, for `timm:`.
        prompts: for zero-shot models: a template with {} for the class name, or a file of prompts.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": a GPU where the library sees one.
        scores: whether the model's outputs are logits or probabilities; auto: judged by the outputs themselves.
        preprocess: how pictures become input, for models that do not say: `confemb.classifiers.models.picture_input`.
        batch_size: items scored at a time; None: the family's own.
    """

    class_names: tuple[str, ...] | None = None
    checkpoint: Path | None = None
    prompts: str | None = None
    device: str = "auto"
    scores: ScoreMeaning = "auto"
    preprocess: str | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfembError for a batch size below 1."""
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfembError(f"the batch size is {self.batch_size}; it must be at least 1.")


@dataclass(frozen=True)
class DataSettings:
    """What opening data may need besides its name.

    Attributes:
        input: the column of texts or paths (or of pictures, recordings).
        label: the column of labels.
        splits: the parts to take; empty: all that have labels.
        kind: what the items are, where the data does not say.
        label_names: the names of labels that are whole numbers, in index order.
        image_size: resize pictures to this many pixels first; for prepared datasets of pictures that differ in size.
        path: a folder where TFDS has prepared the set.
    """

    input: str | None = None
    label: str | None = None
    splits: tuple[str, ...] = ()
    kind: ItemKind | None = None
    label_names: tuple[str, ...] | None = None
    image_size: int | None = None
    path: str | None = None


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model that is ready to score; it is a `Classifier` too.

    Attributes:
        name: what it is called in results.
        class_names: the K classes, in the order of the scores.
        logits: whether the scores are logits; None: judged by the first scores.
        takes: the kinds of items that it can score.
        prepare: decoded items -> the model's input. Called in another thread than `forward`, ahead of it.
        forward: the model's input -> (n, K) scores.
        identity: all that the scores depend on, JSON-able: what makes it the same model.
        batch_size: items scored at a time.
        length: how long an item is; items of like length are then scored together. None: in their own order.
        device: where it computes.
        notes: sentences that the user should read.
    """

    name: str
    class_names: tuple[str, ...]
    logits: bool | None
    takes: tuple[ItemKind, ...]
    prepare: Callable[[list[Any]], Any]
    forward: Callable[[Any], np.ndarray]
    identity: Mapping[str, Any]
    batch_size: int = 32
    length: Callable[[Any], int] | None = None
    device: str = "cpu"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ConfembError for class names that are empty or repeated."""
        try:
            object.__setattr__(self, "class_names", tuple(check_class_names(self.class_names)))
        except ConfembError as error:
            raise ConfembError(
                f"the class names of {self.name} cannot be used: {error} Give the names in the order of its outputs "
                "with --classes FILE."
            ) from error

    def scores(self, batch: Sequence[Any]) -> np.ndarray:
        """Return (n, K) scores of n decoded items."""
        return self.forward(self.prepare(list(batch)))


@dataclass(frozen=True, eq=False)
class OpenedData:
    """Labelled items that can be read in order, from any place on.

    Attributes:
        name: what it is called in results.
        kind: what the items are.
        class_names: the names of the labels.
        labels: (N,) int32 indices into `class_names`; `NO_LABEL` for an item without one.
        splits: (name, number of items) of the parts, in order; the name is "" where there are no parts.
        stream: `stream(start)` yields (id, content) of item `start` and those after it. Contents are not decoded yet: a
            path, bytes, a text, an array.
        identity: what the data is, JSON-able, the same wherever the same data lies.
        stamp: changes when a file that the data is read from does.
        notes: sentences that the user should read.
    """

    name: str
    kind: ItemKind
    class_names: tuple[str, ...]
    labels: np.ndarray
    splits: tuple[tuple[str, int], ...]
    stream: Callable[[int], Iterator[tuple[str, Any]]]
    identity: Mapping[str, Any]
    stamp: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raise ConfembError for data without items."""
        if not len(self.labels):
            raise ConfembError(f"{self.name} has no items: give data with at least one.")
        if sum(count for _, count in self.splits) != len(self.labels):
            raise AssertionError("the parts do not add up to the items")
        object.__setattr__(self, "class_names", tuple(check_class_names(self.class_names)))

    def __len__(self) -> int:
        """The number of items, N."""
        return len(self.labels)

    def split_names(self) -> np.ndarray | None:
        """Return (N,) the part each item is from; None where there are no parts."""
        if all(not name for name, _ in self.splits):
            return None
        return np.repeat(np.array([name for name, _ in self.splits], dtype=object), [count for _, count in self.splits])
