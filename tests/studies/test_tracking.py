"""Trackers count what a training's evaluations show, in each library's own training loop."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from confemb import Tracker
from confemb.cli.app import app
from confemb.records.pairs import count_pairs
from confemb.records.predictions import predictions_from_scores
from confemb.studies import keras_tracking, lightning_tracking, trainer_tracking
from confemb.support.errors import ConfembError

NAMES = ("a", "b", "c", "d")


def batches(seed, count=5, size=20):
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 4, size), rng.normal(size=(size, 4))) for _ in range(count)]


def tracked(epochs=3, **options):
    tracker = Tracker(NAMES, **options)
    for epoch in range(epochs):
        for labels, scores in batches(epoch):
            tracker.update(labels, scores + 2 * epoch * np.eye(4)[labels])
        tracker.end_epoch()
    return tracker


def same(one, other):
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in ("true", "predicted", "rank", "counts"))


def test_counts_as_all_at_once():
    tracker = tracked()
    labels, scores = (np.concatenate(part) for part in zip(*batches(1), strict=True))
    predictions = predictions_from_scores(scores + 2 * np.eye(4)[labels], labels, NAMES, k=3, logits=True)
    epoch = tracker.epochs[2]
    assert same(epoch.pairs, count_pairs(predictions, k=3))
    assert epoch.accuracy() == {"all": pytest.approx(predictions.accuracy)}
    assert epoch.items == 100


def test_probabilities_and_lists_count_alike():
    labels, scores = batches(0)[0]
    one, other = Tracker(NAMES), Tracker(NAMES)
    one.update(labels, scores)
    other.update(labels.tolist(), (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).tolist())
    one.end_epoch()
    other.end_epoch()
    assert same(one.epochs[1].pairs, other.epochs[1].pairs)


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    labels, scores = batches(0)[0]
    one, other = Tracker(NAMES), Tracker(NAMES)
    one.update(labels, scores.astype(np.float32))
    other.update(torch.tensor(labels), torch.tensor(scores, dtype=torch.float32, requires_grad=True))
    half = torch.tensor(np.eye(4), dtype=torch.bfloat16)
    other.update(torch.arange(4), half)
    one.update(np.arange(4), np.eye(4))
    one.end_epoch()
    other.end_epoch()
    assert same(one.epochs[1].pairs, other.epochs[1].pairs)


def test_saved_and_loaded(tmp_path):
    tracker = tracked(path=tmp_path / "t.npz")
    loaded = Tracker.load(tmp_path / "t.npz")
    assert (loaded.class_names, loaded.k, list(loaded.epochs)) == (NAMES, 3, [1, 2, 3])
    assert all(same(loaded.epochs[e].pairs, tracker.epochs[e].pairs) for e in (1, 2, 3))
    tracker.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "t.npz").read_bytes()
    # A training that was stopped goes on with the next number.
    loaded.update(*batches(9)[0])
    loaded.end_epoch()
    assert list(loaded.epochs) == [1, 2, 3, 4]


def test_a_few_kilobytes_an_epoch(tmp_path):
    names = [f"class {i}" for i in range(10)]
    sizes = []
    for epochs in (1, 21):
        tracker = Tracker(names)
        for epoch in range(epochs):
            rng = np.random.default_rng(epoch)
            tracker.update(rng.integers(0, 10, 10_000), rng.normal(size=(10_000, 10)))
            tracker.end_epoch()
        tracker.save(tmp_path / "t.npz")
        sizes.append((tmp_path / "t.npz").stat().st_size)
    # All 300 cells are there, the most there can be.
    assert (sizes[1] - sizes[0]) / 20 < 2_000


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([0, 1], np.zeros((3, 4)), "takes"),
        ([0], np.zeros((1, 3)), "must be"),
        ([4], np.zeros((1, 4)), "row 0 has the label 4"),
        ([0], np.full((1, 4), np.nan), "finite"),
    ],
)
def test_batches_that_do_not_fit(labels, scores, said):
    with pytest.raises(ConfembError, match=said):
        Tracker(NAMES).update(labels, scores)


def test_epochs_that_do_not_fit(tmp_path):
    tracker = Tracker(NAMES)
    with pytest.raises(ConfembError, match="without an update"):
        tracker.end_epoch()
    with pytest.raises(ConfembError, match="no epoch has ended"):
        tracker.save(tmp_path / "t.npz")
    tracker.update(*batches(0)[0])
    tracker.end_epoch(5)
    with pytest.raises(ConfembError, match="must rise"):
        tracker.end_epoch(5)
    with pytest.raises(ConfembError, match=r"end in \.npz"):
        Tracker(NAMES, path="t.txt")
    np.savez(tmp_path / "other.npz", labels=[0])
    with pytest.raises(ConfembError, match="cannot read the track"):
        Tracker.load(tmp_path / "other.npz")


def test_formation_of_a_track(tmp_path):
    tracked(path=tmp_path / "t.npz")
    result = CliRunner().invoke(
        app, ["formation", str(tmp_path / "t.npz"), "--out", str(tmp_path / "out"), "--seeds", "2"]
    )
    assert result.exit_code == 0, result.output
    epochs = pd.read_csv(tmp_path / "out" / "formation" / "epochs.csv")
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["accuracy_all"].is_monotonic_increasing
    assert epochs["spearman_with_the_end"].iloc[-1] == 1
    refused = CliRunner().invoke(app, ["formation", str(tmp_path / "t.npz"), "--set", "seed=1"])
    assert "a track has none" in str(refused.exception)


def toy(count=120):
    """Points around four centres, of which a and b, c and d are neighbours."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 4
    centres = np.array([[0, 0], [1, 0], [8, 8], [9, 8]])
    return (centres[labels] + rng.normal(size=(count, 2))).astype(np.float32), labels.astype(np.int64)


