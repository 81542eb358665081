"""The report on what a classifier's mistakes suggest: merge, split, label again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from confemb.datasets.predicted_pictures import Pictures
from confemb.records.predictions import Predictions
from confemb.reporting.contact_sheet import IN_A_ROW, contact_sheet
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.tables import Table, number, p_value
from confemb.studies.label_precision import FIRST, PlantedPrecision, planted_precision, too_poor
from confemb.studies.suggestions import (
    MERGE_BELOW,
    Merge,
    Relabels,
    Split,
    share_interval,
    suggest_merges,
    suggest_relabels,
    suggest_splits,
)
from confemb.support.errors import ConfembError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_PICTURES = 40
SHOWN_OF_A_GROUP = 2 * IN_A_ROW
SHOWN_PAIRS = 12


@dataclass(frozen=True, eq=False, kw_only=True)
class Suggestions:
    """Everything the report is made from.

    Attributes:
        title: its heading.
        predictions: what it was found in.
        merges: pairs of classes, see `suggest_merges`.
        splits: classes, or the sentence that says why none were sought.
        relabels: pictures, or such a sentence.
        learned: whether the classifier has learned from these pictures; None where that is not known.
        pictures: shows pictures, or None where they cannot be had.
        manifest: what was run.
        poor: why the classifier's mistakes suggest nothing, see `too_poor`; "" where they may.
        planted: what is found of labels exchanged on purpose.
    """

    title: str
    predictions: Predictions
    merges: list[Merge]
    splits: list[Split] | str
    relabels: Relabels | str
    learned: bool | None
    pictures: Pictures | None
    manifest: dict[str, Any]
    poor: str = ""
    planted: Sequence[PlantedPrecision] = ()


def find_suggestions(
    predictions: Predictions,
    *,
    title: str,
    most: int,
    seed: int,
    learned: bool | None,
    pictures: Pictures | None,
    manifest: dict[str, Any],
) -> Suggestions:
    """Look for classes to merge, classes to split and pictures to label again.

    Args:
        predictions: at least the most probable class of each picture; with probabilities pictures are told, with all
            of them classes to split.
        most: how many pairs of classes to list.
        seed: draws the halves that classes are split on.
        title, learned, pictures, manifest: see `Suggestions`.

    Raises:
        ConfembError: pictures of several classes, of which two that stand together are not taken for one another.
    """
    if predictions.weights is not None:
        raise ConfembError(
            "suggestions rest on one true class for each picture, and these have several, or weights: give each "
            "picture one row without a weight."
        )

    def tried(function: Any, **options: Any) -> Any:
        try:
            return function(predictions, **options)
        except ConfembError as error:
            return str(error)

    poor = too_poor(predictions)
    relabels = f"{poor[0].upper()}{poor[1:]}" if poor else tried(suggest_relabels)
    return Suggestions(
        title=title,
        predictions=predictions,
        merges=suggest_merges(predictions.labels, predictions.top_classes[:, 0], predictions.class_names, most=most),
        splits=tried(suggest_splits, seed=seed),
        relabels=relabels,
        learned=learned,
        pictures=pictures,
        manifest=manifest,
        poor=poor,
        planted=() if isinstance(relabels, str) else planted_precision(predictions, seed=seed),
    )


def suggestions_study(found: Suggestions) -> Study:
    """Return the report."""
    sections = [_merge_section(found), _split_section(found), _relabel_section(found)]
    data = {"merge.csv": pd.DataFrame([{**vars(one), "suggested": _merged(one, found)} for one in found.merges])}
    if not isinstance(found.splits, str):
        data["split.csv"] = pd.DataFrame(
            [
                {
                    "class": one.class_name,
                    "dip": one.dip,
                    "p_value": one.p_value,
                    "share_1": one.shares[0],
                    "low_1": one.low,
                    "high_1": one.high,
                    "typical_1": "; ".join(one.typical[0]),
                    "typical_2": "; ".join(one.typical[1]),
                }
                for one in found.splits
            ],
            columns=["class", "dip", "p_value", "share_1", "low_1", "high_1", "typical_1", "typical_2"],
        )
    if not isinstance(found.relabels, str):
        data["label_again.csv"] = relabel_frame(found.relabels, found.predictions)
    warning = {
        True: "The classifier has learned from these pictures: it makes fewer mistakes on them, and has learned their "
        "wrong labels too, so that much is missed.",
        False: "The classifier has not learned from these pictures.",
        None: "Whether the classifier has learned from these pictures is not known; if so, much is missed.",
    }[found.learned]
    return Study(
        title=found.title,
        description=f"Classes to merge, classes to split and pictures to label again, the surest first. {warning}",
        findings=_findings(found),
        sections=sections,
        data=data,
        manifest=found.manifest,
    )


def relabel_frame(relabels: Relabels, predictions: Predictions) -> pd.DataFrame:
    """Return a row for each picture to label again, the most suspicious first."""
    names = np.array(predictions.class_names, dtype=object)
    rows = relabels.rows
    return pd.DataFrame(
        {
            "row": rows,
            "id": ["" for _ in rows] if predictions.ids is None else predictions.ids[rows],
            "split": ["" for _ in rows] if predictions.splits is None else predictions.splits[rows],
            "label": names[predictions.labels[rows]],
            "suggested": names[relabels.suggested],
            "margin": relabels.margin,
        }
    )


def _merged(one: Merge, found: Suggestions) -> bool:
    return one.suggested and not found.poor


def _findings(found: Suggestions) -> list[str]:
    merges = [one for one in found.merges if _merged(one, found)]
    if found.poor:
        out = [f"Merge: nothing is suggested: {found.poor}"]
    elif merges:
        pairs = ", ".join(f"{one.class_1} with {one.class_2}" for one in merges[:5])
        more = f" and {len(merges) - 5} more" if len(merges) > 5 else ""
        out = [f"Merge: {pairs}{more}: the predictions surely carry less than half of what tells the two apart."]
    else:
        out = ["Merge: of no two classes the predictions surely carry less than half of what tells them apart."]
    if isinstance(found.splits, str):
        out.append(f"Split: not sought: {found.splits}")
    elif found.splits:
        names = ", ".join(one.class_name for one in found.splits)
        out.append(f"Split: {names} surely {'falls' if len(found.splits) == 1 else 'fall'} into two groups.")
    else:
        out.append("Split: no class surely falls into two groups.")
    if isinstance(found.relabels, str):
        out.append(f"Label again: not sought: {found.relabels}")
    else:
        count, total = len(found.relabels.rows), len(found.predictions)
        low, high = share_interval(count, total)
        out.append(
            f"Label again: {count:,} of {total:,} pictures ({count / total:.1%}, 95 % interval {low:.1%} to "
            f"{high:.1%}) are confidently predicted as another class than their label says."
        )
        if found.planted:
            out.append(_precision_sentence(found.planted))
    return out


def _precision_sentence(planted: Sequence[PlantedPrecision]) -> str:
    told = [
        f"{one.precision:.0%} ({one.first_precision:.0%} of the first {one.first:,}) if {one.rate:.1%}"
        for one in planted
    ]
    return (
        f"Expect that most of these labels are right: at best {', '.join(told)} of all labels are wrong at random. "
        "Real errors are harder to see: of the pictures flagged on CIFAR-10's test set about 5 % are mislabelled."
    )


def _merge_section(found: Suggestions) -> Section:
    rows = [
        [
            one.class_1,
            one.class_2,
            f"{one.confused:.1%}",
            number(one.told_apart, 2),
            f"[{number(one.low, 2)}, {number(one.high, 2)}]",
            p_value(one.p_value),
            "merge" if _merged(one, found) else "",
        ]
        for one in found.merges
    ]
    table = Table(
        "The pairs told apart least",
        "told apart: the information on which of the two it is that the prediction carries, as a share of all there "
        "is; p: how often one class in two would come out so far apart by chance.",
        ["class", "class", "confused", "told apart", "95 %", "p", "suggested"],
        rows,
        "llrrrrl",
    )
    text = (
        f"Suggested where the upper bound is below {MERGE_BELOW}. A p-value that is not small says that the confusions "
        "cannot be told from those of one class."
    )
    return Section("Classes to merge", text, [table] if rows else [])


def _split_section(found: Suggestions) -> Section:
    heading = "Classes to split"
    if isinstance(found.splits, str):
        return Section(heading, f"Not sought: {found.splits}")
    rows = [
        [
            one.class_name,
            number(one.dip, 3),
            p_value(one.p_value),
            f"{one.shares[0]:.0%} [{one.low:.0%}, {one.high:.0%}]",
            ", ".join(one.typical[0]),
            ", ".join(one.typical[1]),
        ]
        for one in found.splits
    ]
    header = ["class", "dip", "p", "larger group", "more probable in it", "more probable in the other"]
    table = Table("Classes that fall into two groups", "", header, rows, "lrrrll")
    figures = []
    if found.pictures is not None:
        for place, one in enumerate(found.splits[:4]):
            figures.append(
                StudyFigure(
                    f"split_{place + 1}",
                    f"{one.class_name}: pictures typical of the larger group, then of the other.",
                    lambda one=one: _split_sheet(one, found),  # type: ignore[misc]
                )
            )
    text = (
        "A class is suggested where the probabilities of the other classes have two peaks (Hartigan's dip test on "
        "pictures that did not choose the axis, corrected for the number of classes)."
    )
    return Section(heading, text, [table] if rows else [], figures)


def _split_sheet(one: Split, found: Suggestions) -> "Figure":
    assert found.pictures is not None
    rows = np.array([row for group in one.rows for row in group[:SHOWN_OF_A_GROUP]])
    captions = [[f"group {number + 1}"] for number, group in enumerate(one.rows) for _ in group[:SHOWN_OF_A_GROUP]]
    return contact_sheet(found.pictures(rows), captions)


def _relabel_section(found: Suggestions) -> Section:
    heading = "Pictures to label again"
    if isinstance(found.relabels, str):
        return Section(heading, f"Not sought: {found.relabels}")
    relabels = found.relabels
    rows = [
        [label, other, f"{count:,}", f"{share:.1%}", f"[{low:.1%}, {high:.1%}]"]
        for label, other, count, share, low, high in relabels.pairs[:SHOWN_PAIRS]
    ]
    header = ["label", "rather", "pictures", "of the label's", "95 %"]
    table = Table("Where labels and confident predictions disagree", "", header, rows, "llrrr")
    planted = [
        [
            f"{one.rate:.1%}",
            f"{one.planted:,}",
            f"{one.flagged:,}",
            f"{one.precision:.0%}",
            f"{one.first_precision:.0%}",
            f"{one.recall:.0%}",
        ]
        for one in found.planted
    ]
    note = (
        "Labels exchanged at random on purpose: how many of the pictures flagged then have an exchanged label, of all "
        f"and of the first {FIRST}, and how many of the exchanged labels are flagged. Real errors are harder to see."
    )
    title = "What to expect, by the share of wrong labels"
    head = ["wrong labels", "pictures", "flagged", "wrong of these", f"of the first {FIRST}", "of the wrong, flagged"]
    figures = []
    if found.pictures is not None and len(relabels.rows):
        shown = min(SHOWN_PICTURES, len(relabels.rows))
        caption = f"The {shown} most suspicious pictures: the label, and what the classifier is sure of instead."
        figures.append(StudyFigure("label_again", caption, lambda: _relabel_sheet(found, shown)))
    text = (
        "Confident learning (Northcutt et al. 2021): the probability of another class reaches what is usual for that "
        "class's own pictures. A suspicion, not a verdict: the classifier may be wrong. All are in label_again.csv."
    )
    tables = [table] if rows else []
    tables += [Table(title, note, head, planted, "rrrrrr")] if planted else []
    return Section(heading, text, tables, figures)


def _relabel_sheet(found: Suggestions, shown: int) -> "Figure":
    assert found.pictures is not None
    assert not isinstance(found.relabels, str)
    names, rows = found.predictions.class_names, found.relabels.rows[:shown]
    captions = [
        [f"{names[found.predictions.labels[row]]} ?", f"rather {names[other]}"]
        for row, other in zip(rows.tolist(), found.relabels.suggested[:shown].tolist(), strict=True)
    ]
    return contact_sheet(found.pictures(rows), captions)
