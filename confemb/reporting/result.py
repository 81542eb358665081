"""`Result`: everything a report is made from."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from confemb.embedding import EmbeddingRuns
from confemb.errors import ConfembError
from confemb.pairs import PairCounts
from confemb.predictions import Predictions
from confemb.similarity import SimilarityMatrix

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Examples:
    """A few pictures with what the classifier made of them.

    Attributes:
        images: (M, H, W, C) uint8, C being 1 or 3.
        labels: (M,) true classes, as indices into the class names of the result's predictions (of its
            counts where it has no predictions).
        top_classes: (M, k) the most probable classes, best first.
        top_probs: (M, k) their probabilities, from 0 to 1.
        ids: (M,) str, the pictures' ids.
    """

    images: np.ndarray
    labels: np.ndarray
    top_classes: np.ndarray
    top_probs: np.ndarray
    ids: np.ndarray

    def __post_init__(self) -> None:
        """Raise ConfembError for arrays of unequal length."""
        lengths = {len(getattr(self, what)) for what in ("images", "labels", "top_classes", "top_probs", "ids")}
        if len(lengths) > 1:
            raise ConfembError(f"the example pictures' arrays have unequal lengths: {sorted(lengths)}.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """One result: what was counted and embedded, and all that is known about how.

    Attributes:
        title: the report's heading.
        description: one or two sentences under it.
        counts: the pair counts; their class names are the result's.
        runs: the embeddings of those pairs, one for each seed.
        manifest: JSON-able: configuration, seeds, versions, data fingerprint, accuracies, times.
        predictions: the classifier's predictions, where there were any.
        history: the training history, columns epoch, train_loss, train_accuracy, test_loss,
            test_accuracy (NaN where not measured) and seconds.
        examples: pictures for the figure of example predictions.
        groups: group name -> class names, in the order wanted in tables.
        reference: similarities to compare with.
        reference_name: what they are called in a sentence, "the paper".
    """

    title: str
    description: str
    counts: PairCounts
    runs: EmbeddingRuns
    manifest: dict[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = None
    history: "pd.DataFrame | None" = None
    examples: Examples | None = None
    groups: dict[str, list[str]] = field(default_factory=dict)
    reference: SimilarityMatrix | None = None
    reference_name: str = "the reference"

    def __post_init__(self) -> None:
        """Raise ConfembError where counts and embedding are not of the same classes."""
        if self.counts.class_names != self.runs.class_names:
            raise ConfembError("the pair counts and the embedding are not of the same classes in the same order.")