def check(tracker, accuracy, epochs):
    assert list(tracker.epochs) == list(range(1, epochs + 1))
    assert tracker.epochs[epochs].accuracy()["all"] == pytest.approx(accuracy)
    confusions = tracker.epochs[epochs].pairs.select(k=1).matrix().toarray()
    assert confusions.sum() == 120
    # Neighbours are taken for one another, others hardly ever.
    assert confusions[:2, :2].sum() + confusions[2:, 2:].sum() >= 118


def test_keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    inputs, labels = toy()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.3), loss, metrics=["accuracy"])
    tracker = Tracker(NAMES)
    model.fit(inputs, labels, epochs=4, batch_size=20, verbose=0, callbacks=[keras_tracking(tracker, inputs, labels)])
    check(tracker, model.evaluate(inputs, labels, verbose=0)[1], 4)


@pytest.mark.filterwarnings("ignore")
def test_lightning(tmp_path):
    pytest.importorskip("lightning")
    torch = pytest.importorskip("torch")
    import lightning.pytorch as lightning

    torch.manual_seed(0)
    inputs, labels = map(torch.from_numpy, toy())

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 4)

        def training_step(self, batch):
            return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

        def validation_step(self, batch):
            return {"logits": self.layer(batch[0])}

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.3)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, labels), batch_size=20)
    tracker = Tracker(NAMES)
    trainer = lightning.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[lightning_tracking(tracker)],
    )
    module = Module()
    trainer.fit(module, data, data)
    with torch.no_grad():
        accuracy = (module.layer(inputs).argmax(1) == labels).float().mean().item()
    check(tracker, accuracy, 4)
    module.validation_step = lambda batch: None
    with pytest.raises(ConfembError, match="finds no scores"):
        trainer.validate(module, data, verbose=False)


@pytest.mark.filterwarnings("ignore")
def test_hugging_face_trainer(tmp_path):
    pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    inputs, labels = toy()

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 4)

        def forward(self, x, labels=None):
            logits = self.layer(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    rows = [{"x": torch.from_numpy(x), "labels": int(y)} for x, y in zip(inputs, labels, strict=True)]
    tracker = Tracker(NAMES)
    tracking = trainer_tracking(
        tracker, then=lambda e: {"accuracy": float((e.predictions.argmax(1) == e.label_ids).mean())}
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=4,
        per_device_train_batch_size=20,
        eval_strategy="epoch",
        learning_rate=0.3,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=Module(),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        compute_metrics=tracking.compute_metrics,
        callbacks=[tracking],
    )
    trainer.train()
    accuracies = [one["eval_accuracy"] for one in trainer.state.log_history if "eval_accuracy" in one]
    check(tracker, accuracies[-1], 4)
    assert [tracker.epochs[e].accuracy()["all"] for e in (1, 2, 3, 4)] == pytest.approx(accuracies)
