import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.similarity import SimilarityMatrix
from confemb.studies.costs import cost_matrix, least_cost_decisions, save_costs
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "truck")
SIMILARITY = SimilarityMatrix(np.array([[1.0, 0.8, -0.2], [0.8, 1.0, 0.1], [-0.2, 0.1, 1.0]]), NAMES)


def test_costs_follow_the_formula():
    # 1 - s is 0.2, 1.2 and 0.9; the largest is 1.2.
    np.testing.assert_allclose(
        cost_matrix(SIMILARITY), [[0, 0.2 / 1.2, 1.0], [0.2 / 1.2, 0, 0.75], [1.0, 0.75, 0]], atol=1e-12
    )


@given(st.lists(st.floats(-1, 0.99), min_size=6, max_size=6))
def test_costs_are_symmetric_and_from_0_to_1(values):
    square = np.eye(4)
    square[np.triu_indices(4, 1)] = values
    square = np.maximum(square, square.T) if min(values) >= 0 else np.triu(square) + np.triu(square, 1).T
    costs = cost_matrix(SimilarityMatrix(square, ("a", "b", "c", "d")))
    np.testing.assert_array_equal(costs, costs.T)
    assert costs.min() == 0
    assert costs.max() == 1
    assert (np.diag(costs) == 0).all()


def test_the_least_cost_is_not_always_the_most_probable_class():
    # Truck is most probable; but a cat or a dog would be a cheap mistake for the other 60 %.
    probs = np.array([[0.3, 0.3, 0.4]])
    costs = cost_matrix(SIMILARITY)
    expected = [0.3 * costs[1, 0] + 0.4 * 1.0, 0.3 * costs[0, 1] + 0.4 * 0.75, 0.3 * 1.0 + 0.3 * 0.75]
    np.testing.assert_allclose((probs @ costs)[0], expected)
    assert probs.argmax() == 2
    assert least_cost_decisions(probs, costs).tolist() == [1]


def test_with_equal_costs_it_is_the_most_probable_class():
    probs = np.random.default_rng(0).dirichlet(np.ones(5), size=200)
    assert least_cost_decisions(probs, 1 - np.eye(5)).tolist() == probs.argmax(axis=1).tolist()


def test_deciding_by_cost_costs_less_where_the_probabilities_are_true():
    generator = np.random.default_rng(1)
    probs = generator.dirichlet(np.ones(3), size=20_000)
    labels = (generator.random((20_000, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    costs = cost_matrix(SIMILARITY)
    by_cost, by_probability = least_cost_decisions(probs, costs), probs.argmax(axis=1)
    assert costs[labels, by_cost].mean() < costs[labels, by_probability].mean()


def test_costs_are_written_as_a_square_table(tmp_path):
    save_costs(cost_matrix(SIMILARITY), NAMES, tmp_path / "costs.csv")
    lines = (tmp_path / "costs.csv").read_text().splitlines()
    assert lines[0] == ",cat,dog,truck"
    assert lines[1] == "cat,0.000000000,0.166666667,1.000000000"


def test_what_has_no_costs_is_refused():
    values = SIMILARITY.values.copy()
    values[0, 1] = values[1, 0] = np.nan
    with pytest.raises(ConfembError, match="not known"):
        cost_matrix(SimilarityMatrix(values, NAMES))
    with pytest.raises(ConfembError, match="similarity 1"):
        cost_matrix(SimilarityMatrix(np.ones((3, 3)), NAMES))
    with pytest.raises(ConfembError, match="must be"):
        least_cost_decisions(np.ones((2, 4)) / 4, cost_matrix(SIMILARITY))
