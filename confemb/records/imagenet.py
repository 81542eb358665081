"""The 1,000 classes of ImageNet (ILSVRC 2012), in the order that every published network uses."""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImageNetClass:
    """One class.

    Attributes:
        index: 0 to 999, the logit's place.
        wnid: WordNet id, "n02123045", by which folders of pictures are named.
        name: readable and unique: the first word of its WordNet synset, told apart where two are alike.
        sense_key: its noun in WordNet, "tabby%1:05:01::"; the wnid is good for WordNet 3.0 only, this in 3.1 too.
    """

    index: int
    wnid: str
    name: str
    sense_key: str


@functools.cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """Return the 1,000 classes, in index order."""
    path = Path(__file__).with_name("imagenet_classes.csv")
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return tuple(ImageNetClass(int(row["index"]), row["wnid"], row["name"], row["sense_key"]) for row in rows)
