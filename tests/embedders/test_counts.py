import numpy as np
import pytest
from scipy import stats

from confemb.embedders.counts import Counts, count_similarity
from confemb.records.pairs import count_pairs, pairs_from_confusions


def test_known_answer():
    counts = pairs_from_confusions(np.array([[6, 2, 0], [1, 2, 1], [0, 5, 5]]), ("a", "b", "c"))
    similarity = count_similarity(counts)
    # p(b|a) = 2/8 and p(a|b) = 1/4; p(c|b) = 1/4 and p(b|c) = 5/10.
    np.testing.assert_allclose(similarity.values, [[1, 0.25, 0], [0.25, 1, 0.375], [0, 0.375, 1]])
    assert similarity.class_names == ("a", "b", "c")


def test_a_class_without_pairs_is_like_no_other():
    counts = pairs_from_confusions(np.array([[4, 4, 0], [1, 3, 0], [0, 0, 9]]), ("a", "b", "c"), self_pairs="drop")
    np.testing.assert_allclose(count_similarity(counts).values, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


def test_all_ranks_count(predictions):
    values = count_similarity(count_pairs(predictions, k=3)).values
    shares = np.zeros((6, 6))
    for label, top in zip(predictions.labels, predictions.top_classes, strict=True):
        shares[label, top] += 1
    shares /= shares.sum(axis=1, keepdims=True)
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(values[off], ((shares + shares.T) / 2)[off])


def random_counts(size, *, self_pairs="keep"):
    generator = np.random.default_rng(size)
    confusions = generator.poisson(0.4, (size, size)) + np.diag(generator.integers(9, 20, size))
    return pairs_from_confusions(confusions, tuple(f"c{i}" for i in range(size)), self_pairs=self_pairs)


def test_cosines_are_the_shares():
    counts = pairs_from_confusions(np.array([[6, 2, 0], [1, 2, 1], [0, 5, 5]]), ("a", "b", "c"))
    # The largest row sum is b's, 0.25 + 0.375, so that nothing needs to be scaled down.
    expected = count_similarity(counts).values
    embedding = Counts().embed(counts)
    np.testing.assert_allclose(embedding.cosine().values, expected, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(embedding.vectors, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("self_pairs", ["keep", "drop"])
def test_cosines_are_the_shares_scaled_and_in_the_same_order(self_pairs):
    counts = random_counts(40, self_pairs=self_pairs)
    shares = count_similarity(counts).values
    off = ~np.eye(40, dtype=bool)
    largest = (shares.sum(axis=1) - 1).max()
    assert (largest > 1) == (self_pairs == "drop")
    cosine = Counts().embed(counts).cosine().values
    np.testing.assert_allclose(cosine[off], shares[off] / max(largest, 1), atol=1.1e-7)
    # Classes that are equally similar stay so, above all the many that are never confused.
    np.testing.assert_array_equal(cosine[off] == 0, shares[off] == 0)
    assert stats.spearmanr(cosine[off], shares[off]).statistic > 1 - 1e-6


def test_no_class_is_without_a_vector():
    counts = pairs_from_confusions(np.array([[4, 4, 0], [1, 3, 0], [0, 0, 9]]), ("a", "b", "c"), self_pairs="drop")
    # a and b, confused with one another only, fall together; c, in no pair, is at a right angle to both.
    np.testing.assert_allclose(Counts().embed(counts).cosine().values, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6)
