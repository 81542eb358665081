"""Human judgements and confusions, for visual_words.py: the same pairs of words or classes by several vectors."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import confemb
from confemb.embedders import embed_runs
from confemb.records.imagenet import imagenet_classes
from confemb.records.word_vectors import WordVectors
from confemb.spaces.words.judgements import Judgements, rank_agreement
from confemb.stats.seeds import rank_correlations

CONFUSED, DIM, SEEDS = "resnet50", 50, 3
# A word above more classes than these ("object", "animal") is nothing one could picture.
MOST_CLASSES = 200
# A correlation of fewer pairs tells nothing.
FEWEST_PAIRS = 10


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Words by what stands for them.

    Attributes:
        name: of these words.
        rows: for each word the rows of vectors that are averaged, after scaling them to length 1.
    """

    name: str
    rows: Mapping[str, Sequence[int]]

    def __contains__(self, word: object) -> bool:
        return word in self.rows

    def cosines(self, vectors: np.ndarray, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return (P,) cosines of pairs of words by (K, d) vectors, or by (S, K, d) the mean over S runs."""
        if vectors.ndim == 3:
            return np.mean([self.cosines(run, pairs) for run in vectors], axis=0)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        means = {word: units[list(self.rows[word])].mean(axis=0) for word in {w for pair in pairs for w in pair}}
        means = {word: mean / np.linalg.norm(mean) for word, mean in means.items()}
        return np.array([means[one] @ means[other] for one, other in pairs])


def class_lemmas(path: Path) -> list[list[str]]:
    """Return the lemmas of ImageNet's 1,000 classes, in index order.

    Raises:
        ConfembError: a file without them.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            found = {row["wnid"]: row["synset"].split(";") for row in csv.DictReader(file)}
        return [found[c.wnid] for c in imagenet_classes()]
    except (OSError, KeyError) as error:
        raise confemb.ConfembError(f"{path} does not hold the lemmas of ImageNet's 1,000 classes: {error}.") from error


def lemma_lexicon(lemmas: Sequence[Sequence[str]]) -> Lexicon:
    """Return the single words among the classes' lemmas, each with the classes it names."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(lemmas):
        for name in names:
            if name.isalpha():
                rows[name.lower()].append(row)
    return Lexicon("names of classes", {word: sorted(set(found)) for word, found in rows.items()})


def above_lexicon(wordnet: Any, words: set[str]) -> Lexicon:
    """Return words whose first sense is a class or stands above at most `MOST_CLASSES`, with those classes."""
    from confemb.references.wordnet_database import noun_of_sense

    under: dict[Any, set[int]] = defaultdict(set)
    for row, each in enumerate(imagenet_classes()):
        noun = noun_of_sense(wordnet, each.sense_key)
        for synset in set() if noun is None else {above for path in noun.hypernym_paths() for above in path}:
            under[synset].add(row)
    rows = {}
    for word in sorted(words):
        senses = wordnet.synsets(word, "n")
        if senses and 0 < len(under.get(senses[0], ())) <= MOST_CLASSES:
            rows[word] = sorted(under[senses[0]])
    return Lexicon("classes and words above them", rows)


def judge(
    lexicon: Lexicon, kinds: Mapping[str, np.ndarray], glove: WordVectors, judgements: Sequence[Judgements]
) -> list[dict[str, Any]]:
    """Return a row for each collection of judgements and kind of vectors; differences are to the first kind."""
    rows = []
    for collection in judgements:
        known = collection.known_to(lexicon, glove)
        if len(known.pairs) < FEWEST_PAIRS:
            continue
        cosines = [lexicon.cosines(vectors, known.pairs) for vectors in kinds.values()]
        cosines.append(np.array([glove.similarity(*pair) for pair in known.pairs]))
        found, differences = rank_agreement(known.scores, cosines)
        for place, (kind, value) in enumerate(zip([*kinds, "GloVe"], found, strict=True)):
            row = {"words": lexicon.name, "judgements": collection.name, "pairs": len(known.pairs), "vectors": kind}
            row |= {"Spearman": value.value, "low": value.low, "high": value.high}
            if place:
                less = differences[place - 1]
                row |= {"minus visual": less.value, "minus visual low": less.low, "minus visual high": less.high}
            rows.append(row)
    return rows


def classes_agree(visual: np.ndarray, confused: np.ndarray, *, seed: int = 0, draws: int = 50) -> dict[str, float]:
    """Return how alike (K, d) visual and (S, K, d) confusion vectors order the pairs of classes.

    The interval is from classes drawn anew, pairs of a class with its own copy left out.
    """
    from confemb.records.embedding import cosines

    ours, theirs = cosines(visual), np.mean([cosines(run) for run in confused], axis=0)
    size = len(ours)
    generator = np.random.default_rng(seed)

    def spearman(rows: np.ndarray) -> float:
        one, other = np.triu_indices(len(rows), k=1)
        apart = rows[one] != rows[other]
        one, other = rows[one[apart]], rows[other[apart]]
        if len(one) < 3:
            return float("nan")
        return float(rank_correlations(np.stack([ours[one, other], theirs[one, other]]))[0, 1])

    drawn = [spearman(generator.integers(0, size, size)) for _ in range(draws)]
    found = spearman(np.arange(size))
    nearest = []
    for square in (ours, theirs):
        blind = np.where(np.eye(size, dtype=bool), -np.inf, square)
        nearest.append(np.argsort(-blind, axis=1, kind="stable")[:, :5])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    same = float((nearest[0][:, 0] == nearest[1][:, 0]).mean())
    among = float(np.mean([first in five for first, five in zip(nearest[1][:, 0], nearest[0], strict=True)]))
    return {
        "classes": size,
        "Spearman": found,
        "low": float(low),
        "high": float(high),
        "nearest the same": same,
        "nearest among five": among,
        "by chance": 1 / (size - 1),
    }


def confusion_vectors(path: Path, classifier: str) -> np.ndarray:
    """Return (S, 1000, d) vectors of a classifier's confusions, see experiments/imagenet_zoo.toml."""
    try:
        with np.load(path, allow_pickle=False) as file:
            labels, wnids, top = file["labels"], file["wnids"], file[classifier]
    except (OSError, ValueError, KeyError) as error:
        raise confemb.ConfembError(f"{path} holds no predictions of {classifier}: {error}.") from error
    classes = imagenet_classes()
    if wnids.tolist() != [c.wnid for c in classes]:
        raise confemb.ConfembError(f"{path}: its wnids must be those of ImageNet's 1,000 classes in index order.")
    counts = confemb.count_pairs(confemb.Predictions(labels, top, None, tuple(c.name for c in classes)), k=top.shape[1])
    return embed_runs(confemb.SkipGram(dim=DIM), counts, range(SEEDS)).vectors
