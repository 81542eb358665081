"""The report on several classifiers: how alike they see the same classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from confemb.embedders import Embedder
from confemb.records.embedding import ClassEmbedding
from confemb.records.indices import pair_indices
from confemb.records.options import PairOptions
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.reporting.study import Section, Study, StudyFigure
from confemb.reporting.tables import Table, decimals_of, frame_table, number
from confemb.stats.seeds import group_of, group_separation, nearest_in_group, rank_correlations
from confemb.studies.models import (
    LEAST_RELIABILITY,
    Measure,
    SplitHalves,
    counts_measure,
    embedding_measure,
    family_p_value,
    jackknife_errors,
    procrustes,
    procrustes_disparities,
    split_halves,
)
from confemb.studies.models_figures import agreement_figure, models_map
from confemb.support.errors import ConfembError, quoted_list

MOST_CLASSES = 20
MOST_TURNED_DIMENSIONS = 200
# With more classes there are so many pairs that the interval is narrow, and ten times the halves take very long.
MOST_CLASSES_WITH_ERRORS = 100
NEAREST = 3


@dataclass(frozen=True, eq=False)
class Measured:
    """The classifiers' similarities by one measure.

    Attributes:
        name: what the measure is called.
        values: (M, P) similarities of the class pairs.
        halves: the same from one half of the pictures to the other, or None.
    """

    name: str
    values: np.ndarray
    halves: SplitHalves | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelComparison:
    """Everything the report is made from.

    Attributes:
        title: its heading.
        classifiers: name -> predictions of the same pictures.
        class_names: the K classes that are compared.
        measured: the measures, the one to show first; the plain counts last.
        embeddings: each classifier's vectors, for Procrustes; None without an embedder, and where they have more
            dimensions than `MOST_TURNED_DIMENSIONS`: turning 60 classifiers' onto each other would take hours.
        families: family -> classifiers.
        manifest: what was run.
    """

    title: str
    classifiers: Mapping[str, Predictions]
    class_names: tuple[str, ...]
    measured: Sequence[Measured]
    embeddings: Sequence[ClassEmbedding] | None
    families: Mapping[str, Sequence[str]]
    manifest: Mapping[str, Any]

    def agreement(self, measured: Measured) -> SimilarityMatrix:
        """Return the rank correlation of every two classifiers' similarities."""
        return SimilarityMatrix(rank_correlations(measured.values), tuple(self.classifiers))

    def corrected(self, measured: Measured) -> SimilarityMatrix | None:
        """Return the same with the noise of the pictures taken out; None where no pair can be corrected.

        Classifiers that are not reliable enough have NaN with all others, see `SplitHalves.corrected`.
        """
        if measured.halves is None or (measured.halves.reliability >= LEAST_RELIABILITY).sum() < 2:
            return None
        return SimilarityMatrix(measured.halves.corrected, tuple(self.classifiers))


def compare_models(
    classifiers: Mapping[str, Predictions],
    *,
    title: str,
    pairs: PairOptions,
    embedder: Embedder | None,
    seeds: Sequence[int],
    splits: int,
    families: Mapping[str, Sequence[str]],
    manifest: Mapping[str, Any],
) -> ModelComparison:
    """Work out every classifier's similarities, and how far they rest on the very pictures.

    Args:
        classifiers: name -> predictions of the same pictures in the same order.
        title: the report's heading.
        pairs: which pairs are counted.
        embedder: what turns pairs into vectors; None compares the plain counts alone.
        seeds: the embedding seeds; their mean cosine stands for a classifier. The first draws the halves.
        splits: how often to halve the pictures; 0: not at all. The similarities of an embedder that draws numbers are
            not halved: the noise of its seeds would stand for that of the pictures.
        families: family -> classifiers.
        manifest: what was run.

    Raises:
        ConfembError: `k` out of range, a class without pictures, fewer than three classes, a classifier whose
            similarities are all equal, or a family with an unknown classifier.
    """
    group_of(tuple(classifiers), families)
    every = list(classifiers.values())
    counting = pairs.model_dump()
    counts = [count_pairs(one, **counting) for one in every]
    # A half has every class that the whole has.
    del counting["missing_classes"]
    measures: list[tuple[str, Measure]] = [("plain counts", counts_measure)]
    if embedder is not None:
        measures.insert(0, (type(embedder).__name__.lower(), embedding_measure(embedder, seeds)))
    measured = []
    for name, measure in measures:
        halved = splits > 0 and (measure is counts_measure or getattr(embedder, "deterministic", False))
        halves = split_halves(every, measure, **counting, splits=splits, seed=seeds[0]) if halved else None
        if halves is not None and len(counts[0].class_names) <= MOST_CLASSES_WITH_ERRORS:
            errors = jackknife_errors(every, measure, **counting, splits=min(splits, 5), seed=seeds[0])
            halves = replace(halves, errors=errors)
        measured.append(Measured(name, np.stack([measure(one) for one in counts]), halves))
        _check_order(measured[-1], list(classifiers))
    embeddings = None if embedder is None else [embedder.embed(one, seed=seeds[0]) for one in counts]
    if embeddings is not None and embeddings[0].vectors.shape[1] > MOST_TURNED_DIMENSIONS:
        embeddings = None
    return ModelComparison(
        title=title,
        classifiers=classifiers,
        class_names=counts[0].class_names,
        measured=measured,
        embeddings=embeddings,
        families=families,
        manifest=manifest,
    )


