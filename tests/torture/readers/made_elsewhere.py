"""Readers whose files are made, and read, with threads of their own: a trained space, prepared TFDS sets, ONNX files.

Such threads do not outlive a fork, so the files are made in a process of its own, by `make_files.py`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.torture.readers.reader import TFDS_SET, Reader

ROOT = Path(__file__).parent.parent.parent.parent
MAKER = "tests.torture.readers.make_files"


def fresh_readers(folder: Path) -> list[Reader]:
    """Return these readers; `folder` is where their files are made."""
    command = [sys.executable, "-m", MAKER, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return [*_space_readers(folder / "space"), *_tfds_readers(folder / "tfds"), *_onnx_readers(folder)]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _space_readers(folder: Path) -> list[Reader]:
    from confemb.spaces.captions.space import JointSpace

    files = _files(folder)

    def read(path: Path) -> object:
        space = JointSpace.load(path.parent)
        return space.rows("train")

    return [
        Reader(f"space of captions, {name}", name, (content,), read, {o: c for o, c in files.items() if o != name})
        for name, content in files.items()
    ]


def _tfds_readers(folder: Path) -> list[Reader]:
    from confemb.datasets.tfds_source import TfdsSource, quiet_tfds

    with quiet_tfds() as tfds:
        # What reading would import: once, not in each fork, and before the memory is limited.
        import array_record.python.array_record_data_source  # noqa: F401

        tfds.list_builders(with_community_datasets=False)
    files = _files(folder)

    def read(path: Path) -> object:
        while not (path / TFDS_SET).is_dir():
            path = path.parent
        # What was read before is not read again.
        shutil.rmtree(path / "cache", ignore_errors=True)
        source = TfdsSource(TFDS_SET, path=str(path), cache_dir=str(path / "cache"))
        return [source.load(split) for split in source.splits]

    return [
        Reader(f"TFDS folder, {Path(name).name}", name, (content,), read, {o: c for o, c in files.items() if o != name})
        for name, content in files.items()
    ]


def _onnx_readers(folder: Path) -> list[Reader]:
    from confemb.classifiers.adapters.onnx import OnnxClassifier

    if not (folder / "linear.onnx").is_file():
        return []

    def read(path: Path) -> object:
        return OnnxClassifier(path, ["a", "b"], logits=True).scores(np.ones((2, 3), np.float32))

    return [Reader("ONNX file", "m.onnx", ((folder / "linear.onnx").read_bytes(),), read)]
