"""Comparing two similarities: how well they agree, whether by chance, and on which pairs they differ most."""

from dataclasses import dataclass

import numpy as np

from confemb.records.indices import pair_indices
from confemb.records.similarity import Agreement, SimilarityMatrix, agreement, on_common_classes
from confemb.references import NoiseCeiling, Reference, left_out
from confemb.stats.mantel import CorrelationInterval, PermutationTest, mantel_test, spearman_interval
from confemb.support.errors import ConfembError
from confemb.support.progress import Steps


@dataclass(frozen=True)
class AssessedAgreement:
    """How well two similarities agree, whether by chance, and how sure that is.

    Attributes:
        found: the correlations and the nearest classes.
        test: whether the classes shuffled would agree as well.
        interval: where the Spearman correlation would lie with other classes of the same kind.
    """

    found: Agreement
    test: PermutationTest
    interval: CorrelationInterval


def assess_agreement(
    a: SimilarityMatrix,
    b: SimilarityMatrix,
    *,
    permutations: int | None = None,
    seed: int = 0,
    progress: Steps | None = None,
) -> AssessedAgreement:
    """Compare two similarities over the classes in common; arguments and errors as in `mantel_test`."""
    return AssessedAgreement(
        agreement(a, b),
        mantel_test(a, b, permutations=permutations, seed=seed, progress=progress),
        spearman_interval(a, b, seed=seed),
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two similarities of the same K classes, side by side.

    Attributes:
        titles: what the two are called.
        a, b: their similarities over the classes in common, in one order; NaN where unknown.
        agreement: how well they agree.
        ceilings: for each of the two how well it agrees with itself, where that is known.
        left_out: the classes that one of the two has and the other does not.
    """

    titles: tuple[str, str]
    a: SimilarityMatrix
    b: SimilarityMatrix
    agreement: AssessedAgreement
    ceilings: tuple[NoiseCeiling | None, NoiseCeiling | None]
    left_out: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes in common."""
        return self.a.class_names

    def rank_shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for both (K, K) the rank of each pair among those known in both, 0 the least and 1 the most alike.

        Equal similarities share their mean rank. NaN on the diagonal and where one does not know the pair.
        """
        from scipy import stats

        rows, columns = pair_indices(len(self.class_names))
        known = ~np.isnan(self.a.values + self.b.values)[rows, columns]
        rows, columns = rows[known], columns[known]
        shares = []
        for matrix in (self.a, self.b):
            ranks = stats.rankdata(matrix.values[rows, columns]) - 1
            square = np.full_like(matrix.values, np.nan)
            square[rows, columns] = square[columns, rows] = ranks / max(len(ranks) - 1, 1)
            shares.append(square)
        return shares[0], shares[1]

    def odd_pairs(self, count: int, *, more_alike_in: int, often: int = 2) -> list[tuple[int, int]]:
        """Return the pairs whose rank is most above that in the other, most first, as class indices.

        Args:
            count: how many at most; ties in class order.
            more_alike_in: 0 for those that `a` holds to be more alike than `b` does, 1 for the others.
            often: how many of them one class may be in, so that a single odd class leaves room for others.
        """
        first, second = self.rank_shares()
        rows, columns = pair_indices(len(self.class_names))
        above = np.nan_to_num((first - second)[rows, columns]) * (-1 if more_alike_in else 1)
        pairs: list[tuple[int, int]] = []
        seen = np.zeros(len(self.class_names), int)
        for p in np.argsort(-above, kind="stable"):
            if len(pairs) == count or above[p] <= 0:
                break
            i, j = int(rows[p]), int(columns[p])
            if seen[i] < often and seen[j] < often:
                pairs.append((i, j))
                seen[[i, j]] += 1
        return pairs


def compare(
    a: Reference,
    b: Reference,
    *,
    permutations: int | None = None,
    seed: int = 0,
    progress: Steps | None = None,
) -> Comparison:
    """Compare two results or references.

    Where one of the two can be asked for any class (WordNet, word vectors), it is asked for those of the other.

    Args:
        a, b: what to compare.
        permutations: see `mantel_test`.
        seed: draws permutations and groups of classes.
        progress: called with (permutations done, in all).

    Raises:
        ConfembError: neither says which classes to compare, or they have fewer than two in common.
    """
    asked = a.class_names if b.class_names is None else b.class_names if a.class_names is None else None
    if asked is None and (a.class_names is None or b.class_names is None):
        raise ConfembError(
            f"neither {a.name} nor {b.name} says which classes to compare: give a result as one of the two."
        )
    first, second = (one.similarity(asked or one.class_names or ()) for one in (a, b))
    wanted = dict.fromkeys([*(a.class_names or ()), *(b.class_names or ())])
    first, second = on_common_classes(first, second)
    return Comparison(
        titles=(a.title, b.title),
        a=first,
        b=second,
        agreement=assess_agreement(first, second, permutations=permutations, seed=seed, progress=progress),
        ceilings=(a.noise_ceiling(first.class_names), b.noise_ceiling(first.class_names)),
        left_out=tuple(left_out(list(wanted), first)),
    )
