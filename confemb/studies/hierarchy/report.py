"""The report on a hierarchy: the tree, how sure it is, its files, and the classifier's mistakes by it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.tables import Table, frame_table, number
from confemb.studies.hierarchy.figures import cuts_figure, tree_figure
from confemb.studies.hierarchy.find import LEARNED, PLAIN, Hierarchy, Judged, accuracy_estimate
from confemb.studies.hierarchy.formats import neo_csv, superclass_table, to_json, to_neo
from confemb.studies.hierarchy.measures import Estimate, default_cuts
from confemb.studies.hierarchy.newick import to_newick
from confemb.studies.hierarchy.tree import ClassTree, cut
from confemb.support.errors import ConfembError

# Of the superclasses "by support": nodes that fewer replicates have may be the items' doing.
SURE = 0.95
MOST_NODES = 60


def tree_files(tree: ClassTree, name: str = "tree") -> dict[str, str]:
    """Return file name -> text of a tree: JSON, Newick with support, Newick with names."""
    return {
        f"{name}.json": json.dumps(to_json(tree), indent=1, ensure_ascii=False) + "\n",
        f"{name}.nwk": to_newick(tree),
        f"{name}_names.nwk": to_newick(tree, labels="names"),
    }


def default_superclasses(tree: ClassTree, *, support: float = SURE) -> dict[str, np.ndarray]:
    """Return column -> cut: into 2, 5, 10, ... superclasses, and where it is known the largest supported nodes."""
    cuts = {f"cut_{one}": cut(tree, number=one) for one in default_cuts(tree)[:-1]}
    if not np.isnan(tree.support[len(tree.class_names) :]).any():
        cuts[f"support_{support:g}"] = cut(tree, support=support)
    return cuts


def hierarchy_study(
    found: Hierarchy,
    judged: Judged | None = None,
    *,
    title: str,
    item: str = "item",
    cuts: Mapping[str, np.ndarray] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Study:
    """Return the study of a hierarchy.

    Args:
        found: the tree, how sure it is.
        judged: the mistakes by it and by other trees; None where the items are not known.
        title: the heading.
        item: what was classified, one of it.
        cuts: column -> superclasses for `superclasses.csv`; None: `default_superclasses`.
        manifest: what was run.
    """
    tree = found.tree
    cuts = default_superclasses(tree) if cuts is None else dict(cuts)
    texts = tree_files(tree)
    if found.consensus is not None:
        texts |= tree_files(found.consensus, "consensus")
    try:
        texts["neo.csv"] = neo_csv(to_neo(tree))
    except ConfembError:
        # A class name with a colon: Neo has no form for it.
        texts.pop("neo.csv", None)
    data = {"superclasses.csv": superclass_table(tree, cuts), "nodes.csv": nodes_frame(tree)}
    sections = [_tree_section(found)]
    if judged is not None:
        sections += [_measures_section(judged, item), *_backing_off_sections(judged, item)]
        data["measures.csv"] = measures_table(judged)
        if judged.backed_off:
            data["backing_off.csv"] = backing_off_frame(judged)
    return Study(
        title=title,
        description=f"Found by agglomeration ({found.method} linkage) of the similarities of "
        f"{len(tree.class_names):,} classes.",
        findings=_findings(found, judged, item),
        facts=_facts(found),
        sections=sections,
        data=data,
        texts=texts,
        manifest=dict(manifest or {}),
    )


def nodes_frame(tree: ClassTree) -> pd.DataFrame:
    """Return a row for each inner node, the root first: node, classes, height, support, parent, members."""
    rows = []
    for node in reversed(tree.inner):
        members = [tree.class_names[i] for i in tree.order if tree.members[node, i]]
        rows.append(
            {
                "node": tree.names[node],
                "classes": int(tree.sizes[node]),
                "height": tree.heights[node],
                "support": tree.support[node],
                "parent": "" if node == tree.root else tree.names[tree.parents[node]],
                "members": "; ".join(members),
            }
        )
    return pd.DataFrame(rows)


def measures_table(judged: Judged) -> pd.DataFrame:
    """Return a row for each tree and measure: tree, measure, value, low, high."""
    return pd.DataFrame(
        [
            {"tree": tree, "measure": measure, "value": one.value, "low": one.low, "high": one.high}
            for tree, found in judged.measures.items()
            for measure, one in found.items()
        ]
    )


def backing_off_frame(judged: Judged) -> pd.DataFrame:
    """Return a row for each promise and tree: accuracy and specificity, and the gain over plain rejection."""
    rows = []
    for (promise, name), one in judged.backed_off.items():
        accuracy, gain = accuracy_estimate(one), judged.gain(promise, name)
        rows.append(
            {
                "promised": promise,
                "tree": name,
                "threshold": one.threshold,
                "accuracy": accuracy.value,
                "accuracy_low": accuracy.low,
                "accuracy_high": accuracy.high,
                "specificity": one.specificity,
                "answered_with_class": float(one.answered.mean()),
                "gain_over_rejection": gain.value,
                "gain_low": gain.low,
                "gain_high": gain.high,
            }
        )
    return pd.DataFrame(rows)


def _tree_section(found: Hierarchy) -> Section:
    frame = nodes_frame(found.tree).drop(columns="members")
    shown = frame.iloc[1 : MOST_NODES + 1]
    support = (
        f"The support of a node is the share of {found.replicates:,} trees of bootstrap replicates that have a node of "
        "the same classes (Felsenstein 1985). "
        if found.replicates
        else "Without the items behind the similarities the support of the nodes is not known. "
    )
    figures = [StudyFigure("tree", "The tree; percentages are the nodes' support.", lambda: tree_figure(found.tree))]
    if found.consensus is not None:
        consensus = found.consensus
        figures.append(StudyFigure("consensus", "The nodes that most replicates have.", lambda: tree_figure(consensus)))
    return Section(
        "The tree",
        support + "Files: tree.json, tree.nwk (labels: support), tree_names.nwk, superclasses.csv, neo.csv; "
        "consensus.* holds the majority-rule tree.",
        tables=[
            frame_table(
                "Nodes, the highest first" if len(frame) <= MOST_NODES else f"The {MOST_NODES} highest nodes", shown
            )
        ],
        figures=figures,
    )


def estimate_text(one: Estimate, digits: int = 3) -> str:
    """Return "0.912 [0.901, 0.923]"."""
    return f"{number(one.value, digits)} [{number(one.low, digits)}, {number(one.high, digits)}]"


def _measures_section(judged: Judged, item: str) -> Section:
    names = list(judged.measures)
    measures = list(judged.measures[names[0]])
    rows = [[measure, *(estimate_text(judged.measures[name][measure]) for name in names)] for measure in measures]
    table = Table("Mistakes by tree", "95 % intervals over items.", ["measure", *names], rows, "l" + "r" * len(names))
    return Section(
        "Mistakes by the tree",
        f"The learned tree was found from one half of the {item}s; the table is of the other half ({judged.items:,}). "
        "accuracy@n: the superclass is right when the tree is cut into n. Hierarchical precision, recall and F: the "
        "sets of nodes above the predicted and the true class; LCA: up to their lowest common ancestor only "
        "(Kosmopoulos et al. 2015). Rank of mistakes: 0.5 for mistakes at random, whatever the tree.",
        tables=[table],
        figures=[StudyFigure("cuts", "Accuracy at each cut of each tree.", lambda: cuts_figure(judged.measures))],
    )


def _backing_off_sections(judged: Judged, item: str) -> list[Section]:
    if not judged.backed_off:
        return []
    frame = backing_off_frame(judged)
    rows = [
        [
            f"{row['promised']:.0%}",
            row["tree"],
            f"{number(row['accuracy'], 3)} [{number(row['accuracy_low'], 3)}, {number(row['accuracy_high'], 3)}]",
            number(row["specificity"], 3),
            f"{row['answered_with_class']:.1%}",
            f"{number(row['gain_over_rejection'], 3)} [{number(row['gain_low'], 3)}, {number(row['gain_high'], 3)}]",
        ]
        for row in frame.to_dict("records")
    ]
    header = ["promised", "tree", "accuracy", "specificity", "a class", "specificity over rejection"]
    return [
        Section(
            "Backing off to a superclass",
            f"Where the class is not sure, the answer is the superclass that is (Deng et al. 2012). The threshold was "
            f"set on one half of the {item}s for the promised accuracy (conformal risk control); the table is of the "
            "other half. Specificity is the mean information gain of right answers: 1 where all are answered rightly "
            "with a class, 0 where all are answered with the root. Plain rejection knows the root and classes only.",
            tables=[Table("Backing off", "", header, rows, "llrrrr")],
        )
    ]


def _findings(found: Hierarchy, judged: Judged | None, item: str) -> list[str]:
    tree = found.tree
    out = [f"The tree of {len(tree.class_names):,} classes has {len(tree.inner) - 1:,} superclasses below its root."]
    support = tree.support[len(tree.class_names) : -1]
    if found.replicates and len(support):
        sure = int((support >= SURE).sum())
        out.append(
            f"{sure:,} of its {len(support):,} superclasses are in at least {SURE:.0%} of {found.replicates:,} trees "
            f"of bootstrap replicates, {int((support >= 0.5).sum()):,} in at least half."
        )
    if judged is not None:
        ranks = {name: one["rank of mistakes"] for name, one in judged.measures.items()}
        told = ", ".join(f"{name} {estimate_text(one, 2)}" for name, one in ranks.items())
        out.append(
            f"Height of mistakes as a rank among all pairs of classes (random: 0.5), on held-out {item}s: {told}."
        )
        for promise in dict.fromkeys(promise for promise, _ in judged.backed_off):
            one, gain = judged.backed_off[promise, LEARNED], judged.gain(promise, LEARNED)
            out.append(
                f"Promised {promise:.0%}: backing off along the learned tree is right for {one.accuracy:.1%} at a "
                f"specificity of {number(one.specificity, 3)}; over {PLAIN}: {estimate_text(gain)}."
            )
    return out


def _facts(found: Hierarchy) -> list[tuple[str, str]]:
    facts = [("classes", f"{len(found.tree.class_names):,}"), ("agglomeration", found.method)]
    if found.replicates:
        facts.append(("trees of replicates", f"{found.replicates:,}"))
    return facts
