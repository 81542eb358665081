"""How many of the pictures to label again have a wrong label: measured by labels exchanged on purpose.

Whether a confident disagreement is the label's fault or the classifier's does not show in the predictions. What can be
measured is how many of the flagged labels would be wrong if a given share of all labels were: labels are exchanged at
random, and the pictures flagged then are compared with those exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from confemb.records.predictions import Predictions
from confemb.studies.suggestions import suggest_relabels

# From a well-kept data set (0.15 % on MNIST, 0.54 % on CIFAR-10) to a hastily labelled one (Northcutt et al. 2021).
RATES = (0.001, 0.005, 0.02)
FIRST = 200
# A classifier that is wrong more often than right says more about itself than about labels and classes.
LEAST_ACCURACY = 0.5
_FEWEST_PLANTED = 5


@dataclass(frozen=True)
class PlantedPrecision:
    """What is found of labels that were exchanged on purpose.

    Attributes:
        rate: the share of labels exchanged, from 0 to 1.
        planted: how many that are.
        flagged: how many pictures are flagged then.
        precision: the share of the flagged pictures whose label was exchanged.
        first: how many of the most suspicious were looked at.
        first_precision: the same share among these.
        recall: the share of the exchanged labels that are flagged.
    """

    rate: float
    planted: int
    flagged: int
    precision: float
    first: int
    first_precision: float
    recall: float


def planted_precision(
    predictions: Predictions, *, rates: Sequence[float] = RATES, first: int = FIRST, seed: int = 0
) -> list[PlantedPrecision]:
    """Exchange labels at random, each for another class, and return what is found of them for each rate.

    Labels that are wrong already count as if they were right. Random exchanges are easier to see than real errors,
    which are mostly of pictures that are hard for the classifier too: the figures are an upper bound for those.

    Args:
        predictions: with probabilities, see `suggest_relabels`.
        rates: the shares of labels to exchange; one that gives fewer than five labels is left out.
        first: how many of the most suspicious pictures to look at.
        seed: draws the labels.
    """
    found, total, size = [], len(predictions), len(predictions.class_names)
    for number, rate in enumerate(rates):
        planted = round(rate * total)
        if planted < _FEWEST_PLANTED or size < 2:
            continue
        generator = np.random.default_rng([seed, number])
        exchanged = np.zeros(total, bool)
        exchanged[generator.permutation(total)[:planted]] = True
        moved = (predictions.labels.astype(np.int64) + generator.integers(1, size, size=total)) % size
        rows = suggest_relabels(replace(predictions, labels=np.where(exchanged, moved, predictions.labels))).rows
        right = exchanged[rows]
        top = right[:first]
        found.append(
            PlantedPrecision(
                rate,
                planted,
                len(rows),
                float(right.mean()) if len(right) else 0.0,
                len(top),
                float(top.mean()) if len(top) else 0.0,
                float(right.sum() / planted),
            )
        )
    return found


def too_poor(predictions: Predictions) -> str:
    """Return why a classifier's mistakes suggest nothing about labels or classes; "" where they may."""
    accuracy = predictions.accuracy
    if accuracy >= LEAST_ACCURACY:
        return ""
    return (
        f"the classifier is right for {accuracy:.0%} of the pictures only, so that a disagreement is more likely its "
        f"mistake than the label's: use one that is right for {LEAST_ACCURACY:.0%} at least."
    )
