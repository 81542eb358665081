"""Vectors of the pictures in a folder of class folders: a named layer of any network, batched and resumable."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confemb.datasets.image_folder import ALL, class_order, scan_folder
from confemb.spaces.lab.labelled import LabelledVectors
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
from confemb.spaces.words.sources import word_of
from confemb.support.errors import ConfembError, quoted_list, shown
from confemb.support.files import sha256_file, write_json
from confemb.support.manifest import stage_key
from confemb.support.part_files import ABOUT, part_folder, part_name
from confemb.support.progress import Progress

# Pictures whose vectors are put on disk together: what a stopped run loses at most.
PICTURES_IN_PART = 256
_ARRAYS = ("vectors", "rows", "reasons")


@dataclass(frozen=True, eq=False)
class PictureEmbeddings:
    """Vectors of a folder's pictures.

    Attributes:
        vectors: one for each sound picture, in the folder's order; ids are paths within the folder.
        skipped: (path within the folder, reason) of each picture that gave none.
        clock: where the time went, in this run alone.
    """

    vectors: LabelledVectors
    skipped: tuple[tuple[str, str], ...]
    clock: Clock


def embed_pictures(
    folder: str | Path,
    activations: Activations,
    out: str | Path,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> PictureEmbeddings:
    """Compute a vector for each picture in `folder/CLASS/*.jpg`, and write them with their labels as one NPZ file.

    Classes stand in the order of `classes.txt`, where there is one, else sorted by folder; a folder named by an
    ImageNet id gets the class's name. Every picture is accounted for, with a vector or among the skipped. A stopped
    run goes on where it was: finished pictures wait in the folder OUT.parts, which goes away in the end, and are taken
    if the network, its layer and the folder's files are the same. Beside OUT lie OUT.json with what was done, and
    OUT.skipped.tsv if pictures were skipped.

    Args:
        folder: the class folders.
        activations: what turns pictures into vectors.
        out: NAME.npz; see `LabelledVectors.save`.
        batch_size: pictures in one batch.
        progress: called with pictures done and pictures in all.

    Raises:
        ConfembError: a folder without pictures or with an empty class, one of several parts (train, test), a class
            none of whose pictures is sound, or a folder that cannot be written to.
    """
    folder, out = Path(folder).expanduser(), Path(out)
    if out.suffix != ".npz":
        raise ConfembError(f"{out} must end in .npz, the format of vectors with labels.")
    names, files = _listed(folder)
    ids = [file.relative_to(folder).as_posix() for _, file in files]
    about = [[name, file.stat().st_size, file.stat().st_mtime_ns] for name, (_, file) in zip(ids, files, strict=True)]
    key = stage_key(activations.name, list(names), about, PICTURES_IN_PART)
    starts = range(0, len(files), PICTURES_IN_PART)
    spans = [range(start, min(start + PICTURES_IN_PART, len(files))) for start in starts]
    with part_folder(out) as parts_folder:
        store = PartStore(parts_folder, _ARRAYS)
        parts = [part_name(key, number) for number in range(len(spans))]

        def finished() -> list[dict[str, np.ndarray] | None]:
            return [store.load(name, whole=_whole(span)) for name, span in zip(parts, spans, strict=True)]

        left = [number for number, part in enumerate(finished()) if part is None]
        done = len(files) - sum(len(spans[number]) for number in left)
        clock = Clock()
        pictures = ((str(files[row][1]), files[row][1]) for number in left for row in spans[number])
        stream = stream_vectors(activations, pictures, batch_size=batch_size, clock=clock)
        for number in left:
            part: list[np.ndarray | Broken] = []
            for vector in _first(stream, len(spans[number])):
                part.append(vector)
                done += 1
                if progress is not None:
                    progress(f"vectors of {folder.name}", done, len(files))
            store.save(parts[number], **_as_arrays(spans[number], part))
        found = _joined(filter(None, finished()), names, [label for label, _ in files], ids, clock)
        found.vectors.save(out)
        _write_about(out, found, activations, folder)
    return found


def _listed(folder: Path) -> tuple[tuple[str, ...], list[tuple[int, Path]]]:
    """Return the class names and (label, file) of each picture, class by class."""
    layout = scan_folder(folder)
    if set(layout) != {ALL}:
        first = next(iter(layout))
        raise ConfembError(f"{folder} holds the parts {quoted_list(layout)}: give one of them, as {folder / first}.")
    order = class_order(folder, set(layout[ALL]))
    names = tuple(word_of(name) for name in order)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfembError(f"several folders in {folder} give the class {quoted_list(twice)}: rename them.")
    return names, [(label, file) for label, name in enumerate(order) for file in layout[ALL][name]]


def _first(stream: Iterator[np.ndarray | Broken], count: int) -> Iterator[np.ndarray | Broken]:
    # `zip` asks the range first, so nothing of the stream is lost at its end.
    for _, found in zip(range(count), stream, strict=False):
        yield found


def _as_arrays(span: range, part: list[np.ndarray | Broken]) -> dict[str, np.ndarray]:
    if len(part) != len(span):
        raise RuntimeError(f"{len(span)} pictures went in, {len(part)} came out")
    sound = [(row, vector) for row, vector in zip(span, part, strict=True) if not isinstance(vector, Broken)]
    reasons = [each.reason if isinstance(each, Broken) else "" for each in part]
    return {
        "vectors": np.stack([vector for _, vector in sound]) if sound else np.empty((0, 0), np.float32),
        "rows": np.array([row for row, _ in sound], np.int64),
        "reasons": np.array(reasons, dtype=np.str_),
    }


def _whole(span: range) -> Callable[[dict[str, np.ndarray]], bool]:
    """Return what tells whether a part is that of the pictures of `span`."""
    return lambda part: len(part["reasons"]) == len(span) and len(part["vectors"]) == len(part["rows"])


def _joined(
    parts: Iterable[dict[str, np.ndarray]], names: tuple[str, ...], labels: list[int], ids: list[str], clock: Clock
) -> PictureEmbeddings:
    parts = list(parts)
    rows = np.concatenate([part["rows"] for part in parts]).astype(np.int64)
    reasons = np.concatenate([part["reasons"] for part in parts]).tolist()
    skipped = tuple((name, reason) for name, reason in zip(ids, reasons, strict=True) if reason)
    if len(rows) + len(skipped) != len(ids) or (np.diff(rows) <= 0).any():
        raise RuntimeError("pictures got lost or out of order")
    found = np.array(labels, np.int32)[rows]
    if empty := [name for label, name in enumerate(names) if not (found == label).any()]:
        first = names.index(empty[0])
        reason = next(why for label, why in zip(labels, reasons, strict=True) if label == first and why)
        raise ConfembError(f"the class {quoted_list(empty)} has no sound picture; the first: {reason}")
    vectors = np.concatenate([part["vectors"] for part in parts if len(part["rows"])])
    return PictureEmbeddings(LabelledVectors(vectors, found, names, tuple(ids[row] for row in rows)), skipped, clock)


def _write_about(out: Path, found: PictureEmbeddings, activations: Activations, folder: Path) -> None:
    vectors = found.vectors
    counts = dict(zip(vectors.class_names, vectors.counts.tolist(), strict=True))
    about = {
        "activations": activations.name,
        "sha256": sha256_file(out),
        "folder": folder.name,
        "pictures": len(vectors),
        "dimensions": vectors.vectors.shape[1],
        "skipped_pictures": len(found.skipped),
        "classes": counts,
    }
    list_skipped(out, ["picture", "reason"], found.skipped)
    write_json(out.with_name(out.name + ABOUT), about)


def summary(found: PictureEmbeddings, out: str | Path) -> str:
    """Say in a few lines what was made, and what was skipped."""
    vectors, clock = found.vectors, found.clock
    lines = [
        f"{len(vectors):,} vectors of {vectors.vectors.shape[1]:,} numbers from pictures of "
        f"{len(vectors.class_names)} classes: {out}"
    ]
    if clock.pictures:
        lines.append(clock.summary())
    if found.skipped:
        lines.append(
            f"{len(found.skipped)} pictures skipped, listed in {out}{SKIPPED}; the first: {found.skipped[0][1]}"
        )
    return "\n".join(map(shown, lines))
