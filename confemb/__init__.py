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
    from confemb.analysis.record import Examples, KnownReference, Result
    from confemb.classifiers.adapters.callables import CallableClassifier
    from confemb.classifiers.adapters.flax import FlaxClassifier
    from confemb.classifiers.adapters.huggingface import HuggingFaceClassifier
    from confemb.classifiers.adapters.onnx import OnnxClassifier
    from confemb.classifiers.adapters.sklearn import SklearnClassifier, out_of_fold
    from confemb.classifiers.adapters.torch import TorchClassifier
    from confemb.classifiers.classification import classify, classify_batches
    from confemb.datasets import DATASETS, Dataset, DatasetSource, open_dataset
    from confemb.datasets.hold_out import without_classes
    from confemb.embedders import EMBEDDERS, ClassifierEmbedder, Embedder
    from confemb.embedders.balanced import Balanced
    from confemb.embedders.counts import Counts, count_similarity
    from confemb.embedders.diffusion import Diffusion
    from confemb.embedders.directed import Directed
    from confemb.embedders.features import ClassifierFeatures
    from confemb.embedders.ppmi import Ppmi
    from confemb.embedders.skipgram import SkipGram
    from confemb.embedders.weights import ClassifierWeights
    from confemb.networks.pretrained.models import load_pretrained, save_pretrained
    from confemb.pipeline.experiment import load_experiment
    from confemb.pipeline.run import run_experiment
    from confemb.pipeline.series import predict_epochs, train_networks
    from confemb.records.class_cells import load_class_names
    from confemb.records.classifier import Classifier
    from confemb.records.embedding import ClassEmbedding, EmbeddingRuns
    from confemb.records.imagenet import imagenet_classes
    from confemb.records.pair_corpus import PairCorpus
    from confemb.records.pairs import PairCounts, PairSum, count_pairs, pairs_from_confusions
    from confemb.records.prediction_files import load_pairs, load_predictions, save_predictions
    from confemb.records.predictions import Predictions, predictions_from_scores
    from confemb.records.similarity import Agreement, SimilarityMatrix, agreement
    from confemb.records.word_vectors import WordVectors
    from confemb.references import REFERENCES, NoiseCeiling, Reference, open_reference
    from confemb.references.comparison import Comparison, compare
    from confemb.references.paper import paper_similarities
    from confemb.references.wordnet_database import open_wordnet
    from confemb.reporting.write import write_report
    from confemb.result.model_files import load_classifiers
    from confemb.spaces.captions.run import train_captions
    from confemb.spaces.captions.settings import load_captions_experiment
    from confemb.spaces.captions.sources import load_captions
    from confemb.spaces.captions.space import JointSpace
    from confemb.spaces.lab.analogies import load_analogies, score_analogies
    from confemb.spaces.lab.examination import examine
    from confemb.spaces.lab.labelled import LabelledVectors
    from confemb.spaces.lab.neighbours import nearest_words
    from confemb.spaces.lab.pictures import embed_pictures
    from confemb.spaces.lab.projector import export_projector
    from confemb.spaces.words.activations import ClassifierActivations, NetworkActivations
    from confemb.spaces.words.sources import CallablePictures, FolderPictures
    from confemb.spaces.words.visual import visual_vectors
    from confemb.stats.beam import beam_sum
    from confemb.stats.bootstrap import CellResampling, PictureResampling, picture_replicates
    from confemb.stats.count_replicates import CountedResampling, CountReplicates, load_replicates
    from confemb.stats.counting import count_replicates, count_shards
    from confemb.stats.intervals import SimilarityInterval, load_intervals, save_intervals
    from confemb.stats.mantel import CorrelationInterval, PermutationTest, mantel_test, spearman_interval
    from confemb.stats.reliability import Reliability, choose_dimension, split_half
    from confemb.stats.seeds import (
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
    from confemb.stats.uncertainty import Uncertainty, choose_effort, measure_uncertainty
    from confemb.studies.costs import cost_matrix, least_cost_decisions
    from confemb.studies.difference import PairDifferences, pair_differences
    from confemb.studies.models import Procrustes, SplitHalves, join_pictures, procrustes, split_halves
    from confemb.studies.retraining import RetrainingSummary, summarise_networks
    from confemb.studies.severity import mistake_severity, severities
    from confemb.studies.suggestions import suggest_merges, suggest_relabels, suggest_splits
    from confemb.studies.tracking import Tracker
    from confemb.studies.tracking_callbacks import keras_tracking, lightning_tracking, trainer_tracking
    from confemb.studies.unknown import auroc, fit_profile, score_pictures
    from confemb.support.errors import ConfembError

from confemb.support.version import __version__

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
    "Agreement": "confemb.records.similarity",
    "Balanced": "confemb.embedders.balanced",
    "CallableClassifier": "confemb.classifiers.adapters.callables",
    "CallablePictures": "confemb.spaces.words.sources",
    "CellResampling": "confemb.stats.bootstrap",
    "ClassEmbedding": "confemb.records.embedding",
    "Classifier": "confemb.records.classifier",
    "ClassifierActivations": "confemb.spaces.words.activations",
    "ClassifierEmbedder": "confemb.embedders",
    "ClassifierFeatures": "confemb.embedders.features",
    "ClassifierWeights": "confemb.embedders.weights",
    "Comparison": "confemb.references.comparison",
    "ConfembError": "confemb.support.errors",
    "CorrelationInterval": "confemb.stats.mantel",
    "CountReplicates": "confemb.stats.count_replicates",
    "CountedResampling": "confemb.stats.count_replicates",
    "Counts": "confemb.embedders.counts",
    "Dataset": "confemb.datasets",
    "DATASETS": "confemb.datasets",
    "DatasetSource": "confemb.datasets",
    "Diffusion": "confemb.embedders.diffusion",
    "Directed": "confemb.embedders.directed",
    "Embedder": "confemb.embedders",
    "EMBEDDERS": "confemb.embedders",
    "EmbeddingRuns": "confemb.records.embedding",
    "Examples": "confemb.analysis.record",
    "FlaxClassifier": "confemb.classifiers.adapters.flax",
    "FolderPictures": "confemb.spaces.words.sources",
    "GroupSeparation": "confemb.stats.seeds",
    "HuggingFaceClassifier": "confemb.classifiers.adapters.huggingface",
    "JointSpace": "confemb.spaces.captions.space",
    "KnownReference": "confemb.analysis.record",
    "LabelledVectors": "confemb.spaces.lab.labelled",
    "NearestInGroup": "confemb.stats.seeds",
    "NetworkActivations": "confemb.spaces.words.activations",
    "NoiseCeiling": "confemb.references",
    "OnnxClassifier": "confemb.classifiers.adapters.onnx",
    "PairCorpus": "confemb.records.pair_corpus",
    "PairCounts": "confemb.records.pairs",
    "PairDifferences": "confemb.studies.difference",
    "PairSum": "confemb.records.pairs",
    "PermutationTest": "confemb.stats.mantel",
    "PictureResampling": "confemb.stats.bootstrap",
    "Ppmi": "confemb.embedders.ppmi",
    "Predictions": "confemb.records.predictions",
    "Procrustes": "confemb.studies.models",
    "Reference": "confemb.references",
    "REFERENCES": "confemb.references",
    "Reliability": "confemb.stats.reliability",
    "Result": "confemb.analysis.record",
    "RetrainingSummary": "confemb.studies.retraining",
    "RunAgreement": "confemb.stats.seeds",
    "RunSummary": "confemb.stats.seeds",
    "SimilarityInterval": "confemb.stats.intervals",
    "SimilarityMatrix": "confemb.records.similarity",
    "SkipGram": "confemb.embedders.skipgram",
    "SklearnClassifier": "confemb.classifiers.adapters.sklearn",
    "SplitHalves": "confemb.studies.models",
    "TorchClassifier": "confemb.classifiers.adapters.torch",
    "Tracker": "confemb.studies.tracking",
    "Uncertainty": "confemb.stats.uncertainty",
    "WordVectors": "confemb.records.word_vectors",
    "agreement": "confemb.records.similarity",
    "auroc": "confemb.studies.unknown",
    "beam_sum": "confemb.stats.beam",
    "choose_dimension": "confemb.stats.reliability",
    "choose_effort": "confemb.stats.uncertainty",
    "classify": "confemb.classifiers.classification",
    "classify_batches": "confemb.classifiers.classification",
    "compare": "confemb.references.comparison",
    "cost_matrix": "confemb.studies.costs",
    "count_pairs": "confemb.records.pairs",
    "count_replicates": "confemb.stats.counting",
    "count_shards": "confemb.stats.counting",
    "count_similarity": "confemb.embedders.counts",
    "embed_pictures": "confemb.spaces.lab.pictures",
    "examine": "confemb.spaces.lab.examination",
    "export_projector": "confemb.spaces.lab.projector",
    "fit_profile": "confemb.studies.unknown",
    "group_separation": "confemb.stats.seeds",
    "imagenet_classes": "confemb.records.imagenet",
    "join_pictures": "confemb.studies.models",
    "keras_tracking": "confemb.studies.tracking_callbacks",
    "least_cost_decisions": "confemb.studies.costs",
    "lightning_tracking": "confemb.studies.tracking_callbacks",
    "load_analogies": "confemb.spaces.lab.analogies",
    "load_captions": "confemb.spaces.captions.sources",
    "load_captions_experiment": "confemb.spaces.captions.settings",
    "load_class_names": "confemb.records.class_cells",
    "load_classifiers": "confemb.result.model_files",
    "load_experiment": "confemb.pipeline.experiment",
    "load_intervals": "confemb.stats.intervals",
    "load_pairs": "confemb.records.prediction_files",
    "load_predictions": "confemb.records.prediction_files",
    "load_replicates": "confemb.stats.count_replicates",
    "load_pretrained": "confemb.networks.pretrained.models",
    "mantel_test": "confemb.stats.mantel",
    "measure_uncertainty": "confemb.stats.uncertainty",
    "mistake_severity": "confemb.studies.severity",
    "nearest_in_group": "confemb.stats.seeds",
    "nearest_words": "confemb.spaces.lab.neighbours",
    "open_dataset": "confemb.datasets",
    "open_reference": "confemb.references",
    "open_wordnet": "confemb.references.wordnet_database",
    "out_of_fold": "confemb.classifiers.adapters.sklearn",
    "pair_differences": "confemb.studies.difference",
    "pairs_from_confusions": "confemb.records.pairs",
    "paper_similarities": "confemb.references.paper",
    "picture_replicates": "confemb.stats.bootstrap",
    "predict_epochs": "confemb.pipeline.series",
    "predictions_from_scores": "confemb.records.predictions",
    "procrustes": "confemb.studies.models",
    "rank_correlations": "confemb.stats.seeds",
    "run_agreement": "confemb.stats.seeds",
    "run_experiment": "confemb.pipeline.run",
    "save_intervals": "confemb.stats.intervals",
    "save_predictions": "confemb.records.prediction_files",
    "save_pretrained": "confemb.networks.pretrained.models",
    "score_analogies": "confemb.spaces.lab.analogies",
    "score_pictures": "confemb.studies.unknown",
    "severities": "confemb.studies.severity",
    "spearman_interval": "confemb.stats.mantel",
    "split_half": "confemb.stats.reliability",
    "split_halves": "confemb.studies.models",
    "suggest_merges": "confemb.studies.suggestions",
    "suggest_relabels": "confemb.studies.suggestions",
    "suggest_splits": "confemb.studies.suggestions",
    "summarise_networks": "confemb.studies.retraining",
    "summarise_runs": "confemb.stats.seeds",
    "train_captions": "confemb.spaces.captions.run",
    "train_networks": "confemb.pipeline.series",
    "trainer_tracking": "confemb.studies.tracking_callbacks",
    "visual_vectors": "confemb.spaces.words.visual",
    "without_classes": "confemb.datasets.hold_out",
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
