"""Which embedder to trust with 1,000 classes: 60 ImageNet classifiers against WordNet, and against themselves.

Each classifier's most probable classes of the 50,000 validation pictures (1, 3 and 5 of them) become pairs, and every
embedder makes vectors of them. Two things are asked of the cosines: whether they order the 499,500 pairs of classes as
WordNet does (Spearman), and whether one half of the pictures says the same as the other half (split-half reliability,
halves drawn at random within each class).

The settings of the embedder `diffusion` were chosen on the classifiers of five families (CHOSEN_ON) before any of the
others was looked at; what the report says of the others is therefore no result of the choice. All classifiers saw the
same pictures, though, and the same training set.

    python experiments/imagenet_embedders.py --predictions imagenet_val_top5.npz

The predictions are those of the ImageNetV2 repository (Recht et al. 2019), see imagenet_zoo.toml; WordNet is any
installation of its files, by default the one of `confemb fetch wordnet`. Half an hour on one CPU core; `--jobs 2` uses
two.

Found: over the 30 classifiers it was not chosen on, `diffusion` from 3 ranks agrees with WordNet at 0.579 (skip-gram
0.339, plain counts 0.179), and one half of the pictures with the other at 0.952 (0.649, 0.459). Three Inception-v3 stay
below 0.50 with WordNet.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import confemb
from confemb.embedders import make_pair_embedder
from confemb.pipeline.predictions_experiment import PredictionsExperiment
from confemb.pipeline.predictions_run import read_classifiers
from confemb.references.wordnet import WordNetReference
from confemb.references.wordnet_database import find_wordnet
from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.style import FAINT, MUTED, group_colour, new_figure
from confemb.reporting.tables import frame_table, number
from confemb.stats.bootstrap import PictureResampling, run_cosines
from confemb.studies.models import spearman_brown
from confemb.support.files import sha256_file
from confemb.support.manifest import study_manifest
from confemb.support.progress import Display
from confemb.support.settings import load_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHOSEN_ON = ("DenseNet", "ResNet", "NASNet", "DPN", "Fisher vectors")
RANKS = (1, 3, 5)
DIM = 50
RECOMMENDED, RECOMMENDED_K = "diffusion", 3
# What was reached before there was this embedder: skip-gram, and the plain counts of two halves.
WANTED = {"wup": 0.50, "halves": 0.80}
MEASURES = {"wup": "WordNet (Wu-Palmer)", "path": "WordNet (path)", "halves": "split halves", "whole": "all pictures"}


@dataclass(frozen=True, eq=False)
class Ranks:
    """The pairs of classes ranked by a reference, standardised: a dot product of two is Spearman's correlation."""

    wup: np.ndarray
    path: np.ndarray


