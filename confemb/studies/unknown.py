"""Telling pictures of known classes from pictures of unknown ones by a classifier's answers.

Every score is higher for a picture that looks known. The baselines read the answers alone; the others ask how the
answers fit what known pictures of each class usually get (the classes' geometry), learned on pictures with labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from confemb.records.predictions import check_indices, top_k
from confemb.support.errors import ConfembError

BASELINES = ("max_softmax", "max_logit", "energy")
GEOMETRY = ("top_k_likelihood", "kl_matching", "cosine_spread", "mean_vector", "logit_profile")
BOTH = ("profile_and_logit",)
SCORES = (*BASELINES, *GEOMETRY, *BOTH)
# What the tables call them.
TITLES = {
    "max_softmax": "maximum softmax (Hendrycks and Gimpel 2017)",
    "max_logit": "maximum logit (Hendrycks et al. 2022)",
    "energy": "energy (Liu et al. 2020)",
    "top_k_likelihood": "likelihood of the top-k classes",
    "kl_matching": "nearest mean answer (KL, Hendrycks et al. 2022)",
    "cosine_spread": "cosines among the top-k classes",
    "mean_vector": "length of the mean class vector",
    "logit_profile": "nearest class of logits (Mahalanobis, Lee et al. 2018)",
    "profile_and_logit": "nearest class of logits, and maximum logit",
}
TOP_K = 3
# Added to every count: an answer that was never seen is unlikely, not impossible.
PRIOR = 0.5
# Probabilities below it are all the same: float32 logits say no more.
SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class KnownProfile:
    """What a classifier answers to known pictures, learned by `fit_profile`.

    Attributes:
        cosines: (K, K) similarities of the known classes in their embedding.
        ranks: (k, K, K) float64, log of how often a picture of class i has class j at each of the first k ranks.
        mean_probs: (K, K) float64, the mean probabilities of each class's pictures.
        mean_logits: (K, K) float64, their mean logits.
        precision: (K, K) float64, the inverse of the logits' covariance within the classes.
        centre, scale: of each score in `profile_and_logit`, over the pictures it was learned on.
    """

    cosines: np.ndarray
    ranks: np.ndarray
    mean_probs: np.ndarray
    mean_logits: np.ndarray
    precision: np.ndarray
    centre: tuple[float, float]
    scale: tuple[float, float]


def fit_profile(logits: np.ndarray, labels: np.ndarray, cosines: np.ndarray) -> KnownProfile:
    """Learn what the classifier answers to pictures of each of its classes.

    Args:
        logits: (N, K) of known pictures.
        labels: (N,) their classes, 0 to K - 1.
        cosines: (K, K) similarities of the classes, of an embedding of the same answers say.

    Raises:
        ConfembError: a class without pictures, a label out of range, or shapes that do not fit.
    """
    logits = checked_logits(logits)
    classes = logits.shape[1]
    labels = check_indices(labels, classes, what="label")
    if labels.shape != (len(logits),) or cosines.shape != (classes, classes):
        raise ConfembError(
            f"logits have shape {logits.shape}, labels {labels.shape} and cosines {cosines.shape}; "
            "they must be (N, K), (N,) and (K, K)."
        )
    pictures = np.bincount(labels, minlength=classes)
    if (pictures == 0).any():
        raise ConfembError(f"class {int(np.argmin(pictures))} has no picture to learn its answers from; add some.")
    k = min(TOP_K, classes - 1)
    top = top_k(logits, k)
    ranks = np.empty((k, classes, classes))
    for rank in range(k):
        counts = np.bincount(labels * classes + top[:, rank], minlength=classes**2).reshape(classes, classes) + PRIOR
        ranks[rank] = np.log(counts / counts.sum(axis=1, keepdims=True))
    membership = (labels == np.arange(classes)[:, None]) / pictures[:, None]
    mean_logits = membership @ logits
    inner = logits - mean_logits[labels]
    covariance = inner.T @ inner / len(inner)
    # A little of the mean variance: logits may lie in a plane.
    covariance += np.eye(classes) * max(1e-3 * np.trace(covariance) / classes, SMALLEST)
    precision = np.linalg.inv(covariance)
    parts = [_logit_profile(logits, mean_logits, precision), logits.max(axis=1)]
    return KnownProfile(
        cosines,
        ranks,
        membership @ softmax(logits),
        mean_logits,
        precision,
        (float(parts[0].mean()), float(parts[1].mean())),
        (float(parts[0].std()) or 1.0, float(parts[1].std()) or 1.0),
    )


def score_pictures(logits: np.ndarray, profile: KnownProfile) -> dict[str, np.ndarray]:
    """Return each score of `SCORES`, (N,) float64, higher for a picture that looks known.

    * `max_softmax` the largest probability (Hendrycks & Gimpel 2017); `max_logit` the largest logit (Hendrycks et
      al. 2022); `energy` the log of the sum of the exponentials of the logits (Liu et al. 2020).
    * `top_k_likelihood`: log of sum_c P(c) prod_r P(class at rank r | c), the probability of just these best classes
      if the picture were of a known class c, ranks taken for independent and classes for equally frequent.
    * `kl_matching`: minus the smallest KL divergence of the probabilities from the mean probabilities of a class.
    * `cosine_spread`: the mean cosine between each two of the best classes, weighted by the product of their
      probabilities: low where the answer is spread over classes that are not alike.
    * `mean_vector`: p' C p, the squared length of the mean unit vector under the probabilities; 1 for a sure answer.
    * `logit_profile`: minus the smallest squared Mahalanobis distance to a class's mean logits (Lee et al. 2018, who
      take activations).
    * `profile_and_logit`: the sum of `logit_profile` and `max_logit`, each standardised on the known pictures.

    Of a classifier that gives probabilities, take their logs; `energy` says nothing then.

    Args:
        logits: (N, K) of the pictures to tell.
        profile: what known pictures get.

    Raises:
        ConfembError: logits that are not finite, or of other classes than the profile's.
    """
    logits = checked_logits(logits)
    classes = len(profile.cosines)
    if logits.shape[1] != classes:
        raise ConfembError(f"logits have {logits.shape[1]} classes, but the profile was learned on {classes}.")
    probs = softmax(logits)
    top = top_k(logits, len(profile.ranks))
    joint = sum(profile.ranks[rank][:, top[:, rank]] for rank in range(len(profile.ranks)))
    largest, highest = logits.max(axis=1), joint.max(axis=0)
    best = np.take_along_axis(probs, top, axis=1)
    weights = best[:, :, None] * best[:, None, :]
    weights[:, np.arange(top.shape[1]), np.arange(top.shape[1])] = 0.0
    near = profile.cosines[top[:, :, None], top[:, None, :]]
    nearest = _logit_profile(logits, profile.mean_logits, profile.precision)
    standardised = [
        (part - centre) / scale
        for part, centre, scale in zip((nearest, largest), profile.centre, profile.scale, strict=True)
    ]
    return {
        "max_softmax": probs.max(axis=1),
        "max_logit": largest,
        "energy": largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)),
        "top_k_likelihood": highest + np.log(np.exp(joint - highest).mean(axis=0)),
        "kl_matching": -_divergences(probs, profile.mean_probs).min(axis=1),
        "cosine_spread": (weights * near).sum(axis=(1, 2)) / np.maximum(weights.sum(axis=(1, 2)), SMALLEST**2),
        "mean_vector": np.einsum("ni,ij,nj->n", probs, profile.cosines, probs),
        "logit_profile": nearest,
        "profile_and_logit": standardised[0] + standardised[1],
    }


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve: the probability that a known picture scores above an unknown one, ties by half.

    Attributes:
        value: from 0 to 1; 0.5 is guessing.
        low, high: the 95 % interval over pictures.
    """

    value: float
    low: float
    high: float


