"""The report's findings in plain sentences, made from the data."""

import math

import numpy as np

from confemb.analysis.caveats import UNRELIABLE, caveats, confusions, is_unreliable, isolated
from confemb.analysis.derived import Analysis
from confemb.reporting.agreement_table import interval_text
from confemb.reporting.reliability_table import median_width
from confemb.reporting.tables import number
from confemb.stats.seeds import FEWEST_RUNS_FOR_BASINS, next_run_within
from confemb.support.errors import quoted_list

# Below this mean cosine across groups the report says that they have nothing in common.
_NEAR_ZERO = 0.1


def finding(analysis: Analysis) -> list[str]:
    """Return what the report begins with: what must be known first, the classes, and agreement with references."""
    sentences = _first(analysis)
    about_classes = " ".join(part for part in (_nearest(analysis), group_sentence(analysis)) if part)
    sentences += [about_classes] if about_classes else []
    for compared in analysis.compared:
        found = compared.similarity.found
        if math.isnan(found.spearman):
            continue
        name = compared.reference.title
        text = f"Over {found.pairs:,} pairs the order agrees with {name} at Spearman {number(found.spearman)}"
        if interval_text(compared.similarity):
            text += f" ({interval_text(compared.similarity)})"
        if found.nearest_columns:
            text += f", and the nearest class is the same for {found.nearest_right} of {found.nearest_columns} classes"
        sentences.append(f"{text}; the plain counts reach {number(compared.counts.found.spearman)}.")
    if analysis.runs.basins is not None:
        first, second = (len(runs) for runs in analysis.runs.basins.runs)
        pair = analysis.runs.basins.differences[0]
        sentences.append(
            f"The seeds fall into two groups ({first} and {second}), which differ most on {pair.class_1} with "
            f"{pair.class_2} ({number(pair.medians[0])} against {number(pair.medians[1])}): read such pairs with care."
        )
    return sentences


def _first(analysis: Analysis) -> list[str]:
    """Return what must be read before any number: see `caveats`; not for an embedder that looks into a classifier."""
    result = analysis.result
    if result.from_classifier:
        return []
    found = caveats(
        result.counts,
        result.uncertainty.reliability,
        rank_agreement=analysis.runs.rank_agreement,
        note=result.note,
        item=result.item,
    )
    alone = isolated(analysis.similarity)
    if alone and len(alone) < len(analysis.class_names):
        told = quoted_list(alone)
        found.append(f"{told} {'is' if len(alone) == 1 else 'are'} equally far from every class: no nearest class.")
    return found


def _nearest(analysis: Analysis) -> str:
    """Say which pairs are the most similar."""
    pairs = analysis.strongest_pairs(3)
    if not pairs:
        return "There is a single class, so nothing to compare."
    if not analysis.result.from_classifier and confusions(analysis.result.counts) == 0:
        return ""
    if len(isolated(analysis.similarity)) == len(analysis.class_names):
        return "Every two classes are equally alike."
    names, values = analysis.class_names, analysis.similarity.values
    told = [f"{names[i]} and {names[j]} (cosine {number(values[i, j])})" for i, j in pairs[:2]]
    if len(pairs) > 2 and np.isclose(values[pairs[1]], values[pairs[2]], rtol=0, atol=1e-6):
        # Of several equal pairs the names alone would choose the one to tell.
        equal = np.isclose(values[pairs[0]], values[pairs[1]], rtol=0, atol=1e-6)
        return "Several pairs are equally alike." if equal else f"The most alike are {told[0]}."
    if len(told) == 1:
        return f"The two classes are {told[0]}."
    if is_unreliable(analysis.result.uncertainty.reliability, analysis.runs.rank_agreement):
        return f"In this sample the most alike are {told[0]}, then {told[1]}; another may well give others."
    return f"The most alike are {told[0]}, then {told[1]}."


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
    if analysis.result.deterministic:
        same = "the same classifier always gives" if analysis.result.from_classifier else "the same pairs always give"
        return f"This embedder draws nothing at random: {same} the same vectors."
    if seeds == 1:
        return "One seed only: how much the numbers would change with another is not known. Use more seeds to see it."
    text = f"The same pairs were embedded with {seeds} seeds; the report shows the median of each cosine."
    if not math.isnan(analysis.runs.rank_agreement):
        text += (
            f" Two seeds order the pairs alike at a mean rank correlation of {number(analysis.runs.rank_agreement, 3)}."
        )
    if analysis.runs.basins is not None:
        text += " They fall into two groups: a single seed shows one of the two. The table names the pairs that move."
    elif seeds >= FEWEST_RUNS_FOR_BASINS:
        text += " No two groups of seeds are seen."
    else:
        text += f" Fewer than {FEWEST_RUNS_FOR_BASINS} seeds cannot show whether they fall into two groups."
    return (
        f"{text} The intervals over seeds hold 95 % of these values; the next seed's value they hold in about "
        f"{next_run_within(seeds):.0%} of cases."
    )


