"""The nearest word of each of many words, block by block: never a square of all cosines at once."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.errors import ConfembError
from confemb.files import write_text
from confemb.words.vectors import WordVectors

WORDS = 10_000
# Words of a block. The cosines of a block to 400,000 words take 800 MB at most; to 10,000, 20 MB.
BLOCK = 512


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
        lines = [
            f"{word}\t{near}\t{cosine:.6f}"
            for word, near, cosine in zip(self.words, self.nearest, self.cosines.tolist(), strict=True)
        ]
        write_text(Path(path), "\n".join(["word\tnearest\tcosine", *lines]) + "\n")


def nearest_words(
    vectors: WordVectors, *, words: int = WORDS, among: int | None = None, block: int = BLOCK
) -> NearestWords:
    """Find the nearest word, by cosine, of each of the first words, which are the most frequent in most files.

    Args:
        vectors: the word vectors.
        words: of how many words, from the first on; at most as many as there are.
        among: the nearest is sought among so many, from the first on; among the same words by default.
        block: words at a time; memory is for `block` x `among` float32 and no more.

    Raises:
        ConfembError: fewer than two words to choose from, or fewer than those whose nearest is wanted.
    """
    words = min(words, len(vectors))
    among = words if among is None else min(among, len(vectors))
    if among < 2 or words < 1 or among < words:
        raise ConfembError(
            f"of {words} words the nearest among {among} cannot be found: there must be two or more to choose from, "
            "the words themselves among them."
        )
    nearest, cosines = np.empty(words, np.int64), np.empty(words, np.float32)
    for start in range(0, words, block):
        rows = np.arange(start, min(start + block, words))
        found = vectors.units[rows] @ vectors.units[:among].T
        found[np.arange(len(rows)), rows] = -np.inf
        nearest[rows] = found.argmax(axis=1)
        cosines[rows] = found[np.arange(len(rows)), nearest[rows]]
    return NearestWords(vectors.words[:words], tuple(vectors.words[row] for row in nearest), cosines)
