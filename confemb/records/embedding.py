"""`ClassEmbedding`: a vector for every class; `EmbeddingRuns`: the same from several seeds."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from confemb.records.indices import name_index
from confemb.records.predictions import check_class_names
from confemb.records.similarity import SimilarityMatrix
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import read_bytes, read_text, whole_file, write_text
from confemb.support.held import held
from confemb.support.npz import read_record

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# Stands for a blank where an underscore would make two names alike.
_OPEN_BOX, _BLANK = "\u2423", re.compile(r"\s")


@dataclass(frozen=True, eq=False)
class ClassEmbedding:
    """One vector for every class.

    Attributes:
        vectors: (K, d) float32, a read-only copy.
        class_names: the K class names.
    """

    vectors: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise ConfembError for shapes that do not fit, vectors that are not finite, or zero vectors."""
        names = tuple(check_class_names(self.class_names))
        vectors = held(self.vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(names):
            raise ConfembError(f"vectors have shape {vectors.shape}, but there are {len(names)} classes.")
        norms = np.linalg.norm(vectors, axis=1)
        for index in np.flatnonzero(~np.isfinite(norms) | (norms == 0)):
            raise ConfembError(f"the class {names[index]!r} has no usable vector: its length is {norms[index]}.")
        object.__setattr__(self, "class_names", names)
        object.__setattr__(self, "vectors", vectors)

    def cosine(self) -> SimilarityMatrix:
        """Return the cosine of every two classes' vectors, from -1 to 1 (the paper's equation 1)."""
        return SimilarityMatrix(cosines(self.vectors), self.class_names)

    def vector(self, class_name: str) -> np.ndarray:
        """Return the (d,) vector of one class; raises ConfembError for an unknown class."""
        if class_name not in self.class_names:
            raise unknown_name("class", class_name, self.class_names)
        return self.vectors[self.class_names.index(class_name)]

    def analogy(
        self, positive: Sequence[str], negative: Sequence[str] = (), *, top: int = 10
    ) -> list[tuple[str, float]]:
        """Return the classes nearest to a sum of unit vectors (3CosAdd), the given ones left out.

        Returns:
            (class name, cosine) pairs, nearest first, at most `top`.

        Raises:
            ConfembError: no class, or one that is not known.
        """
        units = self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)
        given = [*positive, *negative]
        if not given:
            raise ConfembError("there is no class to start from: name at least one.")
        for name in given:
            self.vector(name)
        index = name_index(self.class_names)
        target = sum(units[index[n]] for n in positive) - sum(units[index[n]] for n in negative)
        scores = units @ target / max(float(np.linalg.norm(target)), np.finfo(np.float32).tiny)
        order = [i for i in np.argsort(-scores, kind="stable") if self.class_names[i] not in given]
        return [(self.class_names[i], float(scores[i])) for i in order[:top]]

    def keyed_vectors(self) -> "KeyedVectors":
        """Return the vectors as gensim `KeyedVectors`, keyed by class name."""
        from gensim.models import KeyedVectors

        keyed = KeyedVectors(vector_size=self.vectors.shape[1])
        keyed.add_vectors(list(self.class_names), self.vectors)
        return keyed

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write word2vec text, which `gensim.models.KeyedVectors.load_word2vec_format` reads.

        That format ends a word at the first blank, so blanks within class names become underscores, see
        `word2vec_words`.
        """
        tokens = word2vec_words(self.class_names)
        lines = [f"{len(tokens)} {self.vectors.shape[1]}"]
        for token, vector in zip(tokens, self.vectors, strict=True):
            # A float32 shown with 9 significant digits reads back as the same float32.
            lines.append(" ".join([token, *(f"{value:.9g}" for value in vector)]))
        write_text(path, "\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "ClassEmbedding":
        """Read word2vec text; raises ConfembError naming the first line that is not a word and its numbers."""
        lines = read_text(path).splitlines()
        try:
            count, dim = (int(part) for part in lines[0].split())
        except ValueError as error:
            raise ConfembError(f"{path} is no word2vec text: its first line must be two whole numbers.") from error
        if len(lines) != count + 1:
            raise ConfembError(f"{path} promises {count} vectors but holds {len(lines) - 1}.")
        if not 1 <= dim <= len(lines[-1]):
            raise ConfembError(f"{path} promises vectors of {dim} numbers, which its lines do not hold.")
        names, vectors = [], np.empty((count, dim), np.float32)
        for row, line in enumerate(lines[1:]):
            name, *numbers = line.split(" ")
            try:
                # zip is strict, since a single number would be spread over the whole row.
                vectors[row] = [float(number) for number, _ in zip(numbers, range(dim), strict=True)]
            except ValueError as error:
                raise ConfembError(f"{path}, line {row + 2}: expected a word and {dim} numbers.") from error
            names.append(name)
        try:
            return cls(vectors, tuple(names))
        except ConfembError as error:
            raise ConfembError(f"{path}: {error}") from error


def word2vec_words(class_names: Sequence[str]) -> list[str]:
    """Return a word without blanks for each class name, all different.

    Blanks become underscores. Where that would give two classes one word ("ice cream" beside "ice_cream"), the names
    with blanks have an open box "\u2423" for each blank instead, more of them behind the word if need be.
    """
    words = ["_".join(name.split()) for name in class_names]
    often = Counter(words)
    taken = {word for word, name in zip(words, class_names, strict=True) if often[word] == 1 or word == name}
    for place, (word, name) in enumerate(zip(words, class_names, strict=True)):
        if often[word] > 1 and word != name:
            word = _BLANK.sub(_OPEN_BOX, name)
            while word in taken:
                word += _OPEN_BOX
            words[place] = word
            taken.add(word)
    return words


@dataclass(frozen=True, eq=False)
class EmbeddingRuns:
    """The embeddings of the same pairs from several seeds.

    Attributes:
        vectors: (S, K, d) float32, one embedding for each seed; a read-only copy.
        seeds: the S seeds.
        class_names: the K class names.
    """

    vectors: np.ndarray
    seeds: tuple[int, ...]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise ConfembError for vectors that are not as many as the seeds and classes."""
        runs, classes = len(self.seeds), len(check_class_names(self.class_names))
        object.__setattr__(self, "vectors", held(self.vectors))
        if self.vectors.ndim != 3 or self.vectors.shape[:2] != (runs, classes) or runs == 0:
            raise ConfembError(
                f"vectors have shape {self.vectors.shape}; with {runs} seeds and {classes} classes they must be "
                f"({runs}, {classes}, dimensions), and there must be a seed."
            )
        norms = np.linalg.norm(self.vectors, axis=2)
        for run, index in np.argwhere(~np.isfinite(norms) | (norms == 0)):
            raise ConfembError(
                f"the class {self.class_names[index]!r} has no usable vector from seed {self.seeds[run]}: its length "
                f"is {norms[run, index]}."
            )

    def __getitem__(self, run: int) -> ClassEmbedding:
        """Return one run's embedding."""
        return ClassEmbedding(self.vectors[run], self.class_names)

    def __len__(self) -> int:
        """The number of runs, S."""
        return len(self.seeds)

    def cosines(self) -> np.ndarray:
        """Return (S, K, K) float32 cosines, one matrix for each run."""
        return np.stack([cosines(vectors) for vectors in self.vectors]).astype(np.float32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all runs to one NPZ file (arrays `vectors`, `seeds`, `class_names`; nothing pickled)."""
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                vectors=self.vectors,
                seeds=np.array(self.seeds, np.int64),
                class_names=np.array(self.class_names, dtype=np.str_),
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "EmbeddingRuns":
        """Read what `save` wrote; raises ConfembError for anything else."""
        try:
            arrays = read_record(read_bytes(path), {"vectors": ("f", 3), "seeds": ("iu", 1), "class_names": ("U", 1)})
            return cls(arrays["vectors"], tuple(arrays["seeds"].tolist()), tuple(arrays["class_names"].tolist()))
        except ConfembError as error:
            raise ConfembError(f"cannot read the embedding runs in {path}: {error}") from error


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Return the (K, K) float64 cosines of (K, d) vectors, exactly symmetric, exactly 1 on the diagonal.

    They are rounded to seven decimals: float32 vectors carry no more, and without it classes that are equally similar
    would be put in an order by rounding alone (most of 1,000 classes are never confused: a cosine of 0 with most).
    """
    vectors = np.asarray(vectors, np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.clip(units @ units.T, -1.0, 1.0)
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    values = np.round((values + values.T) / 2, 7) + 0.0
    np.fill_diagonal(values, 1.0)
    return values
