"""`Result`: one analysis to be looked at, saved, opened again; `analyze` makes one from predictions in memory."""

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confemb.analysis.compute import compute_analysis
from confemb.analysis.derived import Analysis, analyse
from confemb.analysis.options import AnalysisOptions
from confemb.analysis.record import AnalysisRecord
from confemb.embedders.options import DEFAULT_EMBEDDER, EmbedderOptions
from confemb.records.pairs import PairCounts, count_pairs
from confemb.records.prediction_files import MOST_WEIGHED, chosen_weighting, classes_to_keep
from confemb.records.predictions import Predictions
from confemb.records.predictions_from import PredictionKind, predictions_from
from confemb.records.similarity import SimilarityMatrix
from confemb.result.folder import read_analysis, save_analysis, writing
from confemb.stats.count_replicates import CountedResampling
from confemb.stats.seeds import RunSummary, summarise_runs
from confemb.support.progress import Display

if TYPE_CHECKING:
    import pandas as pd

    from confemb.reporting.explorer.page import ExplorerPage
    from confemb.result.explore import ExploreOptions
    from confemb.result.plots import ResultPlots


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Result(AnalysisRecord):
    """One analysis: counts, vectors, similarities, how sure they are, and where they come from.

    `analyze` and `open_result` make one. Its fields are those of `AnalysisRecord`.
    """

    @classmethod
    def of(cls, record: AnalysisRecord) -> "Result":
        """Return a record as a result."""
        return cls(**{field.name: getattr(record, field.name) for field in dataclasses.fields(AnalysisRecord)})

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names."""
        return self.counts.class_names

    @functools.cached_property
    def analysis(self) -> Analysis:
        """What follows from the result: medians over the seeds, intervals, order, clusters, agreement."""
        return analyse(self)

    @property
    def similarity(self) -> SimilarityMatrix:
        """The (K, K) cosine similarities, medians over the embedding seeds."""
        return self._summary.similarity

    @functools.cached_property
    def _summary(self) -> RunSummary:
        return summarise_runs(self.runs)

    def nearest(self, class_name: str, top: int = 10) -> list[tuple[str, float]]:
        """Return the `top` classes most similar to one, with their cosines, most similar first.

        Raises:
            ConfembError: an unknown class.
        """
        return self.similarity.ranked(class_name)[:top]

    def frame(self) -> "pd.DataFrame":
        """Return a row for each pair of classes, most similar first: the columns of `similarities.csv`."""
        import io

        import pandas as pd

        from confemb.reporting.write import similarities_csv

        table = pd.read_csv(io.StringIO(similarities_csv(self.analysis)), keep_default_na=False, na_values=[""])
        return table.sort_values("cosine", ascending=False, kind="stable", ignore_index=True)

    @property
    def plot(self) -> "ResultPlots":
        """The figures of the report: `plot.heatmap()`, `plot.map()`, `plot.tree()` return Matplotlib axes."""
        from confemb.result.plots import ResultPlots

        return ResultPlots(self.analysis)

    def explore(self, options: "ExploreOptions | None" = None) -> "ExplorerPage":
        """Return one offline page to click through; a notebook shows it, its `html` can be written to a file.

        Args:
            options: pictures, texts, title, budget; see `confemb.result.explore.ExploreOptions`.

        Raises:
            ConfembError: pictures or texts that are missing.
        """
        from confemb.result.explore import explore_record

        return explore_record(self, options)

    def save(self, folder: str | os.PathLike[str], *, display: Display | None = None) -> Path:
        """Write the result with its report (tables, figures, report.html) into a folder, whole or not at all.

        Raises:
            ConfembError: a folder that holds another kind of result, or that cannot be written to.
        """
        with writing(folder, experiment="experiment" in self.provenance) as draft:
            save_analysis(self, draft, display=display)
        return Path(folder)

    def _repr_html_(self) -> str:
        """Show the result in a notebook: what it is, what it found, and its strongest pairs."""
        from html import escape

        from confemb.reporting.findings import finding

        pairs = self.frame().iloc[:, :3].head(10)
        table = pairs.to_html(index=False, float_format="{:.2f}".format, escape=True)
        found = "".join(f"<p>{escape(sentence)}</p>" for sentence in finding(self.analysis))
        return f"<p><b>{escape(repr(self))}</b></p>{found}{table}"

    def __repr__(self) -> str:
        """Say what it is of and by which embedder, in one line."""
        embedder = self.provenance.get("stages", {}).get("embed", {}).get("embedder", "")
        title = f"{self.title!r}, " if self.title else ""
        return f"<Result: {title}{len(self.class_names)} classes, {self.counts.total:,} pairs, {embedder}>"


def analyze(
    y_true: Any,
    scores_or_classes: Any,
    *,
    class_names: Any = None,
    k: int | None = None,
    kind: PredictionKind | None = None,
    options: AnalysisOptions | None = None,
    source: dict[str, Any] | None = None,
    display: Display | None = None,
) -> Result:
    """Return how a classifier sees its classes, from true classes and what it predicted.

    Both may be lists, NumPy arrays, pandas or Polars frames, PyTorch or JAX arrays; what the second holds is seen from
    its shape and values, see `confemb.predictions_from`.

    Args:
        y_true: (N,) true classes, by name or index.
        scores_or_classes: (N, K) probabilities, (N, k) most probable classes, or (N,) predicted classes.
        class_names: the K names in index order; None where the data say them.
        k: how many of each item's most probable classes are paired with its true one; None: 3 (10 where the
            default weighs by probability), or as many as there are.
        kind: what the second argument holds, where its values do not say it: "labels", "topk", "probs" or "logits".
        options: how to count, embed and measure; by default as `confemb embed`, which weighs by probability
            where there are any. `k` goes before `options.pairs.k`.
        source: facts about where the predictions come from, recorded.
        display: where progress shows.

    Raises:
        ConfembError: labels and scores that do not fit each other, or that may mean two things; as `analyze_counts`.
    """
    keep = classes_to_keep(MOST_WEIGHED if k is None and options is None else k)
    predictions = predictions_from(y_true, scores_or_classes, class_names=class_names, k=keep, kind=kind)
    weighting, most = chosen_weighting(None if options is None else options.pairs.weighting, predictions)
    options = options or default_options()
    pairs = options.pairs.model_copy(update={"weighting": weighting, "k": min(most, predictions.k) if k is None else k})
    counts = count_pairs(predictions, **pairs.model_dump())
    return analyze_counts(
        counts, predictions, options.model_copy(update={"pairs": pairs}), source=source, display=display
    )


def default_options() -> AnalysisOptions:
    """Return the options of `confemb embed` where none is given, for predictions without probabilities."""
    return AnalysisOptions(embedding=EmbedderOptions(name=DEFAULT_EMBEDDER))


def analyze_counts(
    counts: PairCounts,
    predictions: Predictions | None,
    options: AnalysisOptions,
    *,
    counted: CountedResampling | None = None,
    source: dict[str, Any] | None = None,
    display: Display | None = None,
) -> Result:
    """Return how a classifier sees its classes, from pair counts; arguments as `compute_analysis`.

    Raises:
        ConfembError: as `confemb.analysis.compute.compute_analysis`.
    """
    return Result.of(compute_analysis(counts, predictions, options, counted=counted, source=source, display=display))


def open_result(folder: str | os.PathLike[str]) -> Result:
    """Return the result that a folder holds, whole: equal to the one that was saved.

    Raises:
        ConfembError: a folder that holds none, or files that are not those its manifest records.
    """
    return Result.of(read_analysis(Path(folder)))
