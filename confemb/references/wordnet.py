"""WordNet as a reference: how near two classes stand in its hierarchy of nouns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from confemb.records.imagenet import imagenet_classes
from confemb.records.similarity import SimilarityMatrix
from confemb.references import known_classes
from confemb.references.wordnet_database import noun_of_sense, reading_wordnet
from confemb.support.errors import ConfembError, unknown_name

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset, WordNetCorpusReader

Measure = Literal["wup", "path"]
TITLES = {"wup": "WordNet (Wu-Palmer)", "path": "WordNet (path)"}

# CIFAR-10's classes, by sense keys, which are the same in every version of WordNet.
CIFAR10_SENSES = {
    "airplane": "airplane%1:06:00::",
    "automobile": "automobile%1:06:00::",
    "bird": "bird%1:05:00::",
    "cat": "cat%1:05:00::",
    "deer": "deer%1:05:00::",
    "dog": "dog%1:05:00::",
    "frog": "frog%1:05:00::",
    "horse": "horse%1:05:00::",
    "ship": "ship%1:06:00::",
    "truck": "truck%1:06:00::",
}
_WNID = re.compile(r"(?<![a-z0-9])n[0-9]{8}(?![0-9])")


@dataclass(frozen=True)
class WordNetReference:
    """Similarity of two classes in WordNet's hierarchy of nouns, from 0 to 1; 1 for a class with itself.

    Attributes:
        measure: "wup", 2 d / (a + b + 2 d) where d is the depth of the deepest common hypernym (the root's is 1) and a
            and b the steps from it down to the two (Wu & Palmer 1994); "path", 1 / (1 + the steps of the shortest way
            through a common hypernym).
        path: the folder of WordNet's files, or None to look for it, see `wordnet_database.find_wordnet`.
    """

    measure: Measure
    path: str | None = None
    class_names: None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """How it is named."""
        return f"wordnet:{self.measure}"

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return TITLES[self.measure]

    def similarity(self, class_names: Sequence[str]) -> SimilarityMatrix:
        """Return the similarities of those of the classes that WordNet has, see `class_synsets`."""
        with reading_wordnet(self.path) as wordnet:
            found = class_synsets(wordnet, class_names)
            names = known_classes(self.name, class_names, set(found))
            synsets = [found[name] for name in names]
            return SimilarityMatrix((wup if self.measure == "wup" else path_similarity)(synsets), names)

    def noise_ceiling(self, class_names: Sequence[str]) -> None:
        """Return None: WordNet was made once."""
        return


def wordnet_reference(argument: str | None) -> WordNetReference:
    """Return `wordnet:wup` or `wordnet:path`; raises ConfembError for another measure, or none."""
    measures = get_args(Measure)
    if argument is None:
        raise ConfembError(f"the reference 'wordnet' needs a measure: {' or '.join(f'wordnet:{m}' for m in measures)}.")
    if argument not in measures:
        raise unknown_name("measure", argument, measures, where="wordnet:MEASURE")
    return WordNetReference(argument)  # type: ignore[arg-type]  # just checked


def class_synsets(wordnet: "WordNetCorpusReader", class_names: Sequence[str]) -> "dict[str, Synset]":
    """Return the noun synset of each class that has one.

    A name that is or holds the WordNet id of an ImageNet class ("n02123045", "tabby (n02123045)") stands for that
    class. Where more than half of the names are those of ImageNet's classes (`imagenet_classes`) or of CIFAR-10's,
    these mean those classes: ImageNet's mouse is no animal. Any other name means its first, most frequent, sense as
    a noun, blanks and hyphens being as good as underscores.
    """
    imagenet = imagenet_classes()
    by_id = {one.wnid: one.sense_key for one in imagenet}
    tables = [CIFAR10_SENSES, {one.name: one.sense_key for one in imagenet}]
    table = next((t for t in tables if 2 * sum(name in t for name in class_names) > len(class_names)), {})
    found = {}
    for name in class_names:
        wnid = _WNID.search(name)
        key = table.get(name) if wnid is None else by_id.get(wnid.group())
        synset = _first_sense(wordnet, name) if key is None else noun_of_sense(wordnet, key)
        if synset is not None:
            found[name] = synset
    return found


def _first_sense(wordnet: "WordNetCorpusReader", name: str) -> "Synset | None":
    words = "_".join(name.split())
    for spelling in dict.fromkeys((words, words.replace("-", "_"), words.replace("_", ""), words.replace("-", ""))):
        if synsets := wordnet.synsets(spelling, pos="n"):
            return synsets[0]
    return None


def path_similarity(synsets: "Sequence[Synset]") -> np.ndarray:
    """Return (K, K) float64, 1 / (1 + the fewest steps between two synsets through a common hypernym)."""
    return 1.0 / (1.0 + _Hierarchy(synsets).steps)


def wup(synsets: "Sequence[Synset]") -> np.ndarray:
    """Return (K, K) float64 similarities by Wu & Palmer (1994), 1 on the diagonal.

    A synset's depth is the length of its longest way up to the root. NLTK's `wup_similarity` chooses the common
    hypernym by the shortest way instead, so that a noun with ways of different lengths may not be like itself.
    """
    return _Hierarchy(synsets).wup()


class _Hierarchy:
    """The hypernyms of K synsets: steps up to each (inf where it is none), and the depths of all of them."""

    def __init__(self, synsets: "Sequence[Synset]") -> None:
        steps: list[dict[Any, int]] = [_steps_up(synset) for synset in synsets]
        columns: dict[Any, int] = {}
        for one in steps:
            for hypernym in one:
                columns.setdefault(hypernym, len(columns))
        self._up = np.full((len(synsets), len(columns)), np.inf)
        for row, one in enumerate(steps):
            self._up[row, [columns[hypernym] for hypernym in one]] = list(one.values())
        self._depth = np.array([hypernym.max_depth() + 1 for hypernym in columns])

    @property
    def steps(self) -> np.ndarray:
        """(K, K) the fewest steps between two synsets; inf without a common hypernym."""
        steps = np.empty((len(self._up), len(self._up)))
        for row, up in enumerate(self._up):
            own = np.isfinite(up)
            steps[row] = (self._up[:, own] + up[own]).min(axis=1)
        return steps

    def wup(self) -> np.ndarray:
        values = np.zeros((len(self._up), len(self._up)))
        for row, up in enumerate(self._up):
            own = np.isfinite(up)
            ways = self._up[:, own] + up[own]
            depth = self._depth[own]
            # Of several that are equally deep, the one that gives the most counts.
            deepest = np.where(np.isfinite(ways), depth, 0).max(axis=1, keepdims=True)
            chosen = np.isfinite(ways) & (depth == deepest)
            values[row] = np.where(chosen, 2 * depth / (ways + 2 * depth), 0.0).max(axis=1)
        return values


def _steps_up(synset: "Synset") -> "dict[Synset, int]":
    """Return the fewest steps from a synset up to each of its hypernyms, itself included."""
    steps = {synset: 0}
    edge = [synset]
    while edge:
        above = [(hypernym, steps[one] + 1) for one in edge for hypernym in one.hypernyms() + one.instance_hypernyms()]
        edge = []
        for hypernym, count in above:
            if hypernym not in steps:
                steps[hypernym] = count
                edge.append(hypernym)
    return steps
