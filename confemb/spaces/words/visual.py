"""Visual word vectors: a word's vector is what a classifier computes from its pictures.

Source: "Word Embeddings using Deep Neural Network Image Classifier" (2018): the pooled activations of a ResNet-50
before the softmax, one picture for each of some 39,000 nouns.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.records.word_vectors import WordVectors
from confemb.spaces.parts import PartStore
from confemb.spaces.words.activations import (
    BATCH_SIZE,
    SKIPPED,
    Activations,
    Broken,
    Clock,
    list_skipped,
    stream_vectors,
)
from confemb.spaces.words.sources import Picture, PictureSource
from confemb.support.errors import ConfembError, quoted_list, shown
from confemb.support.files import sha256_file, write_json
from confemb.support.manifest import stage_key
from confemb.support.part_files import ABOUT, part_folder, part_name
from confemb.support.progress import Progress

# Words whose vectors are put on disk together: what a stopped run loses at most.
WORDS_IN_PART = 64
_ARRAYS = ("words", "vectors", "pictures", "skipped")


@dataclass(frozen=True)
class Skipped:
    """A picture that gave no vector: of which word, which one, and why."""

    word: str
    picture: str
    reason: str


@dataclass(frozen=True, eq=False)
class VisualVectors:
    """Word vectors from pictures.

    Attributes:
        vectors: a vector for each word that has a sound picture, the mean over its pictures' activations.
        pictures: (N,) how many pictures each of those words has.
        skipped: the pictures that gave none.
        without: the words that have no sound picture, and so no vector.
        clock: where the time went, in this run alone.
    """

    vectors: WordVectors
    pictures: np.ndarray
    skipped: tuple[Skipped, ...]
    without: tuple[str, ...]
    clock: Clock


def visual_vectors(
    source: PictureSource,
    activations: Activations,
    out: str | Path,
    *,
    pictures_per_word: int | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> VisualVectors:
    """Compute a vector for each word of a source from its pictures, and write them as one word2vec file.

    A stopped run goes on where it was: finished words wait in the folder OUT.parts, which goes away in the end, and
    are taken if the classifier, its layer, the source's name and its words are the same. Beside OUT lie OUT.json
    with what was done, and OUT.skipped.tsv if pictures were skipped. A broken picture costs only itself.

    Args:
        source: the words and their pictures.
        activations: what turns pictures into vectors.
        out: the file, NAME.bin for binary, else text; see `WordVectors.save`. With tens of thousands of words of
            2,048 numbers binary is a third as large, and much faster.
        pictures_per_word: use at most so many pictures of each word, the first ones.
        batch_size: pictures in one batch.
        progress: called with words done and words in all.

    Raises:
        ConfembError: no word has a sound picture, words that cannot be told apart in the file, or a folder that
            cannot be written to.
    """
    out = Path(out)
    with part_folder(out) as folder:
        return _visual_vectors(source, activations, out, folder, pictures_per_word, batch_size, progress)


def _visual_vectors(
    source: PictureSource,
    activations: Activations,
    out: Path,
    folder: Path,
    pictures_per_word: int | None,
    batch_size: int,
    progress: Progress | None,
) -> VisualVectors:
    words = source.words
    store = PartStore(folder, _ARRAYS)
    key = stage_key(activations.name, source.name, list(words), pictures_per_word, WORDS_IN_PART)
    clock = Clock()
    parts = -(-len(words) // WORDS_IN_PART)

    def finished(number: int) -> dict[str, np.ndarray] | None:
        return store.load(part_name(key, number), whole=lambda part: True)

    left = [number for number in range(parts) if finished(number) is None]
    done = len(words) - sum(len(_of_part(words, number)) for number in left)
    for number, part in _compute(source, activations, left, pictures_per_word, batch_size, clock):
        store.save(part_name(key, number), **part.as_arrays())
        done += len(_of_part(words, number))
        if progress is not None:
            progress(f"vectors from {source.name}", done, len(words))
    loaded = [finished(number) for number in range(parts)]
    found = _joined([part for part in loaded if part is not None], words, clock)
    found.vectors.save(out)
    _write_about(out, found, activations, source)
    return found


def word_means(
    source: PictureSource, activations: Activations, *, batch_size: int = BATCH_SIZE
) -> Iterator[tuple[str, np.ndarray | None, tuple[Skipped, ...]]]:
    """Yield (word, its (d,) vector or None, its pictures that were skipped) for each word, in order."""
    parts = range(-(-len(source.words) // WORDS_IN_PART))
    for number, part in _compute(source, activations, list(parts), None, batch_size, Clock()):
        vectors = dict(zip(part.words, part.vectors, strict=True))
        for word in _of_part(source.words, number):
            yield word, vectors.get(word), tuple(Skipped(*row) for row in part.skipped if row[0] == word)


@dataclass
class _Part:
    """Finished words: (n,) words, (n, d) vectors, (n,) numbers of pictures, (m, 3) skipped ones."""

    words: list[str]
    vectors: list[np.ndarray]
    pictures: list[int]
    skipped: list[tuple[str, str, str]]

    def as_arrays(self) -> dict[str, np.ndarray]:
        """Return it as it is kept."""
        return {
            "words": np.array(self.words, dtype=np.str_),
            "vectors": np.stack(self.vectors) if self.vectors else np.empty((0, 0), np.float32),
            "pictures": np.array(self.pictures, np.int64),
            "skipped": np.array(self.skipped, dtype=np.str_).reshape(-1, 3),
        }


def _of_part(words: tuple[str, ...], number: int) -> tuple[str, ...]:
    return words[number * WORDS_IN_PART : (number + 1) * WORDS_IN_PART]


def _compute(
    source: PictureSource,
    activations: Activations,
    parts: list[int],
    pictures_per_word: int | None,
    batch_size: int,
    clock: Clock,
) -> Iterator[tuple[int, _Part]]:
    """Yield the parts that are left, one after the other; pictures of the next are decoded meanwhile."""
    skipped: dict[int, list[tuple[str, str, str]]] = {number: [] for number in parts}
    # The part, word and name of each picture that is on its way.
    owners: deque[tuple[int, str, str]] = deque()

    def pictures() -> Iterator[tuple[str, Picture]]:
        for number in parts:
            for word in _of_part(source.words, number):
                try:
                    of_word = source.pictures(word)
                    of_word = of_word[:pictures_per_word]
                except Exception as error:
                    # A user's own function may raise anything; it costs this word only, and is reported.
                    skipped[number].append((word, "", f"{source.name} failed: {type(error).__name__}: {error}"))
                    continue
                for index, picture in enumerate(of_word):
                    where = str(picture) if isinstance(picture, Path) else f"picture {index + 1} of {word!r}"
                    owners.append((number, word, where))
                    yield where, picture

    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    waiting = deque(parts)

    def finished() -> tuple[int, _Part]:
        number = waiting.popleft()
        there = [word for word in _of_part(source.words, number) if word in sums]
        means = [(sums.pop(word) / counts[word]).astype(np.float32) for word in there]
        return number, _Part(there, means, [counts.pop(word) for word in there], skipped.pop(number))

    for vector in stream_vectors(activations, pictures(), batch_size=batch_size, clock=clock):
        number, word, where = owners.popleft()
        while waiting[0] != number:
            yield finished()
        if isinstance(vector, Broken):
            skipped[number].append((word, where, vector.reason))
        elif not np.isfinite(vector).all() or not vector.any():
            skipped[number].append((word, where, f"{where} gives activations that are 0 or not finite."))
        else:
            sums[word] = sums.get(word, 0.0) + vector.astype(np.float64)
            counts[word] = counts.get(word, 0) + 1
    while waiting:
        yield finished()


def _joined(parts: list[dict[str, np.ndarray]], words: tuple[str, ...], clock: Clock) -> VisualVectors:
    skipped = tuple(Skipped(*row) for part in parts for row in part["skipped"].tolist())
    there = tuple(word for part in parts for word in part["words"].tolist())
    known = set(there)
    without = tuple(word for word in words if word not in known)
    if not there:
        reason = f"; the first: {skipped[0].reason}" if skipped else ""
        raise ConfembError(f"none of the {len(words)} words has a sound picture{reason}")
    vectors = np.concatenate([part["vectors"] for part in parts if len(part["words"])])
    pictures = np.concatenate([part["pictures"] for part in parts])
    return VisualVectors(WordVectors(there, vectors), pictures, skipped, without, clock)


def _write_about(out: Path, found: VisualVectors, activations: Activations, source: PictureSource) -> None:
    """Write the manifest, and the list of skipped pictures where there are some."""
    rows = [(each.word, each.picture, each.reason) for each in found.skipped]
    list_skipped(out, ["word", "picture", "reason"], rows)
    about = {
        "activations": activations.name,
        "sha256": sha256_file(out),
        "source": source.name,
        "words": len(found.vectors),
        "dimensions": found.vectors.vectors.shape[1],
        "pictures": int(found.pictures.sum()),
        "skipped_pictures": len(found.skipped),
        "words_without_pictures": list(found.without),
    }
    write_json(out.with_name(out.name + ABOUT), about)


def summary(found: VisualVectors, out: str | Path) -> str:
    """Say in a few lines what was made, and what was skipped."""
    clock = found.clock
    lines = [
        f"{len(found.vectors):,} words of {found.vectors.vectors.shape[1]:,} numbers from "
        f"{int(found.pictures.sum()):,} pictures: {out}"
    ]
    if clock.pictures:
        lines.append(clock.summary())
    if found.skipped:
        first = found.skipped[0]
        lines.append(f"{len(found.skipped)} pictures skipped, listed in {out}{SKIPPED}; the first: {first.reason}")
    if found.without:
        lines.append(f"{len(found.without)} words without a sound picture: {quoted_list(found.without)}")
    return "\n".join(map(shown, lines))
