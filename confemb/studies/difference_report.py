"""The report on two checkpoints: which class pairs moved between them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from confemb.records.indices import name_index
from confemb.records.pair_weights import Weighting
from confemb.records.predictions import Predictions
from confemb.reporting.pair_axes import pair_axes, pair_labels
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.style import MUTED, diverging_map, new_figure, shortened, shortened_apart
from confemb.reporting.tables import Table, number, p_value
from confemb.stats.seeds import rank_correlations
from confemb.studies.difference import PairDifferences, pair_differences, significant
from confemb.studies.models import join_pictures
from confemb.support import settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PAIRS = 30
MOST_CLASSES = 30
CLOSER, FARTHER = "#d4701c", "#2f6ea3"


class DifferenceOptions(settings.Section):
    """How two classifiers are compared pair by pair.

    `k` predicted classes of each item count, weighed by count or by probability; `level` is the false-discovery rate;
    `flips` random swaps, drawn from `seed`, test what is weighed by probability. `names` is what the two are called.
    """

    k: settings.PositiveInt = 1
    weighting: Weighting = "count"
    level: Annotated[float, Field(ge=0, le=1)] = 0.05
    flips: Annotated[int, Field(ge=99)] = 9999
    seed: Annotated[int, Field(ge=0)] = 0
    names: tuple[str, str] = ("before", "after")
    title: str = ""


def compare_checkpoints(
    before: Predictions,
    after: Predictions,
    options: DifferenceOptions | None = None,
    *,
    manifest: Mapping[str, Any] | None = None,
) -> Study:
    """Return which class pairs moved between two classifiers of the same items, beyond chance.

    Args:
        before, after: predictions of the same items; those that both have are compared, matched by id.
        options: how.
        manifest: what was run, recorded.

    Raises:
        ConfembError: predictions of different items, fewer than `k` classes for an item, or weighing by probability
            without probabilities.
    """
    options = options or DifferenceOptions()
    before, after = join_pictures([before, after])
    differences = pair_differences(
        before, after, k=options.k, weighting=options.weighting, flips=options.flips, seed=options.seed
    )
    counted = (
        f"the share of one's {'first' if options.k == 1 else f'{options.k} first'} predictions that name the other"
    )
    return difference_study(
        differences,
        names=options.names,
        accuracies=(before.accuracy, after.accuracy),
        measure=counted
        if options.weighting == "count"
        else "the mean probability that one's pictures give to the other",
        level=options.level,
        title=options.title or f"What changed from {options.names[0]} to {options.names[1]}",
        manifest=manifest or {},
    )


def difference_study(
    found: PairDifferences,
    *,
    names: tuple[str, str],
    accuracies: tuple[float, float],
    measure: str,
    level: float,
    title: str,
    manifest: Mapping[str, Any],
) -> Study:
    """Say which class pairs moved from the first classifier to the second, beyond chance.

    Args:
        found: the differences.
        names: what the two classifiers are called.
        accuracies: how often each is right.
        measure: what a similarity is here, after "the share of".
        level: the false-discovery rate at which a pair counts as moved.
        title: the report's heading.
        manifest: what was run.
    """
    frame = found.to_frame()
    moved = significant(frame, level=level)
    figures = [
        StudyFigure(
            "moved_pairs",
            f"The surest changes with their 95 % interval; orange came closer, blue went farther apart at a "
            f"false-discovery rate of {level:g}, grey may be chance.",
            lambda: moved_figure(frame, level, names),
        )
    ]
    if len(found.class_names) <= MOST_CLASSES:
        figures.append(
            StudyFigure(
                "differences",
                "The change of every pair of classes; dots mark those that moved beyond chance.",
                lambda: difference_heatmap(found, frame, level),
            )
        )
    agreement = rank_correlations(np.stack([found.before, found.after]))[0, 1]
    return Study(
        title=title,
        description=f"The same {found.pictures:,} pictures by {names[0]} and by {names[1]}. The similarity of two "
        f"classes is {measure}, averaged over both directions.",
        findings=_findings(frame, moved, names, level),
        facts=[
            ("pictures", f"{found.pictures:,}"),
            (f"accuracy, {shortened(names[0], 16)}", f"{accuracies[0]:.2%}"),
            (f"accuracy, {shortened(names[1], 16)}", f"{accuracies[1]:.2%}"),
            ("pairs moved", f"{len(moved):,} of {len(frame):,}"),
            ("Spearman between both", number(float(agreement))),
        ],
        sections=[
            Section(
                "Pairs that moved",
                "Each picture could as well have been given to the two the other way about, were they alike: the "
                "p-value is the share of such swaps after which the similarity differs at least as much. It is "
                "corrected for the number of pairs: q keeps the expected share of false ones among those named below "
                "it (Benjamini-Hochberg), Holm's p the chance of a single false one.",
                tables=[_table(frame)],
                figures=figures,
            )
        ],
        data={"differences.csv": frame},
        manifest=dict(manifest),
    )


def _findings(frame: pd.DataFrame, moved: pd.DataFrame, names: tuple[str, str], level: float) -> list[str]:
    if len(moved) == 0:
        return [f"No pair of classes moved beyond chance from {names[0]} to {names[1]}."]
    closer, farther = moved[moved["difference"] > 0], moved[moved["difference"] < 0]
    out = [
        f"{len(moved):,} of {len(frame):,} pairs of classes moved from {names[0]} to {names[1]} (false-discovery rate "
        f"{level:g}): {len(closer):,} closer, {len(farther):,} farther apart; "
        f"{int((moved['p_holm'] <= level).sum()):,} of them stand by Holm's correction too."
    ]
    for what, part in (("closer", closer), ("farther apart", farther)):
        if len(part):
            most = part.to_dict("records")[int(part["difference"].abs().to_numpy().argmax())]
            out.append(
                f"Most {what}: {most['class_1']} and {most['class_2']}, from {number(most['before'], 4)} to "
                f"{number(most['after'], 4)}."
            )
    return out


def _table(frame: pd.DataFrame) -> Table:
    header = ["class", "class", "before", "after", "difference", "95 %", "p", "q", "Holm's p"]
    rows = [
        [
            row["class_1"],
            row["class_2"],
            number(row["before"], 4),
            number(row["after"], 4),
            number(row["difference"], 4),
            f"[{number(row['low'], 4)}, {number(row['high'], 4)}]",
            *(p_value(row[what]) for what in ("p", "q_bh", "p_holm")),
        ]
        for row in frame.head(MOST_PAIRS).to_dict("records")
    ]
    title = f"The {MOST_PAIRS} surest changes" if len(frame) > MOST_PAIRS else "Changes, the surest first"
    return Table(title, "differences.csv has all pairs, and the p-values in full.", header, rows, "ll" + "r" * 7)


def moved_figure(frame: pd.DataFrame, level: float, names: tuple[str, str]) -> "Figure":
    """Draw the surest changes with their intervals."""
    shown = frame.head(MOST_PAIRS).sort_values("difference", kind="stable")
    difference = shown["difference"].to_numpy()
    sure = shown["q_bh"].to_numpy() <= level
    colours = [MUTED if not s else CLOSER if d > 0 else FARTHER for s, d in zip(sure, difference, strict=True)]
    labels = pair_labels(list(zip(shown["class_1"], shown["class_2"], strict=True)))
    label = f"similarity by {shortened(names[1])} less that by {shortened(names[0])}"
    figure, axes, height = pair_axes(labels, line=0.2, label=label)
    axes.hlines(height, shown["low"], shown["high"], color=colours, linewidth=2, alpha=0.45, zorder=1)
    axes.scatter(difference, height, s=22, c=colours, linewidths=0, zorder=2)
    return figure


def difference_heatmap(found: PairDifferences, frame: pd.DataFrame, level: float) -> "Figure":
    """Draw the change of every pair as a matrix, a dot on those that moved."""
    size = len(found.class_names)
    values = np.full((size, size), np.nan)
    values[found.rows, found.columns] = values[found.columns, found.rows] = found.difference
    index = name_index(found.class_names)
    most = float(np.abs(found.difference).max()) or 1.0
    side = max(size * 0.34 + 1.6, 3.6)
    figure = new_figure(side + 0.9, side)
    axes = figure.subplots()
    image = axes.imshow(values, cmap=diverging_map(), vmin=-most, vmax=most, interpolation="nearest")
    moved = significant(frame, level=level)
    for first, second in zip(moved["class_1"], moved["class_2"], strict=True):
        i, j = index[first], index[second]
        axes.plot([i, j], [j, i], "o", color="#1c2530", markeredgecolor="white", markeredgewidth=0.6, markersize=4)
    names = shortened_apart(found.class_names, 16)
    axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="difference", shrink=0.75, aspect=28, pad=0.02)
    return figure
