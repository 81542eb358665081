"""`WordVectors`: a vector for each of many words, the questions they answer, and their files."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from confemb.records.embedding import word2vec_words
from confemb.records.indices import name_index
from confemb.records.word_vector_files import BINARY, read_vectors
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import whole_file

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# Unknown words are told from so many known ones by all of these; of longer words only the beginning is compared.
MOST_LISTED, LONGEST_COMPARED = 1_000, 100


@dataclass(frozen=True, eq=False)
class WordVectors:
    """One vector for each of N words.

    Attributes:
        words: the N words, all different.
        vectors: (N, d) float32, finite and none of them 0.
        units: (N, d) float32, the same scaled to length 1.
    """

    words: tuple[str, ...]
    vectors: np.ndarray
    units: np.ndarray = field(init=False, repr=False)
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise ConfembError for shapes that do not fit, words that stand twice, or vectors without a direction."""
        words, vectors = tuple(self.words), np.asarray(self.vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(words) or not len(words):
            raise ConfembError(f"vectors have shape {vectors.shape}, but there are {len(words)} words.")
        index = name_index(words)
        if len(index) != len(words):
            twice = next(word for row, word in enumerate(words) if index[word] != row)
            raise ConfembError(f"the word {twice!r} has two vectors: keep one of them.")
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
        for row in np.flatnonzero(~np.isfinite(norms) | (norms == 0)):
            raise ConfembError(f"the word {words[row]!r} has no usable vector: its length is {norms[row]}.")
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "units", vectors / norms[:, None].astype(np.float32))
        object.__setattr__(self, "_index", index)

    def __len__(self) -> int:
        """The number of words, N."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Tell whether a word has a vector."""
        return self.known(word) is not None

    def known(self, word: object) -> str | None:
        """Return a word as it stands among the words, where blanks are underscores; None for an unknown one."""
        if not isinstance(word, str) or word in self._index:
            return word if isinstance(word, str) else None
        joined = "_".join(word.split())
        return joined if joined in self._index else None

    def index(self, word: str) -> int:
        """Return a word's row; raises ConfembError, with the nearest known word, for an unknown one."""
        known = self.known(word)
        if known is None:
            raise self._unknown(word)
        return self._index[known]

    def _unknown(self, word: str) -> ConfembError:
        if len(self) <= MOST_LISTED:
            return unknown_name("word", word, self.words)
        # Likeness takes long: it is asked of words that begin alike and are about as long.
        alike = [each for each in self.words if each[:1] == word[:1] and abs(len(each) - len(word)) <= 2]
        near = difflib.get_close_matches(word[:LONGEST_COMPARED], alike, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        return ConfembError(f"unknown word {word!r}: {hint}it is none of the {len(self):,} words with a vector.")

    def similarity(self, word_1: str, word_2: str) -> float:
        """Return the cosine of two words' vectors, from -1 to 1."""
        return float(self.units[self.index(word_1)] @ self.units[self.index(word_2)])

    def nearest(self, word: str, *, top: int = 10) -> list[tuple[str, float]]:
        """Return (word, cosine) of the `top` words nearest to one, nearest first, itself left out."""
        row = self.index(word)
        return self.nearest_to(self.units[row], top=top, without=(word,))

    def analogy(
        self, positive: Sequence[str], negative: Sequence[str] = (), *, top: int = 10
    ) -> list[tuple[str, float]]:
        """Return the words nearest to a sum of unit vectors (3CosAdd, Mikolov et al. 2013), the given ones left out.

        Args:
            positive: added, as "king" and "woman".
            negative: taken away, as "man".
            top: how many words.

        Raises:
            ConfembError: an unknown word, no word to add, or words that cancel out.
        """
        if not positive:
            raise ConfembError("an analogy needs a word to add: give at least one.")
        plus = [self.units[self.index(word)] for word in positive]
        minus = [self.units[self.index(word)] for word in negative]
        target = np.sum(plus, axis=0) - (np.sum(minus, axis=0) if minus else 0)
        if np.linalg.norm(target) < 1e-6:
            raise ConfembError("the words of the analogy cancel out: add and take away different words.")
        return self.nearest_to(target, top=top, without=(*positive, *negative))

    def nearest_to(self, vector: np.ndarray, *, top: int = 10, without: Sequence[str] = ()) -> list[tuple[str, float]]:
        """Return (word, cosine) of the `top` words nearest to a (d,) vector, nearest first, ties by row.

        Raises:
            ConfembError: a vector of another length d, or one without a direction.
        """
        vector = np.asarray(vector, np.float32)
        if vector.shape != self.vectors.shape[1:]:
            raise ConfembError(
                f"the vector has shape {vector.shape}, but the words' vectors have {self.vectors.shape[1]} numbers: "
                "they must come from the same layer of the same classifier."
            )
        norm = float(np.linalg.norm(vector))
        if not np.isfinite(norm) or norm == 0:
            raise ConfembError(f"the vector has no direction: its length is {norm}.")
        cosines = self.units @ (vector / norm)
        left_out = {self._index[known] for word in without if (known := self.known(word)) is not None}
        wanted = min(len(self), top + len(left_out))
        # Only the nearest are put in order.
        near = np.argpartition(-cosines, wanted - 1)[:wanted] if wanted < len(self) else np.arange(len(self))
        near = np.flatnonzero(cosines >= cosines[near].min())
        order = near[np.argsort(-cosines[near], kind="stable")]
        return [(self.words[i], float(cosines[i])) for i in order if i not in left_out][:top]

    def restricted_to(self, words: Sequence[str]) -> "WordVectors":
        """Return the vectors of some of the words, in the order given; raises ConfembError for an unknown one."""
        return WordVectors(tuple(words), self.vectors[[self.index(word) for word in words]])

    def keyed_vectors(self) -> "KeyedVectors":
        """Return the vectors as gensim `KeyedVectors`."""
        from gensim.models import KeyedVectors

        keyed = KeyedVectors(vector_size=self.vectors.shape[1])
        keyed.add_vectors(list(self.words), self.vectors)
        return keyed

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write word2vec binary if the name ends in .bin, else word2vec text; gensim's KeyedVectors opens both.

        `load_word2vec_format(path, binary=...)` is what opens them. The format ends a word at the first blank, so
        blanks within words become underscores (see `word2vec_words`). Text holds 9 significant
        digits, which give the same float32 back.

        Raises:
            ConfembError: a folder that cannot be written to.
        """
        tokens = word2vec_words(self.words)
        binary = Path(path).suffix == BINARY
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            file.write(f"{len(tokens)} {self.vectors.shape[1]}\n".encode())
            for token, vector in zip(tokens, self.vectors, strict=True):
                numbers = (
                    vector.astype("<f4").tobytes()
                    if binary
                    else " ".join([f"{v:.9g}" for v in vector.tolist()]).encode()
                )
                file.write(token.encode() + b" " + numbers + b"\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, limit: int | None = None) -> "WordVectors":
        """Read word2vec text or binary, or GloVe text, packed or not; see `word_vector_files.read_vectors`.

        Args:
            path: the file; one of several in a zip is ARCHIVE.zip/NAME.
            limit: read only so many words, from the beginning.

        Raises:
            ConfembError: no such file, a truncated one, or the first line that is not a word and its numbers; a word
                that stands twice.
        """
        words, vectors = read_vectors(path, limit)
        try:
            return cls(tuple(words), vectors)
        except ConfembError as error:
            raise ConfembError(f"{path}: {error}") from error
