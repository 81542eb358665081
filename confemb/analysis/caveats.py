"""What a reader must know before the first number: what a result does not tell, and how little it may rest on."""

from collections.abc import Sequence

import numpy as np

from confemb.records.pairs import PairCounts
from confemb.records.similarity import SimilarityMatrix
from confemb.stats.reliability import Reliability

# A reliability below 0.5 is more noise than signal: less than half of the variance would come back in another sample.
UNRELIABLE = 0.5
# Nunnally's (1978) rule: from 0.7 on a measure serves for a first look.
DOUBTFUL = 0.7
# Fewer confusions than this for each class are named.
FEW_CONFUSIONS = 3
# Cosines nearer than this are one value: rounding of float32 vectors.
_SAME = 1e-6


def confusions(counts: PairCounts) -> int:
    """Return how many counted pairs are of two different classes; only these say which classes are alike."""
    return round(int(counts.counts[counts.true != counts.predicted].sum()) * counts.unit)


def caveats(
    counts: PairCounts,
    reliability: Reliability,
    *,
    rank_agreement: float = float("nan"),
    note: str = "",
    item: str = "picture",
) -> list[str]:
    """Return the sentences that come before everything else; none for a result that can be read as it stands.

    Args:
        counts: what was embedded.
        reliability: what was measured.
        rank_agreement: the mean rank correlation between seeds, from -1 to 1; NaN for a single run.
        note: what was already said while counting, see `confemb.records.ranks.informative_ranks`.
        item: what was classified, one of it.
    """
    found = [note] if note else []
    names, total = counts.class_names, confusions(counts)
    if len(names) > 1 and total == 0:
        found.append(
            f"No {item} is taken for another class, so nothing here tells which classes are alike: give more "
            f"predicted classes for each {item} (k above {counts.k}) or harder {item}s."
        )
    elif len(names) > 1 and total < FEW_CONFUSIONS * len(names):
        confused = "confusion" if total == 1 else "confusions"
        found.append(
            f"All similarities rest on {total} {confused} among {counts.total:,} pairs: read the intervals before any "
            "single value."
        )
    return found + _of_reliability(reliability, rank_agreement, item)


def _of_reliability(reliability: Reliability, rank_agreement: float, item: str) -> list[str]:
    found, half = [], reliability.split_half
    if half is not None and half.corrected < DOUBTFUL:
        value = f"{half.corrected:.2f}"
        if half.corrected < UNRELIABLE:
            text = f"Unreliable: other {item}s would order the pairs of classes differently (reliability {value} of 1)"
            found.append(f"{text}. Do not read single pairs or neighbours; add {item}s.")
        else:
            text = f"Read with care: the order of the pairs has a reliability of {value} (1: other {item}s would give"
            found.append(f"{text} the same order).")
    if rank_agreement < UNRELIABLE:
        found.append(
            f"Unreliable: two seeds order the pairs at a mean rank correlation of {rank_agreement:.2f}. Use more "
            "seeds or an embedder without seeds."
        )
    return found


def is_unreliable(reliability: Reliability, rank_agreement: float = float("nan")) -> bool:
    """Return whether halves of the items, or two seeds, agree on less than half of the order of the pairs."""
    half = reliability.split_half
    return (half is not None and half.corrected < UNRELIABLE) or rank_agreement < UNRELIABLE


def isolated(similarity: SimilarityMatrix) -> tuple[str, ...]:
    """Return the classes that are equally near to all others (three classes or more): they have no nearest class."""
    values = np.where(np.eye(len(similarity.class_names), dtype=bool), np.nan, similarity.values)
    names: Sequence[str] = similarity.class_names
    if len(names) < 3:
        return ()
    with np.errstate(invalid="ignore"):
        known = (~np.isnan(values)).sum(axis=1)
        least = np.where(np.isnan(values), np.inf, values).min(axis=1)
        most = np.where(np.isnan(values), -np.inf, values).max(axis=1)
        even = (known > 1) & (most - least <= _SAME)
    return tuple(name for name, alone in zip(names, even, strict=True) if alone)
