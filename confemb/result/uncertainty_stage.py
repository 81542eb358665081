"""Measuring how far the result of a draft is chance: the stage "uncertainty"."""

import dataclasses
import time

from confemb.embedders import ClassifierEmbedder, Embedder
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.records.embedding import EmbeddingRuns
from confemb.records.options import PairOptions
from confemb.records.pairs import PairCounts
from confemb.records.predictions import Predictions
from confemb.stats.bootstrap import CellResampling, PictureResampling, Resampling
from confemb.stats.count_replicates import CountedResampling
from confemb.stats.options import UncertaintyOptions
from confemb.stats.uncertainty import Effort, choose_effort, measure_uncertainty
from confemb.support.draft import Draft
from confemb.support.files import make_folder
from confemb.support.manifest import versions
from confemb.support.progress import Display


def measure_chance(
    counts: PairCounts,
    runs: EmbeddingRuns,
    predictions: Predictions | None,
    embedder: Embedder | ClassifierEmbedder,
    pairs: PairOptions,
    section: UncertaintyOptions,
    draft: Draft,
    key: str,
    *,
    seed: int,
    display: Display,
    counted: CountedResampling | None = None,
) -> None:
    """Measure how far the result of a draft is chance, and record the stage "uncertainty".

    Where there are no predictions, pictures are drawn as they were while they were counted (only intervals come of
    that), or else the cells of a confusion matrix. Nothing is measured for an embedder that looks into the classifier
    (other predictions would change nothing of its inside), nor for counts of several ranks alone (which pairs are of
    one picture is not known).
    """
    if isinstance(embedder, ClassifierEmbedder):
        return
    effort = choose_effort(embedder, len(counts.class_names), **section.model_dump())
    if len(counts.class_names) > MOST_CLASSES_IN_A_TABLE:
        # An interval for each of some hundred million pairs would fill the memory.
        return
    if predictions is None and counted is not None:
        effort = Effort(min(effort.pictures, len(counted.replicates)), split_halves=0, dimension_splits=0)
    elif predictions is None and (counts.k > 1 or counts.unit < 1):
        return
    if effort.none:
        return
    display.stage(f"uncertainty: {effort.pictures} bootstrap replicates, {effort.split_halves} split halves")
    started = time.monotonic()
    resampling: Resampling
    if predictions is None:
        resampling = CellResampling(counts, seed) if counted is None else counted
        drawn = "cells of the confusion matrix" if counted is None else "pictures, while they were counted"
    else:
        drawn = "pictures"
        weighting, temperature = pairs.weighting, pairs.temperature
        resampling = PictureResampling(predictions, counts.k, counts.self_pairs, weighting, temperature, seed)
    with display.bar() as update:
        found = measure_uncertainty(resampling, embedder, runs, effort, seed=seed, progress=update)
    files = found.save(make_folder(draft.work))
    draft.record(
        "uncertainty",
        key,
        files,
        seconds=round(time.monotonic() - started, 1),
        effort=dataclasses.asdict(effort),
        drawn=drawn,
        versions=versions(),
    )
