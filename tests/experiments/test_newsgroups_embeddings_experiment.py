"""The experiment on embeddings for 20 Newsgroups, on posts of a few words."""

import numpy as np
import pandas as pd
import pytest

import confemb
from confemb.records.word_vectors import WordVectors

WORDS = {"rec.autos": ["engine", "wheel", "road"], "sci.space": ["orbit", "moon", "rocket"]}


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("newsgroups_embeddings")


@pytest.fixture
def posts(script):
    generator = np.random.default_rng(0)
    texts, groups, ids = [], [], []
    for number in range(80):
        group = list(WORDS)[number % 2]
        texts.append(" ".join([*generator.permutation([*WORDS[group], "the", "The", "of"]), "."]))
        groups.append(group)
        ids.append(f"{'train' if number < 50 else 'test'}/{group}/{number}")
    texts[0] = " ... 1993 "
    return script.Posts(texts, groups, ids)


def vectors(dim, seed=0):
    words = ("engine", "wheel", "road", "orbit", "moon", "rocket", "spare")
    return WordVectors(words, np.random.default_rng(seed).normal(size=(7, dim)))


def test_words_are_numbered_by_frequency_in_training(script, posts):
    texts = script.index_texts(posts, length=4)
    assert texts.words[:3] == ("", "the", "of")
    assert (len(texts.train), len(texts.test), texts.classes) == (49, 30, 2)
    assert texts.train.shape[1] == 4
    assert texts.share.sum() == pytest.approx(1)
    # Twice "the" among the seven words.
    assert texts.share[1] == pytest.approx(2 / 6)
    few = script.index_texts(posts, vocabulary=3)
    assert few.words == ("", "the", "of")
    assert few.train.max() == 2


def test_tables_have_one_scale_and_zeros_for_unknown_words(script, posts):
    texts = script.index_texts(posts)
    tables = script.tables(texts, vectors(5), vectors(9, seed=1), seed=0)
    pictured = np.array([word in vectors(9) for word in texts.words])
    for arm, table in tables.items():
        assert table.shape == (len(texts.words), 5)
        assert not table[0].any()
        if "frozen" in arm and "random" not in arm:
            assert np.sqrt((table[pictured] ** 2).mean()) == pytest.approx(script.SCALE, rel=1e-5)
            assert not table[~pictured].any()
    assert not tables["random, frozen, pictured words"][~pictured].any()
    np.testing.assert_array_equal(
        tables["random, frozen, pictured words"][pictured], tables["random, frozen"][pictured]
    )
    # Six words span five dimensions around their mean: the projection keeps every distance, up to the scale.
    visual = tables["visual, frozen"][pictured]
    there = [word for word in texts.words if word in vectors(9)]
    raw = np.stack([vectors(9, seed=1).vectors[vectors(9).index(word)] for word in there])
    ours, theirs = (np.linalg.norm(v[:, None] - v[None], axis=-1) for v in (visual, raw))
    np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), atol=1e-5)


def test_the_network_learns_what_its_embedding_shows(script, posts):
    texts = script.index_texts(posts, length=8)
    shown = script.train(texts, script.tables(texts, vectors(5), vectors(9), 0)["GloVe, frozen"], frozen=True, seed=0)
    blind = script.train(texts, np.zeros((len(texts.words), 5), np.float32), frozen=True, seed=0)
    learnt = script.train(
        texts, script.tables(texts, vectors(5), vectors(9), 0)["random, trained"], frozen=False, seed=0
    )
    assert blind["test"] == 0.5
    assert shown["test"] > 0.8
    assert 0 <= learnt["test"] <= 1
    again = script.train(texts, script.tables(texts, vectors(5), vectors(9), 0)["GloVe, frozen"], frozen=True, seed=0)
    assert again == shown


def test_runs_go_on_and_are_summed_up(script, posts, tmp_path, monkeypatch):
    texts = script.index_texts(posts, length=8)
    calls = []

    def train(texts, table, *, frozen, seed):
        calls.append((frozen, seed))
        return {"validation": 0.5, "test": 0.5 + 0.01 * seed + 0.1 * (not frozen), "epoch": 1}

    monkeypatch.setattr(script, "train", train)
    script.run_all(texts, vectors(5), vectors(9), 1, tmp_path, "key")
    assert len(calls) == len(script.ARMS)
    runs = script.run_all(texts, vectors(5), vectors(9), 2, tmp_path, "key")
    assert len(calls) == 2 * len(script.ARMS)
    script.run_all(texts, vectors(5), vectors(9), 1, tmp_path, "other key")
    assert len(calls) == 3 * len(script.ARMS)
    coverage = script.coverage_of(texts, vectors(5), vectors(9))
    assert coverage["random, frozen"] == (len(texts.words) - 1, pytest.approx(1))
    assert coverage["visual, frozen"] == (6, pytest.approx(0.5))
    summary = script.summarise(runs, coverage).set_index("embedding")
    assert summary.loc["random, trained", "test accuracy"] == pytest.approx(0.605)
    assert summary.loc["random, trained", "above control"] == pytest.approx(0.1)
    assert summary.loc["visual, frozen", "control"] == "random, frozen, pictured words"
    assert pd.isna(summary.loc["random, frozen", "above control"])
    page = script.page(summary.reset_index(), texts, 2, 5)
    assert "know 6 of the words, 50.0% of the text" in page
    assert script.draw(summary.reset_index(), runs).axes[0].get_xlim() == (0, 1)


def test_intervals_are_students(script):
    mean, low, high = script.interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, high - mean, mean - low) == pytest.approx((2, 4.3026527 / np.sqrt(3), 4.3026527 / np.sqrt(3)))
    assert np.isnan(script.interval(np.array([1.0]))[1])


def test_vectors_of_other_words_are_refused(script, posts):
    with pytest.raises(confemb.ConfembError, match="fewer than 2 words of the texts"):
        script.table_of(WordVectors(("x",), np.ones((1, 3))), script.index_texts(posts).words, 3)
