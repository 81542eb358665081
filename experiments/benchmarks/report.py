"""Put the benchmarks' tables together into one report, from the CSV files in reports/benchmarks.

python experiments/benchmarks/report.py
"""

from pathlib import Path
from typing import Any

import pandas as pd
from ratios import REPORT

from confemb.reporting import style
from confemb.reporting.study import Section, Study, StudyFigure, write_study
from confemb.reporting.tables import frame_table
from confemb.support.manifest import versions

# File -> what its table is called, and what it says beside its figures.
TABLES = {
    "skipgram": (
        "Skip-gram, the same bytes as gensim's",
        "gensim is fed a plain list of lists. 92 % of confemb's CPU seconds are within gensim's own compiled function.",
    ),
    "skipgram_in_turns": ("The same in turns", "On a tenth of the pairs; the ratio is taken in each round."),
    "counting_pairs": ("Counting pairs", "All make the same table of counts."),
    "embed_imagenet": (
        "From a file of predictions to all outputs",
        "Each a fresh process; the notebook does by hand, with gensim, pandas and seaborn, what confemb embed does for "
        "one seed of skip-gram without intervals over the pictures.",
    ),
    "startup": ("Starting", "The best of the rounds."),
}
NETWORKS = {"inference": "Predicting", "resnet50": "ResNet-50, predicting", "training": "Training"}
IN_TURNS = (
    "Where a table names rounds, all took their turn in each: seconds are the median of one call, the ratio is taken "
    "within a round, and shown are its median by wall time, its lowest and highest, and its median by CPU seconds."
)
MADE_UP = (
    "Made-up classes, heavy-tailed, in groups of ten; from sharded counts to the written result. That the sparse "
    "decomposition multiplies once, not four times, was chosen on such classes, so the share of neighbours within the "
    "group is no independent test."
)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REPORT / f"{name}.csv")


def shown(frame: pd.DataFrame, units: str = "pictures") -> pd.DataFrame:
    """Leave out what is the same for all benchmarks, and say beside whom one is how many times as fast, at what."""
    frame = frame.drop(columns=["cores", "processor"], errors="ignore")
    if "peak MiB" in frame:
        frame = frame.assign(**{"peak MiB": frame["peak MiB"].round().astype(int)})
    named = {"per second": f"{units} per second"}
    if {"times as fast", "lowest", "highest"} <= set(frame):
        peer = frame.loc[(frame[["times as fast", "lowest", "highest"]] == 1).all(axis=1), "what"].iloc[0]
        named |= {"times as fast": f"times as fast as {peer}", "lowest": "lowest round", "highest": "highest round"}
    return frame.rename(columns=named)


def curves(frame: pd.DataFrame) -> Any:
    """Draw CPU seconds and memory against pictures, classes and dimensions, both axes logarithmic."""
    from matplotlib.ticker import NullFormatter

    against = list(dict.fromkeys(frame["against"]))
    figure = style.new_figure(4.0 * len(against), 6.0)
    axes = figure.subplots(2, len(against), sharex="col")
    marks = dict(zip(dict.fromkeys(frame["work"]), "osD^vP", strict=False))
    for column, what in enumerate(against):
        part = frame[frame["against"] == what]
        for row, measure in enumerate(("CPU seconds", "peak MiB")):
            axis = axes[row, column]
            for number, (work, points) in enumerate(part.groupby("work", sort=False)):
                values = points[measure].clip(lower=0.5 if row else 0.001)
                axis.plot(points["size"], values, marker=marks[work], color=style.group_colour(number), label=work)
            axis.set(xscale="log", yscale="log")
            axis.yaxis.set_minor_formatter(NullFormatter())
            if row:
                axis.set_xlabel(what)
            # A straight line of slope 1 for the eye.
            first, last = part["size"].min(), part["size"].max()
            start = part.loc[part["size"] == first, measure].clip(lower=0.5 if row else 0.001).min()
            axis.plot([first, last], [start, start * last / first], color="0.7", linestyle=":", zorder=0)
        axes[0, column].legend(fontsize=7, frameon=False, loc="upper left")
        top = axes[0, column].get_ylim()
        axes[0, column].set_ylim(top[0], top[1] * 6)
    axes[0, 0].set_ylabel("CPU seconds")
    axes[1, 0].set_ylabel("memory at its peak, MiB")
    return figure


