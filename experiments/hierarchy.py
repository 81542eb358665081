"""What a learned hierarchy is good for, each use with its effect on held-out items: CIFAR-10 and 20 Newsgroups.

Everything is worked out on one half of the items and judged on the other: backing off to superclasses, decisions by
least expected cost, merges of `suggest`. Which agglomeration makes the best tree is asked of held-out confusions:
chosen on every other classifier of the zoo of CIFAR-10, judged on the rest.

    python experiments/hierarchy.py --probabilities cifar10_test_probs_label_errors.npy --zoo cifar10_test_top1.npz \
        --newsgroups 20news-bydate.tar.xz --out reports/hierarchy
"""

import argparse
from pathlib import Path
from typing import get_args

import newsgroups
import numpy as np
import pandas as pd

import confemb
from confemb.embedders import make_pair_embedder
from confemb.records.options import PairOptions
from confemb.records.predictions import Predictions
from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.tables import frame_table
from confemb.result.model_files import load_many
from confemb.studies.hierarchy.effects import cost_effects, effects_frame, merge_effects, merges_frame
from confemb.studies.hierarchy.figures import tree_figure
from confemb.studies.hierarchy.find import all_known, halves, judge_trees, known_paths, similarity_of
from confemb.studies.hierarchy.measures import estimates, outcomes
from confemb.studies.hierarchy.naming import name_nodes
from confemb.studies.hierarchy.report import backing_off_frame
from confemb.studies.hierarchy.tree import Method, agglomerate
from confemb.studies.hierarchy.wordnet import wordnet_tree
from confemb.support.errors import ConfembError
from confemb.support.files import sha256_file
from confemb.support.manifest import study_manifest

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
EMBEDDER = "diffusion"
SEED = 0


def methods_frame(classifiers: dict[str, Predictions]) -> pd.DataFrame:
    """Return for each linkage the rank of held-out mistakes, over the classifiers to choose on and those to judge."""
    rows = []
    embedder, pairs = make_pair_embedder(EMBEDDER, {}), PairOptions(k=1)
    for name, predictions in classifiers.items():
        first, second = halves(predictions, SEED)
        similarity = similarity_of(first, embedder, pairs)
        for method in get_args(Method):
            found = outcomes(second, agglomerate(similarity, method))
            rank = estimates(found, replicates=2)["rank of mistakes"].value
            rows.append({"classifier": name, "linkage": method, "rank": rank})
    frame = pd.DataFrame(rows)
    chosen = list(classifiers)[::2]
    part = np.where(frame["classifier"].isin(chosen), "chosen on", "judged on")
    return frame.assign(part=part).groupby(["linkage", "part"], sort=False)["rank"].mean().unstack().reset_index()


def section(
    name: str, item: str, predictions: Predictions, pairs: PairOptions
) -> tuple[Section, dict[str, pd.DataFrame]]:
    """Return what the uses do to one classifier's held-out items."""
    embedder = make_pair_embedder(EMBEDDER, {})
    first, second = halves(predictions, SEED)
    similarity = similarity_of(first, embedder, pairs)
    tree = name_nodes(agglomerate(similarity), similarity, known_paths(similarity.class_names))
    judged = judge_trees(predictions, embedder, pairs, seed=SEED)
    merged = merge_effects(first, second, most=5, seed=SEED)
    others = {}
    if set(known_paths(similarity.class_names)) == set(similarity.class_names):
        wordnet = wordnet_tree(similarity.class_names)
        heights = wordnet.heights[wordnet.lowest_common]
        others["WordNet height"] = heights / heights.max()
    assert all_known(second)
    costs = effects_frame(cost_effects(second, similarity, others, seed=SEED))
    backed, merges = backing_off_frame(judged), merges_frame(merged)
    text = (
        f"{len(first):,} {item}s to work things out on, {len(second):,} to judge. Merging the {len(merged.each)} pairs "
        f"of classes that `suggest` lists first leaves {merged.classes} classes: accuracy {merged.before:.3f} before, "
        f"{merged.expected:.3f} expected, {merged.after:.3f} seen; as many random merges gain {merged.random:.3f}, "
        f"these {merged.gain.value:.3f} [{merged.gain.low:.3f}, {merged.gain.high:.3f}]."
    )
    key = name.lower().replace(" ", "_").replace("-", "")
    found = Section(
        name,
        text,
        tables=[
            frame_table("Backing off at a promised accuracy", backed, digits=3),
            frame_table("Decisions by least expected cost", costs, digits=4),
            frame_table("Merges", merges, digits=4),
        ],
        figures=[StudyFigure(f"tree_{key}", f"The tree of {name}, found from one half.", lambda: tree_figure(tree))],
    )
    return found, {f"backing_off_{key}.csv": backed, f"costs_{key}.csv": costs, f"merges_{key}.csv": merges}


def study_of(probabilities: Path, zoo: Path, archive: Path) -> Study:
    classifiers = load_many(zoo, class_names=CLASSES)
    labels = next(iter(classifiers.values())).labels
    scores = np.load(probabilities, allow_pickle=False)
    network = confemb.predictions_from_scores(scores, labels, CLASSES, k=len(CLASSES))
    posts = newsgroups.predict(newsgroups.read_archive(archive), k=20)
    cifar, cifar_data = section("CIFAR-10", "picture", network, PairOptions())
    texts, texts_data = section("20 Newsgroups", "post", posts, PairOptions())
    methods = methods_frame(classifiers)
    best = methods.loc[methods["chosen on"].idxmin(), "linkage"]
    return Study(
        title="What a learned hierarchy is good for",
        description="Effects on items that neither the trees nor the thresholds were made from, with 95 % intervals.",
        findings=[f"The linkage whose trees put held-out mistakes lowest, on the classifiers to choose on: {best}."],
        sections=[
            Section(
                "Which agglomeration",
                "Each classifier's tree is found from half of its pictures; the mean rank of the mistakes on the other "
                "half among all pairs of classes (0.5: random), over the classifiers to choose on and the others.",
                tables=[frame_table("Linkages", methods, digits=4)],
            ),
            cifar,
            texts,
        ],
        data={"linkages.csv": methods} | cifar_data | texts_data,
        manifest=study_manifest(
            files={path.name: sha256_file(path) for path in (probabilities, zoo, archive)}, seed=SEED
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probabilities", type=Path, required=True)
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--newsgroups", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("reports/hierarchy"))
    given = parser.parse_args()
    try:
        print(write_study(study_of(given.probabilities, given.zoo, given.newsgroups), given.out))
    except ConfembError as error:
        raise SystemExit(f"hierarchy: {error}") from error


if __name__ == "__main__":
    main()
