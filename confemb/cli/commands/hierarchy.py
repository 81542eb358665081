"""The command `hierarchy`: the tree of a result's classes, in files that other programs read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from confemb.cli.commands.printing import say, say_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from confemb.embedders import Embedder
    from confemb.records.options import PairOptions
    from confemb.records.predictions import Predictions
    from confemb.records.similarity import SimilarityMatrix
    from confemb.stats.bootstrap import Resampling
    from confemb.studies.hierarchy.tree import ClassTree


def hierarchy(
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="A result folder, a square CSV of similarities, or a reference.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder of the report and of the tree's files.")],
    bootstraps: Annotated[
        int | None,
        typer.Option(min=0, help="Replicates for the nodes' support; 0: none. Default: as the result's own."),
    ] = None,
    method: Annotated[str, typer.Option(help="Linkage: average, complete, single or weighted.")] = "average",
    number: Annotated[
        list[int] | None,
        typer.Option("--cut", min=2, help="Superclasses to cut into; several times. Default: 2, 5, ..."),
    ] = None,
    height: Annotated[list[float] | None, typer.Option(help="Also cut at this height; several times.")] = None,
    support: Annotated[
        list[float] | None, typer.Option(help="Also cut into the largest nodes of this support; several times.")
    ] = None,
    tree: Annotated[
        list[str] | None, typer.Option(help="Also measure by this tree: Newick, JSON or CSV; several times.")
    ] = None,
    promise: Annotated[
        list[float] | None, typer.Option(help="Accuracies to back off for. Default: 0.9, 0.95 and 0.99.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Measure on these items only. Default: those not learned from.")
    ] = None,
    item: Annotated[str | None, typer.Option(help="What was classified, one of it. Default: the result's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the replicates, halves and intervals.")] = 0,
) -> None:
    """Find the hierarchy of a result's classes: its nodes' support, its files, and mistakes measured by it."""
    from confemb.reporting.study import write_study
    from confemb.studies.hierarchy.find import find_hierarchy, judge_trees
    from confemb.studies.hierarchy.formats import read_tree
    from confemb.studies.hierarchy.report import hierarchy_study
    from confemb.studies.hierarchy.tree import Method
    from confemb.support.errors import ConfembError, one_of
    from confemb.support.manifest import study_manifest
    from confemb.support.progress import Display

    linkage: Method = one_of("--method", method, "average", "complete", "single", "weighted")
    source = _Source(result, split=split, seed=seed)
    names = source.similarity.class_names
    given = {Path(path).stem: read_tree(path, names) for path in tree or []}
    replicates = source.replicates if bootstraps is None else bootstraps
    display = Display()
    display.stage(f"hierarchy: {len(names)} classes, {replicates if source.resampling else 0} replicates")
    with display.bar() as update:
        found = find_hierarchy(
            source.similarity,
            source.resampling,
            source.embedder,
            replicates=replicates,
            method=linkage,
            seed=seed,
            progress=lambda done, total: update("replicates", done, total),
        )
    cuts = _cuts(found.tree, number, height, support)
    judged, missing = None, source.missing
    if source.predictions is not None and source.embedder is not None:
        try:
            promises = {"promises": promise} if promise else {}
            judged = judge_trees(
                source.predictions, source.embedder, source.pairs, given=given, method=linkage, seed=seed, **promises
            )
        except ConfembError as error:
            missing = str(error)
    if judged is None and given:
        raise ConfembError(f"nothing can be measured by {', '.join(given)}: {missing}")
    study = hierarchy_study(
        found,
        judged,
        title=f"The hierarchy of {source.title}",
        item=item or source.item,
        cuts=cuts,
        manifest=study_manifest(
            result=Path(result).name, method=method, trees_of_replicates=found.replicates, split=split, seed=seed
        ),
    )
    say_text(write_study(study, out))
    if missing:
        say(f"not measured: {missing}")


def _cuts(
    tree: "ClassTree", numbers: list[int] | None, heights: list[float] | None, supports: list[float] | None
) -> "Mapping[str, np.ndarray] | None":
    """Return the cuts asked for, by column; None where none was."""
    from confemb.studies.hierarchy.tree import cut

    found = {f"cut_{one}": cut(tree, number=one) for one in numbers or []}
    found |= {f"height_{one:g}": cut(tree, height=one) for one in heights or []}
    found |= {f"support_{one:g}": cut(tree, support=one) for one in supports or []}
    return found or None


class _Source:
    """What a result folder, or a reference, gives a tree to be found and measured from."""

    similarity: "SimilarityMatrix"
    resampling: "Resampling | None" = None
    embedder: "Embedder | None" = None
    predictions: "Predictions | None" = None
    pairs: "PairOptions"
    replicates = 0
    item = "item"
    missing = ""

    def __init__(self, result: str, *, split: str | None, seed: int) -> None:
        from confemb.records.options import PairOptions
        from confemb.references import open_reference
        from confemb.support.errors import ConfembError
        from confemb.support.manifest import MANIFEST

        self.pairs = PairOptions()
        folder = Path(result)
        if folder.is_dir() and (folder / MANIFEST).is_file():
            self._read(folder, split, seed)
            return
        reference = open_reference(result)
        if reference.class_names is None:
            raise ConfembError(f"the reference {result!r} has no classes of its own; give a result or a square CSV.")
        self.similarity, self.title = reference.similarity(reference.class_names), Path(reference.title).stem
        self.missing = "similarities alone do not say what was taken for what"

    def _read(self, folder: Path, split: str | None, seed: int) -> None:
        from confemb.records.options import PairOptions
        from confemb.result.folder import check_result, read_analysis
        from confemb.result.recorded_embedder import recorded_embedder
        from confemb.stats.bootstrap import CellResampling, PictureResampling
        from confemb.stats.seeds import summarise_runs
        from confemb.stats.uncertainty import choose_effort

        manifest, embedded = check_result(folder), read_analysis(folder)
        values = manifest.values
        self.title = str(values.get("title", folder.name))
        self.similarity = summarise_runs(embedded.runs).similarity
        experiment: Any = values.get("experiment")
        self.item = str((experiment or values).get("report", {}).get("item", "picture"))
        self.embedder = recorded_embedder(manifest)
        counts = embedded.counts
        recorded = (experiment or {}).get("pairs") or values.get("source", {})
        self.pairs = PairOptions(
            k=counts.k,
            self_pairs=counts.self_pairs,
            **{key: recorded[key] for key in ("weighting", "temperature") if key in recorded},
        )
        if self.embedder is None:
            self.missing = "the vectors are from within the classifier, not from its predictions"
            return
        self.replicates = choose_effort(self.embedder, len(counts.class_names)).pictures
        whole = self._load_predictions(folder, experiment, split)
        if whole is not None:
            self.resampling = PictureResampling(
                whole, counts.k, counts.self_pairs, self.pairs.weighting, self.pairs.temperature, seed
            )
        elif counts.k == 1 and counts.unit == 1.0:
            self.resampling = CellResampling(counts, seed)

    def _load_predictions(self, folder: Path, experiment: Any, split: str | None) -> "Predictions | None":
        """Keep the predictions to measure on, and return all of them; None where the result has none."""
        from confemb.datasets.predicted_pictures import split_learned_from, unlearned
        from confemb.records.prediction_files import ALL_CLASSES
        from confemb.result.folder import PREDICTIONS
        from confemb.result.model_files import load_classifier
        from confemb.support.manifest import Manifest

        if Manifest(folder).file(PREDICTIONS) is None:
            self.missing = f"{folder.name} holds no predictions"
            return None
        names = self.similarity.class_names
        whole = load_classifier(folder, keep=ALL_CLASSES)
        if set(whole.class_names) != set(names):
            self.missing = "some classes of the predictions have no picture, and so no place in the tree"
            return whole
        if split is None:
            self.predictions, _ = unlearned(whole, split_learned_from(experiment))
        else:
            self.predictions = load_classifier(folder, keep=ALL_CLASSES, split=split)
        return whole
