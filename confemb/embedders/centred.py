"""What the embedders that look into a classifier share: their common part is taken out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class CentredVectors:
    """Class vectors of which a common part means nothing.

    Attributes:
        centre: subtract the mean over the classes.
    """

    deterministic: ClassVar[bool] = True

    centre: bool = True

    def centred(self, vectors: np.ndarray) -> np.ndarray:
        """Return (K, d) vectors without their mean over the K classes, or as they are where `centre` is off."""
        return vectors - vectors.mean(axis=0) if self.centre else vectors
