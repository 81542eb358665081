"""Labels smoothed for training: towards all classes alike, or towards the classes that are similar.

Uniform smoothing: C. Szegedy et al., "Rethinking the Inception Architecture" (CVPR 2016), section 7. Along a
similarity: L. Bertinetto et al., "Making Better Mistakes" (CVPR 2020), section 3.2, by the heights of a tree.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from confemb.networks.training.options import SMOOTHING_SHARE, TrainingOptions
from confemb.records.similarity import SimilarityMatrix
from confemb.references import left_out, open_reference
from confemb.support.errors import ConfembError, quoted_list


def label_targets(settings: TrainingOptions, class_names: Sequence[str]) -> np.ndarray | None:
    """Return (K, K) float32: row i is what the network learns to answer for a picture of class i; it sums to 1.

    None where the settings do not smooth along a similarity.

    Raises:
        ConfembError: the similarity does not know all the classes.
    """
    if settings.label_smoothing != "similarity":
        return None
    similarity = open_reference(_named(settings)).similarity(class_names)
    if missing := left_out(class_names, similarity):
        raise ConfembError(
            f"training.smoothing_similarity does not know {len(missing)} of the classes ({quoted_list(missing)}); give "
            "one that knows them all."
        )
    return similar_targets(similarity.restricted_to(tuple(class_names)), _share(settings))


def similar_targets(similarity: SimilarityMatrix, share: float) -> np.ndarray:
    """Return (K, K) float32 targets: each class keeps as much as with uniform smoothing, the similar ones get the rest.

    A class gives away share (K - 1) / K, to each other class in proportion to their similarity; a similarity below 0
    counts as 0. A class that is similar to no other gives to all alike.

    Raises:
        ConfembError: a similarity that is not known.
    """
    size = len(similarity.class_names)
    if np.isnan(similarity.values[~np.eye(size, dtype=bool)]).any():
        raise ConfembError("labels can only be smoothed along a similarity that is known for every two classes.")
    weights = np.clip(similarity.values, 0.0, None)
    np.fill_diagonal(weights, 0.0)
    lonely = weights.sum(axis=1) <= 0
    weights[lonely] = 1.0
    np.fill_diagonal(weights, 0.0)
    given = share * (size - 1) / size
    targets = (1 - given) * np.eye(size) + given * weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    return np.asarray(targets, np.float32)


def smoothing_identity(settings: TrainingOptions) -> Any:
    """Return what the targets depend on besides the settings: a hash of the similarity's values; None where nothing."""
    if settings.label_smoothing != "similarity":
        return None
    reference = open_reference(_named(settings))
    if reference.class_names is None:
        return reference.name
    matrix = reference.similarity(reference.class_names)
    return hashlib.sha256(repr(matrix.class_names).encode() + matrix.values.tobytes()).hexdigest()[:16]


def _named(settings: TrainingOptions) -> str:
    # The options were refused without one.
    assert settings.smoothing_similarity is not None
    return settings.smoothing_similarity


def _share(settings: TrainingOptions) -> float:
    return SMOOTHING_SHARE if settings.smoothing_share is None else settings.smoothing_share
