"""Is the default similarity at least as good as each rival on classifiers it was not chosen on?

The classifiers are split by architecture family (`default_split.py`); all choices were made on the choosing side,
this script judges once, and publishes both sides. With the 1,000 classes of ImageNet, from the three most probable
classes of each of the 50,000 validation pictures, it asks of each similarity: whether two random halves of the pictures
give a class the same nearest class, and the same five nearest; whether the halves order all pairs alike (Spearman); and
whether the order is WordNet's. With the ten of CIFAR-10, of networks with probabilities (all of them, and the three
most probable classes) and of published classifiers' most probable class: the order of people (CIFAR-10H), of the paper
and of WordNet, and that of two halves.

The default is compared with each rival classifier by classifier: the mean of the differences, and Student's 95 %
interval for it. A tie is an interval that includes 0. Classifiers of a family are alike and all saw the same pictures,
so the intervals are rather too narrow; families.csv and classifiers.csv have the single values.

Found: on the judging side of ImageNet (12 classifiers) the default wins or ties every column against every rival: all
pairs agree with WordNet at 0.624 (diffusion profiles 0.603), five nearest stay for 0.721 (direct diffusion 0.710, a
tie), the nearest for 0.713 (0.709, a tie), halves order all pairs alike at 0.950 (profiles 0.951, a tie: ahead on
DenseNet and DPN, behind on the three Fisher vectors, 0.873 to 0.925, of which the best is right for 0.35 of the
pictures). With ten classes and the most probable class alone (13 classifiers) it beats the counts in every column, and
is behind direct diffusion by 0.008 with people, and behind profiles by 0.049 with the paper and 0.058 with WordNet:
where much was seen it follows a pair's own confusions, and these rivals blend in those of others whatever was seen.

    python experiments/default_similarity.py --imagenet imagenet_val_top5.npz --top1 cifar10_test_top1.npz \\
        --networks reports/retraining_cifar10/network_* \\
        --choosing reports/{paper_cifar10,fast_cifar10,paper_cnn_cifar10} cifar10_test_probs_label_errors.npy

20 seconds for each ImageNet classifier on a busy core.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from default_split import cifar10_top1_sides, imagenet_families, imagenet_sides

import confemb
from confemb.datasets.cifar10 import CLASS_NAMES
from confemb.embedders import make_pair_embedder
from confemb.embedders.cooccurrence import both_directions
from confemb.pipeline.predictions_experiment import PredictionsExperiment
from confemb.pipeline.predictions_run import read_classifiers
from confemb.records.embedding import cosines
from confemb.records.pairs import PairCounts
from confemb.references.cifar10h import SHA256 as CIFAR10H_SHA256
from confemb.references.cifar10h import canonical_labels, cifar10h_reference
from confemb.references.paper import paper_similarities
from confemb.references.wordnet import WordNetReference
from confemb.references.wordnet_database import find_wordnet
from confemb.reporting.study import Section, Study, write_study
from confemb.reporting.tables import frame_table, number
from confemb.result.model_files import load_classifier
from confemb.stats.bootstrap import PictureResampling
from confemb.support.files import sha256_file
from confemb.support.manifest import study_manifest
from confemb.support.progress import Display
from confemb.support.settings import load_settings

DEFAULT = "confusion_rate"
RIVALS = {
    "diffusion, profiles": ("diffusion", {"compare": "profiles"}),
    "diffusion, direct": ("diffusion", {"compare": "direct"}),
    "counts": ("counts", {}),
}
ROWS = "rows of C + C'"
METHODS = (DEFAULT, *RIVALS, ROWS)
IMAGENET = {
    "nearest": "same nearest class in two halves",
    "nearest5": "same five nearest in two halves",
    "halves": "order of all pairs between halves",
    "wordnet": "WordNet, all pairs",
}
CIFAR10 = {
    "people": "people (CIFAR-10H)",
    "paper": "the paper",
    "wordnet": "WordNet, all pairs",
    "halves": "order of all pairs between halves",
}
READINGS: dict[str, dict[str, Any]] = {
    "probabilities": {"k": 10, "weighting": "probability"},
    "k = 3": {"k": 3},
    "k = 1": {"k": 1},
}
# Halves of ten classes differ by chance more than those of a thousand.
SPLITS = {"imagenet": 1, "cifar10": 5}


def similarities(counts: PairCounts) -> dict[str, np.ndarray]:
    """Return the (K, K) similarities by each method."""
    found = {DEFAULT: make_pair_embedder(DEFAULT, {}).cosine_table(counts)}  # type: ignore[attr-defined]
    for name, (embedder, options) in RIVALS.items():
        found[name] = cosines(make_pair_embedder(embedder, options).embed(counts, seed=0).vectors)
    found[ROWS] = cosines(both_directions(counts).toarray())
    return found


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return the mean ranks of (P,) values, less their mean, at length 1: a dot product is Spearman's correlation."""
    from scipy import stats

    ranks = stats.rankdata(values)
    ranks -= ranks.mean()
    return ranks / np.linalg.norm(ranks)


