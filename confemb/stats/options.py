"""Resampling effort for uncertainty estimates: the section [uncertainty] of an experiment."""

from typing import Annotated

from pydantic import Field

from confemb.support.settings import Section


class UncertaintyOptions(Section):
    """How much is drawn anew to tell how far a result is chance; 0 leaves a part out.

    `pictures` are bootstrap replicates of the pictures (default: 200; 20 with an embedder that depends on its seed,
    which is run twice on each), `split_halves` random splits into halves for the reliability (10; 5), and
    `dimension_splits` those on which dimensions are tried (5; 3, and 0 beyond 30 classes). Beyond 2,000 classes all
    three are 0 by default: measuring them would take hours.
    """

    pictures: Annotated[int, Field(ge=0)] | None = None
    split_halves: Annotated[int, Field(ge=0)] | None = None
    dimension_splits: Annotated[int, Field(ge=0)] | None = None
