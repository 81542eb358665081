"""How a network is trained: the section [training] of an experiment."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from confemb.support.settings import PositiveInt, Probability, Section

# What is given away along a similarity, unless the settings say otherwise: as usual with uniform smoothing.
SMOOTHING_SHARE = 0.1


class ScheduleOptions(Section):
    """The learning rate over time.

    `schedule` shapes it: "triangle" rises linearly from a fifth of `learning_rate` over the first `warmup` share of the
    steps and falls linearly to zero, "cosine" rises alike and falls as a cosine, "step" is multiplied by 0.1 every
    `step_epochs` epochs, "constant" stays.
    """

    epochs: PositiveInt
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["triangle", "cosine", "step", "constant"] = "triangle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.2
    step_epochs: PositiveInt = 350


class TrainingOptions(ScheduleOptions):
    """How the network is trained: SGD with momentum, compiled step by step, or on accelerators epoch by epoch.

    The weights after the epochs `keep_epochs` are kept beside the final ones, to see how similarities form.
    With `dtype` "bfloat16" the network computes in that type, for accelerators; weights, optimiser and the
    statistics of normalisations stay in float32, and predictions are made in it.

    `label_smoothing` is the share of each label that is spread over all classes alike; or "similarity": the share
    `smoothing_share` (0.1) is spread over the other classes in proportion to the similarities that
    `smoothing_similarity` names: a result folder, a square CSV or a reference.
    """

    batch_size: PositiveInt = 128
    momentum: Probability = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Probability | Literal["similarity"] = 0.0
    smoothing_similarity: str | None = None
    smoothing_share: Probability | None = None
    ema_decay: Probability | None = None
    keep_epochs: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    dtype: Literal["float32", "bfloat16"] | None = None

    @model_validator(mode="after")
    def _smoothing(self) -> "TrainingOptions":
        """Refuse a similarity that is not used, and one that is missing."""
        along = self.label_smoothing == "similarity"
        if along and self.smoothing_similarity is None:
            raise ValueError(
                'label_smoothing = "similarity" needs smoothing_similarity: a result folder, square CSV or reference'
            )
        if not along and (self.smoothing_similarity is not None or self.smoothing_share is not None):
            raise ValueError(
                'smoothing_similarity and smoothing_share go with label_smoothing = "similarity"; set that, or leave '
                "them out"
            )
        return self

    @field_validator("keep_epochs")
    @classmethod
    def _rising(cls, keep: list[int] | None, info: ValidationInfo) -> list[int] | None:
        """Refuse epochs that stand twice, fall, or lie beyond the last one."""
        last = info.data.get("epochs")
        if keep is not None and (keep != sorted(set(keep)) or (last is not None and keep[-1] > last)):
            raise ValueError(f"epochs must rise and none may lie beyond training.epochs = {last}")
        return keep
