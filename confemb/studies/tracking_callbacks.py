"""Callbacks that fill a `Tracker` while other libraries train: Keras 3, Lightning, the Hugging Face Trainer.

Each is made by a function, so that the library is imported only where it is used.
"""

from collections.abc import Callable, Mapping
from typing import Any

from confemb.studies.tracking import Tracker
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra


def keras_tracking(tracker: Tracker, inputs: Any, labels: Any, *, batch_size: int = 256) -> Any:
    """Return a Keras 3 callback that scores `inputs` after each epoch: `model.fit(..., callbacks=[it])`.

    Args:
        tracker: is updated, and its epoch ended, after each epoch of the training.
        inputs: (n, ...) what the model takes.
        labels: (n,) true classes as indices.
        batch_size: inputs scored at a time.

    Raises:
        ConfembError: Keras is missing.
    """
    keras = import_extra("keras", "keras", what="Keras callbacks")

    class KerasTracking(keras.callbacks.Callback):  # type: ignore[misc,name-defined]  # Keras is not typed
        """Fills a tracker after each epoch."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            for start in range(0, len(labels), batch_size):
                rows = slice(start, start + batch_size)
                tracker.update(labels[rows], self.model.predict_on_batch(inputs[rows]))
            tracker.end_epoch(epoch + 1)

    return KerasTracking()


def lightning_tracking(tracker: Tracker, *, read: Callable[[Any, Any], tuple[Any, Any]] | None = None) -> Any:
    """Return a Lightning callback that counts what `validation_step` returns: `Trainer(callbacks=[it])`.

    The sanity check before the training is not counted.

    Args:
        tracker: is updated with each validation batch; its epoch ends with the validation.
        read: (outputs of validation_step, batch) -> (labels, scores). By default the outputs are a mapping with
            `logits` or `scores`, and with `labels` unless the batch is a pair of inputs and labels.

    Raises:
        ConfembError: Lightning is missing; while training, outputs in which no scores are found.
    """
    lightning = _lightning()
    reader = read or _read_lightning

    class LightningTracking(lightning.Callback):  # type: ignore[misc,name-defined]  # Lightning may be absent
        """Fills a tracker in each validation."""

        def on_validation_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, *rest: Any) -> None:
            if not trainer.sanity_checking:
                tracker.update(*reader(outputs, batch))

        def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
            if not trainer.sanity_checking:
                tracker.end_epoch(trainer.current_epoch + 1)

    return LightningTracking()


def trainer_tracking(tracker: Tracker, *, then: Callable[[Any], dict[str, float]] | None = None) -> Any:
    """Return a callback of the Hugging Face Trainer, with the function that it takes as `compute_metrics`.

        tracking = trainer_tracking(tracker)
        Trainer(..., callbacks=[tracking], compute_metrics=tracking.compute_metrics)

    Each evaluation becomes an epoch of the track: evaluate once an epoch (eval_strategy="epoch").

    Args:
        tracker: is updated with the predictions of each evaluation.
        then: the compute_metrics of your own, whose values are handed on.

    Raises:
        ConfembError: transformers is missing.
    """
    transformers = import_extra("transformers", "hf", what="callbacks of the Hugging Face Trainer")

    class TrainerTracking(transformers.TrainerCallback):  # type: ignore[misc,name-defined]
        """Fills a tracker in each evaluation."""

        def compute_metrics(self, evaluation: Any) -> dict[str, float]:
            scores = evaluation.predictions
            # Some models give their hidden states behind the logits.
            tracker.update(evaluation.label_ids, scores[0] if isinstance(scores, tuple) else scores)
            return {} if then is None else then(evaluation)

        def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            tracker.end_epoch()

    return TrainerTracking()


def _lightning() -> Any:
    """Return Lightning under the name by which it is installed."""
    try:
        return import_extra("lightning.pytorch", "lightning", what="Lightning callbacks")
    except ConfembError:
        return import_extra("pytorch_lightning", "lightning", what="Lightning callbacks")


def _read_lightning(outputs: Any, batch: Any) -> tuple[Any, Any]:
    named = outputs if isinstance(outputs, Mapping) else {}
    scores = named.get("logits", named.get("scores"))
    labels = named.get("labels")
    if labels is None and isinstance(batch, list | tuple) and len(batch) == 2:
        labels = batch[1]
    if scores is None or labels is None:
        raise ConfembError(
            "the tracker finds no scores or labels in what validation_step returns: return "
            '{"logits": ..., "labels": ...}, or give lightning_tracking(read=...).'
        )
    return labels, scores
