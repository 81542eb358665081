"""Leaving classes out of the training, so that a classifier meets pictures of classes it does not know."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from confemb.datasets import Dataset
from confemb.datasets.cache import fingerprint
from confemb.records.classifier import Classifier
from confemb.support.errors import ConfembError, unknown_name

# Below every logit of its row by this much, a class has the probability 0 exactly in float64.
BELOW = 1000.0


def without_classes(dataset: Dataset, held_out: Sequence[str]) -> Dataset:
    """Return the pictures of all other classes, labelled by the other classes alone, in their order.

    Raises:
        ConfembError: a class the dataset does not have, or fewer than two that are left.
    """
    for name in held_out:
        if name not in dataset.class_names:
            raise unknown_name("class", name, dataset.class_names, where="dataset.hold_out")
    kept = tuple(name for name in dataset.class_names if name not in held_out)
    if len(kept) < 2:
        raise ConfembError(
            f"dataset.hold_out leaves {len(kept)} of the {len(dataset.class_names)} classes of {dataset.name}; "
            "at least 2 must be left to learn."
        )
    places = np.array([kept.index(name) if name in kept else -1 for name in dataset.class_names], np.int32)
    rows = np.flatnonzero(places[dataset.labels] >= 0)
    images, labels = dataset.images[rows], places[dataset.labels[rows]]
    return Dataset(
        images,
        labels,
        kept,
        dataset.ids[rows],
        name=dataset.name,
        split=dataset.split,
        fingerprint=fingerprint(images, labels, kept),
    )


class NeverPredicting:
    """A classifier over more classes than it knows: those it does not know get the probability 0.

    So pictures of unknown classes keep their label, and the classifier's answers their meaning.

    Args:
        classifier: scores the classes it knows.
        class_names: the K names, the classifier's among them.
    """

    def __init__(self, classifier: Classifier, class_names: Sequence[str]) -> None:
        self.name = classifier.name
        self.class_names = tuple(class_names)
        self.logits = True
        self._classifier = classifier
        self._columns = [self.class_names.index(name) for name in classifier.class_names]

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) float64 logits; a probability p becomes the logit log(p)."""
        known = np.asarray(self._classifier.scores(batch), np.float64)
        if not self._classifier.logits:
            known = np.log(np.maximum(known, np.finfo(np.float64).tiny))
        scores = np.repeat(known.min(axis=1, keepdims=True) - BELOW, len(self.class_names), axis=1)
        scores[:, self._columns] = known
        return scores
