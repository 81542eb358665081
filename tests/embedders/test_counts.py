import numpy as np

from confemb.embedders.counts import count_similarity
from confemb.pairs import count_pairs, pairs_from_confusions


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
