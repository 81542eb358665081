"""What wants an accelerator, in one go: CIFAR-10 to 94 %, many networks trained at once, ResNet-50 in bfloat16.

    python experiments/benchmarks/accelerator.py [--seeds 20] [--networks 100] [--batch 256] [--rounds 20]
    python experiments/benchmarks/accelerator.py --smoke --out FOLDER    # tiny, on a CPU too: does it run through?

NOT YET RUN ON AN ACCELERATOR: no figure of it is measured, nor that all of it takes less than the 8 minutes it is meant
to. It needs JAX for the accelerator (on NVIDIA `pip install "jax[cuda12]"`); the third part PyTorch for the same one,
and is left out without it.

* `accelerator_cifar10.csv`: the experiment cifar10_94 from one seed after the other, by the compiled epochs of
  `networks.training.loop`. Pictures and labels lie on the device as bytes, each network's fresh weights and whitening
  too ("preparing", on the host, is separate); time runs from there to the trained weights. Accuracy is on the test
  pictures, the mean of each picture and its mirror image, in float32. Published: airbench94 needs 2.6 s on one A100.
* `accelerator_retraining.csv`: the networks of retraining_cifar10, one after the other and all at once
  (`confemb retrain --together`). Both are timed over one epoch after that in which they are compiled, and told for the
  whole training of all networks.
* `accelerator_resnet50.csv`: ResNet-50 in bfloat16 with its input on the device, from there to the logits on the host,
  in turns with PyTorch's (torchvision's where it is installed, else the same network from the tests), eager and
  compiled.
"""

import os

# PyTorch shares the device.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx
from ratios import REPORT, in_turns, publish

from confemb.datasets import Dataset, open_dataset
from confemb.networks import Network, make_network
from confemb.networks.convolution import fold_batch_norm
from confemb.networks.inference import batched_logits
from confemb.networks.training.loop import batch_size_of, begin, epoch_rows, make_step, put_back, start
from confemb.networks.training.options import TrainingOptions
from confemb.networks.training.together import rows_together, start_together
from confemb.pipeline.experiment import Experiment, load_experiment

GOAL = 0.94


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        seeds: trainings of cifar10_94.
        networks: those trained at once.
        batch, side: pictures at a time for ResNet-50, and their side in pixels.
        rounds: how often ResNet-50 is timed.
        changes: what differs from the experiments.
    """

    seeds: int = 20
    networks: int = 100
    batch: int = 256
    side: int = 224
    rounds: int = 20
    changes: tuple[str, ...] = ()


SMOKE = Sizes(
    seeds=2,
    networks=2,
    batch=2,
    side=64,
    rounds=1,
    changes=(
        'dataset.name="digits"',
        "classifier.widths=[8,16]",
        "classifier.norm_group=32",
        "classifier.mirror=false",
        "training.epochs=2",
        "training.batch_size=64",
        "training.learning_rate=0.1",
        'report.groups={"few"=["zero"]}',
        "report.reference=[]",
    ),
)


def load(name: str, sizes: Sizes) -> tuple[Experiment, TrainingOptions, Dataset, Dataset]:
    """Return an experiment, how it trains (in bfloat16), its training pictures and its test pictures."""
    experiment = load_experiment(name, list(sizes.changes))
    assert experiment.training is not None
    source = open_dataset(experiment.dataset.name)
    source.fetch()
    settings = experiment.training.model_copy(update={"dtype": "bfloat16"})
    return experiment, settings, source.load("train"), source.load("test")


def fresh(experiment: Experiment, training: Dataset, seed: int) -> Network:
    """Return the experiment's network with the weights of a seed."""
    shape = training.images.shape[1:]
    options = experiment.classifier.options
    return make_network(experiment.classifier.name, shape, len(training.class_names), seed=seed, options=options)


