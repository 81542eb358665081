"""The report on networks trained anew: how far a similarity depends on the training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from confemb.analysis.record import AnalysisRecord
from confemb.embedders.counts import count_similarity
from confemb.records.embedding import EmbeddingRuns
from confemb.records.indices import pair_indices
from confemb.records.similarity import Agreement, SimilarityMatrix, agreement
from confemb.references import NoiseCeiling, Reference, known_ceilings
from confemb.reporting.agreement_table import ceilings_note
from confemb.reporting.labels import label_points
from confemb.reporting.pair_axes import MOST_PAIRS, legend_above, mark_values, pair_axes, pair_labels, widest_pairs
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.style import FAINT, INK, MUTED, group_colour, new_figure
from confemb.reporting.tables import Table, decimals_of, frame_table, interval, number
from confemb.studies.retraining import RetrainingSummary, summarise_networks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORK_COLOUR, REFERENCE_COLOUR = group_colour(2), "#d4701c"


@dataclass(frozen=True, eq=False, kw_only=True)
class Retraining:
    """Everything the report is made from.

    Attributes:
        title: the report's heading.
        summary: what the networks agree on.
        runs: for each network the embeddings from its seeds.
        names: (N,) what the networks are called.
        accuracy: for each network split -> share of right predictions.
        counts: for each network the plain count similarity.
        references: title -> similarities to compare with.
        ceilings: title -> how well that reference agrees with itself, for those of which it is known.
        manifest: what was run.
    """

    title: str
    summary: RetrainingSummary
    runs: Sequence[EmbeddingRuns]
    names: Sequence[str]
    accuracy: Sequence[Mapping[str, float]]
    counts: Sequence[SimilarityMatrix]
    references: Mapping[str, SimilarityMatrix]
    ceilings: Mapping[str, NoiseCeiling]
    manifest: Mapping[str, Any]

    @property
    def seeds(self) -> int:
        """How many embedding seeds each network has."""
        return len(self.runs[0])

    def agreements(self, reference: SimilarityMatrix) -> list[Agreement]:
        """Return how well each network by itself agrees with a reference."""
        return [agreement(self.summary.network(i), reference) for i in range(len(self.names))]


def collect_networks(
    results: Mapping[str, AnalysisRecord], *, title: str, references: Sequence[Reference], manifest: Mapping[str, Any]
) -> Retraining:
    """Bring together the results of several networks, given by the networks' names.

    Raises:
        ConfembError: networks that do not fit each other.
    """
    runs, counts, accuracy = [], [], []
    for result in results.values():
        runs.append(result.runs)
        counts.append(count_similarity(result.counts))
        accuracy.append(result.provenance["stages"].get("predict", {}).get("accuracy", {}))
    return Retraining(
        title=title,
        summary=summarise_networks(runs),
        runs=runs,
        names=list(results),
        accuracy=accuracy,
        counts=counts,
        references={one.title: one.similarity(runs[0].class_names) for one in references},
        ceilings=known_ceilings(references, runs[0].class_names),
        manifest=manifest,
    )


def retraining_study(found: Retraining) -> Study:
    """Say what the networks agree on, pair by pair and network by network."""
    pairs, networks, references = pairs_frame(found), networks_frame(found), references_frame(found)
    sections = [
        Section(
            "Class pairs",
            "The median over the networks, each standing for itself by its median over the embedding seeds, so that "
            "the interval shows the training alone: with a probability of 95 % it holds the next network's value.",
            tables=[_pairs_table(pairs, found)],
            figures=[
                StudyFigure(
                    "networks_spread",
                    "Each dot is a network's median; the grey bar holds the next network's with a probability of 95 %."
                    + (f" Crosses: {next(iter(found.references))}." if found.references else ""),
                    lambda: spread_figure(found),
                ),
            ],
        ),
        _components_section(found),
        Section(
            "Networks",
            "Spearman's correlation of a network's order of the class pairs with that of the others (mean) and that of "
            "the references.",
            tables=[frame_table("The networks", networks, digits=3), *_basins_tables(found)],
        ),
    ]
    if len(references):
        sections.append(
            Section(
                "References",
                "Spearman's correlation with similarities from elsewhere: of each network by itself (median, least and "
                "most), of the median of all networks, and of the plain counts (median).",
                tables=[
                    frame_table("Agreement with references", references, digits=3, note=ceilings_note(found.ceilings))
                ],
            )
        )
    return Study(
        title=found.title,
        description=f"{len(found.names)} networks of one kind, trained from other seeds on the same pictures, and what "
        "their class similarities have in common.",
        findings=_findings(found, references),
        facts=_facts(found),
        sections=sections,
        data={"similarities.csv": pairs, "networks.csv": networks}
        | ({"references.csv": references} if len(references) else {}),
        manifest=dict(found.manifest),
    )


def _components_section(found: Retraining) -> Section:
    if found.seeds == 1:
        text = "The embedding does not depend on a seed: all spread comes from the training."
        return Section("Where the spread comes from", text, tables=[_components_table(found)], figures=[])
    return Section(
        "Where the spread comes from",
        "The standard deviation of each pair's cosine from training another network, and from embedding the same "
        "network's pairs with another seed (variance components of a one-way random-effects model).",
        tables=[_components_table(found)],
        figures=[
            StudyFigure(
                "variance_components",
                "Each dot is a pair of classes; below the dashed line the training moves it more than the seed.",
                lambda: components_figure(found),
            )
        ],
    )


def pairs_frame(found: Retraining) -> pd.DataFrame:
    """Return a row for each pair of classes: median, interval, range, spreads, baseline, references."""
    summary, names = found.summary, found.summary.similarity.class_names
    rows, columns = pair_indices(len(names))
    labels = np.array(names, dtype=object)
    counts = np.stack([one.values[rows, columns] for one in found.counts])
    similarity = summary.similarity
    assert similarity.low is not None
    assert similarity.high is not None
    frame = pd.DataFrame(
        {
            "class_1": labels[rows],
            "class_2": labels[columns],
            "cosine": similarity.values[rows, columns],
            "low": similarity.low[rows, columns],
            "high": similarity.high[rows, columns],
            "least": summary.medians.min(axis=0),
            "most": summary.medians.max(axis=0),
            "sd_networks": np.sqrt(summary.components.network),
            "sd_seeds": np.sqrt(summary.components.seed),
            "seed_share": summary.components.seed_share,
            "count_similarity": np.median(counts, axis=0),
            "count_sd_networks": counts.std(axis=0, ddof=1),
        }
    )
    for name, reference in found.references.items():
        frame[name] = reference.laid_out(names)[rows, columns]
    return frame


def networks_frame(found: Retraining) -> pd.DataFrame:
    """Return a row for each network: accuracies, agreement with the others and with the references."""
    summary = found.summary
    others = ~np.eye(len(found.names), dtype=bool)
    frame = pd.DataFrame({"network": list(found.names)})
    for split in dict.fromkeys(split for one in found.accuracy for split in one):
        frame[f"accuracy_{split}"] = [one.get(split, float("nan")) for one in found.accuracy]
    frame["spearman_with_others"] = [
        float(row[other].mean()) for row, other in zip(summary.rank_agreement, others, strict=True)
    ]
    for name, reference in found.references.items():
        frame[f"spearman_with_{name}"] = [one.spearman for one in found.agreements(reference)]
    if found.seeds > 1:
        frame["seeds_in_two_groups"] = ["yes" if two else "no" for two in summary.seed_basins]
    return frame


def references_frame(found: Retraining) -> pd.DataFrame:
    """Return a row for each reference: agreement of each network by itself, of their median, of the counts."""
    rows = []
    names = found.summary.similarity.class_names
    upper = pair_indices(len(names))
    similarity = found.summary.similarity
    assert similarity.low is not None
    assert similarity.high is not None
    for name, reference in found.references.items():
        each = [one.spearman for one in found.agreements(reference)]
        known = reference.laid_out(names)[upper]
        within = (known >= similarity.low[upper]) & (known <= similarity.high[upper])
        rows.append(
            {
                "reference": name,
                "pairs": agreement(similarity, reference).pairs,
                "networks_median": float(np.median(each)),
                "networks_least": min(each),
                "networks_most": max(each),
                "median_of_networks": agreement(similarity, reference).spearman,
                "counts_median": float(np.median([agreement(one, reference).spearman for one in found.counts])),
                # Only cosines may be compared number by number.
                "pairs_within_interval": int(within.sum()) if np.nanmin(known) < 0 else None,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.astype({"pairs_within_interval": "Int64"}) if rows else frame


def _pairs_table(pairs: pd.DataFrame, found: Retraining) -> Table:
    shown = pairs.sort_values("cosine", ascending=False, kind="stable").head(MOST_PAIRS)
    header = ["class", "class", "cosine", "95 % of networks", "range", "SD networks"]
    header += ["SD seeds", "seeds' share"] if found.seeds > 1 else []
    header += ["counts", *found.references]
    digits = {name: decimals_of(pairs[name].to_numpy()) for name in found.references}
    rows = []
    for row in shown.to_dict("records"):
        cells = [row["class_1"], row["class_2"], number(row["cosine"]), interval(row["low"], row["high"])]
        cells += [interval(row["least"], row["most"]), number(row["sd_networks"], 3)]
        if found.seeds > 1:
            cells += [number(row["sd_seeds"], 3), f"{row['seed_share']:.0%}" if row["seed_share"] >= 0 else "–"]
        cells.append(number(row["count_similarity"], 3))
        cells += [number(row[name], digits[name]) for name in found.references]
        rows.append(cells)
    title = "Class pairs" if len(pairs) <= MOST_PAIRS else f"The {MOST_PAIRS} most similar pairs"
    note = "Counts: the plain baseline, the median over the networks of the symmetrised share of predictions."
    return Table(title, note, header, rows, "ll" + "r" * (len(header) - 2))


def _components_table(found: Retraining) -> Table:
    components, similarity = found.summary.components, found.summary.similarity
    assert similarity.low is not None
    assert similarity.high is not None
    upper = pair_indices(len(similarity.class_names))
    width = (similarity.high - similarity.low)[upper]
    rows = [
        ["standard deviation between networks, mean square over pairs", number(_root_mean(components.network), 3)],
        ["median width of the 95 % interval for one more network", number(float(np.median(width)), 3)],
        ["widest interval", number(float(width.max()), 3)],
    ]
    if found.seeds > 1:
        rows.insert(
            1, ["standard deviation between seeds, mean square over pairs", number(_root_mean(components.seed), 3)]
        )
        rows.insert(2, ["seeds' share of the variance, over all pairs", f"{components.overall_seed_share:.0%}"])
    return Table("Spread of the cosines", "", ["what", "value"], rows, "lr")


def _root_mean(variances: np.ndarray) -> float:
    return float(np.sqrt(np.mean(variances)))


def _basins_tables(found: Retraining) -> list[Table]:
    basins = found.summary.basins
    if basins is None:
        return []
    members = [", ".join(found.names[i] for i in runs) for runs in basins.runs]
    rows = [["networks", *members]]
    rows += [[f"{d.class_1} with {d.class_2}", *(number(value) for value in d.medians)] for d in basins.differences]
    note = f"Average linkage, silhouette {number(basins.silhouette)}: the medians of the pairs that differ most."
    return [Table("The two groups that the networks fall into", note, ["what", "first", "second"], rows, "lll")]


def _findings(found: Retraining, references: pd.DataFrame) -> list[str]:
    summary, names = found.summary, found.summary.similarity.class_names
    between = summary.rank_agreement[pair_indices(len(found.names))]
    pairs = len(names) * (len(names) - 1) // 2
    out = [
        f"Two of the {len(found.names)} networks order the {pairs} pairs of classes alike at a Spearman correlation of "
        f"{number(summary.mean_rank_agreement)} on average ({number(between.min())} to {number(between.max())})."
    ]
    if found.seeds > 1:
        share = summary.components.overall_seed_share
        out.append(
            f"Of the variance of a cosine {1 - share:.0%} comes from training another network and {share:.0%} from "
            f"embedding the same network's pairs with another seed."
        )
    split = sum(summary.seed_basins)
    if summary.basins is not None:
        first, second = summary.basins.runs
        out.append(f"The networks fall into two groups, of {len(first)} and {len(second)}: the table shows both.")
    elif found.seeds > 1:
        out.append(
            "The networks do not fall into two groups beyond chance"
            + (f", though the embedding seeds of {split} of them do." if split else ", nor do their seeds.")
        )
    out += [
        f"Spearman with {row['reference']}: {number(row['networks_median'])} for a network by itself "
        f"(median; {number(row['networks_least'])} to {number(row['networks_most'])}), "
        f"{number(row['median_of_networks'])} for the median of the networks, "
        f"{number(row['counts_median'])} for the plain counts."
        for row in references.to_dict("records")
    ]
    return out


def _facts(found: Retraining) -> list[tuple[str, str]]:
    facts = [("networks", str(len(found.names))), ("embedding seeds each", str(found.seeds))]
    for split in dict.fromkeys(split for one in found.accuracy for split in one):
        values = [one[split] for one in found.accuracy if split in one]
        facts.append((f"accuracy, {split}", f"{min(values):.1%} to {max(values):.1%}"))
    facts.append(("Spearman between networks", number(found.summary.mean_rank_agreement)))
    if found.seeds > 1:
        facts.append(("seeds' share of variance", f"{found.summary.components.overall_seed_share:.0%}"))
    return facts


def spread_figure(found: Retraining) -> "Figure":
    """Draw each network's median for each pair with the interval; the first reference as crosses."""
    similarity, names = found.summary.similarity, found.summary.similarity.class_names
    rows, columns = pair_indices(len(names))
    assert similarity.low is not None
    assert similarity.high is not None
    low, high, middle = (part[rows, columns] for part in (similarity.low, similarity.high, similarity.values))
    shown = widest_pairs(middle, high - low)
    figure, axes, height = pair_axes(pair_labels([(names[rows[p]], names[columns[p]]) for p in shown]))
    axes.hlines(height, low[shown], high[shown], color=FAINT, linewidth=5, zorder=1)
    for i, medians in enumerate(found.summary.medians):
        label = f"{len(found.names)} networks" if i == 0 else None
        axes.scatter(medians[shown], height, s=9, color=NETWORK_COLOUR, alpha=0.6, linewidths=0, label=label, zorder=3)
    mark_values(axes, middle[shown], height, "median")
    for name, reference in list(found.references.items())[:1]:
        known = reference.laid_out(names)[rows, columns][shown]
        axes.scatter(known, height, marker="x", s=16, color=REFERENCE_COLOUR, linewidths=1.2, label=name, zorder=5)
    legend_above(figure)
    return figure