def _check_order(measured: Measured, names: Sequence[str]) -> None:
    """Raise ConfembError where a classifier's similarities put the pairs of classes in no order."""
    if measured.values.shape[1] < 3:
        raise ConfembError("fewer than three classes have no order of pairs that classifiers could share; give more.")
    for name, values in zip(names, measured.values, strict=True):
        if np.ptp(values) == 0:
            raise ConfembError(
                f"by {measured.name} {name!r} sees every two classes equally alike, as one without a mistake does: "
                "leave it out, or count more predicted classes (-k 3)."
            )


def models_study(found: ModelComparison) -> Study:
    """Say how alike the classifiers see the classes, which are most alike, and in which classes they differ."""
    first = found.measured[0]
    raw = found.agreement(first)
    classifiers = classifiers_frame(found)
    sections = [
        Section(
            "How alike the classifiers see the classes",
            "Each cell is the rank correlation (Spearman) between the class similarities of two classifiers: 1 where "
            "both order all pairs of classes alike.",
            tables=[
                frame_table(
                    "Agreement over all pairs of classifiers",
                    agreement_frame(found),
                    digits=3,
                    note=_agreement_note(found),
                )
            ],
            figures=[
                StudyFigure(
                    "agreement",
                    f"Agreement of the classifiers by {first.name}, like beside like.",
                    lambda: agreement_figure(raw, found.families, title="", label="Spearman correlation"),
                )
            ]
            + (
                [
                    StudyFigure(
                        "map",
                        "Near means alike; a plane cannot hold every distance.",
                        lambda: models_map(raw, found.families),
                    )
                ]
                if len(raw.class_names) > 2
                else []
            ),
        ),
        Section(
            "The classifiers",
            "Top 1: the share of pictures given their own class. Agreement: the mean over the others. Reliability: how "
            "far the similarities over one half of the pictures foretell those over the other (Spearman, brought to "
            "all pictures by the Spearman-Brown formula).",
            tables=[frame_table("Classifiers", classifiers, digits=3)],
        ),
    ]
    nearest = nearest_frame(found)
    sections.append(_nearest_section(nearest, first.name))
    data = {"classifiers.csv": classifiers, "nearest.csv": nearest}
    for measured in found.measured:
        data[f"agreement_{_file(measured.name)}.csv"] = _square(found.agreement(measured))
        if (corrected := found.corrected(measured)) is not None:
            data[f"agreement_{_file(measured.name)}_corrected.csv"] = _square(corrected)
    if found.embeddings is not None:
        disparities = procrustes_disparities(found.embeddings)
        data["procrustes.csv"] = _square(SimilarityMatrix(disparities, tuple(found.classifiers)))
        sections.append(
            Section(
                "Vectors turned onto each other",
                "Orthogonal Procrustes: the share of the squared length of one classifier's vectors that no turn and "
                "scaling of the other's accounts for, from 0 to 1; and each class's part in it, over all pairs of "
                "classifiers.",
                tables=[_disparity_table(disparities, raw), _residual_table(found.embeddings)],
            )
        )
    return Study(
        title=found.title,
        description=f"{len(found.classifiers)} classifiers, compared by the similarities of {_pairs(first)} pairs of "
        "classes that their predictions give.",
        findings=_findings(found, raw, nearest),
        sections=sections,
        data=data,
        manifest=dict(found.manifest),
    )


def _agreement_note(found: ModelComparison) -> str:
    parts = []
    if found.families:
        parts.append("p: how often families dealt out at random agree as much more within than across.")
    if any(one.halves is not None for one in found.measured):
        parts.append(
            "Pictures' noise out: the agreement from one half of the pictures to the other, over the root of both "
            "classifiers' own (disattenuated, Spearman 1904), at most 1; only between classifiers whose own agreement "
            f"between halves is {LEAST_RELIABILITY} or more: below, the quotient is noise."
        )
    return " ".join(parts)


