"""What scores mean: probabilities, logits, percents; and whether predicted classes stand best first.

Scores say it themselves where they are clear; then what they are called elsewhere is checked against it. Each check
looks at every row, and refuses only what the other reading could not have given.
"""

import numpy as np

from confemb.records.read_options import ReadOptions
from confemb.support.errors import ConfembError

# So far may rows of probabilities add up beside 1, from half precision and from rounding to three places.
_ROUNDING = 5e-3
# Where the last predicted class is right so much more often than the first, they stand best last: at random it happens
# once in a billion times.
_STANDARD_ERRORS = 6.0


def are_probabilities(scores: np.ndarray) -> bool:
    """Tell whether (N, K) finite scores are from 0 to 1 and every row adds up to 1."""
    if scores.shape[0] == 0 or scores.shape[1] < 2 or scores.min() < 0 or scores.max() > 1 + 1e-5:
        return False
    return bool((np.abs(scores.sum(axis=1, dtype=np.float64) - 1) <= _ROUNDING).all())


def check_scores(scores: np.ndarray, *, logits: bool, who: str = "the scores") -> None:
    """Raise ConfembError where scores are clearly of the other kind than they are said to be.

    Args:
        scores: (N, K) finite real numbers.
        logits: whether they are said to be logits; else they are said to be probabilities.
        who: what they are called in messages.
    """
    if not scores.size or scores.dtype.kind not in "iuf":
        return
    if logits:
        if scores.dtype.kind == "f" and are_probabilities(scores):
            raise ConfembError(
                f"{who} are said to be logits, but are probabilities already (none below 0, each row adds up to 1): "
                "call them probs (logits=False), as a second softmax would flatten them."
            )
        return
    if scores.min() >= 0 and scores.max() > 1 + 1e-5:
        with np.errstate(over="ignore"):
            sums = scores.sum(axis=1, dtype=np.float64)
        if scores.shape[1] > 1 and scores.max() <= 101 and (np.abs(sums - 100) <= 1).all():
            raise ConfembError(
                f"{who} are said to be probabilities, but are percents (each row adds up to 100): divide by 100."
            )
    if scores.shape[1] > 1 and scores.max() <= 0:
        with np.errstate(under="ignore"):
            if are_probabilities(np.exp(scores.astype(np.float64))):
                raise ConfembError(
                    f"{who} are said to be probabilities, but are their logarithms: call them logits (logits=True)."
                )


def check_order(labels: np.ndarray, top_classes: np.ndarray, options: ReadOptions) -> np.ndarray:
    """Return predicted classes best first, turned round where they are said to stand best last.

    Args:
        labels: (N,) true classes.
        top_classes: (N, k) predicted classes without probabilities.
        options: `order`, where the user says it.

    Raises:
        ConfembError: the last one is right far more often than the first, and the order is not said.
    """
    if options.order == "rising":
        return np.ascontiguousarray(top_classes[:, ::-1])
    if options.order is None and top_classes.shape[1] > 1:
        first, last = (int((top_classes[:, rank] == labels).sum()) for rank in (0, -1))
        if last - first > _STANDARD_ERRORS * np.sqrt(last + first):
            raise ConfembError(
                f"the last of {top_classes.shape[1]} predicted classes is right for {last:,} rows, the first for "
                f"{first:,}: do they stand in rising order, as np.argsort gives them? Say so: --order rising, or "
                "--order falling."
            )
    return top_classes
