"""scikit-learn estimators as classifiers, and their out-of-fold predictions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from confemb.classifiers.classification import classify, input_count
from confemb.records.predictions import Predictions, as_labels, check_class_names, check_indices, check_k
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.progress import Steps


class SklearnClassifier:
    """A fitted scikit-learn classifier or pipeline.

    Its probabilities are taken where it has `predict_proba`, else its `decision_function` as logits: its ranks are
    the estimator's own then, its probabilities only a softmax.

    Args:
        estimator: fitted; anything with `classes_` and one of the two methods.
        class_names: the names of classes that are whole numbers: class i is `class_names[i]`. Leave it out where
            the estimator's classes are strings.
        name: what it is called in results; by default the estimator's class.

    Raises:
        ConfembError: an estimator that is not fitted or has neither method, or whole numbers without a name.
    """

    def __init__(self, estimator: Any, *, class_names: Sequence[str] | None = None, name: str | None = None) -> None:
        self.name = name or type(estimator).__name__
        self.class_names = _names_of(estimator, class_names, self.name)
        self.logits = not hasattr(estimator, "predict_proba")
        if self.logits:
            if not hasattr(estimator, "decision_function"):
                raise ConfembError(
                    f"the estimator {self.name} has neither predict_proba nor decision_function: choose one that "
                    "scores every class."
                )
            if any(key.endswith("decision_function_shape") and value == "ovo" for key, value in _parameters(estimator)):
                raise ConfembError(
                    f"the estimator {self.name} scores pairs of classes (decision_function_shape='ovo'): take 'ovr'."
                )
        self._score = estimator.decision_function if self.logits else estimator.predict_proba

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) probabilities or logits of n inputs."""
        scores = self._score(batch)
        if isinstance(scores, list):
            raise ConfembError(f"the estimator {self.name} has several outputs: fit it on one class for each item.")
        scores = np.asarray(scores)
        if scores.ndim == 1:
            # Of two classes only the second one's decision is given; the first one's is its zero.
            return np.column_stack([np.zeros_like(scores), scores])
        return scores


def out_of_fold(  # noqa: PLR0913 - `ids`, `splits`, `dataset`, `name` describe the predictions
    estimator: Any,
    inputs: Any,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
    k: int = 3,
    ids: np.ndarray | None = None,
    splits: np.ndarray | None = None,
    dataset: str = "",
    name: str | None = None,
    progress: Steps | None = None,
) -> Predictions:
    """Return predictions of every input by an estimator that was not fitted on it.

    The inputs are dealt into `folds` parts, each class evenly, and each part is predicted by a clone that was
    fitted on the others.

    Args:
        estimator: a scikit-learn classifier or pipeline; it stays as it is.
        inputs: N inputs: an array, a sparse matrix, a data frame or a list (of texts, for example).
        labels: (N,) true classes as indices into `class_names`.
        class_names: the K class names.
        folds: how many parts, at least 2.
        seed: deals the inputs, and is given to every `random_state` of the estimator that is None.
        k: classes to keep for each input.
        ids, splits, dataset: as in `Predictions`.
        name: what the classifier is called in results; by default the estimator's class.
        progress: called with (folds done, folds in all).

    Returns:
        Predictions in the order of the inputs.

    Raises:
        ConfembError: a class with fewer members than folds, or anything `classify` refuses.
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold

    names = tuple(check_class_names(class_names))
    check_k(k, len(names))
    labels = check_indices(as_labels(labels, names), len(names), what="label")
    if labels.shape != (input_count(inputs),):
        raise ConfembError(
            f"there are {input_count(inputs)} inputs but labels of shape {labels.shape}; there must be as many."
        )
    if folds < 2:
        raise ConfembError(f"folds is {folds}; it must be at least 2.")
    members = np.bincount(labels, minlength=len(names))
    few = np.flatnonzero(members < folds)
    if len(few):
        raise ConfembError(
            f"{len(few)} of {len(names)} classes have fewer members than the {folds} folds: "
            f"{quoted_list([f'{names[i]} ({members[i]})' for i in few])}; take fewer folds or leave those classes out."
        )
    top_classes = np.empty((len(labels), k), np.int32)
    top_probs = np.empty((len(labels), k), np.float32)
    dealer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (others, own) in enumerate(dealer.split(np.zeros(len(labels)), labels), start=1):
        fitted = clone(estimator)
        undecided = [key for key, value in _parameters(fitted) if value is None and key.endswith("random_state")]
        fitted.set_params(**dict.fromkeys(undecided, seed)).fit(_rows(inputs, others), labels[others])
        classifier = SklearnClassifier(fitted, class_names=names, name=name)
        part = classify(classifier, _rows(inputs, own), labels[own], names, k=k)
        top_classes[own], top_probs[own] = part.top_classes, part.top_probs
        if progress is not None:
            progress(fold, folds)
    return Predictions(labels, top_classes, top_probs, names, ids, splits, dataset=dataset, classifier=classifier.name)


def _names_of(estimator: Any, class_names: Sequence[str] | None, name: str) -> tuple[str, ...]:
    """Return the names of the estimator's classes, in its order."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise ConfembError(f"the estimator {name} has no classes: fit it first, and let it be a classifier.")
    if isinstance(classes, list) or getattr(estimator, "n_outputs_", 1) not in (1, None):
        raise ConfembError(
            f"the estimator {name} has several outputs ({len(classes)}), as one fitted on one-hot labels or "
            "several targets "
            "has: fit it on one class for each item."
        )
    classes = np.asarray(classes)
    if classes.dtype.kind == "f" and (classes == np.floor(classes)).all():
        classes = classes.astype(np.int64)
    if all(isinstance(value, str) for value in classes):
        if class_names is not None:
            raise ConfembError(f"the classes of the estimator {name} have names already: leave class_names out.")
        return tuple(check_class_names([str(value) for value in classes]))
    if classes.dtype.kind not in "iub":
        raise ConfembError(
            f"the classes of the estimator {name} are of type {classes.dtype}; they must be strings or whole numbers."
        )
    if class_names is None:
        raise ConfembError(
            f"the classes of the estimator {name} are numbers ({quoted_list(map(str, classes))}): give class_names."
        )
    names = check_class_names(class_names)
    return tuple(names[i] for i in check_indices(classes.astype(np.int64), len(names), what="class"))


def _parameters(estimator: Any) -> list[tuple[str, Any]]:
    """Return the parameters of an estimator and of all its parts; what is none of scikit-learn's may have none."""
    return list(estimator.get_params().items()) if hasattr(estimator, "get_params") else []


def _rows(inputs: Any, rows: np.ndarray) -> Any:
    if hasattr(inputs, "iloc"):
        return inputs.iloc[rows]
    return [inputs[row] for row in rows] if isinstance(inputs, list | tuple) else inputs[rows]
