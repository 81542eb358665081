"""The classifier's own class vectors: the rows of its last layer."""

from collections.abc import Sequence
from dataclasses import dataclass

from confemb.datasets import Dataset
from confemb.embedders.centred import CentredVectors
from confemb.records.classifier import Classifier, open_classifier
from confemb.records.embedding import ClassEmbedding
from confemb.support.progress import Steps


@dataclass(frozen=True)
class ClassifierWeights(CentredVectors):
    """The weights with which the last layer weighs its input for each class, without the biases.

    Adding one vector to the weights of all classes changes no probability of a softmax, so their common part means
    nothing; it is taken out by subtracting the mean over the classifier's classes (`centre`).
    """

    def embed_classifier(
        self,
        classifier: Classifier,
        datasets: Sequence[Dataset],
        class_names: Sequence[str],
        *,
        batch_size: int,
        progress: Steps | None = None,
    ) -> ClassEmbedding:
        """Return the (K, F) weights of all K classes of the classifier; no picture is looked at.

        Raises:
            ConfembError: a classifier that does not show its weights.
        """
        weights = open_classifier(classifier).class_weights()
        return ClassEmbedding(self.centred(weights), tuple(classifier.class_names))