def same_nearest(first: np.ndarray, second: np.ndarray, top: int) -> float:
    """Return the mean share of each class's `top` nearest that two (K, K) similarities have in common."""
    lists = []
    for values in (first, second):
        values = values.copy()
        np.fill_diagonal(values, -np.inf)
        lists.append(np.argsort(-values, axis=1, kind="stable")[:, :top])
    return float((lists[0][:, :, None] == lists[1][:, None, :]).any(axis=2).mean())


def measure(
    predictions: confemb.Predictions, references: Mapping[str, np.ndarray], splits: int, **options: Any
) -> Iterator[dict[str, Any]]:
    """Yield a row for each method: agreement with each reference (K, K; NaN where it is silent), and between halves."""
    size = len(predictions.class_names)
    upper = np.triu_indices(size, k=1)
    whole = similarities(confemb.count_pairs(predictions, **options))
    resampling = PictureResampling(predictions, **options)
    halves = [[similarities(half) for half in resampling.halves(number)] for number in range(splits)]
    for method in METHODS:
        row: dict[str, Any] = {"method": method}
        for name, reference in references.items():
            known = ~np.isnan(reference[upper])
            row[name] = float(standard_ranks(whole[method][upper][known]) @ standard_ranks(reference[upper][known]))
        pairs = [(first[method], second[method]) for first, second in halves]
        row["halves"] = np.mean([standard_ranks(a[upper]) @ standard_ranks(b[upper]) for a, b in pairs])
        row["nearest"] = np.mean([same_nearest(a, b, 1) for a, b in pairs])
        row["nearest5"] = np.mean([same_nearest(a, b, min(5, size - 1)) for a, b in pairs])
        yield row


def compared(frame: pd.DataFrame, measures: Mapping[str, str]) -> pd.DataFrame:
    """Return, for each measure and rival, the mean difference of the default, its 95 % interval, and who wins."""
    from scipy import stats

    rows = []
    for key, title in measures.items():
        table = frame.pivot_table(index="classifier", columns="method", values=key, sort=False)
        for rival in METHODS[1:]:
            gains = (table[DEFAULT] - table[rival]).to_numpy()
            count, mean = len(gains), gains.mean()
            half = stats.t.ppf(0.975, count - 1) * gains.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
            verdict = (
                "unknown" if np.isnan(half) else "wins" if mean - half > 0 else "loses" if mean + half < 0 else "ties"
            )
            rows.append(
                {
                    "measure": title,
                    "rival": rival,
                    DEFAULT: table[DEFAULT].mean(),
                    "the rival": table[rival].mean(),
                    "difference": mean,
                    "95 % interval": f"{number(mean - half, 4)} to {number(mean + half, 4)}",
                    "better for": f"{int((gains > 0).sum())} of {count}",
                    "the default": "unknown" if np.isnan(half) else verdict,
                }
            )
    return pd.DataFrame(rows)


def means(frame: pd.DataFrame, measures: Mapping[str, str]) -> pd.DataFrame:
    """Return the mean of each measure by method."""
    table = frame.groupby("method", sort=False)[list(measures)].mean().rename(columns=dict(measures))
    return table.reset_index()


def imagenet_rows(path: Path, wordnet: Path, sides: Sequence[str], display: Display) -> Iterator[dict[str, Any]]:
    """Yield the rows of the ImageNet classifiers on the `sides` wanted."""
    settings = load_settings(PredictionsExperiment, "imagenet_zoo", [f"predictions.path={json.dumps(str(path))}"])
    zoo = read_classifiers(settings.predictions)
    side_of = imagenet_sides()
    family_of = {member: family for family, members in imagenet_families().items() for member in members}
    zoo = {name: found for name, found in zoo.items() if side_of[name] in sides}
    names = next(iter(zoo.values())).class_names
    references = {"wordnet": WordNetReference("wup", str(wordnet)).similarity(names).values}
    with display.bar() as update:
        for done, (name, predictions) in enumerate(zoo.items(), start=1):
            facts = {"data": "imagenet", "side": side_of[name], "classifier": name, "family": family_of[name]}
            for row in measure(predictions, references, SPLITS["imagenet"], k=3):
                yield facts | {"reading": "k = 3"} | row
            update("ImageNet classifiers", done, len(zoo))


def cifar10_predictions(path: Path) -> confemb.Predictions:
    """Read the test predictions of a result folder, or an array of probabilities in the test set's own order."""
    if path.is_dir():
        predictions = load_classifier(path)
        return predictions.where(np.flatnonzero(np.asarray(predictions.splits) == "test"))
    return confemb.predictions_from_scores(np.load(path, allow_pickle=False), canonical_labels(), CLASS_NAMES, k=10)


