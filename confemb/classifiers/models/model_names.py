"""Models by where they are from: `hf:NAME`, `timm:NAME`, `onnx:FILE`, one of ours, and so on."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError


@dataclass(frozen=True)
class Family:
    """Models that are opened in one way.

    Attributes:
        prefix: what stands before the colon.
        argument: what stands behind it, for messages.
        what: what it opens, for the list of models.
        opener: "module:function", called with (argument, settings, data_kind, label_names).
        extra: the extra that installs what it needs; "" for none.
        options: the settings that it uses, beyond class_names, device and batch_size.
    """

    prefix: str
    argument: str
    what: str
    opener: str
    extra: str = ""
    options: frozenset[str] = frozenset()


FAMILIES = {
    family.prefix: family
    for family in (
        Family(
            "hf",
            "NAME-OR-FOLDER",
            "transformers: pictures, texts, recordings; an NLI model with --prompts: zero-shot texts",
            "confemb.classifiers.models.transformers_models:open_transformers",
            "hf",
            frozenset({"prompts"}),
        ),
        Family(
            "clip",
            "NAME-OR-FOLDER",
            "CLIP or SigLIP by transformers or open_clip: zero-shot pictures",
            "confemb.classifiers.models.clip_models:open_clip_model",
            "hf",
            frozenset({"prompts"}),
        ),
        Family(
            "timm",
            "NAME",
            "timm: pictures",
            "confemb.classifiers.models.timm_models:open_timm",
            "timm",
            frozenset({"checkpoint"}),
        ),
        Family(
            "onnx",
            "FILE",
            "an ONNX file",
            "confemb.classifiers.models.onnx_models:open_onnx",
            "onnx",
            frozenset({"scores", "preprocess"}),
        ),
        Family(
            "torch",
            "FILE.pt2",
            "an exported PyTorch program",
            "confemb.classifiers.models.exported_torch:open_exported",
            "torch",
            frozenset({"scores", "preprocess"}),
        ),
        Family(
            "keras",
            "FILE.keras",
            "a Keras 3 model",
            "confemb.classifiers.models.keras_models:open_keras",
            "keras",
            frozenset({"scores", "preprocess"}),
        ),
        Family(
            "sklearn",
            "FILE.skops",
            "a scikit-learn estimator",
            "confemb.classifiers.models.skops_models:open_skops",
            "skops",
            frozenset({"preprocess"}),
        ),
        Family(
            "python",
            "MODULE:NAME",
            "your own Python function or classifier",
            "confemb.classifiers.models.python_models:open_python",
            options=frozenset({"scores"}),
        ),
    )
}
OWN = "confemb.classifiers.models.own_models:open_own"
_HINTS = {
    "checkpoint": "--checkpoint",
    "prompts": "--prompts",
    "scores": "--scores",
    "preprocess": "--preprocess",
}


def open_model(
    name: str,
    settings: ModelSettings | None = None,
    *,
    data_kind: ItemKind | None = None,
    label_names: Sequence[str] = (),
) -> OpenedModel:
    """Open a model; its weights are loaded, nothing is scored.

    Args:
        name: `PREFIX:ARGUMENT` of one of `FAMILIES`; weights of ours (`resnet50:keras`); or an experiment whose
            network was trained by `confemb train`.
        settings: what it needs besides.
        data_kind: what the items to be scored are, for models that could take several kinds.
        label_names: the data's labels, the classes that a zero-shot model chooses from where no others are given.

    Raises:
        ConfembError: an unknown name, a missing library, a file that is broken or would run code, an option that the
            family does not take, items of a kind that the model does not take.
    """
    settings = settings or ModelSettings()
    prefix, colon, argument = name.partition(":")
    family = FAMILIES.get(prefix) if colon else None
    if family is not None and not argument:
        raise ConfembError(f"the model {name!r} lacks what to open: say {prefix}:{family.argument}.")
    _refuse_unused(name, settings, frozenset() if family is None else family.options)
    opener = _load(OWN if family is None else family.opener)
    model = opener(argument if family is not None else name, settings, data_kind, tuple(label_names))
    if data_kind is not None and data_kind not in model.takes:
        from confemb.classifiers.scoring_records import PLURALS

        raise ConfembError(
            f"the model {name!r} scores {' or '.join(PLURALS[kind] for kind in model.takes)}, and the data holds "
            f"{PLURALS[data_kind]}: choose another model or other data, or say what the data holds with --kind."
        )
    return model


def known_models() -> list[str]:
    """Return the names that models can have, for messages."""
    return [*(f"{family.prefix}:{family.argument}" for family in FAMILIES.values()), "resnet50:keras", "an experiment"]


def _load(opener: str) -> Callable[..., OpenedModel]:
    module, _, function = opener.partition(":")
    loaded: Callable[..., OpenedModel] = getattr(importlib.import_module(module), function)
    return loaded


def _refuse_unused(name: str, settings: ModelSettings, used: frozenset[str]) -> None:
    defaults = ModelSettings()
    for option, flag in _HINTS.items():
        if option not in used and getattr(settings, option) != getattr(defaults, option):
            raise ConfembError(f"the model {name!r} does not take {flag}: leave it out.")
