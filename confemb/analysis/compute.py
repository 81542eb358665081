"""Computing an analysis: pair counts are embedded, and it is measured how sure the similarities are."""

import dataclasses
import time
from typing import Any

from confemb.analysis.options import AnalysisOptions
from confemb.analysis.record import AnalysisRecord, KnownReference
from confemb.embedders import ClassifierEmbedder, Embedder, embed_runs, is_deterministic, make_pair_embedder
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.records.embedding import EmbeddingRuns
from confemb.records.pairs import PairCounts
from confemb.records.predictions import Predictions
from confemb.records.ranks import informative_ranks
from confemb.stats.bootstrap import CellResampling, PictureResampling, Resampling
from confemb.stats.count_replicates import CountedResampling
from confemb.stats.seeds import group_of
from confemb.stats.uncertainty import Effort, Uncertainty, choose_effort, measure_uncertainty
from confemb.support.errors import ConfembError
from confemb.support.manifest import stage_key, versions
from confemb.support.progress import Display

EMBED, UNCERTAINTY = "embed", "uncertainty"
# What a stage took and learned, for the manifest: JSON-able.
Facts = dict[str, Any]


def compute_analysis(
    counts: PairCounts,
    predictions: Predictions | None,
    options: AnalysisOptions,
    *,
    counted: CountedResampling | None = None,
    source: dict[str, Any] | None = None,
    display: Display | None = None,
) -> AnalysisRecord:
    """Embed pair counts of any classifier, and measure how sure the similarities are.

    Args:
        counts: the pairs to embed.
        predictions: what they were counted from; None for a confusion matrix, or counts alone.
        options: how.
        counted: replicates that were counted along, for counts without predictions.
        source: facts about where the counts come from, recorded.
        display: where progress shows.

    Raises:
        ConfembError: unknown embedder, option or reference; a group with an unknown class or one of another group; a
            class that can get no vector; groups or references with more classes than a table of all pairs has.
    """
    display = display or Display()
    embedder = make_pair_embedder(options.embedding.name, options.embedding.options)
    references = check_report(options, counts.class_names)
    counts, note = informative_ranks(counts)
    if counted is not None:
        counted = dataclasses.replace(counted, like=counts)
    source = dict(source or {})
    key = stage_key(EMBED, source, options.seed, options.embedding.model_dump(mode="json"))
    runs, facts = embed(counts, embedder, options, display=display)
    stages = {EMBED: {"key": key, **facts, **({"note": note} if note else {})}}
    measured = measure(counts, runs, predictions, embedder, options, counted=counted, display=display)
    if measured is not None:
        stages[UNCERTAINTY] = {"key": key, **measured[1]}
    return AnalysisRecord(
        title=options.title,
        description=options.description,
        counts=counts,
        runs=runs,
        provenance={"stages": stages, "source": source},
        predictions=predictions,
        groups=options.report.groups,
        references=references,
        uncertainty=Uncertainty() if measured is None else measured[0],
        item=options.report.item,
        deterministic=is_deterministic(embedder),
    )


def check_report(options: AnalysisOptions, class_names: tuple[str, ...]) -> list[KnownReference]:
    """Return the references, opened; raises ConfembError where they or the groups do not fit the classes."""
    report = options.report
    group_of(class_names, report.groups)
    if len(class_names) > MOST_CLASSES_IN_A_TABLE and (report.groups or report.references):
        raise ConfembError(
            "groups and references need a table of all pairs of classes, which is made of up to "
            f"{MOST_CLASSES_IN_A_TABLE:,} classes; here are {len(class_names):,}: leave them out."
        )
    return [KnownReference.of(name, class_names) for name in report.references]


