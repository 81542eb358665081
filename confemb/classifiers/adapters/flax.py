"""Flax NNX modules as classifiers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra

if TYPE_CHECKING:
    from flax import nnx


class FlaxClassifier:
    """A Flax NNX module: jit-compiled, in evaluation mode, the batch shared among all devices.

    A smaller batch is filled up to the largest one before it, so one compiled program serves all. The weights
    are those at the time the classifier is made; the module itself is not changed.

    Args:
        module: gives (n, K) scores.
        class_names: the K names its scores stand for, in their order.
        prepare: turns a batch, as an array, into the module's input (uint8 pictures into scaled floats); it is
            compiled with the module. None: the module's own `prepare`, as confemb's networks have one, or nothing.
        logits: whether the scores are logits; otherwise they are probabilities.
        mirror: average the scores of a picture (H, W, C) and of its mirror image.
        name: what it is called in results; by default the module's class.

    Raises:
        ConfembError: class names that are empty or stand twice; Flax is not installed.
    """

    def __init__(
        self,
        module: "nnx.Module",
        class_names: Sequence[str],
        *,
        prepare: Callable[[Any], Any] | None = None,
        logits: bool = True,
        mirror: bool = False,
        name: str | None = None,
    ) -> None:
        import_extra("flax", "train", what="Flax modules")
        from flax import nnx

        from confemb.networks.inference import Prepared, compiled_logits

        self.name = name or type(module).__name__
        self.class_names = tuple(check_class_names(class_names))
        self.logits = logits
        own = prepare is None and hasattr(module, "prepare")
        self._logits = compiled_logits(module if own else Prepared(module, prepare or _as_it_is), mirror=mirror)
        self._size = 0
        # As the weights are now: they are none of the later ones'.
        head = getattr(module, "head", None)
        self._class_weights = np.asarray(head.kernel[...]).T if isinstance(head, nnx.Linear) else None
        self._layers = tuple(getattr(module, "layers", ()))

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) float32 scores of n inputs."""
        return self._outputs(batch, None)

    def class_weights(self) -> np.ndarray:
        """Return (K, F) float32 the weights of the last layer, a row for each class, without the biases.

        Raises:
            ConfembError: the module has no `head`, an `nnx.Linear`, as confemb's networks have.
        """
        if self._class_weights is None:
            raise ConfembError(f"the classifier {self.name!r} has no last layer called `head`, an nnx.Linear.")
        return self._class_weights

    def features(self, batch: Any) -> np.ndarray:
        """Return (n, F) float32 what goes into the last layer for n inputs.

        Raises:
            ConfembError: the module has no `layers`, the names of its activations, of which the last goes into the
                last layer and which it returns as `module(inputs, layer=name)`, as confemb's networks do.
        """
        if not self._layers:
            raise ConfembError(f"the classifier {self.name!r} names no `layers` whose activations can be asked for.")
        return self._outputs(batch, self._layers[-1])

    def _outputs(self, batch: Any, layer: str | None) -> np.ndarray:
        values = np.asarray(batch)
        self._size = max(self._size, len(values))
        return self._logits(values, self._size, layer=layer)


def _as_it_is(batch: Any) -> Any:
    return batch
