"""The report on how similarities form: class pairs, agreement and accuracy against the epoch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from confemb.records.indices import pair_indices
from confemb.records.similarity import SimilarityMatrix, agreement
from confemb.references import NoiseCeiling
from confemb.reporting.agreement_table import ceilings_note
from confemb.reporting.pair_axes import pair_labels
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.style import FAINT, INK, MUTED, group_colour, new_figure
from confemb.reporting.tables import Table, frame_table, number
from confemb.stats.seeds import group_separation
from confemb.studies.formation import Formation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_PAIRS = 8
TABLE_PAIRS = 20


def formation_study(
    found: Formation,
    *,
    title: str,
    references: Mapping[str, SimilarityMatrix],
    ceilings: Mapping[str, NoiseCeiling],
    groups: Mapping[str, Sequence[str]],
    manifest: Mapping[str, Any],
) -> Study:
    """Say when the order of the class pairs is there, which pairs move most, and how references are approached."""
    epochs = epochs_frame(found, references, groups)
    return Study(
        title=title,
        description=f"The classes embedded after {len(found.epochs)} epochs of one training, the last being its end.",
        findings=_findings(found, epochs, references),
        sections=[
            Section(
                "Agreement",
                "The Spearman correlation of the class pairs' order after each epoch with that at the end of the "
                "training"
                + (f", and with {', '.join(references)}." if references else ".")
                + " Counts: the same of the plain baseline, without any embedding.",
                tables=[frame_table("Epochs", epochs, digits=3, note=ceilings_note(ceilings))],
                figures=[
                    StudyFigure(
                        "agreement",
                        "Agreement with the end of the training and with the references, and accuracy, by epoch.",
                        lambda: agreement_figure(epochs, references, ceilings),
                    )
                ],
            ),
            Section(
                "Class pairs",
                "The median cosine over the embedding seeds after each epoch.",
                tables=[_pairs_table(found)],
                figures=[
                    StudyFigure(
                        "pairs",
                        f"The {min(SHOWN_PAIRS, found.medians.shape[1])} pairs that move most, the band holding 95 % "
                        "of the seeds; all others in grey.",
                        lambda: pairs_figure(found),
                    )
                ],
            ),
        ],
        data={"epochs.csv": epochs, "pairs.csv": pairs_frame(found)},
        manifest=dict(manifest),
    )


def epochs_frame(
    found: Formation, references: Mapping[str, SimilarityMatrix], groups: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return a row for each epoch: accuracy, agreement with the end and the references, groups, seeds."""
    rows = []
    for i, one in enumerate(found.epochs):
        row: dict[str, Any] = {"epoch": one.epoch}
        row |= {f"accuracy_{split}": value for split, value in one.accuracy.items()}
        row["spearman_with_the_end"] = float(found.agreement_with_final[i])
        row["counts_with_the_end"] = float(found.counts_agreement_with_final[i])
        for name, reference in references.items():
            row[f"spearman_with_{name}"] = agreement(one.similarity, reference).spearman
            row[f"counts_with_{name}"] = agreement(one.counts, reference).spearman
        if len(groups) > 1:
            separation = group_separation(one.similarity, groups)
            row |= {"within_groups": separation.within_all, "across_groups": separation.across}
        row["spearman_between_seeds"] = one.runs.rank_agreement
        rows.append(row)
    return pd.DataFrame(rows)


def pairs_frame(found: Formation) -> pd.DataFrame:
    """Return a row for each pair of classes and epoch: cosine, its interval over the seeds, count similarity."""
    parts = []
    for one, counts in zip(found.epochs, found.counts, strict=True):
        part = one.similarity.to_frame()
        part.insert(0, "epoch", one.epoch)
        parts.append(part.assign(count_similarity=counts))
    return pd.concat(parts, ignore_index=True)