def classifiers_frame(found: ModelComparison) -> pd.DataFrame:
    """Return a row for each classifier: family, accuracy, agreement with the others and reliability by each measure."""
    names = tuple(found.classifiers)
    member, families = group_of(names, found.families), list(found.families)
    frame = pd.DataFrame({"classifier": names})
    if families:
        frame["family"] = [families[g] if g >= 0 else "" for g in member]
    frame["top_1"] = [one.accuracy for one in found.classifiers.values()]
    raw = found.agreement(found.measured[0]).values
    others = np.where(np.eye(len(names), dtype=bool), -np.inf, raw)
    frame["most_alike"] = [names[i] for i in others.argmax(axis=1)]
    for measured in found.measured:
        values = found.agreement(measured).values
        frame[f"agreement_{_file(measured.name)}"] = (values.sum(axis=1) - 1) / (len(names) - 1)
        if measured.halves is not None:
            frame[f"reliability_{_file(measured.name)}"] = measured.halves.whole_reliability
    return frame


def agreement_frame(found: ModelComparison) -> pd.DataFrame:
    """Return what the agreements say of all pairs of classifiers, and of families: a row for each measure."""
    rows = []
    for measured in found.measured:
        kinds = [("as measured", found.agreement(measured)), ("pictures' noise out", found.corrected(measured))]
        for kind, agreement in kinds:
            if agreement is None:
                continue
            agreement = _known_part(agreement)
            pairs = agreement.values[pair_indices(len(agreement.class_names))]
            row: dict[str, Any] = {"measure": measured.name, "agreement": kind, "median": np.median(pairs)}
            row |= {"lowest": pairs.min(), "highest": pairs.max()}
            families = _families_of(agreement, found.families)
            if any(len(members) > 1 for members in families.values()):
                separation = group_separation(agreement, families)
                kin = nearest_in_group(agreement, families)
                row |= {"within families": separation.within_all, "across": separation.across}
                row["p"] = family_p_value(agreement, families)
                row |= {"most alike is of the family": kin.share, "by chance": kin.chance}
            rows.append(row)
    return pd.DataFrame(rows)


def _known_part(agreement: SimilarityMatrix) -> SimilarityMatrix:
    """Return the agreement of those classifiers only that are reliable enough to be corrected."""
    known = (~np.isnan(agreement.values)).sum(axis=1) > 1
    return agreement.restricted_to(tuple(np.array(agreement.class_names, dtype=object)[known].tolist()))


