import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.records.word_vectors import WordVectors
from confemb.spaces.captions.model import JointModel, place_all, start_from_vectors
from confemb.spaces.captions.settings import SpaceSection
from confemb.spaces.captions.text import Vocabulary

SMALL = SpaceSection(dim=6, word_dim=4)


def make(settings=SMALL, **changes):
    return JointModel(settings.model_copy(update=changes), features=5, words=7, rngs=nnx.Rngs(1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_captions_are_read_by_a_gru():
    model = make()
    cell = model.reader
    w, b, u = (np.asarray(v[...], np.float64) for v in (cell.dense_i.kernel, cell.dense_i.bias, cell.dense_h.kernel))
    ids = np.array([[0, 0, 3, 1], [2, 6, 5, 5]], np.int32)
    words = np.asarray(model.words.embedding[...], np.float64)
    for row, found in zip(ids, place_all(model, ids, "captions"), strict=True):
        state = np.zeros(6)
        for word in row:
            (xr, xz, xn), (hr, hz, hn) = np.split(words[word] @ w + b, 3), np.split(state @ u, 3)
            reset, update = sigmoid(xr + hr), sigmoid(xz + hz)
            state = (1 - update) * np.tanh(xn + reset * hn) + update * state
        np.testing.assert_allclose(found, state, atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "none"])
def test_pictures_go_through_one_dense_layer(activation):
    model = make(activation=activation)
    features = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    wanted = features @ np.asarray(model.pictures.kernel[...]) + np.asarray(model.pictures.bias[...])
    wanted = np.tanh(wanted) if activation == "tanh" else wanted
    np.testing.assert_allclose(place_all(model, features, "pictures"), wanted, atol=1e-6)


def test_with_cosine_scores_places_have_length_1():
    plain, cosine = make(), make(score="cosine")
    features = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    ids = np.array([[1, 2, 3], [0, 0, 4]], np.int32)
    for side, inputs in (("pictures", features), ("captions", ids)):
        places, units = (place_all(model, inputs, side) for model in (plain, cosine))
        np.testing.assert_allclose(units, places / np.linalg.norm(places, axis=1, keepdims=True), atol=1e-6)
    gradient = jax.grad(lambda f: cosine.place_pictures(f).sum())(jnp.zeros((1, 5)))
    assert np.isfinite(gradient).all()


def test_batches_change_nothing():
    model = make()
    ids = np.random.default_rng(0).integers(0, 7, (11, 5)).astype(np.int32)
    np.testing.assert_allclose(
        place_all(model, ids, "captions", batch_size=4), place_all(model, ids, "captions"), atol=1e-6
    )
    assert place_all(model, ids[:0], "captions").shape == (0, 6)


def test_dropout_is_drawn_by_its_key_and_keeps_the_mean():
    model = make(dropout=0.25)
    features = jnp.ones((4000, 5))
    dropped = model._dropped(features, jax.random.key(2))
    assert set(np.unique(dropped).round(5)) == {0.0, np.float32(4 / 3).round(5)}
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)
    assert (model._dropped(features, jax.random.key(2)) == dropped).all()
    assert (model._dropped(features, None) == features).all()


def test_words_start_from_word_vectors():
    model = make()
    before = np.array(model.words.embedding[...])
    vocabulary = Vocabulary(("<eos>", "a", "dog", "runs", "xyzzy", "cat", "the"))
    vectors = WordVectors(("dog", "other", "the"), np.arange(1, 13, dtype=np.float32).reshape(3, 4))
    assert start_from_vectors(model, vocabulary, vectors) == 2
    after = np.array(model.words.embedding[...])
    assert after[2].tolist() == [1, 2, 3, 4]
    assert after[6].tolist() == [9, 10, 11, 12]
    kept = [0, 1, 3, 4, 5]
    assert (after[kept] == before[kept]).all()
    assert np.abs(before).max() <= 0.05
