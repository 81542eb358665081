"""The command `similar`: the nearest classes in a finished result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.options import ResultFolder
from confemb.cli.commands.printing import note, say
from confemb.support.errors import shown

if TYPE_CHECKING:
    from confemb.records.similarity import SimilarityMatrix
    from confemb.stats.groups import TwoValues
    from confemb.stats.intervals import SimilarityInterval, Source


def similar(
    folder: ResultFolder,
    class_name: Annotated[str, typer.Argument(metavar="CLASS")],
    top: Annotated[int, typer.Option(min=1, help="How many classes.")] = 10,
) -> None:
    """Print the classes nearest to one, with the interval over each source of uncertainty."""
    from confemb.analysis.caveats import isolated

    nearest = nearest_of_many(folder, class_name, top)
    if nearest is not None:
        lines = [(shown(name), cosine) for name, cosine in nearest]
        width = max(len(name) for name, _ in lines)
        for name, cosine in lines:
            say(f"{name:<{width}}  {cosine:+.3f}")
        return
    similarity, intervals, two = result_uncertainty(folder)
    for sentence in first_sentences(folder):
        note(sentence)
    row = similarity.index(class_name)
    if class_name in isolated(similarity):
        others = len(similarity.class_names) - 1
        value = float(similarity.values[row, 0 if row else 1])
        say(f"{class_name} is equally near to all {others} others ({value:+.3f}): none is its nearest.")
        return
    order = similarity.order_for(class_name)[:top]
    names = {i: shown(similarity.class_names[i]) for i in order}
    width = max(map(len, names.values()), default=0)
    for i in order:
        line = f"{names[i]:<{width}}  {similarity.values[row, i]:+.3f}"
        both = None if two is None else two.of(row, i)
        if both is not None:
            line += f" ({both[0]:+.3f} or {both[1]:+.3f}, by the seed)"
        for source, interval in intervals.items():
            bounds = interval.between(row, i)
            if bounds is not None:
                line += f"  {source} [{bounds[0]:+.3f}, {bounds[1]:+.3f}]"
        say(line)


def first_sentences(folder: Path) -> list[str]:
    """Return what a reader of a finished result must know before its first number, see `caveats`."""
    from confemb.analysis.caveats import caveats
    from confemb.result.folder import read_analysis
    from confemb.stats.seeds import summarise_runs

    record = read_analysis(folder)
    if record.from_classifier:
        return []
    agreement = summarise_runs(record.runs).rank_agreement
    reliability = record.uncertainty.reliability
    return caveats(record.counts, reliability, rank_agreement=agreement, note=record.note, item=record.item)


def nearest_of_many(folder: Path, class_name: str, top: int) -> list[tuple[str, float]] | None:
    """Return (class, cosine) of those nearest where the classes are too many for a table of all pairs, else None."""
    from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
    from confemb.records.embedding import EmbeddingRuns
    from confemb.result.folder import RUNS, check_result

    check_result(folder)
    runs = EmbeddingRuns.load(folder / RUNS)
    return runs[0].analogy([class_name], top=top) if len(runs.class_names) > MOST_CLASSES_IN_A_TABLE else None


def result_uncertainty(
    folder: Path,
) -> "tuple[SimilarityMatrix, dict[Source, SimilarityInterval], TwoValues | None]":
    """Return a finished result's medians, its intervals by source, and both values where its runs form two groups."""
    from confemb.result.folder import read_analysis
    from confemb.stats.groups import two_values
    from confemb.stats.seeds import summarise_runs
    from confemb.stats.uncertainty import intervals_by_source

    result = read_analysis(folder)
    summary = summarise_runs(result.runs)
    intervals = intervals_by_source(summary, len(result.runs), result.uncertainty)
    return summary.similarity, intervals, two_values(result.runs, summary.basins)
