"""`PairCorpus`: pair counts laid out as two-word sentences, in an order that depends on the counts and a seed alone."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, overload

import numpy as np

from confemb.records.pairs import PairCounts
from confemb.support.errors import ConfembError, one_of

Order = Literal["shuffled", "sorted"]

# A pair takes 4 bytes, so this is 4 GB.
MAX_CORPUS_PAIRS = 1_000_000_000
# So many are laid out at a time where all are gone through.
_BLOCK = 2**16


class PairCorpus(Sequence[list[str]]):
    """The pairs as two-word sentences [true class, predicted class], ready for gensim.

    Each distinct pair is one list object, handed out as often as the pair was counted: gensim only reads it. What is
    kept of the order is one whole number for each pair.
    """

    def __init__(self, counts: PairCounts, *, order: Order = "shuffled", seed: int = 0) -> None:
        """Lay the pairs out: "shuffled" by `seed`, or "sorted" by (true, predicted) class index.

        Sorted pairs show one class after the other and give unsteady cosines: for study only.

        Raises:
            ConfembError: more than `MAX_CORPUS_PAIRS` pairs, which would not fit into memory; an unknown order.
        """
        one_of("order", order, *get_args(Order))
        if counts.total > MAX_CORPUS_PAIRS:
            raise ConfembError(
                f"{counts.total:,} pairs are more than the {MAX_CORPUS_PAIRS:,} that fit into memory as a corpus: "
                "divide all counts by one number, count fewer pictures, or choose an embedder without a seed."
            )
        self._counts = counts
        names = counts.class_names
        self._sentences = np.empty(len(counts.counts), dtype=object)
        for i, (true, predicted) in enumerate(zip(counts.true.tolist(), counts.predicted.tolist(), strict=True)):
            self._sentences[i] = [names[true], names[predicted]]
        self._often = counts.whole(seed)
        # Which sentence comes when.
        self._which = np.repeat(np.arange(len(self._sentences), dtype=np.int32), self._often)
        if order == "shuffled":
            np.random.default_rng(seed).shuffle(self._which)

    def frequencies(self) -> dict[str, int]:
        """Return how often each class that is there stands in the corpus, in the order in which they first appear."""
        counts, size = self._counts, len(self._counts.class_names)
        pairs = len(self)
        first = np.full(len(self._sentences), pairs)
        # From the back, so that the earliest place is the one that stays.
        for stop in range(pairs, 0, -_BLOCK):
            start = max(stop - _BLOCK, 0)
            first[self._which[start:stop][::-1]] = np.arange(start, stop)[::-1]
        times, place = np.zeros(size, np.int64), np.full(size, 2 * pairs)
        for side, classes in enumerate((counts.true, counts.predicted)):
            np.add.at(times, classes, self._often)
            np.minimum.at(place, classes, 2 * first + side)
        there = np.flatnonzero(times)
        return {counts.class_names[i]: int(times[i]) for i in there[np.argsort(place[there])].tolist()}

    def __len__(self) -> int:
        return len(self._which)

    @overload
    def __getitem__(self, index: int) -> list[str]: ...

    @overload
    def __getitem__(self, index: slice) -> list[list[str]]: ...

    def __getitem__(self, index: int | slice) -> list[str] | list[list[str]]:
        found: Any = self._sentences[self._which[index]]
        return found.tolist() if isinstance(index, slice) else found

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, len(self), _BLOCK):
            yield from self[start : start + _BLOCK]
