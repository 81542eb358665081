"""ResNet-50 inference: confemb's network beside PyTorch's and ONNX Runtime's, in turns, on one machine.

    python experiments/benchmarks/resnet50_inference.py [--batch 16] [--rounds 5] [--threads N] [--csv FILE]

Needs the extra `torch`; ONNX Runtime takes part where `onnx` and `onnxruntime` are installed. Weights are random, speed
does not depend on them. PyTorch runs eagerly in float32, as it comes and with channels last, and ONNX Runtime runs the
same network, exported. confemb's is the product's own path, `FlaxClassifier`, which folds the normalisations and
computes a picture at a time on each core. The ratio is to PyTorch eager as it comes. For GPUs: accelerator.py.
"""

import io
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from ratios import arguments, cores, in_turns, publish

from confemb.classifiers.adapters.flax import FlaxClassifier
from confemb.networks import make_network

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "networks"))
from torch_networks import ResNet

SIZE = 224


def confemb_runs(inputs: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return what runs confemb's network once."""
    network = make_network("resnet50", (SIZE, SIZE, 3), 1000, seed=0, options={})
    classifier = FlaxClassifier(network, [f"class {i}" for i in range(1000)], prepare=lambda batch: batch)
    return {"confemb": lambda: classifier.scores(inputs)}


def torch_runs(inputs: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return what runs PyTorch's network once, in the ways that its users do."""
    images = torch.tensor(inputs).permute(0, 3, 1, 2).contiguous()
    network = ResNet("resnet50", 1000).eval()
    last = ResNet("resnet50", 1000).eval().to(memory_format=torch.channels_last)
    variants = {
        "PyTorch eager": (network, images),
        "PyTorch eager, channels last": (last, images.to(memory_format=torch.channels_last)),
    }

    def once(network: torch.nn.Module, x: torch.Tensor) -> None:
        with torch.inference_mode():
            network(x)["logits"].numpy()

    return {label: lambda pair=pair: once(*pair) for label, pair in variants.items()}


class LogitsOnly(torch.nn.Module):
    """The network with its logits as the only output, as an ONNX file has it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)["logits"]


def onnx_runs(inputs: np.ndarray, threads: int) -> dict[str, Callable[[], object]]:
    """Return what runs PyTorch's network once in ONNX Runtime on the CPU; nothing where that is not installed."""
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        return {}
    import onnxruntime

    images = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that takes the place of this one needs another package; the file is the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            LogitsOnly(ResNet("resnet50", 1000).eval()), (torch.tensor(images),), file, input_names=["x"], dynamo=False
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return {"ONNX Runtime": lambda: session.run(None, {"x": images})}


def main() -> None:
    given = arguments(__doc__, batch=16, rounds=5, threads=cores())
    torch.set_num_threads(given.threads)
    inputs = np.random.default_rng(0).normal(size=(given.batch, SIZE, SIZE, 3)).astype(np.float32)
    runs = torch_runs(inputs) | onnx_runs(inputs, given.threads) | confemb_runs(inputs)
    table = in_turns(runs, peer="PyTorch eager", rounds=given.rounds, work=given.batch)
    if "ONNX Runtime" in runs:
        seconds = table.set_index("what")["seconds"]
        table["times as fast as ONNX Runtime"] = (seconds["ONNX Runtime"] / seconds).to_numpy()
    publish("resnet50", f"ResNet-50, batch {given.batch}, pictures per second", table, csv=given.csv)


if __name__ == "__main__":
    main()
