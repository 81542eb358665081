"""How alike 22 published classifiers see the classes of CIFAR-10, and what top-1 predictions alone can say of it.

Of each classifier only the most probable class of the 10,000 test pictures is known. Its similarities are the plain
ones: the symmetrised share of one class's pictures that are taken for the other. How far they can be trusted is
measured by halving the pictures; two classifiers are compared from one half of the pictures to the other, so that
they share no picture, and the noise is taken out (Spearman 1904). One more classifier, of which all probabilities are
known, shows what top-1 predictions leave out.

    python experiments/cifar10_classifiers.py --predictions cifar10_test_top1.npz \
        --probabilities cifar10_test_probs_label_errors.npy --people cifar10h-counts.npy

The first file holds `labels` (10000,) and under each classifier's name its classes (10000,), from the CIFAR-10.1
repository (Recht et al. 2018); the second (10000, 10) cross-validated probabilities of one network, from the
label-errors repository (Northcutt et al. 2021); the third the votes of people, (10000, 10), from CIFAR-10H (Peterson
et al. 2019). All are in the test set's own order. A minute on one CPU core.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import confemb
from confemb.records.options import PairOptions
from confemb.records.similarity import agreement
from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.style import FAINT, group_colour, new_figure
from confemb.reporting.tables import frame_table, number
from confemb.result.model_files import load_many
from confemb.stats.seeds import rank_correlations, summarise_runs
from confemb.studies.models import counts_measure, split_halves
from confemb.studies.models_report import compare_models, models_study
from confemb.support.files import read_bytes, sha256_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FAMILIES = {
    "ResNet": ("resnet_basic", "resnet_preact"),
    "wide ResNet": ("wide_resnet", "wrn"),
    "ResNeXt": ("resnext",),
    "Shake": ("shake",),
    "random features": ("random_features",),
}
SPLITS, SEEDS = 50, 4
PICTURES = (250, 500, 1000, 2000, 5000)
# What can be read from the probabilities: name -> (k, weighting).
READINGS = {"top-1 counts": (1, "count"), "top-3 counts": (3, "count"), "probabilities": (10, "probability")}


def families(classifiers: tuple[str, ...]) -> dict[str, list[str]]:
    """Return family -> its classifiers; families without any are left out."""
    found = {family: [name for name in classifiers if name.startswith(parts)] for family, parts in FAMILIES.items()}
    return {family: members for family, members in found.items() if members}


def read_array(path: Path) -> np.ndarray:
    """Read one array over the test pictures and the ten classes; raises ConfembError for anything else."""
    read_bytes(path)  # says what is wrong with a path that is no file
    try:
        array = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise confemb.ConfembError(f"{path} is no NPY file: {error}.") from error
    if array.ndim != 2 or array.shape[1] != len(CLASSES):
        raise confemb.ConfembError(f"{path} has shape {array.shape}; it must be (pictures, {len(CLASSES)}).")
    return array


def people_similarity(votes: np.ndarray, labels: np.ndarray) -> confemb.SimilarityMatrix:
    """Return how often people take one class for another: the votes as if they were predictions."""
    confusions = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(confusions, labels, votes.astype(np.int64))
    return confemb.count_similarity(confemb.pairs_from_confusions(confusions, CLASSES))


def reliability_by_pairs(
    classifiers: Mapping[str, confemb.Predictions], people: confemb.SimilarityMatrix
) -> pd.DataFrame:
    """Return each classifier's split-half reliability over all, the often and the rarely confused pairs.

    Often confused are the half of the pairs with the larger mean over the other classifiers.
    """
    values = np.stack([counts_measure(confemb.count_pairs(one, k=1)) for one in classifiers.values()])
    rows = []
    for i, (name, one) in enumerate(classifiers.items()):
        others = np.delete(values, i, axis=0).mean(axis=0)
        often = others > np.median(others)
        parts = {"all pairs": np.ones_like(often), "often confused": often, "rarely confused": ~often}
        row: dict[str, object] = {"classifier": name, "errors": round((1 - one.accuracy) * len(one))}
        for what, which in parts.items():
            halves = split_halves([one], lambda counts, which=which: counts_measure(counts)[which], k=1, splits=SPLITS)
            row[what] = float(halves.whole_reliability[0])
        row["pairs never confused"] = int((values[i] == 0).sum())
        similarity = confemb.count_similarity(confemb.count_pairs(one, k=1))
        row["agreement with people"] = agreement(similarity, people).spearman
        rows.append(row)
    return pd.DataFrame(rows)


def learning_curve(network: confemb.Predictions, *, draws: int = 20, seed: int = 0) -> pd.DataFrame:
    """Return how far the similarities over n pictures foretell those over n others, by reading and n."""
    rows = []
    for pictures in PICTURES:
        found: dict[str, list[float]] = {name: [] for name in READINGS}
        for draw in range(draws):
            order = np.random.default_rng([seed, pictures, draw]).permutation(len(network))
            parts = [network.where(order[:pictures]), network.where(order[pictures : 2 * pictures])]
            for name, (k, weighting) in READINGS.items():
                halves = [counts_measure(confemb.count_pairs(part, k=k, weighting=weighting)) for part in parts]
                found[name].append(rank_correlations(np.stack(halves))[0, 1])
        rows.append({"pictures": pictures} | {name: float(np.mean(values)) for name, values in found.items()})
    return pd.DataFrame(rows)


def readings_frame(network: confemb.Predictions, people: confemb.SimilarityMatrix) -> pd.DataFrame:
    """Return what each reading of the network's predictions says: reliability, agreement with people and with top-1."""
    mass = confemb.count_similarity(confemb.count_pairs(network, k=10, weighting="probability"))
    rows = []
    for name, (k, weighting) in READINGS.items():
        similarity = confemb.count_similarity(confemb.count_pairs(network, k=k, weighting=weighting))
        halves = split_halves([network], counts_measure, k=k, weighting=weighting, splits=SPLITS)
        rows.append(
            {
                "reading": name,
                "reliability": float(halves.whole_reliability[0]),
                "agreement with people": agreement(similarity, people).spearman,
                "agreement with the probabilities": agreement(similarity, mass).spearman,
            }
        )
    return pd.DataFrame(rows)


