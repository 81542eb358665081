"""How the classifier sees the pictures of each class: means of the activations before its last layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.datasets import Dataset
from confemb.embedders.centred import CentredVectors
from confemb.records.classifier import BATCH_SIZE, Classifier, match_labels, open_classifier
from confemb.records.embedding import ClassEmbedding
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps


@dataclass(frozen=True)
class ClassifierFeatures(CentredVectors):
    """For each class the mean, over its pictures, of what goes into the last layer.

    Behind a rectifier all activations are positive and every two classes' means point much the same way. A constant
    added to all of them would be taken up by the last layer's bias, so the common part means nothing; it is taken out
    by subtracting the mean over the classes, each counted once however many pictures it has (as Papyan, Han and
    Donoho 2020 do), where `centre` is on. The cosine of two classes of two is then -1.
    """

    def embed_classifier(
        self,
        classifier: Classifier,
        datasets: Sequence[Dataset],
        class_names: Sequence[str],
        *,
        batch_size: int = BATCH_SIZE,
        progress: Steps | None = None,
    ) -> ClassEmbedding:
        """Return the (K', F) means of the classes that have pictures, in the classifier's order.

        Args:
            classifier: shows what goes into its last layer.
            datasets: the pictures; one batch of them is held at a time.
            class_names: what the classifier calls the datasets' classes, in their order.
            batch_size: pictures at a time.
            progress: called with (pictures done, pictures in all).

        Raises:
            ConfembError: a classifier that does not show its activations, a class that it does not know.
        """
        features = open_classifier(classifier).features
        names = tuple(classifier.class_names)
        sums, pictures = None, np.zeros(len(names), np.int64)
        total = sum(len(dataset) for dataset in datasets)
        for dataset in datasets:
            labels = match_labels(dataset.labels, class_names, names)
            for start in range(0, len(dataset), batch_size):
                rows = slice(start, start + batch_size)
                batch = np.asarray(features(dataset.images[rows]), np.float64)
                if sums is None:
                    sums = np.zeros((len(names), batch.shape[1]))
                np.add.at(sums, labels[rows], batch)
                pictures += np.bincount(labels[rows], minlength=len(names))
                if progress is not None:
                    progress(int(pictures.sum()), total)
        if sums is None:
            raise ConfembError("there are no pictures: give at least one.")
        there = np.flatnonzero(pictures)
        return ClassEmbedding(self.centred(sums[there] / pictures[there, None]), tuple(names[i] for i in there))
