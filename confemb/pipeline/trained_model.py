"""The network that an experiment has trained, ready to score other data."""

from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.models.model_names import open_model
from confemb.classifiers.models.own_models import in_full_batches, jax_device, refuse_device
from confemb.classifiers.scoring_records import ModelSettings, OpenedModel
from confemb.datasets import open_dataset
from confemb.networks import make_network
from confemb.pipeline.experiment import load_experiment
from confemb.pipeline.training_stage import WEIGHTS
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file
from confemb.support.progress import Display
from confemb.support.settings import experiment_names

PICTURE_BATCH = 256


def is_experiment(name: str) -> bool:
    """Tell whether a name is that of an experiment, or of an experiment's file."""
    return name in experiment_names() or Path(name).suffix == ".toml"


def open_trained(name: str, settings: ModelSettings) -> OpenedModel:
    """Open the network of an experiment with the weights in its result folder, reports/NAME.

    Raises:
        ConfembError: an unknown experiment, one that is not trained yet, a device.
    """
    from confemb.classifiers.adapters.flax import FlaxClassifier
    from confemb.networks.pretrained.weights import load_weights

    experiment = load_experiment(name, None)
    section = experiment.classifier
    if section.weights is not None:
        return open_model(section.weights, settings)
    refuse_device(name, settings)
    weights = Path("reports") / experiment.name / WEIGHTS
    if not weights.is_file():
        raise ConfembError(
            f"the experiment {name!r} has no trained weights at {weights}: run confemb train {name} first, here."
        )
    data = experiment.dataset
    with Display().bar() as update:
        source = open_dataset(data.name, path=data.path, image_size=data.image_size, crop=data.crop)
        source.fetch(update)
        training = source.load(data.train)
    height, width, channels = training.images.shape[1:]
    names = settings.class_names or training.class_names
    network: Any = make_network(
        section.name, (height, width, channels), len(names), seed=experiment.seed, options=section.options
    )
    load_weights(network, weights)
    classifier = FlaxClassifier(network, names, name=section.name, mirror=experiment.prediction.mirror)

    def prepare(pictures: list[Any]) -> np.ndarray:
        return np.stack([_as_trained(picture, (width, height), channels) for picture in pictures])

    batch_size = settings.batch_size or PICTURE_BATCH
    return OpenedModel(
        name=experiment.name,
        class_names=classifier.class_names,
        logits=True,
        takes=("picture",),
        prepare=prepare,
        forward=in_full_batches(classifier, batch_size),
        identity={"family": "own", "sha256": sha256_file(weights), "classifier": section.name},
        batch_size=batch_size,
        device=jax_device(),
    )


def _as_trained(picture: Any, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return a picture as the network's own were: of the same size, cut from the centre where the shape differs."""
    from PIL import Image, ImageOps

    if picture.size != size:
        picture = ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    return np.asarray(picture) if channels == 3 else np.asarray(picture.convert("L"))[:, :, None]
