"""The report's findings in plain sentences, made from the data."""

import math

from confemb.reporting.analysis import Analysis
from confemb.reporting.tables import number

# Below this mean cosine across groups the report says that they have nothing in common.
_NEAR_ZERO = 0.1


def finding(analysis: Analysis) -> list[str]:
    """Return what the report begins with: one or two sentences on the classes, and one on agreement."""
    sentences = [" ".join(part for part in (_nearest(analysis), group_sentence(analysis)) if part)]
    found = analysis.agreement
    if found is not None and not math.isnan(found.spearman):
        name = analysis.result.reference_name
        text = f"Over {found.pairs:,} pairs the order agrees with {name} at Spearman {number(found.spearman)}"
        if found.nearest_columns:
            text += f", and the nearest class is the same for {found.nearest_right} of {found.nearest_columns} classes"
        if analysis.counts_agreement is not None:
            text += f"; the plain counts reach {number(analysis.counts_agreement.spearman)}"
        sentences.append(text + ".")
    if analysis.runs.basins is not None:
        first, second = (len(runs) for runs in analysis.runs.basins.runs)
        pair = analysis.runs.basins.differences[0]
        sentences.append(
            f"The seeds fall into two groups ({first} and {second}), which differ most on {pair.class_1} with "
            f"{pair.class_2} ({number(pair.medians[0])} against {number(pair.medians[1])}): read such pairs with care."
        )
    return sentences


def _nearest(analysis: Analysis) -> str:
    """Say which pairs are the most similar."""
    pairs = analysis.strongest_pairs(2)
    if not pairs:
        return "There is a single class, so nothing to compare."
    names, values = analysis.class_names, analysis.similarity.values
    told = [f"{names[i]} and {names[j]} (cosine {number(values[i, j])})" for i, j in pairs]
    if len(told) == 1:
        return f"The two classes are {told[0]}."
    return f"To this classifier {told[0]} are the most alike, then {told[1]}."


def group_sentence(analysis: Analysis) -> str:
    """Say how far the declared groups separate; "" without two groups."""
    found = analysis.separation
    if found is None or math.isnan(found.within_all) or math.isnan(found.across):
        return ""
    groups = " and ".join(found.within) if len(found.within) == 2 else f"the {len(found.within)} groups"
    within, across = number(found.within_all), number(found.across)
    if abs(found.across) < _NEAR_ZERO and found.within_all > 2 * _NEAR_ZERO:
        verdict = f"It keeps {groups} apart"
    elif found.within_all > found.across:
        verdict = f"It leans towards telling {groups} apart"
    else:
        verdict = f"It does not keep {groups} apart"
    return f"{verdict}: the mean cosine is {within} within a group and {across} across."


def seeds_sentence(analysis: Analysis) -> str:
    """Say how much the embedding depends on its seed."""
    seeds = len(analysis.result.runs)
    if seeds == 1:
        return "One seed only: how much the numbers would change with another is not known. Use more seeds to see it."
    text = f"The same pairs were embedded with {seeds} seeds; the report shows the median of each cosine."
    if not math.isnan(analysis.runs.rank_agreement):
        text += (
            f" Two seeds order the pairs alike at a mean rank correlation of {number(analysis.runs.rank_agreement, 3)}."
        )
    if analysis.runs.basins is not None:
        text += (
            " They fall into two groups: a single seed shows one of two pictures. The table names the pairs that move."
        )
    elif seeds > 3:
        text += " They form one group."
    return text


def run_sentence(analysis: Analysis) -> str:
    """Say what was counted and embedded."""
    counts, runs = analysis.result.counts, analysis.result.runs
    kept = "kept" if counts.self_pairs == "keep" else "dropped"
    text = (
        f"{counts.total:,} pairs of a true class and one of the {counts.k} most probable classes (pairs of a class "
        f"with itself {kept}), {len(counts.class_names):,} classes, {runs.vectors.shape[2]} dimensions."
    )
    predictions = analysis.result.predictions
    if predictions is not None:
        source = [part for part in (predictions.classifier, predictions.dataset) if part]
        text += f" Predictions: {' on '.join(source)}." if source else ""
    return text


def facts(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the few numbers shown large at the top, as (name, value)."""
    shown = [("classes", f"{len(analysis.class_names):,}"), ("pairs", f"{analysis.result.counts.total:,}")]
    if analysis.accuracy:
        held_out = [a for a in analysis.accuracy if a.split in ("test", "validation", "val")]
        chosen = (held_out or analysis.accuracy[-1:])[0]
        shown.append((f"accuracy, {chosen.split}", f"{chosen.top_1:.1%}"))
    if analysis.agreement is not None:
        shown.append((f"Spearman with {analysis.result.reference_name}", number(analysis.agreement.spearman)))
    if analysis.separation is not None:
        shown.append(
            (
                "within / across groups",
                f"{number(analysis.separation.within_all)} / {number(analysis.separation.across)}",
            )
        )
    shown.append(("seeds", str(len(analysis.result.runs))))
    if not math.isnan(analysis.runs.rank_agreement):
        shown.append(("rank agreement of seeds", number(analysis.runs.rank_agreement)))
    return shown
