import numpy as np
import pytest
from sklearn.datasets import load_digits

from confemb.datasets import open_dataset
from confemb.support.errors import ConfembError


@pytest.fixture(scope="module")
def parts():
    source = open_dataset("digits")
    return {split: source.load(split) for split in source.splits}


def test_every_picture_is_in_one_part_with_its_label_and_pixels(parts):
    digits = load_digits()
    rows = {split: np.array([int(name.removeprefix("digits_")) for name in part.ids]) for split, part in parts.items()}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1797))
    for split, part in parts.items():
        np.testing.assert_array_equal(part.labels, digits.target[rows[split]])
        assert part.images.shape == (len(part), 8, 8, 1)
        # The 17 grey values are told apart and keep their meaning.
        values = np.array([0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255])
        np.testing.assert_array_equal(part.images[..., 0], values[digits.images[rows[split]].astype(int)])


def test_every_fifth_picture_of_each_class_is_test(parts):
    assert (len(parts["train"]), len(parts["test"])) == (1433, 364)
    for label in range(10):
        of_class = np.flatnonzero(load_digits().target == label)
        test = [name for name, its in zip(parts["test"].ids, parts["test"].labels, strict=True) if its == label]
        assert test == [f"digits_{row:05d}" for row in of_class[::5]]


def test_names_and_fingerprints(parts):
    assert parts["train"].class_names[:3] == ("zero", "one", "two")
    assert parts["train"].fingerprint == "ecf6040397a41b7336b15f3f82baeaa5af985318d66ccdca72e3e1c386d88685"
    assert parts["test"].fingerprint == "9f674257a24d88fade88a4304a70df1241aa2a8d9587183b76e49bb1eafc63dd"


def test_unknown_split():
    with pytest.raises(ConfembError, match="unknown split 'training' in digits"):
        open_dataset("digits").load("training")
