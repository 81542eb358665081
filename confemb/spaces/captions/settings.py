"""An experiment on captioned pictures: read from TOML, checked, every key known."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from confemb.networks.training.options import ScheduleOptions
from confemb.support.settings import Name, PositiveInt, Probability, Section, load_settings

Negatives = Literal["random", "hardest", "semi-hard", "all"]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


class CaptionsSection(Section):
    """Which captioned pictures, how they are split, and how captions become word ids.

    `file` and the others that name files may be left out of a TOML file and given on the command line. `features` is a
    `.npy` with a row for each picture; without it they are the activations of `classifier` at `layer` of the pictures
    in the folder `pictures`. `vectors` are word vectors from which the words' own start. `captions_per_picture` limits
    how many are learned from (the first ones); all are measured on. `validation` and `test` are numbers of pictures,
    drawn with `split_seed`. Words that stand fewer than `min_count` times are unknown; captions have `max_length`
    words.
    """

    file: str | None = None
    pictures: str | None = None
    features: str | None = None
    vectors: str | None = None
    classifier: str = "resnet50:keras"
    layer: str = "avg_pool"
    captions_per_picture: PositiveInt | None = None
    validation: PositiveInt = 1000
    test: NonNegativeInt = 1000
    split_seed: NonNegativeInt = 0
    min_count: PositiveInt = 1
    max_length: PositiveInt = 16


class SpaceSection(Section):
    """The space and how things get there.

    A picture's features go through one dense layer with `activation`, a caption's words (of `word_dim` numbers) through
    a GRU whose last state counts. `score` is the dot product of the two, or their cosine. While training, a share
    `dropout` of the features and of the words' numbers is set to 0.
    """

    dim: PositiveInt = 256
    word_dim: PositiveInt = 100
    activation: Literal["tanh", "none"] = "tanh"
    score: Literal["dot", "cosine"] = "dot"
    dropout: Probability = 0.0


class CaptionTrainingSection(ScheduleOptions):
    """How the space is trained: Adam, with decoupled weight decay.

    `loss` is "margin", the sum of max(0, margin - positive + negative) over the negatives, or "contrastive", a
    cross-entropy over the batch at `temperature`. Negatives of the margin loss are captions drawn anew each epoch
    ("random"), or within the batch the "hardest", the "semi-hard" or "all". With `both_ways` a caption has negative
    pictures as well. The learning rate may change over time, as `ScheduleOptions` says.
    """

    loss: Literal["margin", "contrastive"] = "margin"
    negatives: Annotated[Negatives, Field(validate_default=True)] = "random"
    both_ways: Annotated[bool, Field(validate_default=True)] = False
    margin: PositiveFloat = 1.0
    temperature: PositiveFloat = 0.05
    epochs: PositiveInt = 10
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: PositiveFloat = 0.001
    schedule: Literal["triangle", "cosine", "step", "constant"] = "constant"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0

    @field_validator("negatives")
    @classmethod
    def _fitting(cls, negatives: Negatives, info: ValidationInfo) -> Negatives:
        if info.data.get("loss") == "contrastive" and negatives != "all":
            raise ValueError('the contrastive loss takes all negatives of the batch: set negatives = "all"')
        return negatives

    @field_validator("both_ways")
    @classmethod
    def _possible(cls, both_ways: bool, info: ValidationInfo) -> bool:
        if both_ways and info.data.get("negatives") == "random":
            raise ValueError("random negatives are captions only; take negatives of the batch")
        if not both_ways and info.data.get("loss") == "contrastive":
            raise ValueError("the contrastive loss is symmetric: set both_ways = true")
        return both_ways


class CaptionsExperiment(Section):
    """One experiment on captioned pictures, complete: everything a result depends on."""

    name: Name
    title: str
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    captions: CaptionsSection = CaptionsSection()
    space: SpaceSection = SpaceSection()
    training: CaptionTrainingSection = CaptionTrainingSection()


def load_captions_experiment(name_or_path: str, overrides: list[str] | None = None) -> CaptionsExperiment:
    """Read an experiment by file or bare name; raises ConfembError as `confemb.load_experiment` does."""
    return load_settings(CaptionsExperiment, name_or_path, overrides)