def embedders(classes: int) -> dict[str, confemb.embedders.Embedder]:
    """Return what is compared, by its name in the report.

    Those that have a dimension get 50, but `ppmi` all: in 50 it leaves some classes without a vector.
    """
    dim: dict[str, Any] = {"dim": min(DIM, classes - 1)}
    return {
        "counts": make_pair_embedder("counts", {}),
        "ppmi": make_pair_embedder("ppmi", {"dim": classes}),
        "balanced": make_pair_embedder("balanced", dim),
        "skipgram": make_pair_embedder("skipgram", dim),
        "diffusion (direct)": make_pair_embedder("diffusion", {"compare": "direct"}),
        "diffusion": make_pair_embedder("diffusion", {"compare": "profiles"}),
    }


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return the mean ranks of (P,) values, less their mean, at length 1; ties share their mean rank."""
    from scipy import stats

    ranks = stats.rankdata(values)
    ranks -= ranks.mean()
    return ranks / np.linalg.norm(ranks)


def wordnet_ranks(class_names: tuple[str, ...], folder: Path) -> Ranks:
    """Return the ranks of all pairs of classes in WordNet; raises ConfembError where it does not know them all."""
    upper = np.triu_indices(len(class_names), k=1)
    found = []
    for measure in ("wup", "path"):
        similarity = WordNetReference(measure, str(folder)).similarity(class_names)
        if similarity.class_names != class_names:
            raise confemb.ConfembError(f"{folder}: this WordNet does not know all {len(class_names)} classes.")
        found.append(standard_ranks(similarity.values[upper]))
    return Ranks(*found)


def measure(predictions: confemb.Predictions, wordnet: Ranks) -> list[dict[str, Any]]:
    """Return a row for each embedder and number of ranks of one classifier.

    The cosines of a seeded embedder are the mean over two seeds, of all pictures as of either half.
    """
    rows = []
    names = predictions.class_names
    for k in (k for k in RANKS if k <= predictions.k):
        resampling = PictureResampling(predictions, k=k)
        samples = (confemb.count_pairs(predictions, k=k), *resampling.halves(0))
        for name, embedder in embedders(len(names)).items():
            parts = []
            for part, counts in enumerate(samples):
                cosines = run_cosines(embedder, counts, names, key=f"{predictions.classifier}/{part}")
                parts.append(standard_ranks(cosines.mean(axis=0)))
            half = float(parts[1] @ parts[2])
            rows.append(
                {
                    "classifier": predictions.classifier,
                    "embedder": name,
                    "k": k,
                    "wup": float(parts[0] @ wordnet.wup),
                    "path": float(parts[0] @ wordnet.path),
                    "halves": half,
                    "whole": float(spearman_brown(np.array(half), 2.0)),
                }
            )
    return rows


def measure_all(
    zoo: Mapping[str, confemb.Predictions],
    families: Mapping[str, Sequence[str]],
    wordnet: Ranks,
    jobs: int,
    display: Display,
) -> pd.DataFrame:
    """Return the rows of all classifiers, with their families and whether the settings were chosen on them."""
    rows: list[dict[str, Any]] = []
    work = partial(measure, wordnet=wordnet)
    with display.bar() as update, ProcessPoolExecutor(jobs) as pool:
        # A single process works here, where an error has its whole traceback.
        found = map(work, zoo.values()) if jobs == 1 else pool.map(work, zoo.values())
        for done, part in enumerate(found, start=1):
            rows += part
            update("classifiers", done, len(zoo))
    frame = pd.DataFrame(rows)
    family = {name: group for group, members in families.items() for name in members}
    frame.insert(1, "family", [family.get(name, "") for name in frame["classifier"]])
    frame.insert(2, "top_1", [zoo[name].accuracy for name in frame["classifier"]])
    frame.insert(3, "chosen_on", frame["family"].isin(CHOSEN_ON))
    return frame


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, for each embedder and k, the mean of each measure over the classifiers, and its extremes for two."""
    rows = []
    for (name, k), group in frame.groupby(["embedder", "k"], sort=False):
        row: dict[str, Any] = {"embedder": name, "k": k, "classifiers": len(group)}
        for key, title in MEASURES.items():
            row[title] = group[key].mean()
            if key in ("wup", "halves"):
                row[f"{title}, lowest"], row[f"{title}, highest"] = group[key].min(), group[key].max()
        rows.append(row)
    table = pd.DataFrame(rows)
    order = {name: i for i, name in enumerate(embedders(DIM + 1))}
    return table.sort_values("embedder", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def by_family(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the recommended setting's measures for each family, those it was chosen on last."""
    best = frame[(frame["embedder"] == RECOMMENDED) & (frame["k"] == RECOMMENDED_K)]
    groups = best.assign(family=best["family"].replace("", "others")).groupby(["chosen_on", "family"])
    table = groups.agg(
        classifiers=("classifier", "size"), top_1=("top_1", "mean"), **{k: (k, "mean") for k in MEASURES}
    ).reset_index()
    table["chosen_on"] = table["chosen_on"].map({True: "yes", False: "no"})
    return table.rename(columns={"chosen_on": "settings chosen on it", "top_1": "top-1", **MEASURES})


def reliability_figure(frame: pd.DataFrame) -> "Figure":
    """Draw agreement with WordNet against reliability: a dot for each classifier not chosen on, at the best k."""
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    for i, name in enumerate(embedders(DIM + 1)):
        group = frame[(frame["embedder"] == name) & (frame["k"] == RECOMMENDED_K)]
        axes.plot(group["halves"], group["wup"], "o", color=group_colour(i), markersize=4, alpha=0.8, label=name)
    axes.axhline(WANTED["wup"], color=MUTED, linewidth=0.8, linestyle="--")
    axes.axvline(WANTED["halves"], color=MUTED, linewidth=0.8, linestyle="--")
    axes.set_xlabel("split-half reliability (Spearman between halves of the pictures)")
    axes.set_ylabel("Spearman with WordNet (Wu-Palmer)")
    axes.grid(color=FAINT, linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def findings(judged: pd.DataFrame, summary: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """Return what was found, a sentence each."""

    def at(table: pd.DataFrame, name: str, k: int, column: str) -> float:
        return float(table[(table["embedder"] == name) & (table["k"] == k)][column].iloc[0])

    wup, halves = MEASURES["wup"], MEASURES["halves"]
    mine = judged[(judged["embedder"] == RECOMMENDED) & (judged["k"] == RECOMMENDED_K)]
    others = summary[~summary["embedder"].str.startswith("diffusion")]
    rival = others.loc[others[wup].idxmax()]
    steady = summary.loc[summary[halves].idxmax()]
    ranks = {k: at(summary, RECOMMENDED, k, wup) for k in RANKS if k in set(summary["k"])}
    weak = mine[mine["wup"] <= WANTED["wup"]]
    return [
        f"The embedder {RECOMMENDED} orders the pairs of classes most like WordNet: Spearman "
        f"{number(mine['wup'].mean(), 3)} ({number(mine['wup'].min(), 3)} to {number(mine['wup'].max(), 3)}) over the "
        f"{len(mine)} classifiers its settings were not chosen on, with a split-half reliability of "
        f"{number(mine['halves'].mean(), 3)} between halves of the pictures ({number(mine['whole'].mean(), 3)} for all "
        f"of them, by Spearman and Brown), from the {RECOMMENDED_K} most probable classes of each picture.",
        f"The best of the others is {rival['embedder']} with k = {int(rival['k'])}: {number(rival[wup], 3)} with "
        f"WordNet, {number(rival[halves], 3)} between halves. From {RECOMMENDED_K} the plain counts reach "
        f"{number(at(summary, 'counts', RECOMMENDED_K, wup), 3)} and "
        f"{number(at(summary, 'counts', RECOMMENDED_K, halves), 3)}, skip-gram "
        f"{number(at(summary, 'skipgram', RECOMMENDED_K, wup), 3)} and "
        f"{number(at(summary, 'skipgram', RECOMMENDED_K, halves), 3)}.",
        f"On the {chosen['classifier'].nunique()} classifiers that the settings were chosen on the same setting has "
        f"{number(chosen[(chosen['embedder'] == RECOMMENDED) & (chosen['k'] == RECOMMENDED_K)]['wup'].mean(), 3)}.",
        "The number of ranks matters less than the embedder: with WordNet "
        + ", ".join(f"{number(value, 3)} from {k}" for k, value in ranks.items())
        + f"; the most reliable is {steady['embedder']} with k = {int(steady['k'])} ({number(steady[halves], 3)}).",
        f"{len(weak)} of the {len(mine)} classifiers stay at or below {WANTED['wup']:.2f}"
        + (f": {', '.join(weak['classifier'])}." if len(weak) else "."),
    ]


def study_of(frame: pd.DataFrame, manifest: dict[str, Any]) -> Study:
    """Put the report together."""
    judged, chosen = frame[~frame["chosen_on"]], frame[frame["chosen_on"]]
    summary = summarise(judged)
    text = (
        "Means over classifiers. With WordNet: Spearman correlation over all pairs of classes. Split halves: Spearman "
        "correlation between the cosines of two random halves of the pictures, as measured; all pictures: what follows "
        "for the whole by the Spearman-Brown formula. The cosines of skip-gram are the mean over two seeds."
    )
    return Study(
        title=f"Embedders of 1,000 classes: {frame['classifier'].nunique()} ImageNet classifiers",
        description="Do an embedder's cosines order the classes of ImageNet as WordNet does, and does one half of the "
        "pictures say the same as the other?",
        findings=findings(judged, summary, chosen),
        sections=[
            Section(
                "Classifiers the settings were not chosen on",
                text,
                tables=[frame_table("Embedders", summary, digits=3)],
                figures=[
                    StudyFigure(
                        "embedders",
                        f"Each dot is a classifier, k = {RECOMMENDED_K}. Dashed: what was aimed at.",
                        lambda: reliability_figure(judged),
                    )
                ],
            ),
            Section(
                "Classifiers the settings were chosen on",
                f"Families {', '.join(CHOSEN_ON)}.",
                tables=[frame_table("Embedders, chosen on", summarise(chosen), digits=3)],
            ),
            Section(
                "By family",
                f"The recommended setting, {RECOMMENDED} with k = {RECOMMENDED_K}. embedders.csv has every classifier.",
                tables=[frame_table("Families", by_family(frame), digits=3)],
            ),
        ],
        data={"embedders.csv": frame},
        manifest=manifest,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, help="WordNet's folder; default: where it is found")
    parser.add_argument("--out", type=Path, default=Path("reports/imagenet_embedders"))
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    try:
        path = f"predictions.path={json.dumps(str(given.predictions))}"
        experiment = load_settings(PredictionsExperiment, "imagenet_zoo", [path])
        zoo = read_classifiers(experiment.predictions)
        folder = find_wordnet(given.wordnet)
        wordnet = wordnet_ranks(next(iter(zoo.values())).class_names, folder)
        frame = measure_all(zoo, experiment.families, wordnet, given.jobs, Display())
        files = {"predictions": sha256_file(given.predictions), "data.noun": sha256_file(folder / "data.noun")}
        print(write_study(study_of(frame, study_manifest(files=files)), given.out))
    except confemb.ConfembError as error:
        raise SystemExit(f"imagenet_embedders: {error}") from error


if __name__ == "__main__":
    main()