def main() -> None:
    there = {path.stem for path in REPORT.glob("*.csv")}
    tables = [
        frame_table(title, shown(read(name), "pairs"), note=f"{note} python experiments/benchmarks/{script(name)}.py")
        for name, (title, note) in TABLES.items()
        if name in there
    ]
    sections = [Section("Beside what people would use instead", IN_TURNS, tables=tables)]
    many = sorted((name for name in there if name.startswith("many_classes_")), key=lambda name: int(name[13:]))
    if many:
        frame = pd.concat([read(name) for name in many])
        frame = shown(frame.rename(columns={"cores": "on cores"}))
        text = f"{MADE_UP} python experiments/benchmarks/many_classes.py"
        sections.append(Section("Very many classes", text, tables=[frame_table("From counts to a result", frame)]))
    others = sorted(there - set(TABLES) - set(many) - {"cost_curves"})
    if others:
        more = [frame_table(NETWORKS.get(name, name.replace("_", " ")), shown(read(name))) for name in others]
        sections.append(Section("Networks", "As above.", tables=more))
    if "cost_curves" in there:
        costs = read("cost_curves")
        caption = (
            "CPU seconds (above) and memory (below) against pictures, classes and dimensions, both axes logarithmic; "
            "the dotted line grows in proportion. python experiments/benchmarks/cost_curves.py"
        )
        figure = StudyFigure("cost_curves", caption, lambda: curves(costs))
        sections.append(Section("What it costs", figures=[figure], tables=[frame_table("Points", shown(costs))]))
    study = Study(
        title="Speed and scale",
        description="Every figure is from a script in experiments/benchmarks; make bench runs those for the CPU. "
        f"Measured on {machine(there)} where nothing else is said.",
        findings=findings(there),
        sections=sections,
        manifest={"versions": versions()},
    )
    print(write_study(study, Path(REPORT)))


def machine(there: set[str]) -> str:
    """Return the processors that the tables are of, and how many cores; the table of many classes has its own."""
    frames = pd.concat([read(name) for name in sorted(there)])
    return f"{frames['cores'].max()} cores of {' and '.join(sorted(set(frames['processor'])))}"


def script(name: str) -> str:
    return "skipgram" if name == "skipgram_in_turns" else name


def findings(there: set[str]) -> list[str]:
    """Say the main figures, as they stand in the tables."""
    found = []
    if {"skipgram", "skipgram_in_turns"} <= there:
        big, turns = read("skipgram").iloc[1], read("skipgram_in_turns").iloc[1]
        memory, seconds = big["peak MiB, of gensim's"], big["CPU seconds, of gensim's"]
        found.append(
            f"Skip-gram gives gensim's bytes with {memory:.2f} of its memory, {1 / seconds:.2f} times as fast by CPU "
            f"seconds (in turns {turns['by CPU seconds']:.2f})."
        )
    if "counting_pairs" in there:
        table = read("counting_pairs").set_index("what")
        ours = table.loc["confemb count_pairs"]
        found.append(
            f"Pairs are counted {ours['by CPU seconds']:.0f} times as fast as by scikit-learn and "
            f"{ours['as fast as pandas, by CPU seconds']:.0f} times as fast as by pandas, by CPU seconds: "
            f"{ours['pairs per CPU second'] / 1e6:.0f} million a second."
        )
    if "embed_imagenet" in there:
        ours = read("embed_imagenet").iloc[1]
        found.append(
            f"confemb embed takes {ours['CPU seconds, best']:.1f} CPU seconds for 50,000 x 5 predictions of 1,000 "
            f"classes, a notebook by hand {ours['by CPU seconds']:.1f} times as many."
        )
    for name in sorted(there):
        if name.startswith("many_classes_"):
            row = read(name).iloc[0]
            found.append(
                f"{row['classes']:,} classes and {row['pairs']:,} pairs, from sharded counts to vectors, neighbours "
                f"and files: {row['seconds']:.0f} s ({row['CPU seconds']:.0f} CPU seconds), {row['peak MiB']:,.0f} MiB."
            )
    return found


if __name__ == "__main__":
    main()
