"""Word vectors of the class names as a reference: GloVe, or any file of word vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from confemb.records.embedding import cosines
from confemb.records.similarity import SimilarityMatrix
from confemb.records.word_vectors import WordVectors
from confemb.references import known_classes
from confemb.support.errors import ConfembError
from confemb.support.files import is_there


@dataclass(frozen=True)
class GloveReference:
    """Cosine of the class names' word vectors, from -1 to 1.

    A name is looked up as it stands, with underscores for blanks, and in small letters; a name of several words for
    which there is no vector is the mean of its words' vectors, if each has one.

    Source of the vectors: J. Pennington, R. Socher and C. Manning, "GloVe: Global Vectors for Word Representation"
    (EMNLP 2014), or whatever made the file.

    Attributes:
        path: the file, any that `WordVectors.load` reads.
    """

    path: str
    class_names: None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """How it is named."""
        return f"glove:{self.path}"

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"word vectors ({Path(self.path).name.split('.')[0]})"

    def similarity(self, class_names: Sequence[str]) -> SimilarityMatrix:
        """Return the cosines of those of the class names that have vectors."""
        found = {name: vector for name in class_names if (vector := name_vector(self._vectors, name)) is not None}
        names = known_classes(self.name, class_names, set(found))
        return SimilarityMatrix(cosines(np.stack([found[name] for name in names])), names)

    def noise_ceiling(self, class_names: Sequence[str]) -> None:
        """Return None: the vectors were made once."""
        return

    @cached_property
    def _vectors(self) -> WordVectors:
        return WordVectors.load(self.path)


def glove_reference(argument: str | None) -> GloveReference:
    """Return the word vectors in a file; raises ConfembError without one."""
    if not argument:
        raise ConfembError("the reference 'glove' needs a file of word vectors: glove:FILE.txt or glove:FILE.txt.gz.")
    path = Path(argument).expanduser()
    if not (is_there(path) and path.is_file()):
        raise ConfembError(f"there is no file of word vectors {path}: give one in GloVe's text format, packed or not.")
    return GloveReference(str(path))


def name_vector(vectors: WordVectors, name: str) -> np.ndarray | None:
    """Return the (d,) vector of a class name, or the mean of its words' vectors; None where a word has none."""
    words = name.replace("_", " ").replace("-", " ").split()
    for spelling in (name, "_".join(name.split()), name.lower(), "_".join(words).lower(), "-".join(words).lower()):
        if spelling in vectors:
            return vectors.vectors[vectors.index(spelling)]
    rows = [vectors.index(word.lower()) for word in words if word.lower() in vectors]
    if not words or len(rows) < len(words):
        return None
    mean: np.ndarray = vectors.vectors[rows].mean(axis=0)
    return mean
