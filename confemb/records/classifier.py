"""What a classifier is to confemb: something that scores inputs, and perhaps shows its last layer."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from confemb.records.indices import name_index
from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, quoted_list, unknown_name

# Inputs scored at a time unless a caller says otherwise.
BATCH_SIZE = 256


class Classifier(Protocol):
    """Anything that scores inputs: pictures, texts, rows of numbers."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    @property
    def class_names(self) -> Sequence[str]:
        """The K names its scores stand for, in their order."""

    @property
    def logits(self) -> bool:
        """Whether the scores are logits; otherwise they are probabilities."""

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) scores of a batch of n inputs, in their order."""


@runtime_checkable
class OpenClassifier(Protocol):
    """A classifier whose last layer is linear and can be looked at, with what goes into it."""

    def class_weights(self) -> np.ndarray:
        """Return (K, F) the weights of the last layer, a row for each class, without the biases."""

    def features(self, batch: Any) -> np.ndarray:
        """Return (n, F) what goes into the last layer for a batch of n inputs, in their order."""


def open_classifier(classifier: Classifier) -> OpenClassifier:
    """Return the classifier as one that can be looked into; raises ConfembError where it cannot."""
    if not isinstance(classifier, OpenClassifier):
        raise ConfembError(
            f"the classifier {classifier.name!r} shows only its scores ({type(classifier).__name__} has no methods "
            "class_weights and features); choose an embedder that needs only predictions, such as 'skipgram'."
        )
    return classifier


def match_labels(labels: np.ndarray, class_names: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Return (N,) int32 labels as indices into `known` rather than `class_names`, matched by name.

    Raises:
        ConfembError: class names that stand twice or are not among the known; the message lists them.
    """
    return class_places(class_names, known)[labels]


def class_places(class_names: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Return the index in `known` of each of `class_names`."""
    index = name_index(known)
    strange = [name for name in check_class_names(class_names) if name not in index]
    if len(strange) == 1:
        raise unknown_name("class", strange[0], known, where="the classifier's classes")
    if strange:
        raise ConfembError(
            f"{len(strange)} of the dataset's classes are not among the classifier's {len(known)}: "
            f"{quoted_list(strange)}; the classifier's are {quoted_list(known)}: rename the classes."
        )
    return np.array([index[name] for name in class_names], dtype=np.int32)
