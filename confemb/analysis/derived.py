"""Everything a report says, worked out once from an `AnalysisRecord`."""

from dataclasses import dataclass

import numpy as np

from confemb.analysis.clustering import Cluster, Seriation, find_clusters, seriate
from confemb.analysis.record import AnalysisRecord, KnownReference, NamedReference
from confemb.embedders.counts import count_similarity
from confemb.records.indices import pair_indices
from confemb.records.similarity import Agreement, SimilarityMatrix
from confemb.references.comparison import AssessedAgreement, assess_agreement
from confemb.stats.groups import TwoValues, two_values
from confemb.stats.intervals import SimilarityInterval, Source
from confemb.stats.seeds import (
    GroupSeparation,
    RunAgreement,
    RunSummary,
    group_of,
    group_separation,
    run_agreement,
    summarise_runs,
)
from confemb.stats.uncertainty import intervals_by_source

# Up to here every class and pair is shown; beyond, neighbour lists, strongest pairs and clusters.
MOST_CLASSES_SHOWN_WHOLE = 30


@dataclass(frozen=True)
class Accuracy:
    """How often the classifier was right on one part of the pictures (shares from 0 to 1)."""

    split: str
    pictures: int
    top_1: float
    top_k: float
    k: int


@dataclass(frozen=True, eq=False)
class ReferenceAgreement:
    """How well a result agrees with one reference.

    Attributes:
        reference: the reference.
        similarity, counts: agreement of the similarity shown, and of the plain counts.
        runs: agreement of each run by itself, or None where too few pairs are known.
    """

    reference: KnownReference | NamedReference
    similarity: AssessedAgreement
    counts: AssessedAgreement
    runs: RunAgreement | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """A result with everything that its report says about it.

    Attributes:
        result: what was analysed.
        runs: the runs' summary; `runs.similarity` is the similarity the report shows.
        intervals: for each source of uncertainty that was measured, where the similarities may lie.
        two_values: where the runs fall into two groups, the similarities of both; else None.
        medoid: the cosines of the run written to `embedding.txt`.
        counts: the plain co-occurrence baseline.
        seriation: the order that puts like by like.
        clusters: similar classes together, in that order; single classes where all are shown whole.
        group: (K,) index of each class's declared group, -1 for none.
        separation, counts_separation: how far the groups separate, or None without two groups.
        compared: how well the result, its runs and the baseline agree with each reference.
        accuracy: one row for each split, and one for all where there are several.
    """

    result: AnalysisRecord
    runs: RunSummary
    intervals: dict[Source, SimilarityInterval]
    two_values: TwoValues | None
    medoid: SimilarityMatrix
    counts: SimilarityMatrix
    seriation: Seriation
    clusters: list[Cluster]
    group: np.ndarray
    separation: GroupSeparation | None
    counts_separation: GroupSeparation | None
    compared: list[ReferenceAgreement]
    accuracy: list[Accuracy]

    @property
    def similarity(self) -> SimilarityMatrix:
        """The similarity the report shows: medians over the seeds, with intervals."""
        return self.runs.similarity

    @property
    def agreement(self) -> Agreement | None:
        """How well the similarity agrees with the first reference; None without one."""
        return self.compared[0].similarity.found if self.compared else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names."""
        return self.runs.similarity.class_names

    @property
    def whole(self) -> bool:
        """Whether there are few enough classes to show every class and pair."""
        return len(self.class_names) <= MOST_CLASSES_SHOWN_WHOLE

    def reference_values(self) -> np.ndarray | None:
        """Return the reference as (K, K) in the result's class order, NaN where unknown; None without one."""
        reference = self.result.reference
        return None if reference is None else reference.laid_out(self.class_names)

    def strongest_pairs(self, count: int) -> list[tuple[int, int]]:
        """Return the `count` most similar pairs as class indices, most similar first, ties in class order."""
        rows, columns = pair_indices(len(self.class_names))
        order = np.argsort(-self.similarity.values[rows, columns], kind="stable")[:count]
        return [(int(rows[p]), int(columns[p])) for p in order]


def analyse(result: AnalysisRecord) -> Analysis:
    """Work out everything the report says.

    Raises:
        ConfembError: a group naming an unknown class, or a reference without two classes in common.
    """
    runs = summarise_runs(result.runs)
    similarity = runs.similarity
    counts = count_similarity(result.counts)
    seriation = seriate(similarity)
    size = len(similarity.class_names)
    whole = size <= MOST_CLASSES_SHOWN_WHOLE
    groups = result.groups
    return Analysis(
        result=result,
        runs=runs,
        intervals=intervals_by_source(runs, len(result.runs), result.uncertainty),
        two_values=two_values(result.runs, runs.basins),
        medoid=result.runs[runs.medoid].cosine(),
        counts=counts,
        seriation=seriation,
        clusters=find_clusters(similarity, seriation, count=size if whole else round(1.2 * size**0.5)),
        group=group_of(similarity.class_names, groups),
        separation=group_separation(similarity, groups) if len(groups) > 1 else None,
        counts_separation=group_separation(counts, groups) if len(groups) > 1 else None,
        compared=[
            ReferenceAgreement(
                reference,
                assess_agreement(similarity, reference.similarity),
                assess_agreement(counts, reference.similarity),
                run_agreement(result.runs, reference.similarity),
            )
            for reference in result.references
        ],
        accuracy=_accuracy(result),
    )


def _accuracy(result: AnalysisRecord) -> list[Accuracy]:
    """Return top-1 and top-k accuracy for each split, then for all pictures where there are several."""
    predictions = result.predictions
    if predictions is None:
        return []
    parts = {f"all {result.item}s": np.ones(len(predictions), bool)}
    if predictions.splits is not None:
        splits = {str(split): predictions.splits == split for split in dict.fromkeys(predictions.splits.tolist())}
        parts = splits if len(splits) == 1 else splits | parts
    hits = {name: predictions.where(rows).hits() for name, rows in parts.items()}
    return [
        Accuracy(name, len(hit), float(hit[:, 0].mean()), float(hit.any(axis=1).mean()), predictions.k)
        for name, hit in hits.items()
    ]


def source_name(analysis: Analysis, source: Source) -> str:
    """Return what a source of uncertainty is called in tables: the pictures may be texts."""
    return f"{analysis.result.item}s" if source == "pictures" else source
