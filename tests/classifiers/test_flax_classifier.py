import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.classifiers.adapters.flax import FlaxClassifier
from confemb.classifiers.classification import classify

NAMES = ("a", "b", "c")
IMAGES = np.random.default_rng(0).integers(0, 256, (11, 4, 4, 1), dtype=np.uint8)
LABELS = np.arange(11) % 3


class Dense(nnx.Module):
    """A linear layer with much dropout and a batch norm that would move if it were training."""

    traced = 0

    def __init__(self, *, rngs):
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = nnx.Dropout(0.9, rngs=rngs)
        self.linear = nnx.Linear(16, 3, rngs=rngs)

    def __call__(self, x):
        Dense.traced += 1
        return self.linear(self.dropout(self.norm(x.reshape(len(x), -1))))


def scaled(images):
    return images.astype(jnp.float32) / 255


def test_logits_are_the_modules_own_in_evaluation_mode():
    module = Dense(rngs=nnx.Rngs(0))
    classifier = FlaxClassifier(module, NAMES, prepare=scaled)
    found = classify(classifier, IMAGES, LABELS, NAMES, k=3, batch_size=4)
    assert found.classifier == "Dense"
    assert not module.dropout.deterministic, "the module itself stays in training mode"
    np.testing.assert_array_equal(module.norm.mean[...], 0)
    module.eval()
    expected = jax.nn.softmax(module(scaled(jnp.asarray(IMAGES))))
    np.testing.assert_array_equal(found.top_classes, np.argsort(-np.asarray(expected), axis=1))
    np.testing.assert_allclose(found.top_probs, -np.sort(-np.asarray(expected), axis=1), rtol=1e-5)


def test_one_compilation_serves_the_last_partial_batch_too():
    Dense.traced = 0
    classifier = FlaxClassifier(Dense(rngs=nnx.Rngs(1)), NAMES, prepare=scaled)
    one = classify(classifier, IMAGES, LABELS, NAMES, k=3, batch_size=5)
    again = classify(classifier, IMAGES[:2], LABELS[:2], NAMES, k=3)
    assert Dense.traced == 1
    np.testing.assert_array_equal(one.top_probs[:2], again.top_probs)


def test_without_prepare_the_batch_is_the_input():
    module = nnx.Linear(3, 3, rngs=nnx.Rngs(2))
    rows = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    scores = FlaxClassifier(module, NAMES, name="line").scores(rows)
    np.testing.assert_allclose(scores, rows @ np.asarray(module.kernel[...]) + np.asarray(module.bias[...]), rtol=1e-5)
    assert scores.dtype == np.float32


def test_a_network_of_confembs_prepares_its_own_input():
    class Corner(nnx.Module):
        def prepare(self, images):
            return images[:, 0, :3, 0].astype(jnp.float32)

        def __call__(self, inputs):
            return 2 * inputs

    assert FlaxClassifier(Corner(), NAMES).scores(IMAGES).tolist() == (2.0 * IMAGES[:, 0, :3, 0]).tolist()


def test_probabilities_stay_probabilities():
    class Softmax(nnx.Module):
        def __call__(self, x):
            return jax.nn.softmax(x)

    rows = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    found = classify(FlaxClassifier(Softmax(), NAMES, logits=False), rows, LABELS[:5], NAMES, k=3)
    assert found.top_probs.sum(axis=1) == pytest.approx(1)
    np.testing.assert_allclose(found.top_probs[:, 0], np.asarray(jax.nn.softmax(rows)).max(axis=1), rtol=1e-6)
