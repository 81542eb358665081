"""The joint space's two sides: a dense layer for pictures' features, a GRU for captions."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from confemb.records.word_vectors import WordVectors
from confemb.spaces.captions.settings import SpaceSection
from confemb.spaces.captions.text import Vocabulary


class JointModel(nnx.Module):
    """Takes pictures' features and captions' word ids to one space.

    Args:
        settings: sizes, activation, score.
        features: how many numbers a picture has, as 2,048.
        words: how many words there are, V.
        rngs: draws the weights: uniform ones within ±0.05 for the words, Glorot's for the two layers.
    """

    def __init__(self, settings: SpaceSection, *, features: int, words: int, rngs: nnx.Rngs) -> None:
        glorot = nnx.initializers.glorot_uniform()
        uniform = nnx.initializers.uniform(0.1)
        self.settings = settings
        self.words = nnx.Embed(
            words, settings.word_dim, embedding_init=lambda *shape: uniform(*shape) - 0.05, rngs=rngs
        )
        self.reader = nnx.GRUCell(settings.word_dim, settings.dim, kernel_init=glorot, rngs=rngs)
        self.pictures = nnx.Linear(features, settings.dim, kernel_init=glorot, rngs=rngs)

    def place_pictures(self, features: jax.Array, *, key: jax.Array | None = None) -> jax.Array:
        """Return (n, dim) places of (n, d) features; `key` draws what is dropped out, None drops nothing."""
        places = self.pictures(self._dropped(features, key))
        return self._scaled(jnp.tanh(places) if self.settings.activation == "tanh" else places)

    def place_captions(self, ids: jax.Array, *, key: jax.Array | None = None) -> jax.Array:
        """Return (n, dim) places of (n, length) word ids: the GRU's last state."""
        words = self._dropped(self.words(ids), key)
        start = jnp.zeros((len(ids), self.settings.dim))
        state, _ = jax.lax.scan(lambda state, word: self.reader(state, word), start, jnp.swapaxes(words, 0, 1))
        return self._scaled(state)

    def _scaled(self, places: jax.Array) -> jax.Array:
        """With cosine scores all places have length 1: then cosines are dot products."""
        if self.settings.score == "dot":
            return places
        # Added within the root, so that the gradient is finite at 0.
        return places / jnp.sqrt((places**2).sum(axis=-1, keepdims=True) + 1e-12)

    def _dropped(self, values: jax.Array, key: jax.Array | None) -> jax.Array:
        rate = self.settings.dropout
        if key is None or rate == 0:
            return values
        kept = jax.random.bernoulli(key, 1 - rate, values.shape)
        return jnp.where(kept, values / (1 - rate), 0.0)


def start_from_vectors(model: JointModel, vocabulary: Vocabulary, vectors: WordVectors) -> int:
    """Let those words that have a vector start from it, in place; the others keep their drawn numbers.

    Returns:
        How many words have one.
    """
    table = np.array(model.words.embedding[...])
    known = [(row, vectors.index(word)) for row, word in enumerate(vocabulary.words) if word in vectors]
    if known:
        rows, places = np.array(known).T
        table[rows] = vectors.vectors[places]
    model.words.embedding[...] = jnp.asarray(table)
    return len(known)


@nnx.jit(static_argnames="side")
def _places(model: JointModel, inputs: jax.Array, side: str) -> jax.Array:
    return model.place_pictures(inputs) if side == "pictures" else model.place_captions(inputs)


def place_all(model: JointModel, inputs: np.ndarray, side: str, *, batch_size: int = 512) -> np.ndarray:
    """Return (n, dim) float32 places of all features ("pictures") or word ids ("captions"), batch by batch."""
    found = []
    for start in range(0, len(inputs), batch_size):
        batch = inputs[start : start + batch_size]
        # Filled up, so that one compiled program serves all batches.
        size = batch_size if len(inputs) > batch_size else len(batch)
        filled = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])
        found.append(np.asarray(_places(model, jnp.asarray(filled), side))[: len(batch)])
    return np.concatenate(found) if found else np.empty((0, model.settings.dim), np.float32)