def cifar10_rows(
    given: argparse.Namespace, references: Mapping[str, np.ndarray], display: Display
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the CIFAR-10 networks, and of the published classifiers' most probable class."""
    networks = [("choosing", path) for path in given.choosing] + [("judging", path) for path in given.networks]
    for side, path in networks:
        predictions = cifar10_predictions(path)
        facts = {"data": "cifar10", "side": side, "classifier": path.stem, "family": ""}
        for reading, options in READINGS.items():
            wanted = options | {"k": min(options["k"], predictions.k)}
            for row in measure(predictions, references, SPLITS["cifar10"], **wanted):
                yield facts | {"reading": reading} | row
    with np.load(given.top1, allow_pickle=False) as arrays:
        for name, side in cifar10_top1_sides().items():
            predictions = confemb.Predictions(arrays["labels"], arrays[name][:, None], None, CLASS_NAMES)
            facts = {"data": "cifar10, most probable class", "side": side, "classifier": name, "family": ""}
            for row in measure(predictions, references, SPLITS["cifar10"], k=1):
                yield facts | {"reading": "k = 1"} | row


def groups_of(frame: pd.DataFrame) -> Iterator[tuple[str, Mapping[str, str], pd.DataFrame]]:
    """Yield each data set and reading, with its measures."""
    for (data, reading), part in frame.groupby(["data", "reading"], sort=False):
        yield f"{data}, {reading}", IMAGENET if data == "imagenet" else CIFAR10, part


def findings(frame: pd.DataFrame) -> list[str]:
    """Return where the default wins, ties and loses on the judging side, a sentence each."""
    sentences = []
    for title, measures, part in groups_of(frame[frame["side"] == "judging"]):
        table = compared(part, measures)
        for measure_title, rows in table.groupby("measure", sort=False):
            best = rows.loc[rows["the rival"].idxmax()]
            verdict = best["the default"]
            sentences.append(
                f"{title}, {measure_title}: {number(best[DEFAULT], 3)}; the best rival, {best['rival']}, "
                f"{number(best['the rival'], 3)} (difference {best['95 % interval']}): the default {verdict}."
            )
    return sentences


def study_of(frame: pd.DataFrame, manifest: dict[str, Any]) -> Study:
    """Put the report together."""
    sections = []
    for side in ("judging", "choosing"):
        for title, measures, part in groups_of(frame[frame["side"] == side]):
            count = part["classifier"].nunique()
            sections.append(
                Section(
                    f"{title}: {side} side",
                    f"Means over {count} classifiers, and paired differences over them with Student's 95 % interval.",
                    tables=[
                        frame_table(f"{title}: {side} side", means(part, measures), digits=3),
                        frame_table(f"{title}: {side} side, against each rival", compared(part, measures), digits=3),
                    ],
                )
            )
    families = frame[frame["data"] == "imagenet"].groupby(["side", "family", "method"], sort=False)
    by_family = families[list(IMAGENET)].mean().reset_index()
    return Study(
        title="The default similarity, judged on classifiers it was not chosen on",
        description="Stable neighbours, a stable order, WordNet, people and the paper, against each rival.",
        findings=findings(frame),
        sections=sections,
        data={"classifiers.csv": frame, "families.csv": by_family},
        manifest=manifest,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--networks", type=Path, nargs="*", default=[], help="result folders that judge")
    parser.add_argument("--choosing", type=Path, nargs="*", default=[], help="result folders and arrays that chose")
    parser.add_argument("--top1", type=Path, required=True)
    parser.add_argument("--people", type=Path, help="CIFAR-10H's counts; default: those of confemb fetch cifar10h")
    parser.add_argument("--wordnet", type=Path, help="WordNet's folder; default: where it is found")
    parser.add_argument("--sides", nargs="+", default=["judging", "choosing"], help="of the ImageNet classifiers")
    parser.add_argument("--reuse", type=Path, help="a classifiers.csv whose ImageNet rows are taken as they are")
    parser.add_argument("--out", type=Path, default=Path("reports/default_similarity"))
    given = parser.parse_args()
    try:
        wordnet = find_wordnet(given.wordnet)
        references = {
            "people": cifar10h_reference(None if given.people is None else str(given.people)).similarity(CLASS_NAMES),
            "paper": paper_similarities(),
            "wordnet": WordNetReference("wup", str(wordnet)).similarity(CLASS_NAMES),
        }
        values = {name: found.laid_out(CLASS_NAMES) for name, found in references.items()}
        display = Display()
        if given.reuse is None:
            rows = pd.DataFrame(imagenet_rows(given.imagenet, wordnet, given.sides, display))
        else:
            rows = pd.read_csv(given.reuse)
            rows = rows[rows["data"] == "imagenet"]
        frame = pd.concat([rows, pd.DataFrame(cifar10_rows(given, values, display))], ignore_index=True)
        files = {"people": CIFAR10H_SHA256, "data.noun": sha256_file(wordnet / "data.noun")}
        files |= {path.name: sha256_file(path) for path in (given.imagenet, given.top1)}
        print(write_study(study_of(frame, study_manifest(files=files)), given.out))
    except confemb.ConfembError as error:
        raise SystemExit(f"default_similarity: {error}") from error


if __name__ == "__main__":
    main()
