import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.pairs import PairCounts, PairSum, count_pairs
from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "horse", "ship")


@st.composite
def some_shards(draw):
    """Draw predictions of some pictures with some of their classes, weighted or not, cut into shards."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, k = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    weights = rng.uniform(0.01, 1, rows) if draw(st.booleans()) else None
    whole = Predictions(
        rng.integers(4, size=rows), np.argsort(rng.random((rows, 4)), axis=1)[:, :k], None, NAMES, weights=weights
    )
    part = rng.integers(draw(st.integers(1, 8)), size=rows)
    shards = [
        count_pairs(whole.where(part == p), k=k, missing_classes="keep", shard=f"shard {p}") for p in np.unique(part)
    ]
    return whole, shards


def summed(shards) -> PairCounts:
    total = PairSum()
    for shard in shards:
        total.add(shard)
    return total.counts()


def assert_same(a: PairCounts, b: PairCounts) -> None:
    assert (a.class_names, a.k, a.self_pairs, a.unit, a.shards) == (b.class_names, b.k, b.self_pairs, b.unit, b.shards)
    for what in ("true", "predicted", "rank", "counts"):
        assert getattr(a, what).tobytes() == getattr(b, what).tobytes()


@given(some_shards(), st.randoms(use_true_random=False))
def test_shards_in_any_order_and_grouping_are_the_whole(drawn, random):
    whole, shards = drawn
    total = summed(shards)
    at_once = count_pairs(whole, k=whole.k, missing_classes="keep")
    assert_same(replace(total, shards=()), at_once)
    assert total.shards == tuple(sorted(shard.shards[0] for shard in shards))
    # Added two at a time, any two.
    left = list(shards)
    while len(left) > 1:
        random.shuffle(left)
        left.append(left.pop() + left.pop())
    assert_same(left[0], total)
    random.shuffle(shards)
    assert_same(summed(shards), total)


def test_shards_in_any_order_give_the_same_bytes(tmp_path, predictions):
    rows = np.arange(len(predictions)) % 3
    shards = [count_pairs(predictions.where(rows == p), missing_classes="keep", shard=str(p)) for p in range(3)]
    for number, order in enumerate(itertools.permutations(shards)):
        summed(order).save(tmp_path / f"{number}.npz")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert PairCounts.load(tmp_path / "0.npz").shards == ("0", "1", "2")


@given(some_shards())
def test_no_shard_is_added_twice(drawn):
    _, shards = drawn
    total = summed(shards)
    for shard in shards:
        with pytest.raises(ConfembError, match=rf"1 of 1 shards would be counted twice \('{shard.shards[0]}'\)"):
            total + shard
    # Counts whose shards are not known add up.
    unknown = replace(shards[0], shards=())
    assert (total + unknown).counts.sum() == total.counts.sum() + unknown.counts.sum()


@given(some_shards(), st.sampled_from(["keep", "drop"]), st.sampled_from(["keep", "drop"]), st.data())
def test_selecting_is_counting_with_other_settings(drawn, self_pairs, missing_classes, data):
    whole, _ = drawn
    k = data.draw(st.integers(1, whole.k))
    counted = count_pairs(whole, k=whole.k, missing_classes="keep")
    settings = {"k": k, "self_pairs": self_pairs, "missing_classes": missing_classes}
    try:
        expected = count_pairs(whole, **settings)
    except ConfembError:
        # No pair is left: every prediction was the picture's own class.
        with pytest.raises(ConfembError, match="no pair is left"):
            counted.select(**settings)
        return
    assert_same(counted.select(**settings), expected)


def test_selecting_with_names_in_another_order(predictions):
    counts = count_pairs(predictions, k=3)
    turned = counts.select(class_names=("new", *counts.class_names[::-1]))
    assert turned.class_names[0] == "new"
    np.testing.assert_array_equal(turned.matrix().toarray()[1:, 1:][::-1, ::-1], counts.matrix().toarray())
    with pytest.raises(ConfembError, match="unknown class 'z' in the class names given"):
        counts.select(class_names=counts.class_names[:-1])
    with pytest.raises(ConfembError, match="k = 4 is out of range: there are 3 predicted classes counted"):
        counts.select(k=4)
    with pytest.raises(ConfembError, match="pairs of a class with itself were not counted"):
        count_pairs(predictions, self_pairs="drop").select(self_pairs="keep")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_names": ("a", "b", "c", "x", "y", "zebra")}, "class 5 is 'z' and 'zebra'"),
        ({"class_names": ("a", "b", "c", "x", "y", "z", "u")}, "6 and 7 classes"),
        ({"k": 4}, "whose k differ: 3 and 4"),
        ({"unit": 1e-6}, "whose unit differ"),
    ],
)
def test_counts_that_do_not_fit_are_refused(predictions, changes, sentence):
    counts = count_pairs(predictions, k=3)
    with pytest.raises(ConfembError, match=sentence):
        counts + replace(counts, **changes)


def test_ids_are_sorted_and_there_is_something_to_add(predictions):
    with pytest.raises(ConfembError, match="sorted, none twice"):
        replace(count_pairs(predictions), shards=("b", "a"))
    with pytest.raises(ConfembError, match="no pair counts to add up"):
        PairSum().counts()
