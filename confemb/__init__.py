"""confemb shows how a classifier sees its classes.

    import confemb

    counts, predictions = confemb.load_pairs("predictions.csv")
    embedding = confemb.SkipGram().embed(counts, seed=0)
    embedding.cosine().ranked("cat")

This page is the whole public interface. Each name is imported when it is first used, so that
`import confemb` costs next to nothing and reading predictions needs no neural-network library.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from confemb.adapters.callables import CallableClassifier
    from confemb.adapters.flax import FlaxClassifier
    from confemb.adapters.huggingface import HuggingFaceClassifier
    from confemb.adapters.onnx import OnnxClassifier
    from confemb.adapters.sklearn import SklearnClassifier, out_of_fold
    from confemb.adapters.torch import TorchClassifier
    from confemb.class_cells import load_class_names
    from confemb.classification import Classifier, classify, classify_batches
    from confemb.classifiers.imagenet import imagenet_classes
    from confemb.datasets import DATASETS, Dataset, DatasetSource, open_dataset
    from confemb.embedders import EMBEDDERS, Embedder
    from confemb.embedders.counts import count_similarity
    from confemb.embedders.skipgram import SkipGram
    from confemb.embedding import ClassEmbedding, EmbeddingRuns
    from confemb.errors import ConfembError
    from confemb.experiment import load_experiment
    from confemb.pairs import PairCorpus, PairCounts, count_pairs, pairs_from_confusions
    from confemb.pipeline import run_experiment
    from confemb.prediction_files import load_pairs, load_predictions, save_predictions
    from confemb.predictions import Predictions, predictions_from_scores
    from confemb.pretrained import load_pretrained, save_pretrained
    from confemb.references import REFERENCES
    from confemb.references.paper import paper_similarities
    from confemb.reporting.result import Examples, Result
    from confemb.reporting.write import write_report
    from confemb.similarity import Agreement, SimilarityMatrix, agreement
    from confemb.statistics import (
        GroupSeparation,
        NearestInGroup,
        RunAgreement,
        RunSummary,
        group_separation,
        nearest_in_group,
        rank_correlations,
        run_agreement,
        summarise_runs,
    )

__version__ = "0.1.0"

__all__ = [
    "DATASETS",
    "EMBEDDERS",
    "REFERENCES",
    "Agreement",
    "CallableClassifier",
    "ClassEmbedding",
    "Classifier",
    "ConfembError",
    "Dataset",
    "DatasetSource",
    "Embedder",
    "EmbeddingRuns",
    "Examples",
    "FlaxClassifier",
    "GroupSeparation",
    "HuggingFaceClassifier",
    "NearestInGroup",
    "OnnxClassifier",
    "PairCorpus",
    "PairCounts",
    "Predictions",
    "Result",
    "RunAgreement",
    "RunSummary",
    "SimilarityMatrix",
    "SkipGram",
    "SklearnClassifier",
    "TorchClassifier",
    "__version__",
    "agreement",
    "classify",
    "classify_batches",
    "count_pairs",
    "count_similarity",
    "group_separation",
    "imagenet_classes",
    "load_class_names",
    "load_experiment",
    "load_pairs",
    "load_predictions",
    "load_pretrained",
    "nearest_in_group",
    "open_dataset",
    "out_of_fold",
    "pairs_from_confusions",
    "paper_similarities",
    "predictions_from_scores",
    "rank_correlations",
    "run_agreement",
    "run_experiment",
    "save_predictions",
    "save_pretrained",
    "summarise_runs",
    "write_report",
]

# Where each public name is, for the import at first use; the block above says the same to type checkers.
_MODULES = {
    "Agreement": "confemb.similarity",
    "CallableClassifier": "confemb.adapters.callables",
    "ClassEmbedding": "confemb.embedding",
    "Classifier": "confemb.classification",
    "ConfembError": "confemb.errors",
    "DATASETS": "confemb.datasets",
    "Dataset": "confemb.datasets",
    "DatasetSource": "confemb.datasets",
    "EMBEDDERS": "confemb.embedders",
    "Embedder": "confemb.embedders",
    "EmbeddingRuns": "confemb.embedding",
    "Examples": "confemb.reporting.result",
    "FlaxClassifier": "confemb.adapters.flax",
    "GroupSeparation": "confemb.statistics",
    "HuggingFaceClassifier": "confemb.adapters.huggingface",
    "NearestInGroup": "confemb.statistics",
    "OnnxClassifier": "confemb.adapters.onnx",
    "PairCorpus": "confemb.pairs",
    "PairCounts": "confemb.pairs",
    "Predictions": "confemb.predictions",
    "REFERENCES": "confemb.references",
    "Result": "confemb.reporting.result",
    "RunAgreement": "confemb.statistics",
    "RunSummary": "confemb.statistics",
    "SimilarityMatrix": "confemb.similarity",
    "SkipGram": "confemb.embedders.skipgram",
    "SklearnClassifier": "confemb.adapters.sklearn",
    "TorchClassifier": "confemb.adapters.torch",
    "agreement": "confemb.similarity",
    "classify": "confemb.classification",
    "classify_batches": "confemb.classification",
    "count_pairs": "confemb.pairs",
    "count_similarity": "confemb.embedders.counts",
    "group_separation": "confemb.statistics",
    "imagenet_classes": "confemb.classifiers.imagenet",
    "load_class_names": "confemb.class_cells",
    "load_experiment": "confemb.experiment",
    "load_pairs": "confemb.prediction_files",
    "load_predictions": "confemb.prediction_files",
    "load_pretrained": "confemb.pretrained",
    "nearest_in_group": "confemb.statistics",
    "open_dataset": "confemb.datasets",
    "out_of_fold": "confemb.adapters.sklearn",
    "pairs_from_confusions": "confemb.pairs",
    "paper_similarities": "confemb.references.paper",
    "predictions_from_scores": "confemb.predictions",
    "rank_correlations": "confemb.statistics",
    "run_agreement": "confemb.statistics",
    "run_experiment": "confemb.pipeline",
    "save_predictions": "confemb.prediction_files",
    "save_pretrained": "confemb.pretrained",
    "summarise_runs": "confemb.statistics",
    "write_report": "confemb.reporting.write",
}


def __getattr__(name: str) -> Any:
    """Import a public name's module at first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'confemb' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
