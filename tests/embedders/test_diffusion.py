import numpy as np
import pytest
from scipy.linalg import expm

from confemb.embedders.diffusion import Diffusion
from confemb.records.pairs import count_pairs, pairs_from_confusions
from confemb.support.errors import ConfembError

CONFUSIONS = np.array([[60, 9, 2, 4], [5, 80, 7, 0], [3, 2, 40, 6], [8, 1, 0, 30]])
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def counts():
    return pairs_from_confusions(CONFUSIONS, NAMES)


def normalised_weights(confusions):
    """N of the docstring, cell by cell."""
    size = len(confusions)
    rows = [sum(row) for row in confusions]
    weight = [
        [0.0 if i == j else (confusions[i][j] / rows[i] + confusions[j][i] / rows[j]) / 2 for j in range(size)]
        for i in range(size)
    ]
    degree = [sum(row) for row in weight]
    return np.array([[weight[i][j] / (degree[i] * degree[j]) ** 0.5 for j in range(size)] for i in range(size)])


def as_cosines(products):
    lengths = np.sqrt(np.diag(products))
    return products / lengths / lengths[:, None]


@pytest.mark.parametrize("time", [0.3, 1.0, 5.0])
def test_heat_kernel(counts, time):
    kernel = expm(-2 * time * (np.eye(4) - normalised_weights(CONFUSIONS.tolist())))
    cosine = Diffusion(time=time).embed(counts).cosine().values
    np.testing.assert_allclose(cosine, as_cosines(kernel), atol=1e-6)


@pytest.mark.parametrize("time", [1, 3])
def test_lazy_walk(counts, time):
    steps = np.linalg.matrix_power((np.eye(4) + normalised_weights(CONFUSIONS.tolist())) / 2, 2 * time)
    cosine = Diffusion(time=time, weight="walk").embed(counts).cosine().values
    np.testing.assert_allclose(cosine, as_cosines(steps), atol=1e-6)


def test_the_fewer_dimensions_are_the_largest_eigenvalues(counts):
    values, vectors = np.linalg.eigh(normalised_weights(CONFUSIONS.tolist()))
    kept = vectors[:, [3, 2]] * np.exp(values[[3, 2]])
    cosine = Diffusion(dim=2).embed(counts).cosine().values
    np.testing.assert_allclose(cosine, as_cosines(kept @ kept.T), atol=1e-6)


@pytest.mark.parametrize(("weight", "expected"), [("heat", np.tanh(2 * 0.7)), ("walk", 1.0)])
def test_two_classes(weight, expected):
    # N is [[0, 1], [1, 0]] whatever the counts: exp(2 t N) has cosh(2 t) on its diagonal and sinh(2 t) off it.
    counts = pairs_from_confusions(np.array([[9, 1], [4, 6]]), ("a", "b"))
    cosine = Diffusion(time=0.7, weight=weight).embed(counts).cosine()
    assert cosine.between("a", "b") == pytest.approx(expected, abs=1e-6)


def test_at_small_times_the_order_is_that_of_the_normalised_shares(counts):
    upper = np.triu_indices(4, 1)
    cosine = Diffusion(time=1e-3).embed(counts).cosine().values[upper]
    np.testing.assert_allclose(cosine, 2e-3 * normalised_weights(CONFUSIONS.tolist())[upper], rtol=0.02)


def test_classes_never_confused_are_alike_through_a_third():
    confusions = np.array([[8, 2, 0, 0], [2, 6, 2, 0], [0, 2, 6, 2], [0, 0, 2, 8]])
    cosine = Diffusion().embed(pairs_from_confusions(confusions, NAMES)).cosine()
    assert cosine.between("a", "b") > cosine.between("a", "c") > cosine.between("a", "d") > 0.01


@pytest.mark.parametrize("weight", ["heat", "walk"])
@pytest.mark.parametrize("self_pairs", ["keep", "drop"])
def test_an_island_is_like_no_other(weight, self_pairs):
    # c is confused with none; without self-pairs it even stands in no pair.
    confusions = np.array([[7, 2, 0, 1], [3, 5, 0, 2], [0, 0, 9, 0], [2, 2, 0, 5]])
    counts = pairs_from_confusions(confusions, NAMES, self_pairs=self_pairs)
    embedding = Diffusion(weight=weight).embed(counts)
    assert np.isfinite(embedding.vectors).all()
    cosine = embedding.cosine().values
    np.testing.assert_array_equal(cosine[2], [0, 0, 1, 0])
    rest = pairs_from_confusions(np.delete(np.delete(confusions, 2, 0), 2, 1), ("a", "b", "d"), self_pairs=self_pairs)
    others = np.ix_([0, 1, 3], [0, 1, 3])
    np.testing.assert_allclose(cosine[others], Diffusion(weight=weight).embed(rest).cosine().values, atol=1e-6)


def test_a_class_without_pictures_has_what_it_was_taken_for():
    confusions = np.array([[5, 1, 2], [1, 5, 0], [0, 0, 0]])
    counts = pairs_from_confusions(confusions, ("a", "b", "c"), missing_classes="keep")
    cosine = Diffusion().embed(counts).cosine()
    assert cosine.between("a", "c") > cosine.between("b", "c") > 0


def test_no_confusion_at_all():
    counts = pairs_from_confusions(np.diag([3, 4, 5]), ("a", "b", "c"))
    np.testing.assert_array_equal(Diffusion().embed(counts).cosine().values, np.eye(3))


def test_profiles_without_any_confusion():
    counts = pairs_from_confusions(np.diag([4, 5, 6]), ("a", "b", "c"))
    np.testing.assert_array_equal(Diffusion(compare="profiles").embed(counts).cosine().values, np.eye(3))


def test_parts_and_dimensions():
    confusions = np.array([[7, 2, 0, 0], [3, 5, 0, 0], [0, 0, 9, 1], [0, 0, 2, 5]])
    counts = pairs_from_confusions(confusions, NAMES)
    with pytest.raises(ConfembError, match="fall into 2 parts .* dim = 1 keeps fewer .* give a dim of 2 or more"):
        Diffusion(dim=1).embed(counts)
    # What is left of two parts in two dimensions is the part that a class is in.
    block = np.kron(np.eye(2), np.ones((2, 2)))
    np.testing.assert_allclose(Diffusion(dim=2).embed(counts).cosine().values, block, atol=1e-6)
    with pytest.raises(ConfembError, match="dim = 5 is more than a matrix of 4 classes has dimensions"):
        Diffusion(dim=5).embed(counts)


def test_renaming_classes_and_scaling_counts_change_nothing(predictions, counts):
    expected = Diffusion().embed(counts).cosine().values
    order = np.array([2, 0, 3, 1])
    moved = pairs_from_confusions(CONFUSIONS[np.ix_(order, order)], tuple(NAMES[i] for i in order))
    found = Diffusion().embed(moved).cosine().values
    np.testing.assert_allclose(found, expected[np.ix_(order, order)], atol=1e-6)
    for factor in (2, 7):
        scaled = Diffusion().embed(pairs_from_confusions(factor * CONFUSIONS, NAMES))
        np.testing.assert_allclose(scaled.cosine().values, expected, atol=1e-6)
    pairs = count_pairs(predictions, k=3)
    one, two = (Diffusion().embed(pairs, seed=seed).vectors.tobytes() for seed in (0, 5))
    assert one == two
