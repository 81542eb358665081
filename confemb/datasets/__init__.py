"""Labelled pictures behind one small interface: named parts ("splits"), each a `Dataset`.

`open_dataset` makes a source by name: digits, CIFAR-10, a folder of pictures, any image-classification set of TFDS. A
source fetches and prepares its data into the user's cache (`cache`), from where it is memory-mapped.

May import: support, records.
Start reading at: `Dataset` and `open_dataset` here, then `digits`.
"""

import inspect
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from confemb.records.predictions import check_class_names, check_indices
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.progress import Progress
from confemb.support.registry import Registry

DATASETS = Registry(
    "dataset",
    "confemb.datasets",
    {
        "digits": "confemb.datasets.digits:Digits",
        "cifar10": "confemb.datasets.cifar10:Cifar10",
        "image_folder": "confemb.datasets.image_folder:ImageFolder",
        "tfds": "confemb.datasets.tfds_source:TfdsSource",
    },
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a dataset of pictures.

    Attributes:
        images: (N, H, W, C) uint8, often memory-mapped.
        labels: (N,) int32 indices into `class_names`.
        class_names: the K class names.
        ids: (N,) str, the pictures' ids or paths within the dataset.
        name: the dataset's name, "cifar10".
        split: which part this is, "train".
        fingerprint: SHA-256 (hex) over images, labels and class names.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    ids: np.ndarray
    name: str
    split: str
    fingerprint: str

    def __post_init__(self) -> None:
        """Raise ConfembError for shapes that do not fit or labels out of range."""
        object.__setattr__(self, "class_names", tuple(check_class_names(self.class_names)))
        object.__setattr__(self, "labels", check_indices(self.labels, len(self.class_names), what="label"))
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ConfembError(
                f"images of {self.name} have shape {self.images.shape} and type {self.images.dtype}; "
                "they must be (N, height, width, channels) of uint8."
            )
        if not len(self.images) == len(self.labels) == len(self.ids):
            raise ConfembError(
                f"{self.name} has {len(self.images)} images, {len(self.labels)} labels and {len(self.ids)} ids; "
                "there must be as many of each."
            )

    def __len__(self) -> int:
        """The number of pictures, N."""
        return len(self.labels)


class DatasetSource(Protocol):
    """Where a dataset comes from.

    Attributes:
        name: the dataset's name.
        splits: the names of its parts.
    """

    name: str
    splits: tuple[str, ...]

    def fetch(self, progress: Progress | None = None) -> None:
        """Get and prepare everything, so that `load` needs no network; does nothing when it is there."""
        ...

    def load(self, split: str) -> Dataset:
        """Return one part, fetching it first where needed; raises ConfembError for an unknown one."""
        ...


def is_dataset_name(name: str) -> bool:
    """Tell a dataset's name, as `cifar10` or `tfds:NAME`, from others; what follows a colon is not looked at."""
    return name.partition(":")[0] in DATASETS.names()


def open_dataset(
    name: str,
    *,
    path: str | None = None,
    image_size: int | None = None,
    crop: int | None = None,
    cache_dir: str | None = None,
) -> DatasetSource:
    """Return the source of a dataset; nothing is fetched yet.

    Args:
        name: a name of the registry `DATASETS`, or `tfds:NAME` for any image-classification set of TFDS.
        path: for `image_folder` the folder; for `cifar10` and `tfds:NAME` a TFDS data_dir to look in first.
        image_size: pictures are resized to this many pixels a side, for `image_folder` and `tfds:NAME`.
        crop: then their centre of this many pixels is cut out, of `image_size` by default.
        cache_dir: where prepared data lies (default: $CONFEMB_CACHE, else the user's cache folder, on Linux
            ~/.cache/confemb); a dataset that prepares nothing has no use for it.

    Raises:
        ConfembError: an unknown dataset, an option that it does not take, or one that it needs and was not given.
    """
    kind, colon, rest = name.partition(":")
    if kind == "tfds" and not rest:
        raise ConfembError("the dataset 'tfds' needs a name: say 'tfds:NAME', for example 'tfds:mnist'.")
    if colon and kind != "tfds":
        raise unknown_name("dataset", name, DATASETS.names())
    factory = DATASETS.get(kind)
    parameters = inspect.signature(factory).parameters
    given = {"path": path, "image_size": image_size, "crop": crop, "cache_dir": cache_dir}
    for option in ("path", "image_size", "crop"):
        if given[option] is not None and option not in parameters:
            raise ConfembError(f"the dataset {name!r} does not take the option {option}: leave it out.")
        if given[option] is None and option in parameters and parameters[option].default is inspect.Parameter.empty:
            raise ConfembError(f"the dataset {name!r} needs the option {option}: give it.")
    if image_size is not None and image_size < 1:
        raise ConfembError(f"image_size is {image_size}; it must be at least 1 pixel.")
    if crop is not None and not (image_size is not None and 1 <= crop <= image_size):
        raise ConfembError(f"crop is {crop} with image_size {image_size}; it must be from 1 to image_size.")
    options = {option: value for option, value in given.items() if value is not None and option in parameters}
    source: DatasetSource = factory(rest, **options) if colon else factory(**options)
    return source
