"""How a network is trained: the section [training] of an experiment."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from confemb.support.settings import PositiveInt, Probability, Section


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
    """

    batch_size: PositiveInt = 128
    momentum: Probability = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Probability = 0.0
    ema_decay: Probability | None = None
    keep_epochs: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    dtype: Literal["float32", "bfloat16"] | None = None

    @field_validator("keep_epochs")
    @classmethod
    def _rising(cls, keep: list[int] | None, info: ValidationInfo) -> list[int] | None:
        """Refuse epochs that stand twice, fall, or lie beyond the last one."""
        last = info.data.get("epochs")
        if keep is not None and (keep != sorted(set(keep)) or (last is not None and keep[-1] > last)):
            raise ValueError(f"epochs must rise and none may lie beyond training.epochs = {last}")
        return keep
