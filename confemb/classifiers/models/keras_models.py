"""`keras:FILE.keras`: Keras 3 models, in safe mode."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from confemb.classifiers.models.picture_input import batch_preparation, filled, meaning_of_scores, need_names
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.files import sha256_file

BATCH = 32


def open_keras(
    file: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open a model of one input: pictures (four axes) or rows of numbers (two).

    Safe mode refuses what a file could run: Lambda layers of Python code, classes from other modules. A picture model
    that scales its input itself (a Rescaling layer) wants --preprocess raw.

    Raises:
        ConfembError: Keras is missing, another format, a file that is broken or refused, unknown classes.
    """
    path = Path(file).expanduser()
    if path.suffix.lower() != ".keras":
        raise ConfembError(
            f"{file} does not end in .keras: save the model in Keras' own format (model.save('x.keras'))."
        )
    if not path.is_file():
        raise ConfembError(f"there is no file {file}; give the path of a .keras file.")
    if "keras" not in sys.modules:
        # The backend that confemb itself uses; KERAS_BACKEND chooses another.
        os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = import_extra("keras", "keras", what="Keras models")
    if settings.device not in ("auto", keras.config.backend(), "cpu"):
        raise ConfembError(f"Keras chooses its device itself ({keras.config.backend()}): leave --device out.")
    try:
        model = keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises errors of many kinds, for a broken file and for one that it refuses.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfembError(
            f"{file} cannot be read in Keras' safe mode ({type(error).__name__}: {said}): save a model without Python "
            "code of its own."
        ) from error
    shape = model.input_shape
    if not isinstance(shape, tuple):
        raise ConfembError(f"{file} takes {len(shape)} inputs; it must take one batch.")
    dtype = np.dtype(str(model.inputs[0].dtype))
    takes, prepare, described = batch_preparation(shape, dtype, settings.preprocess, where=file)
    batch_size = settings.batch_size or BATCH

    def forward(batch: np.ndarray) -> np.ndarray:
        # A batch of another size would be compiled again.
        return np.asarray(model.predict_on_batch(filled(batch, batch_size)))[: len(batch)]

    return OpenedModel(
        name=path.stem,
        class_names=need_names(settings.class_names, where=file),
        logits=meaning_of_scores(settings.scores),
        takes=takes,
        prepare=prepare,
        forward=forward,
        identity={"family": "keras", "sha256": sha256_file(path), "preprocess": described},
        batch_size=batch_size,
        device=keras.config.backend(),
    )
