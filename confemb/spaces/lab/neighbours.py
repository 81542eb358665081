"""The nearest word of each of many words, into a file."""

import os
from dataclasses import dataclass

import numpy as np

from confemb.records.word_vectors import WordVectors
from confemb.stats.neighbours import nearest_neighbours
from confemb.support.cells import tsv_text
from confemb.support.errors import ConfembError
from confemb.support.files import write_text
from confemb.support.progress import Progress

WORDS = 10_000


@dataclass(frozen=True, eq=False)
class NearestWords:
    """The nearest other word of each of N words.

    Attributes:
        words: the N words.
        nearest: the N words nearest to them.
        cosines: (N,) float32, from -1 to 1.
    """

    words: tuple[str, ...]
    nearest: tuple[str, ...]
    cosines: np.ndarray

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a line for each word: the word, its nearest word and their cosine, separated by tabs."""
        rows = zip(self.words, self.nearest, (f"{cosine:.6f}" for cosine in self.cosines.tolist()), strict=True)
        write_text(path, tsv_text([("word", "nearest", "cosine"), *rows]))


def nearest_words(vectors: WordVectors, *, words: int = WORDS, progress: Progress | None = None) -> NearestWords:
    """Find the nearest word, by cosine, of each of the first words, among themselves.

    In most files the first words are the most frequent. They are compared a block at a time, see
    `confemb.stats.neighbours.nearest_neighbours`.

    Args:
        vectors: the word vectors.
        words: how many words, at most as many as there are.
        progress: called with words done and words in all.

    Raises:
        ConfembError: a single word; more than 100,000 without Faiss.
    """
    words = min(words, len(vectors))
    if words < 2:
        raise ConfembError("a single word has no nearest one: ask for two words or more.")
    report = None if progress is None else lambda done, total: progress("nearest words", done, total)
    found = nearest_neighbours(vectors.vectors[:words], 1, progress=report)
    nearest = tuple(vectors.words[row] for row in found.indices[:, 0].tolist())
    return NearestWords(vectors.words[:words], nearest, found.cosines[:, 0])
