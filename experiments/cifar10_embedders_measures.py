"""What `cifar10_embedders.py` measures: each embedder and reading of one network's predictions, against references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import confemb
from confemb.datasets import Dataset
from confemb.datasets.cifar10 import CLASS_NAMES
from confemb.embedders import ClassifierEmbedder, embed_runs, make_embedder, make_pair_embedder
from confemb.pipeline.classifier_sources import classifier_source
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.training_stage import WEIGHTS
from confemb.records.similarity import agreement
from confemb.references.cifar10h import canonical_labels
from confemb.result.model_files import load_classifier
from confemb.stats.bootstrap import PictureResampling
from confemb.stats.reliability import split_half
from confemb.stats.seeds import summarise_runs
from confemb.support.files import read_bytes
from confemb.support.manifest import Manifest
from confemb.support.progress import Display

# With fewer dimensions than classes, PPMI of few confusions leaves a class without a vector.
EMBEDDERS: dict[str, dict[str, Any]] = {
    "skipgram": {},
    "directed": {},
    "balanced": {},
    "ppmi": {"dim": len(CLASS_NAMES)},
    "counts": {},
    "diffusion": {},
}
OWN = ("weights", "features")
# What is read from the predictions: name -> arguments of `count_pairs`.
READINGS: dict[str, dict[str, Any]] = {
    "k = 1": {"k": 1},
    "k = 2": {"k": 2},
    "k = 3": {"k": 3},
    "k = 5": {"k": 5},
    "softmax mass": {"k": 10, "weighting": "probability"},
    "softened mass": {"k": 10, "weighting": "probability", "temperature": 1.5},
}
OWN_READING = "the network itself"
REFERENCES = {"people": "people (CIFAR-10H)", "wordnet": "WordNet (Wu-Palmer)", "paper": "the paper"}
STABILITY = {"seeds": "two seeds", "halves": "two halves of the pictures"}
MEASURES = (*REFERENCES, *STABILITY, "whole")
SEEDS = range(4)
# A seeded embedder is run four times on each split.
SPLITS = {True: 10, False: 2}


@dataclass(frozen=True, eq=False)
class Network:
    """A network's predictions of the test pictures, and where its weights are, if they are.

    Attributes:
        predictions: all ten classes of each picture, with probabilities.
        folder: its result folder, None for an array of probabilities.
        chosen_on: whether settings were chosen on it.
    """

    name: str
    predictions: confemb.Predictions
    folder: Path | None
    chosen_on: bool


def read_network(path: Path, *, chosen_on: bool) -> Network:
    """Read a result folder, or an array of probabilities (N, 10) of the test pictures in their own order.

    Raises:
        ConfembError: predictions that do not hold all ten classes with probabilities, or other classes.
    """
    if path.is_dir():
        predictions = load_classifier(path)
        if predictions.splits is not None:
            test = np.asarray(predictions.splits) == "test"
            predictions = predictions.where(np.flatnonzero(test))
        if predictions.k < len(CLASS_NAMES) or predictions.top_probs is None or len(predictions) == 0:
            raise confemb.ConfembError(
                f"{path} lacks test predictions with all {len(CLASS_NAMES)} probabilities: run it with prediction.k = "
                f"{len(CLASS_NAMES)}."
            )
        return Network(path.name, predictions, path, chosen_on)
    read_bytes(path)  # says what is wrong with a path that is no file
    try:
        probs = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise confemb.ConfembError(f"{path} is no NPY file: {error}.") from error
    labels = canonical_labels()
    if probs.shape != (len(labels), len(CLASS_NAMES)):
        raise confemb.ConfembError(f"{path} has shape {probs.shape}; it must be {(len(labels), len(CLASS_NAMES))}.")
    predictions = confemb.predictions_from_scores(probs, labels, CLASS_NAMES, k=len(CLASS_NAMES))
    return Network(path.stem, predictions, None, chosen_on)


def own_vectors(folder: Path, name: str, pictures: Dataset) -> confemb.ClassEmbedding:
    """Return the embedding that a network in a result folder holds itself: its weights, or means of its features."""
    experiment = Experiment.model_validate(Manifest(folder).values["experiment"])
    classifier = classifier_source(experiment).classifier(pictures, folder / WEIGHTS)
    embedder = make_embedder(name, {})
    assert isinstance(embedder, ClassifierEmbedder)
    return embedder.embed_classifier(classifier, [pictures], pictures.class_names, batch_size=256)


def agreements(
    similarity: confemb.SimilarityMatrix, references: dict[str, confemb.SimilarityMatrix]
) -> dict[str, float]:
    """Return the Spearman correlation with each reference, over the pairs it knows."""
    return {name: agreement(similarity, reference).spearman for name, reference in references.items()}


def measure(network: Network, references: dict[str, confemb.SimilarityMatrix]) -> list[dict[str, Any]]:
    """Return a row for each embedder and reading of one network's predictions.

    What a seeded embedder says is the mean of its cosines over the seeds.
    """
    rows = []
    names = network.predictions.class_names
    for reading, options in READINGS.items():
        counts = confemb.count_pairs(network.predictions, **options)
        resampling = PictureResampling(network.predictions, **options)
        for name, own in EMBEDDERS.items():
            embedder = make_pair_embedder(name, own)
            steady = bool(getattr(embedder, "deterministic", False))
            row = {"network": network.name, "embedder": name, "reading": reading, "deterministic": steady}
            try:
                runs = embed_runs(embedder, counts, SEEDS)
            except confemb.ConfembError:
                # A class without a vector, because it is confused with none.
                rows.append(row | dict.fromkeys(MEASURES, float("nan")))
                continue
            similarity = confemb.SimilarityMatrix(runs.cosines().mean(axis=0), names)
            halves = split_half(resampling, embedder, names, splits=SPLITS[steady], seed=0)
            rows.append(
                row
                | agreements(similarity, references)
                | {
                    "seeds": 1.0 if steady else summarise_runs(runs).rank_agreement,
                    "halves": float("nan") if halves is None else halves.mean,
                    "whole": float("nan") if halves is None else halves.corrected,
                }
            )
    return rows


def measure_own(network: Network, references: dict[str, confemb.SimilarityMatrix], pictures: Dataset) -> list[dict]:
    """Return a row for each embedder that looks into the network, where its weights are there."""
    if network.folder is None or not (network.folder / WEIGHTS).is_file():
        return []
    rows = []
    for name in OWN:
        found = agreements(own_vectors(network.folder, name, pictures).cosine(), references)
        row = {"network": network.name, "embedder": name, "reading": OWN_READING, "deterministic": True}
        rows.append(row | found | {"seeds": 1.0, "halves": float("nan"), "whole": float("nan")})
    return rows


def measure_all(
    networks: Sequence[Network],
    references: dict[str, confemb.SimilarityMatrix],
    pictures: Dataset | None,
    display: Display,
) -> pd.DataFrame:
    """Return the rows of all networks."""
    rows: list[dict[str, Any]] = []
    with display.bar() as update:
        for done, network in enumerate(networks, start=1):
            own = [] if pictures is None else measure_own(network, references, pictures)
            facts = {"accuracy": network.predictions.accuracy, "chosen_on": network.chosen_on}
            rows += [row | facts for row in measure(network, references) + own]
            update("networks", done, len(networks))
    return pd.DataFrame(rows)
