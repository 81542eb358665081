"""Translation by picture: the English words whose vectors are nearest to those of a foreign word's pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from confemb.records.word_vectors import WordVectors
from confemb.spaces.words.activations import Activations
from confemb.spaces.words.sources import PictureSource
from confemb.spaces.words.visual import Skipped, word_means
from confemb.support.errors import ConfembError
from confemb.support.progress import Progress


@dataclass(frozen=True)
class Translation:
    """What a word, known by its pictures, is called here.

    Attributes:
        word: the word asked for, or the picture's name.
        nearest: (word, cosine), nearest first.
    """

    word: str
    nearest: tuple[tuple[str, float], ...]


def translate(
    source: PictureSource,
    activations: Activations,
    vectors: WordVectors,
    *,
    top: int = 5,
    progress: Progress | None = None,
) -> tuple[list[Translation], tuple[Skipped, ...]]:
    """Translate each word of a source: its pictures' activations are averaged, and the nearest words found.

    Args:
        source: the words and their pictures, as a folder of pictures named in another language.
        activations: the same classifier and layer that the vectors are from.
        vectors: the words to choose from.
        top: how many of them.
        progress: called with words done and words in all.

    Returns:
        a translation for each word with a sound picture, in the source's order, and the pictures that were skipped.

    Raises:
        ConfembError: no word has a sound picture, or vectors of another classifier.
    """
    found: list[Translation] = []
    skipped: list[Skipped] = []
    for done, (word, vector, broken) in enumerate(word_means(source, activations), start=1):
        skipped.extend(broken)
        if vector is not None:
            found.append(Translation(word, tuple(vectors.nearest_to(vector, top=top))))
        if progress is not None:
            progress("translating", done, len(source.words))
    if not found:
        raise ConfembError(
            skipped[0].reason if skipped else f"{source.name} has no pictures to translate: give at least one."
        )
    return found, tuple(skipped)


def ranks_of(vectors: WordVectors, pictures: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """Return (n,) at which rank, from 1 on, each picture's own word stands among all words by cosine.

    A word that ties with the right one counts as before it.

    Args:
        vectors: the words to choose from.
        pictures: (n, d) activations.
        words: the n words that are right.

    Raises:
        ConfembError: an unknown word, or activations without a direction: they would be like no word and rank first.
    """
    pictures = np.asarray(pictures, np.float32)
    norms = np.linalg.norm(pictures, axis=1, keepdims=True)
    for row in np.flatnonzero(~np.isfinite(norms) | (norms == 0)):
        raise ConfembError(
            f"picture {row} of {words[int(row)]!r} has no direction: the length of its vector is {norms[row, 0]}."
        )
    units = pictures / norms
    cosines = units @ vectors.units.T
    own = cosines[np.arange(len(words)), [vectors.index(word) for word in words]]
    return (cosines >= own[:, None]).sum(axis=1)
