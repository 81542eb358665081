"""Skip-gram in one direction only, true class -> predicted class, by gensim's PV-DBOW."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from confemb.embedders.cooccurrence import require_all
from confemb.embedders.word2vec import NegativeSampling, trained_classes
from confemb.records.embedding import ClassEmbedding
from confemb.records.pair_corpus import PairCorpus
from confemb.records.pairs import PairCounts

if TYPE_CHECKING:
    from gensim.models import Doc2Vec

# gensim spends far more time on a document than on a word. Each stretch of the corpus with about so many pairs of each
# class is handed over class by class; the stretches themselves stay in the order of the corpus.
_PAIRS_TOGETHER = 16


@dataclass(frozen=True)
class Directed(NegativeSampling):
    """gensim `Doc2Vec` in its PV-DBOW form (Le and Mikolov 2014): tag = true class, word = predicted class.

    The vector of a true class learns to tell which classes are predicted for it, and nothing is learned of the
    other direction: classes are alike that are taken for the same classes, whether or not for one another. Its
    optimum is that of `Balanced`, with p(j|i) over the pairs in their one direction and the noise drawn from the
    predicted classes. The options are those of `NegativeSampling`.
    """

    def embed(self, counts: PairCounts, *, seed: int) -> ClassEmbedding:
        """Train on the corpus of `counts`; the same counts and seed give the same bytes.

        Raises:
            ConfembError: a class that is the true one of no pair, so that no vector could be learned for it.
        """
        model = self.train(counts, seed=seed)
        return ClassEmbedding(np.stack([model.dv[name] for name in counts.class_names]), counts.class_names)

    def train(self, counts: PairCounts, *, seed: int) -> "Doc2Vec":
        """Return the trained gensim model; raises as `embed`."""
        from gensim.models import Doc2Vec
        from gensim.models.doc2vec import TaggedDocument
        from gensim.models.word2vec import MAX_WORDS_IN_BATCH

        true, _ = trained_classes(counts, seed)
        require_all(true, counts.class_names, "are the true class of no pair")
        pairs = PairCorpus(counts, order=self.order, seed=seed)
        stretch = min(_PAIRS_TOGETHER * len(counts.class_names), MAX_WORDS_IN_BATCH)
        documents = []
        for start in range(0, len(pairs), stretch):
            words: dict[str, list[str]] = {}
            for tag, word in pairs[start : start + stretch]:
                words.setdefault(tag, []).append(word)
            documents += [TaggedDocument(words=together, tags=[tag]) for tag, together in words.items()]
        return Doc2Vec(documents=documents, dm=0, dbow_words=0, **self.gensim_arguments(seed))
