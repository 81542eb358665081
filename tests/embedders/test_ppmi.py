import numpy as np
import pytest

from confemb.embedders.ppmi import Ppmi
from confemb.records.pairs import pairs_from_confusions
from confemb.support.errors import ConfembError

# Both directions together: 4 pairs of a with b, 8 of b with itself; 4 of a in all, 12 of b.
COUNTS = pairs_from_confusions(np.array([[0, 3], [1, 4]]), ("a", "b"))
FOUR_THIRDS = np.log(4 / 3)


def test_matrix_by_hand():
    # P(a) = 1/4 and P(b) = 3/4: a with b is 4/3 times as frequent as by chance, b with b 8/9 times.
    expected = np.array([[0, FOUR_THIRDS], [FOUR_THIRDS, 0]])
    np.testing.assert_allclose(Ppmi(context_smoothing=1.0).matrix(COUNTS).toarray(), expected)


def test_context_smoothing_by_hand():
    # Roots of 4 and 12: P(a) = 2 / (2 + sqrt 12) = .366, P(b) = .634.
    context = np.array([2, np.sqrt(12)]) / (2 + np.sqrt(12))
    expected = np.array([[0, np.log(1 / context[1])], [0, np.log(8 / 12 / context[1])]])
    np.testing.assert_allclose(Ppmi(context_smoothing=0.5).matrix(COUNTS).toarray(), expected)


def test_shift_by_hand():
    expected = np.array([[0, np.log(4 / 3 / 1.2)], [np.log(4 / 3 / 1.2), 0]])
    np.testing.assert_allclose(Ppmi(context_smoothing=1.0, shift=1.2).matrix(COUNTS).toarray(), expected)
    np.testing.assert_allclose(
        Ppmi(context_smoothing=1.0, shift=0.8).matrix(COUNTS).toarray()[1, 1], np.log(8 / 9 / 0.8), atol=1e-12
    )


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_eigenvalue_weight(power):
    confusions = np.array([[60, 9, 2], [5, 80, 7], [3, 2, 40]])
    counts = pairs_from_confusions(confusions, ("a", "b", "c"))
    embedder = Ppmi(dim=3, eigenvalue_weight=power)
    w = embedder.embed(counts).vectors.astype(np.float64)
    # W W' has the left singular vectors of M, and its singular values to the power 2 p.
    values, vectors = np.linalg.eigh((embedder.matrix(counts) @ embedder.matrix(counts).T).toarray())
    np.testing.assert_allclose(w @ w.T, vectors @ np.diag(values**power) @ vectors.T, atol=1e-6)


def test_a_class_left_out_by_the_dimensions_or_the_shift_is_named():
    # The class c is confused with none: it has a direction of its own, the weakest.
    confusions = np.array([[40, 10, 0], [12, 30, 0], [0, 0, 200]])
    counts = pairs_from_confusions(confusions, ("a", "b", "c"))
    with pytest.raises(ConfembError, match="the class 'c' gets no vector in 1 dimensions: give a larger dim"):
        Ppmi(dim=1).embed(counts)
    assert Ppmi(dim=3).embed(counts).cosine().between("a", "c") == 0
    with pytest.raises(ConfembError, match="gets no vector in 3 dimensions: .*or a smaller shift"):
        Ppmi(shift=1000).embed(counts)


def test_too_many_dimensions():
    with pytest.raises(ConfembError, match="dim = 3 is more than a matrix of 2 classes has dimensions"):
        Ppmi(dim=3).embed(COUNTS)
