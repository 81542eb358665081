"""The report on telling unknown classes: each score's AUROC for each held-out class, and the new class found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.style import FAINT, MUTED, new_figure
from confemb.reporting.tables import Table, number
from confemb.studies.unknown import BASELINES, BOTH, GEOMETRY, SCORES, TITLES, choose_and_judge, mean_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from confemb.studies.unknown import Judged

COLOURS = {"baseline": "#2f6ea3", "geometry": "#d4701c", "both": "#5c6773"}


def unknown_study(judged: "Sequence[Judged]", *, title: str, manifest: dict[str, Any]) -> Study:
    """Return the report on one or several classifiers, each trained without another class.

    Args:
        judged: what each made of the class it does not know.
        title: the report's heading.
        manifest: JSON-able: what was run.
    """
    areas = {one.held_out: {name: one.aurocs[name].value for name in SCORES} for one in judged}
    several = len(judged) > 1
    findings = _findings(judged, areas) if several else _findings_of_one(judged[0])
    caption = "AUROC of each score" + (" for each class held out." if several else ".")
    return Study(
        title=title,
        description="Each classifier was trained without one class. A score says how much a picture looks like one of "
        "a known class; its AUROC is the probability that a known test picture scores above one of the class that was "
        "held out: 1 tells them all, 0.5 is guessing.",
        findings=findings,
        sections=[
            Section(
                "How well each score tells the unknown class",
                "95 % intervals over pictures (DeLong et al. 1988)."
                if not several
                else "Means with 95 % intervals by Student's t over the held-out classes, which are "
                "neighbours of each other, so not quite independent. For one class: the 95 % interval over pictures "
                "(DeLong et al. 1988) is in auroc.csv.",
                [_auroc_table(judged, areas), *([_choice_table(areas)] if several else [])],
                [
                    StudyFigure(
                        "auroc",
                        caption,
                        lambda: _figure(judged),
                    )
                ],
            ),
            Section(
                "A new class of the rejected pictures",
                "Pictures with a low maximum logit are rejected, grouped by k-means over their centred logits, and the "
                "group that is most larger than known pictures explain becomes a new class. Where it lands: the "
                "embedding of the known classes' predictions with those of the new class.",
                [_new_class_table(judged)],
            ),
        ],
        data={"auroc.csv": _auroc_frame(judged), "new_class.csv": _new_class_frame(judged)},
        manifest=manifest,
    )


def _findings_of_one(one: "Judged") -> list[str]:
    best = max(SCORES, key=lambda name: one.aurocs[name].value)
    ours = max(GEOMETRY, key=lambda name: one.aurocs[name].value)
    base = max(BASELINES, key=lambda name: one.aurocs[name].value)
    first = (
        f"{one.held_out}, held out: the best score is {TITLES[best]}, {_area(one, best)}; the best baseline "
        f"{TITLES[base]}, {_area(one, base)}; the best by geometry {TITLES[ours]}, {_area(one, ours)}. Which is best "
        "was seen on these very pictures."
    )
    return [first, _new_class_sentence(one)]


def _area(one: "Judged", name: str) -> str:
    area = one.aurocs[name]
    return f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"


def _new_class_sentence(one: "Judged") -> str:
    if not one.members:
        return f"Too few pictures were rejected ({one.rejected}) to make a new class."
    nearest = one.nearest[0][0] if one.nearest else "?"
    pure, rate = one.members_unknown / one.members, one.rejected_unknown / one.rejected
    return (
        f"A new class of {one.members:,} of {one.rejected:,} rejected pictures: {pure:.0%} of it is {one.held_out} (of "
        f"all rejected {rate:.0%}); nearest to it {nearest}."
    )


def _findings(judged: "Sequence[Judged]", areas: dict[str, dict[str, float]]) -> list[str]:
    ours, base = (choose_and_judge(areas, allowed) for allowed in (GEOMETRY, BASELINES))
    difference = mean_interval(np.array([areas[one][ours[one]] - areas[one][base[one]] for one in areas]))
    if difference[1] > 0:
        verdict = "The class geometry tells unknown classes better than the baselines"
    elif difference[2] < 0:
        verdict = "A baseline wins: the class geometry tells unknown classes less well"
    else:
        verdict = "The class geometry is not surely better or worse than the baselines"
    both = mean_interval(np.array([areas[one][BOTH[0]] - areas[one][base[one]] for one in areas]))
    means = {name: float(np.mean([areas[one][name] for one in areas])) for name in SCORES}
    best = max(SCORES, key=lambda name: means[name])
    purity = [one.members_unknown / one.members for one in judged if one.members]
    right = sum(bool(one.nearest) and one.nearest[0][0] == one.truly_nearest[0][0] for one in judged)
    out = [
        f"{verdict}: {_signed(difference[0])} [{_signed(difference[1])}, {_signed(difference[2])}] in AUROC over "
        f"{len(areas)} held-out classes, the score of either kind chosen on the other classes.",
        f"Geometry and maximum logit together differ from the baselines by {_signed(both[0])} [{_signed(both[1])}, "
        f"{_signed(both[2])}].",
        f"The highest mean AUROC has {TITLES[best]}, {means[best]:.3f}; maximum softmax has "
        f"{means['max_softmax']:.3f}, maximum logit {means['max_logit']:.3f}, energy {means['energy']:.3f}.",
    ]
    if purity:
        base_rate = np.mean([one.rejected_unknown / one.rejected for one in judged if one.members])
        out.append(
            f"In the new class made of rejected pictures, {np.mean(purity):.0%} on average are truly of the class held "
            f"out (from {min(purity):.0%} to {max(purity):.0%}; of all that were rejected {base_rate:.0%}); for "
            f"{right} of {len(judged)} its nearest known class is the one nearest to the class held out."
        )
    return out


def _auroc_table(judged: "Sequence[Judged]", areas: dict[str, dict[str, float]]) -> Table:
    rows = []
    for name in SCORES:
        values = np.array([areas[one][name] for one in areas])
        mean, low, high = mean_interval(values)
        row = [_kind(name), TITLES[name]]
        if len(areas) > 1:
            row += [number(mean, 3), f"[{number(low, 3)}, {number(high, 3)}]", *(number(value, 3) for value in values)]
        else:
            area = judged[0].aurocs[name]
            row += [number(area.value, 3), f"[{number(area.low, 3)}, {number(area.high, 3)}]"]
        rows.append(row)
    columns = ["mean", "95 %", *areas] if len(areas) > 1 else [*areas, "95 %"]
    return Table("AUROC", "", ["kind", "score", *columns], rows, "ll" + "r" * len(columns))


def _choice_table(areas: dict[str, dict[str, float]]) -> Table:
    ours, base = (choose_and_judge(areas, allowed) for allowed in (GEOMETRY, BASELINES))
    rows = [
        [
            one,
            TITLES[base[one]],
            number(areas[one][base[one]], 3),
            TITLES[ours[one]],
            number(areas[one][ours[one]], 3),
            _signed(areas[one][ours[one]] - areas[one][base[one]]),
        ]
        for one in areas
    ]
    header = ["held out", "baseline", "AUROC", "geometry", "AUROC", "difference"]
    return Table("Chosen on the other classes, judged on this one", "", header, rows, "llrlrr")


def _new_class_frame(judged: "Sequence[Judged]") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "held_out": one.held_out,
                "accuracy": one.accuracy,
                "unknown": one.unknown,
                "known": one.known,
                "rejected": one.rejected,
                "rejected_unknown": one.rejected_unknown,
                "new_class": one.members,
                "new_class_unknown": one.members_unknown,
                "excess": one.excess,
                "nearest": "; ".join(f"{name} {cosine:.3f}" for name, cosine in one.nearest[:3]),
                "truly_nearest": "; ".join(f"{name} {cosine:.3f}" for name, cosine in one.truly_nearest[:3]),
            }
            for one in judged
        ]
    )


def _new_class_table(judged: "Sequence[Judged]") -> Table:
    rows = [
        [
            one.held_out,
            f"{one.accuracy:.1%}",
            f"{one.rejected:,}",
            f"{one.rejected_unknown / one.rejected:.0%}" if one.rejected else "",
            f"{one.members:,}",
            f"{one.members_unknown / one.members:.0%}" if one.members else "",
            f"{one.members_unknown / one.unknown:.0%}",
            ", ".join(name for name, _ in one.nearest[:2]),
            ", ".join(name for name, _ in one.truly_nearest[:2]),
        ]
        for one in judged
    ]
    header = [
        "held out",
        "accuracy",
        "rejected",
        "unknown among them",
        "new class",
        "purity",
        "of the class",
        "lands next to",
        "the class itself",
    ]
    note = "accuracy: on known test pictures; of the class: how much of the class held out is in the new class."
    return Table("The new class", note, header, rows, "lrrrrrrll")


def _auroc_frame(judged: "Sequence[Judged]") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "held_out": one.held_out,
                "score": name,
                "kind": _kind(name),
                "auroc": one.aurocs[name].value,
                "low": one.aurocs[name].low,
                "high": one.aurocs[name].high,
            }
            for one in judged
            for name in SCORES
        ]
    )


def _figure(judged: "Sequence[Judged]") -> "Figure":
    """Draw a row for each score: a dot for each held-out class, a line at their mean."""
    figure = new_figure(7.2, 0.38 * len(SCORES) + 0.9)
    axes = figure.subplots()
    order = sorted(SCORES, key=lambda name: float(np.mean([one.aurocs[name].value for one in judged])))
    for height, name in enumerate(order):
        values = [one.aurocs[name].value for one in judged]
        colour = COLOURS[_kind(name)]
        axes.plot(values, [height] * len(values), "o", color=colour, markersize=4.5, alpha=0.55, markeredgewidth=0)
        if len(judged) == 1:
            area = judged[0].aurocs[name]
            axes.plot([area.low, area.high], [height, height], color=colour, linewidth=1.6, alpha=0.55)
        mean = float(np.mean(values))
        axes.plot([mean, mean], [height - 0.32, height + 0.32], color=colour, linewidth=2.2)
        axes.annotate(f"{mean:.3f}", (1.0, height), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    axes.set_yticks(range(len(order)), [TITLES[name] for name in order], fontsize=8.5)
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
    said = ": a dot for each class held out, a line at their mean" if len(judged) > 1 else " with its 95 % interval"
    axes.set_xlabel(f"AUROC{said}\nblue: baselines, orange: geometry, grey: both")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    return figure


def _kind(name: str) -> str:
    return "baseline" if name in BASELINES else "both" if name in BOTH else "geometry"


def _signed(value: float) -> str:
    return f"{value:+.3f}"
