"""The explorer of results: opens one or two, finds their pictures or texts, tests what changed between them."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from confemb.analysis.record import AnalysisRecord
from confemb.datasets import is_dataset_name
from confemb.datasets.predicted_pictures import open_pictures
from confemb.embedders import embed_runs, make_pair_embedder
from confemb.embedders.cooccurrence import MOST_CLASSES_IN_A_TABLE
from confemb.embedders.options import DEFAULT_EMBEDDER
from confemb.records.class_cells import parse_csv
from confemb.records.indices import name_index
from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import chosen_weighting
from confemb.records.predictions import Predictions
from confemb.reporting.explorer.from_result import explorer_data, restricted
from confemb.reporting.explorer.page import ExplorerPage, render_explorer
from confemb.reporting.explorer.records import Comparison, ExplorerData
from confemb.result.folder import read_analysis
from confemb.result.model_files import load_classifier, load_many
from confemb.studies.difference import benjamini_hochberg, pair_differences
from confemb.studies.models import join_pictures
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import read_text

FOLDER_SIDE = 96


@dataclass(frozen=True)
class ExploreOptions:
    """What a page shows besides its results.

    Attributes:
        pictures: a dataset's name, or a folder in which the ids are files; None for no pictures.
        texts: a CSV file with columns id and text; None for no texts.
        split: only the items of this split.
        class_names: the class names in index order, where predictions do not say them.
        title: the heading; by default the result's.
        item: what was classified, one of it; by default as the result says, else "picture".
        budget: megabytes of the page for pictures, texts and ids; 3 by default, 8 with more than 100 classes.
        level: the false-discovery rate at which a change between two results counts.
    """

    pictures: str | None = None
    texts: Path | None = None
    split: str | None = None
    class_names: Sequence[str] | None = None
    title: str | None = None
    item: str | None = None
    budget: float | None = None
    level: float = 0.05


@dataclass(frozen=True, eq=False)
class _Opened:
    """A result, what it is called, how it was embedded, and the experiment its folder records."""

    result: AnalysisRecord
    name: str
    embedder: str
    experiment: dict | None


def explore(source: str | Path, other: str | Path | None = None, options: ExploreOptions | None = None) -> ExplorerPage:
    """Return the explorer of a result, or of B (`other`) over A (`source`).

    Args:
        source: a result folder, a file of predictions, or FILE.npz:NAME for one of many classifiers in a file.
        other: the same, over some of the same classes.
        options: pictures, texts and more.

    Raises:
        ConfembError: what is not there or cannot be read, pictures or texts that are missing, two results with fewer
            than two classes in common.
    """
    options = options or ExploreOptions()
    a = _open(source, options)
    if other is None:
        return render_explorer(_data(a, options), budget=options.budget)
    b = _open(other, options)
    a, b, comparison, notes = _compared(a, b, options)
    first, second = _data(a, options), _data(b, options)
    if first.members is not None or second.members is not None:
        raise ConfembError(f"two results are compared over up to {MOST_CLASSES_IN_A_TABLE:,} classes.")
    known = set(second.class_names)
    common = tuple(name for name in first.class_names if name in known)
    if len(common) < 2:
        raise ConfembError(f"the two results have {len(common)} classes in common; at least 2 are needed.")
    title = options.title or f"What changed from {a.name} to {b.name}"
    first = dataclasses.replace(
        restricted(first, common),
        title=title,
        description="B compared with A; order, tree and map are A's.",
        notes=notes,
    )
    return render_explorer(first, restricted(second, common), comparison, budget=options.budget)


def explore_record(record: AnalysisRecord, options: ExploreOptions | None = None) -> ExplorerPage:
    """Return the explorer of an analysis in memory; `options.split` and `class_names` are for files only.

    Raises:
        ConfembError: pictures or texts that are missing.
    """
    options = options or ExploreOptions()
    result = replace(record, title=options.title or record.title, item=options.item or record.item)
    experiment = record.provenance.get("experiment")
    embedder = str(record.provenance.get("stages", {}).get("embed", {}).get("embedder", ""))
    opened = _Opened(result, record.title, embedder, experiment if isinstance(experiment, dict) else None)
    return render_explorer(_data(opened, options), budget=options.budget)


# ---- opening ---------------------------------------------------------------------------------------------------------


def _open(source: str | Path, options: ExploreOptions) -> _Opened:
    """Open a result folder, a file of predictions, or one classifier of a file of many."""
    path, colon, classifier = str(source).rpartition(":")
    if colon and Path(path).suffix == ".npz" and Path(path).is_file():
        many = load_many(path, class_names=options.class_names)
        if classifier not in many:
            raise unknown_name("classifier", classifier, list(many))
        return _embedded(many[classifier], classifier, options, experiment=None)
    if not Path(source).is_dir():
        found = load_classifier(source, class_names=options.class_names, split=options.split)
        return _embedded(found, Path(source).stem, options, experiment=None)
    return _folder(Path(source), options)


def _folder(folder: Path, options: ExploreOptions) -> _Opened:
    record = read_analysis(folder)
    experiment = record.provenance.get("experiment")
    experiment = experiment if isinstance(experiment, dict) and "dataset" in experiment else None
    if options.split is not None:
        chosen = load_classifier(folder, split=options.split)
        return _embedded(chosen, folder.name, options, experiment=experiment, title=record.title, item=record.item)
    result = replace(record, title=options.title or record.title, item=options.item or record.item)
    return _Opened(result, folder.name, str(record.provenance["stages"]["embed"].get("embedder")), experiment)


def _embedded(
    predictions: Predictions,
    name: str,
    options: ExploreOptions,
    *,
    experiment: dict | None,
    title: str | None = None,
    item: str = "picture",
) -> _Opened:
    """Embed predictions as `confemb embed` does by default, without measuring how uncertain that is."""
    weighting, most = chosen_weighting(None, predictions)
    counts = count_pairs(predictions, k=min(most, predictions.k), weighting=weighting, missing_classes="drop")
    embedder = make_pair_embedder(DEFAULT_EMBEDDER, {})
    result = AnalysisRecord(
        title=options.title or title or f"How {predictions.classifier or name} sees its classes",
        description=f"Class similarities by the embedder {DEFAULT_EMBEDDER}, without intervals.",
        counts=counts,
        runs=embed_runs(embedder, counts, [0]),
        predictions=predictions,
        item=options.item or item,
    )
    return _Opened(result, name, repr(embedder), experiment)


def _data(opened: _Opened, options: ExploreOptions) -> ExplorerData:
    predictions = opened.result.predictions
    pictures = texts = None
    if predictions is not None and options.pictures is not None:
        pictures = _pictures(predictions, options.pictures, opened.experiment)
    if predictions is not None and options.texts is not None:
        texts = _texts(predictions, options.texts)
    if predictions is None and (options.pictures or options.texts):
        raise ConfembError("the result holds no predictions, so there is no picture or text to show: leave them out.")
    return explorer_data(opened.result, name=opened.name, pictures=pictures, texts=texts)


# ---- pictures and texts ----------------------------------------------------------------------------------------------


def _pictures(predictions: Predictions, name: str, experiment: dict | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return what shows the pictures of some rows: of a dataset, or the files of a folder that the ids name."""
    if is_dataset_name(name) and not Path(name).is_dir():
        own = experiment is not None and str(experiment["dataset"]["name"]) == name
        return open_pictures(predictions, experiment, dataset=None if own else name)
    if not Path(name).is_dir():
        raise ConfembError(f"{name} is neither a dataset's name nor a folder of pictures.")
    return _files(predictions, Path(name))