def to_94(sizes: Sizes) -> pd.DataFrame:
    """Train cifar10_94 from each seed, the same compiled epoch for all; return one row of what that took and gave."""
    experiment, settings, training, test = load("cifar10_94", sizes)
    images, labels = jax.device_put((training.images, training.labels), jax.devices()[0])
    batch_size = batch_size_of(settings, training)
    epoch = None
    compiling, measured = 0.0, []
    for seed in range(sizes.seeds):
        started = time.perf_counter()
        network = fresh(experiment, training, seed)
        graph, optimiser, begun = begin(network, training, settings)
        state, totals = jax.device_put((begun, np.zeros(2, np.float32)), jax.devices()[0])
        jax.block_until_ready(state)
        prepared = time.perf_counter()
        orders = [
            epoch_rows(len(training), batch_size, seed=seed, epoch=number) for number in range(1, settings.epochs + 1)
        ]
        if epoch is None:
            steps = make_step(graph, optimiser, settings, None)
            lowered = steps.lower(state, totals, images, labels, orders[0], np.uint32(seed))
            epoch = lowered.compile()
            compiling = time.perf_counter() - prepared
            # The first call loads libraries; it gives its input away.
            warm = jax.device_put((begun, np.zeros(2, np.float32)), jax.devices()[0])
            jax.block_until_ready(epoch(*warm, images, labels, orders[0], np.uint32(seed)))
        timed = time.perf_counter()
        for order in orders:
            state, totals = epoch(state, totals, images, labels, order, np.uint32(seed))
        jax.block_until_ready(state)
        trained = time.perf_counter()
        put_back(network, state)
        logits = np.concatenate(list(batched_logits(network, test.images, mirror=True, batch_size=1000)))
        accuracy = float((logits.argmax(axis=1) == test.labels).mean())
        measured.append((trained - timed, accuracy, prepared - started, time.perf_counter() - trained))
        print(f"seed {seed}: {accuracy:.2%} after {trained - timed:.2f} s", file=sys.stderr, flush=True)
    seconds, accuracies, preparing, testing = np.array(measured).T
    return pd.DataFrame(
        [
            {
                "what": f"{experiment.dataset.name}, {settings.epochs} epochs",
                "seeds": sizes.seeds,
                "seconds": np.median(seconds),
                "least": seconds.min(),
                "most": seconds.max(),
                "compiling s": compiling,
                "preparing s": np.median(preparing),
                "testing s": np.median(testing),
                "accuracy, mean": accuracies.mean(),
                "lowest": accuracies.min(),
                "highest": accuracies.max(),
                f"share with {GOAL:.0%}": (accuracies >= GOAL).mean(),
            }
        ]
    )


def retraining(sizes: Sizes) -> pd.DataFrame:
    """Compare networks trained one after the other with all of them at once."""
    experiment, settings, training, _ = load("retraining_cifar10", sizes)
    seeds = range(sizes.networks)
    state, step, batch_size = start(fresh(experiment, training, 0), training, settings, seed=0)
    alone = epochs_timed(
        step, state, (2,), [epoch_rows(len(training), batch_size, seed=0, epoch=epoch) for epoch in (1, 2)]
    )
    networks = [fresh(experiment, training, seed) for seed in seeds]
    state, step, batch_size = start_together(networks, training, settings, seeds=seeds)
    orders = [rows_together(len(training), batch_size, seeds=seeds, epoch=epoch) for epoch in (1, 2)]
    together = epochs_timed(step, state, (sizes.networks, 2), orders)
    rows = []
    for what, (first, second), calls in (("one after the other", alone, sizes.networks), ("together", together, 1)):
        whole = second * settings.epochs * calls
        row = {"what": what, "networks": sizes.networks, "an epoch s": second, "compiling s": first - second}
        rows.append(row | {"all trained s": whole, "a network s": whole / sizes.networks})
    table = pd.DataFrame(rows)
    table["times as fast"] = table["all trained s"][0] / table["all trained s"]
    return table


