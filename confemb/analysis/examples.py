"""Example pictures for the paper's Figure 1: the ones a classifier hesitates over."""

import os

import numpy as np

from confemb.analysis.record import Examples
from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError
from confemb.support.files import read_bytes, whole_file
from confemb.support.npz import read_record


def choose_examples(predictions: Predictions, count: int) -> np.ndarray:
    """Return the (n,) rows of up to `count` pictures over which the classifier hesitates most.

    The pictures with the smallest margin between the two highest probabilities come first; no true class
    comes up again before every other class that has pictures left did.
    """
    if predictions.top_probs is None or predictions.k < 2:
        return np.zeros(0, np.intp)
    margin = predictions.top_probs[:, 0] - predictions.top_probs[:, 1]
    order = np.argsort(margin, kind="stable")
    labels = predictions.labels[order]
    # How many pictures of the same class come before each one: the round in which it may be taken.
    by_class = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[by_class], np.arange(len(predictions.class_names)))
    turn = np.empty(len(order), np.intp)
    turn[by_class] = np.arange(len(order)) - starts[labels[by_class]]
    return order[np.argsort(turn, kind="stable")[:count]]


def save_examples(examples: Examples, path: str | os.PathLike[str]) -> None:
    """Write the examples to one NPZ file, nothing pickled."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            images=examples.images,
            labels=examples.labels,
            top_classes=examples.top_classes,
            top_probs=examples.top_probs,
            ids=np.asarray(examples.ids, dtype=np.str_),
        )


def load_examples(path: str | os.PathLike[str]) -> Examples:
    """Read what `save_examples` wrote; raises ConfembError for anything else."""
    names = {"images": ("u", 4), "labels": ("iu", 1), "top_classes": ("iu", 2), "top_probs": ("f", 2), "ids": ("U", 1)}
    try:
        arrays = read_record(read_bytes(path), names)
        images, labels, top_classes, top_probs, ids = (arrays[name] for name in names)
        return Examples(images, labels, top_classes, top_probs, ids.astype(object))
    except ConfembError as error:
        raise ConfembError(f"cannot read the example pictures in {path}: {error}") from error
