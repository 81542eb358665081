"""Human judgements of how alike words are, and how well vectors agree with them."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.files import read_lines

RESAMPLES = 2_000
# Fewer pairs give no correlation.
FEWEST = 4
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Judgements:
    """P pairs of words with people's scores.

    Attributes:
        name: what the collection is called.
        pairs: the P pairs.
        scores: (P,) float64; more is more alike, the scale is the collection's own.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    scores: np.ndarray

    def known_to(self, *vocabularies: object) -> "Judgements":
        """Return the pairs whose two different words all the vocabularies (anything with `in`) have."""
        rows = [
            row
            for row, (one, other) in enumerate(self.pairs)
            if one != other and all(one in known and other in known for known in vocabularies)  # type: ignore[operator]
        ]
        return Judgements(self.name, tuple(self.pairs[row] for row in rows), self.scores[rows])


def load_judgements(path: str | os.PathLike[str]) -> Judgements:
    """Read lines of two words and a number, separated by tabs or blanks; raises ConfembError for the first other."""
    pairs, scores = [], []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            one, other, score = line.split()
            scores.append(float(score))
        except ValueError:
            raise ConfembError(f"{path}, line {number}: expected two words and a number.") from None
        if not math.isfinite(scores[-1]):
            raise ConfembError(f"{path}, line {number}: the score {score!r} is not finite; mend or remove the line.")
        pairs.append((one, other))
    if not pairs:
        raise ConfembError(f"{path} holds no pairs: write two words and a score on each line.")
    return Judgements(Path(path).stem, tuple(pairs), np.array(scores))


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation with a percentile bootstrap interval.

    NaN for fewer than 4 pairs, and for scores that are all the same.
    """

    value: float
    low: float
    high: float


def rank_agreement(
    scores: np.ndarray, cosines: Sequence[np.ndarray], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[list[RankCorrelation], list[RankCorrelation]]:
    """Return how well several cosines of the same pairs order them as people do, and the differences to the first.

    The pairs are drawn anew, the same draws for all, so that differences are paired. Pairs that share words are not
    independent; the intervals are those of pairs drawn from a large collection.

    Args:
        scores: (P,) people's scores.
        cosines: for each kind of vectors (P,) cosines of the same pairs.
        seed: of the draws.
        resamples: how many draws.

    Returns:
        for each kind Spearman's correlation, and for each but the first that of it less that of the first.
    """
    if len(scores) < FEWEST:
        nothing = [RankCorrelation(float("nan"), float("nan"), float("nan"))]
        return nothing * len(cosines), nothing * (len(cosines) - 1)
    found = np.array([_spearman(scores[None], each[None])[0] for each in cosines])
    draws = np.random.default_rng(seed).integers(0, len(scores), (resamples, len(scores)))
    drawn = np.stack([_spearman(scores[draws], each[draws]) for each in cosines])
    differences = drawn[1:] - drawn[0]
    return (
        [_interval(value, each) for value, each in zip(found, drawn, strict=True)],
        [_interval(value - found[0], each) for value, each in zip(found[1:], differences, strict=True)],
    )


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (R,) rank correlations of the rows of two (R, P) arrays; NaN where a row is constant."""
    from scipy import stats

    ranks = [stats.rankdata(each, axis=1) for each in (x, y)]
    x, y = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


def _interval(value: float, drawn: np.ndarray) -> RankCorrelation:
    if np.isnan(drawn).all():
        return RankCorrelation(float(value), float("nan"), float("nan"))
    low, high = np.nanpercentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return RankCorrelation(float(value), float(low), float(high))
