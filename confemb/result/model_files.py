"""Reading the predictions of several classifiers: result folders, prediction files, or one NPZ file of many."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from confemb.records.cell_rules import encode_classes
from confemb.records.prediction_files import DEFAULT_KEEP, load_predictions, naming_file
from confemb.records.predictions import Predictions
from confemb.records.read_options import DEFAULT, ReadOptions, named_alike
from confemb.result.folder import PREDICTIONS
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.files import read_bytes
from confemb.support.manifest import Manifest
from confemb.support.npz import array_names, read_arrays

# Arrays that say how predictions are to be read, in an NPZ file of a single classifier.
_SINGLE = frozenset({"probs", "logits", "topk", "top_classes"})


def load_classifier(
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    split: str | None = None,
    keep: int = DEFAULT_KEEP,
    options: ReadOptions = DEFAULT,
) -> Predictions:
    """Read one classifier's predictions from a result folder or a file.

    Args:
        path: the folder or file; "-" reads standard input.
        class_names, keep, options: as in `confemb.load_predictions`.
        split: only the pictures of this split.

    Raises:
        ConfembError: a folder without predictions, a file as in `confemb.load_predictions`, or an unknown split.
    """
    file: str | Path = path
    if Path(path).is_dir():
        recorded = Manifest(Path(path)).file(PREDICTIONS)
        if recorded is None or not recorded.is_file():
            raise ConfembError(
                f"{path} holds no predictions ({PREDICTIONS}); give the folder of a result that has them."
            )
        file = recorded
    # The options say how the user's own file is to be read, not one of ours.
    options = DEFAULT if Path(path).is_dir() else options
    found = load_predictions(file, class_names=class_names, keep=keep, options=options)
    if split is None:
        return found
    splits = np.array([]) if found.splits is None else np.asarray(found.splits)
    rows = np.flatnonzero(splits == split)
    if len(rows) == 0:
        known = quoted_list(dict.fromkeys(splits.tolist()))
        told = f"it has {known}" if known else "its predictions do not say which split a picture is of (column split)"
        raise ConfembError(f"{path} has no pictures of the split {split!r}: {told}.")
    return found.where(rows)


def load_classifiers(
    paths: Iterable[str],
    *,
    class_names: Sequence[str] | None = None,
    keep: int = DEFAULT_KEEP,
    options: ReadOptions = DEFAULT,
) -> dict[str, Predictions]:
    """Read several classifiers, called by their folder, file or array; all get the first one's class order.

    Args:
        paths: result folders, prediction files, and NPZ files of many classifiers (see `load_many`).
        class_names: the K class names in index order, where the files do not say them.
        keep, options: as in `confemb.load_predictions`.

    Raises:
        ConfembError: a file that cannot be read, two classifiers of one name, or classes that are not the same.
    """
    found: dict[str, Predictions] = {}
    for path in paths:
        if Path(path).suffix == ".npz" and not _SINGLE & set(npz_names(path)):
            read = load_many(path, class_names=class_names)
        else:
            # Where the classes are known already, their order is taken over.
            known = next(iter(found.values())).class_names if found and class_names is None else class_names
            alike = options if class_names is not None or known is None else named_alike(known, options)
            read = {Path(path).stem: load_classifier(path, class_names=known, keep=keep, options=alike)}
        for name, predictions in read.items():
            if name in found:
                raise ConfembError(f"two classifiers are called {name!r}: rename the file or folder {path}.")
            found[name] = predictions
    if len({one.class_names for one in found.values()}) > 1:
        raise ConfembError("the classifiers are not of the same classes; give the class names (--classes FILE).")
    return found


def npz_names(path: str | Path) -> list[str]:
    """Return the names of the arrays in an NPZ file; raises ConfembError where it is none."""
    data = read_bytes(path)
    with naming_file(path):
        return array_names(data)


def load_many(path: str | Path, *, class_names: Sequence[str] | None = None) -> dict[str, Predictions]:
    """Read an NPZ file with `labels` (N,) and, under each classifier's name, its predicted classes.

    These are whole numbers, (N,) for the most probable class or (N, k) for several, best first. `class_names` (K,)
    may be there too; other arrays of texts (file names, say) are passed over.

    Raises:
        ConfembError: no such file, no labels or no classifier in it, or an index out of range.
    """
    data = read_bytes(path)
    with naming_file(path):
        arrays = read_arrays(data)
        labels = arrays.pop("labels", None)
        own = arrays.pop("class_names", None)
        found = {name: top for name, top in arrays.items() if top.dtype.kind in "iu" and top.ndim in (1, 2)}
        if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise ConfembError("it holds no predictions of many classifiers: no 'labels', (N,) whole numbers.")
        tops = {name: top.reshape(len(top), -1) for name, top in found.items() if top.size}
        if not tops:
            raise ConfembError(
                "it holds no predictions of many classifiers: no array of whole numbers, (N,) or (N, k), beside labels."
            )
        if class_names is None and own is not None:
            class_names = [str(name) for name in own.reshape(-1).tolist()]
        columns = {"labels": labels}
        columns |= {f"{name}[:, {rank}]": top[:, rank] for name, top in tops.items() for rank in range(top.shape[1])}
        _, names = encode_classes(columns, class_names, row_name=lambda row: f"row {row}")
        predictions = {}
        for name, top in tops.items():
            try:
                predictions[name] = Predictions(labels, top, None, names, classifier=name)
            except ConfembError as error:
                raise ConfembError(f"{name}: {error}") from error
        return predictions


def pool(classifiers: Mapping[str, Predictions], *, k: int) -> Predictions:
    """Return the `k` most probable classes by each of several classifiers as one set of predictions.

    A picture has a row for each classifier, all of one id, so that a bootstrap draws them together: the counts are the
    sum of the classifiers' counts, and other pictures are drawn for all of them at once.

    Args:
        classifiers: name -> predictions of the same pictures in the same order, see `join_pictures`.
        k: at most as many as every one of them has.

    Raises:
        ConfembError: pictures of several classes.
    """
    every = list(classifiers.values())
    first = every[0]
    if any(one.weights is not None for one in every):
        raise ConfembError("predictions of pictures of several classes by several classifiers cannot be put together.")
    ids = np.array([str(row) for row in range(len(first))]) if first.ids is None else first.ids
    probs = [one.top_probs for one in every]
    return Predictions(
        np.tile(first.labels, len(every)),
        np.concatenate([one.top_classes[:, :k] for one in every]),
        None if any(p is None for p in probs) else np.concatenate([p[:, :k] for p in probs if p is not None]),
        first.class_names,
        np.tile(ids, len(every)),
        None if first.splits is None else np.tile(first.splits, len(every)),
        dataset=first.dataset,
        classifier=f"{len(every)} classifiers",
    )
