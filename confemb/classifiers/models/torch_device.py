"""Where PyTorch models compute."""

from typing import Any

from confemb.classifiers.adapters.torch import place
from confemb.support.extras import import_extra

UNTRIED = "confemb has not yet been tried on this kind of device: compare some items with the CPU (--device cpu)."


def place_model(model: Any, device: str) -> tuple[Any, str, tuple[str, ...]]:
    """Move a module to its device and into evaluation mode.

    Args:
        model: a `torch.nn.Module`.
        device: a name of PyTorch's, or "auto": CUDA or MPS where PyTorch sees one, else the CPU.

    Returns:
        The module, the device's name, and what the user should know of it.

    Raises:
        ConfembError: a device that cannot be used.
    """
    if device == "auto":
        device = best_device()
    placed = place(model, device)
    placed.eval()
    return placed, device, () if device == "cpu" else (f"computing on {device}: {UNTRIED}",)


def best_device() -> str:
    """Return "cuda", "mps" or "cpu", the first that PyTorch sees."""
    torch = import_extra("torch", "torch", what="PyTorch models")
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
