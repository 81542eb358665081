"""The figure and the page of visual_words.py."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from visual_words_judgements import DIM, FEWEST_PAIRS, SEEDS
from visual_words_translation import TOP

from confemb.reporting import style
from confemb.reporting.tables import frame_to_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(judged: pd.DataFrame, translated: pd.DataFrame) -> "Figure":
    """Return the figure: agreement with people on the left, translation on the right."""
    colours = {"visual": style.GROUPS[0], "confusion": style.GROUPS[1], "GloVe": style.GROUPS[2]}
    with style.figure_style():
        places = list(judged.groupby(["words", "judgements"], sort=False).groups)
        figure = style.new_figure(11.5, 1.5 + 0.28 * max(8, len(places)))
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
        for place, (words, name) in enumerate(places):
            here = judged[(judged["words"] == words) & (judged["judgements"] == name)]
            for shift, row in enumerate(here.to_dict("records")):
                y = len(places) - place + 0.25 - 0.25 * shift
                colour = colours[row["vectors"]]
                left.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.5)
                left.plot(row["Spearman"], y, "o", color=colour, markersize=5)
        counts = judged.groupby(["words", "judgements"], sort=False)["pairs"].first()
        labels = [f"{words}: {name.removeprefix('EN-')} ({counts[words, name]})" for words, name in places]
        left.set_yticks(range(len(places), 0, -1), labels)
        left.axvline(0, color=style.FAINT, zorder=0)
        left.set_xlabel("Spearman with human judgements, 95 % (pairs in brackets)")
        left.set_title("Agreement with people")
        for kind, colour in colours.items():
            left.plot([], [], "o-", color=colour, markersize=5, label=kind)
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8)
        labels = [
            f"{row['nouns']:,} nouns, {row['pictures a noun']} picture{'s' * (row['pictures a noun'] != '1')} each"
            + ", same source" * row["a noun's vector"].startswith("pictures")
            for row in translated.to_dict("records")
        ]
        for shift, top in enumerate(TOP):
            y = np.arange(len(translated), 0, -1) + 0.12 - 0.24 * shift
            bars = translated[[f"top-{top} low", f"top-{top} high"]].to_numpy().T
            values = translated[f"top-{top}"].to_numpy()
            errors = np.abs(bars - values)
            right.errorbar(
                values, y, xerr=errors, fmt="o", color=style.GROUPS[3 + shift], label=f"top-{top}", markersize=5
            )
        right.set_yticks(range(len(translated), 0, -1), labels)
        right.set_xlim(0, 1.06)
        right.set_xlabel("held-apart pictures translated right")
        right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        right.set_title("Translation by picture")
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8)
    return figure


def _percent(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    frame = frame.copy()
    for column in columns:
        frame[column] = [f"{value:.1%}" for value in frame[column]]
    return frame


def page(parts: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> str:
    """Return tables.md."""
    whole = parts["classes"].iloc[0]
    translated = _percent(
        parts["translation"], [column for column in parts["translation"] if column.startswith("top-")]
    )
    judged = parts["judgements"].copy()
    for column in ("Spearman", "low", "high", "minus visual", "minus visual low", "minus visual high"):
        judged[column] = ["" if pd.isna(value) else f"{round(value, 2) + 0.0:+.2f}" for value in judged[column]]
    return f"""# Word vectors from pictures

A word's vector is the mean of `{facts["activations"]}` over its pictures. {facts["nouns"]:,} nouns of one photograph, \
{facts["drawings"]:,} of one drawing.

## Translation by picture

{facts["translated"]:,} pictures of {facts["classes"]} classes, none of which made a noun's vector. The right noun is \
the nearest (top-1) or among the five nearest (top-5) by cosine; for the intervals classes, and pictures within them, \
are drawn anew.

{frame_to_markdown(translated)}
The {facts["nouns"]:,} nouns, by class:

{frame_to_markdown(_percent(parts["translation_classes"], ["top-1", "top-5"]))}
## The post's example

{frame_to_markdown(parts["post"])}
{frame_to_markdown(parts["nearest"])}
## Human judgements

Spearman's correlation with people's scores over the pairs that all vectors of a group know, where there are at least \
{FEWEST_PAIRS}; intervals from 2,000 \
draws of the pairs, "minus visual" is the difference to the visual vectors on the same draws. "confusion" is the \
skip-gram embedding of {facts["confused"]}'s five most probable classes (50,000 pictures, {DIM} dimensions, {SEEDS} \
seeds).

{frame_to_markdown(judged)}
## The classes of ImageNet

Visual vectors of one picture a class and the confusion embedding order the pairs of {whole["classes"]:,.0f} classes \
alike at Spearman {whole["Spearman"]:.2f} ({whole["low"]:.2f} to {whole["high"]:.2f}, classes drawn anew); the nearest \
class is the same for {whole["nearest the same"]:.0%}, by chance for {whole["by chance"]:.1%}. With more pictures:

{frame_to_markdown(parts["classes"], digits=3)}
"""
