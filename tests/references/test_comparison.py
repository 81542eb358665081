import numpy as np
import pytest

from confemb.records.similarity import SimilarityMatrix
from confemb.references import KnownSimilarities, NoiseCeiling, open_reference
from confemb.references.comparison import compare
from confemb.support.errors import ConfembError


def square(size, pairs) -> np.ndarray:
    values = np.eye(size)
    rows, columns = np.triu_indices(size, k=1)
    values[rows, columns] = values[columns, rows] = pairs
    return values


def result(pairs, names="abcde", name="ours") -> KnownSimilarities:
    return KnownSimilarities(name, f"the {name}", SimilarityMatrix(square(len(names), pairs), tuple(names)))


class AnyName:
    """Knows every class but e, and says how sure it is."""

    name, title, class_names = "any", "any name", None

    def similarity(self, class_names):
        known = tuple(name for name in class_names if name != "e")
        return SimilarityMatrix(square(len(known), range(len(known) * (len(known) - 1) // 2)), known)

    def noise_ceiling(self, class_names):
        return NoiseCeiling(0.8, 0.9, "pictures", len(class_names))


# ab ac ad ae bc bd be cd ce de
FIRST = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
SECOND = [0, 8, 7, 6, 5, 4, 3, 2, 1, 9]


def test_ranks_are_shares_of_the_pairs_known_to_both():
    values = np.array(FIRST, float)
    values[1] = np.nan
    found = compare(result(values), result([5, 9, 5, 4, 3, 2, 1, 0, -1, -2], name="others"))
    first, second = found.rank_shares()
    assert first[0, 1] == 1
    assert first[3, 4] == second[3, 4] == 0
    assert np.isnan([first[0, 2], second[0, 2], first[1, 1]]).all()
    # Two equal ones share the places 7 and 8 of 0 to 8.
    assert second[0, 1] == second[0, 3] == pytest.approx(7.5 / 8)
    assert found.agreement.found.pairs == 9


def test_odd_pairs_are_told_by_side():
    found = compare(result(FIRST), result(SECOND, name="others"))
    assert found.odd_pairs(3, more_alike_in=0) == [(0, 1)]
    assert found.odd_pairs(3, more_alike_in=1) == [(3, 4)]
    turned = compare(result(FIRST), result(FIRST[::-1], name="others"))
    assert turned.odd_pairs(5, more_alike_in=0) == [(0, 1), (0, 2), (1, 2)]
    assert turned.odd_pairs(5, more_alike_in=0, often=9) == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2)]
    assert compare(result(FIRST), result(FIRST)).odd_pairs(5, more_alike_in=0) == []


def test_whoever_takes_any_name_is_asked_for_the_others_classes():
    for found, side in (
        (compare(result(FIRST), AnyName(), permutations=99), 1),
        (compare(AnyName(), result(FIRST), permutations=99), 0),
    ):
        assert found.class_names == tuple("abcd")
        assert found.left_out == ("e",)
        assert found.titles[side] == "any name"
        assert found.ceilings[side] == NoiseCeiling(0.8, 0.9, "pictures", 4)
        assert found.ceilings[1 - side] is None
        assert found.agreement.test.exact
    with pytest.raises(ConfembError, match="neither any nor any says which classes to compare"):
        compare(AnyName(), AnyName())


def test_classes_of_one_only_are_left_out():
    found = compare(result(FIRST), result(range(6), names="bcdx", name="others"))
    assert (found.class_names, found.left_out) == (tuple("bcd"), ("a", "e", "x"))
    with pytest.raises(ConfembError, match="have 0 classes in common"):
        compare(result(FIRST), open_reference("paper"))
