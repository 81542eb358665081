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
    from confemb.beam import beam_sum
    from confemb.bootstrap import CellResampling, PictureResampling, picture_replicates
    from confemb.captions.run import train_captions
    from confemb.captions.settings import load_captions_experiment
    from confemb.captions.sources import load_captions
    from confemb.captions.space import JointSpace
    from confemb.class_cells import load_class_names
    from confemb.classification import Classifier, classify, classify_batches
    from confemb.classifiers.imagenet import imagenet_classes
    from confemb.comparison import Comparison, compare
    from confemb.costs import cost_matrix, least_cost_decisions
    from confemb.count_replicates import CountedResampling, CountReplicates, load_replicates
    from confemb.counting import count_replicates, count_shards
    from confemb.datasets import DATASETS, Dataset, DatasetSource, open_dataset
    from confemb.difference import PairDifferences, pair_differences
    from confemb.embedders import EMBEDDERS, ClassifierEmbedder, Embedder
    from confemb.embedders.balanced import Balanced
    from confemb.embedders.counts import Counts, count_similarity
    from confemb.embedders.diffusion import Diffusion
    from confemb.embedders.directed import Directed
    from confemb.embedders.features import ClassifierFeatures
    from confemb.embedders.ppmi import Ppmi
    from confemb.embedders.skipgram import SkipGram
    from confemb.embedders.weights import ClassifierWeights
    from confemb.embedding import ClassEmbedding, EmbeddingRuns
    from confemb.errors import ConfembError
    from confemb.experiment import load_experiment
    from confemb.hold_out import without_classes
    from confemb.intervals import SimilarityInterval, load_intervals, save_intervals
    from confemb.lab.analogies import load_analogies, score_analogies
    from confemb.lab.examination import examine
    from confemb.lab.labelled import LabelledVectors
    from confemb.lab.neighbours import nearest_words
    from confemb.lab.pictures import embed_pictures
    from confemb.lab.projector import export_projector
    from confemb.matrix_correlation import CorrelationInterval, PermutationTest, mantel_test, spearman_interval
    from confemb.model_files import load_classifiers
    from confemb.model_geometry import Procrustes, SplitHalves, join_pictures, procrustes, split_halves
    from confemb.pair_corpus import PairCorpus
    from confemb.pairs import PairCounts, PairSum, count_pairs, pairs_from_confusions
    from confemb.pipeline import run_experiment
    from confemb.prediction_files import load_pairs, load_predictions, save_predictions
    from confemb.predictions import Predictions, predictions_from_scores
    from confemb.pretrained import load_pretrained, save_pretrained
    from confemb.references import REFERENCES, NoiseCeiling, Reference, open_reference
    from confemb.references.paper import paper_similarities
    from confemb.reliability import Reliability, choose_dimension, split_half
    from confemb.reporting.result import Examples, KnownReference, Result
    from confemb.reporting.write import write_report
    from confemb.retraining import RetrainingSummary, summarise_networks
    from confemb.series import predict_epochs, train_networks
    from confemb.severity import mistake_severity, severities
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
    from confemb.suggestions import suggest_merges, suggest_relabels, suggest_splits
    from confemb.tracking import Tracker
    from confemb.tracking_callbacks import keras_tracking, lightning_tracking, trainer_tracking
    from confemb.uncertainty import Uncertainty, choose_effort, measure_uncertainty
    from confemb.unknown import auroc, fit_profile, score_pictures
    from confemb.wordnet import open_wordnet
    from confemb.words.activations import ClassifierActivations, NetworkActivations
    from confemb.words.sources import CallablePictures, FolderPictures
    from confemb.words.vectors import WordVectors
    from confemb.words.visual import visual_vectors

__version__ = "0.1.0"

