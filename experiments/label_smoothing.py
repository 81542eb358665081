"""Do labels smoothed along the similarity of the classes make a network's mistakes milder? CIFAR-10, several seeds.

Three trainings from each seed differ in their labels alone: as they are, smoothed by 0.1 over all classes, and smoothed
by the same share along a similarity. That similarity is learned beforehand: a network of another seed is trained on
three quarters of the training pictures and predicts the rest, of which its three most probable classes are embedded
(`diffusion`, the default). The test pictures are used for nothing but the tables.

    confemb fetch cifar10; confemb fetch cifar10h; confemb fetch wordnet
    nice python experiments/label_smoothing.py --work FOLDER --seeds 5

A stopped run goes on where it was. The networks are small (`--widths 16 32 64`) and trained for two epochs.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import confemb
from confemb.datasets import open_dataset
from confemb.embedders import make_pair_embedder
from confemb.networks import make_network
from confemb.networks.inference import batched_logits
from confemb.networks.training.loop import train
from confemb.pipeline.experiment import Experiment, load_experiment
from confemb.pipeline.run import run_experiment
from confemb.records.pairs import count_pairs
from confemb.records.predictions import predictions_from_scores
from confemb.references import open_reference
from confemb.reporting.study import Section, Study, write_study
from confemb.reporting.tables import frame_table
from confemb.studies.severity import mistake_severity, severities
from confemb.support.errors import ConfembError
from confemb.support.manifest import study_manifest
from confemb.support.progress import Display

SHARE = 0.1
ARMS = {
    "labels as they are": {"label_smoothing": 0.0},
    "uniform smoothing": {"label_smoothing": SHARE},
    "smoothing along the similarity": {"label_smoothing": "similarity", "smoothing_share": SHARE},
}
# Of the network whose similarity the labels are smoothed along; none of the networks compared has it.
OTHER_SEED = 1000
SIMILARITY = "similarity.csv"
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def small(experiment: Experiment, seed: int, widths: list[int], training: dict[str, Any]) -> Experiment:
    """Return the experiment with a small network, all probabilities of the test pictures kept."""
    dumped = experiment.model_dump(exclude_none=True)
    dumped["seed"] = seed
    dumped["classifier"]["widths"] = widths
    dumped["training"] |= training
    dumped["prediction"] = {"k": 10}
    dumped["dataset"] |= {"predict": ["test"]}
    dumped["report"]["examples"] = 0
    return Experiment.model_validate(dumped)


def learned_similarity(experiment: Experiment, work: Path) -> Path:
    """Return the CSV of similarities that the labels are smoothed along, made from training pictures alone."""
    path = work / SIMILARITY
    if path.is_file():
        return path
    whole = open_dataset("cifar10").load("train")
    order = np.random.default_rng(OTHER_SEED).permutation(len(whole))
    part, rest = (
        replace(whole, images=whole.images[rows], labels=whole.labels[rows], ids=whole.ids[rows])
        for rows in map(np.sort, np.split(order, [len(whole) * 3 // 4]))
    )
    network = make_network(
        experiment.classifier.name, (32, 32, 3), 10, seed=OTHER_SEED, options=experiment.classifier.options
    )
    assert experiment.training is not None
    train(network, part, None, experiment.training, seed=OTHER_SEED, checkpoint_folder=work / "other")
    logits = np.concatenate(list(batched_logits(network, rest.images)))
    counts = count_pairs(predictions_from_scores(logits, rest.labels, rest.class_names, k=3, logits=True), k=3)
    make_pair_embedder("diffusion", {}).embed(counts).cosine().save_matrix(path)
    return path


def folder_of(work: Path, arm: str, seed: int) -> Path:
    """Return the result folder of one training."""
    return work / arm.replace(" ", "_") / f"seed_{seed}"


def train_all(work: Path, seeds: int, widths: list[int], epochs: int) -> None:
    """Train every network that is not there yet, seed by seed, so that a stopped run has whole comparisons."""
    base = load_experiment("paper_cifar10")
    path = learned_similarity(small(base, OTHER_SEED, widths, {"epochs": epochs}), work)
    display = Display()
    for seed in range(seeds):
        for arm, settings in ARMS.items():
            along = {"smoothing_similarity": str(path)} if settings["label_smoothing"] == "similarity" else {}
            run_experiment(
                small(base, seed, widths, {"epochs": epochs} | settings | along),
                folder_of(work, arm, seed),
                until="predict",
                display=display,
            )
            print(f"{arm}, seed {seed}: {accuracy(work, arm, seed):.4f}", flush=True)


def accuracy(work: Path, arm: str, seed: int) -> float:
    return confemb.load_predictions(folder_of(work, arm, seed) / "predictions.parquet").accuracy


def severities_by() -> dict[str, np.ndarray]:
    """Return what mistakes are judged by, none of it from these networks: people's votes and WordNet, as ranks."""
    found = {}
    for name, reference in (("people", "cifar10h"), ("WordNet", "wordnet:wup")):
        matrix = open_reference(reference).similarity(CIFAR10)
        found[name] = severities(matrix.restricted_to(CIFAR10), "rank")
    return found


