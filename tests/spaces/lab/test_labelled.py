"""Vectors with labels: their file, the lab's own file, what fits and what does not."""

import numpy as np
import pytest

from confemb.records.word_vectors import WordVectors
from confemb.spaces.lab.labelled import LabelledVectors, label_words, load_labels
from confemb.support.errors import ConfembError

FOUR = LabelledVectors(
    np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float32), np.array([1, 0, 1, 2]), ("a", "b b", "ü"), tuple("wxyz")
)


def test_the_file_gives_the_same_back(tmp_path):
    FOUR.save(tmp_path / "v.npz")
    again = LabelledVectors.load(tmp_path / "v.npz")
    np.testing.assert_array_equal(again.vectors, FOUR.vectors)
    np.testing.assert_array_equal(again.labels, FOUR.labels)
    assert (again.class_names, again.ids) == (FOUR.class_names, FOUR.ids)
    with np.load(tmp_path / "v.npz", allow_pickle=False) as file:
        assert set(file.files) == {"embeddings", "labels", "class_names", "ids"}
    with pytest.raises(ConfembError, match=r"must end in \.npz"):
        FOUR.save(tmp_path / "v.txt")


def test_labels_may_be_class_names_alone(tmp_path):
    np.savez(tmp_path / "lab.npz", embeddings=FOUR.vectors.astype(np.float64), labels=np.array(["b", "a", "b", "c"]))
    found = LabelledVectors.load(tmp_path / "lab.npz")
    assert found.class_names == ("a", "b", "c")
    assert found.labels.tolist() == [1, 0, 1, 2]
    assert found.vectors.dtype == np.float32
    assert found.ids == ("0", "1", "2", "3")
    np.savez(tmp_path / "numbers.npz", embeddings=FOUR.vectors, labels=np.array([0, 1, 0, 1]))
    assert LabelledVectors.load(tmp_path / "numbers.npz").class_names == ("0", "1")


def test_some_classes_in_the_order_given():
    found = FOUR.of_classes(["ü", "b b"])
    assert found.class_names == ("ü", "b b")
    assert found.labels.tolist() == [1, 1, 0]
    assert found.ids == ("w", "y", "z")
    assert found.counts.tolist() == [1, 2]
    with pytest.raises(ConfembError, match="unknown class 'bb': did you mean 'b b'"):
        FOUR.of_classes(["bb"])
    with pytest.raises(ConfembError, match="each named once"):
        FOUR.of_classes(["a", "a"])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"labels": np.arange(2)}, "no array 'embeddings'"),
        ({"embeddings": np.ones((2, 3)), "labels": np.arange(3)}, "2 vectors, but labels have shape"),
        ({"embeddings": np.ones((2, 3)), "labels": np.array([0.5, 1])}, "whole number or a name for each"),
        ({"embeddings": np.ones((2, 3)), "labels": np.array([0, 2])}, "'1' has no vectors"),
        ({"embeddings": np.ones((2, 3)), "labels": np.array([0, 1]), "class_names": np.array(["a"])}, "1 classes"),
        ({"embeddings": np.ones(2), "labels": np.array([0, 1])}, r"shape \(2,\)"),
        ({"embeddings": np.array([[np.nan], [1]]), "labels": np.array([0, 1])}, "'0' has values that are not finite"),
        ({"embeddings": np.array([[1.0], [1, 2]], object), "labels": np.array([0, 1])}, "pickled objects"),
        ({"embeddings": np.ones((1, 2)), "labels": np.array(["x"]), "class_names": np.array(["y"])}, "class 'x'"),
        ({"embeddings": np.ones((1, 2)), "labels": np.array([0]), "ids": np.array(["x", "y"])}, "2 ids"),
        ({"embeddings": np.empty((0, 2)), "labels": np.empty(0, int)}, "class"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(ConfembError, match=said) as error:
        LabelledVectors.load(tmp_path / "v.npz")
    assert "v.npz" in str(error.value)
    assert "\n" not in str(error.value)


def test_words_with_labels(tmp_path):
    (tmp_path / "l.tsv").write_text("Word\tLabel\ncat\tanimal\n\npear\tfruit\ndog\tanimal\nyak\tanimal\n")
    labels = load_labels(tmp_path / "l.tsv")
    vectors = WordVectors(("dog", "cat", "pear"), np.array([[1, 0], [2, 0], [0, 1]]))
    found, missing = label_words(vectors, labels)
    assert (found.ids, missing) == (("cat", "pear", "dog"), ("yak",))
    assert [found.class_names[label] for label in found.labels] == ["animal", "fruit", "animal"]
    assert found.vectors.tolist() == [[2, 0], [0, 1], [1, 0]]
    with pytest.raises(ConfembError, match="unknown word 'kat'.*did you mean 'cat'"):
        label_words(vectors, {"kat": "animal"})
    with pytest.raises(ConfembError, match="the class 'fish' has no vectors"):
        label_words(vectors, {"cat": "animal", "cod": "fish"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cat animal\n", r"line 1: expected a word, a tab and a class"),
        ("cat\ta\ncat\tb\n", r"line 2: the word 'cat' has two classes"),
        ("word\tlabel\n", "names no words"),
    ],
)
def test_tables_of_labels_that_are_wrong(tmp_path, text, said):
    (tmp_path / "l.tsv").write_text(text)
    with pytest.raises(ConfembError, match=said):
        load_labels(tmp_path / "l.tsv")
