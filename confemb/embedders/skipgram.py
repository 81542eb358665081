"""word2vec skip-gram with negative sampling over class pairs (the paper's section 4), by gensim."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from confemb.embedders.cooccurrence import require_all
from confemb.embedders.word2vec import NegativeSampling, trained_classes
from confemb.embedding import ClassEmbedding
from confemb.pairs import PairCorpus, PairCounts

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
        return Word2Vec(sentences=corpus, sg=1, **self.gensim_arguments(seed))
