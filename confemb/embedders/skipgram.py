"""word2vec skip-gram with negative sampling over class pairs (the paper's section 4), by gensim."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from confemb.embedders.cooccurrence import require_all
from confemb.embedders.word2vec import NegativeSampling, trained_classes
from confemb.records.embedding import ClassEmbedding
from confemb.records.pair_corpus import PairCorpus
from confemb.records.pairs import PairCounts

if TYPE_CHECKING:
    from gensim.models import Word2Vec


@dataclass(frozen=True)
class SkipGram(NegativeSampling):
    """gensim `Word2Vec` on two-word sentences [true class, predicted class].

    With a window of 1 both directions are trained: true -> predicted and predicted -> true. The options are those
    of `NegativeSampling`: dim, negative, epochs, learning_rate, min_learning_rate, order.
    """

    def embed(self, counts: PairCounts, *, seed: int) -> ClassEmbedding:
        """Train on the corpus of `counts`; the same counts and seed give the same bytes.

        Raises:
            ConfembError: a class that stands in no pair, so that no vector could be learned for it.
        """
        return ClassEmbedding(self.train(counts, seed=seed).wv[list(counts.class_names)], counts.class_names)

    def train(self, counts: PairCounts, *, seed: int) -> "Word2Vec":
        """Return the trained gensim model; raises as `embed`."""
        from gensim.models import Word2Vec

        true, predicted = trained_classes(counts, seed)
        require_all(true | predicted, counts.class_names, "stand in no pair")
        corpus = PairCorpus(counts, order=self.order, seed=seed)
        # A window of 1 cannot shrink; gensim would draw and go through a 0 for every word.
        model = Word2Vec(sg=1, shrink_windows=False, **self.gensim_arguments(seed))
        model.build_vocab_from_freq(corpus.frequencies(), corpus_count=len(corpus))
        model.corpus_total_words = 2 * len(corpus)
        _train(model, corpus)
        return model


def _train(model: "Word2Vec", corpus: PairCorpus) -> None:
    """Do what `model.train(corpus)` does, to the byte, for two-word sentences and one worker.

    gensim's compiled function is called on the same batches with the same learning rates, without the queues and the
    threads between, which take a fifth of the time. It is not part of gensim's documented interface: where it is gone,
    `model.train` does the work.
    """
    train_batch = _train_batch()
    if train_batch is None:
        model.train(corpus, total_examples=len(corpus), total_words=model.corpus_total_words, epochs=model.epochs)
        return
    work = np.zeros(model.vector_size, np.float32)
    batch = model.batch_words // 2
    for epoch in range(model.epochs):
        for start in range(0, len(corpus), batch):
            progress = (epoch + start / len(corpus)) / model.epochs
            rate = max(model.min_alpha, model.alpha - (model.alpha - model.min_alpha) * progress)
            train_batch(model, corpus[start : start + batch], rate, work, False)
            model.min_alpha_yet_reached = rate
    model.train_count += 1


def _train_batch() -> Callable[..., Any] | None:
    """Return gensim's compiled `train_batch_sg(model, sentences, rate, work, compute_loss)`; None where it has none."""
    try:
        from gensim.models.word2vec import train_batch_sg
    except ImportError:
        return None
    return train_batch_sg
