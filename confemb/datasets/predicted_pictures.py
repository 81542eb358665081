"""The pictures behind some predictions: which of them the classifier has not learned from, and what they look like."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from confemb.datasets import open_dataset
from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError

# Turns rows of the predictions into their pictures, (n, H, W, C) uint8.
Pictures = Callable[[np.ndarray], np.ndarray]


def split_learned_from(experiment: Mapping[str, Any] | None) -> str | None:
    """Return the split that a result's classifier was trained on; None where it was trained elsewhere, or is unknown.

    Args:
        experiment: the manifest's record of it; None for predictions that are no result of an experiment.
    """
    if experiment is None or "weights" in experiment["classifier"]:
        return None
    return str(experiment["dataset"]["train"])


def unlearned(predictions: Predictions, learned_from: str | None) -> tuple[Predictions, bool | None]:
    """Return the predictions of pictures that the classifier has not learned from, of all where it has from each.

    Args:
        predictions: of one split or several.
        learned_from: the split that it was trained on; None where that is not known.

    Returns:
        The predictions, and whether their pictures were learned from; None where that is not known.
    """
    if learned_from is None:
        return predictions, None
    if predictions.splits is None:
        return predictions, True
    others = predictions.splits != learned_from
    return (predictions.where(others), False) if others.any() else (predictions, True)


def open_pictures(
    predictions: Predictions,
    experiment: Mapping[str, Any] | None,
    *,
    dataset: str | None = None,
    split: str | None = None,
) -> Pictures:
    """Return what shows the pictures of some rows of the predictions.

    Args:
        predictions: with the pictures' ids, or as many as the dataset has pictures, in its order.
        experiment: the manifest's record of the experiment, which says the dataset and how its pictures are cut.
        dataset: another dataset's name, as in an experiment.
        split: the dataset's split, where the predictions say none; its first by default.

    Raises:
        ConfembError: the dataset is not known or cannot be had, or lacks a picture.
    """
    options: dict[str, Any] = {}
    if dataset is None:
        if experiment is None:
            raise ConfembError("the predictions do not say where they are; give --dataset and --dataset-split.")
        section = experiment["dataset"]
        dataset = str(section["name"])
        options = {key: section[key] for key in ("path", "image_size", "crop") if key in section}
    source = open_dataset(dataset, **options)
    if predictions.splits is None:
        splits = np.full(len(predictions), split or source.splits[0], dtype=object)
    else:
        splits = predictions.splits
    parts = {one: source.load(one) for one in dict.fromkeys(splits.tolist())}
    if predictions.ids is None:
        if [len(part) for part in parts.values()] != [len(predictions)]:
            raise ConfembError("the predictions have no ids, and are not as many as the dataset's pictures.")
        places = list(range(len(predictions)))
    else:
        known = {one: {str(key): i for i, key in enumerate(part.ids.tolist())} for one, part in parts.items()}
        places = []
        for one, key in zip(splits.tolist(), predictions.ids.tolist(), strict=True):
            if str(key) not in known[one]:
                raise ConfembError(f"the dataset {dataset} has no picture {str(key)!r} in its part {one!r}.")
            places.append(known[one][str(key)])

    def pictures(rows: np.ndarray) -> np.ndarray:
        return np.stack([parts[splits[row]].images[places[row]] for row in rows.tolist()])

    return pictures
