"""`python:MODULE:NAME`: your own code, a function or a classifier."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from confemb.classifiers.models.picture_input import meaning_of_scores
from confemb.classifiers.scoring_records import KINDS, ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file

BATCH = 256


def open_python(
    name: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Import a module, or run a file, and take from it a classifier, a class that makes one, or a function.

    A classifier has `class_names` and `scores(batch)`; optionally `name`, `logits`, `takes` (one of picture, text,
    audio, row, file, or several) and `version`, which is recorded. A function takes a batch and gives (n, K) scores;
    its class names are its own `class_names`, its module's, or those given. A batch is a list: of arrays (H, W, 3) of
    uint8, texts, `confemb.classifiers.data.decoding.Recording`, rows of numbers or paths.

    Raises:
        ConfembError: no such module or name, an error in the user's code while it is imported, unknown classes.
    """
    module_name, _, attribute = name.rpartition(":")
    if not module_name or not attribute.isidentifier():
        raise ConfembError(f"the model python:{name} needs a module and a name: python:MODULE:NAME.")
    module = _import(module_name)
    if not hasattr(module, attribute):
        raise ConfembError(f"the module {module_name} has no {attribute!r}: check the name.")
    made = getattr(module, attribute)
    if isinstance(made, type):
        made = _call(made, f"{module_name}:{attribute}")
    is_classifier = callable(getattr(made, "scores", None))
    if not is_classifier and not callable(made):
        raise ConfembError(f"{module_name}:{attribute} is neither a function nor a classifier with the method scores.")
    names = settings.class_names or getattr(made, "class_names", None) or getattr(module, "class_names", None)
    if names is None:
        raise ConfembError(
            f"{module_name}:{attribute} does not name its classes: give it the attribute class_names, or the names "
            "with --classes FILE."
        )
    score = made.scores if is_classifier else made
    takes = _takes(made, f"{module_name}:{attribute}")
    logits = meaning_of_scores(settings.scores)
    if logits is None:
        logits = getattr(made, "logits", None)
    where = getattr(module, "__file__", None)
    return OpenedModel(
        name=str(getattr(made, "name", attribute)),
        class_names=tuple(str(one) for one in names),
        logits=logits,
        takes=takes,
        prepare=_as_arrays,
        forward=lambda batch: np.asarray(score(batch)),
        identity={
            "family": "python",
            "name": f"{Path(module_name).name}:{attribute}",
            "sha256": sha256_file(where) if where else None,
            "version": str(getattr(made, "version", "")),
        },
        batch_size=settings.batch_size or BATCH,
        notes=(f"running the code of {where or module_name}; what else it depends on is not recorded.",),
    )


def _import(module_name: str) -> ModuleType:
    if "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109
        # As `python -m` does.
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        if module_name.endswith(".py"):
            path = Path(module_name).expanduser()
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None or not path.is_file():
                raise ConfembError(f"there is no file {module_name}: check the path.")
            module = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(path.stem, module)
            spec.loader.exec_module(module)
            return module
        return importlib.import_module(module_name)
    except ConfembError:
        raise
    except Exception as error:  # The user's own code may raise anything.
        raise ConfembError(f"{module_name} cannot be imported ({type(error).__name__}: {error}).") from error


def _call(maker: Callable[[], Any], where: str) -> Any:
    try:
        return maker()
    except ConfembError:
        raise
    except Exception as error:  # The user's own code may raise anything.
        raise ConfembError(f"{where} cannot be made without arguments ({type(error).__name__}: {error}).") from error


def _takes(made: Any, where: str) -> tuple[ItemKind, ...]:
    takes = getattr(made, "takes", KINDS)
    takes = (takes,) if isinstance(takes, str) else tuple(takes)
    if strange := [kind for kind in takes if kind not in KINDS]:
        raise ConfembError(f"{where} takes {strange[0]!r}; it must be one of {', '.join(KINDS)}.")
    return takes


def _as_arrays(items: list[Any]) -> list[Any]:
    """Return pictures as arrays (H, W, 3) of uint8; everything else as it is."""
    return [np.asarray(item) if hasattr(item, "getbands") else item for item in items]
