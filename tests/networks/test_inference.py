from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from confemb.classifiers.adapters.flax import FlaxClassifier
from confemb.classifiers.classification import classify_datasets
from confemb.datasets import Dataset
from confemb.networks import inference
from confemb.networks.inference import BATCH_SIZE, batched_logits, evaluate
from confemb.records.predictions import predictions_from_scores
from confemb.support.errors import ConfembError

NAMES = ("ant", "bee", "cow", "dog", "elk")


@dataclass(frozen=True)
class Pixels(nnx.Module):
    """A network whose logits are the picture's first row of pixels, through a table."""

    table: nnx.Param

    def prepare(self, images):
        return images.astype(jnp.float32)

    def __call__(self, inputs):
        return self.table[...][inputs[:, 0, :, 0].astype(jnp.int32)]


def network(values=None) -> Pixels:
    table = np.linspace(-8, 8, 256, dtype=np.float32) if values is None else np.asarray(values, np.float32)
    return Pixels(nnx.Param(jnp.asarray(table)))


def predict(network, datasets, *, k, mirror=False, progress=None):
    classifier = FlaxClassifier(network, NAMES, mirror=mirror, name="pixels")
    return classify_datasets(classifier, datasets, k=k, progress=progress)


def part(count, split, *, seed=0, high=256, names=NAMES) -> Dataset:
    generator = np.random.default_rng(seed)
    return Dataset(
        generator.integers(0, high, (count, 2, 5, 1), dtype=np.uint8),
        generator.integers(0, 5, count).astype(np.int32),
        names,
        np.array([f"{split}_{i}" for i in range(count)]),
        name="pixels",
        split=split,
        fingerprint="",
    )


def logits_of(dataset):
    return np.linspace(-8, 8, 256, dtype=np.float32)[dataset.images[:, 0, :, 0]]


@pytest.mark.parametrize("count", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE + 37])
def test_every_picture_comes_out_once_in_order(count):
    dataset = part(count, "test")
    batches = list(batched_logits(network(), dataset.images))
    assert [len(batch) for batch in batches] == [
        min(BATCH_SIZE, count - start) for start in range(0, count, BATCH_SIZE)
    ]
    np.testing.assert_array_equal(np.concatenate(batches), logits_of(dataset))


def test_the_batch_size_changes_nothing():
    dataset = part(50, "test")
    small = np.concatenate(list(batched_logits(network(), dataset.images, batch_size=7)))
    np.testing.assert_array_equal(small, logits_of(dataset))


def test_a_core_gets_few_pictures_and_fewer_large_ones():
    assert inference._part(network(), np.zeros((300, 2, 5, 1), np.uint8)) == 16
    assert inference._part(network(), np.zeros((8, 112, 112, 3), np.uint8)) == 5
    assert inference._part(network(), np.zeros((8, 224, 224, 3), np.uint8)) == 1
    assert inference._part(network(), np.zeros((8, 2000, 2000, 3), np.uint8)) == 1


def test_predictions_are_numpys_top_k_ties_by_lowest_index():
    # Three different values only: nearly every row has ties.
    train, test = part(300, "train", high=3), part(41, "test", seed=1, high=3)
    found = predict(network(), [train, test], k=3)
    logits = np.concatenate([logits_of(train), logits_of(test)])
    expected = predictions_from_scores(logits, np.concatenate([train.labels, test.labels]), NAMES, k=3, logits=True)
    assert len(found) == 341
    np.testing.assert_array_equal(found.top_classes, expected.top_classes)
    np.testing.assert_array_equal(found.top_classes, np.argsort(-logits, axis=1, kind="stable")[:, :3])
    np.testing.assert_allclose(found.top_probs, expected.top_probs, rtol=1e-5)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.ids.tolist() == [*train.ids, *test.ids]
    assert found.splits.tolist() == ["train"] * 300 + ["test"] * 41
    assert (found.class_names, found.dataset, found.classifier) == (NAMES, "pixels", "pixels")


def test_mirror_averages_the_logits_of_both_pictures():
    dataset = part(20, "test")
    (plain,) = batched_logits(network(), dataset.images)
    (both,) = batched_logits(network(), dataset.images, mirror=True)
    np.testing.assert_allclose(both, (plain + plain[:, ::-1]) / 2, rtol=1e-6)
    # The mean of a row and its reverse reads the same from both sides, so its best two classes are a tie.
    found = predict(network(), [dataset], k=5, mirror=True)
    np.testing.assert_allclose(found.top_probs[:, 0], np.exp(both).max(axis=1) / np.exp(both).sum(axis=1), rtol=1e-4)


def test_evaluation_known_answer():
    dataset = part(300, "test")
    logits = logits_of(dataset).astype(np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss, accuracy = evaluate(network(), dataset)
    assert loss == pytest.approx(-log_probs[np.arange(300), dataset.labels].mean(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == dataset.labels).mean())


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused(wrong):
    values = np.zeros(256)
    values[200] = wrong
    dataset = part(300, "test", high=200)
    dataset.images[270, 0, 3, 0] = 200
    with pytest.raises(ConfembError, match="scores that are not finite for input 270"):
        predict(network(values), [dataset], k=3)


def test_k_and_classes_are_checked():
    with pytest.raises(ConfembError, match="k = 6 is out of range: there are 5 classes"):
        predict(network(), [part(5, "test")], k=6)
    with pytest.raises(ConfembError, match="the splits of pixels have different classes"):
        predict(network(), [part(5, "train"), part(5, "test", names=NAMES[::-1])], k=3)


def test_progress_counts_pictures():
    seen = []
    predict(network(), [part(300, "train"), part(10, "test")], k=1, progress=lambda *now: seen.append(now))
    assert seen == [(256, 310), (300, 310), (310, 310)]
