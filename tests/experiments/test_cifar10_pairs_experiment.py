"""The experiment on pictures of two objects: what it draws, composes and predicts."""

import numpy as np
import pandas as pd
import pytest

import confemb
from confemb.datasets import Dataset

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("cifar10_pairs")


@pytest.fixture(scope="module")
def dataset():
    labels = np.repeat(np.arange(10), 3).astype(np.int32)
    images = np.zeros((30, 32, 32, 3), np.uint8)
    # A picture's grey value tells which one it is.
    images[:] = np.arange(30)[:, None, None, None]
    ids = np.array([f"test_{i:05}" for i in range(30)])
    return Dataset(images, labels, NAMES, ids, name="cifar10", split="test", fingerprint="")


def meetings(script, share):
    partners = np.array([[NAMES.index(name) for name in pair] for pair in script.PARTNERS])
    drawn = script.class_pairs(partners, 10, share, 90_000, np.random.default_rng(0))
    counts = np.zeros((10, 10))
    np.add.at(counts, tuple(drawn.T), 1)
    return counts, partners


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_every_class_is_as_frequent_as_any_other(script, share):
    counts, partners = meetings(script, share)
    assert np.diag(counts).sum() == 0
    # 9,000 of each on either side; five standard deviations.
    assert np.abs(counts.sum(axis=0) - 9000).max() < 5 * 90
    assert np.abs(counts.sum(axis=1) - 9000).max() < 5 * 90
    both = counts + counts.T
    planted = both[tuple(partners.T)]
    expected = 90_000 * (share / 5 + (1 - share) / 45)
    assert np.abs(planted - expected).max() < 5 * expected**0.5


def test_the_partners_are_each_class_once(script):
    assert sorted(name for pair in script.PARTNERS for name in pair) == sorted(NAMES)
    assert not {frozenset(pair) for pair in script.ALIKE} & {frozenset(pair) for pair in script.PARTNERS}
    assert len(script.other_pairs(NAMES)) == 40


def test_each_picture_is_used_as_often_as_any_other_of_its_class(script, dataset):
    wanted = np.repeat(np.arange(10), 7).reshape(-1, 2)
    chosen = script.choose_pictures(dataset.labels, wanted, np.random.default_rng(0))
    np.testing.assert_array_equal(dataset.labels[chosen], wanted)
    assert set(np.bincount(chosen.ravel(), minlength=30)) <= {2, 3}
    again = script.choose_pictures(dataset.labels, wanted, np.random.default_rng(0))
    np.testing.assert_array_equal(chosen, again)


def test_predictions_of_two_objects(script, dataset, monkeypatch):
    seen = []

    def logits_of(network):
        def logits(batch, size):
            seen.append(batch)
            # As a network that knows both: the left one's class a little before the right one's.
            left, right = batch[:, 0, 0, 0] // 3, batch[:, 0, -1, 0] // 3
            scores = np.zeros((len(batch), 10), np.float32)
            scores[np.arange(len(batch)), left] += 2
            scores[np.arange(len(batch)), right] += 1
            return scores

        return logits

    monkeypatch.setattr("confemb.networks.inference.compiled_logits", logits_of)
    chosen = np.array([[0, 29], [16, 4], [0, 29]])
    found = script.predict_pairs(None, dataset, chosen, lambda *_: None)
    assert seen[0].shape == (3, 32, 64, 3)
    assert (seen[0][0, :, :32] == 0).all()
    assert (seen[0][0, :, 32:] == 29).all()
    assert found.labels.tolist() == [0, 9, 1, 5, 0, 9]
    assert found.weights.tolist() == [0.5] * 6
    assert found.ids.tolist() == [
        *["00000:test_00000+test_00029"] * 2,
        *["00001:test_00016+test_00004"] * 2,
        *["00002:test_00000+test_00029"] * 2,
    ]
    assert found.top_classes[:, :2].tolist() == [[0, 9]] * 2 + [[5, 1]] * 2 + [[0, 9]] * 2
    assert (found.accuracy, script.both_found(found, 2), found.k) == (1.0, 1.0, 4)
    alone = script.predict_alone(None, dataset)
    assert (len(alone), alone.k, alone.weights, alone.accuracy) == (30, 3, None, 1.0)


@pytest.mark.slow
def test_the_network_takes_pictures_of_any_width(script, tmp_path):
    from confemb.networks import make_network
    from confemb.networks.inference import compiled_logits
    from confemb.networks.pretrained.weights import save_weights

    section = confemb.load_experiment("fast_cifar10").classifier
    save_weights(
        make_network(section.name, (32, 32, 3), 10, seed=1, options=section.options), tmp_path / "w.safetensors"
    )
    logits = compiled_logits(script.load_network(tmp_path / "w.safetensors"))
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    assert logits(np.concatenate([picture, picture], axis=2), 1).shape == (1, 10)
    assert logits(picture, 1).shape == (1, 10)


def test_the_summary_has_medians_and_intervals(script):
    cosines = np.zeros((4, 10, 10))
    i, j = NAMES.index("dog"), NAMES.index("automobile")
    cosines[:, i, j] = cosines[:, j, i] = [0.1, 0.2, 0.3, 0.4]
    found = script.summarise({"two": cosines}, {"two": cosines[0]}, NAMES)
    row = found[found["pair"] == "dog – automobile"].iloc[0]
    assert row["cosine"] == pytest.approx(0.25)
    assert (row["low"], row["high"]) == pytest.approx((0.1075, 0.3925))
    assert row["count_similarity"] == 0.1
    mean = found[found["pair"] == "mean of the 5 planted pairs"].iloc[0]
    assert mean["cosine"] == pytest.approx(0.05)
    assert found["kind"].value_counts().to_dict() == {"planted": 6, "alike": 5, "other": 1}


def test_the_page_and_the_figure(script):
    rng = np.random.default_rng(0)
    conditions = [script.condition(share) for share in (None, *script.SHARES)]
    found = {what: rng.uniform(-1, 1, (4, 10, 10)) for what in conditions}
    summary = script.summarise(found, {what: each[0] for what, each in found.items()}, NAMES)
    facts = {"names": NAMES, "pictures": 10, "draws": 2, "first": 0.9, "both in 2": 0.6, "both in 4": 0.8}
    order = script.kept_order(found, NAMES)
    assert order["spearman_with_one_object"].iloc[0] == pytest.approx(1.0)
    text = script.page(summary, order, facts)
    assert "| pair | one object | two, at random | two, 25% planted |" in text
    assert "dog – automobile" in text
    assert isinstance(summary, pd.DataFrame)
    figure = script.planted_figure(summary)
    (axes,) = figure.axes
    assert len(axes.lines) == len(script.PARTNERS) + len(script.ALIKE) + 1
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert min(np.diff(heights)) >= 0.085 - 1e-9
