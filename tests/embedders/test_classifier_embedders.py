"""Embedders that look into the classifier: the rows of its last layer, the means of what goes into it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.classifiers.adapters.callables import CallableClassifier
from confemb.classifiers.adapters.flax import FlaxClassifier
from confemb.datasets import Dataset
from confemb.embedders import make_embedder, make_pair_embedder
from confemb.embedders.features import ClassifierFeatures
from confemb.embedders.weights import ClassifierWeights
from confemb.networks import make_network
from confemb.support.errors import ConfembError

NAMES = ("a", "b", "c", "d")
SHAPE = (32, 32, 3)


def pictures(split, count, *, seed=0, labels=None, names=NAMES):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(names) if labels is None else labels
    ids = np.array([f"{split}_{i}" for i in range(count)])
    images = generator.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    return Dataset(images, labels.astype(np.int32), tuple(names), ids, "noise", split, fingerprint="")


def network(name, **options):
    made = make_network(name, SHAPE, len(NAMES), seed=3, options=options)
    if hasattr(made, "fit_input"):
        made.fit_input(pictures("train", 40, seed=9).images)
    made.eval()
    return made


@pytest.mark.parametrize(
    ("name", "options", "mirror", "scale", "size"),
    [
        ("paper_cnn", {}, False, 1.0, 192),
        ("fast_cnn", {"widths": [8, 16]}, False, 1 / 9, 16),
        ("fast_cnn", {"widths": [8, 16]}, True, 1 / 9, 16),
        pytest.param("resnet18", {"input_size": 32}, True, 1.0, 512, marks=pytest.mark.slow),
        pytest.param("vgg16", {"input_size": 32}, False, 1.0, 4096, marks=pytest.mark.slow),
    ],
)
def test_the_logits_are_what_the_weights_make_of_the_features(name, options, mirror, scale, size):
    made = network(name, **options)
    classifier = FlaxClassifier(made, NAMES, mirror=mirror)
    images = pictures("test", 5).images
    features, weights = classifier.features(images), classifier.class_weights()
    assert features.shape == (5, size)
    assert weights.shape == (4, size)
    bias = 0.0 if made.head.bias is None else np.asarray(made.head.bias[...])
    np.testing.assert_allclose(classifier.scores(images), scale * (features @ weights.T + bias), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "options"), [("paper_cnn", {}), ("fast_cnn", {"widths": [8, 16]})])
def test_an_unknown_layer_is_refused(name, options):
    made = network(name, **options)
    prepared = made.prepare(jnp.asarray(pictures("test", 2).images))
    with pytest.raises(ConfembError, match="unknown layer 'head'"):
        made(prepared, layer="head")


def test_hidden_activations_of_the_papers_network():
    made = network("paper_cnn")
    prepared = made.prepare(jnp.asarray(pictures("test", 3).images))
    local3 = made(prepared, layer="local3")
    np.testing.assert_allclose(made(prepared, layer="local4"), jax.nn.relu(made.local4(local3)), rtol=1e-6)


def test_weights_are_the_rows_of_the_last_layer():
    made = network("fast_cnn", widths=[8, 16])
    kernel = np.asarray(made.head.kernel[...])
    classifier = FlaxClassifier(made, NAMES)
    # What is embedded is the classifier as it was made.
    made.head.kernel[...] = jnp.zeros((16, 4))
    plain, centred = (
        ClassifierWeights(centre=centre).embed_classifier(classifier, [], (), batch_size=1) for centre in (False, True)
    )
    assert plain.class_names == NAMES
    np.testing.assert_array_equal(plain.vectors, kernel.T)
    np.testing.assert_allclose(centred.vectors, kernel.T - kernel.T.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("centre", [False, True])
def test_features_are_class_means_over_all_splits(centre):
    made = network("fast_cnn", widths=[8, 16])
    # Two splits, the classes unevenly frequent and in another order than the classifier's, d without a picture.
    names = ("c", "a", "b")
    parts = [
        pictures("train", 7, seed=1, labels=np.array([0, 1, 1, 2, 0, 0, 0]), names=names),
        pictures("test", 4, seed=2, labels=np.array([2, 1, 0, 0]), names=names),
    ]
    seen = []
    embedding = ClassifierFeatures(centre=centre).embed_classifier(
        FlaxClassifier(made, NAMES), parts, names, batch_size=3, progress=lambda done, total: seen.append((done, total))
    )
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    features = np.asarray(made(made.prepare(jnp.asarray(images)), layer="max_pool"), np.float64)
    means = np.stack([features[labels == names.index(name)].mean(axis=0) for name in ("a", "b", "c")])
    assert embedding.class_names == ("a", "b", "c")
    np.testing.assert_allclose(embedding.vectors, means - centre * means.mean(axis=0), atol=1e-5)
    assert seen == [(3, 11), (6, 11), (7, 11), (10, 11), (11, 11)]


def test_the_batch_size_changes_nothing():
    classifier, parts = FlaxClassifier(network("fast_cnn", widths=[8, 16]), NAMES), [pictures("test", 9)]
    one, two = (ClassifierFeatures().embed_classifier(classifier, parts, NAMES, batch_size=size) for size in (9, 4))
    np.testing.assert_allclose(one.vectors, two.vectors, atol=1e-5)


@pytest.mark.parametrize("embedder", [ClassifierWeights(), ClassifierFeatures()])
def test_a_classifier_that_shows_only_scores_is_refused(embedder):
    closed = CallableClassifier(lambda batch: np.ones((len(batch), 4)), NAMES, name="closed", logits=True)
    with pytest.raises(ConfembError, match="the classifier 'closed' shows only its scores .* such as 'skipgram'"):
        embedder.embed_classifier(closed, [pictures("test", 4)], NAMES, batch_size=4)


def test_a_module_without_named_layers_is_refused():
    class Flat(nnx.Module):
        def __call__(self, x):
            return x.reshape(len(x), -1)[:, :4].astype(jnp.float32)

    classifier = FlaxClassifier(Flat(), NAMES, name="flat")
    with pytest.raises(ConfembError, match="the classifier 'flat' has no last layer called `head`"):
        ClassifierWeights().embed_classifier(classifier, [], NAMES, batch_size=4)
    with pytest.raises(ConfembError, match="the classifier 'flat' names no `layers`"):
        ClassifierFeatures().embed_classifier(classifier, [pictures("test", 4)], NAMES, batch_size=4)


def test_features_need_pictures_of_known_classes():
    classifier = FlaxClassifier(network("fast_cnn", widths=[8, 16]), NAMES)
    with pytest.raises(ConfembError, match="no pictures"):
        ClassifierFeatures().embed_classifier(classifier, [], NAMES, batch_size=4)
    with pytest.raises(ConfembError, match="unknown class 'e'"):
        ClassifierFeatures().embed_classifier(
            classifier, [pictures("test", 4, names=("a", "e"))], ("a", "e"), batch_size=4
        )


@pytest.mark.parametrize("name", ["weights", "features"])
def test_predictions_alone_are_not_enough(name):
    assert make_embedder(name, {"centre": False}).centre is False
    with pytest.raises(ConfembError, match=f"the embedder '{name}' looks into the classifier, which predictions do"):
        make_pair_embedder(name, {})
