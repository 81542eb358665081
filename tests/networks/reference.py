"""Networks with random weights that numpy draws alike on every machine, and what is kept of their activations.

`torch_networks.py` computes the activations by PyTorch and writes those kept to `reference_activations.json`.
"""

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ACTIVATIONS = Path(__file__).with_name("reference_activations.json")
CLASSES = 10
KEPT = 24


@dataclass(frozen=True)
class Case:
    """A network, its options, and the side of its input."""

    classifier: str
    options: dict = field(default_factory=dict)
    size: int = 64


V1 = {"stride_in_1x1": True, "conv_bias": True, "epsilon": 1e-3}
CASES = {
    "resnet18": Case("resnet18"),
    "resnet50": Case("resnet50"),
    "resnet50_v1": Case("resnet50", V1),
    "vgg16": Case("vgg16"),
}


def random_state_dict(shapes):
    """Draw PyTorch's tensors for the names and shapes given, each by its own name."""
    drawn = {}
    for name, shape in shapes.items():
        generator = np.random.default_rng([20, zlib.crc32(name.encode())])
        if name.endswith("running_var"):
            values = generator.uniform(0.5, 1.5, shape)
        elif name.endswith("weight") and len(shape) == 1:
            # Small enough that activations stay near 1 through 50 layers.
            values = generator.uniform(0.2, 0.7, shape)
        elif name.endswith("weight"):
            values = generator.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            values = generator.normal(size=shape) * 0.2
        drawn[name] = values.astype(np.float32)
    return drawn


def random_input(size):
    """Draw (2, size, size, 3) prepared pictures."""
    return np.random.default_rng(21).normal(size=(2, size, size, 3)).astype(np.float32)


def kept(array):
    """Return what is committed of (N, ...) activations: some values, evenly spread, and how all are distributed."""
    flat = np.asarray(array, dtype=np.float64).ravel()
    places = np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(int)
    return {
        "shape": list(np.shape(array)),
        "mean": float(f"{flat.mean():.7g}"),
        "deviation": float(f"{flat.std():.7g}"),
        "values": [float(f"{value:.7g}") for value in flat[places]],
    }
