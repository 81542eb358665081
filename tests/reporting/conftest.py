"""A small result with everything in it, and one with many classes."""

import numpy as np
import pandas as pd
import pytest

from confemb.analysis.derived import analyse
from confemb.analysis.record import AnalysisRecord, Examples, KnownReference
from confemb.records.embedding import EmbeddingRuns
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.intervals import SimilarityInterval
from confemb.stats.reliability import DimensionChoice, NeighbourOverlap, Reliability, SplitHalf
from confemb.stats.uncertainty import Uncertainty


def block_runs(class_names, *, blocks, seeds, noise=0.2, dim=6):
    """Runs in which the classes of one block (i % blocks) point the same way."""
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(blocks, dim))
    base = centres[np.arange(len(class_names)) % blocks] + noise * generator.normal(size=(len(class_names), dim))
    vectors = base + 0.03 * generator.normal(size=(seeds, len(class_names), dim))
    return EmbeddingRuns(vectors.astype(np.float32), tuple(range(seeds)), tuple(class_names))


def block_predictions() -> Predictions:
    """120 pictures of the classes a, b, c, x, y, z, confused within a, b, c and within x, y, z."""
    generator = np.random.default_rng(7)
    labels = np.arange(120) % 6
    scores = generator.random((120, 6)) + 3.0 * (labels[:, None] // 3 == np.arange(6) // 3)
    scores[np.arange(120), labels] += 0.4
    return predictions_from_scores(
        scores / scores.sum(axis=1, keepdims=True),
        labels,
        tuple("abcxyz"),
        k=3,
        splits=np.where(np.arange(120) < 90, "train", "test"),
        dataset="blocks",
        classifier="noise",
    )


def some_uncertainty(names) -> Uncertainty:
    """An interval of [-0.3, 0.3] over pictures, not known for the first two classes, and all figures of reliability."""
    low, high = (np.full((len(names), len(names)), bound) for bound in (-0.3, 0.3))
    low[0, 1] = low[1, 0] = high[0, 1] = high[1, 0] = np.nan
    return Uncertainty(
        (SimilarityInterval("pictures", low, high, tuple(names), 50),),
        Reliability(
            SplitHalf((0.6, 0.7)),
            (NeighbourOverlap("seeds", 1, 0.9, 0.2, 6), NeighbourOverlap("pictures", 1, 0.8, 0.2, 49)),
            DimensionChoice((2, 3, 5), (0.7, 0.79, 0.8), (0.01, 0.01, 0.02), 0.95, 5),
        ),
    )


def full_result(*, seeds=4, **changes) -> AnalysisRecord:
    """A result of the six classes a, b, c, x, y, z with every optional part."""
    predictions = block_predictions()
    reference = np.full((3, 3), 0.5)
    np.fill_diagonal(reference, 1.0)
    reference[0, 1] = reference[1, 0] = 0.9
    generator = np.random.default_rng(0)
    parts = {
        "title": "Blocks",
        "description": "Six classes in two blocks.",
        "counts": count_pairs(predictions, k=3),
        "runs": block_runs(predictions.class_names, blocks=6, seeds=seeds),
        "provenance": {"config": {"k": 3, "embedder": {"name": "skipgram"}}, "seeds": [0, 1, 2, 3]},
        "predictions": predictions,
        "history": pd.DataFrame(
            {
                "epoch": [1, 2, 3],
                "train_loss": [2.0, 1.0, 0.5],
                "train_accuracy": [0.3, 0.6, 0.8],
                "test_loss": [1.8, np.nan, 0.7],
                "test_accuracy": [0.4, np.nan, 0.75],
                "seconds": [1.0, 1.0, 1.0],
            }
        ),
        "examples": Examples(
            generator.integers(0, 256, size=(5, 8, 8, 3), dtype=np.uint8),
            predictions.labels[:5],
            predictions.top_classes[:5],
            predictions.top_probs[:5],
            np.array(["0", "1", "2", "3", "4"]),
        ),
        "groups": {"letters": ["b", "a", "c"], "unknowns": ["x", "y", "z"]},
        "references": [
            KnownReference("the paper", SimilarityMatrix(reference, ("a", "b", "x")), left_out=("c", "y", "z"))
        ],
        "uncertainty": some_uncertainty(changes.get("counts", predictions).class_names),
    }
    return AnalysisRecord(**(parts | changes))


def many_result(*, size=40, seeds=1) -> AnalysisRecord:
    """A result of many classes in five blocks, `class 00` and on."""
    names = tuple(f"class {i:02}" for i in range(size))
    labels = np.arange(size * 6) % size
    top = np.column_stack([labels, (labels + 5) % size, (labels + 10) % size])
    predictions = Predictions(labels, top, None, names)
    return AnalysisRecord(
        title="Many",
        description="",
        counts=count_pairs(predictions, k=3),
        runs=block_runs(names, blocks=5, seeds=seeds, noise=0.1),
    )


@pytest.fixture(scope="session")
def result():
    return full_result()


@pytest.fixture(scope="session")
def analysis(result):
    return analyse(result)


@pytest.fixture(scope="session")
def make_result():
    return full_result


@pytest.fixture(scope="session")
def many():
    return analyse(many_result())


@pytest.fixture(scope="session")
def very_many():
    return analyse(many_result(size=80))
