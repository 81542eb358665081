"""What is done for many classes without a table of all pairs gives what that table gives."""

import numpy as np
import pytest
import scipy.sparse

from confemb.embedders import balanced, cooccurrence, make_pair_embedder, ppmi, spectral
from confemb.embedders.balanced import Balanced
from confemb.embedders.ppmi import Ppmi
from confemb.embedders.spectral import SparsePlusLowRank, truncated_svd
from confemb.records.pairs import PairCounts, pairs_from_confusions
from confemb.support.errors import ConfembError


@pytest.fixture
def counts() -> PairCounts:
    """240 classes in six groups, heavy-tailed, confused within a group and now and then beyond."""
    generator = np.random.default_rng(1)
    group = np.arange(240) % 6
    rate = np.where(group[:, None] == group, 4.0, 0.02) * (30 / (1 + np.arange(240)))[:, None]
    return pairs_from_confusions(
        generator.poisson(rate) + np.eye(240, dtype=int),
        tuple(f"class {i}" for i in range(240)),
        missing_classes="keep",
    )


@pytest.mark.parametrize("smoothing", [0.01, 0.5, 20.0])
def test_the_operator_is_the_matrix(counts, smoothing):
    embedder = Balanced(smoothing=smoothing)
    operator, matrix = embedder.operator(counts), embedder.matrix(counts)
    np.testing.assert_allclose(operator @ np.eye(240), matrix, atol=1e-10)
    np.testing.assert_allclose(operator.T @ np.eye(240), matrix.T, atol=1e-10)
    assert operator.sparse.nnz < 240**2 / 2


def test_the_operator_of_one_class_that_is_nearly_all():
    # Shares near 1 need many terms.
    confusions = np.array([[90_000, 3, 0], [2, 1, 0], [0, 0, 1]])
    counts = pairs_from_confusions(confusions, ("a", "b", "c"))
    np.testing.assert_allclose(Balanced().operator(counts) @ np.eye(3), Balanced().matrix(counts), atol=1e-9)


@pytest.mark.parametrize("embedder", [Ppmi(dim=6), Balanced(dim=6)])
def test_vectors_without_a_table_are_those_with_it(counts, embedder, monkeypatch):
    expected = embedder.embed(counts).cosine().values
    monkeypatch.setattr(spectral, "_ITERATIONS", 4)
    for module in (ppmi, balanced):
        monkeypatch.setattr(module, "MOST_CLASSES_IN_A_TABLE", 100)
    found = embedder.embed(counts)
    # The sixth and seventh singular values are of different size, so that the space is found.
    np.testing.assert_allclose(found.cosine().values, expected, atol=2e-3)
    assert embedder.embed(counts).vectors.tobytes() == found.vectors.tobytes()


def test_a_randomised_decomposition_finds_what_stands_out(monkeypatch):
    monkeypatch.setattr(spectral, "_ITERATIONS", 4)
    generator = np.random.default_rng(2)
    left, right = (np.linalg.qr(generator.normal(size=(300, 8)))[0] for _ in range(2))
    matrix = left * np.geomspace(100, 10, 8) @ right.T + 0.01 * generator.normal(size=(300, 300))
    expected = np.linalg.svd(matrix, compute_uv=False)[:8]
    for given in (
        scipy.sparse.csr_array(matrix),
        SparsePlusLowRank(scipy.sparse.csr_array(matrix - left @ right.T), left, right),
    ):
        u, s, v = truncated_svd(given, 8)
        np.testing.assert_allclose(s, expected, rtol=1e-10)
        np.testing.assert_allclose(u.T @ u, np.eye(8), atol=1e-12)
        np.testing.assert_allclose(matrix @ v, u * s, atol=1e-6)


def test_what_needs_a_table_refuses_too_many_classes(counts, monkeypatch):
    monkeypatch.setattr(cooccurrence, "MOST_CLASSES_IN_A_TABLE", 100)
    for name in ("counts", "diffusion"):
        with pytest.raises(ConfembError, match=f"'{name}' makes a table of all pairs of classes, of which 240 have"):
            make_pair_embedder(name, {}).embed(counts, seed=0)
    with pytest.raises(ConfembError, match="most classes are never seen together; give a smoothing above 0"):
        Balanced(smoothing=0).operator(counts)


def test_more_groups_than_dimensions_are_still_told(monkeypatch):
    monkeypatch.setattr(ppmi, "MOST_CLASSES_IN_A_TABLE", 100)
    group = np.arange(600) // 6
    confusions = np.random.default_rng(3).poisson(np.where(group[:, None] == group, 30, 0.001))
    counts = pairs_from_confusions(confusions, tuple(map(str, range(600))))
    cosine = Ppmi(dim=20).embed(counts).cosine().values - 2 * np.eye(600)
    nearest = np.argsort(-cosine, axis=1)[:, :5]
    assert (group[nearest] == group[:, None]).mean() > 0.95
