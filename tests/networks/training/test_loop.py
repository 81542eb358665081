import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from confemb.networks import make_network
from confemb.networks.streams import in_streams
from confemb.networks.training import loop as training
from confemb.networks.training.checkpoints import Checkpoints
from confemb.networks.training.loop import Watch, train
from confemb.networks.training.options import TrainingOptions
from confemb.networks.training.together import train_together
from confemb.support.errors import ConfembError

OPTIONS = {"widths": [8, 16], "shift": 1, "mirror": False}
SETTINGS = TrainingOptions(epochs=3, batch_size=16, learning_rate=0.1, weight_decay=0.001)


def make(classes=10, **options):
    return make_network("fast_cnn", (8, 8, 1), classes, seed=0, options=OPTIONS | options)


def variables(network):
    return {".".join(map(str, path)): np.asarray(v[...]) for path, v in nnx.to_flat_state(nnx.state(network))}


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def some(dataset, count):
    return replace(dataset, **{what: getattr(dataset, what)[:count] for what in ("images", "labels", "ids")})


@pytest.fixture(scope="module")
def train_digits(digits):
    def call(folder, *, network=None, settings=SETTINGS, report=None):
        network = make() if network is None else network
        history = train(
            network, digits["train"], digits["test"], settings, seed=0, checkpoint_folder=folder, watch=Watch(report)
        )
        return variables(network), history

    return call


@pytest.fixture(scope="module")
def unbroken(train_digits, tmp_path_factory):
    reports, folder = [], tmp_path_factory.mktemp("unbroken")
    weights, history = train_digits(folder, report=reports.append)
    return weights, history, reports, folder


def test_the_network_learns_the_digits(unbroken, digits):
    _, history, reports, _ = unbroken
    assert history.columns.tolist() == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "seconds",
    ]
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["test_accuracy"].iloc[-1] > 0.8
    assert history["train_loss"].is_monotonic_decreasing

    steps = len(digits["train"]) // 16
    ends = [r for r in reports if r.step % steps == 0]
    assert [(r.epoch, r.step, r.steps) for r in ends] == [(i, i * steps, 3 * steps) for i in (1, 2, 3)]
    np.testing.assert_allclose([r.loss for r in ends], history["train_loss"], rtol=1e-5)
    assert [r.test_accuracy for r in ends] == [None, *history["test_accuracy"].iloc[:-1]]


def test_two_trainings_end_with_the_same_bits(train_digits, unbroken, tmp_path):
    weights, history = train_digits(tmp_path)
    assert_equal(weights, unbroken[0])
    assert history.drop(columns="seconds").equals(unbroken[1].drop(columns="seconds"))


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("where", ["within an epoch", "after a checkpoint"])
def test_a_stopped_training_goes_on_to_the_same_bits(train_digits, unbroken, tmp_path, monkeypatch, where):
    def stop(report):
        if report.epoch == 2 and where == "within an epoch":
            raise StoppedError

    def save_and_stop(self, *values):
        save(self, *values)
        if where == "after a checkpoint":
            raise StoppedError

    save = Checkpoints.save
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_stop)
        with pytest.raises(StoppedError):
            train_digits(tmp_path, report=stop)

    epochs = set()
    weights, history = train_digits(tmp_path, report=lambda report: epochs.add(report.epoch))
    assert epochs == {2, 3}
    assert_equal(weights, unbroken[0])
    assert history.drop(columns="seconds").equals(unbroken[1].drop(columns="seconds"))

    # All epochs done, but whoever called was stopped before it kept the weights.
    epochs.clear()
    again, _ = train_digits(tmp_path, report=lambda report: epochs.add(report.epoch))
    assert epochs == set()
    assert_equal(again, weights)


@pytest.mark.parametrize(
    ("classes", "changes"), [(12, {}), (10, {"ema_decay": 0.9})], ids=["another shape", "more arrays"]
)
def test_a_checkpoint_of_another_architecture_is_refused(train_digits, unbroken, tmp_path, classes, changes):
    shutil.copytree(unbroken[3], tmp_path / "copy")
    with pytest.raises(ConfembError, match=r"checkpoint of epoch 3 in .* does not fit this network .* remove that"):
        train_digits(tmp_path / "copy", network=make(classes=classes), settings=SETTINGS.model_copy(update=changes))


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-5]), Path.unlink])
def test_a_damaged_checkpoint_is_refused(train_digits, unbroken, tmp_path, damage):
    shutil.copytree(unbroken[3], tmp_path / "copy")
    for path in (tmp_path / "copy" / "3" / "state").rglob("*"):
        if path.is_file():
            damage(path)
    with pytest.raises(ConfembError, match=r"checkpoint of epoch 3 in .* remove that folder to train anew\.$"):
        train_digits(tmp_path / "copy")


def test_a_loss_that_is_no_number_is_refused(digits, tmp_path):
    settings = TrainingOptions(epochs=40, batch_size=16, learning_rate=1e30)
    with pytest.raises(ConfembError, match=r"the loss is no finite number in epoch \d+; lower training.learning_rate"):
        train(make(), some(digits["train"], 16), None, settings, seed=0, checkpoint_folder=tmp_path)


