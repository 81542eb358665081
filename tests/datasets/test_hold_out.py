"""Classes left out of the training: never learned, never predicted, but their pictures are."""

import numpy as np
import pytest

from confemb.classifiers.adapters.callables import CallableClassifier
from confemb.datasets.hold_out import NeverPredicting, without_classes
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import run_experiment
from confemb.records.prediction_files import load_predictions
from confemb.support.errors import ConfembError

EXPERIMENT = {
    "name": "held_out",
    "title": "Digits without the three",
    "dataset": {"name": "digits", "hold_out": ["three"]},
    "classifier": {"name": "fast_cnn", "widths": [8, 16], "shift": 1, "mirror": False},
    "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.1},
    "embedding": {"seeds": 2, "epochs": 10},
    "uncertainty": {"pictures": 0, "split_halves": 0, "dimension_splits": 0},
}


def test_the_other_classes_keep_their_pictures_and_order(digits):
    left = without_classes(digits["train"], ["three", "zero"])
    assert left.class_names == ("one", "two", "four", "five", "six", "seven", "eight", "nine")
    kept = ~np.isin(digits["train"].labels, [0, 3])
    assert left.ids.tolist() == digits["train"].ids[kept].tolist()
    np.testing.assert_array_equal(left.images, digits["train"].images[kept])
    ours = [left.class_names[label] for label in left.labels]
    assert ours == [digits["train"].class_names[label] for label in digits["train"].labels[kept]]
    assert left.fingerprint != digits["train"].fingerprint


def test_what_cannot_be_held_out_is_refused(digits):
    with pytest.raises(ConfembError, match="three"):
        without_classes(digits["train"], ["thre"])
    with pytest.raises(ConfembError, match="leaves 1 of the 10 classes"):
        without_classes(digits["train"], digits["train"].class_names[1:])


@pytest.mark.parametrize("logits", [True, False])
def test_an_unknown_class_gets_probability_zero(logits):
    given = np.array([[0.2, 0.8], [1.0, 0.0]])
    scores = np.log(given + 1e-300) if logits else given
    known = CallableClassifier(lambda batch: scores[batch], ("a", "c"), logits=logits)
    wide = NeverPredicting(known, ("a", "b", "c")).scores(np.array([0, 1]))
    probs = np.exp(wide - wide.max(axis=1, keepdims=True))
    np.testing.assert_allclose(probs / probs.sum(axis=1, keepdims=True), [[0.2, 0.0, 0.8], [1.0, 0.0, 0.0]], atol=1e-12)
    assert (probs[:, 1] == 0).all()


def test_an_experiment_never_learns_what_it_holds_out(tmp_path, digits):
    run_experiment(Experiment.model_validate(EXPERIMENT), tmp_path, until="embed")
    predictions = load_predictions(tmp_path / "predictions.parquet")
    assert len(predictions) == 1797
    assert predictions.class_names == digits["train"].class_names
    assert 3 not in predictions.top_classes
    unknown = predictions.labels == 3
    assert unknown.sum() == sum((part.labels == 3).sum() for part in digits.values())
    assert predictions.where(~unknown).accuracy > 0.7


def test_an_experiment_checks_what_it_holds_out(tmp_path):
    changed = {**EXPERIMENT, "prediction": {"k": 10}}
    with pytest.raises(ConfembError, match="there are 9 classes"):
        run_experiment(Experiment.model_validate(changed), tmp_path)
    changed = {**EXPERIMENT, "dataset": {"name": "digits", "hold_out": ["thirty"]}}
    with pytest.raises(ConfembError, match="thirty"):
        run_experiment(Experiment.model_validate(changed), tmp_path)
