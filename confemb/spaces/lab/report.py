"""The lab's findings as sections of a study's report."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from confemb.reporting import style
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.tables import Table
from confemb.spaces.lab.analogies import Accuracy, AnalogyScores
from confemb.spaces.lab.class_counts import SUBSETS, ClassCount
from confemb.spaces.lab.examination import Examination
from confemb.spaces.lab.maps import VectorMap, draw_map
from confemb.spaces.lab.measures import COMPONENTS, FOLDS, REPEATS, STARTS, Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def examination_study(found: Examination, *, title: str, description: str, manifest: Mapping[str, object]) -> Study:
    """Return the report on some labelled vectors."""
    return Study(
        title=title,
        description=description,
        findings=findings(found),
        sections=[*examination_sections(found), method_section(found.by_count[0].subsets)],
        facts=facts(found),
        data=examination_data(found),
        manifest=dict(manifest),
    )


def findings(found: Examination, name: str = "") -> list[str]:
    """Say what was found, a sentence each; each begins with `name`."""
    vectors = found.vectors
    begin = f"{name}: " if name else ""
    size = f"{len(vectors):,} vectors of {len(vectors.class_names)} classes"
    said = [
        f"a linear SVM gives {_share(found.crossed.accuracy)} of {size} their own class in cross-validation; "
        f"guessing {1 / len(vectors.class_names):.1%}."
    ]
    if found.judged_apart is not None:
        said.append(
            f"judged by {found.judged_vectors:,} others, which it never saw, the SVM is right for "
            f"{_share(found.judged_apart)}."
        )
    said.append(
        "clusters made without the classes agree with them at an NMI (normalised mutual information, 0 to 1) of "
        f"{_value(found.agreement)}."
    )
    return [begin + each if name else each[0].upper() + each[1:] for each in said]


def facts(found: Examination) -> list[tuple[str, str]]:
    """Return the figures to see at once."""
    accuracy = found.crossed.accuracy if found.judged_apart is None else found.judged_apart
    return [
        ("vectors", f"{len(found.vectors):,}"),
        ("classes", f"{len(found.vectors.class_names)}"),
        ("SVM", f"{accuracy.value:.1%}"),
        ("clusters: NMI", f"{found.agreement.value:.2f}"),
    ]


def examination_sections(found: Examination, name: str = "", prefix: str = "") -> list[Section]:
    """Return the sections on some labelled vectors; `prefix` begins the figures' file names."""
    about = f" ({name})" if name else ""
    maps = [_map_figure(found, each, prefix) for each in found.maps]
    counts = StudyFigure(
        f"{prefix}class_counts",
        f"Clusters and SVM over numbers of classes{about}.",
        lambda: _draw_counts(found.by_count),
    )
    # A single number of classes is a row of the table, and no curve.
    curves = [counts] if len(found.by_count) > 1 else []
    tables = [_count_table(found), _whole_table(found), _class_table(found)]
    return [
        Section(_heading(name, "Clusters and classes"), "", tables, curves),
        Section(_heading(name, "Maps"), _map_text(found), (), maps),
    ]


def method_section(subsets: int = SUBSETS) -> Section:
    """Return the section that says how labelled vectors are examined."""
    return Section(
        "How it was measured",
        f"Clusters: k-means on the first {COMPONENTS} principal components, as many clusters as classes; NMI is their "
        "normalised mutual information with the classes, 'by chance' that of shuffled labels. SVM: linear, on vectors "
        f"standardised within each of {FOLDS} folds; the share of left-out vectors given their own class. Over numbers "
        f"of classes: {subsets} random subsets for each number, and for all classes as many seeds; in brackets what "
        f"holds 95 % of them. Over all classes: the mean NMI of {STARTS} seeds, its interval for other vectors of the "
        f"same classes, from random halves; the mean of {REPEATS} times {FOLDS} folds, its interval Student's, "
        "corrected for folds that share vectors (Nadeau and Bengio 2003); judged apart, Wilson's interval.",
    )


def examination_data(found: Examination, prefix: str = "") -> dict[str, pd.DataFrame]:
    """Return the complete tables by file name."""
    counts = [
        {
            "classes": each.classes,
            "subsets": each.subsets,
            "chance": each.chance,
            "nmi": each.agreement.value,
            "nmi_low": each.agreement.low,
            "nmi_high": each.agreement.high,
            "nmi_shuffled": each.shuffled,
            "svm": each.accuracy.value,
            "svm_low": each.accuracy.low,
            "svm_high": each.accuracy.high,
        }
        for each in found.by_count
    ]
    classes = [
        {"class": row.name, "vectors": row.vectors, "accuracy": row.accuracy, "instead": _instead(row.instead)}
        for row in found.classes
    ]
    return {f"{prefix}class_counts.csv": pd.DataFrame(counts), f"{prefix}classes.csv": pd.DataFrame(classes)}


