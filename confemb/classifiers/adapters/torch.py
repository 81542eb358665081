"""PyTorch modules as classifiers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra


class TorchClassifier:
    """A PyTorch module, run in evaluation and inference mode; each part's own mode is restored afterwards.

    Args:
        module: gives (n, K) scores as one tensor.
        class_names: the K names its scores stand for, in their order.
        prepare: turns a batch, as it is given, into the module's input, a tensor or an array: pictures (n, H, W, C)
            of uint8 into scaled floats (n, C, H, W), for example. By default the batch becomes a tensor as it is.
        logits: whether the scores are logits; otherwise they are probabilities.
        device: "cuda", "cuda:1", "mps", "cpu": the module is moved there. None: where its parameters are.
        name: what it is called in results; by default the module's class.

    Raises:
        ConfembError: torch is not installed, or class names that are empty or stand twice.
    """

    def __init__(
        self,
        module: Any,
        class_names: Sequence[str],
        *,
        prepare: Callable[[Any], Any] | None = None,
        logits: bool = True,
        device: str | None = None,
        name: str | None = None,
    ) -> None:
        self._torch = import_extra("torch", "torch", what="PyTorch modules")
        self.name = name or type(module).__name__
        self.class_names = tuple(check_class_names(class_names))
        self.logits = logits
        self._module = place(module, device)
        self._prepare = prepare

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) float32 scores of n inputs.

        Raises:
            ConfembError: the module takes another type than the batch's, or gives something other than one tensor.
        """
        values = batch if self._prepare is None else self._prepare(batch)
        if not isinstance(values, self._torch.Tensor):
            # A copy: a memory-map is read-only, which tensors cannot be.
            values = self._torch.tensor(np.asarray(values))
        own = next((p.dtype for p in self._module.parameters() if p.is_floating_point()), None)
        if own is not None and values.is_floating_point():
            # NumPy's floats are doubles, a module's seldom.
            values = values.to(own)
        try:
            with evaluating(self._module):
                scores = self._module(values.to(device_of(self._module)))
        except RuntimeError as error:
            if "type" not in str(error) and "not implemented for" not in str(error):
                raise
            reason = str(error).strip().splitlines()[0]
            raise ConfembError(
                f"the module {self.name} fails on a batch of {tuple(values.shape)} {values.dtype} ({reason}): turn the "
                "batch into its input with prepare."
            ) from error
        if not isinstance(scores, self._torch.Tensor):
            raise ConfembError(
                f"the module {self.name} gives {type(scores).__name__}, not a tensor: wrap it in a module that "
                "returns the scores alone."
            )
        return to_numpy(scores)


def place(module: Any, device: str | None) -> Any:
    """Return the module, moved to `device` where one is named; raises ConfembError for one that is not there."""
    if device is None:
        return module
    try:
        return module.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfembError(f"the device {device!r} cannot be used: {str(error).splitlines()[0]}.") from error


def device_of(module: Any) -> Any:
    """Return the device of a module's parameters; the CPU for one without any."""
    first = next(module.parameters(), None)
    return "cpu" if first is None else first.device


def to_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor of any float type and device as a float32 array."""
    return np.asarray(tensor.detach().float().cpu().numpy())


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Put a module into evaluation mode, without gradients, and each of its parts back into its own mode."""
    torch = import_extra("torch", "torch", what="PyTorch modules")
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for part, training in modes:
            part.training = training