def seeds_frame(
    classifiers: Mapping[str, confemb.Predictions], network: confemb.Predictions, people: confemb.SimilarityMatrix
) -> pd.DataFrame:
    """Return how far an embedding of top-1 pairs depends on its seed, and of top-3 pairs of the one network."""
    rows = []
    cases: list[tuple[str, list[confemb.Predictions], int]] = [
        ("22 classifiers, top-1", list(classifiers.values()), 1),
        ("the one network, top-1", [network], 1),
        ("the one network, top-3", [network], 3),
    ]
    cases[0] = (f"{len(classifiers)} classifiers, top-1", *cases[0][1:])
    for name, members, k in cases:
        summaries = []
        for one in members:
            counts = confemb.count_pairs(one, k=k)
            runs = confemb.embedders.embed_runs(confemb.SkipGram(), counts, range(SEEDS))
            summaries.append(summarise_runs(runs))
        rows.append(
            {
                "skip-gram of": name,
                "two seeds agree at": float(np.median([one.rank_agreement for one in summaries])),
                "agreement with people": float(
                    np.median([agreement(one.similarity, people).spearman for one in summaries])
                ),
            }
        )
    return pd.DataFrame(rows)


def curve_figure(curve: pd.DataFrame) -> "Figure":
    """Draw the reliability against the number of pictures, for each reading."""
    figure = new_figure(5.6, 3.6)
    axes = figure.subplots()
    for i, name in enumerate(READINGS):
        axes.plot(curve["pictures"], curve[name], color=group_colour(i), marker="o", markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_xticks(list(PICTURES), [f"{n:,}" for n in PICTURES])
    axes.minorticks_off()
    axes.set_xlabel("pictures")
    axes.set_ylabel("Spearman with as many others")
    axes.legend(loc="lower right")
    axes.grid(color=FAINT, linewidth=0.6)
    return figure


def pictures_as_good(curve: pd.DataFrame, reading: str, wanted: float) -> float:
    """Return how many pictures `reading` needs for the reliability `wanted`, by Spearman-Brown from its last point."""
    last = curve.iloc[-1]
    have = float(last[reading])
    return float(last["pictures"]) * wanted * (1 - have) / (have * (1 - wanted))


def study_of(
    classifiers: Mapping[str, confemb.Predictions],
    network: confemb.Predictions,
    people: confemb.SimilarityMatrix,
    manifest: Mapping[str, object],
) -> Study:
    """Put the whole report together: what top-1 says of the 22, and what it leaves out."""
    comparison = compare_models(
        classifiers,
        title=f"How alike {len(classifiers)} classifiers see the classes of CIFAR-10, by top-1 predictions alone",
        pairs=PairOptions(k=1),
        embedder=None,
        seeds=range(1),
        splits=SPLITS,
        families=families(tuple(classifiers)),
        manifest=manifest,
    )
    study = models_study(comparison)
    halves = comparison.measured[0].halves
    assert halves is not None
    by_pairs, curve = reliability_by_pairs(classifiers, people), learning_curve(network)
    readings, seeds = readings_frame(network, people), seeds_frame(classifiers, network, people)
    with_people = by_pairs["agreement with people"]
    top_1, mass = readings.iloc[0], readings.iloc[-1]
    needed = pictures_as_good(curve, "top-1 counts", float(curve.iloc[-1]["probabilities"]))
    errors = rank_correlations(np.stack([by_pairs["errors"], by_pairs["all pairs"]]).astype(float))[0, 1]
    often, rarely = (number(float(by_pairs[what].median())) for what in ("often confused", "rarely confused"))
    times = needed / curve.iloc[-1]["pictures"]
    findings = [
        *study.findings,
        f"What top-1 can say: which classes are taken for one another. Its similarities agree with people's confusions "
        f"at {number(with_people.min())} to {number(with_people.max())}, and are the more reliable the more a "
        f"classifier errs (Spearman {number(errors)} with the number of errors).",
        f"What it cannot: the order of the rarely confused pairs (reliability {rarely} against {often} for the others, "
        f"medians), and an embedding: two seeds of skip-gram agree at {number(seeds.iloc[0, 1])} on the same top-1 "
        "pairs.",
        f"Where all probabilities of a network are known, they are more reliable than its top-1 "
        f"({number(mass['reliability'], 3)} against {number(top_1['reliability'], 3)}): top-1 would need {times:.1f} "
        "times the pictures.",
    ]
    sections = [
        *study.sections,
        Section(
            "How far top-1 can be trusted",
            "Split-half reliability of each classifier's similarities, brought to all pictures by the Spearman-Brown "
            "formula: over all pairs of classes, and over the halves of them that the other classifiers confuse often "
            "and rarely.",
            tables=[frame_table("Reliability", by_pairs)],
        ),
        Section(
            "What top-1 leaves out",
            "One network, all of whose probabilities are known, read in three ways.",
            tables=[
                frame_table("Readings of one network", readings, digits=3),
                frame_table(
                    "Reliability by the number of pictures",
                    curve,
                    digits=3,
                    note="Spearman correlation with the similarities over as many others, the mean of 20 draws.",
                ),
                frame_table("An embedding of top-1 pairs", seeds, digits=2, note=f"Skip-gram, {SEEDS} seeds; medians."),
            ],
            figures=[
                StudyFigure(
                    "pictures", "How far n pictures foretell n others, by what is read.", lambda: curve_figure(curve)
                )
            ],
        ),
    ]
    data = study.data | {"reliability.csv": by_pairs, "pictures.csv": curve, "readings.csv": readings}
    return replace(study, findings=findings, sections=sections, data=data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--probabilities", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("reports/cifar10_classifiers"))
    given = parser.parse_args()
    try:
        classifiers = load_many(given.predictions, class_names=CLASSES)
        labels = next(iter(classifiers.values())).labels
        network = confemb.predictions_from_scores(read_array(given.probabilities), labels, CLASSES, k=len(CLASSES))
        people = people_similarity(read_array(given.people), labels)
        files = (given.predictions, given.probabilities, given.people)
        manifest = {"files": {path.name: sha256_file(path) for path in files}}
        print(write_study(study_of(classifiers, network, people, manifest), given.out))
    except confemb.ConfembError as error:
        raise SystemExit(f"cifar10_classifiers: {error}") from error


if __name__ == "__main__":
    main()
