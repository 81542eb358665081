"""How similarities form: kept epochs in training and pipeline, and the classes embedded at each."""

import json

import numpy as np
import pytest
from scipy import stats

from confemb.embedders.skipgram import SkipGram
from confemb.networks.training.checkpoints import Checkpoints
from confemb.pipeline import run as pipeline
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import run_experiment
from confemb.pipeline.series import predict_epochs
from confemb.records.pairs import count_pairs
from confemb.records.predictions import predictions_from_scores
from confemb.studies.formation import form
from confemb.support.errors import ConfembError

MINI = {
    "name": "mini",
    "title": "A few digits",
    "dataset": {"name": "digits"},
    "classifier": {"name": "fast_cnn", "widths": [8, 16], "shift": 1, "mirror": False},
    "training": {"epochs": 3, "batch_size": 32, "learning_rate": 0.1, "keep_epochs": [1, 2, 3]},
    "embedding": {"seeds": 2, "epochs": 5},
}
KEPT = [f"weights_epoch_{epoch:03}.safetensors" for epoch in (1, 2, 3)]


def mini(**training) -> Experiment:
    return Experiment.model_validate(MINI | {"training": MINI["training"] | training})


@pytest.fixture(scope="module")
def no_report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "publish_report", lambda record, draft, display: draft.publish() or "")
        yield


@pytest.fixture(scope="module")
def kept(tmp_path_factory, no_report):
    folder = tmp_path_factory.mktemp("kept")
    return folder, predict_epochs(mini(), folder)


def test_the_weights_of_each_epoch_are_kept(kept):
    folder, predictions = kept
    assert (folder / KEPT[2]).read_bytes() == (folder / "weights.safetensors").read_bytes()
    assert len({(folder / name).read_bytes() for name in KEPT}) == 3
    assert set(json.loads((folder / "manifest.json").read_text())["stages"]["train"]["files"]) >= set(KEPT)
    assert not (folder / ".unfinished").exists()
    assert list(predictions) == [1, 2, 3]
    last = pipeline.load_predictions(folder / "predictions.parquet")
    np.testing.assert_array_equal(predictions[3].top_classes, last.top_classes)
    history = (folder / "history.csv").read_text().splitlines()
    column = history[0].split(",").index("test_accuracy")
    for epoch in (1, 2, 3):
        part = predictions[epoch].where(predictions[epoch].splits == "test")
        assert part.accuracy == pytest.approx(float(history[epoch].split(",")[column]), abs=1e-5)


def test_keeping_changes_nothing_else(kept, tmp_path):
    run_experiment(mini(keep_epochs=None), tmp_path, until="train")
    assert (tmp_path / "weights.safetensors").read_bytes() == (kept[0] / "weights.safetensors").read_bytes()
    assert not (tmp_path / KEPT[0]).exists()


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", ["the weights", "the checkpoint"])
def test_a_stopped_training_keeps_the_same_bytes(kept, tmp_path, monkeypatch, after):
    save, calls = Checkpoints.save, []

    def stop(self, epoch, *values):
        calls.append(epoch)
        if after == "the checkpoint":
            save(self, epoch, *values)
        if epoch == 2:
            raise StoppedError
        if after == "the weights":
            save(self, epoch, *values)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", stop)
        with pytest.raises(StoppedError):
            run_experiment(mini(), tmp_path, until="train")
    assert not (tmp_path / KEPT[0]).exists()
    run_experiment(mini(), tmp_path, until="train")
    for name in (*KEPT, "weights.safetensors"):
        assert (tmp_path / name).read_bytes() == (kept[0] / name).read_bytes()


def test_predictions_of_epochs_are_reused(kept, monkeypatch):
    folder, predictions = kept
    monkeypatch.setattr(pipeline.Run, "_classify", lambda *_: pytest.fail("predicted again"))
    again = predict_epochs(mini(), folder)
    for epoch, one in predictions.items():
        np.testing.assert_array_equal(again[epoch].top_classes, one.top_classes)


def test_an_experiment_must_keep_epochs_that_there_are(tmp_path):
    with pytest.raises(ConfembError, match="keeps the weights of no epoch"):
        predict_epochs(mini(keep_epochs=None), tmp_path)
    for wrong in ([2, 1], [1, 1], [4], [0], []):
        with pytest.raises(ValueError, match="keep_epochs"):
            mini(keep_epochs=wrong)
    assert "keep_epochs" not in mini(keep_epochs=None).model_dump(mode="json", exclude_none=True)["training"]


@pytest.fixture(scope="module")
def formed():
    """Three epochs: all pictures by chance, then the first two classes alike, then the last two as well."""
    generator = np.random.default_rng(0)
    names = tuple("abcde")
    labels = np.arange(400) % 5
    predictions = {}
    for epoch, blocks in ((5, [(0, 1)]), (2, []), (9, [(0, 1), (3, 4)])):
        scores = 0.5 * generator.normal(size=(400, 5))
        scores[np.arange(400), labels] += epoch / 2
        for pair in blocks:
            for one, other in (pair, pair[::-1]):
                scores[labels == one, other] += epoch / 4
        predictions[epoch] = predictions_from_scores(scores, labels, names, k=3, logits=True)
    return predictions, form(predictions, count_pairs, SkipGram(epochs=20), range(3))


def test_epochs_stand_in_order_with_their_similarities(formed):
    predictions, found = formed
    assert [one.epoch for one in found.epochs] == [2, 5, 9]
    upper = np.triu_indices(5, k=1)
    for i, one in enumerate(found.epochs):
        counts = count_pairs(predictions[one.epoch])
        runs = [SkipGram(epochs=20).embed(counts, seed=seed).cosine().values[upper] for seed in range(3)]
        np.testing.assert_allclose(found.medians[i], np.median(runs, axis=0), atol=1e-6)
        assert one.accuracy == {"all": predictions[one.epoch].accuracy}


def test_agreement_with_the_end_and_what_moves(formed):
    _, found = formed
    wanted = [stats.spearmanr(row, found.medians[-1]).statistic for row in found.medians]
    np.testing.assert_allclose(found.agreement_with_final, wanted)
    wanted = [stats.spearmanr(row, found.counts[-1]).statistic for row in found.counts]
    np.testing.assert_allclose(found.counts_agreement_with_final, wanted)
    # a with b is alike from the second epoch on, d with e from the last.
    assert found.counts[:, 0].argmin() == 0
    assert found.counts[:, 9].argmax() == 2
    spans = np.ptp(found.medians, axis=0)
    assert found.moved_most(3).tolist() == np.argsort(-spans, kind="stable")[:3].tolist()


def test_one_epoch_forms_nothing(formed):
    predictions, _ = formed
    with pytest.raises(ConfembError, match="keep at least one epoch before the last"):
        form({9: predictions[9]}, count_pairs, SkipGram(), range(2))
