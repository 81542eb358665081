"""The nearest word of each word: what brute force finds, and the file."""

import numpy as np
import pytest

from confemb.records.word_vectors import WordVectors
from confemb.spaces.lab.neighbours import nearest_words
from confemb.support.errors import ConfembError


def some_words(count, dim=6, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    return WordVectors(tuple(f"w{i}" for i in range(count)), vectors)


def test_it_is_what_all_cosines_give():
    vectors, done = some_words(100), []
    cosines = vectors.units @ vectors.units.T
    np.fill_diagonal(cosines, -2)
    found = nearest_words(vectors, progress=lambda what, here, total: done.append((here, total)))
    assert found.words == vectors.words
    assert list(found.nearest) == [f"w{i}" for i in cosines.argmax(axis=1)]
    np.testing.assert_allclose(found.cosines, cosines.max(axis=1), atol=1e-6)
    assert [vectors.nearest(word, top=1)[0][0] for word in vectors.words] == list(found.nearest)
    assert done[-1] == (100, 100)


def test_the_first_words_are_compared_among_themselves():
    vectors = some_words(100)
    few = nearest_words(vectors, words=10)
    cut = WordVectors(vectors.words[:10], vectors.vectors[:10])
    assert few.words == cut.words
    assert few.nearest == nearest_words(cut).nearest


def test_the_file(tmp_path):
    vectors = WordVectors(("a", "b", "ç"), np.array([[1, 0], [0.6, 0.8], [0, 1]]))
    nearest_words(vectors).save(tmp_path / "n.tsv")
    assert (tmp_path / "n.tsv").read_text(encoding="utf-8").splitlines() == [
        "word\tnearest\tcosine",
        "a\tb\t0.600000",
        "b\tç\t0.800000",
        "ç\tb\t0.800000",
    ]


def test_a_single_word_is_refused():
    with pytest.raises(ConfembError, match="ask for two words or more"):
        nearest_words(some_words(1))
    with pytest.raises(ConfembError, match="ask for two words or more"):
        nearest_words(some_words(5), words=1)
