"""Which pairs are counted: the section [pairs] of an experiment."""

from typing import Annotated, Literal

from pydantic import Field

from confemb.support.settings import PositiveInt, Section


class PairOptions(Section):
    """Which (true, predicted) pairs are counted, and with which weight: see `confemb.count_pairs`."""

    k: PositiveInt = 3
    self_pairs: Literal["keep", "drop"] = "keep"
    missing_classes: Literal["error", "drop"] = "error"
    weighting: Literal["count", "probability"] = "count"
    temperature: Annotated[float, Field(gt=0)] = 1.0
