"""Files of word vectors: GloVe text, word2vec text and binary, plain, gzipped or zipped."""

import array
import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import bounded, open_file, unpacked_gzip
from confemb.support.notes import say

BINARY = ".bin"
# A word, and a line of text of so many numbers, is never longer; a file of something else is noticed early.
# So many words may be cut within a letter: some, or a share of all.
_FEW_CUT, _MOST_CUT = 10, 0.01
LONGEST_WORD, LONGEST_LINE, LONGEST_VECTOR = 2_000, 1_000_000, 100_000


def read_vectors(path: str | os.PathLike[str], limit: int | None = None) -> tuple[Iterable[str], np.ndarray]:
    """Read a file of word vectors.

    Text begins with the counts of words and numbers (word2vec) or with the first word at once (GloVe). A line is a
    word and its numbers, parted by blanks; a word may hold blanks, as some of glove.840B do. Binary files are known by
    their names, NAME.bin. Either may be gzipped (NAME.gz) or in a zip; of several files in a zip one is named as if the
    zip were a folder: glove.6B.zip/glove.6B.100d.txt.

    Args:
        path: the file.
        limit: read only so many words, from the beginning.

    Returns:
        N words and (N, d) float32 numbers, as they stand in the file.

    Raises:
        ConfembError: no such file, a truncated one, or the first line that is not a word and its numbers.
    """
    try:
        with _opened(Path(path)) as (file, name):
            binary = BINARY in Path(name).suffixes[-2:]
            return (_read_binary if binary else _read_text)(file, path, limit)
    except UnicodeDecodeError as error:
        raise ConfembError(
            f"{path} holds many words that are not UTF-8 ({error}): save it as UTF-8; a binary file's name must end in "
            f"{BINARY}, a text's must not."
        ) from error
    # Of packed files: what is no gzip, a packing that Python has not, a password.
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as error:
        raise ConfembError(f"{path} is truncated or broken ({error}): get it again.") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """Open a file for reading, unpacked; with the name that says what it is."""
    if path.parent.suffix == ".zip" and path.parent.is_file():
        with _member(path.parent, path.name) as found:
            yield found
    elif path.suffix == ".zip":
        with _member(path, None) as found:
            yield found
    elif path.suffix == ".gz":
        with unpacked_gzip(path) as unpacked:
            yield unpacked, path.name
    else:
        with open_file(path) as plain:
            yield plain, path.name


@contextmanager
def _member(path: Path, name: str | None) -> Iterator[tuple[BinaryIO, str]]:
    """Open one of a zip's files, the only one where none is named."""
    with open_file(path) as plain, zipfile.ZipFile(plain) as archive:
        names = [each for each in archive.namelist() if not each.endswith("/")]
        if name is None and len(names) != 1:
            first = f", as {path / Path(names[0]).name}" if names else ""
            raise ConfembError(f"{path} holds {quoted_list(names) or 'nothing'}: name one of its files{first}.")
        by_name = {Path(each).name: each for each in names}
        chosen = names[0] if name is None else by_name.get(name)
        if chosen is None:
            raise unknown_name("file", name or "", by_name, where=str(path))
        with archive.open(chosen) as member:
            yield bounded(cast(BinaryIO, member), str(path)), chosen


def _counts(line: bytes) -> tuple[int, int] | None:
    """Return what a word2vec header says, or None for another line."""
    parts = line.split()
    whole = len(parts) == 2 and all(part.isdigit() and len(part) < 20 for part in parts)
    return (int(parts[0]), int(parts[1])) if whole else None