__all__ = [
    "DATASETS",
    "EMBEDDERS",
    "REFERENCES",
    "Agreement",
    "Balanced",
    "CallableClassifier",
    "CallablePictures",
    "CellResampling",
    "ClassEmbedding",
    "Classifier",
    "ClassifierActivations",
    "ClassifierEmbedder",
    "ClassifierFeatures",
    "ClassifierWeights",
    "Comparison",
    "ConfembError",
    "CorrelationInterval",
    "CountReplicates",
    "CountedResampling",
    "Counts",
    "Dataset",
    "DatasetSource",
    "Diffusion",
    "Directed",
    "Embedder",
    "EmbeddingRuns",
    "Examples",
    "FlaxClassifier",
    "FolderPictures",
    "GroupSeparation",
    "HuggingFaceClassifier",
    "JointSpace",
    "KnownReference",
    "LabelledVectors",
    "NearestInGroup",
    "NetworkActivations",
    "NoiseCeiling",
    "OnnxClassifier",
    "PairCorpus",
    "PairCounts",
    "PairDifferences",
    "PairSum",
    "PermutationTest",
    "PictureResampling",
    "Ppmi",
    "Predictions",
    "Procrustes",
    "Reference",
    "Reliability",
    "Result",
    "RetrainingSummary",
    "RunAgreement",
    "RunSummary",
    "SimilarityInterval",
    "SimilarityMatrix",
    "SkipGram",
    "SklearnClassifier",
    "SplitHalves",
    "TorchClassifier",
    "Tracker",
    "Uncertainty",
    "WordVectors",
    "__version__",
    "agreement",
    "auroc",
    "beam_sum",
    "choose_dimension",
    "choose_effort",
    "classify",
    "classify_batches",
    "compare",
    "cost_matrix",
    "count_pairs",
    "count_replicates",
    "count_shards",
    "count_similarity",
    "embed_pictures",
    "examine",
    "export_projector",
    "fit_profile",
    "group_separation",
    "imagenet_classes",
    "join_pictures",
    "keras_tracking",
    "least_cost_decisions",
    "lightning_tracking",
    "load_analogies",
    "load_captions",
    "load_captions_experiment",
    "load_class_names",
    "load_classifiers",
    "load_experiment",
    "load_intervals",
    "load_pairs",
    "load_predictions",
    "load_pretrained",
    "load_replicates",
    "mantel_test",
    "measure_uncertainty",
    "mistake_severity",
    "nearest_in_group",
    "nearest_words",
    "open_dataset",
    "open_reference",
    "open_wordnet",
    "out_of_fold",
    "pair_differences",
    "pairs_from_confusions",
    "paper_similarities",
    "picture_replicates",
    "predict_epochs",
    "predictions_from_scores",
    "procrustes",
    "rank_correlations",
    "run_agreement",
    "run_experiment",
    "save_intervals",
    "save_predictions",
    "save_pretrained",
    "score_analogies",
    "score_pictures",
    "severities",
    "spearman_interval",
    "split_half",
    "split_halves",
    "suggest_merges",
    "suggest_relabels",
    "suggest_splits",
    "summarise_networks",
    "summarise_runs",
    "train_captions",
    "train_networks",
    "trainer_tracking",
    "visual_vectors",
    "without_classes",
    "write_report",
]

