"""How bad a classifier's mistakes are: how unlike the class it took a picture for is the picture's own.

Source: L. Bertinetto, R. Mueller, K. Tertikas, S. Samangooei and N. A. Lord, "Making Better Mistakes: Leveraging Class
Hierarchies with Deep Networks" (CVPR 2020): the mean severity of the mistakes alone, beside the share of mistakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from confemb.records.indices import name_index, pair_indices
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.support.errors import ConfembError, one_of, quoted_list

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset

Scale = Literal["given", "rank"]
REPLICATES = 1000


@dataclass(frozen=True)
class Severity:
    """The mean severity of a classifier's mistakes.

    Attributes:
        mean: over the pictures whose most probable class is wrong.
        low, high: its 95 % interval over pictures (percentile bootstrap).
        random: what a mistake would cost if the wrong class were any other one, for the same pictures.
        ratio, ratio_low, ratio_high: mean / random, with its interval; below 1: milder than random mistakes.
        mistakes: how many pictures were wrong.
        pictures: of how many.
        left_out: how many pictures were left out, as their class or the predicted one has no severity.
    """

    mean: float
    low: float
    high: float
    random: float
    ratio: float
    ratio_low: float
    ratio_high: float
    mistakes: int
    pictures: int
    left_out: int


def severities(similarity: SimilarityMatrix, scale: Scale = "given") -> np.ndarray:
    """Return (K, K) float64 severities of taking one class for another, 0 on the diagonal, NaN where not known.

    Args:
        similarity: how alike the classes are.
        scale: "given": 1 - similarity. "rank": the share of the pairs of classes that are more alike, ties by half,
            from 0 (the most similar pair) towards 1; it does not depend on the similarity's scale, so that severities
            under different similarities can be compared.

    Raises:
        ConfembError: another scale; similarities above 1 taken as given.
    """
    from scipy.stats import rankdata

    one_of("scale", scale, *get_args(Scale))
    values = similarity.values
    if scale == "given":
        highest = float(np.nanmax(values, initial=-np.inf))
        if highest > 1 + 1e-6:
            raise ConfembError(
                f"a similarity of {highest:g} is above 1, so that 1 - similarity is below 0: divide by the "
                "highest (by 100 "
                "if they are percents), or take severities by rank (--scale rank)."
            )
        found = 1.0 - values
    else:
        upper = pair_indices(len(values))
        pairs = values[upper]
        ranks = np.full(len(pairs), np.nan)
        known = ~np.isnan(pairs)
        if known.any():
            ranks[known] = (rankdata(-pairs[known]) - 1) / max(int(known.sum()) - 1, 1)
        found = np.zeros_like(values)
        found[upper] = ranks
        found = found + found.T
    np.fill_diagonal(found, 0.0)
    return found


def lca_heights(synsets: "Sequence[Synset]") -> np.ndarray:
    """Return (K, K) float64 heights of the lowest common hypernyms in WordNet; 0 on the diagonal.

    The height of a node is the length of the longest way down from it to one of the K classes, in the hierarchy of
    these classes and their hypernyms alone (Bertinetto et al. 2020, after Deng et al. 2010, build the tree of the
    classes of the dataset). Of several common hypernyms the one of the least height counts.
    """
    ways = [_longest_ways_up(synset) for synset in synsets]
    heights: dict[Synset, int] = {}
    for one in ways:
        for hypernym, steps in one.items():
            heights[hypernym] = max(heights.get(hypernym, 0), steps)
    found = np.zeros((len(ways), len(ways)))
    for i, first in enumerate(ways):
        for j in range(i):
            common = [heights[hypernym] for hypernym in first if hypernym in ways[j]]
            found[i, j] = found[j, i] = min(common, default=np.nan)
    return found


def mistake_severity(
    predictions: Predictions,
    severity: np.ndarray,
    class_names: Sequence[str],
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Severity:
    """Return how bad the mistakes of a classifier are.

    Args:
        predictions: the most probable classes of N pictures.
        severity: (K, K), how bad it is to take one class for another; NaN where not known.
        class_names: the K classes, which need not be all of the predictions'.
        seed: draws the bootstrap.
        replicates: how many bootstrap replicates.

    Raises:
        ConfembError: severities of another number of classes, no picture of these classes, no mistake, pictures of
            several classes, or a severity of 0 for whatever the wrong ones could have been taken for.
    """
    found, usual, usable = _costs_of_mistakes(predictions, severity, class_names)
    generator = np.random.default_rng(seed)
    means = np.empty((replicates, 2))
    for number in range(replicates):
        rows = generator.integers(len(found), size=len(found))
        means[number] = found[rows].mean(), usual[rows].mean()
    low, high = np.quantile(means[:, 0], [0.025, 0.975])
    # A replicate may by chance hold only pictures of which no mistake is bad.
    ratios = np.divide(means[:, 0], means[:, 1], out=np.full(replicates, np.nan), where=means[:, 1] != 0)
    ratio_low, ratio_high = np.nanquantile(ratios, [0.025, 0.975])
    mean, random = float(found.mean()), float(usual.mean())
    return Severity(
        mean,
        float(low),
        float(high),
        random,
        mean / random,
        float(ratio_low),
        float(ratio_high),
        len(found),
        usable,
        len(predictions) - usable,
    )


def _costs_of_mistakes(
    predictions: Predictions, severity: np.ndarray, class_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what each mistake costs, what mistakes on its class cost on average, and how many pictures were usable.

    Raises:
        ConfembError: as `mistake_severity`.
    """
    if predictions.weights is not None:
        raise ConfembError("a picture of several classes is not simply right or wrong; give each picture one class.")
    size = len(class_names)
    if severity.shape != (size, size):
        raise ConfembError(f"severities have shape {severity.shape}; of {size} classes they must be ({size}, {size}).")
    index = name_index(class_names)
    place = np.array([index.get(name, -1) for name in predictions.class_names])
    true, taken = place[predictions.labels], place[predictions.top_classes[:, 0]]
    known = (true >= 0) & (taken >= 0)
    if not known.any():
        raise ConfembError(
            f"no picture's class and predicted class are both known to the similarity, which has "
            f"{quoted_list(list(class_names), limit=3)}; class names must be alike."
        )
    costs = np.full(len(known), np.nan)
    costs[known] = severity[true[known], taken[known]]
    usable = known & ~np.isnan(costs)
    wrong = usable & (true != taken)
    if not wrong.any():
        raise ConfembError(f"none of {int(usable.sum())} pictures is wrong; there is no mistake to measure.")
    others = np.where(np.eye(len(severity), dtype=bool), np.nan, severity)
    usual = np.nanmean(others, axis=1)[true[wrong]]
    found = costs[wrong]
    if not usual.any():
        raise ConfembError(
            "whatever the wrong pictures could have been taken for has the severity 0: there is no mistake to measure "
            "theirs by; give a similarity that tells more classes apart."
        )
    return found, usual, int(usable.sum())


def _longest_ways_up(synset: "Synset") -> "dict[Synset, int]":
    """Return the most steps from a synset up to each of its hypernyms, itself included."""
    steps = {synset: 0}
    edge = [synset]
    while edge:
        one = edge.pop()
        for hypernym in one.hypernyms() + one.instance_hypernyms():
            if steps.get(hypernym, -1) < steps[one] + 1:
                steps[hypernym] = steps[one] + 1
                edge.append(hypernym)
    return steps
