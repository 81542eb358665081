"""`sklearn:FILE.skops`: scikit-learn estimators saved by skops, without pickle."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.adapters.sklearn import SklearnClassifier
from confemb.classifiers.models.picture_input import stack_rows
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.extras import import_extra
from confemb.support.files import sha256_file

BATCH = 1024


def open_skops(
    file: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open a fitted classifier or pipeline of texts or rows of numbers; pictures become rows of values from 0 to 255.

    The classes are the estimator's own (`classes_`): whole numbers are called by their digits, unless names are given.

    Raises:
        ConfembError: skops is missing, a file that is broken, or that holds types which skops does not trust.
    """
    skops = import_extra("skops.io", "skops", what="scikit-learn estimators in skops files")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfembError(f"there is no file {file}; give the path of a .skops file.")
    try:
        untrusted = skops.get_untrusted_types(file=path)
        if untrusted:
            raise ConfembError(
                f"{file} holds types that skops does not know to be safe ({quoted_list(untrusted)}), and they are not "
                "loaded: use an estimator of scikit-learn's own parts, or python:MODULE:NAME, which runs your code."
            )
        estimator = skops.load(path, trusted=[])
    except ConfembError:
        raise
    except Exception as error:  # skops raises errors of many kinds for a broken file.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfembError(f"{file} cannot be read as a skops file ({type(error).__name__}: {said}).") from error
    names = settings.class_names
    classes = np.asarray(getattr(estimator, "classes_", ()))
    if names is None and classes.dtype.kind in "iub":
        # Called by their values, so that class 3 is "3" wherever it stands.
        names = tuple(str(i) for i in range(int(classes.max()) + 1)) if classes.min() >= 0 else None
    classifier = SklearnClassifier(estimator, class_names=None if classes.dtype.kind in "OU" else names, name=path.stem)
    prepare: Callable[[list[Any]], Any] = list
    if data_kind in ("row", "picture", None):

        def prepare(items: list[Any]) -> np.ndarray:
            return stack_rows([np.asarray(item).reshape(-1) for item in items], np.float64)

    return OpenedModel(
        name=path.stem,
        class_names=classifier.class_names,
        logits=classifier.logits,
        takes=("text",) if data_kind == "text" else ("row", "picture", "text"),
        prepare=prepare,
        forward=classifier.scores,
        identity={"family": "sklearn", "sha256": sha256_file(path)},
        batch_size=settings.batch_size or BATCH,
    )