class _Vectors:
    """The words and numbers of a file, as they are read: the numbers in one growing block."""

    def __init__(self, path: object) -> None:
        self._path = path
        self._numbers = array.array("f")
        # A dict, which keeps the order and notices a word that comes twice at once: a small packed file can repeat a
        # line without end.
        self.words: dict[str, None] = {}
        self.left_out = 0

    def add(self, token: bytes, numbers: np.ndarray) -> None:
        try:
            word = token.decode()
        except UnicodeDecodeError:
            # word2vec.c cuts long words at a byte, which may be within a letter.
            self.left_out += 1
            if self.left_out > max(_FEW_CUT, _MOST_CUT * len(self.words)):
                raise
            return
        if word in self.words:
            raise ConfembError(f"{self._path}: the word {word!r} has two vectors: keep one of them.")
        self.words[word] = None
        self._numbers.frombytes(numbers.tobytes())

    def matrix(self) -> np.ndarray:
        if self.left_out:
            say(
                f"{self._path}: {self.left_out:,} of {len(self.words) + self.left_out:,} words are not UTF-8, as where "
                "word2vec cut them within a letter: left out."
            )
        return np.frombuffer(self._numbers, np.float32).reshape(len(self.words), -1).copy()


def _read_text(file: BinaryIO, path: object, limit: int | None) -> tuple[Iterable[str], np.ndarray]:
    line, number = file.readline(LONGEST_LINE), 1
    if not line:
        raise ConfembError(f"{path} is empty.")
    said = _counts(line)
    if said is not None:
        line, number = file.readline(LONGEST_LINE), 2
    found = _Vectors(path)
    dim = said[1] if said is not None else None
    while line and (limit is None or len(found.words) < limit):
        word, _, numbers = line.partition(b" ")
        values = _numbers(numbers)
        dim = len(values) if dim is None and word else dim
        if dim and len(values) != dim:
            # A word may hold blanks: the numbers are counted from the right.
            word, *cells = line.rstrip().rsplit(b" ", dim)
            values = _numbers(b" ".join(cells))
        if len(values) != dim or not values.size or not word:
            raise ConfembError(
                f"{path}, line {number}: expected a word and {dim or 'its'} numbers; the file is truncated, "
                "or no file of word vectors."
            )
        found.add(word, values)
        line, number = file.readline(LONGEST_LINE), number + 1
    _check_count(path, said, found, limit)
    if not found.words:
        raise ConfembError(f"{path} holds no words.")
    return found.words, found.matrix()


def _numbers(text: bytes) -> np.ndarray:
    """Return the numbers of a line; none where one of them is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text.decode("ascii"), np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            return np.empty(0, np.float32)


def _read_binary(file: BinaryIO, path: object, limit: int | None) -> tuple[Iterable[str], np.ndarray]:
    said = _counts(file.readline(LONGEST_WORD))
    if said is None:
        raise ConfembError(f"{path} is no word2vec binary: its first line must be two whole numbers.")
    count, dim = said
    if not 1 <= dim <= LONGEST_VECTOR:
        raise ConfembError(f"{path} promises vectors of {dim} numbers; from 1 to {LONGEST_VECTOR} can be read.")
    size = 4 * dim
    found = _Vectors(path)
    for _ in range(count if limit is None else min(count, limit)):
        token = bytearray()
        while (byte := file.read(1)) not in (b" ", b""):
            # word2vec ends a vector by a line feed, some writers do not.
            if byte != b"\n":
                token += byte
            if len(token) > LONGEST_WORD:
                raise ConfembError(f"{path} is no word2vec binary: word {len(found.words) + 1} does not end.")
        data = file.read(size)
        if len(data) != size:
            break
        found.add(bytes(token), np.frombuffer(data, "<f4").astype(np.float32))
    _check_count(path, said, found, limit)
    return found.words, found.matrix()


def _check_count(path: object, said: tuple[int, int] | None, found: _Vectors, limit: int | None) -> None:
    if said is None:
        return
    wanted = said[0] if limit is None else min(said[0], limit)
    read = len(found.words) + found.left_out
    if read < wanted or (limit is None and read != wanted) or not found.words:
        raise ConfembError(f"{path} promises {said[0]} words but holds {read}: it is truncated; get it again.")
