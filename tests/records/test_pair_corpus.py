from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confemb.records import pair_corpus
from confemb.records.pair_corpus import PairCorpus
from confemb.records.pairs import PairCounts, count_pairs, pairs_from_confusions
from confemb.support.errors import ConfembError


def as_counted(counts: PairCounts) -> Counter:
    """Return (true, predicted) -> how often, over all ranks."""
    found: Counter = Counter()
    for true, predicted, number in zip(counts.true, counts.predicted, counts.counts.tolist(), strict=True):
        found[counts.class_names[true], counts.class_names[predicted]] += number
    return found


def test_corpus_holds_each_pair_as_often_as_counted(predictions):
    counts = count_pairs(predictions, k=2)
    for order in ("shuffled", "sorted"):
        corpus = PairCorpus(counts, order=order, seed=1)
        assert Counter(map(tuple, corpus)) == as_counted(counts)
        assert len(corpus) == counts.total
    assert list(PairCorpus(counts, seed=1)) == list(PairCorpus(counts, seed=1))
    assert list(PairCorpus(counts, seed=1)) != list(PairCorpus(counts, seed=2))
    ordered = list(PairCorpus(counts, order="sorted"))
    assert ordered == sorted(ordered)


def test_the_order_is_numpys_permutation_of_the_sorted_pairs(predictions):
    # Results of earlier versions came from this order.
    counts = count_pairs(predictions, k=3)
    ordered = list(PairCorpus(counts, order="sorted"))
    expected = [ordered[i] for i in np.random.default_rng(5).permutation(len(ordered))]
    corpus = PairCorpus(counts, seed=5)
    assert list(corpus) == expected
    assert corpus[3:70:2] == expected[3:70:2]
    assert corpus[-1] == expected[-1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 40))
def test_frequencies_are_those_of_going_through_the_corpus(seed, classes, block):
    generator = np.random.default_rng(seed)
    confusions = generator.poisson(1.0, (classes, classes))
    confusions[0, -1] += 1
    counts = pairs_from_confusions(confusions, [f"class {i}" for i in range(classes)], missing_classes="keep")
    corpus = PairCorpus(counts, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_corpus, "_BLOCK", block)
        assert list(corpus.frequencies().items()) == list(Counter(word for pair in corpus for word in pair).items())


def test_a_corpus_beyond_memory_is_refused(monkeypatch):
    counts = pairs_from_confusions(np.array([[10**9, 1], [1, 10**9]]), ("cat", "dog"))
    assert counts.total == 2 * 10**9 + 2
    with pytest.raises(ConfembError, match=r"2,000,000,002 pairs are more than"):
        PairCorpus(counts)
    monkeypatch.setattr(pair_corpus, "MAX_CORPUS_PAIRS", 3)
    assert len(PairCorpus(pairs_from_confusions(np.array([[1, 1], [0, 1]]), ("cat", "dog")))) == 3
