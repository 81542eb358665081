"""Which classifier an experiment has and what is kept of its predictions: [classifier] and [prediction]."""

from confemb.support.settings import PluginSection, PositiveInt, Section


class ClassifierOptions(PluginSection):
    """Which network or plug-in, and its own options.

    With `weights` (a published name such as "resnet50:keras", or a file) the network is not trained here.
    """

    name: str
    weights: str | None = None


class PredictionOptions(Section):
    """How many classes to keep for each picture; `mirror` averages the logits of a picture and its mirror image."""

    k: PositiveInt = 3
    mirror: bool = False
