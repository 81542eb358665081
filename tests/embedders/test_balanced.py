import numpy as np
import pytest

from confemb.embedders.balanced import Balanced
from confemb.records.pairs import count_pairs, pairs_from_confusions
from confemb.support.errors import ConfembError

CONFUSIONS = np.array([[60, 9, 2, 4], [5, 80, 7, 1], [3, 2, 40, 6], [8, 1, 5, 30]])
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def counts():
    return pairs_from_confusions(CONFUSIONS, NAMES)


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 20.0])
def test_full_rank_gives_the_matrix_and_the_balanced_gauge(counts, smoothing):
    embedder = Balanced(dim=4, smoothing=smoothing)
    w, c = embedder.factors(counts)
    np.testing.assert_allclose(w @ c.T, embedder.matrix(counts), atol=1e-12)
    np.testing.assert_allclose(w.T @ w, c.T @ c, atol=1e-12)
    np.testing.assert_allclose(embedder.embed(counts).vectors, w, rtol=1e-6)


def test_lower_rank_is_the_nearest_matrix_and_balanced_too(counts):
    embedder = Balanced(dim=2)
    w, c = embedder.factors(counts)
    np.testing.assert_allclose(w.T @ w, c.T @ c, atol=1e-12)
    # Eckart and Young: what is left is what the singular values left out say.
    left_out = np.linalg.svd(embedder.matrix(counts), compute_uv=False)[2:]
    assert np.sum((w @ c.T - embedder.matrix(counts)) ** 2) == pytest.approx(np.sum(left_out**2))


def test_smoothing_is_the_posterior_mean_of_a_dirichlet_prior(counts):
    pairs = CONFUSIONS + CONFUSIONS.T
    totals = pairs.sum(axis=1)
    matrix = Balanced(smoothing=2.0, negative=3).matrix(counts)
    i, j = 0, 3
    share = (pairs[i, j] + 2.0 * 4 * totals[j] / totals.sum()) / (totals[i] + 2.0 * 4)
    noise = totals[j] ** 0.75 / (totals**0.75).sum()
    assert matrix[i, j] == pytest.approx(np.log(share / (1 - share)) - np.log(3 * noise))


def test_what_is_never_or_only_seen_together_needs_smoothing():
    confusions = np.array([[5, 2, 0], [2, 5, 0], [0, 0, 7]])
    counts = pairs_from_confusions(confusions, ("a", "b", "c"))
    with pytest.raises(ConfembError, match="'a' is seen never with 'c', .*give a smoothing above 0"):
        Balanced(smoothing=0).embed(counts)
    cosine = Balanced(dim=3).embed(counts).cosine()
    assert cosine.between("a", "b") > cosine.between("a", "c")


def test_renaming_classes_renames_vectors(counts):
    order = np.array([2, 0, 3, 1])
    moved = pairs_from_confusions(CONFUSIONS[np.ix_(order, order)], tuple(NAMES[i] for i in order))
    expected = Balanced(dim=3).embed(counts).cosine().values[np.ix_(order, order)]
    np.testing.assert_allclose(Balanced(dim=3).embed(moved).cosine().values, expected, atol=1e-6)


def test_the_dimension(predictions, counts):
    assert Balanced().embed(count_pairs(predictions, k=3)).vectors.shape == (6, 5)
    assert Balanced().embed(counts).vectors.shape == (4, 4)
    with pytest.raises(ConfembError, match="dim = 5 is more than a matrix of 4 classes has dimensions; give at most 4"):
        Balanced(dim=5).embed(counts)


def test_a_single_class_or_one_in_no_pair():
    with pytest.raises(ConfembError, match="a single class"):
        Balanced().embed(pairs_from_confusions(np.array([[3]]), ("a",)))
    confusions = np.array([[5, 1, 0], [1, 5, 0], [0, 0, 5]])
    with pytest.raises(ConfembError, match="1 classes stand in no pair and can get no vector: 'yeti'"):
        Balanced().embed(pairs_from_confusions(confusions, ("cat", "dog", "yeti"), self_pairs="drop"))
