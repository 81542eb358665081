import jax
import numpy as np
import pytest
from flax import nnx

from confemb.spaces.captions.model import JointModel
from confemb.spaces.captions.settings import CaptionTrainingSection, SpaceSection
from confemb.spaces.captions.training import Pairs, draw_negatives, evaluate, train_space
from confemb.support.errors import ConfembError

SPACE = SpaceSection(dim=8, word_dim=6, dropout=0.1)


@pytest.fixture(scope="module")
def pairs():
    """60 pictures of 6 kinds of things in 10 colours, with two captions each: "colour thing" and "thing colour"."""
    generator = np.random.default_rng(0)
    things, colours = np.arange(60) % 6, np.arange(60) // 6
    features = np.zeros((60, 16), np.float32)
    features[np.arange(60), things] = features[np.arange(60), 6 + colours] = 1.0
    features += 0.05 * generator.normal(size=features.shape).astype(np.float32)
    captions = np.zeros((120, 4), np.int32)
    captions[0::2, 2:] = np.stack([1 + things, 7 + colours], axis=1)
    captions[1::2, 2:] = np.stack([7 + colours, 1 + things], axis=1)
    return Pairs(features, captions, np.repeat(np.arange(60), 2).astype(np.int32))


def fresh(space=SPACE):
    return JointModel(space, features=16, words=17, rngs=nnx.Rngs(3))


def weights(model):
    return {".".join(map(str, key)): np.asarray(value[...]) for key, value in nnx.to_flat_state(nnx.state(model))}


# Shared by several tests: a program is compiled once.
SETTINGS = CaptionTrainingSection(epochs=6, batch_size=12, learning_rate=0.03, schedule="cosine")


@pytest.fixture(scope="module")
def unbroken(pairs, tmp_path_factory):
    """A model trained with random negatives, and its history."""
    model = fresh()
    history = train_space(model, pairs, pairs, SETTINGS, seed=4, checkpoint_folder=tmp_path_factory.mktemp("whole"))
    return model, history


def test_pictures_find_their_captions(unbroken, pairs):
    model, history = unbroken
    before, after = evaluate(fresh(), pairs).measures(), evaluate(model, pairs).measures()
    assert before["caption_recall_1"] < 0.1
    assert after["pairwise_accuracy"] > 0.9
    assert after["caption_recall_10"] > 0.5
    assert history["epoch"].tolist() == list(range(1, 7))
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 2
    assert history.iloc[-1][list(after)].to_dict() == pytest.approx(after)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "training"),
    [
        ({}, {"negatives": "semi-hard"}),
        ({"score": "cosine"}, {"negatives": "hardest", "both_ways": True, "margin": 0.2}),
        ({"score": "cosine"}, {"negatives": "all", "both_ways": True, "margin": 0.2}),
        ({"score": "cosine"}, {"negatives": "all", "loss": "contrastive", "both_ways": True}),
    ],
    ids=["semi-hard", "hardest", "all", "contrastive"],
)
def test_negatives_of_the_batch_teach_too(tmp_path, pairs, space, training):
    settings = CaptionTrainingSection(epochs=12, batch_size=12, learning_rate=0.03, schedule="cosine", **training)
    model = fresh(SPACE.model_copy(update=space))
    train_space(model, pairs, None, settings, seed=0, checkpoint_folder=tmp_path)
    after = evaluate(model, pairs).measures()
    assert after["pairwise_accuracy"] > 0.97
    assert after["caption_recall_5"] > 0.8


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, pairs, unbroken):
    def kill(text, done, total):
        if done > 8 * 3 + 2:
            raise KeyboardInterrupt

    folder = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        train_space(fresh(), pairs, pairs, SETTINGS, seed=4, checkpoint_folder=folder, progress=kill)
    model, told = fresh(), []
    history = train_space(
        model, pairs, pairs, SETTINGS, seed=4, checkpoint_folder=folder, progress=lambda text, *_: told.append(text)
    )
    assert told[0].startswith("epoch 4 of 6, finds ")
    whole, whole_history = unbroken
    for name, value in weights(whole).items():
        assert np.array_equal(value, weights(model)[name]), name
    assert history["loss"].tolist() == whole_history["loss"].tolist()


def test_seeds_differ(tmp_path, pairs):
    found = []
    for seed in (1, 2):
        model = fresh()

        def stop(text, done, total):
            if done > 8:
                raise KeyboardInterrupt

        folder = tmp_path / str(seed)
        with pytest.raises(KeyboardInterrupt):
            train_space(model, pairs, pairs, SETTINGS, seed=seed, checkpoint_folder=folder, progress=stop)
        found.append(weights(model)["pictures.kernel"])
    assert not np.array_equal(*found)


@pytest.mark.slow
def test_one_step_follows_the_losss_gradient(tmp_path, pairs):
    """With plain Adam a first step moves each parameter by the learning rate, against its gradient's sign."""
    few = pairs.of(np.arange(10), np.arange(0, 20, 2))
    space = SPACE.model_copy(update={"dropout": 0.0})
    settings = CaptionTrainingSection(
        epochs=1, batch_size=10, learning_rate=1e-3, negatives="all", loss="contrastive", both_ways=True
    )
    model = fresh(space)
    before = weights(model)["pictures.kernel"]

    def loss(kernel):
        places = jax.numpy.tanh(few.features @ kernel + model.pictures.bias[...])
        scores = places @ model.place_captions(few.captions).T / settings.temperature
        across = jax.nn.log_softmax(scores, axis=1).diagonal()
        down = jax.nn.log_softmax(scores, axis=0).diagonal()
        return -(across + down).sum() / 2

    gradient = np.asarray(jax.grad(loss)(before))
    train_space(model, few, None, settings, seed=0, checkpoint_folder=tmp_path)
    moved = weights(model)["pictures.kernel"] - before
    clear = np.abs(gradient) > 1e-3
    np.testing.assert_allclose(moved[clear], -1e-3 * np.sign(gradient[clear]), rtol=1e-3)


def test_negatives_are_any_caption_of_another_picture_alike():
    picture_of = np.array([0, 0, 0, 1, 2, 2])
    rows = np.tile(np.arange(6), 3000)
    drawn = draw_negatives(picture_of, rows, np.random.default_rng(0))
    assert (picture_of[drawn] != picture_of[rows]).all()
    counts = np.zeros((6, 6))
    np.add.at(counts, (rows, drawn), 1 / 3000)
    allowed = picture_of[:, None] != picture_of[None, :]
    np.testing.assert_allclose(counts, allowed / allowed.sum(axis=1, keepdims=True), atol=0.04)


def test_rows_are_taken_and_numbered_anew(pairs):
    some = pairs.of(np.array([3, 7]), np.array([6, 7, 15]))
    assert (some.features == pairs.features[[3, 7]]).all()
    assert some.picture_of.tolist() == [0, 0, 1]


def test_what_cannot_be_trained(tmp_path, pairs):
    alone = pairs.of(np.arange(1), np.arange(2))
    with pytest.raises(ConfembError, match="fewer than 2 pictures"):
        train_space(fresh(), alone, None, SETTINGS, seed=0, checkpoint_folder=tmp_path / "a")
    broken = Pairs(pairs.features * np.float32(np.inf), pairs.captions, pairs.picture_of)
    with pytest.raises(ConfembError, match="the loss is no finite number in epoch 1"):
        train_space(fresh(), broken, None, SETTINGS, seed=0, checkpoint_folder=tmp_path / "b")
