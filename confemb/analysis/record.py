"""One analysis as a plain record: what was counted and embedded, and everything a report is made from."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from confemb.records.embedding import EmbeddingRuns
from confemb.records.pairs import PairCounts
from confemb.records.predictions import Predictions, check_indices
from confemb.records.similarity import SimilarityMatrix
from confemb.references import NoiseCeiling, left_out, open_reference
from confemb.stats.uncertainty import Uncertainty
from confemb.support.errors import ConfembError

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
        if self.top_classes.shape != self.top_probs.shape or self.images.shape[3:] not in ((1,), (3,)):
            raise ConfembError(
                f"the example pictures have shape {self.images.shape}, their classes {self.top_classes.shape} and "
                f"probabilities {self.top_probs.shape}, which do not fit."
            )


@dataclass(frozen=True, eq=False)
class KnownReference:
    """What a reference says of a result's classes.

    Attributes:
        title: what it is called in a sentence, "the paper".
        similarity: its similarities of those classes that it knows.
        ceiling: how well it agrees with itself, where that is known.
        left_out: the result's classes that it does not know.
        name: what it is opened by, see `confemb.references.open_reference`; empty where it cannot be opened again.
    """

    title: str
    similarity: SimilarityMatrix
    ceiling: NoiseCeiling | None = None
    left_out: tuple[str, ...] = ()
    name: str = ""

    @classmethod
    def of(cls, name: str, class_names: Sequence[str]) -> "KnownReference":
        """Return what the reference `name` says of some classes; raises ConfembError as `open_reference`."""
        reference = open_reference(name)
        similarity = reference.similarity(class_names)
        missing = tuple(left_out(class_names, similarity))
        return cls(reference.title, similarity, reference.noise_ceiling(class_names), missing, name)


@dataclass(frozen=True)
class NamedReference:
    """A reference of a result that was opened: looked up when it is asked for, since its data may not be there.

    What it says is that of `KnownReference.of`; asking raises ConfembError where that does.

    Attributes:
        name: see `confemb.references.open_reference`.
        class_names: the result's classes.
    """

    name: str
    class_names: tuple[str, ...]

    @functools.cached_property
    def _known(self) -> KnownReference:
        return KnownReference.of(self.name, self.class_names)

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return self._known.title

    @property
    def similarity(self) -> SimilarityMatrix:
        """Its similarities of those classes that it knows."""
        return self._known.similarity

    @property
    def ceiling(self) -> NoiseCeiling | None:
        """How well it agrees with itself, where that is known."""
        return self._known.ceiling

    @property
    def left_out(self) -> tuple[str, ...]:
        """The result's classes that it does not know."""
        return self._known.left_out


@dataclass(frozen=True, eq=False, kw_only=True)
class AnalysisRecord:
    """One analysis: what was counted and embedded, and all that is known about how.

    Attributes:
        title: the report's heading.
        description: one or two sentences under it.
        counts: the pair counts; their class names are the result's.
        runs: the embeddings of those pairs, one for each seed.
        provenance: JSON-able: where the items came from, and for each stage its settings, versions, times.
        predictions: the classifier's predictions, where there were any.
        history: the training history, columns epoch, train_loss, train_accuracy, test_loss,
            test_accuracy (NaN where not measured) and seconds.
        examples: pictures for the figure of example predictions.
        groups: group name -> class names, in the order wanted in tables.
        references: similarities to compare with; the first one stands in the tables of similarities.
        uncertainty: intervals over other sources than the seeds, and reliability; empty where not measured.
        item: what was classified, one of it: "picture", "text"; its plural is made with an s.
        deterministic: whether the embedder has no seed, so that there is one run and nothing else to expect.
        from_classifier: whether the vectors were taken from the classifier itself, not from the pairs.
    """

    title: str
    description: str
    counts: PairCounts
    runs: EmbeddingRuns
    provenance: dict[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = None
    history: "pd.DataFrame | None" = None
    examples: Examples | None = None
    groups: dict[str, list[str]] = field(default_factory=dict)
    references: "Sequence[KnownReference | NamedReference]" = ()
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    item: str = "picture"
    deterministic: bool = False
    from_classifier: bool = False

    def __post_init__(self) -> None:
        """Raise ConfembError where counts and embedding are not of the same classes."""
        if self.counts.class_names != self.runs.class_names:
            raise ConfembError("the pair counts and the embedding are not of the same classes in the same order.")
        if any(interval.class_names != self.counts.class_names for interval in self.uncertainty.intervals):
            raise ConfembError("the intervals and the embedding are not of the same classes in the same order.")
        if self.examples is not None:
            names = (self.counts if self.predictions is None else self.predictions).class_names
            for what in (self.examples.labels, self.examples.top_classes):
                check_indices(what, len(names), what="class of an example picture")

    @property
    def note(self) -> str:
        """What was said of the counts when they were made, which the findings begin with; empty where nothing was."""
        return str(self.provenance.get("stages", {}).get("embed", {}).get("note", ""))

    @property
    def reference(self) -> SimilarityMatrix | None:
        """The first reference's similarities."""
        return self.references[0].similarity if self.references else None

    @property
    def reference_name(self) -> str:
        """What the first reference is called in a sentence."""
        return self.references[0].title if self.references else "the reference"
