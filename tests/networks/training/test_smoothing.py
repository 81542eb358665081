import numpy as np
import optax
import pytest
from pydantic import ValidationError

from confemb.networks.training.options import TrainingOptions
from confemb.networks.training.smoothing import label_targets, similar_targets, smoothing_identity
from confemb.records.similarity import SimilarityMatrix
from confemb.support.errors import ConfembError

NAMES = ("a", "b", "c", "d")
VALUES = np.array([[1, 0.6, 0.2, -0.5], [0.6, 1, 0, -0.1], [0.2, 0, 1, 0], [-0.5, -0.1, 0, 1.0]])
SETTINGS = {"epochs": 1, "learning_rate": 0.1}


def test_the_rest_goes_to_similar_classes():
    targets = similar_targets(SimilarityMatrix(VALUES, NAMES), 0.2)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    # As much as uniform smoothing leaves: 1 - 0.2 * 3 / 4.
    np.testing.assert_allclose(np.diag(targets), 0.85, rtol=1e-6)
    np.testing.assert_allclose(targets[0], [0.85, 0.15 * 0.75, 0.15 * 0.25, 0], rtol=1e-5)
    # d is similar to none: it gives to all alike.
    np.testing.assert_allclose(targets[3], [0.05, 0.05, 0.05, 0.85], rtol=1e-5)


def test_equal_similarities_smooth_uniformly():
    values = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    expected = optax.smooth_labels(np.eye(4, dtype=np.float32), 0.1)
    np.testing.assert_allclose(similar_targets(SimilarityMatrix(values, NAMES), 0.1), expected, rtol=1e-5)


def test_the_similarity_comes_from_a_file_and_its_values_are_part_of_the_key(tmp_path):
    path = tmp_path / "similarity.csv"
    SimilarityMatrix(VALUES, NAMES).save_matrix(path)
    settings = TrainingOptions(**SETTINGS, label_smoothing="similarity", smoothing_similarity=str(path))
    # In the order of the dataset's classes, not the file's.
    found = label_targets(settings, ("b", "a", "d", "c"))
    whole = similar_targets(SimilarityMatrix(VALUES, NAMES), 0.1)
    order = [1, 0, 3, 2]
    np.testing.assert_allclose(found, whole[np.ix_(order, order)], rtol=1e-5)
    before = smoothing_identity(settings)
    SimilarityMatrix(VALUES * 0.5 + 0.5 * np.eye(4), NAMES).save_matrix(path)
    assert smoothing_identity(settings) != before
    with pytest.raises(ConfembError, match="does not know 1 of the classes"):
        label_targets(settings, ("a", "b", "x"))


def test_without_it_nothing_changes():
    settings = TrainingOptions(**SETTINGS, label_smoothing=0.1)
    assert label_targets(settings, NAMES) is None
    assert smoothing_identity(settings) is None


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": "similarity"},
        {"label_smoothing": 0.1, "smoothing_similarity": "wordnet:wup"},
        {"smoothing_share": 0.1},
        {"label_smoothing": "other"},
        {"label_smoothing": "similarity", "smoothing_similarity": "x.csv", "smoothing_share": 2},
    ],
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValidationError):
        TrainingOptions(**SETTINGS, **options)


def test_unknown_similarities_are_refused():
    values = VALUES.copy()
    values[0, 1] = values[1, 0] = np.nan
    with pytest.raises(ConfembError, match="known for every two"):
        similar_targets(SimilarityMatrix(values, NAMES), 0.1)
