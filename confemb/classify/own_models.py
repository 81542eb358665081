"""confemb's own networks: published weights by name, and what an experiment has trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classify.records import ItemKind, ModelSettings, OpenedModel
from confemb.errors import ConfembError, unknown_name
from confemb.progress import Display
from confemb.weight_sources import PUBLISHED

PICTURE_BATCH, SMALL_PICTURE_BATCH = 16, 256


def open_own(name: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]) -> OpenedModel:
    """Open published weights ("resnet50:keras"), a weights file with its description, or a trained experiment.

    An experiment is named as for `confemb run`; its weights are those in its result folder, reports/NAME.

    Raises:
        ConfembError: an unknown name, weights that cannot be had, an experiment that is not trained yet.
    """
    if settings.device not in ("auto", "cpu"):
        raise ConfembError(f"{name} computes where JAX does: set JAX_PLATFORMS, and leave --device out.")
    if name in PUBLISHED or Path(name).suffix == ".safetensors":
        return _pretrained(name, settings)
    from confemb.experiment import experiment_names

    if name in experiment_names() or Path(name).suffix == ".toml":
        return _trained(name, settings)
    from confemb.classify.model_names import known_models

    raise unknown_name("model", name, [*known_models(), *PUBLISHED, *experiment_names()])


def _pretrained(name: str, settings: ModelSettings) -> OpenedModel:
    from confemb.adapters.flax import FlaxClassifier
    from confemb.pretrained import load_pretrained

    with Display().bar() as update:
        loaded = load_pretrained(name, progress=update, class_names=settings.class_names)
    preprocessing = loaded.network.preprocessing
    classifier = FlaxClassifier(loaded.network, loaded.class_names, name=name)
    batch_size = settings.batch_size or PICTURE_BATCH
    return OpenedModel(
        name=name,
        class_names=classifier.class_names,
        logits=True,
        takes=("picture",),
        prepare=lambda pictures: np.stack([np.asarray(preprocessing.cut(picture)) for picture in pictures]),
        forward=_padded(classifier, batch_size),
        identity={"family": "own", "sha256": loaded.sha256, "preprocess": preprocessing.as_dict()},
        batch_size=batch_size,
        device=_jax_device(),
    )


def _trained(name: str, settings: ModelSettings) -> OpenedModel:
    from confemb.adapters.flax import FlaxClassifier
    from confemb.classifiers import make_network
    from confemb.datasets import open_dataset
    from confemb.experiment import load_experiment
    from confemb.files import sha256_file
    from confemb.training_stage import WEIGHTS
    from confemb.weights import load_weights

    experiment = load_experiment(name, None)
    section = experiment.classifier
    if section.weights is not None:
        return _pretrained(section.weights, settings)
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

    batch_size = settings.batch_size or SMALL_PICTURE_BATCH
    return OpenedModel(
        name=experiment.name,
        class_names=classifier.class_names,
        logits=True,
        takes=("picture",),
        prepare=prepare,
        forward=_padded(classifier, batch_size),
        identity={"family": "own", "sha256": sha256_file(weights), "classifier": section.name},
        batch_size=batch_size,
        device=_jax_device(),
    )


def _as_trained(picture: Any, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return a picture as the network's own were: of the same size, cut from the centre where the shape differs."""
    from PIL import Image, ImageOps

    if picture.size != size:
        picture = ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    return np.asarray(picture) if channels == 3 else np.asarray(picture.convert("L"))[:, :, None]


def _padded(classifier: Any, batch_size: int) -> Any:
    def forward(batch: np.ndarray) -> np.ndarray:
        count = len(batch)
        if count < batch_size:
            # One compiled program serves all batches.
            batch = np.concatenate([batch, np.repeat(batch[-1:], batch_size - count, axis=0)])
        scores: np.ndarray = classifier.scores(batch)[:count]
        return scores

    return forward


def _jax_device() -> str:
    import jax

    return str(jax.default_backend())
