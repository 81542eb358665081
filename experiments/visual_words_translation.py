"""Translation by picture, for visual_words.py: pictures shown to nouns, and how often the right one is near."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from confemb.records.word_vectors import WordVectors
from confemb.spaces.words.sources import FolderPictures, NamedPictures
from confemb.spaces.words.translation import ranks_of

# Of each held-apart class: the first pictures make vectors of more than one picture, the next are translated.
FOR_VECTORS, TRANSLATED = 10, 50
PICTURES_A_NOUN = (1, 5, 10)
TOP = (1, 5)
DRAWS = 1_000


def held_apart(folder: Path) -> NamedPictures:
    """Return each single picture of a folder of class folders as a word of its own, "class/number"."""
    source = FolderPictures(folder)
    pictures = {
        f"{word}/{number:03}": [picture]
        for word in source.words
        for number, picture in enumerate(list(source.pictures(word))[: FOR_VECTORS + TRANSLATED])
    }
    return NamedPictures(pictures, name=folder.name)


def by_class(vectors: WordVectors) -> dict[str, np.ndarray]:
    """Return (n, d) vectors of the single pictures of each class."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for name, vector in zip(vectors.words, vectors.vectors, strict=True):
        found[name.rpartition("/")[0]].append(vector)
    return {name: np.stack(rows) for name, rows in found.items()}


def shares(ranks: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, float]:
    """Return top-1 and top-5 shares with intervals, classes and then pictures within them drawn anew."""
    generator = np.random.default_rng(seed)
    rows = list(ranks.values())
    found = {}
    for top in TOP:
        right = [each <= top for each in rows]
        drawn = []
        for _ in range(DRAWS):
            chosen = generator.integers(0, len(right), len(right))
            drawn.append(
                np.mean([right[i][generator.integers(0, len(right[i]), len(right[i]))].mean() for i in chosen])
            )
        low, high = np.percentile(drawn, [2.5, 97.5])
        mean = float(np.mean([each.mean() for each in right]))
        found |= {f"top-{top}": mean, f"top-{top} low": float(low), f"top-{top} high": float(high)}
    return found


def translation(nouns: WordVectors, pictures: Mapping[str, np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how often held-apart pictures are translated right, and a row for each of their classes."""
    asked = {name: rows[FOR_VECTORS:] for name, rows in pictures.items()}
    classes = list(asked)
    rows: list[dict[str, Any]] = []

    def add(what: str, count: str, vectors: WordVectors) -> dict[str, np.ndarray]:
        ranks = {name: ranks_of(vectors, asked[name], [name] * len(asked[name])) for name in classes}
        rows.append({"nouns": len(vectors), "a noun's vector": what, "pictures a noun": count, **shares(ranks)})
        return ranks

    ranks = add("one picture from elsewhere", "1", nouns)
    add("one picture from elsewhere", "1", nouns.restricted_to(classes))
    for count in PICTURES_A_NOUN:
        means = np.stack([pictures[name][:count].mean(axis=0) for name in classes])
        add("pictures of the same collection", str(count), WordVectors(tuple(classes), means))
    each = []
    for name in classes:
        first = [nouns.nearest_to(vector, top=1)[0][0] for vector in asked[name]]
        wrong = Counter(word for word in first if word != name).most_common(2)
        each.append(
            {
                "pictures of": name,
                "top-1": float((ranks[name] <= 1).mean()),
                "top-5": float((ranks[name] <= 5).mean()),
                "most often instead": ", ".join(f"{word} ({count})" for word, count in wrong),
            }
        )
    return pd.DataFrame(rows), pd.DataFrame(each)