def auroc(known: np.ndarray, unknown: np.ndarray) -> Auroc:
    """Return the area with its interval over pictures (DeLong et al. 1988), on the logit scale as that stays in 0..1.

    Args:
        known, unknown: (N,) and (M,) scores, higher for known.

    Raises:
        ConfembError: no picture of either kind.
    """
    from scipy.stats import norm, rankdata

    n, m = len(known), len(unknown)
    if n == 0 or m == 0:
        raise ConfembError(f"there are {n} known and {m} unknown pictures; an AUROC needs both.")
    ranks = rankdata(np.concatenate([known, unknown]))
    # How many unknown pictures lie below each known one, ties by half; and how many known ones above each unknown.
    above = (ranks[:n] - rankdata(known)) / m
    below = 1 - (ranks[n:] - rankdata(unknown)) / n
    value = float(above.mean())
    variance = (above.var(ddof=1) / n if n > 1 else 0.0) + (below.var(ddof=1) / m if m > 1 else 0.0)
    if not 0 < value < 1 or variance == 0:
        return Auroc(value, value, value)
    half = float(norm.ppf(0.975)) * np.sqrt(variance) / (value * (1 - value))
    centre = np.log(value / (1 - value))
    low, high = (float(1 / (1 + np.exp(-(centre + side * half)))) for side in (-1, 1))
    return Auroc(value, low, high)


@dataclass(frozen=True, eq=False)
class NewClass:
    """A new class made of pictures that look like none of the known ones.

    Attributes:
        rejected: (N,) bool, the pictures that score too low to be known.
        members: (N,) bool, those of them in the new class.
        groups: (N,) int, the group of each rejected picture, -1 for the others.
        excess: for each group, by how many standard deviations it is larger than known pictures would make it.
    """

    rejected: np.ndarray
    members: np.ndarray
    groups: np.ndarray
    excess: tuple[float, ...]


