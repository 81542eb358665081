"""The nearest word of each word: what brute force finds, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from confemb.errors import ConfembError
from confemb.lab.neighbours import nearest_words
from confemb.words.vectors import WordVectors


def some_words(count, dim=6, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    return WordVectors(tuple(f"w{i}" for i in range(count)), vectors)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_it_is_what_all_cosines_give(block):
    vectors = some_words(100)
    cosines = vectors.units @ vectors.units.T
    np.fill_diagonal(cosines, -2)
    found = nearest_words(vectors, block=block)
    assert found.words == vectors.words
    assert list(found.nearest) == [f"w{i}" for i in cosines.argmax(axis=1)]
    np.testing.assert_allclose(found.cosines, cosines.max(axis=1), atol=1e-6)
    assert [vectors.nearest(word, top=1)[0][0] for word in vectors.words] == list(found.nearest)


def test_of_the_first_words_among_more():
    vectors = some_words(100)
    few = nearest_words(vectors, words=10)
    assert set(few.nearest) <= set(vectors.words[:10])
    more = nearest_words(vectors, words=10, among=100)
    assert list(more.nearest) == list(nearest_words(vectors).nearest[:10])
    assert (more.cosines >= few.cosines).all()


def test_ties_go_to_the_first_word_and_a_word_is_not_its_own_neighbour():
    same = WordVectors(tuple("abc"), np.ones((3, 2)))
    assert nearest_words(same).nearest == ("b", "a", "a")


def test_memory_is_that_of_a_block():
    vectors = some_words(3000, dim=8)
    tracemalloc.start()
    nearest_words(vectors, block=64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 64 * 3000 * 4 < 3000 * 3000 * 4 / 5


def test_the_file(tmp_path):
    vectors = WordVectors(("a", "b", "ç"), np.array([[1, 0], [0.6, 0.8], [0, 1]]))
    nearest_words(vectors).save(tmp_path / "n.tsv")
    assert (tmp_path / "n.tsv").read_text(encoding="utf-8").splitlines() == [
        "word\tnearest\tcosine",
        "a\tb\t0.600000",
        "b\tç\t0.800000",
        "ç\tb\t0.800000",
    ]


def test_too_few_to_choose_from():
    with pytest.raises(ConfembError, match="there must be two or more to choose from"):
        nearest_words(some_words(1))
    with pytest.raises(ConfembError, match="of 5 words the nearest among 3"):
        nearest_words(some_words(9), words=5, among=3)
