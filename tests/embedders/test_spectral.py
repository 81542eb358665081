import numpy as np

from confemb.embedders.spectral import symmetric_eigen, truncated_svd


def test_iterated_singular_vectors_are_those_of_the_whole_matrix():
    generator = np.random.default_rng(2)
    matrix = generator.normal(size=(240, 12)) @ generator.normal(size=(12, 240)) + generator.normal(size=(240, 240))
    u, s, v = truncated_svd(matrix, 10)
    full_u, full_s, full_vt = np.linalg.svd(matrix)
    np.testing.assert_allclose(s, full_s[:10])
    np.testing.assert_allclose(u * s @ v.T, full_u[:, :10] * full_s[:10] @ full_vt[:10], atol=1e-9)
    again = truncated_svd(matrix.copy(), 10)
    assert [part.tobytes() for part in again] == [part.tobytes() for part in (u, s, v)]


def test_the_entry_of_largest_size_is_positive():
    generator = np.random.default_rng(3)
    for size in (6, 240):
        matrix = generator.normal(size=(size, size))
        for vectors in (truncated_svd(matrix, 5)[0], symmetric_eigen(matrix + matrix.T)[1]):
            largest = np.abs(vectors).argmax(axis=0)
            assert (vectors[largest, np.arange(vectors.shape[1])] > 0).all()


def test_eigenvalues_fall():
    matrix = np.diag([1.0, 5.0, -2.0])
    values, vectors = symmetric_eigen(matrix)
    assert values.tolist() == [5, 1, -2]
    np.testing.assert_array_equal(vectors, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
