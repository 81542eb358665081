"""ONNX files as classifiers, by ONNX Runtime."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.extras import import_extra

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(string)": np.object_,
}
_SCORES = ("tensor(float)", "tensor(double)", "tensor(float16)")
_LABELS = ("tensor(int64)", "tensor(string)")


class OnnxClassifier:
    """An ONNX file.

    Of the outputs of scikit-learn's exporter, label and probabilities, the probabilities are taken, and class names in
    another order than that of the labels are refused. A file
    exported for a fixed number of inputs is run as often as needed, the last time filled up.

    Args:
        path: the file.
        class_names: the K names its scores stand for, in their order.
        logits: whether the scores are logits; otherwise they are probabilities.
        input_name: which input takes the batch; needed where there are several.
        output_name: which output holds the scores; needed where there are several.
        prepare: turns a batch, as it is given, into the model's input: scaled, and with the axes in the model's
            order, often (n, C, H, W) where pictures are (n, H, W, C). By default the batch is given as it is.
        name: what it is called in results; by default the file's name without its suffix.
        providers: ONNX Runtime's execution providers, the first that works; by default all that it sees.

    Raises:
        ConfembError: onnxruntime is not installed, a file that is missing or no ONNX, an input or output that is
            not there or must be chosen, an output that holds no scores or those of another number of classes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        class_names: Sequence[str],
        *,
        logits: bool,
        input_name: str | None = None,
        output_name: str | None = None,
        prepare: Callable[[Any], Any] | None = None,
        name: str | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.name = name or Path(path).stem
        self.class_names = tuple(check_class_names(class_names))
        self.logits = logits
        self._prepare = prepare
        self._session = _open(Path(path), providers)
        self._input = _choose(self._session.get_inputs(), input_name, what="input", where=str(path))
        if self._input.type not in _TYPES:
            raise ConfembError(
                f"the input {self._input.name!r} of {path} is of type {self._input.type}, which no batch is: choose "
                "another with input_name, or export the model again."
            )
        outputs = self._session.get_outputs()
        self._output = _choose_scores(outputs, output_name, where=str(path))
        labels = [output.name for output in outputs if output.type in _LABELS]
        self._label = labels[0] if len(labels) == 1 and len(outputs) == 2 else None
        # Which column of the scores each of the file's own labels was the most probable of.
        self._seen: dict[Any, int] = {}
        classes = self._output.shape[-1] if self._output.shape else None
        if isinstance(classes, int) and classes != len(self.class_names):
            raise ConfembError(
                f"the output {self._output.name!r} of {path} has {classes} classes, but there are "
                f"{len(self.class_names)} class names: give as many."
            )

    @property
    def input(self) -> Any:
        """The input that takes the batch, as ONNX Runtime describes it: `name`, `shape`, `type`."""
        return self._input

    @property
    def input_type(self) -> Any:
        """The numpy type that the input takes."""
        return np.dtype(_TYPES[self._input.type])

    @property
    def device(self) -> str:
        """Where it computes: "cpu", "cuda" or another of ONNX Runtime's providers."""
        return str(self._session.get_providers()[0]).removesuffix("ExecutionProvider").lower()

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) scores of n inputs.

        Raises:
            ConfembError: a batch of a shape or type the model does not take.
        """
        values = self._as_input(batch)
        size = self._input.shape[0] if self._input.shape else None
        if not isinstance(size, int) or len(values) == size:
            return self._run(values)
        chunks = []
        for start in range(0, len(values), size):
            chunk = values[start : start + size]
            filled = np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), axis=0)])
            chunks.append(self._run(filled)[: len(chunk)])
        return np.concatenate(chunks)

    def _as_input(self, batch: Any) -> np.ndarray:
        values = np.asarray(batch if self._prepare is None else self._prepare(batch))
        shape = self._input.shape
        fixed = [(own, given) for own, given in zip(shape[1:], values.shape[1:], strict=False) if isinstance(own, int)]
        if shape and (len(shape) != values.ndim or any(own != given for own, given in fixed)):
            wanted = ", ".join(["n", *(str(axis) if isinstance(axis, int) else "any" for axis in shape[1:])])
            raise ConfembError(
                f"the ONNX model {self.name!r} takes batches of shape ({wanted}), not {values.shape}: turn them "
                "with prepare, for example prepare=lambda x: x.transpose(0, 3, 1, 2)."
            )
        wanted_type = np.dtype(_TYPES[self._input.type])
        if not np.can_cast(values.dtype, wanted_type, "same_kind"):
            raise ConfembError(
                f"the ONNX model {self.name!r} takes {self._input.type}, and {values.dtype} would lose by that: turn "
                "the batch with prepare."
            )
        return values.astype(wanted_type, copy=False)

    def _run(self, values: np.ndarray) -> np.ndarray:
        wanted = [self._output.name] if self._label is None else [self._output.name, self._label]
        try:
            scores, *labels = self._session.run(wanted, {self._input.name: values})
        except Exception as error:  # ONNX Runtime's errors have no other base.
            raise ConfembError(f"the ONNX model {self.name!r} fails on a batch: {_first_line(error)}") from error
        scores = np.asarray(scores)
        if labels and scores.ndim == 2 and scores.shape[1] == len(self.class_names):
            self._check_labels(scores, np.asarray(labels[0]).reshape(-1))
        return scores

    def _check_labels(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Raise where the file's own labels are not the class names of the most probable columns."""
        ordered = np.sort(scores.astype(np.float64), axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 1e-4 if scores.shape[1] > 1 else np.ones(len(scores), bool)
        for label, best in zip(labels[clear].tolist(), scores[clear].argmax(axis=1).tolist(), strict=True):
            known, name = str(label) in self.class_names, self.class_names[best]
            self._seen.setdefault(label, best)
            if (isinstance(label, str) and known and name != label) or self._seen[label] != best:
                raise ConfembError(
                    f"the ONNX model {self.name!r} says {label!r} where the most probable class by class_names is "
                    f"{name!r}: "
                    "give class_names in the order of the model's own labels."
                )
        if any(isinstance(label, str) and label in self.class_names for label in self._seen):
            return
        # Exporters write the columns in the sorted order of the labels.
        places = [self._seen[label] for label in sorted(self._seen)]
        if places != sorted(set(places)):
            raise ConfembError(
                f"the labels of the ONNX model {self.name!r} do not go with the columns of its scores: give "
                "output_name to take the scores alone."
            )


def metadata_of(path: Path) -> dict[str, str]:
    """Return what an ONNX file's metadata says, key -> text; raises ConfembError as `OnnxClassifier`."""
    return dict(_open(path, ["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map)


def _open(path: Path, providers: Sequence[str] | None = None) -> Any:
    runtime = import_extra("onnxruntime", "onnx", what="ONNX files")
    if not path.is_file():
        raise ConfembError(f"there is no file {path}; give the path of an ONNX file.")
    try:
        return runtime.InferenceSession(os.fspath(path), providers=list(providers or runtime.get_available_providers()))
    except Exception as error:  # ONNX Runtime's errors have no other base.
        raise ConfembError(f"{path} cannot be read as ONNX: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _choose(nodes: list[Any], name: str | None, *, what: str, where: str) -> Any:
    """Return the input or output called `name`, or the only one there is."""
    by_name = {node.name: node for node in nodes}
    if name is not None:
        if name not in by_name:
            raise unknown_name(what, name, by_name, where=where)
        return by_name[name]
    if len(nodes) != 1:
        raise ConfembError(f"{where} has the {what}s {quoted_list(by_name)}: choose one with {what}_name.")
    return nodes[0]


def _choose_scores(outputs: list[Any], name: str | None, *, where: str) -> Any:
    """Return the output with the scores; a label beside it is passed over."""
    if name is None and len(outputs) == 2 and sum(output.type in _LABELS for output in outputs) == 1:
        outputs = [output for output in outputs if output.type not in _LABELS]
    chosen = _choose(outputs, name, what="output", where=where)
    if chosen.type.startswith("seq("):
        raise ConfembError(
            f"the output {chosen.name!r} of {where} is a list of dictionaries (ZipMap), not a tensor: export the "
            "estimator again with options={'zipmap': False}."
        )
    if chosen.type not in _SCORES:
        raise ConfembError(f"the output {chosen.name!r} of {where} is of type {chosen.type}, which are no scores.")
    return chosen
