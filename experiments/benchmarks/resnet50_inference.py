"""ResNet-50 inference: confemb's network beside PyTorch's and ONNX Runtime's, in turns, on one machine.

    python experiments/benchmarks/resnet50_inference.py [--batch 16] [--rounds 10] [--threads N] [--csv FILE]

Needs the extra `torch`; ONNX Runtime takes part where `onnx` and `onnxruntime` are installed. Weights are random, speed
does not depend on them. On a CPU, PyTorch runs eagerly in float32, as it comes and with channels last, and ONNX Runtime
runs the same network, exported. On a GPU confemb and PyTorch run in bfloat16, PyTorch compiled as well.
Each round times everyone once; the best round counts, and the ratio is to PyTorch eager as it comes.

Found on a Xeon with AMX whose cores were busy with other work, which favours whoever waits less for threads; to the
pictures a second of PyTorch eager:

| | 1 core | 2 cores |
|---|---|---|
| PyTorch eager | 1.00 | 1.00 |
| PyTorch eager, channels last | 1.20 | 1.39 |
| confemb | 1.42 | 2.85 |
| confemb, folded | 1.45 | 2.88 |
"""

import argparse
import io
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import torch
from flax import nnx

from confemb.classifiers import make_network
from confemb.classifiers.convolution import fold_batch_norm
from confemb.files import write_text
from confemb.reporting.tables import frame_to_markdown

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "classifiers"))
from torch_networks import ResNet

SIZE = 224


def jax_runs(inputs: np.ndarray, dtype: jnp.dtype) -> dict[str, Callable[[], object]]:
    """Return what runs confemb's network once, with batch normalisations kept and folded."""
    network = make_network("resnet50", (SIZE, SIZE, 3), 1000, seed=0, options={})
    runs = {}
    for label, variant in {"confemb": network, "confemb, folded": fold_batch_norm(network)}.items():
        graph, state = nnx.split(variant)
        state = jax.tree.map(lambda leaf: leaf.astype(dtype), state)
        logits = jax.jit(lambda state, x, graph=graph: nnx.merge(graph, state, copy=True)(x))
        placed = jax.device_put(jnp.asarray(inputs, dtype))
        runs[label] = lambda logits=logits, state=state, placed=placed: logits(state, placed).block_until_ready()
    return runs


def torch_runs(inputs: np.ndarray, device: str) -> dict[str, Callable[[], object]]:
    """Return what runs PyTorch's network once, in the ways that its users do."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    images = torch.tensor(inputs).permute(0, 3, 1, 2).contiguous().to(device, dtype)
    network = ResNet("resnet50", 1000).eval().to(device, dtype)
    last = ResNet("resnet50", 1000).eval().to(device, dtype).to(memory_format=torch.channels_last)
    variants = {"PyTorch eager": (network, images)}
    variants["PyTorch eager, channels last"] = (last, images.to(memory_format=torch.channels_last))
    if device == "cuda":
        variants["PyTorch compiled, channels last"] = (torch.compile(last), variants["PyTorch eager, channels last"][1])

    def once(network: torch.nn.Module, x: torch.Tensor) -> None:
        with torch.inference_mode():
            network(x)["logits"].cpu()

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count(),
        help="of PyTorch and ONNX Runtime; JAX takes all cores",
    )
    parser.add_argument("--csv", type=Path, help="write the table there too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    gpu = jax.default_backend() == "gpu"
    inputs = np.random.default_rng(0).normal(size=(given.batch, SIZE, SIZE, 3)).astype(np.float32)
    runs = torch_runs(inputs, "cuda" if gpu else "cpu")
    runs |= {} if gpu else onnx_runs(inputs, given.threads)
    runs |= jax_runs(inputs, jnp.bfloat16 if gpu else jnp.float32)
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(given.rounds + 1):
        for label, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[label].append(time.perf_counter() - started)
    # The first round compiles.
    rates = {label: given.batch / min(each[1:]) for label, each in seconds.items()}
    table = pd.DataFrame(
        {
            "network": list(rates),
            "pictures/s, best round": list(rates.values()),
            "median round": [given.batch / float(np.median(each[1:])) for each in seconds.values()],
            "best to PyTorch eager's": [rate / rates["PyTorch eager"] for rate in rates.values()],
        }
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = jax.devices()[0].device_kind if gpu else f"CPU, {cores} cores, {given.threads} threads"
    print(f"{where}, batch {given.batch}, {given.rounds} rounds\n")
    print(frame_to_markdown(table))
    if given.csv is not None:
        facts = table.assign(device=where, batch=given.batch, rounds=given.rounds)
        write_text(given.csv, facts.to_csv(index=False, float_format="%.4g", lineterminator="\n"))


if __name__ == "__main__":
    main()
