"""`timm:`: picture classifiers of PyTorch Image Models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.adapters.torch import to_numpy
from confemb.classifiers.fingerprints import folder_digest
from confemb.classifiers.models.torch_device import place_model
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.records.imagenet import imagenet_classes
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.files import sha256_file

BATCH = 32
LOCAL = "local-dir:"


def open_timm(
    name: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open a model of timm with its published weights, a folder's (`timm:FOLDER`), or those of a checkpoint.

    The classes are those given, the folder's `label_names`, or ImageNet's 1,000 where the model has as many. Pickled
    checkpoints are read as tensors only, never unpickled.

    Raises:
        ConfembError: timm is missing, an unknown model, weights that cannot be had or do not fit, unknown classes.
    """
    import_extra("torch", "timm", what="timm models")
    timm = import_extra("timm", "timm", what="timm models")
    torch = import_extra("torch", "timm", what="timm models")
    folder = Path(name.removeprefix(LOCAL)).expanduser()
    local = folder.is_dir()
    names = settings.class_names
    options: dict[str, Any] = {} if names is None else {"num_classes": len(names)}
    if settings.checkpoint is not None and not settings.checkpoint.is_file():
        raise ConfembError(f"there is no checkpoint {settings.checkpoint}: check the path.")
    if local and not any(folder.glob("*.safetensors")):
        raise ConfembError(f"{folder} has no weights as safetensors, the only ones that are read from a folder.")
    try:
        if settings.checkpoint is not None:
            model = timm.create_model(name, pretrained=False, checkpoint_path=str(settings.checkpoint), **options)
        else:
            model = timm.create_model(f"{LOCAL}{folder}" if local else name, pretrained=True, **options)
    except Exception as error:  # timm, torch and the hub raise errors of many kinds.
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfembError(
            f"the timm model {name!r} cannot be made ({type(error).__name__}: {said}): check its name "
            "(timm.list_models), the checkpoint and the connection."
        ) from error
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    names = names or _class_names(model, name)
    model, device, notes = place_model(model, settings.device)

    def forward(batch: Any) -> np.ndarray:
        with torch.inference_mode():
            return to_numpy(model(batch.to(device)))

    return OpenedModel(
        name=folder.resolve().name if local else name,
        class_names=names,
        logits=True,
        takes=("picture",),
        prepare=lambda pictures: torch.stack([transform(picture) for picture in pictures]),
        forward=forward,
        identity={"family": "timm", "name": folder.resolve().name if local else name}
        | _weights_of(model, settings.checkpoint, folder if local else None),
        batch_size=settings.batch_size or BATCH,
        device=device,
        notes=notes,
    )


def _weights_of(model: Any, checkpoint: Path | None, folder: Path | None) -> dict[str, str]:
    """Return which weights a model has: the hash of its checkpoint or folder, or where they are published."""
    if checkpoint is not None:
        return {"sha256": sha256_file(checkpoint)}
    if folder is not None:
        return {"sha256": folder_digest(folder)}
    published = model.pretrained_cfg or {}
    return {"weights": str(published.get("hf_hub_id") or published.get("url"))}


def _class_names(model: Any, name: str) -> tuple[str, ...]:
    from confemb.networks.pretrained.hugging_face import _class_names as unique_names

    described = (model.pretrained_cfg or {}).get("label_names")
    if described:
        return unique_names([str(label) for label in described])
    if model.num_classes == 1000:
        return tuple(c.name for c in imagenet_classes())
    raise ConfembError(
        f"the timm model {name!r} has {model.num_classes} classes without names: give the names in the order of its "
        "outputs with --classes FILE."
    )
