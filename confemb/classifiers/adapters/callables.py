"""Any Python callable as a classifier."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from confemb.records.foreign_arrays import in_order_of, named_array
from confemb.records.predictions import check_class_names


class CallableClassifier:
    """A function from a batch of inputs to scores.

    Args:
        function: turns n inputs, a slice of what is classified, into (n, K) scores, of any library; a data frame's
            columns are matched with the class names.
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
        """Return (n, K) scores of n inputs.

        Raises:
            ConfembError: a data frame whose columns are called otherwise than the classes.
        """
        what = f"the scores of {self.name!r}"
        return in_order_of(named_array(self._function(batch), what), self.class_names, what)
