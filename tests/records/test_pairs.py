from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.pairs import MILLIONTH, PairCounts, count_pairs, pairs_from_confusions
from confemb.records.predictions import Predictions, predictions_from_scores
from confemb.support.errors import ConfembError

FIELDS = ("true", "predicted", "rank", "counts")


def cells(counts: PairCounts) -> dict[tuple[str, str, int], int]:
    names = counts.class_names
    rows = zip(counts.true, counts.predicted, counts.rank, counts.counts, strict=True)
    return {(names[t], names[p], int(r)): int(c) for t, p, r, c in rows}


def assert_same(a: PairCounts, b: PairCounts) -> None:
    assert (a.class_names, a.k, a.self_pairs, a.unit) == (b.class_names, b.k, b.self_pairs, b.unit)
    for what in FIELDS:
        np.testing.assert_array_equal(getattr(a, what), getattr(b, what))


@st.composite
def some_predictions(draw):
    size = draw(st.integers(2, 6))
    k = draw(st.integers(1, size))
    rows = draw(st.lists(st.tuples(st.integers(0, size - 1), st.permutations(range(size))), min_size=2, max_size=30))
    # One picture of each class at the least, so that none is missing.
    rows = [(label, list(range(size))) for label in range(size)] + rows
    labels = np.array([label for label, _ in rows])
    top = np.array([order[:k] for _, order in rows])
    return Predictions(labels, top, None, tuple(f"class {i}" for i in range(size)))


@given(some_predictions(), st.sampled_from(["keep", "drop"]))
def test_equals_a_plain_counter(predictions, self_pairs):
    names = predictions.class_names
    expected = Counter(
        (names[label], names[c], rank)
        for label, row in zip(predictions.labels, predictions.top_classes, strict=True)
        for rank, c in enumerate(row)
        if self_pairs == "keep" or c != label
    )
    counts = count_pairs(predictions, k=predictions.k, self_pairs=self_pairs)
    assert cells(counts) == expected
    assert counts.total == sum(expected.values())
    dense = np.zeros((len(names), len(names)), int)
    for (true, predicted, _), count in expected.items():
        dense[names.index(true), names.index(predicted)] += count
    np.testing.assert_array_equal(counts.matrix().toarray(), dense)


@given(some_predictions(), st.data())
def test_parts_add_up_to_the_whole(predictions, data):
    # Both halves hold every class, since a class without pictures is an error.
    size = len(predictions.class_names)
    doubled = predictions.where(np.concatenate([np.arange(len(predictions)), np.arange(size)]))
    cut = data.draw(st.integers(size, len(predictions)))
    first, second = doubled.where(np.arange(cut)), doubled.where(np.arange(cut, len(doubled)))
    k = predictions.k
    assert_same(count_pairs(first, k=k) + count_pairs(second, k=k), count_pairs(doubled, k=k))


@given(some_predictions(), st.randoms(use_true_random=False))
def test_order_of_pictures_changes_nothing(predictions, random):
    order = list(range(len(predictions)))
    random.shuffle(order)
    shuffled = predictions.where(np.array(order))
    assert_same(count_pairs(shuffled, k=predictions.k), count_pairs(predictions, k=predictions.k))


@given(some_predictions())
def test_a_confusion_matrix_is_the_first_rank(predictions):
    size = len(predictions.class_names)
    confusions = np.zeros((size, size), int)
    np.add.at(confusions, (predictions.labels, predictions.top_classes[:, 0]), 1)
    assert_same(pairs_from_confusions(confusions, predictions.class_names), count_pairs(predictions, k=1))


def test_many_classes_and_few_pictures():
    # Few rows beside 2,000^2 cells: counted by sorting instead of in a table of all cells.
    generator = np.random.default_rng(3)
    labels = np.concatenate([np.arange(2000), generator.integers(0, 2000, 500)])
    top = (labels[:, None] + np.array([1, 2])) % 2000
    counts = count_pairs(Predictions(labels, top, None, tuple(map(str, range(2000)))), k=2)
    np.testing.assert_array_equal(counts.matrix().sum(axis=1), 2 * np.bincount(labels, minlength=2000))


