"""The superclasses of ImageNet that 60 published classifiers agree on, beside WordNet's.

The three most probable classes of every classifier for the 50,000 validation pictures are counted together and embedded
(`diffusion`, the default); the tree is the average linkage of the cosines. A replicate draws both the pictures and the
classifiers again, so that a node's support says how far it would be there with other classifiers of the kind, too.
Mistakes are judged by a tree found from every other classifier on half of the pictures: those of the other classifiers
on the other half.

    python experiments/imagenet_hierarchy.py --predictions imagenet_val_top5.npz --out reports/imagenet_hierarchy
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from confemb.embedders import make_pair_embedder
from confemb.records.imagenet import imagenet_classes
from confemb.records.pairs import PairCounts
from confemb.records.predictions import Predictions
from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.tables import Table
from confemb.stats.bootstrap import poisson_weights
from confemb.studies.hierarchy.figures import cuts_figure
from confemb.studies.hierarchy.find import LEARNED, RANDOM, WORDNET, find_hierarchy, known_paths
from confemb.studies.hierarchy.formats import superclass_table
from confemb.studies.hierarchy.measures import Estimate, Outcomes, compared, default_cuts, estimates, outcomes
from confemb.studies.hierarchy.report import default_superclasses, estimate_text, hierarchy_study, tree_files
from confemb.studies.hierarchy.tree import ClassTree, agglomerate, cut, shuffled
from confemb.studies.hierarchy.wordnet import wordnet_tree
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file
from confemb.support.manifest import study_manifest
from confemb.support.progress import Display

K = 3
TITLE = "The superclasses of ImageNet that 60 classifiers agree on"


@dataclass(frozen=True, eq=False)
class ZooResampling:
    """Draws pictures and classifiers again: labels (N,), top classes of each classifier (C, N, k)."""

    labels: np.ndarray
    top: np.ndarray
    class_names: tuple[str, ...]
    seed: int = 0

    def replicate(self, number: int) -> PairCounts:
        hashes = np.arange(len(self.labels), dtype=np.uint64)
        pictures = poisson_weights(hashes, seed=self.seed, replicate=number)
        drawn = np.random.default_rng([self.seed, number]).integers(len(self.top), size=len(self.top))
        return self.counts(pictures, np.bincount(drawn, minlength=len(self.top)))

    def halves(self, number: int) -> tuple[PairCounts, PairCounts]:
        raise NotImplementedError("halves are not asked for here")

    def counts(self, pictures: np.ndarray, classifiers: np.ndarray) -> PairCounts:
        """Count every picture and classifier as often as the weights say."""
        size = len(self.class_names)
        codes = np.zeros(size * size * K, np.int64)
        rows = np.flatnonzero(pictures)
        for weight, top in zip(classifiers.tolist(), self.top, strict=True):
            if weight:
                cells = (self.labels[rows, None] * size + top[rows]) * K + np.arange(K)
                each = np.repeat(pictures[rows] * weight, K)
                codes += np.bincount(cells.ravel(), weights=each, minlength=len(codes)).astype(np.int64)
        cells = np.flatnonzero(codes)
        pair, rank = np.divmod(cells, K)
        true, predicted = np.divmod(pair, size)
        return PairCounts(
            self.class_names,
            K,
            "keep",
            true.astype(np.int32),
            predicted.astype(np.int32),
            rank.astype(np.int32),
            codes[cells],
        )


def load(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray], tuple[str, ...]]:
    """Return labels, top classes by classifier, and the readable names of the classes."""
    names = tuple(one.name for one in imagenet_classes())
    with np.load(path, allow_pickle=False) as arrays:
        labels = arrays["labels"].astype(np.int64)
        top = {
            name: arrays[name][:, :K].astype(np.int64)
            for name in sorted(arrays.files)
            if arrays[name].dtype.kind in "iu" and arrays[name].ndim == 2
        }
    return labels, top, names


def mean_outcomes(labels: np.ndarray, tops: list[np.ndarray], tree: ClassTree, numbers: list[int]) -> Outcomes:
    """Return by picture the mean over classifiers of what they made of it, so that pictures are what is drawn."""
    each = [outcomes(Predictions(labels, top, None, tree.class_names), tree, numbers=numbers) for top in tops]
    return replace(each[0], values=np.mean([one.values for one in each], axis=0))


def judged(
    labels: np.ndarray, top: dict[str, np.ndarray], names: tuple[str, ...], seed: int
) -> tuple[dict[str, dict[str, Estimate]], dict[str, dict[str, Estimate]], int]:
    """Return the measures of each tree on held-out classifiers and pictures, and how they differ from the learned's."""
    embedder = make_pair_embedder("diffusion", {})
    half = np.zeros(len(labels), bool)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(labels)), labels))
    half[order[::2]] = True
    learned_from, held_out = list(top.values())[::2], list(top.values())[1::2]
    zoo = ZooResampling(labels, np.stack(learned_from), names)
    counts = zoo.counts(half.astype(np.int64), np.ones(len(learned_from), np.int64))
    learned = agglomerate(embedder.embed(counts, seed=0).cosine())
    trees = {LEARNED: learned}
    if set(paths := known_paths(names)) == set(names):
        trees[WORDNET] = wordnet_tree(names, paths)
    trees[RANDOM] = shuffled(learned, seed)
    numbers = default_cuts(learned)
    found = {
        name: mean_outcomes(labels[~half], [one[~half] for one in held_out], tree, numbers)
        for name, tree in trees.items()
    }
    measures = {name: estimates(one, seed=seed) for name, one in found.items()}
    differences = {name: compared(found[LEARNED], one, seed=seed) for name, one in found.items() if name != LEARNED}
    return measures, differences, int((~half).sum())


