"""`WordVectors`: a vector for each of many words, the questions they answer, and their files."""

import gzip
import os
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from confemb.errors import ConfembError, quoted_list, unknown_name
from confemb.files import whole_file

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

BINARY = ".bin"
# A word, and a line of text of so many numbers, is never longer; a file of something else is noticed early.
LONGEST_WORD, LONGEST_LINE = 2_000, 1_000_000


class _Reader(Protocol):
    """The part of an open file that is used."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


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
        index = {word: row for row, word in enumerate(words)}
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
        return word in self._index

    def index(self, word: str) -> int:
        """Return a word's row; raises ConfembError, with the nearest known word, for an unknown one."""
        if word not in self._index:
            raise unknown_name("word", word, self.words)
        return self._index[word]

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
        left_out = {self._index[word] for word in without if word in self._index}
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
        blanks within words become underscores. Text holds 9 significant digits, which give the same float32 back.

        Raises:
            ConfembError: two words that are the same then, or a folder that cannot be written to.
        """
        tokens = ["_".join(word.split()) for word in self.words]
        if len(set(tokens)) != len(tokens):
            twice = quoted_list(sorted(token for token, count in Counter(tokens).items() if count > 1))
            raise ConfembError(f"with underscores for blanks the words {twice} stand twice: rename them.")
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
        """Read word2vec text or binary, or GloVe text; packed by gzip or as the only file of a zip, if need be.

        Text begins with the counts of words and numbers (word2vec) or with the first word at once (GloVe); binary
        files are known by their names, NAME.bin or NAME.bin.gz.

        Args:
            path: the file.
            limit: read only so many words, from the beginning.

        Raises:
            ConfembError: no such file, a truncated one, or the first line that is not a word and its numbers.
        """
        binary = BINARY in Path(path).suffixes[-2:]
        try:
            with _opened(Path(path)) as file:
                words, vectors = (_read_binary if binary else _read_text)(file, path, limit)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise ConfembError(f"{path} is truncated or broken ({error}): get it again.") from error
        except OSError as error:
            raise ConfembError(f"cannot read {path}: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise ConfembError(f"{path} is not UTF-8 text: a binary file's name must end in {BINARY}.") from error
        try:
            return cls(tuple(words), vectors)
        except ConfembError as error:
            raise ConfembError(f"{path}: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[_Reader]:
    """Open a file for reading, unpacked."""
    if path.suffix == ".gz":
        with gzip.open(path) as unpacked:
            yield unpacked
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            if len(names := archive.namelist()) != 1:
                raise ConfembError(f"{path} holds {quoted_list(names)}: unpack it, and give one of its files.")
            with archive.open(names[0]) as member:
                yield member
    else:
        with open(path, "rb") as plain:
            yield plain


def _counts(line: bytes) -> tuple[int, int] | None:
    """Return what a word2vec header says, or None for another line."""
    parts = line.split()
    return (int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdigit() for part in parts) else None


def _read_text(file: _Reader, path: object, limit: int | None) -> tuple[list[str], np.ndarray]:
    line, number = file.readline(LONGEST_LINE), 1
    if not line:
        raise ConfembError(f"{path} is empty.")
    said = _counts(line)
    if said is not None:
        line, number = file.readline(LONGEST_LINE), 2
    words: list[str] = []
    rows: list[np.ndarray] = []
    dim = said[1] if said is not None else None
    while line and (limit is None or len(words) < limit):
        word, _, numbers = line.partition(b" ")
        values = _numbers(numbers)
        dim = len(values) if dim is None and word else dim
        if len(values) != dim or not values.size or not word:
            raise ConfembError(
                f"{path}, line {number}: expected a word and {dim or 'its'} numbers; the file is truncated, "
                "or no file of word vectors."
            )
        words.append(word.decode())
        rows.append(values)
        line, number = file.readline(LONGEST_LINE), number + 1
    _check_count(path, said, len(words), limit)
    if not words:
        raise ConfembError(f"{path} holds no words.")
    return words, np.stack(rows)


def _numbers(text: bytes) -> np.ndarray:
    """Return the numbers of a line; none where one of them is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text.decode("ascii"), np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            return np.empty(0, np.float32)


def _read_binary(file: _Reader, path: object, limit: int | None) -> tuple[list[str], np.ndarray]:
    said = _counts(file.readline(LONGEST_WORD))
    if said is None:
        raise ConfembError(f"{path} is no word2vec binary: its first line must be two whole numbers.")
    count, dim = said
    size = 4 * dim
    words: list[str] = []
    rows: list[np.ndarray] = []
    for _ in range(count if limit is None else min(count, limit)):
        token = bytearray()
        while (byte := file.read(1)) not in (b" ", b""):
            # word2vec ends a vector by a line feed, some writers do not.
            if byte != b"\n":
                token += byte
            if len(token) > LONGEST_WORD:
                raise ConfembError(f"{path} is no word2vec binary: word {len(words) + 1} does not end.")
        data = file.read(size)
        if len(data) != size:
            break
        words.append(token.decode())
        rows.append(np.frombuffer(data, "<f4"))
    _check_count(path, said, len(words), limit)
    return words, np.stack(rows)


def _check_count(path: object, said: tuple[int, int] | None, found: int, limit: int | None) -> None:
    if said is None:
        return
    wanted = said[0] if limit is None else min(said[0], limit)
    if found != wanted or not found:
        raise ConfembError(f"{path} promises {said[0]} words but holds {found}: it is truncated; get it again.")
