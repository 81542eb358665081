"""word2vec skip-gram with negative sampling over class pairs (the paper's section 4), by gensim."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from confemb.embedding import ClassEmbedding
from confemb.errors import ConfembError, quoted_list
from confemb.pairs import Order, PairCorpus, PairCounts


@dataclass(frozen=True)
class SkipGram:
    """gensim `Word2Vec` on two-word sentences [true class, predicted class].

    With a window of 1 both directions are trained: true -> predicted and predicted -> true.

    Attributes:
        dim: embedding dimensions d (the paper: 5 for 10 classes).
        negative: noise words drawn for each pair.
        epochs: passes over the corpus.
        learning_rate: gensim's starting `alpha`; it falls linearly to `min_learning_rate`.
        min_learning_rate: gensim's `min_alpha`.
        order: how the pairs are laid out before training, see `PairCorpus`.
    """

    deterministic: ClassVar[bool] = False

    dim: Annotated[int, Ge(1)] = 5
    negative: Annotated[int, Ge(1)] = 5
    epochs: Annotated[int, Ge(1)] = 5
    learning_rate: Annotated[float, Gt(0)] = 0.025
    min_learning_rate: Annotated[float, Gt(0)] = 0.0001
    order: Order = "shuffled"

    def embed(self, counts: PairCounts, *, seed: int) -> ClassEmbedding:
        """Train on the corpus of `counts`; the same counts and seed give the same bytes.

        Raises:
            ConfembError: a class that stands in no pair, so that no vector could be learned for it.
        """
        from gensim.models import Word2Vec

        seen = np.zeros(len(counts.class_names), bool)
        seen[counts.true] = seen[counts.predicted] = True
        if not seen.all():
            absent = [counts.class_names[i] for i in np.flatnonzero(~seen)]
            raise ConfembError(
                f"{len(absent)} classes stand in no pair and can get no vector: {quoted_list(absent)}; "
                "keep self-pairs, raise k, or add pictures of them."
            )
        model = Word2Vec(
            sentences=PairCorpus(counts, order=self.order, seed=seed),
            sg=1,
            vector_size=self.dim,
            window=1,
            negative=self.negative,
            epochs=self.epochs,
            alpha=self.learning_rate,
            min_alpha=self.min_learning_rate,
            # gensim's defaults are for natural text: sub-sampling (1e-3) would throw away nine pairs in
            # ten when a class makes up a tenth of the corpus, min_count=5 would drop rare classes silently.
            sample=0,
            min_count=1,
            # More than one worker is never reproducible.
            workers=1,
            seed=seed,
        )
        return ClassEmbedding(model.wv[list(counts.class_names)], counts.class_names)