def shared_nodes(tree: ClassTree, other: ClassTree) -> list[int]:
    """Return the inner nodes of `tree`, without the root, whose classes are exactly those of a node of the other."""
    theirs = {other.members[node].tobytes() for node in other.inner}
    return [node for node in tree.inner if node != tree.root and tree.members[node].tobytes() in theirs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("reports/imagenet_hierarchy"))
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        print(write_study(study_of(given.predictions, given.replicates, given.seed), given.out))
    except ConfembError as error:
        raise SystemExit(f"imagenet_hierarchy: {error}") from error


def study_of(path: Path, replicates: int, seed: int) -> Study:
    labels, top, names = load(path)
    zoo = ZooResampling(labels, np.stack(list(top.values())), names, seed)
    embedder = make_pair_embedder("diffusion", {})
    counts = zoo.counts(np.ones(len(labels), np.int64), np.ones(len(top), np.int64))
    similarity = embedder.embed(counts, seed=0).cosine()
    with Display().bar() as update:
        found = find_hierarchy(
            similarity,
            zoo,
            embedder,
            replicates=replicates,
            seed=seed,
            progress=lambda done, total: update("replicates", done, total),
        )
    tree = found.tree
    measures, differences, pictures = judged(labels, top, names, seed)
    wordnet = wordnet_tree(names)
    shared = shared_nodes(tree, wordnet)
    cuts = default_superclasses(tree)
    study = hierarchy_study(
        found,
        title=TITLE,
        item="picture",
        cuts=cuts,
        manifest=study_manifest(
            predictions=path.name,
            sha256=sha256_file(path),
            classifiers=len(top),
            pictures=len(labels),
            trees_of_replicates=found.replicates,
            seed=seed,
        ),
    )
    table = superclass_table(tree, cuts)
    # The ids by which folders of pictures are named, beside the readable names.
    table.insert(1, "wnid", [{one.name: one.wnid for one in imagenet_classes()}[name] for name in table["class"]])
    rows = [
        [measure, *(estimate_text(measures[name][measure]) for name in measures)]
        for measure in next(iter(measures.values()))
    ]
    differ = [
        [measure, *(estimate_text(differences[name][measure]) for name in differences)]
        for measure in ("rank of mistakes", "hierarchical F", "LCA F")
    ]
    names_of = list(measures)
    extra = Section(
        "Mistakes of other classifiers by this tree and by WordNet's",
        f"The tree was found from {len(top) - len(top) // 2} of the classifiers on half of the pictures; judged are "
        f"the other {len(top) // 2} on the other {pictures:,} pictures, the mean over the classifiers. 95 % intervals "
        "over pictures. The trees differ in depth: precision, recall and F compare classifiers, not trees; the rank "
        "of mistakes (random mistakes: 0.5) and the accuracy at a cut compare trees.",
        tables=[
            Table("Mistakes by tree", "", ["measure", *names_of], rows, "l" + "r" * len(names_of)),
            Table(
                "Less the learned tree's",
                "On the same resampled pictures.",
                ["measure", *differences],
                differ,
                "l" + "r" * len(differences),
            ),
        ],
        figures=[StudyFigure("cuts", "Accuracy at each cut of each tree.", lambda: cuts_figure(measures))],
    )
    support = tree.support[shared]
    own = tree.support[len(names) : -1]
    agree = (
        f"{len(shared):,} of the {len(tree.inner) - 1:,} superclasses below the root are exactly WordNet's; their mean "
        f"support is {support.mean():.2f}, that of all {own.mean():.2f}."
    )
    ranks = {name: one["rank of mistakes"] for name, one in measures.items()}
    told = ", ".join(f"{name} {estimate_text(one)}" for name, one in ranks.items())
    return replace(
        study,
        description=f"From the top {K} classes of {len(top)} classifiers for {len(labels):,} validation pictures.",
        findings=[
            *study.findings,
            agree,
            f"Rank of the mistakes of held-out classifiers on held-out pictures among all pairs of classes (random: "
            f"0.5): {told}.",
        ],
        sections=[*study.sections, extra],
        data=study.data
        | {
            "superclasses.csv": table,
            "wordnet_superclasses.csv": superclass_table(
                wordnet, {f"cut_{n}": cut(wordnet, number=n) for n in default_cuts(wordnet)[:-1]}
            ),
            "measures.csv": pd.DataFrame(
                [
                    {"tree": name, "measure": measure, "value": e.value, "low": e.low, "high": e.high}
                    for name, one in measures.items()
                    for measure, e in one.items()
                ]
            ),
        },
        texts=study.texts | tree_files(wordnet, "wordnet"),
    )


if __name__ == "__main__":
    main()
