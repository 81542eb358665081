"""What gensim's training converges to, against the closed form (the oracle of skip-gram)."""

import numpy as np
import pytest

from confemb.embedders.balanced import Balanced
from confemb.embedders.directed import Directed
from confemb.embedders.skipgram import SkipGram
from confemb.records.pairs import pairs_from_confusions


def random_counts(classes, *, seed):
    """Confusions of all sorts of sizes, in one direction more than in the other, and frequent self-pairs."""
    generator = np.random.default_rng(seed)
    confusions = np.rint(np.exp(generator.normal(6.5, 0.9, (classes, classes)))).astype(int)
    confusions += np.diag(np.full(classes, 2000))
    return confusions, pairs_from_confusions(confusions, tuple("abcdef"[:classes]))


def optimum(pairs, negative):
    """log[p(j|i) / (1 - p(j|i))] - log(negative P_n(j)), cell by cell, for (K, K) pairs of i with j."""
    noise = [sum(row[j] for row in pairs) ** 0.75 for j in range(len(pairs))]
    return np.array(
        [
            [
                np.log(row[j] / sum(row) / (1 - row[j] / sum(row))) - np.log(negative * noise[j] / sum(noise))
                for j in range(len(pairs))
            ]
            for row in pairs
        ]
    )


def rms(differences):
    return np.sqrt(np.mean(differences**2))


def test_full_rank_skipgram_reaches_the_closed_form():
    confusions, counts = random_counts(6, seed=0)
    model = SkipGram(dim=12, epochs=12, learning_rate=0.1).train(counts, seed=1)
    found = model.wv[list("abcdef")] @ model.syn1neg[[model.wv.key_to_index[name] for name in "abcdef"]].T
    expected = optimum((confusions + confusions.T).tolist(), 5)
    np.testing.assert_allclose(Balanced(smoothing=0).matrix(counts), expected)
    assert rms(found - expected) < 0.1
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.998
    # Not the shifted PMI, which leaves out 1 - p: it is three times as far off.
    pairs = confusions + confusions.T
    shares = pairs / pairs.sum(axis=1, keepdims=True)
    assert rms(found - (expected + np.log(1 - shares))) > 0.25


def test_full_rank_directed_reaches_the_closed_form_of_one_direction():
    confusions, counts = random_counts(4, seed=3)
    model = Directed(dim=8, epochs=12, learning_rate=0.1).train(counts, seed=1)
    vectors = np.stack([model.dv[name] for name in "abcd"])
    found = vectors @ model.syn1neg[[model.wv.key_to_index[name] for name in "abcd"]].T
    assert rms(found - optimum(confusions.tolist(), 5)) < 0.15
    assert rms(found - optimum((confusions + confusions.T).tolist(), 5)) > 0.4


@pytest.mark.slow
def test_more_noise_words_shift_the_optimum():
    _, counts = random_counts(6, seed=5)
    model = SkipGram(dim=12, epochs=20, learning_rate=0.1, negative=10).train(counts, seed=1)
    found = model.wv[list("abcdef")] @ model.syn1neg[[model.wv.key_to_index[name] for name in "abcdef"]].T
    assert rms(found - Balanced(smoothing=0, negative=10).matrix(counts)) < 0.1
