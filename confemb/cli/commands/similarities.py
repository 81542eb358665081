"""The command `similar`: the nearest classes in a finished result."""

from typing import TYPE_CHECKING, Annotated

import typer

from confemb.cli.commands.options import ResultFolder
from confemb.cli.commands.printing import note, say
from confemb.support.errors import shown

if TYPE_CHECKING:
    from confemb.analysis.record import AnalysisRecord


def similar(
    folder: ResultFolder,
    class_name: Annotated[str, typer.Argument(metavar="CLASS")],
    top: Annotated[int, typer.Option(min=1, help="How many classes.")] = 10,
) -> None:
    """Print the classes nearest to one, with the interval over each source of uncertainty."""
    from confemb.analysis.caveats import isolated
    from confemb.result.folder import read_analysis
    from confemb.stats.groups import two_values
    from confemb.stats.seeds import summarise_runs
    from confemb.stats.uncertainty import intervals_by_source

    # Read once: another run may write the next result meanwhile.
    record = read_analysis(folder)
    nearest = nearest_of_many(record, class_name, top)
    if nearest is not None:
        lines = [(shown(name), cosine) for name, cosine in nearest]
        width = max(len(name) for name, _ in lines)
        for name, cosine in lines:
            say(f"{name:<{width}}  {cosine:+.3f}")
        return
    summary = summarise_runs(record.runs)
    similarity, two = summary.similarity, two_values(record.runs, summary.basins)
    intervals = intervals_by_source(summary, len(record.runs), record.uncertainty)
    for sentence in first_sentences(record, summary.rank_agreement):
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


def first_sentences(record: "AnalysisRecord", rank_agreement: float) -> list[str]:
    """Return what a reader of a result must know before its first number, see `caveats`."""
    from confemb.analysis.caveats import caveats

    if record.from_classifier:
        return []
    reliability = record.uncertainty.reliability
    return caveats(record.counts, reliability, rank_agreement=rank_agreement, note=record.note, item=record.item)


def nearest_of_many(record: "AnalysisRecord", class_name: str, top: int) -> list[tuple[str, float]] | None:
    """Return (class, cosine) of those nearest where the classes are too many for a table of all pairs, else None."""
    from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE

    many = len(record.runs.class_names) > MOST_CLASSES_IN_A_TABLE
    return record.runs[0].analogy([class_name], top=top) if many else None
