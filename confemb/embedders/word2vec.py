"""What the embedders trained by gensim share: their settings, and which classes can be trained."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from confemb.records.pair_corpus import Order
from confemb.records.pairs import PairCounts
from confemb.support.errors import ConfembError
from confemb.support.ranges import Dimensions, Epochs, Negative, check_ranges, check_seed


@dataclass(frozen=True)
class NegativeSampling:
    """Settings of training with negative sampling (Mikolov et al. 2013).

    Attributes:
        dim: embedding dimensions d (the paper: 5 for 10 classes).
        negative: noise words drawn for each pair.
        epochs: passes over the corpus.
        learning_rate: gensim's starting `alpha`; it falls linearly to `min_learning_rate`.
        min_learning_rate: gensim's `min_alpha`.
        order: how the pairs are laid out before training, see `PairCorpus`.
    """

    deterministic: ClassVar[bool] = False
    # gensim's compiled part lets go of Python's lock.
    runs_in_threads: ClassVar[bool] = True

    dim: Dimensions = 5
    negative: Negative = 5
    epochs: Epochs = 5
    learning_rate: Annotated[float, Gt(0), Lt(1e6)] = 0.025
    min_learning_rate: Annotated[float, Gt(0), Lt(1e6)] = 0.0001
    order: Order = "shuffled"

    def __post_init__(self) -> None:
        """Raise ConfembError for numbers out of range, and for rates that rise: gensim would keep to the lower one."""
        check_ranges(self)
        if self.min_learning_rate > self.learning_rate:
            raise ConfembError(
                f"min_learning_rate = {self.min_learning_rate:g} lies above learning_rate = {self.learning_rate:g}: "
                "the rate falls from the one to the other; give both."
            )

    def gensim_arguments(self, seed: int) -> dict[str, Any]:
        """Return what gensim's models are made with."""
        return {
            "vector_size": self.dim,
            "window": 1,
            "negative": self.negative,
            "epochs": self.epochs,
            "alpha": self.learning_rate,
            "min_alpha": self.min_learning_rate,
            # gensim's defaults are for natural text: sub-sampling (1e-3) would throw away nine pairs in
            # ten when a class makes up a tenth of the corpus, min_count=5 would drop rare classes silently.
            "sample": 0,
            "min_count": 1,
            # More than one worker is never reproducible.
            "workers": 1,
            "seed": check_seed(seed),
        }


def trained_classes(counts: PairCounts, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (K,) bool twice: whether a class is the true one, and the predicted one, of any whole pair.

    A weighted pair may be drawn not at all; what counts is what the corpus of this seed holds.
    """
    check_seed(seed)
    true, predicted = (np.zeros(len(counts.class_names), bool) for _ in range(2))
    kept = counts.whole(seed) > 0
    true[counts.true[kept]] = predicted[counts.predicted[kept]] = True
    return true, predicted
