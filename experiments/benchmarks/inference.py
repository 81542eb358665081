"""Predicting with the CNNs for small pictures: confemb beside PyTorch, channels last, in turns.

    python experiments/benchmarks/inference.py [--rounds 7] [--batches 2]

From pictures of bytes (noise) to logits in the computer's memory, 256 at a time, on all cores. The networks are those
of training.py.
"""

from collections.abc import Callable

import numpy as np
import torch
from ratios import arguments, cores, in_turns, publish
from torch_cnns import FastCnn, PaperCnn
from training import noise, together

from confemb.networks import make_network
from confemb.networks.inference import BATCH_SIZE, compiled_logits


def torch_predicts(network: torch.nn.Module, images: np.ndarray) -> Callable[[], object]:
    """Return what computes the logits of the pictures in PyTorch."""
    network.eval().to(memory_format=torch.channels_last)
    batches = torch.tensor(images).permute(0, 3, 1, 2).split(BATCH_SIZE)

    @torch.inference_mode()
    def run() -> list[np.ndarray]:
        return [network(network.prepare(batch)).numpy() for batch in batches]

    return run


def confemb_predicts(name: str, images: np.ndarray) -> Callable[[], object]:
    """Return what computes the logits of the pictures in confemb."""
    logits = compiled_logits(make_network(name, (32, 32, 3), 10, seed=0, options={}))
    return lambda: [logits(images[i : i + BATCH_SIZE], BATCH_SIZE) for i in range(0, len(images), BATCH_SIZE)]


def main() -> None:
    given = arguments(__doc__, rounds=7, batches=2)
    torch.set_num_threads(cores())
    images = noise().images[: given.batches * BATCH_SIZE]
    tables = []
    for name, peers in {
        "paper_cnn": {"PyTorch": PaperCnn(banded=True), "PyTorch, its own normalisation": PaperCnn(banded=False)},
        "fast_cnn": {"PyTorch": FastCnn()},
    }.items():
        runs = {label: torch_predicts(network, images) for label, network in peers.items()}
        runs["confemb"] = confemb_predicts(name, images)
        tables.append(in_turns(runs, peer="PyTorch", rounds=given.rounds, work=len(images)).assign(network=name))
    publish("inference", "Predicting, pictures per second", together(tables), csv=given.csv)


if __name__ == "__main__":
    main()