def chance_sentence(analysis: Analysis) -> str:
    """Say how much would change with other pictures; "" where that was not measured."""
    item, found = analysis.result.item, analysis.result.uncertainty.reliability
    parts = []
    over = analysis.intervals.get("pictures")
    if over is not None:
        text = (
            f"With other {item}s of the same kind the typical cosine would move by up to "
            f"{number(median_width(over) / 2)} (95 %, from {over.replicates} bootstrap replicates)"
        )
        seeds = analysis.intervals.get("seeds")
        if seeds is not None:
            text += f"; with other seeds, by up to {number(median_width(seeds) / 2)}"
        parts.append(text + ".")
    if found.split_half is not None:
        parts.append(
            f"Random halves of the {item}s order the pairs at a rank correlation of {number(found.split_half.mean)}, "
            f"from which a reliability of {number(found.split_half.corrected)} follows for all of them."
        )
    if found.dimension is not None:
        tried = found.dimension
        parts.append(
            f"Of the dimensions tried, {tried.suggested} is the smallest that foretells the counts of the other half "
            f"about as well as the best, {tried.best}; this result has {tried.used}."
        )
    return " ".join(parts)


def run_sentence(analysis: Analysis) -> str:
    """Say what was counted and embedded."""
    counts, runs = analysis.result.counts, analysis.result.runs
    kept = "kept" if counts.self_pairs == "keep" else "dropped"
    text = (
        f"{counts.total:,} pairs of a true class and one of the {counts.k} most probable classes (pairs of a class "
        f"with itself {kept}), {len(counts.class_names):,} classes, {runs.vectors.shape[2]} dimensions."
    )
    if analysis.result.from_classifier:
        text += " The vectors are taken from the classifier itself; only the plain counts come from the pairs."
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
    shown += [
        (f"Spearman with {compared.reference.title}", number(compared.similarity.found.spearman))
        for compared in analysis.compared
    ]
    if analysis.separation is not None:
        shown.append(
            (
                "within / across groups",
                f"{number(analysis.separation.within_all)} / {number(analysis.separation.across)}",
            )
        )
    if not analysis.result.deterministic:
        shown.append(("seeds", str(len(analysis.result.runs))))
    if not math.isnan(analysis.runs.rank_agreement):
        shown.append(("rank agreement of seeds", number(analysis.runs.rank_agreement)))
    half = analysis.result.uncertainty.reliability.split_half
    if half is not None:
        shown.append(("split-half reliability", number(half.corrected)))
    if is_unreliable(analysis.result.uncertainty.reliability, analysis.runs.rank_agreement):
        doubtful = ("split-half reliability", "rank agreement of seeds")
        low = [(f"{name} (low)", value) for name, value in shown if name in doubtful and float(value) < UNRELIABLE]
        shown = low + [one for one in shown if (f"{one[0]} (low)", one[1]) not in low]
    return shown
