"""The handwritten digits that ship inside scikit-learn: nothing is downloaded."""

from typing import ClassVar

import numpy as np

from confemb.datasets import Dataset
from confemb.datasets.cache import fingerprint
from confemb.support.errors import unknown_name
from confemb.support.progress import Progress

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_EVERY = 5


class Digits:
    """1,797 grey pictures of 8 x 8 (Alpaydin and Kaynak 1998, the test part of UCI's "optdigits").

    The grey values 0..16 become uint8 by round(value * 255 / 16), so that 0 stays 0 and 16 is 255. Every 5th picture
    of each class, the first included, is in `test` (364 pictures), the others in `train` (1,433). A picture's id tells
    its row in scikit-learn's array, "digits_00042".
    """

    name = "digits"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def fetch(self, progress: Progress | None = None) -> None:
        """Do nothing: the pictures are there already."""

    def load(self, split: str) -> Dataset:
        """Return one part; raises ConfembError for an unknown one."""
        from sklearn.datasets import load_digits

        if split not in self.splits:
            raise unknown_name("split", split, self.splits, where=self.name)
        digits = load_digits()
        labels = digits.target.astype(np.int32)
        # Which one of its class each picture is: 0, 1, 2 ...
        place = np.empty(len(labels), dtype=np.int64)
        for label in range(len(CLASS_NAMES)):
            of_class = np.flatnonzero(labels == label)
            place[of_class] = np.arange(len(of_class))
        rows = np.flatnonzero((place % TEST_EVERY == 0) == (split == "test"))
        images = np.rint(digits.images[rows] * (255 / 16)).astype(np.uint8)[:, :, :, None]
        ids = np.array([f"digits_{row:05d}" for row in rows])
        return Dataset(
            images,
            labels[rows],
            CLASS_NAMES,
            ids,
            name=self.name,
            split=split,
            fingerprint=fingerprint(images, labels[rows], CLASS_NAMES),
        )