def discover_class(
    answers: np.ndarray,
    scores: np.ndarray,
    known_answers: np.ndarray,
    known_scores: np.ndarray,
    *,
    reject: float = 0.1,
    groups: int = 8,
    seed: int = 0,
) -> NewClass:
    """Reject pictures that look unknown, group them by their answers, and make the most surprising group a new class.

    The threshold is the `reject` quantile of known pictures' scores, so that about that share of known pictures is
    rejected too. Those fall into the groups as well: a group with far more pictures than they explain is new. The
    groups are k-means' over centred logits.

    Args:
        answers: (N, K) logits of the pictures to tell.
        scores: (N,) their scores, higher for known.
        known_answers, known_scores: the same of M pictures known to be of known classes.
        reject: the share of known pictures that may be rejected.
        groups: how many groups the rejected pictures are put into.
        seed: begins k-means.

    Returns:
        The new class: the group of the largest excess. Empty where fewer pictures than groups are rejected.

    Raises:
        ConfembError: a share to reject that does not lie between 0 and 1.
    """
    from sklearn.cluster import KMeans

    check_share(reject)
    threshold = np.quantile(known_scores, reject)
    rejected, known_rejected = scores < threshold, known_scores < threshold
    labels = np.full(len(scores), -1)
    if rejected.sum() < groups:
        return NewClass(rejected, np.zeros(len(scores), bool), labels, ())
    means = KMeans(groups, n_init=4, random_state=seed).fit(_centred(answers[rejected]))
    labels[rejected] = means.labels_
    found = np.bincount(means.labels_, minlength=groups)
    # Half a picture more, so that a group where no known one falls has an expected size too.
    falling = np.bincount(means.predict(_centred(known_answers[known_rejected])), minlength=groups) + PRIOR
    expected = falling * len(scores) / len(known_scores)
    excess = (found - expected) / np.sqrt(expected)
    return NewClass(rejected, labels == int(excess.argmax()), labels, tuple(float(one) for one in excess))


def check_share(reject: float) -> None:
    """Raise ConfembError unless the share of known pictures to reject lies between 0 and 1."""
    if not 0 < reject < 1:
        raise ConfembError(f"the share of known pictures to reject is {reject}; it must lie between 0 and 1.")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return (N, K) float64 probabilities."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def checked_logits(logits: np.ndarray) -> np.ndarray:
    """Return (N, K) float64 logits; raises ConfembError where they are no finite table of at least two columns."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or logits.shape[1] < 2 or not np.isfinite(logits).all():
        raise ConfembError(f"logits of shape {logits.shape} must be finite numbers (N, K) with K of at least 2.")
    return logits


def choose_and_judge(by_class: Mapping[str, Mapping[str, float]], allowed: Sequence[str]) -> dict[str, str]:
    """Choose a score for each held-out class by all the other ones, so that no class judges what it chose.

    Args:
        by_class: for each class that was held out, the AUROC of each score.
        allowed: the scores to choose from.

    Returns:
        For each class the score with the highest mean AUROC over the other classes, the first of equals.

    Raises:
        ConfembError: fewer than two classes.
    """
    if len(by_class) < 2:
        raise ConfembError("a score is chosen on some held-out classes and judged on another; hold out at least two.")
    return {
        judge: max(allowed, key=lambda name: np.mean([by_class[one][name] for one in by_class if one != judge]))
        for judge in by_class
    }


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return (mean, low, high) of (n,) values, 95 % by Student's t; NaN bounds for fewer than two values."""
    from scipy.stats import t

    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _logit_profile(logits: np.ndarray, means: np.ndarray, precision: np.ndarray) -> np.ndarray:
    nearest = np.full(len(logits), np.inf)
    for mean in means:
        away = logits - mean
        nearest = np.minimum(nearest, np.einsum("ni,ij,nj->n", away, precision, away))
    return -nearest


def _divergences(probs: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """Return (N, T) the KL divergences of each picture's probabilities from each template."""
    logs = np.log(np.maximum(probs, SMALLEST))
    return (probs * logs).sum(axis=1, keepdims=True) - probs @ np.log(np.maximum(templates, SMALLEST)).T


def _centred(logits: np.ndarray) -> np.ndarray:
    return np.asarray(logits, np.float64) - logits.mean(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Judged:
    """How well one classifier's answers tell the unknown pictures.

    Attributes:
        held_out: the class held out.
        accuracy: of the classifier on known test pictures.
        known, unknown: how many test pictures of either kind.
        aurocs: for each score of `SCORES`.
        rejected: how many pictures were rejected as unknown.
        rejected_unknown: how many of them truly are.
        members: how many of the rejected were put into the new class.
        members_unknown: how many of them truly are of the class held out.
        excess: by how many standard deviations the new class is larger than known pictures explain.
        nearest: the known classes nearest to the new class in the embedding with it, and their cosines.
        truly_nearest: the same, were the new class just the pictures of the class held out.
    """

    held_out: str
    accuracy: float
    known: int
    unknown: int
    aurocs: Mapping[str, Auroc]
    rejected: int
    rejected_unknown: int
    members: int
    members_unknown: int
    excess: float
    nearest: tuple[tuple[str, float], ...]
    truly_nearest: tuple[tuple[str, float], ...]