def _families_of(agreement: SimilarityMatrix, families: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the families with those classifiers only that the agreement knows."""
    known = set(agreement.class_names)
    kept = {family: [name for name in members if name in known] for family, members in families.items()}
    return {family: members for family, members in kept.items() if members}


def nearest_frame(found: ModelComparison) -> pd.DataFrame:
    """Return for each class its nearest ones by the classifiers' mean, and how many have the same nearest."""
    names = np.array(found.class_names, dtype=object)
    upper = pair_indices(len(names))

    def square(values: np.ndarray) -> np.ndarray:
        full = np.full((len(names), len(names)), -np.inf)
        full[upper] = values
        return np.maximum(full, full.T)

    values = found.measured[0].values
    mean = square(values.mean(axis=0))
    order = np.argsort(-mean, axis=1, kind="stable")[:, :NEAREST]
    firsts = np.stack([square(row).argmax(axis=1) for row in values])
    frame = pd.DataFrame({"class": names})
    for rank in range(min(NEAREST, len(names) - 1)):
        frame[f"nearest_{rank + 1}"] = names[order[:, rank]]
    frame["mean_similarity"] = mean.max(axis=1)
    frame["classifiers_that_agree"] = (firsts == order[:, 0]).sum(axis=0)
    return frame


def _nearest_section(nearest: pd.DataFrame, measure: str) -> Section:
    text = (
        f"By the mean over the classifiers ({measure}); mean similarity: of the nearest one; classifiers that agree: "
        "how many have the same nearest class."
    )
    if len(nearest) > MOST_CLASSES:
        text += f" The {MOST_CLASSES} classes that they agree least on; nearest.csv has all {len(nearest):,}."
        nearest = nearest.sort_values("classifiers_that_agree", kind="stable").head(MOST_CLASSES)
    digits = decimals_of(nearest["mean_similarity"].to_numpy())
    return Section("Nearest classes", text, tables=[frame_table("The nearest of each class", nearest, digits=digits)])


def _findings(found: ModelComparison, raw: SimilarityMatrix, nearest: pd.DataFrame) -> list[str]:
    names = raw.class_names
    first = found.measured[0]
    rows, columns = pair_indices(len(names))
    pairs = raw.values[rows, columns]
    best, worst = int(pairs.argmax()), int(pairs.argmin())
    out = [
        f"Two of the {len(names)} classifiers order the {_pairs(first)} pairs of classes alike at a Spearman "
        f"correlation of {number(float(np.median(pairs)))} (median, by {first.name})."
    ]
    if len(pairs) > 1:
        out.append(
            f"Most alike are {names[rows[best]]} and {names[columns[best]]} ({number(pairs[best])}), least alike "
            f"{names[rows[worst]]} and {names[columns[worst]]} ({number(pairs[worst])})."
        )
    out += _reliability_findings(found, first)
    same = nearest["classifiers_that_agree"].to_numpy() / len(names)
    out.append(
        f"More than half of the classifiers have the same nearest class for {(same > 0.5).mean():.0%} of the "
        f"{len(nearest):,} classes, all of them for {(same == 1).mean():.0%}."
    )
    return out


def _reliability_findings(found: ModelComparison, first: Measured) -> list[str]:
    """Say what the agreement is with the pictures' noise taken out, or why that cannot be said."""
    halves = first.halves
    if halves is None:
        return []
    whole, names = halves.whole_reliability, list(found.classifiers)
    span = f"{number(float(np.nanmin(whole)))} to {number(float(np.nanmax(whole)))}"
    told = f"the similarities of a classifier have a reliability of {span}"
    low = np.flatnonzero(~(halves.reliability >= LEAST_RELIABILITY))
    why = (
        f"their own order in two halves of the pictures agrees at less than {LEAST_RELIABILITY}, and what is divided "
        "by that is noise"
    )
    corrected = found.corrected(first)
    if corrected is None:
        return [
            f"The noise of the pictures is not taken out of the agreement: {told}; {why}. Give more pictures, or "
            "classifiers that make more mistakes."
        ]
    pairs = pair_indices(len(names))
    values = corrected.values[pairs]
    text = f"With the noise of the pictures taken out they agree at {number(float(np.nanmedian(values)))} (median"
    bounds = halves.interval()
    if bounds is not None and not np.isnan(bounds[0][pairs]).all():
        middle = [number(float(np.nanmedian(bound[pairs]))) for bound in bounds]
        text += f"; 95 % interval of a typical pair {middle[0]} to {middle[1]}"
    out = [f"{text}); {told}."]
    if len(low):
        out.append(f"Not corrected: {quoted_list(names[i] for i in low)}; {why}.")
    return out


def _pairs(measured: Measured) -> str:
    return f"{measured.values.shape[1]:,}"


def _file(name: str) -> str:
    return name.replace(" ", "_")


def _square(matrix: SimilarityMatrix) -> pd.DataFrame:
    """Return a square matrix of the classifiers as a frame."""
    return pd.DataFrame(
        {"classifier": matrix.class_names} | dict(zip(matrix.class_names, matrix.values.T, strict=True))
    )


def _disparity_table(disparities: np.ndarray, raw: SimilarityMatrix) -> Table:
    upper = pair_indices(len(raw.class_names))
    pairs = disparities[upper]
    rows = [
        [what, number(float(value), 3)]
        for what, value in (("median", np.median(pairs)), ("least", pairs.min()), ("largest", pairs.max()))
    ]
    if len(pairs) > 2:
        both = rank_correlations(np.stack([-pairs, raw.values[upper]]))[0, 1]
        rows.append(["Spearman between agreement and 1 - disparity", number(float(both), 3)])
    return Table("Disparity over all pairs of classifiers", "", ["what", "value"], rows, "lr")


def _residual_table(embeddings: Sequence[ClassEmbedding]) -> Table:
    parts = [procrustes(a, b).residuals for i, a in enumerate(embeddings) for b in embeddings[:i]]
    share = np.mean(parts, axis=0)
    share = share / share.sum() if share.sum() > 0 else share
    order = np.argsort(-share, kind="stable")[:MOST_CLASSES]
    rows = [[embeddings[0].class_names[i], f"{share[i]:.1%}"] for i in order]
    title = "Where the classifiers differ" + (
        "" if len(share) <= MOST_CLASSES else f": the first {MOST_CLASSES} classes"
    )
    return Table(title, "Each class's share of the disparity.", ["class", "share"], rows, "lr")
