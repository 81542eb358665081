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
