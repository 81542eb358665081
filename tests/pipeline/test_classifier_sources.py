import dataclasses

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from confemb.networks import CLASSIFIERS, make_network
from confemb.networks.preprocessing import torch_preprocessing
from confemb.networks.pretrained.models import Pretrained, save_pretrained
from confemb.pipeline.classifier_sources import PlugIn, TrainedHere, WithWeights, classifier_source
from confemb.pipeline.experiment import Experiment
from confemb.pipeline.run import run_experiment
from confemb.records.imagenet import imagenet_classes
from confemb.records.prediction_files import load_predictions
from confemb.support.errors import ConfembError

# Two of the classes are ImageNet's, which a folder may call by wnid; the third has no pictures.
TABBY, GOLDFISH = (next(c for c in imagenet_classes() if c.name == name) for name in ("tabby", "goldfish"))


def experiment(**changes) -> Experiment:
    base = {
        "name": "mine",
        "title": "mine",
        "dataset": {"name": "digits"},
        "classifier": {"name": "fast_cnn"},
        "training": {"epochs": 1, "learning_rate": 0.1},
        "embedding": {"seeds": 2},
    }
    return Experiment.model_validate({k: v for k, v in (base | changes).items() if v is not None})


def test_where_a_classifier_comes_from(monkeypatch):
    assert isinstance(classifier_source(experiment()), TrainedHere)
    monkeypatch.setitem(CLASSIFIERS._built_in, "mean", "test_classifier_sources:Mean")
    monkeypatch.setattr(
        "confemb.support.registry.importlib.import_module", lambda name: type("module", (), {"Mean": Mean})
    )
    assert isinstance(classifier_source(experiment(classifier={"name": "mean"}, training=None)), PlugIn)


class Mean:
    """A plug-in: pictures go by how bright they are."""

    name = "mean"
    logits = True

    def __init__(self, training, *, seed, scale=1.0):
        self.class_names = training.class_names
        self.centres = scale * np.arange(len(training.class_names))

    def scores(self, batch):
        return -np.abs(batch.mean(axis=(1, 2, 3))[:, None] - self.centres)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": None}, r"'mine' lacks the section \[training\], which the classifier 'fast_cnn' needs"),
        ({"classifier": {"name": "resnet50"}}, "'resnet50' is not trained here; give it weights, for example"),
        ({"classifier": {"name": "fast_cnn", "width": 3}}, r"unknown option 'width' .* did you mean 'widths'\?"),
        ({"classifier": {"name": "resnet50", "weights": "resnet50.pth"}}, "resnet50.pth"),
    ],
)
def test_what_does_not_fit_is_found_before_any_data(changes, message):
    with pytest.raises(ConfembError, match=message):
        classifier_source(experiment(**changes))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a network that looks at one thing: its head's bias says goldfish, then tabby, then no class."""
    network = make_network("resnet18", (32, 32, 3), 3, seed=0, options={"input_size": 32})
    network.head.kernel = nnx.Param(np.zeros_like(network.head.kernel[...]))
    network.head.bias = nnx.Param(np.float32([3, 1, 2]))
    network.preprocessing = dataclasses.replace(torch_preprocessing(224), resize=36, crop=32)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    names = (GOLDFISH.name, "nothing", TABBY.name)
    save_pretrained(Pretrained(network, "resnet18", {"input_size": 32}, names, "made here"), path)
    return path


def test_a_folder_under_a_network_with_weights(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for name in (TABBY.wnid, GOLDFISH.wnid):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            pixels = generator.integers(0, 256, (40, 50 + i, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i}.png")
    given = experiment(
        dataset={"name": "image_folder", "path": str(tmp_path / "pictures")},
        classifier={"name": "resnet18", "weights": str(weights)},
        training=None,
        pairs={"missing_classes": "drop"},
        report={"examples": 2},
    )
    source = classifier_source(given)
    assert isinstance(source, WithWeights)
    assert source.picture_size == (36, 32)
    run_experiment(given, tmp_path / "out")
    found = load_predictions(tmp_path / "out" / "predictions.parquet")
    assert found.class_names == (GOLDFISH.name, "nothing", TABBY.name)
    # Ordered by wnid, goldfish comes first; every picture gets the same answer, by the bias.
    assert found.labels.tolist() == [0, 0, 0, 2, 2, 2]
    assert found.top_classes.tolist() == [[0, 2, 1]] * 6
    np.testing.assert_allclose(found.top_probs[0], np.exp([3, 2, 1]) / np.exp([3, 2, 1]).sum(), rtol=1e-5)
    assert found.accuracy == 0.5
    with pytest.raises(ConfembError, match="'resnet18' is not trained here; predict with it"):
        run_experiment(given, tmp_path / "out", until="train")
