import numpy as np
import pytest

from confemb.embedders.directed import Directed
from confemb.records.pairs import count_pairs, pairs_from_confusions
from confemb.support.errors import ConfembError


def test_same_counts_and_seed_give_the_same_bytes(predictions):
    counts = count_pairs(predictions, k=3)
    one, two, other = (Directed().embed(counts, seed=seed) for seed in (3, 3, 4))
    assert one.vectors.tobytes() == two.vectors.tobytes()
    assert one.vectors.tobytes() != other.vectors.tobytes()
    assert one.vectors.shape == (6, 5)
    assert one.class_names == counts.class_names


def test_only_the_predicted_classes_of_a_true_class_tell():
    # a and b are both taken for x, c and d for y; x is taken for a only and y for b only. Forwards, a is like b;
    # in both directions together x, which is like y to nobody, would also pull a towards itself.
    names = ("a", "b", "c", "d", "x", "y")
    confusions = np.zeros((6, 6), int)
    confusions[[0, 1], 4] = confusions[[2, 3], 5] = 1000
    confusions[4, 0] = confusions[5, 1] = 1000
    cosine = Directed(dim=4, epochs=20).embed(pairs_from_confusions(confusions, names), seed=0).cosine()
    assert cosine.between("a", "b") > 0.9
    assert cosine.between("c", "d") > 0.9
    assert cosine.between("a", "c") < 0.3
    assert cosine.between("a", "x") < 0.3


def test_a_class_that_is_never_the_true_one_is_named():
    confusions = np.array([[5, 1, 2], [1, 5, 2], [0, 0, 0]])
    counts = pairs_from_confusions(confusions, ("cat", "dog", "yeti"), missing_classes="keep")
    with pytest.raises(ConfembError, match="1 classes are the true class of no pair and can get no vector: 'yeti'"):
        Directed().embed(counts, seed=0)
