"""The lab's experiment: topics of words, and the whole of it on clouds of vectors and a few words."""

import argparse
import functools

import numpy as np
import pytest

from confemb.records.word_vectors import WordVectors
from confemb.reporting.study import write_study
from confemb.spaces.lab.labelled import LabelledVectors


@pytest.fixture(scope="module")
def lab(load_script):
    return load_script("lab")


class Sense:
    def __init__(self, lexname, *lemmas, pos="n"):
        self._lexname, self._lemmas, self._pos = lexname, lemmas, pos

    def lexname(self):
        return self._lexname

    def lemma_names(self):
        return list(self._lemmas)

    def pos(self):
        return self._pos


class WordNet:
    senses = (
        Sense("noun.animal", "cat"),
        Sense("noun.animal", "dog"),
        Sense("noun.person", "dog", "cad"),
        Sense("noun.food", "pear"),
        Sense("noun.food", "bun"),
        Sense("noun.food", "cake"),
        Sense("noun.animal", "Chen"),
        Sense("noun.animal", "cow"),
        Sense("verb.social", "cow", pos="v"),
        Sense("noun.animal", "yak"),
        Sense("noun.animal", "ox"),
    )

    def synsets(self, word):
        return [sense for sense in self.senses if word in [name.lower() for name in sense.lemma_names()]]

    def get_version(self):
        return "0.1"


def test_topics_are_those_of_nouns_of_one_topic(lab):
    words = ("ox", "cat", "dog", "chen", "cow", "pear", "yak", "cake", "bun", "unknown")
    assert lab.topics(WordNet(), words, most=2) == {"cat": "animal", "yak": "animal", "pear": "food", "cake": "food"}
    assert lab.topics(WordNet(), words, most=3) == {"pear": "food", "cake": "food", "bun": "food"}


def test_the_analogies_are_pairs_of_their_sections(lab):
    asked = lab.load_analogies(lab.ANALOGIES)
    assert len(asked.sections) == 7
    for questions in asked.sections.values():
        pairs = {(q.one, q.other) for q in questions}
        assert len(questions) == len(pairs) * (len(pairs) - 1)
        assert 15 <= len(pairs) <= 20


def test_all_of_it(lab, tmp_path, monkeypatch):
    generator = np.random.default_rng(0)

    def clouds(path, each, seed):
        labels = np.repeat(np.arange(3), each)
        vectors = 9 * np.eye(3)[labels] + np.random.default_rng(seed).normal(size=(len(labels), 3))
        LabelledVectors(vectors, labels, ("a", "b", "c"), tuple(map(str, range(len(labels))))).save(path)

    clouds(tmp_path / "scenes_train.npz", 8, 0)
    clouds(tmp_path / "scenes_test.npz", 4, 1)
    clouds(tmp_path / "pictures.npz", 6, 2)
    asked = lab.load_analogies(lab.ANALOGIES)
    known = sorted({word for s in asked.sections.values() for q in s for word in (q.one, q.other)} | {"yak", "pear"})
    words = tuple(dict.fromkeys(["cat", "yak", "pear", "cake", "bun", *known]))
    WordVectors(words, generator.normal(size=(len(words), 6))).save(tmp_path / "glove.txt")
    monkeypatch.setattr(lab, "examine", functools.partial(lab.examine, subsets=2))
    labels = {"cat": "x", "yak": "x", "car": "x", "pear": "y", "cake": "y", "bun": "y"}
    monkeypatch.setattr(lab.confemb, "open_wordnet", lambda folder: WordNet())
    monkeypatch.setattr(lab, "topics", lambda wordnet, words: labels)
    monkeypatch.setattr(lab, "open_labelled", lambda path: (LabelledVectors.load(tmp_path / "pictures.npz"), ()))
    given = argparse.Namespace(
        scenes=tmp_path,
        pictures=tmp_path,
        glove=tmp_path / "glove.txt",
        result=tmp_path,
        work=tmp_path,
        wordnet=None,
        weights="w",
        layer="l",
        seed=0,
    )
    write_study(lab.study(given), tmp_path / "report")
    page = (tmp_path / "report/tables.md").read_text()
    assert "Scenes: a linear SVM gives 100.0%" in page
    assert "Scenes: judged by 12 others" in page
    assert "king − man + woman" in page
    assert "| country and capital | 380 | 0 |" in page
    assert "nan" not in page
    assert {path.name for path in (tmp_path / "report").glob("*.csv")} == {
        "analogies.csv",
        *(
            f"{part}_{kind}.csv"
            for part in ("scenes", "imagenet", "words_by_topic", "classes_of_a_result")
            for kind in ("class_counts", "classes")
        ),
    }
