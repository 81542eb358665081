"""Training steps of the CNNs for small pictures: confemb beside PyTorch, channels last, in turns.

    python experiments/benchmarks/training.py [--rounds 5] [--steps 6]

Everyone does all that a step does (random changes of the pictures, gradient, optimiser, moving average, loss and
accuracy) with the batch and the settings of the experiments paper_cifar10, paper_cnn_cifar10 and fast_cifar10 (which
normalises over 64 pictures instead of 16), on all cores, and a turn is a few steps. Pictures are noise; speed does not
depend on them. PyTorch's networks are in torch_cnns.py: paper_cnn with PyTorch's local response normalisation, and with
one of ours that is twice as fast; the latter is the peer.

On CPUs confemb computes the gradient of 16 pictures at a time, on one core from beginning to end, as many at once as
there are cores, and adds them up in their order. What was tried, by CPU seconds on one core of an EPYC with AVX-512
that was busy with other work (paper_cnn, pictures a second; PyTorch did 1,214):

* 633: the whole step as one program, 16 pictures at a time within it, pooling and normalisation left to JAX;
* 1,298: parts of 16 as programs of their own; the pooling's gradient picked by the winner's place; the power of the
  local response normalisation from square roots; the first pooling before bias and rectifier.

By the pictures in a part (a simpler trial): 8, 1,383; 16, 1,472; 32, 1,399; 64, 1,195. With little effect (within 8 %,
as much as two measurements differ): 512-bit vectors, fast minima, fast math, oneDNN, another scheduler, an allocator
that keeps its memory. Slower: XLA's older emitter of fusions (-13 %).

Two such programs at once in XLA's one CPU client lose a fifth of their time: loops and library calls are cut for the
client's pool of threads, and wait there for the other program's. A gradient of fast_cnn took 12.9 ms alone and 16.5 ms
beside another; with a client for each core, compiled for one thread, 13.4 and 14.6 (paper_cnn: 9.4, 13.2; 9.6, 10.3).

Of fast_cnn's 13.4 ms, its 2x2 whitening took 1.1 (8 GFLOP/s; as a product of patches .1), and its other convolutions
9.4, at 130 to 250 GFLOP/s (a matrix product: 250). Winograd's F(2x2, 3x3) makes a layer's three convolutions faster
where there are channels enough (64 to 128 on 7x7: 1.67 to .67 ms, with the row and column left out that pooling drops;
32 to 64 on 15x15: 1.82 to 1.19) and slower where not (24 to 32 on 31x31: 3.6 to 4.8). The kernel's gradient as one
product of patches or as nine of shifted pictures was 20 to 100 % slower than as a convolution, with few channels.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import torch
from ratios import arguments, cores, in_turns, publish
from torch_cnns import FastCnn, PaperCnn, trainer

from confemb.datasets import Dataset
from confemb.networks import make_network
from confemb.networks.training.loop import start
from confemb.networks.training.options import TrainingOptions
from confemb.pipeline.experiment import load_experiment

PICTURES = 2560


def noise() -> Dataset:
    """Return as many pictures of noise, 32 x 32, of ten classes."""
    generator = np.random.default_rng(0)
    return Dataset(
        generator.integers(0, 256, (PICTURES, 32, 32, 3), dtype=np.uint8),
        generator.integers(0, 10, PICTURES).astype(np.int32),
        tuple("abcdefghij"),
        np.arange(PICTURES).astype(str),
        name="noise",
        split="train",
        fingerprint="",
    )


def rows(settings: TrainingOptions, steps: int) -> list[np.ndarray]:
    """Return the numbers of the pictures of each step."""
    order = np.random.default_rng(0).permutation(PICTURES).astype(np.int32)
    size = settings.batch_size
    return [order[i * size : (i + 1) * size] for i in range(steps)]


def jax_steps(name: str, options: dict[str, object], settings: TrainingOptions, steps: int) -> Callable[[], None]:
    """Return what does so many of confemb's steps."""
    state, step, _ = start(make_network(name, (32, 32, 3), 10, seed=0, options=options), noise(), settings, seed=0)
    kept = [state, jax.device_put(jnp.zeros(2), state.step.sharding)]

    def run() -> None:
        for batch in rows(settings, steps):
            kept[:] = step(*kept, batch[None])
        jax.block_until_ready(kept)

    return run


def torch_steps(network: torch.nn.Module, settings: TrainingOptions, steps: int) -> Callable[[], None]:
    """Return what does so many steps in PyTorch."""
    pictures = noise()
    images = torch.tensor(pictures.images).permute(0, 3, 1, 2)
    step = trainer(network, images, torch.tensor(pictures.labels).long(), settings)

    def run() -> None:
        for batch in rows(settings, steps):
            step(torch.tensor(batch).long())

    return run


def main() -> None:
    given = arguments(__doc__, rounds=5, steps=6)
    torch.set_num_threads(cores())
    tables = []
    for experiment in ("paper_cifar10", "paper_cnn_cifar10", "fast_cifar10"):
        section = load_experiment(experiment)
        name, options, settings = section.classifier.name, section.classifier.options, section.training
        if name == "paper_cnn":
            peers = {"PyTorch": PaperCnn(banded=True), "PyTorch, its own normalisation": PaperCnn(banded=False)}
        else:
            peers = {"PyTorch": FastCnn(tuple(options["widths"]))}
        runs = {label: torch_steps(network, settings, given.steps) for label, network in peers.items()}
        runs["confemb"] = jax_steps(name, options, settings, given.steps)
        table = in_turns(runs, peer="PyTorch", rounds=given.rounds, work=given.steps * settings.batch_size)
        tables.append(table.assign(network=f"{experiment}: {name}"))
    publish("training", "Training steps, pictures per second", together(tables), csv=given.csv)


def together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one table of all networks, with the network as its first column."""
    whole = pd.concat(tables, ignore_index=True)
    return whole[["network", *whole.columns.drop("network")]]


if __name__ == "__main__":
    main()