def _files(predictions: Predictions, folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return what reads the pictures of a folder: an id is a path in it, or a file's name with or without its end."""
    from confemb.datasets.pictures import decode_picture

    if predictions.ids is None:
        raise ConfembError("the predictions have no ids, so that no file of the folder can be found for them.")
    ids = predictions.ids
    by_name: dict[str, Path] = {}
    if not (folder / str(ids[0])).is_file():
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            by_name.setdefault(path.name, path)
            by_name.setdefault(path.stem, path)

    def read(rows: np.ndarray) -> np.ndarray:
        pictures = []
        for row in rows.tolist():
            path = by_name.get(str(ids[row])) or folder / str(ids[row])
            if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
                raise ConfembError(f"{folder} has no picture {ids[row]!r}: give the folder the ids are relative to.")
            pictures.append(decode_picture(path, mode="RGB", image_size=FOLDER_SIDE, where=str(path)))
        return np.stack(pictures)

    return read


def _texts(predictions: Predictions, path: Path) -> list[str]:
    """Return the text of each row, from a CSV file with columns id and text."""
    if predictions.ids is None:
        raise ConfembError("the predictions have no ids, so that no text can be found for them.")
    header, *rows = parse_csv(read_text(path), where=str(path))
    if "id" not in header or "text" not in header:
        raise ConfembError(f"{path} has the columns {', '.join(header)}; it needs id and text.")
    at = header.index("id"), header.index("text")
    known = {row[at[0]]: row[at[1]] for row in rows}
    missing = [str(key) for key in predictions.ids.tolist() if str(key) not in known]
    if missing:
        raise ConfembError(f"{path} has no text for {missing[0]!r} and {len(missing) - 1} others.")
    return [known[str(key)] for key in predictions.ids.tolist()]


# ---- two results -----------------------------------------------------------------------------------------------------


def _compared(a: _Opened, b: _Opened, options: ExploreOptions) -> tuple[_Opened, _Opened, Comparison | None, list[str]]:
    """Bring two results over the same items together where that can be, and test what changed."""
    notes, comparison = [], None
    pa, pb = a.result.predictions, b.result.predictions
    joined = None
    if pa is not None and pb is not None and set(pa.class_names) == set(pb.class_names):
        try:
            joined = join_pictures([pa, _in_order(pb, pa.class_names)])
        except ConfembError as error:
            notes.append(f"What changed is not tested, since the two results are not over the same items: {error}")
    else:
        notes.append("What changed is not tested: that needs predictions of the same items and classes by both.")
    if joined is not None:
        pa, pb = joined
        if len(pa) < max(len(a.result.predictions or ()), len(b.result.predictions or ())):
            notes.append(f"Both are shown over the {len(pa):,} {a.result.item}s that they have in common.")
        if a.embedder != b.embedder or len(pa) < len(a.result.predictions or ()):
            notes.append(
                f"The similarities of both are made by the embedder {DEFAULT_EMBEDDER}, so that they can be compared."
            )
            titles = [(one.result.title, one.result.item) for one in (a, b)]
            a = _embedded(pa, a.name, options, experiment=a.experiment, title=titles[0][0], item=titles[0][1])
            b = _embedded(pb, b.name, options, experiment=b.experiment, title=titles[1][0], item=titles[1][1])
        else:
            a = dataclasses.replace(a, result=dataclasses.replace(a.result, predictions=pa))
            b = dataclasses.replace(b, result=dataclasses.replace(b.result, predictions=pb))
        if pa.weights is None and pb.weights is None and a.result.counts.class_names == pa.class_names:
            comparison = _tested(pa, pb, options.level)
    elif a.embedder != b.embedder:
        notes.append(f"The similarities are by two embedders, {a.embedder} and {b.embedder}: do not compare them.")
    if a.name == b.name:
        a, b = dataclasses.replace(a, name=f"{a.name} (A)"), dataclasses.replace(b, name=f"{b.name} (B)")
    return a, b, comparison, notes


def _in_order(predictions: Predictions, class_names: tuple[str, ...]) -> Predictions:
    """Return predictions with the same classes in another order."""
    if predictions.class_names == class_names:
        return predictions
    index = name_index(class_names)
    new = np.array([index[name] for name in predictions.class_names])
    return dataclasses.replace(
        predictions,
        class_names=class_names,
        labels=new[predictions.labels],
        top_classes=new[predictions.top_classes],
    )


def _tested(a: Predictions, b: Predictions, level: float) -> Comparison:
    """Test each pair of classes (`pair_differences`) and each class's recall (McNemar's exact test)."""
    from scipy import stats

    frame = pair_differences(a, b)
    size = len(a.class_names)
    right = [one.top_classes[:, 0] == one.labels for one in (a, b)]
    gained = np.bincount(a.labels[right[1] & ~right[0]], minlength=size)
    lost = np.bincount(a.labels[right[0] & ~right[1]], minlength=size)
    p = np.minimum(2 * stats.binom.cdf(np.minimum(gained, lost), gained + lost, 0.5), 1.0)
    present = np.bincount(a.labels, minlength=size) > 0
    recall_q = np.full(size, np.nan)
    recall_q[present] = benjamini_hochberg(p[present])
    return Comparison(frame.rows, frame.columns, benjamini_hochberg(frame.p), recall_q, level)