def test_missing_classes_are_named_or_left_out():
    predictions = Predictions(np.array([0, 2]), np.array([[0, 1], [2, 0]]), None, ("cat", "dog", "ship"))
    with pytest.raises(ConfembError, match=r"1 of 3 classes have no picture: 'dog'.*--missing-classes drop"):
        count_pairs(predictions, k=2)
    counts = count_pairs(predictions, k=2, missing_classes="drop")
    assert counts.class_names == ("cat", "ship")
    assert cells(counts) == {("cat", "cat", 0): 1, ("ship", "ship", 0): 1, ("ship", "cat", 1): 1}


def test_a_k_that_is_too_large_and_no_pair_left():
    predictions = Predictions(np.array([0, 1]), np.array([[0], [1]]), None, ("cat", "dog"))
    with pytest.raises(ConfembError, match="k = 3 is out of range: there are 1 predicted classes"):
        count_pairs(predictions, k=3)
    with pytest.raises(ConfembError, match="no pair is left to learn from"):
        count_pairs(predictions, k=1, self_pairs="drop")


def test_only_counts_that_fit_are_added(predictions):
    with pytest.raises(ConfembError, match="k differ"):
        count_pairs(predictions, k=1) + count_pairs(predictions, k=2)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.ones((2, 3), int), r"must hold \(2, 2\) whole numbers"),
        (np.array([[1, -1], [0, 1]]), "at least 0"),
        (np.ones((2, 2)), "float64"),
        (np.array([[1, 1], [0, 0]]), "1 of 2 classes have no picture: 'dog'"),
    ],
)
def test_confusions_that_do_not_fit(matrix, sentence):
    with pytest.raises(ConfembError, match=sentence):
        pairs_from_confusions(matrix, ("cat", "dog"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"predicted": [0, 9]}, "predicted index 9"),
        ({"rank": [0, 1]}, "rank index 1"),
        ({"counts": [1, 0]}, "above zero"),
        ({"counts": [1]}, "for each count"),
        ({"predicted": [1, 0], "true": [0, 0]}, "must be sorted"),
        ({"predicted": [1, 1], "true": [0, 0]}, "no cell twice"),
        ({"self_pairs": "some"}, "'some' in self_pairs: known: 'drop', 'keep'"),
    ],
)
def test_records_are_checked(changes, sentence):
    arguments = {"true": [0, 1], "predicted": [0, 1], "rank": [0, 0], "counts": [1, 2]}
    policy = changes.pop("self_pairs", "keep")
    arrays = {name: np.array(values) for name, values in (arguments | changes).items()}
    with pytest.raises(ConfembError, match=sentence):
        PairCounts(("cat", "dog"), 1, policy, **arrays)


def test_save_and_load(predictions, tmp_path):
    counts = count_pairs(predictions, k=3, self_pairs="drop")
    counts.save(tmp_path / "one.npz")
    counts.save(tmp_path / "two.npz")
    assert_same(PairCounts.load(tmp_path / "one.npz"), counts)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_broken_files_are_refused(predictions, tmp_path):
    path = tmp_path / "pairs.npz"
    with pytest.raises(ConfembError, match=r"cannot read the pair counts in .*pairs\.npz"):
        PairCounts.load(path)
    count_pairs(predictions).save(path)
    whole = path.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"no npz at all"):
        path.write_bytes(broken)
        with pytest.raises(ConfembError, match="cannot read the pair counts"):
            PairCounts.load(path)
    np.savez(path, class_names=np.array(["cat", None], dtype=object))
    with pytest.raises(ConfembError, match="cannot read the pair counts"):
        PairCounts.load(path)
    np.save(tmp_path / "bare.npy", np.ones(3))
    with pytest.raises(ConfembError, match="cannot read the pair counts"):
        PairCounts.load(tmp_path / "bare.npy")


