"""Readers of what confemb wrote for itself: caches, and parts of runs that were stopped."""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.torture.readers.reader import Reader, npz


def npy(array: np.ndarray) -> bytes:
    """Return a .npy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def unfinished_readers(scratch: Path) -> list[Reader]:
    """Return these readers; what cannot be read is made again, or refused."""
    return [*_cache_readers(scratch), *_part_readers(), *_draft_readers()]


def _cache_readers(scratch: Path) -> list[Reader]:
    from confemb.datasets.cache import ArrayCache, Contents, SplitRows

    images = np.random.default_rng(5).integers(0, 256, (4, 3, 3, 1), dtype=np.uint8)
    rows = SplitRows(np.array([0, 1, 0, 1], np.int32), list("abcd"), iter(images))
    ArrayCache(scratch, "cached", name="some").build(lambda _: Contents(["x", "y"], {"train": rows}, "here"))
    folder = scratch / "cached" / "arrays"
    files = {f"cached/arrays/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}

    def read(path: Path) -> object:
        dataset = ArrayCache(path.parent.parent.parent, "cached", name="some").load("train")
        return int(np.sum(dataset.images, dtype=np.int64)), dataset.labels.tolist(), dataset.ids.tolist()

    return [
        Reader(
            f"cache of a dataset, {Path(name).name}",
            name,
            (content,),
            read,
            {other: sound for other, sound in files.items() if other != name},
            mapped=True,
        )
        for name, content in files.items()
    ]


def _part_readers() -> list[Reader]:
    from confemb.cli.commands.words import _lines
    from confemb.spaces.lab.pictures import _ARRAYS as OF_PICTURES
    from confemb.spaces.parts import PartStore
    from confemb.spaces.words.visual import _ARRAYS as OF_WORDS
    from confemb.support.part_files import ABOUT, made_by

    def part(path: Path, names: Sequence[str]) -> object:
        return PartStore(path.parent, names).load(path.stem, whole=lambda arrays: True)

    vectors = np.ones((2, 3), np.float32)
    of_pictures = npz(vectors=vectors, rows=np.array([0, 2]), reasons=np.array(["", "broken", ""]))
    of_words = npz(
        words=np.array(["cat", "dog"]),
        vectors=vectors,
        pictures=np.array([1, 1]),
        skipped=np.array([["a", "b", "c"]]),
    )
    return [
        Reader("part of features", "p.npy", (npy(vectors),), lambda path: part(path, ["features"])),
        Reader("part of picture vectors, NPZ", "p.npz", (of_pictures,), lambda path: part(path, OF_PICTURES)),
        Reader("part of word vectors, NPZ", "k-000000.npz", (of_words,), lambda path: part(path, OF_WORDS)),
        Reader(
            "manifest of word vectors",
            f"v.bin{ABOUT}",
            (b'{"activations": "resnet50:keras"}',),
            lambda path: made_by(path.with_name("v.bin")),
        ),
        Reader("list of words", "w.txt", (b"cat\nhot dog\n",), _lines),
    ]


def _draft_readers() -> list[Reader]:
    from confemb.support.draft import Draft

    manifest = json.dumps({"confemb": "0", "title": "t", "stages": {}}).encode()
    files = {
        ".unfinished/ready.json": json.dumps({"remove": ["old.csv"]}).encode(),
        ".unfinished/report/manifest.json": manifest,
        ".unfinished/report/tables.md": b"new",
        ".unfinished/manifest.json": manifest,
        "manifest.json": manifest,
        "old.csv": b"old",
    }

    def read_copy(name: str) -> Callable[[Path], object]:
        def read(path: Path) -> object:
            # What is ready is moved.
            with tempfile.TemporaryDirectory() as scratch:
                folder = path.parents[name.count("/")]
                copy = Path(shutil.copytree(folder, Path(scratch) / "copy", copy_function=_like, symlinks=True))
                return Draft(copy).stages

        return read

    return [
        Reader(
            f"unfinished result, {name.removeprefix('.unfinished/')}",
            name,
            (files[name],),
            read_copy(name),
            {other: content for other, content in files.items() if other != name},
        )
        for name in (".unfinished/ready.json", ".unfinished/report/manifest.json", ".unfinished/manifest.json")
    ]


def _like(source: str, target: str) -> str:
    """Copy a plain file; lead to anything else."""
    if Path(source).is_file() and Path(source).stat().st_size < 1 << 20:
        return str(shutil.copyfile(source, target))
    Path(target).symlink_to(source)
    return target
