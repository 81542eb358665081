"""Any Python callable as a classifier."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from confemb.records.predictions import check_class_names


class CallableClassifier:
    """A function from a batch of inputs to scores.

    Args:
        function: turns n inputs, a slice of what is classified, into (n, K) scores.
        class_names: the K names its scores stand for, in their order.
        logits: whether the scores are logits; otherwise they are probabilities.
        name: what it is called in results.

    Raises:
        ConfembError: class names that are empty or stand twice.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        class_names: Sequence[str],
        *,
        logits: bool = False,
        name: str = "callable",
    ) -> None:
        self.name = name
        self.class_names = tuple(check_class_names(class_names))
        self.logits = logits
        self._function = function

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) scores of n inputs."""
        return np.asarray(self._function(batch))
