"""Counting (true class, predicted class) pairs: confemb beside pandas and scikit-learn, in turns.

    python experiments/benchmarks/counting_pairs.py [--pictures 1000000] [--classes 1000] [--k 3] [--rounds 5]

Everyone gets the same arrays of class indices (pictures in random order, right for three in four, else one of the
neighbouring classes) and makes the same table of counts, which is checked. pandas and scikit-learn count over the pairs
of all ranks at once; confemb keeps the ranks apart, and sorts and checks what it returns.
"""

import numpy as np
import pandas as pd
from ratios import arguments, in_turns, publish
from sklearn.metrics import confusion_matrix

from confemb.records.pairs import PairCounts, count_pairs
from confemb.records.predictions import Predictions


def simulate(pictures: int, classes: int, k: int, *, seed: int = 0) -> Predictions:
    """Return predictions of which three in four are right, and the rest are off by a few classes."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=pictures)
    first = np.where(generator.random(pictures) < 0.75, 0, generator.geometric(0.3, pictures))
    top = (labels[:, None] + first[:, None] + np.arange(k) * 3) % classes
    return Predictions(labels, top, None, tuple(f"class {number}" for number in range(classes)))


def main() -> None:
    given = arguments(__doc__, pictures=1_000_000, classes=1_000, k=3, rounds=5)
    predictions = simulate(given.pictures, given.classes, given.k)
    labels = np.repeat(predictions.labels, given.k)
    predicted = predictions.top_classes.ravel()
    indices = np.arange(given.classes)

    def confemb() -> PairCounts:
        return count_pairs(predictions, k=given.k)

    def pandas() -> pd.DataFrame:
        return pd.crosstab(labels, predicted)

    def scikit_learn() -> np.ndarray:
        return confusion_matrix(labels, predicted, labels=indices)

    ours = confemb().matrix().toarray()
    assert (ours == pandas().reindex(index=indices, columns=indices, fill_value=0).to_numpy()).all()
    assert (ours == scikit_learn()).all()
    runs = {"pandas crosstab": pandas, "scikit-learn confusion_matrix": scikit_learn, "confemb count_pairs": confemb}
    pairs = given.pictures * given.k
    table = in_turns(runs, peer="scikit-learn confusion_matrix", rounds=given.rounds)
    # One thread each, so that CPU seconds are what a core takes.
    table["as fast as pandas, by CPU seconds"] = table["CPU seconds"][0] / table["CPU seconds"]
    table["pairs per CPU second"] = (pairs / table["CPU seconds"]).round().astype(int)
    publish("counting_pairs", f"Counting {pairs:,} pairs of {given.classes:,} classes", table, csv=given.csv)


if __name__ == "__main__":
    main()