def analogy_table(scores: AnalogyScores, title: str = "Analogies") -> Table:
    """Return the scores of a set of analogies as a table."""
    rows = [
        [
            each.section,
            f"{each.questions:,}",
            f"{each.unknown:,}",
            *(_accuracy(value) for value in (each.top_1, each.top_5, each.without_offset)),
        ]
        for each in scores.sections
    ]
    header = ["section", "questions", "not asked", "right", "right among five", "without the offset"]
    note = (
        "Not asked: a word is unknown. In brackets the 95 % interval, pairs drawn anew. Without the offset: how often "
        "the answer is the word nearest to the third one, whatever the first two are."
    )
    return Table(title, note, header, rows, "lrrrrr")


def analogy_frame(scores: AnalogyScores) -> pd.DataFrame:
    """Return the scores as a data frame."""
    return pd.DataFrame(
        [
            {
                "section": each.section,
                "questions": each.questions,
                "not_asked": each.unknown,
                "top_1": each.top_1.value,
                "top_1_low": each.top_1.low,
                "top_1_high": each.top_1.high,
                "top_5": each.top_5.value,
                "top_5_low": each.top_5.low,
                "top_5_high": each.top_5.high,
                "without_offset": each.without_offset.value,
                "without_offset_low": each.without_offset.low,
                "without_offset_high": each.without_offset.high,
            }
            for each in scores.sections
        ]
    )


def _heading(name: str, what: str) -> str:
    return f"{name}: {what[0].lower()}{what[1:]}" if name else what


def _accuracy(each: Accuracy) -> str:
    return "–" if each.value != each.value else f"{each.value:.0%} ({each.low:.0%} to {each.high:.0%})"


def _share(each: Measured) -> str:
    bounds = "" if each.low != each.low else f" ({each.low:.1%} to {each.high:.1%})"
    return f"{each.value:.1%}{bounds}"


def _value(each: Measured) -> str:
    bounds = "" if each.low != each.low else f" ({each.low:.2f} to {each.high:.2f})"
    return f"{each.value:.2f}{bounds}"


def _instead(instead: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in instead)


def _count_table(found: Examination) -> Table:
    rows = [
        [str(each.classes), _value(each.agreement), f"{each.shuffled:.2f}", _share(each.accuracy), f"{each.chance:.1%}"]
        for each in found.by_count
    ]
    return Table(
        "By number of classes", "", ["classes", "NMI", "NMI by chance", "SVM accuracy", "by guessing"], rows, "rrrrr"
    )


def _whole_table(found: Examination) -> Table:
    rows = [
        ["clusters, NMI", _value(found.agreement)],
        ["SVM accuracy, cross-validated", _share(found.crossed.accuracy)],
    ]
    if found.judged_apart is not None:
        rows.append(["SVM accuracy, judged apart", _share(found.judged_apart)])
    return Table("All classes", "", ["measure", "value (95 % interval)"], rows, "lr")


def _class_table(found: Examination) -> Table:
    rows = [[row.name, f"{row.vectors:,}", f"{row.accuracy:.0%}", _instead(row.instead)] for row in found.classes]
    how = "cross-validation" if found.judged_apart is None else "judged apart"
    note = "In parentheses how many vectors were given that class instead."
    return Table(f"SVM by class ({how})", note, ["class", "vectors", "accuracy", "most often instead"], rows, "lrrl")


def _map_text(found: Examination) -> str:
    mapped, vectors = found.mapped, found.vectors
    text = "A map by t-SNE shows what is near what; distances between groups and sizes of groups tell nothing."
    if len(mapped.class_names) < len(vectors.class_names):
        text = f"{len(mapped.class_names)} of {len(vectors.class_names)} classes. {text}"
    if len(mapped) < int(sum(vectors.counts[vectors.class_names.index(name)] for name in mapped.class_names)):
        text = f"{len(mapped):,} vectors, drawn in equal shares of the classes. {text}"
    return text


def _map_figure(found: Examination, each: VectorMap, prefix: str) -> StudyFigure:
    draw: Callable[[], Figure] = lambda: draw_map(found.mapped, each)  # noqa: E731
    return StudyFigure(f"{prefix}{each.method}", f"The vectors by {each.caption()}.", draw)


def _draw_counts(by_count: Sequence[ClassCount]) -> "Figure":
    figure = style.new_figure(6.4, 3.6)
    axes = figure.subplots()
    x = [each.classes for each in by_count]
    for label, colour, values in (
        ("linear SVM, accuracy", style.GROUPS[2], [each.accuracy for each in by_count]),
        ("clusters, NMI", style.GROUPS[0], [each.agreement for each in by_count]),
    ):
        axes.plot(x, [value.value for value in values], "o-", color=colour, label=label, markersize=5)
        axes.fill_between(x, [v.low for v in values], [v.high for v in values], color=colour, alpha=0.15, linewidth=0)
    axes.plot(x, [each.shuffled for each in by_count], ":", color=style.GROUPS[0], label="NMI by chance")
    axes.plot(x, [each.chance for each in by_count], ":", color=style.GROUPS[2], label="guessing")
    axes.set_ylim(0, 1.03)
    axes.set_xticks(x)
    axes.set_xlabel("classes (random subsets; band: 95 % of them)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    return figure
