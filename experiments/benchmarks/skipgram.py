"""From predictions to skip-gram vectors: confemb beside gensim fed a plain list of lists.

    python experiments/benchmarks/skipgram.py [--pairs 6400000] [--pairs-in-turns 640000] [--classes 1000] [--dim 50]

Both train on the same pairs in the same order with the same settings, one worker, and end with the same bytes, which
is checked. First once each on many pairs, in a fresh process, for time and peak memory; then in turns on a tenth of
them for the ratio of times. gensim's time begins with arrays of class indices that lie in confemb's order already, and
holds making the lists; confemb's begins with predictions.

What bounds it: 92 % of confemb's CPU seconds are spent within gensim's compiled function (timed around its calls,
d=50), so that without all the rest it would be 1.33 times as fast as gensim; by perf a third of all is in its inner
loop, which holds a binary search for each noise word, and three tenths in BLAS. What could be saved around it is saved:
reading the vocabulary from the list, queues between threads, and a draw for every word of how far a window of 1
shrinks. An integer vocabulary and a lighter model object saved nothing more. Other sums of 50 products round otherwise,
so a faster kernel with the same bytes would have to be a compiled one that calls the same BLAS.
"""

import hashlib
import time

import numpy as np
import pandas as pd
from counting_pairs import simulate
from gensim.models import Word2Vec
from ratios import alone, arguments, in_turns, publish

from confemb.embedders.skipgram import SkipGram
from confemb.records.pair_corpus import PairCorpus
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions

K = 5


def in_order(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return (N * k,) true and predicted classes, as the corpus of seed 0 has them."""
    counts = count_pairs(predictions, k=K)
    which = PairCorpus(counts, seed=0)._which
    return counts.true[which], counts.predicted[which]


def gensim_vectors(true: np.ndarray, predicted: np.ndarray, names: tuple[str, ...], dim: int) -> np.ndarray:
    sentences = [[names[a], names[b]] for a, b in zip(true.tolist(), predicted.tolist(), strict=True)]
    model = Word2Vec(sentences=sentences, sg=1, **SkipGram(dim=dim).gensim_arguments(0))
    return model.wv[list(names)]


def confemb_vectors(predictions: Predictions, dim: int) -> np.ndarray:
    return SkipGram(dim=dim).embed(count_pairs(predictions, k=K), seed=0).vectors


def once(who: str, pairs: int, classes: int, dim: int) -> tuple[float, str]:
    """Return the seconds that one run takes, and the hash of its vectors."""
    predictions = simulate(pairs // K, classes, K)
    if who == "gensim":
        true, predicted = in_order(predictions)
    started = time.process_time()
    if who == "gensim":
        vectors = gensim_vectors(true, predicted, predictions.class_names, dim)
    else:
        vectors = confemb_vectors(predictions, dim)
    return time.process_time() - started, hashlib.sha256(vectors.tobytes()).hexdigest()


def main() -> None:
    given = arguments(__doc__, pairs=6_400_000, pairs_in_turns=640_000, classes=1_000, dim=50, rounds=3)
    rows = {}
    for who in ("gensim", "confemb"):
        (seconds, digest), mib = alone(once, who, given.pairs, given.classes, given.dim)
        rows[who] = {"what": who, "CPU seconds": seconds, "peak MiB": mib, "sha256": digest[:16]}
    assert rows["gensim"]["sha256"] == rows["confemb"]["sha256"], "the vectors differ"
    table = pd.DataFrame(rows.values())
    for column in ("CPU seconds", "peak MiB"):
        table[f"{column}, of gensim's"] = table[column] / table[column][0]
    title = f"{given.pairs:,} pairs of {given.classes:,} classes to skip-gram vectors of {given.dim} dimensions"
    publish("skipgram", f"{title}, once each", table)

    predictions = simulate(given.pairs_in_turns // K, given.classes, K)
    true, predicted = in_order(predictions)
    runs = {
        "gensim": lambda: gensim_vectors(true, predicted, predictions.class_names, given.dim),
        "confemb": lambda: confemb_vectors(predictions, given.dim),
    }
    table = in_turns(runs, peer="gensim", rounds=given.rounds, warm_up=False, work=given.pairs_in_turns)
    publish("skipgram_in_turns", f"{given.pairs_in_turns:,} of them, in turns", table)


if __name__ == "__main__":
    main()
