"""ImageNet networks with weights from elsewhere: all that belongs to the weights comes with them."""

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flax import nnx

from confemb.networks import WITH_WEIGHTS, make_network
from confemb.networks.preprocessing import Preprocessing
from confemb.networks.pretrained.checkpoint_readers import Checkpoint, read_checkpoint
from confemb.networks.pretrained.hugging_face import CONFIG, Description, describe_folder
from confemb.networks.pretrained.weight_names import Naming, find_naming
from confemb.networks.pretrained.weight_sources import PUBLISHED, fetch_weights, is_weights_name
from confemb.networks.pretrained.weights import fingerprint, fitted_state, named_shapes, save_weights
from confemb.records.imagenet import imagenet_classes
from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import is_there, parse_json
from confemb.support.progress import Progress

if TYPE_CHECKING:
    from confemb.networks.resnet import ResNet
    from confemb.networks.vgg import Vgg

# The one key of the metadata: safetensors keeps several in an order of chance.
METADATA = "confemb"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A network with its weights, and all that belongs to them.

    Attributes:
        network: gives logits over `class_names`; its `preprocessing` is that of the weights.
        classifier: the network's name.
        options: the network's own options that these weights need.
        class_names: the K class names, in the order of the logits.
        weights: where they came from: a published name, or a file's.
        sha256: over the weights as they stand in the network.
    """

    network: "ResNet | Vgg"
    classifier: str
    options: Mapping[str, Any]
    class_names: tuple[str, ...]
    weights: str
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        """Raise ConfembError for class names that are not unique or do not fit the network."""
        object.__setattr__(self, "class_names", tuple(check_class_names(self.class_names)))
        count = named_shapes(self.network)["head.bias"][0]
        if len(self.class_names) != count:
            raise ConfembError(
                f"the weights {self.weights} tell {count} classes apart, but there are {len(self.class_names)} names."
            )
        object.__setattr__(self, "sha256", fingerprint(self.network))


def load_pretrained(
    weights: str | os.PathLike[str],
    *,
    classifier: str | None = None,
    options: Mapping[str, Any] | None = None,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    cache_dir: str | None = None,
    progress: Progress | None = None,
) -> Pretrained:
    """Make a network with published or local weights.

    Args:
        weights: a published name ("resnet50:keras"), `hf:ORG/NAME`, or a file or folder that `read_checkpoint` reads.
        classifier: the network's name, one of `confemb.networks.WITH_WEIGHTS`; needed where the weights do not say.
        options: the network's own options, where they differ from those usual for weights under such names.
        preprocessing: the same for the preprocessing.
        class_names: the K class names; needed where the weights do not say, unless there are ImageNet's 1,000.
        cache_dir: the cache root, for published weights.
        progress: called with what is being fetched.

    Raises:
        ConfembError: weights that cannot be had or read, or that are another network's; the message says what differs.
    """
    where = os.fspath(weights)
    # What looks like a published name and is no file is one that was misspelt: fetching it says so.
    published = is_weights_name(where) or (":" in where and not is_there(where))
    path = fetch_weights(where, cache_dir=cache_dir, progress=progress) if published else Path(where)
    checkpoint = read_checkpoint(path)
    naming = find_naming(checkpoint.arrays)
    said = _description(where, path, checkpoint)
    name = classifier or said.classifier
    if name is None:
        raise ConfembError(
            f"the weights {where} do not say of which classifier they are: name it, for example resnet50 (--network "
            "resnet50; in an experiment classifier.name; in Python classifier='resnet50')."
        )
    if name not in WITH_WEIGHTS:
        raise unknown_name("classifier with weights", name, WITH_WEIGHTS)
    if said.classifier not in (None, name):
        raise ConfembError(f"the weights {where} are of the classifier {said.classifier!r}, not of {name!r}.")
    usual = dict(naming.options) if naming is not None else {}
    options = {**usual, **said.options, **(options or {})}
    preprocessing = preprocessing or said.preprocessing or _usual_preprocessing(naming, where)
    abstract = _abstract(name, _class_count(checkpoint, naming), options, preprocessing.crop)
    state = fitted_state(abstract, checkpoint, where=where, guess=lambda: _guess(checkpoint, naming, but=name))
    network = nnx.merge(nnx.graphdef(abstract), state)
    network.preprocessing = preprocessing
    names = class_names or said.class_names
    if names is None:
        names = [c.name for c in imagenet_classes()]
        if len(names) != named_shapes(network)["head.bias"][0]:
            raise ConfembError(f"the weights {where} are not of ImageNet's 1,000 classes: give the class names.")
    return Pretrained(network, name, options, tuple(names), where)


def save_pretrained(pretrained: Pretrained, path: str | os.PathLike[str]) -> None:
    """Write weights and all that belongs to them as one safetensors file, which `load_pretrained` reads by itself."""
    about = {
        "classifier": pretrained.classifier,
        "options": dict(pretrained.options),
        "preprocessing": pretrained.network.preprocessing.as_dict(),
        "class_names": list(pretrained.class_names),
    }
    text = json.dumps(about, sort_keys=True, ensure_ascii=False, allow_nan=False)
    save_weights(pretrained.network, path, metadata={METADATA: text})


def _description(where: str, path: Path, checkpoint: Checkpoint) -> Description:
    """Return what stands beside the tensors: in our metadata, a Hugging Face folder or the list of published ones."""
    if where in PUBLISHED:
        return Description(classifier=PUBLISHED[where].classifier)
    if path.is_dir() and (path / CONFIG).is_file():
        return describe_folder(path)
    if METADATA not in checkpoint.metadata:
        return Description()
    try:
        about = parse_json(checkpoint.metadata[METADATA], where=f"the metadata in {where}")
        options, names = dict(about["options"]), tuple(str(name) for name in about["class_names"])
        classifier, preprocessing = str(about["classifier"]), about["preprocessing"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfembError(f"the metadata in {where} is not what confemb writes ({error!r}).") from error
    return Description(classifier, options, Preprocessing.from_dict(preprocessing, where=where), names)


def _usual_preprocessing(naming: Naming | None, where: str) -> Preprocessing:
    if naming is None:
        raise ConfembError(f"the weights {where} do not say how pictures are prepared: give the preprocessing.")
    return naming.preprocessing()


def _class_count(checkpoint: Checkpoint, naming: Naming | None) -> int:
    name = "head.bias" if naming is None else naming.theirs("head.bias")
    bias = checkpoint.arrays.get(name or "")
    # Where it is missing, fitting will say so.
    return len(imagenet_classes()) if bias is None or bias.ndim != 1 else len(bias)


def _abstract(name: str, class_count: int, options: Mapping[str, Any], size: int = 224) -> Any:
    """Return the network with shapes in place of weights, so that none are drawn in vain."""
    return nnx.eval_shape(
        lambda: make_network(name, (size, size, 3), class_count, seed=0, options={**options, "input_size": size})
    )


@functools.cache
def _names(name: str, conv_bias: bool) -> frozenset[str]:
    """Return the names of a network's weights; cached, since it takes some tenths of a second."""
    return frozenset(named_shapes(_abstract(name, 1000, {"conv_bias": True} if conv_bias else {})))


def _guess(checkpoint: Checkpoint, naming: Naming | None, *, but: str) -> str:
    """Say which network has weights of just these names."""
    ignored = () if naming is None or naming.ignored is None else (f".{naming.ignored}",)
    found = {name for name in checkpoint.arrays if not name.endswith(ignored)}
    for name in WITH_WEIGHTS:
        for conv_bias in (False, True) if name.startswith("resnet") else (False,):
            theirs = {own if naming is None else naming.theirs(own) for own in _names(name, conv_bias)}
            if name != but and theirs == found:
                return f"a {name}, not of a {but}"
    return "another network"