def components_figure(found: Retraining) -> "Figure":
    """Draw the seeds' standard deviation of each pair against the networks', the largest ones named."""
    components, names = found.summary.components, found.summary.similarity.class_names
    x, y = np.sqrt(components.network), np.sqrt(components.seed)
    figure = new_figure(5.0, 4.6)
    axes = figure.subplots()
    end = 1.08 * max(x.max(), y.max(), 1e-9)
    axes.plot([0, end], [0, end], color=MUTED, linewidth=0.8, dashes=(4, 3), zorder=0)
    axes.scatter(x, y, s=26, color=NETWORK_COLOUR, linewidths=0, alpha=0.8, zorder=3)
    rows, columns = pair_indices(len(names))
    axes.set_xlim(0, end)
    axes.set_ylim(0, end)
    axes.set_xlabel("standard deviation from training another network")
    axes.set_ylabel("standard deviation from another embedding seed")
    axes.grid(color=FAINT, linewidth=0.5)
    most = np.argsort(-(components.network + components.seed), kind="stable")[:6]
    texts = pair_labels([(names[rows[p]], names[columns[p]]) for p in most], longest=14)
    points = np.column_stack([x, y])
    colours = [INK] * len(most)
    label_points(axes, points[most], texts, colours, obstacles=points, size=7.5, must_place=False)
    return figure
