"""A reader of confemb's, as the trials see it, and how to make files for one."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TFDS_SET = "tiny_grey"
NAMES = ("cat", "dog", "ship", "naïve café")


@dataclass(frozen=True)
class Reader:
    """A reader, and what it reads.

    Attributes:
        name: what it is called in the report.
        file: how the damaged file is called, with the folders it stands in.
        seeds: sound files.
        read: reads the file; gets its path.
        beside: files that stand beside it, sound: name -> content.
        mapped: whether it is mapped into memory, so that it must not shrink while it is read.
    """

    name: str
    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]
    beside: dict[str, bytes] = field(default_factory=dict)
    mapped: bool = False


def saved(scratch: Path, name: str, write: Callable[[Path], object]) -> bytes:
    """Return the bytes of a file that `write` writes."""
    path = scratch / name
    write(path)
    return path.read_bytes()


def npz(**arrays: np.ndarray) -> bytes:
    """Return an NPZ file."""
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def packed(**arrays: np.ndarray) -> bytes:
    """Return a compressed NPZ file."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def tar_gz(members: dict[str, bytes]) -> bytes:
    """Return a .tgz of plain files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def small_predictions(rows: int = 12):  # type: ignore[no-untyped-def]
    """Return predictions of four classes."""
    from confemb.records.predictions import predictions_from_scores

    scores = np.random.default_rng(0).dirichlet(np.ones(len(NAMES)), rows)
    return predictions_from_scores(
        scores,
        np.arange(rows) % len(NAMES),
        NAMES,
        k=3,
        ids=np.array([f"p{i}" for i in range(rows)]),
        splits=np.array(["test"] * rows),
    )
