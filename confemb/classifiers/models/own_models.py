"""confemb's own networks with published weights."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.networks.pretrained.weight_sources import PUBLISHED
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.progress import Display

PICTURE_BATCH = 16


def open_own(name: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]) -> OpenedModel:
    """Open published weights ("resnet50:keras"), or a safetensors file that says what it is.

    Raises:
        ConfembError: an unknown name, weights that cannot be had.
    """
    if name not in PUBLISHED and Path(name).suffix != ".safetensors":
        from confemb.classifiers.models.model_names import known_models

        raise unknown_name("model", name, [*known_models(), *PUBLISHED])
    refuse_device(name, settings)
    from confemb.classifiers.adapters.flax import FlaxClassifier
    from confemb.networks.pretrained.models import load_pretrained

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
        forward=in_full_batches(classifier, batch_size),
        identity={"family": "own", "sha256": loaded.sha256, "preprocess": preprocessing.as_dict()},
        batch_size=batch_size,
        device=jax_device(),
    )


def refuse_device(name: str, settings: ModelSettings) -> None:
    """Raise ConfembError for a device: JAX chooses its own."""
    if settings.device not in ("auto", "cpu"):
        raise ConfembError(f"{name} computes where JAX does: set JAX_PLATFORMS, and leave --device out.")


def in_full_batches(classifier: Any, batch_size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what scores up to `batch_size` pictures, a smaller batch filled up with its last."""

    def forward(batch: np.ndarray) -> np.ndarray:
        count = len(batch)
        if count < batch_size:
            # One compiled program serves all batches.
            batch = np.concatenate([batch, np.repeat(batch[-1:], batch_size - count, axis=0)])
        scores: np.ndarray = classifier.scores(batch)[:count]
        return scores

    return forward


def jax_device() -> str:
    """Return where JAX computes: "cpu", "gpu"."""
    import jax

    return str(jax.default_backend())
