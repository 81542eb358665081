"""Words of captions: tokens, the vocabulary, and sequences of word ids."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from confemb.records.indices import name_index
from confemb.support.errors import ConfembError
from confemb.support.files import parse_json, read_bytes, write_text

PADDING = "<eos>"
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'"})
_CONTRACTION = re.compile(r"(n't|'(?:s|re|ve|ll|d|m))(?![^\W_])")
# Words may hold hyphens, dots, ampersands and apostrophes inside: t-shirt, s.c.u.b.a, at&t, o'neill.
_TOKEN = re.compile(r"(?<![^\W_])(?:n't|'(?:s|re|ve|ll|d|m))(?![^\W_])|[^\W_]+(?:[-.&'][^\W_]+)*")


def tokenise(text: str) -> list[str]:
    """Return a text's words in lower case, without punctuation.

    As in the Penn Treebank, contractions come apart: "don't" is "do", "n't", and "dog's" is "dog", "'s".
    """
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES).lower()
    return _TOKEN.findall(_CONTRACTION.sub(r" \1", text))


@dataclass(frozen=True)
class Vocabulary:
    """The known words; a word's id is its place.

    Attributes:
        words: the V words, all different; the first one, "<eos>", stands for padding and for every unknown word.
    """

    words: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise ConfembError for words that stand twice, or another first one."""
        if not self.words or self.words[0] != PADDING:
            raise ConfembError(f"a vocabulary's word 0 must be {PADDING!r}.")
        ids = name_index(self.words)
        if len(ids) != len(self.words):
            raise ConfembError("a vocabulary's words must all be different.")
        object.__setattr__(self, "_ids", ids)

    def __len__(self) -> int:
        """The number of words, V."""
        return len(self.words)

    @classmethod
    def of(cls, texts: Iterable[str], *, min_count: int = 1) -> "Vocabulary":
        """Return the words that stand at least `min_count` times in texts, the most frequent first.

        Words that stand equally often keep the order in which they come first.
        """
        counts = Counter(word for text in texts for word in tokenise(text))
        return cls((PADDING, *(word for word, count in counts.most_common() if count >= min_count)))

    def unknown(self, text: str) -> list[str]:
        """Return a text's words that are not known, each once, in their order."""
        return list(dict.fromkeys(word for word in tokenise(text) if word not in self._ids))

    def encode(self, texts: Sequence[str], *, length: int) -> np.ndarray:
        """Return (n, length) int32 word ids.

        Short texts are filled up with 0 at their beginning, and of long ones the last words are kept, so that a
        recurrent network's last state has just read a text's end. Unknown words are 0.
        """
        ids = np.zeros((len(texts), length), np.int32)
        for row, text in enumerate(texts):
            found = [self._ids.get(word, 0) for word in tokenise(text)][-length:]
            if found:
                ids[row, -len(found) :] = found
        return ids

    def save(self, path: str | Path) -> None:
        """Write a JSON object of word and id."""
        write_text(path, json.dumps(self._ids, ensure_ascii=False, indent=0) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read what `save` wrote, or any JSON object of words and the ids 0, 1, 2, ...

        Raises:
            ConfembError: no such file, no such JSON, or ids that are not 0 to V - 1, each once.
        """
        content = parse_json(read_bytes(path), where=str(path))
        try:
            pairs = sorted((int(number), str(word)) for word, number in content.items())
        except (ValueError, OverflowError, AttributeError, TypeError) as error:
            raise ConfembError(f"{path} is no vocabulary, a JSON object of words and ids ({error}).") from error
        if [number for number, _ in pairs] != list(range(len(pairs))):
            raise ConfembError(f"{path}: the ids of a vocabulary must be 0 to {len(pairs) - 1}, each once.")
        return cls(tuple(word for _, word in pairs))