def _findings(found: Formation, epochs: pd.DataFrame, references: Mapping[str, SimilarityMatrix]) -> list[str]:
    first, last = found.epochs[0], found.epochs[-1]
    agreement_final = found.agreement_with_final
    out = [
        f"After epoch {first.epoch} of {last.epoch} the order of the class pairs agrees with that at the end at a "
        f"Spearman correlation of {number(float(agreement_final[0]))} (plain counts: "
        f"{number(float(found.counts_agreement_with_final[0]))})."
    ]
    there = np.flatnonzero(np.minimum.accumulate(agreement_final[::-1])[::-1] >= 0.9)
    if there[0] > 0 and there[0] < len(found.epochs) - 1:
        out.append(f"From epoch {found.epochs[there[0]].epoch} on it agrees at 0.90 or more.")
    pair = int(found.moved_most(1)[0])
    rows, columns = pair_indices(len(found.class_names))
    values = found.medians[:, pair]
    out.append(
        f"The pair {found.class_names[rows[pair]]} and {found.class_names[columns[pair]]} moves most, from "
        f"{number(float(values[0]))} to {number(float(values[-1]))}."
    )
    for name in references:
        column = epochs[f"spearman_with_{name}"].tolist()
        out.append(
            f"Spearman with {name}: {number(column[0])} after epoch {first.epoch}, {number(column[-1])} at the end."
        )
    return out


def _pairs_table(found: Formation) -> Table:
    rows, columns = pair_indices(len(found.class_names))
    names = found.class_names
    shown = [
        [names[rows[p]], names[columns[p]], *(number(float(value)) for value in found.medians[:, p])]
        for p in found.moved_most(TABLE_PAIRS)
    ]
    header = ["class", "class", *(f"epoch {one.epoch}" for one in found.epochs)]
    title = "Median cosine by epoch, the pairs that move most first"
    return Table(title, "", header, shown, "ll" + "r" * len(found.epochs))


def agreement_figure(
    epochs: pd.DataFrame, references: Mapping[str, SimilarityMatrix], ceilings: Mapping[str, NoiseCeiling]
) -> "Figure":
    """Draw the agreements, with the references' noise ceilings, and the accuracies against the epoch."""
    figure = new_figure(7.4, 3.7)
    left, right = figure.subplots(1, 2)
    lines = {"the end": "the_end"} | {name: name for name in references}
    for i, (label, column) in enumerate(lines.items()):
        colour = group_colour(i)
        ours, counts = epochs[f"spearman_with_{column}"], epochs[f"counts_with_{column}"]
        left.plot(epochs["epoch"], ours, color=colour, marker="o", markersize=3.5, label=label)
        left.plot(epochs["epoch"], counts, color=colour, linewidth=1, dashes=(4, 2), alpha=0.7)
        if label in ceilings:
            left.axhline(ceilings[label].halves, color=colour, linewidth=1, linestyle=":", label=f"{label}, two halves")
    left.plot([], [], color=MUTED, linewidth=1, dashes=(4, 2), label="plain counts")
    left.set_title("agreement (Spearman) with")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    for i, column in enumerate(name for name in epochs.columns if name.startswith("accuracy_")):
        label = column.removeprefix("accuracy_")
        right.plot(epochs["epoch"], epochs[column], color=group_colour(i), marker="o", markersize=3.5, label=label)
    right.set_title("accuracy")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    right.legend(loc="best", fontsize=8)
    for axes in (left, right):
        _epoch_axis(axes)
    return figure


def pairs_figure(found: Formation) -> "Figure":
    """Draw each pair's median cosine against the epoch, those that move most in colour and named."""
    epochs = [one.epoch for one in found.epochs]
    rows, columns = pair_indices(len(found.class_names))
    shown = found.moved_most(SHOWN_PAIRS)
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    others = np.setdiff1d(np.arange(found.medians.shape[1]), shown)[:500]
    if len(others):
        axes.plot(epochs, found.medians[:, others], color=FAINT, linewidth=0.7, zorder=1)
    order = shown[np.argsort(-found.medians[-1, shown], kind="stable")]
    labels = pair_labels([(found.class_names[rows[p]], found.class_names[columns[p]]) for p in order])
    for i, (p, label) in enumerate(zip(order, labels, strict=True)):
        colour = group_colour(i)
        axes.plot(epochs, found.medians[:, p], color=colour, marker="o", markersize=3.5, label=label, zorder=3)
        if found.epochs[0].similarity.low is not None:
            low, high = (
                [getattr(one.similarity, bound)[rows[p], columns[p]] for one in found.epochs]
                for bound in ("low", "high")
            )
            axes.fill_between(epochs, low, high, color=colour, alpha=0.12, linewidth=0, zorder=2)
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=0)
    axes.set_ylabel("cosine", color=INK)
    _epoch_axis(axes)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _epoch_axis(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
