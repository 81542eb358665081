import numpy as np
import pytest

from confemb.classifiers.adapters.callables import CallableClassifier
from confemb.classifiers.classification import classify
from confemb.support.errors import ConfembError


def test_a_function_of_texts():
    def lengths(texts):
        return [[1 / (1 + abs(len(text) - n)) for n in (1, 3, 9)] for text in texts]

    classifier = CallableClassifier(lengths, ["short", "middle", "long"])
    found = classify(classifier, ["ab", "abcdefgh", ""], np.array([0, 2, 0]), ["short", "middle", "long"], k=2)
    # "ab" is as near to 1 as to 3: the tie goes to the lower class.
    assert found.top_classes.tolist() == [[0, 1], [2, 1], [0, 1]]
    assert found.top_probs[1].tolist() == pytest.approx([1 / 2, 1 / 6])
    assert (found.classifier, classifier.logits) == ("callable", False)


def test_logits_are_said_to_be_logits():
    def scores(batch):
        return np.log(batch)

    probs = np.random.default_rng(0).dirichlet(np.ones(4), size=7)
    classifier = CallableClassifier(scores, list("abcd"), logits=True, name="log")
    found = classify(classifier, probs, np.arange(7) % 4, list("abcd"), k=4)
    np.testing.assert_allclose(found.top_probs, np.sort(probs, axis=1)[:, ::-1], rtol=1e-6)
    with pytest.raises(ConfembError, match=r"'callable' gives -.* as a probability.*logits=True"):
        classify(CallableClassifier(scores, list("abcd")), probs, np.arange(7) % 4, list("abcd"), k=4)


def test_class_names_are_checked():
    with pytest.raises(ConfembError, match="the class name 'a' stands twice"):
        CallableClassifier(len, ["a", "a"])


def test_columns_of_a_data_frame_are_matched_with_the_class_names():
    import pandas as pd

    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=9)
    labels = probs.argmax(axis=1)
    for order in ([0, 1, 2], [2, 0, 1]):
        frame = pd.DataFrame(probs[:, order], columns=np.array(["a", "b", "c"])[order])
        classifier = CallableClassifier(lambda rows, frame=frame: frame.iloc[rows], ["a", "b", "c"])
        assert classify(classifier, np.arange(9), labels, ["a", "b", "c"], k=3).accuracy == 1.0
        assert classify(classifier, list(range(9)), np.array(list("abc"))[labels], ["a", "b", "c"], k=3).accuracy == 1.0
    other = CallableClassifier(lambda rows: frame.rename(columns={"a": "x"}).iloc[rows], ["a", "b", "c"])
    with pytest.raises(ConfembError, match="the columns of the scores of 'callable' .*: 'x' are no class names"):
        classify(other, np.arange(9), labels, ["a", "b", "c"], k=3)


def test_a_network_that_ends_in_softmax_gives_no_logits():
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=9)
    with pytest.raises(ConfembError, match="said to be logits, but are probabilities already"):
        classify(
            CallableClassifier(lambda rows: probs[rows], list("abc"), logits=True),
            np.arange(9),
            probs.argmax(1),
            list("abc"),
            k=2,
        )
    with pytest.raises(ConfembError, match="are percents"):
        classify(
            CallableClassifier(lambda rows: 100 * probs[rows], list("abc")),
            np.arange(9),
            probs.argmax(1),
            list("abc"),
            k=2,
        )