def measured(work: Path, seeds: int) -> pd.DataFrame:
    """Return a row for each network: arm, seed, accuracy, and the mean severity of its mistakes by each measure."""
    rows = []
    judges = severities_by()
    for seed in range(seeds):
        for arm in ARMS:
            path = folder_of(work, arm, seed) / "predictions.parquet"
            if not path.is_file():
                continue
            found = confemb.load_predictions(path, class_names=CIFAR10)
            row = {"labels": arm, "seed": seed, "accuracy": found.accuracy}
            for name, severity in judges.items():
                row[f"severity ({name})"] = mistake_severity(found, severity, CIFAR10, replicates=2).mean
            rows.append(row)
    return pd.DataFrame(rows)


def differences(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how each smoothing differs from labels as they are, seed by seed: mean and 95 % interval (Student's t)."""
    from scipy.stats import t

    plain, *others = ARMS
    base = frame[frame["labels"] == plain].set_index("seed")
    rows = []
    for arm in others:
        own = frame[frame["labels"] == arm].set_index("seed")
        for measure in [name for name in frame.columns if name not in ("labels", "seed")]:
            change = (own[measure] - base[measure]).dropna()
            half = float(t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change)))
            mean = float(change.mean())
            rows.append(
                {
                    "labels": arm,
                    "measure": measure,
                    "seeds": len(change),
                    "difference": mean,
                    "low": mean - half,
                    "high": mean + half,
                }
            )
    return pd.DataFrame(rows)


def study_of(work: Path, seeds: int, widths: list[int], epochs: int) -> Study:
    frame = measured(work, seeds)
    changes = differences(frame)
    means = frame.drop(columns="seed").groupby("labels", sort=False).mean().reset_index()
    return Study(
        title="Labels smoothed along the similarity of the classes",
        description=f"CIFAR-10, networks of widths {widths}, {epochs} epochs, {seeds} seeds.",
        findings=[
            f"{row['labels']}, {row['measure']}: {row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] from "
            f"labels as they are, over {row['seeds']} seeds."
            for row in changes.to_dict("records")
        ],
        sections=[
            Section(
                "Accuracy and severity of mistakes on the test pictures",
                "Severity: the share of pairs of classes that are more alike than the two mixed up, by people's votes "
                "(CIFAR-10H) or WordNet, the mean over the mistakes.",
                tables=[
                    frame_table("Means over the seeds", means, digits=4),
                    frame_table("Less labels as they are, seed by seed", changes, digits=4),
                ],
            )
        ],
        data={"networks.csv": frame, "differences.csv": changes},
        manifest=study_manifest(seeds=seeds, widths=widths, epochs=epochs, share=SHARE),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where the trained networks are kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("reports/label_smoothing"))
    given = parser.parse_args()
    try:
        train_all(given.work, given.seeds, given.widths, given.epochs)
        print(write_study(study_of(given.work, given.seeds, given.widths, given.epochs), given.out))
    except ConfembError as error:
        raise SystemExit(f"label_smoothing: {error}") from error


if __name__ == "__main__":
    main()