# Where each public name is, for the import at first use; the block above says the same to type checkers.
_MODULES = {
    "Agreement": "confemb.similarity",
    "Balanced": "confemb.embedders.balanced",
    "CallableClassifier": "confemb.adapters.callables",
    "CallablePictures": "confemb.words.sources",
    "CellResampling": "confemb.bootstrap",
    "ClassEmbedding": "confemb.embedding",
    "Classifier": "confemb.classification",
    "ClassifierActivations": "confemb.words.activations",
    "ClassifierEmbedder": "confemb.embedders",
    "ClassifierFeatures": "confemb.embedders.features",
    "ClassifierWeights": "confemb.embedders.weights",
    "Comparison": "confemb.comparison",
    "ConfembError": "confemb.errors",
    "CorrelationInterval": "confemb.matrix_correlation",
    "CountReplicates": "confemb.count_replicates",
    "CountedResampling": "confemb.count_replicates",
    "Counts": "confemb.embedders.counts",
    "Dataset": "confemb.datasets",
    "DATASETS": "confemb.datasets",
    "DatasetSource": "confemb.datasets",
    "Diffusion": "confemb.embedders.diffusion",
    "Directed": "confemb.embedders.directed",
    "Embedder": "confemb.embedders",
    "EMBEDDERS": "confemb.embedders",
    "EmbeddingRuns": "confemb.embedding",
    "Examples": "confemb.reporting.result",
    "FlaxClassifier": "confemb.adapters.flax",
    "FolderPictures": "confemb.words.sources",
    "GroupSeparation": "confemb.statistics",
    "HuggingFaceClassifier": "confemb.adapters.huggingface",
    "JointSpace": "confemb.captions.space",
    "KnownReference": "confemb.reporting.result",
    "LabelledVectors": "confemb.lab.labelled",
    "NearestInGroup": "confemb.statistics",
    "NetworkActivations": "confemb.words.activations",
    "NoiseCeiling": "confemb.references",
    "OnnxClassifier": "confemb.adapters.onnx",
    "PairCorpus": "confemb.pair_corpus",
    "PairCounts": "confemb.pairs",
    "PairDifferences": "confemb.difference",
    "PairSum": "confemb.pairs",
    "PermutationTest": "confemb.matrix_correlation",
    "PictureResampling": "confemb.bootstrap",
    "Ppmi": "confemb.embedders.ppmi",
    "Predictions": "confemb.predictions",
    "Procrustes": "confemb.model_geometry",
    "Reference": "confemb.references",
    "REFERENCES": "confemb.references",
    "Reliability": "confemb.reliability",
    "Result": "confemb.reporting.result",
    "RetrainingSummary": "confemb.retraining",
    "RunAgreement": "confemb.statistics",
    "RunSummary": "confemb.statistics",
    "SimilarityInterval": "confemb.intervals",
    "SimilarityMatrix": "confemb.similarity",
    "SkipGram": "confemb.embedders.skipgram",
    "SklearnClassifier": "confemb.adapters.sklearn",
    "SplitHalves": "confemb.model_geometry",
    "TorchClassifier": "confemb.adapters.torch",
    "Tracker": "confemb.tracking",
    "Uncertainty": "confemb.uncertainty",
    "WordVectors": "confemb.words.vectors",
    "agreement": "confemb.similarity",
    "auroc": "confemb.unknown",
    "beam_sum": "confemb.beam",
    "choose_dimension": "confemb.reliability",
    "choose_effort": "confemb.uncertainty",
    "classify": "confemb.classification",
    "classify_batches": "confemb.classification",
    "compare": "confemb.comparison",
    "cost_matrix": "confemb.costs",
    "count_pairs": "confemb.pairs",
    "count_replicates": "confemb.counting",
    "count_shards": "confemb.counting",
    "count_similarity": "confemb.embedders.counts",
    "embed_pictures": "confemb.lab.pictures",
    "examine": "confemb.lab.examination",
    "export_projector": "confemb.lab.projector",
    "fit_profile": "confemb.unknown",
    "group_separation": "confemb.statistics",
    "imagenet_classes": "confemb.classifiers.imagenet",
    "join_pictures": "confemb.model_geometry",
    "keras_tracking": "confemb.tracking_callbacks",
    "least_cost_decisions": "confemb.costs",
    "lightning_tracking": "confemb.tracking_callbacks",
    "load_analogies": "confemb.lab.analogies",
    "load_captions": "confemb.captions.sources",
    "load_captions_experiment": "confemb.captions.settings",
    "load_class_names": "confemb.class_cells",
    "load_classifiers": "confemb.model_files",
    "load_experiment": "confemb.experiment",
    "load_intervals": "confemb.intervals",
    "load_pairs": "confemb.prediction_files",
    "load_predictions": "confemb.prediction_files",
    "load_replicates": "confemb.count_replicates",
    "load_pretrained": "confemb.pretrained",
    "mantel_test": "confemb.matrix_correlation",
    "measure_uncertainty": "confemb.uncertainty",
    "mistake_severity": "confemb.severity",
    "nearest_in_group": "confemb.statistics",
    "nearest_words": "confemb.lab.neighbours",
    "open_dataset": "confemb.datasets",
    "open_reference": "confemb.references",
    "open_wordnet": "confemb.wordnet",
    "out_of_fold": "confemb.adapters.sklearn",
    "pair_differences": "confemb.difference",
    "pairs_from_confusions": "confemb.pairs",
    "paper_similarities": "confemb.references.paper",
    "picture_replicates": "confemb.bootstrap",
    "predict_epochs": "confemb.series",
    "predictions_from_scores": "confemb.predictions",
    "procrustes": "confemb.model_geometry",
    "rank_correlations": "confemb.statistics",
    "run_agreement": "confemb.statistics",
    "run_experiment": "confemb.pipeline",
    "save_intervals": "confemb.intervals",
    "save_predictions": "confemb.prediction_files",
    "save_pretrained": "confemb.pretrained",
    "score_analogies": "confemb.lab.analogies",
    "score_pictures": "confemb.unknown",
    "severities": "confemb.severity",
    "spearman_interval": "confemb.matrix_correlation",
    "split_half": "confemb.reliability",
    "split_halves": "confemb.model_geometry",
    "suggest_merges": "confemb.suggestions",
    "suggest_relabels": "confemb.suggestions",
    "suggest_splits": "confemb.suggestions",
    "summarise_networks": "confemb.retraining",
    "summarise_runs": "confemb.statistics",
    "train_captions": "confemb.captions.run",
    "train_networks": "confemb.series",
    "trainer_tracking": "confemb.tracking_callbacks",
    "visual_vectors": "confemb.words.visual",
    "without_classes": "confemb.hold_out",
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