def without_ties(dataset):
    """Return 12 of its pictures as noise: where two pixels are equal, rounding decides which is the maximum."""
    few = some(dataset, 12)
    noise = np.random.default_rng(0).integers(0, 256, few.images.shape, dtype=np.uint8)
    return replace(few, images=noise)


@pytest.fixture(scope="module")
def watched(digits, tmp_path_factory):
    """Train on 12 pictures at once, a step an epoch, and return what each step left."""
    states = []

    class Watching(Checkpoints):
        def save(self, epoch, state, history):
            states.append(jax.tree.map(np.asarray, state))

    settings = TrainingOptions(
        epochs=12, batch_size=500, learning_rate=0.05, ema_decay=0.5, label_smoothing=0.2, schedule="step"
    )

    def call(micro_batch):
        states.clear()
        network = make(shift=0, norm_group=4)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "CPU_MICRO_BATCH", micro_batch)
            patch.setattr(training, "Checkpoints", Watching)
            history = train(
                network,
                without_ties(digits["train"]),
                None,
                settings,
                seed=0,
                checkpoint_folder=tmp_path_factory.mktemp("steps"),
            )
        return network, history, list(states)

    return call


@pytest.fixture(scope="module")
def in_parts(watched):
    return watched(4)


def test_the_moving_average_follows_its_formula(in_parts):
    network, _, states = in_parts
    # Before the first step the average is the fresh weights.
    average = [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(make(shift=0, norm_group=4), nnx.Param))]
    decays = [min(0.5, (1 + step) / (10 + step)) for step in range(12)]
    assert decays[0] == 0.1
    assert decays[-1] == 0.5
    for state, decay in zip(states, decays, strict=True):
        params = jax.tree.leaves(state.params)
        average = [decay * old + (1 - decay) * new for old, new in zip(average, params, strict=True)]
        for found, expected in zip(jax.tree.leaves(state.average), average, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    for found, expected in zip(jax.tree.leaves(nnx.state(network, nnx.Param)), average, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert [int(state.step) for state in states] == list(range(1, 13))


def test_constants_stay_to_the_last_bit(in_parts, digits):
    fresh = make(shift=0, norm_group=4)
    fresh.fit_input(without_ties(digits["train"]).images)
    found = variables(in_parts[0])
    for name in ("whitening", "input_mean", "input_deviation"):
        np.testing.assert_array_equal(found[name], variables(fresh)[name])


def test_a_batch_in_parts_is_a_batch_at_once(in_parts, watched):
    _, history, states = in_parts
    _, at_once, states_at_once = watched(12)
    # Rounding differs, and grows from step to step.
    np.testing.assert_allclose(history["train_loss"][:3], at_once["train_loss"][:3], rtol=1e-4)
    np.testing.assert_allclose(history["train_loss"], at_once["train_loss"], rtol=1e-2)
    for found, expected in zip(jax.tree.leaves(states[0]), jax.tree.leaves(states_at_once[0]), strict=True):
        assert np.linalg.norm(found - expected) <= 1e-2 * np.linalg.norm(expected)


def test_which_part_is_ready_first_changes_no_bit(in_parts, watched, monkeypatch):
    def last_first(gradient, shared, parts):
        assert len(parts) == 3
        return in_streams(gradient, shared, parts[::-1])[::-1]

    monkeypatch.setattr(training, "in_streams", last_first)
    _, history, states = watched(4)
    assert history.drop(columns="seconds").equals(in_parts[1].drop(columns="seconds"))
    for found, expected in zip(jax.tree.leaves(states), jax.tree.leaves(in_parts[2]), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("batch_size", "group", "expected"),
    [(64, 1, 16), (64, 16, 16), (64, 32, 32), (48, 12, 24), (16, 1, None), (50, 1, None), (64, 12, None)],
)
def test_a_lone_cpu_computes_whole_groups(batch_size, group, expected):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("batch",))
    assert training._micro_batch(mesh, batch_size, group) == expected


@pytest.fixture(scope="module")
def small_settings():
    return TrainingOptions(epochs=3, batch_size=4, learning_rate=0.05, ema_decay=0.5, weight_decay=0.001)


@pytest.fixture(scope="module")
def stepwise(digits, small_settings, tmp_path_factory):
    network = make(shift=0, norm_group=4)
    few = without_ties(digits["train"])
    history = train(network, few, few, small_settings, seed=0, checkpoint_folder=tmp_path_factory.mktemp("stepwise"))
    return variables(network), history


def assert_near(found, expected):
    for name, value in expected.items():
        assert np.linalg.norm(found[name] - value) <= 1e-3 * np.linalg.norm(value) + 1e-6, name


def test_without_a_test_there_is_none_to_report(digits, small_settings, tmp_path):
    reports = []
    few = some(digits["train"], 48)
    settings = small_settings.model_copy(update={"epochs": 2})
    history = train(make(), few, None, settings, seed=0, checkpoint_folder=tmp_path, watch=Watch(reports.append))
    assert list(history) == ["epoch", "train_loss", "train_accuracy", "seconds"]
    assert {report.test_accuracy for report in reports} == {None}
    assert reports[-1].epoch == 2


def test_an_epoch_in_one_program_is_its_steps(stepwise, digits, small_settings, tmp_path, monkeypatch):
    """As on accelerators; among its three steps nothing is reported."""
    monkeypatch.setattr(training, "_steps_at_once", lambda steps_per_epoch: steps_per_epoch)
    network, reports = make(shift=0, norm_group=4), []
    few = without_ties(digits["train"])
    history = train(network, few, few, small_settings, seed=0, checkpoint_folder=tmp_path, watch=Watch(reports.append))
    assert [report.step for report in reports] == [3, 6, 9]
    columns = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    np.testing.assert_allclose(history[columns], stepwise[1][columns], rtol=1e-3)
    assert_near(variables(network), stepwise[0])


def test_networks_trained_together_are_those_trained_alone(stepwise, digits, small_settings, tmp_path):
    few = without_ties(digits["train"])
    networks = [
        make_network("fast_cnn", (8, 8, 1), 10, seed=i, options=OPTIONS | {"shift": 0, "norm_group": 4}) for i in (0, 5)
    ]
    other = make_network("fast_cnn", (8, 8, 1), 10, seed=5, options=OPTIONS | {"shift": 0, "norm_group": 4})
    histories = train_together(networks, few, few, small_settings, seeds=[0, 3])
    expected = train(other, few, few, small_settings, seed=3, checkpoint_folder=tmp_path)
    for history, alone in zip(histories, (stepwise[1], expected), strict=True):
        assert history.columns.tolist() == alone.columns.tolist()
        np.testing.assert_allclose(history.iloc[:, :-1], alone.iloc[:, :-1], rtol=1e-3)
    assert_near(variables(networks[0]), stepwise[0])
    assert_near(variables(networks[1]), variables(other))
    assert np.abs(variables(networks[0])["head.kernel"] - variables(networks[1])["head.kernel"]).max() > 0.1


def test_bfloat16_computes_near_float32_and_keeps_float32(stepwise, digits, small_settings, tmp_path):
    network, few = make(shift=0, norm_group=4), without_ties(digits["train"])
    settings = small_settings.model_copy(update={"dtype": "bfloat16"})
    history = train(network, few, few, settings, seed=0, checkpoint_folder=tmp_path)
    assert {value.dtype for value in variables(network).values()} == {np.dtype("float32")}
    # 8 bits of mantissa: alike, but not the same.
    assert history["train_loss"][0] != stepwise[1]["train_loss"][0]
    np.testing.assert_allclose(history["train_loss"], stepwise[1]["train_loss"], rtol=0.05)


def test_the_first_loss_computed_by_hand(in_parts, digits):
    few = without_ties(digits["train"])
    network = make(shift=0, norm_group=4)
    network.fit_input(few.images)
    network.train()
    order = np.random.default_rng([0, 1]).permutation(12)
    logits = nnx.jit(lambda network, images: network(network.prepare(images)))(network, few.images[order])
    logits = np.asarray(logits, np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = 0.8 * np.eye(10)[few.labels[order]] + 0.02
    assert in_parts[1]["train_loss"][0] == pytest.approx(-(targets * log_probs).sum(axis=1).mean(), rel=1e-4)
    assert in_parts[1]["train_accuracy"][0] == pytest.approx((logits.argmax(axis=1) == few.labels[order]).mean())


def test_a_network_without_statistics_trains(tmp_path):
    """Parameters alone, as paper_cnn has them; bright and dark pictures are told apart."""
    from confemb.datasets import Dataset

    class Small(nnx.Module):
        group = 1

        def __init__(self):
            self.dense = nnx.Linear(4, 2, rngs=nnx.Rngs(0))

        def fit_input(self, images):
            pass

        def augment(self, key, images):
            return self.prepare(images)

        def prepare(self, images):
            return images.reshape(len(images), -1) / 255 - 0.5

        def __call__(self, inputs):
            return self.dense(inputs)

        def decayed(self, path):
            return False

        def learning_rate_scale(self, path):
            return 1.0

    images = np.where(np.arange(48) % 2, 200, 20).astype(np.uint8)[:, None, None, None] * np.ones((2, 2, 1), np.uint8)
    dataset = Dataset(
        images,
        np.arange(48) % 2,
        ("dark", "bright"),
        np.arange(48).astype(str),
        name="x",
        split="train",
        fingerprint="",
    )
    network = Small()
    settings = TrainingOptions(epochs=10, batch_size=16, learning_rate=0.5)
    history = train(network, dataset, dataset, settings, seed=0, checkpoint_folder=tmp_path)
    assert history["test_accuracy"].iloc[-1] == 1.0
    logits = network(network.prepare(jnp.asarray(images)))
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(dataset.labels)).mean()
    assert history["test_loss"].iloc[-1] == pytest.approx(float(loss), rel=1e-5)
