"""Which pictures an experiment reads: its section [dataset]."""

from typing import Annotated

from pydantic import Field

from confemb.support.settings import PositiveInt, Section


class DatasetOptions(Section):
    """Which pictures: `name` from the registry (or `tfds:NAME`), its folder, and which splits do what.

    `train` is learned from and `test` measured on while training; `predict` are the splits whose pictures become
    pairs, all of them by default. Classes in `hold_out` are neither learned nor among the classifier's outputs, but
    their pictures are predicted too: to see what a classifier makes of a class it does not know.
    """

    name: str
    path: str | None = None
    image_size: PositiveInt | None = None
    crop: PositiveInt | None = None
    train: str = "train"
    test: str | None = "test"
    predict: Annotated[list[str], Field(min_length=1)] | None = None
    hold_out: Annotated[list[str], Field(min_length=1)] | None = None