def embed(
    counts: PairCounts, embedder: Embedder, options: AnalysisOptions, *, display: Display
) -> tuple[EmbeddingRuns, Facts]:
    """Embed counts once for each seed; return the runs, and the facts of the stage."""
    seeds = range(options.seed, options.seed + options.embedding.seeds)
    often = "no seed" if is_deterministic(embedder) else f"{len(seeds)} seeds"
    display.stage(f"embed: {counts.total:,} pairs of {len(counts.class_names)} classes, {often}")
    started = time.monotonic()
    with display.bar() as update:
        runs = embed_runs(embedder, counts, seeds, progress=lambda done, total: update("embedding", done, total))
    return runs, embedding_facts(counts, runs, embedder, seconds=time.monotonic() - started)


def embedding_facts(
    counts: PairCounts, runs: EmbeddingRuns, embedder: Embedder | ClassifierEmbedder, *, seconds: float
) -> Facts:
    """Return what the manifest says of an embedding."""
    return {
        "seconds": round(seconds, 1),
        "embedder": repr(embedder),
        "deterministic": is_deterministic(embedder),
        "looks_into_classifier": isinstance(embedder, ClassifierEmbedder),
        "seeds": list(runs.seeds),
        "pairs": {"total": counts.total, "k": counts.k, "self_pairs": counts.self_pairs},
        "versions": versions(),
    }


def measure(
    counts: PairCounts,
    runs: EmbeddingRuns,
    predictions: Predictions | None,
    embedder: Embedder | ClassifierEmbedder,
    options: AnalysisOptions,
    *,
    counted: CountedResampling | None = None,
    display: Display,
) -> tuple[Uncertainty, Facts] | None:
    """Measure how far an analysis is chance; return that and the facts of the stage, or None where nothing is measured.

    Where there are no predictions, items are drawn as they were while they were counted (only intervals come of that),
    or else the cells of a confusion matrix. Nothing is measured for an embedder that looks into the classifier (other
    predictions would change nothing of its inside), nor for counts of several ranks alone (which pairs are of one item
    is not known).
    """
    effort = _effort(counts, predictions, embedder, options, counted)
    if effort is None or isinstance(embedder, ClassifierEmbedder):
        return None
    display.stage(f"uncertainty: {effort.pictures} bootstrap replicates, {effort.split_halves} split halves")
    started = time.monotonic()
    resampling, drawn = _resampling(counts, predictions, options, counted)
    with display.bar() as update:
        uncertainty = measure_uncertainty(resampling, embedder, runs, effort, seed=options.seed, progress=update)
    return uncertainty, {
        "seconds": round(time.monotonic() - started, 1),
        "effort": dataclasses.asdict(effort),
        "drawn": drawn,
        "versions": versions(),
    }


def _effort(
    counts: PairCounts,
    predictions: Predictions | None,
    embedder: Embedder | ClassifierEmbedder,
    options: AnalysisOptions,
    counted: CountedResampling | None,
) -> Effort | None:
    """Return how much is to be drawn, or None for nothing."""
    # An interval for each of some hundred million pairs would fill the memory.
    if isinstance(embedder, ClassifierEmbedder) or len(counts.class_names) > MOST_CLASSES_IN_A_TABLE:
        return None
    effort = choose_effort(embedder, len(counts.class_names), **options.uncertainty.model_dump())
    if predictions is None and counted is not None:
        effort = Effort(min(effort.pictures, len(counted.replicates)), split_halves=0, dimension_splits=0)
    elif predictions is None and (counts.k > 1 or counts.unit < 1):
        return None
    return None if effort.none else effort


def _resampling(
    counts: PairCounts, predictions: Predictions | None, options: AnalysisOptions, counted: CountedResampling | None
) -> tuple[Resampling, str]:
    """Return what draws the items, and what is drawn, in words."""
    if predictions is not None:
        weighting, temperature = options.pairs.weighting, options.pairs.temperature
        return (
            PictureResampling(predictions, counts.k, counts.self_pairs, weighting, temperature, options.seed),
            "pictures",
        )
    if counted is not None:
        return counted, "pictures, while they were counted"
    return CellResampling(counts, options.seed), "cells of the confusion matrix"
