"""The pictures behind predictions: which were learned from, and what they look like."""

from dataclasses import replace

import numpy as np
import pytest

from confemb.datasets.predicted_pictures import open_pictures, split_learned_from, unlearned
from confemb.records.predictions import Predictions
from confemb.support.errors import ConfembError

EXPERIMENT = {"classifier": {"name": "fast_cnn"}, "dataset": {"name": "digits", "train": "train"}}


@pytest.fixture
def found(digits):
    test = digits["test"]
    rows = np.array([5, 0, 9])
    top = test.labels[rows][:, None]
    return Predictions(test.labels[rows], top, None, test.class_names, test.ids[rows], np.full(3, "test"))


def test_pictures_are_found_by_id_or_by_place(digits, found):
    images = digits["test"].images
    np.testing.assert_array_equal(open_pictures(found, EXPERIMENT)(np.array([2, 1])), images[[9, 0]])
    whole = Predictions(digits["test"].labels, digits["test"].labels[:, None], None, digits["test"].class_names)
    shown = open_pictures(whole, None, dataset="digits", split="test")
    np.testing.assert_array_equal(shown(np.array([7])), images[[7]])


def test_what_has_no_pictures_is_said(found):
    for given, options, message in (
        (found, {}, "do not say where they are"),
        (replace(found, ids=None), {"dataset": "digits"}, "have no ids, and are not as many"),
        (replace(found, ids=np.array(["a", "b", "c"])), {"dataset": "digits"}, "has no picture 'a' in its part 'test'"),
    ):
        with pytest.raises(ConfembError, match=message):
            open_pictures(given, None, **options)


def test_the_pictures_of_the_training_are_left_out_where_there_are_others(found):
    assert split_learned_from(EXPERIMENT) == "train"
    assert split_learned_from(None) is None
    assert split_learned_from(EXPERIMENT | {"classifier": {"name": "resnet50", "weights": "resnet50:keras"}}) is None
    mixed = replace(found, splits=np.array(["train", "test", "train"]))
    rest, learned = unlearned(mixed, "train")
    assert (rest.ids.tolist(), learned) == ([found.ids[1]], False)
    assert unlearned(found, "test") == (found, True)
    assert unlearned(replace(found, splits=None), "train")[1] is True
    assert unlearned(found, None) == (found, None)