@st.composite
def some_probabilities(draw):
    size = draw(st.integers(2, 6))
    rows = draw(st.integers(size, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.concatenate([np.arange(size), rng.integers(size, size=rows - size)])
    scores = rng.dirichlet(np.full(size, 0.5), size=rows)
    return predictions_from_scores(scores, labels, [f"class {i}" for i in range(size)], k=size), scores


@given(some_probabilities())
def test_probability_weights_sum_to_the_softmax_mass(drawn):
    predictions, scores = drawn
    size = scores.shape[1]
    counts = count_pairs(predictions, k=size, weighting="probability")
    mass = np.zeros((size, size))
    np.add.at(mass, predictions.labels, scores)
    # Each probability is rounded to a millionth.
    np.testing.assert_allclose(counts.matrix().toarray(), mass, atol=1e-6 * len(scores))
    assert counts.total == len(scores)


def test_a_temperature_softens_and_keeps_the_sum():
    predictions = Predictions(
        np.array([0, 1]), np.array([[0, 1], [1, 0]]), np.array([[0.64, 0.16], [1.0, 0.0]]), ("cat", "dog")
    )
    counts = count_pairs(predictions, k=2, weighting="probability", temperature=2.0)
    # The square roots of 0.64 and 0.16 are as 2 to 1; the two classes keep their 0.8.
    np.testing.assert_allclose(counts.matrix().toarray(), [[0.8 * 2 / 3, 0.8 / 3], [0, 1]], atol=1e-6)


def test_an_extreme_temperature_leaves_the_largest():
    predictions = Predictions(
        np.array([0, 1]), np.array([[0, 1], [1, 0]]), np.array([[0.6, 0.4], [0.7, 0.3]]), ("cat", "dog")
    )
    counts = count_pairs(predictions, k=2, weighting="probability", temperature=1e-4)
    np.testing.assert_allclose(counts.matrix().toarray(), np.eye(2), atol=1e-6)


@given(some_probabilities(), st.integers(0, 2**32 - 1))
def test_whole_pairs_are_the_weights_rounded_down_or_up(drawn, seed):
    counts = count_pairs(drawn[0], k=drawn[0].k, weighting="probability")
    whole, weight = counts.whole(seed), counts.counts * counts.unit
    assert abs(whole - weight).max() < 1
    assert abs(whole.sum() - counts.counts.sum() * counts.unit) < 1


def test_whole_pairs_are_the_weights_on_average():
    names = ("cat", "dog")
    cells = ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], [300_000, 900_000, 1_500_000, 300_000])
    counts = PairCounts(names, 1, "keep", *map(np.array, cells), unit=MILLIONTH)
    drawn = np.mean([counts.whole(seed) for seed in range(4000)], axis=0)
    # A cell of fraction f has deviation sqrt(f (1 - f)) <= 0.5: four standard errors of 4,000 draws.
    np.testing.assert_allclose(drawn, [0.3, 0.9, 1.5, 0.3], atol=4 * 0.5 / 4000**0.5)


@given(some_predictions(), st.data())
def test_repeats_count_a_picture_as_often_as_they_say(predictions, data):
    repeats = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(predictions), max_size=len(predictions))))
    if repeats.sum() == 0:
        repeats[0] = 1
    rows = np.repeat(np.arange(len(predictions)), repeats)
    repeated = count_pairs(predictions, k=predictions.k, repeats=repeats, missing_classes="keep")
    assert_same(repeated, count_pairs(predictions.where(rows), k=predictions.k, missing_classes="keep"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"weighting": "probability"}, "prob1, prob2"),
        ({"temperature": 2.0}, 'with weighting = "probability" only'),
    ],
)
def test_weighting_without_probabilities_is_refused(options, sentence):
    predictions = Predictions(np.array([0, 1]), np.array([[0], [1]]), None, ("cat", "dog"))
    with pytest.raises(ConfembError, match=sentence):
        count_pairs(predictions, k=1, **options)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_must_be_a_number_above_zero(temperature):
    predictions = Predictions(np.array([0, 1]), np.array([[0], [1]]), np.ones((2, 1)), ("cat", "dog"))
    with pytest.raises(ConfembError, match="above 0"):
        count_pairs(predictions, k=1, weighting="probability", temperature=temperature)