def epochs_timed(
    step: Callable[..., tuple[object, jax.Array]], state: object, totals: tuple[int, ...], orders: list[np.ndarray]
) -> list[float]:
    """Return the seconds of each epoch; the first one's hold the compiling."""
    seconds = []
    for order in orders:
        started = time.perf_counter()
        state, sums = step(state, jnp.zeros(totals), order)
        assert np.isfinite(np.asarray(sums)).all()
        seconds.append(time.perf_counter() - started)
    return seconds


def resnet50(sizes: Sizes) -> pd.DataFrame:
    """Time ResNet-50 in turns with PyTorch's."""
    inputs = np.random.default_rng(0).normal(size=(sizes.batch, sizes.side, sizes.side, 3)).astype(np.float32)
    runs = torch_runs(inputs)
    network = make_network("resnet50", inputs.shape[1:], 1000, seed=0, options={})
    for label, variant in {"confemb": network, "confemb, folded": fold_batch_norm(network)}.items():
        graph, state = nnx.split(variant)
        state = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), state)
        logits = jax.jit(lambda state, x, graph=graph: nnx.merge(graph, state, copy=True)(x))
        placed = jax.device_put(jnp.asarray(inputs, jnp.bfloat16))
        runs[label] = lambda logits=logits, state=state, placed=placed: jax.device_get(logits(state, placed))
    peer = next(iter(runs))
    return in_turns(runs, peer=peer, rounds=sizes.rounds, work=sizes.batch).assign(batch=sizes.batch)


def torch_runs(inputs: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return what runs PyTorch's network once: compiled, which is the peer, and eager."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if find_spec("torchvision") is not None:
        from torchvision.models import resnet50 as published

        whose, network = "torchvision", published(weights=None)
    else:
        sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "networks"))
        from torch_networks import ResNet

        whose, network = "PyTorch", ResNet("resnet50", 1000)
    network = network.eval().to(device, torch.bfloat16, memory_format=torch.channels_last)
    images = torch.tensor(inputs).permute(0, 3, 1, 2).to(device, torch.bfloat16, memory_format=torch.channels_last)
    variants = {f"{whose} eager": network}
    if device == "cuda":
        variants = {f"{whose} compiled": torch.compile(network)} | variants

    def once(network: torch.nn.Module) -> object:
        with torch.inference_mode():
            found = network(images)
            return (found["logits"] if isinstance(found, dict) else found).float().cpu()

    return {label: lambda network=network: once(network) for label, network in variants.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("seeds", "networks", "batch", "rounds"):
        parser.add_argument(
            f"--{name}", type=int, default=getattr(Sizes, name), help=f"default: {getattr(Sizes, name)}"
        )
    parser.add_argument("--smoke", action="store_true", help="tiny sizes and the digits, to see that it runs through")
    parser.add_argument("--out", type=Path, help="the folder of the tables; default: reports/benchmarks")
    given = parser.parse_args()
    if given.smoke and given.out is None:
        parser.error("--smoke measures nothing: say with --out where its tables go")
    if not given.smoke and jax.default_backend() == "cpu":
        parser.error("JAX finds no accelerator here; --smoke --out FOLDER runs through on a CPU")
    sizes = SMOKE if given.smoke else Sizes(given.seeds, given.networks, given.batch, rounds=given.rounds)
    device = jax.devices()[0]
    parts = {"cifar10": to_94, "retraining": retraining, "resnet50": resnet50}
    if find_spec("torch") is None:
        print("PyTorch is not installed: ResNet-50 is left out", file=sys.stderr)
        del parts["resnet50"]
    for name, part in parts.items():
        table = part(sizes).assign(device=f"{jax.device_count()} x {device.device_kind}", backend=device.platform)
        publish(
            f"accelerator_{name}",
            f"{name}, {device.device_kind}",
            table,
            csv=(given.out or REPORT) / f"accelerator_{name}.csv",
        )


if __name__ == "__main__":
    main()
