"""How alike 60 published classifiers see the 1,000 classes of ImageNet.

Each classifier's five most probable classes of the 50,000 validation pictures become pairs, and skip-gram embeds the
1,000 classes in 50 dimensions, each classifier with two seeds of its own. Two classifiers agree as far as their mean
cosines order the 499,500 pairs of classes alike (Spearman), which is then corrected for the noise of the seeds.
Beside it: the same from the plain counts, and how far one classifier agrees with itself over other pictures.

    python experiments/imagenet_zoo.py --predictions imagenet_val_top5.npz

The file holds `labels` (50000,), `wnids` (1000,) in index order and under each classifier's name its classes
(50000, 5), best first; `filenames` is passed over. The predictions are those of the ImageNetV2 repository (Recht et
al. 2019). `--report resnet50` also writes the complete report of one classifier (50 MB) into its own folder.

Found: two classifiers agree at 0.66 (median), at 0.79 with the seeds' noise taken out: 0.82 within families and 0.76
across. The most alike is of the same family for 62 % of 58 classifiers (13 % by chance). Two seeds of one classifier
agree at 0.59 to 0.96, the less the more accurate it is (Spearman -0.88 with top-1). More than half of the classifiers
have the same nearest class for 72 % of the classes. 7 minutes on one CPU core.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import confemb
from confemb.embedders import embed_runs
from confemb.experiment import EmbeddingSection
from confemb.files import make_folder, read_arrays, read_bytes, sha256_file, write_text
from confemb.model_files import load_many
from confemb.model_geometry import disattenuate, spearman_brown
from confemb.progress import Display
from confemb.reporting import style
from confemb.reporting.model_figures import agreement_figure, models_map
from confemb.reporting.tables import frame_to_markdown
from confemb.reporting.write import save_figure
from confemb.results import embed_predictions

# Architectures by what their names contain; the first that fits. A classifier that fits none is in no family.
FAMILIES = {
    "DenseNet": ("densenet",),
    "SENet": ("se_", "senet"),
    "ResNeXt": ("resnext",),
    "NASNet": ("nasnet",),
    "Inception": ("inception", "xception", "polynet"),
    "ResNet": ("resnet",),
    "VGG": ("vgg",),
    "DPN": ("dpn",),
    "Fisher vectors": ("fv_",),
}
TELLING = ("tabby", "golden retriever", "airliner", "school bus", "acoustic guitar", "espresso", "church", "volcano")
SHOWN = ("alexnet", "resnet50", "pnasnet_large_tf")
DIM, NEIGHBOURS, SEEDS = 50, 5, 2


def families(classifiers: tuple[str, ...]) -> dict[str, list[str]]:
    """Return family -> its classifiers, in the order of `FAMILIES`; families without any are left out."""
    found: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name in classifiers:
        fits = [family for family, parts in FAMILIES.items() if any(part in name for part in parts)]
        if fits:
            found[fits[0]].append(name)
    return {family: members for family, members in found.items() if members}


def read_zoo(path: Path) -> dict[str, confemb.Predictions]:
    """Read the predictions of every classifier.

    Raises:
        ConfembError: a file that is none of these, or whose classes are not ImageNet's in index order.
    """
    classes = confemb.imagenet_classes()
    found = load_many(path, class_names=[c.name for c in classes])
    wnids = read_arrays(read_bytes(path), ["wnids"])["wnids"]
    if wnids.tolist() != [c.wnid for c in classes]:
        raise confemb.ConfembError(f"{path}: its wnids must be those of ImageNet's 1,000 classes in index order.")
    return {name: replace(one, dataset="ImageNet val") for name, one in found.items()}


@dataclass(frozen=True, eq=False)
class Zoo:
    """C classifiers over the same K classes, P = K (K - 1) / 2 pairs of classes.

    Attributes:
        cosines: (C, P) float32, the mean over the seeds, in upper-triangle order.
        counts: (C, P) float32, the plain count similarity.
        seed_agreement: (C,) the mean rank correlation of two seeds of one classifier.
        classifiers, class_names: the C and K names.
    """

    cosines: np.ndarray
    counts: np.ndarray
    seed_agreement: np.ndarray
    classifiers: tuple[str, ...]
    class_names: tuple[str, ...]

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Return (P,) values as a symmetric (K, K) matrix, -inf on the diagonal."""
        size = len(self.class_names)
        square = np.full((size, size), -np.inf, values.dtype)
        rows, columns = np.triu_indices(size, k=1)
        square[rows, columns] = square[columns, rows] = values
        return square

    def neighbours(self, values: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
        """Return (K, count) indices of the most similar classes by (P,) values, best first."""
        return np.argsort(-self.matrix(values), axis=1, kind="stable")[:, :count]


def embed(predictions: confemb.Predictions, seeds: range) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a classifier's (P,) mean cosines, (P,) count similarities, and how far two seeds agree."""
    counts = confemb.count_pairs(predictions, k=predictions.k)
    upper = np.triu_indices(len(counts.class_names), k=1)
    cosines = embed_runs(confemb.SkipGram(dim=DIM), counts, seeds).cosines()[:, *upper]
    between = confemb.rank_correlations(cosines)[np.triu_indices(len(seeds), k=1)]
    return cosines.mean(axis=0), confemb.count_similarity(counts).values[upper].astype(np.float32), between.mean()


def embed_zoo(predictions: Mapping[str, confemb.Predictions], display: Display) -> Zoo:
    """Embed the classes of every classifier, each with seeds of its own: with the same, noise would agree too."""
    parts = []
    with display.bar() as update:
        for done, found in enumerate(predictions.values()):
            parts.append(embed(found, range(done * SEEDS, (done + 1) * SEEDS)))
            update("classifiers", done + 1, len(predictions))
    cosines, counts, between = (np.stack(part) for part in zip(*parts, strict=True))
    return Zoo(cosines, counts, between, tuple(predictions), found.class_names)


def without_seed_noise(agreement: np.ndarray, seed_agreement: np.ndarray) -> np.ndarray:
    """Correct agreements for the noise of the seeds (Spearman 1904's correction for attenuation).

    The reliability of a mean over S seeds, two of which correlate at r, is that of S measures (Spearman-Brown).

    Args:
        agreement: (C, C) rank correlations of mean cosines.
        seed_agreement: (C,) r of each classifier.
    """
    return disattenuate(agreement, spearman_brown(seed_agreement, SEEDS))


def agreement_with_others(values: np.ndarray) -> np.ndarray:
    """Return (C,) the rank correlation of each row of (C, P) values with the mean of all the others."""
    total = values.sum(axis=0, dtype=np.float64)
    return np.array([confemb.rank_correlations(np.stack([row, total - row]))[0, 1] for row in values])


def shared_neighbours(zoo: Zoo) -> np.ndarray:
    """Return (C,) the mean share of a class's nearest that are also its nearest by the mean of the others."""
    total = zoo.cosines.sum(axis=0, dtype=np.float64)
    shares = []
    for row in zoo.cosines:
        own, others = zoo.neighbours(row), zoo.neighbours(total - row)
        shares.append(float((own[:, :, None] == others[:, None, :]).any(axis=2).mean()))
    return np.array(shares)


def summarise(zoo: Zoo, predictions: Mapping[str, confemb.Predictions]) -> pd.DataFrame:
    """Return a row for each classifier: family, accuracies, agreement with the mean of the others."""
    family = {name: group for group, members in families(zoo.classifiers).items() for name in members}
    hits = [found.top_classes == found.labels[:, None] for found in predictions.values()]
    return pd.DataFrame(
        {
            "classifier": zoo.classifiers,
            "family": [family.get(name, "") for name in zoo.classifiers],
            "top_1": [hit[:, 0].mean() for hit in hits],
            "top_5": [hit[:, :5].any(axis=1).mean() for hit in hits],
            "agreement": agreement_with_others(zoo.cosines),
            "counts_agreement": agreement_with_others(zoo.counts),
            "seed_agreement": zoo.seed_agreement,
            "shared_neighbours": shared_neighbours(zoo),
        }
    ).sort_values("agreement", ascending=False, kind="stable")


def nearest_table(zoo: Zoo) -> pd.DataFrame:
    """Return for every class its nearest by the zoo's mean cosine, and how many classifiers have the same first."""
    mean = zoo.cosines.mean(axis=0, dtype=np.float64)
    nearest, square = zoo.neighbours(mean), zoo.matrix(mean)
    firsts = np.stack([zoo.neighbours(row, 1)[:, 0] for row in zoo.cosines])
    names = np.array(zoo.class_names, dtype=object)
    table = pd.DataFrame({"class": names})
    for rank in range(nearest.shape[1]):
        table[f"nearest_{rank + 1}"] = names[nearest[:, rank]]
    table["cosine_1"] = np.take_along_axis(square, nearest[:, :1], axis=1)[:, 0].round(4)
    table["classifiers_with_same_first"] = (firsts == nearest[:, 0]).sum(axis=0)
    return table


def self_agreement(found: confemb.Predictions, seed: int) -> dict[str, float]:
    """Return how far one classifier agrees with itself over other pictures, by cosines and by plain counts.

    Every other picture of each class is in the first half; seeds from `seed` on are used.
    """
    order = np.argsort(found.labels, kind="stable")
    halves = []
    for half in (0, 1):
        seeds = range(seed + half * SEEDS, seed + (half + 1) * SEEDS)
        halves.append(embed(found.where(np.sort(order[half::2])), seeds))
    cosines, counts, between = (np.stack(part) for part in zip(*halves, strict=True))
    raw = confemb.rank_correlations(cosines)
    return {
        "other half of the pictures": raw[0, 1],
        "corrected": without_seed_noise(raw, between)[0, 1],
        "plain counts": confemb.rank_correlations(counts)[0, 1],
    }


def agreement_table(
    raw: confemb.SimilarityMatrix, corrected: confemb.SimilarityMatrix, summary: pd.DataFrame
) -> pd.DataFrame:
    """Return what the agreements say of families and of accuracy, before and after the correction."""
    upper = np.triu_indices(len(raw.class_names), k=1)
    groups = families(raw.class_names)
    top_1 = summary.set_index("classifier")["top_1"].loc[list(raw.class_names)].to_numpy()
    nearness = -np.abs(top_1[:, None] - top_1[None])[upper]
    rows = []
    for name, agreement in (("as measured", raw), ("seeds' noise corrected", corrected)):
        pairs = agreement.values[upper]
        separation, kin = confemb.group_separation(agreement, groups), confemb.nearest_in_group(agreement, groups)
        rows.append(
            {
                "agreement": name,
                "median": np.median(pairs),
                "lowest": pairs.min(),
                "highest": pairs.max(),
                "within families": separation.within_all,
                "across": separation.across,
                "most alike is of the family": kin.share,
                "by chance": kin.chance,
                "Spearman with nearness in top-1": confemb.rank_correlations(np.stack([nearness, pairs]))[0, 1],
            }
        )
    return pd.DataFrame(rows)


def findings(
    summary: pd.DataFrame, agreements: pd.DataFrame, zoo: Zoo, nearest: pd.DataFrame, halves: pd.DataFrame
) -> str:
    """Return the page tables.md."""
    same = nearest["classifiers_with_same_first"] / len(zoo.classifiers)
    rows = []
    mean = zoo.cosines.mean(axis=0, dtype=np.float64)
    for name in (name for name in TELLING if name in zoo.class_names):
        row = {"class": name}
        columns = {"the zoo": mean}
        columns |= {c: zoo.cosines[zoo.classifiers.index(c)] for c in SHOWN if c in zoo.classifiers}
        for column, values in columns.items():
            found = zoo.neighbours(values, 3)[zoo.class_names.index(name)]
            row[column] = ", ".join(zoo.class_names[i] for i in found)
        rows.append(row)
    return f"""# How alike {len(zoo.classifiers)} classifiers see the classes of ImageNet

How far two classifiers order the {zoo.cosines.shape[1]:,} pairs of {len(zoo.class_names):,} classes alike (Spearman \
correlation of their mean cosines over {SEEDS} seeds), over all pairs of classifiers:

{frame_to_markdown(agreements)}
Most pairs of classes are never confused, and the seed decides much of their cosines: two seeds of one classifier \
agree at {zoo.seed_agreement.min():.2f} to {zoo.seed_agreement.max():.2f} (column `seed_agreement` below). The \
correction takes that noise out (Spearman 1904); the figures `agreement.png` and `map.png` show the corrected values.

By the mean cosine over all classifiers, more than half of them have the same nearest class for \
{(same > 0.5).mean():.0%} of the classes, and all of them for {(same == 1).mean():.0%}.

The same pictures went through every classifier, so part of what they agree on is these pictures. From one half of the \
pictures to the other one classifier agrees with itself, 25 pictures of each class in each half, at:

{frame_to_markdown(halves)}
## Nearest classes

{frame_to_markdown(pd.DataFrame(rows))}
`nearest.csv` has all {len(zoo.class_names):,}, by the zoo's mean.

## Classifiers

Agreement: Spearman with the mean cosine of all the others; the same for the plain counts, which are zero for most \
pairs; of two seeds; and the share of a class's {NEIGHBOURS} nearest that are also among its {NEIGHBOURS} nearest by \
that mean. `agreement.csv` and `agreement_corrected.csv` have every two classifiers.

{frame_to_markdown(summary, digits=3)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("reports/imagenet_zoo"))
    parser.add_argument("--report", metavar="CLASSIFIER", help="write this one's complete report too, into OUT/NAME")
    given = parser.parse_args()
    display = Display()
    try:
        predictions = read_zoo(given.predictions)
        if given.report is not None:
            if given.report not in predictions:
                raise confemb.ConfembError(f"no classifier {given.report!r}; known: {', '.join(predictions)}.")
            found = predictions[given.report]
            embed_predictions(
                confemb.count_pairs(found, k=found.k),
                found,
                EmbeddingSection(seeds=3, dim=DIM),
                given.out / given.report,
                seed=0,
                title=f"How {given.report} sees the 1,000 classes of ImageNet",
                source={"file": given.predictions.name, "sha256": sha256_file(given.predictions)},
                display=display,
            )
        zoo = embed_zoo(predictions, display)
        summary, nearest = summarise(zoo, predictions), nearest_table(zoo)
        raw = confemb.SimilarityMatrix(confemb.rank_correlations(zoo.cosines), zoo.classifiers)
        corrected = confemb.SimilarityMatrix(without_seed_noise(raw.values, zoo.seed_agreement), zoo.classifiers)
        seed = len(predictions) * SEEDS
        rows = [{"classifier": n, **self_agreement(predictions[n], seed)} for n in SHOWN if n in predictions]
        out = make_folder(given.out)
        write_text(out / "summary.csv", summary.to_csv(index=False, float_format="%.4f"))
        write_text(out / "nearest.csv", nearest.to_csv(index=False))
        raw.save_matrix(out / "agreement.csv")
        corrected.save_matrix(out / "agreement_corrected.csv")
        groups = families(zoo.classifiers)
        with style.figure_style():
            title = f"How alike {len(zoo.classifiers)} classifiers see the classes of ImageNet"
            label = "Spearman correlation, seeds' noise corrected"
            figures = {
                "agreement": agreement_figure(corrected, groups, title=title, label=label),
                "map": models_map(corrected, groups),
            }
        for name, figure in figures.items():
            save_figure(figure, out, name, dpi=150)
        agreements = agreement_table(raw, corrected, summary)
        write_text(out / "tables.md", findings(summary, agreements, zoo, nearest, pd.DataFrame(rows)))
    except confemb.ConfembError as error:
        raise SystemExit(f"imagenet_zoo: {error}") from error
    print(summary.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
