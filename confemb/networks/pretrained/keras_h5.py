"""Reads Keras .h5 files in a process of its own.

HDF5 reads some damaged files without end (an object of size 0 in a heap of names is enough), in C code that no signal
reaches. In a process of its own it can be stopped, and takes nothing with it if it crashes.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.files import open_file

# Seconds of CPU time that a file may take, however small it is, for each of its bytes, and at most: from a local disk a
# sound one is read a hundred times faster. By the clock it may take `_WAITING` times as many.
SECONDS = 8.0
_SECONDS_PER_BYTE = 1e-6
_MOST_SECONDS = 600.0
_WAITING = 6
# The exit status of the process where it has written why it refuses the file.
_REFUSED = 3
# Its exit status where the system ends it since its time is used up; Windows sets no limit.
_OUT_OF_TIME = (-signal.SIGXCPU,) if os.name == "posix" else ()
# Old Keras files name the same weights otherwise ("running_std" held the variance even then).
_OLD_KERAS = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}


def read_keras_h5(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file of Keras 1 or 2, named by layer and weight: "conv1/kernel".

    Raises:
        ConfembError: the extra `h5` is missing; the file cannot be read, is damaged, of another kind, leads out of
            itself, or holds less than it declares.
    """
    import_extra("h5py", "h5", what="Keras .h5 files")
    safetensors = import_extra("safetensors.numpy", "h5", what="Keras .h5 files")
    # What this process imports from, and nothing of the folder it happens to run in.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with open_file(path) as content:
        size = os.fstat(content.fileno()).st_size
        seconds = round(min(SECONDS + size * _SECONDS_PER_BYTE, _MOST_SECONDS))
        command = [
            sys.executable,
            "-P",
            "-c",
            f"from confemb.networks.pretrained.keras_h5 import answer; answer({seconds})",
        ]
        busy = ConfembError(f"{path} kept HDF5 busy for {seconds} s, as a damaged file can: get it again.")
        try:
            done = subprocess.run(
                command, stdin=content, capture_output=True, env=environment, timeout=_WAITING * seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise busy from None
    if done.returncode in _OUT_OF_TIME:
        raise busy
    if done.returncode == _REFUSED:
        raise ConfembError(f"{path} {done.stdout.decode('utf-8', 'replace')}")
    if done.returncode:
        # A signal's number is negative; anything else is the last line of a traceback.
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = f"signal {-done.returncode}" if done.returncode < 0 else said or f"status {done.returncode}"
        raise ConfembError(f"{path} is truncated or no Keras .h5 file (HDF5 ended with {reason}): get it again.")
    return {numbered.partition(" ")[2]: array for numbered, array in sorted(safetensors.load(done.stdout).items())}


def answer(seconds: int) -> None:
    """Read the file that is standard input; write its tensors to standard output, or why not, and end the process.

    Args:
        seconds: of CPU time, after which the process ends even where nobody waits for it any more.
    """
    if os.name == "posix":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(
            resource.RLIMIT_CPU, (seconds if most == resource.RLIM_INFINITY else min(seconds, most), most)
        )
    h5py = import_extra("h5py", "h5", what="Keras .h5 files")
    safetensors = import_extra("safetensors.numpy", "h5", what="Keras .h5 files")
    try:
        with open(0, "rb", closefd=False) as content, h5py.File(content, "r") as file:
            arrays = _arrays(file, os.fstat(0).st_size, h5py)
        # Numbered, since safetensors keeps no order.
        said = safetensors.save({f"{number:09} {name}": array for number, (name, array) in enumerate(arrays.items())})
        status = 0
    except ConfembError as error:
        said, status = str(error).encode("utf-8", "replace"), _REFUSED
    # A damaged file makes HDF5 raise errors of many kinds.
    except Exception as error:
        reason = f"is truncated or no Keras .h5 file ({error}): get it again."
        said, status = reason.encode("utf-8", "replace"), _REFUSED
    with open(1, "wb", closefd=False) as out:
        out.write(said)
    sys.exit(status)


def _arrays(file: Any, size: int, h5py: Any) -> dict[str, np.ndarray]:
    """Return the tensors of an open file of `size` bytes; errors are said without the file's name before them."""
    root = file
    if "model_weights" in file:
        _refuse_links(file, "model_weights", h5py)
        root = file["model_weights"]
    if "layer_names" not in root.attrs:
        raise ConfembError("has no list of layers: only .h5 files of Keras 1 and 2 can be read; save as .h5.")
    budget = size
    arrays = {}
    for layer in (_text(name) for name in root.attrs["layer_names"]):
        for stored in (_text(name) for name in root[layer].attrs["weight_names"]):
            _refuse_links(root, f"{layer}/{stored}", h5py)
            data = root[layer][stored]
            # An unwritten or packed dataset may claim any size, and one stored elsewhere is another file's.
            budget -= data.size * data.dtype.itemsize
            if data.external or data.is_virtual or budget < 0:
                raise ConfembError(
                    f"does not itself hold all it declares ({stored!r}): save it uncompressed, in one file."
                )
            if data.dtype.kind not in "fiub":
                raise ConfembError(f"holds {stored!r} as {data.dtype}, not as numbers.")
            name = f"{layer}/{_leaf(layer, stored)}"
            if name in arrays:
                raise ConfembError(f"holds {name!r} twice.")
            arrays[name] = data[()]
    return arrays


def _text(name: Any) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


def _refuse_links(root: Any, name: str, h5py: Any) -> None:
    """Raise for a name that leads out of the file."""
    place = root
    for part in name.split("/"):
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            raise ConfembError(f"holds {name!r} as a link to another place, which is not followed.")
        place = place[part]


def _leaf(layer: str, stored: str) -> str:
    """Return "kernel" for "conv1/kernel:0", and for "conv1_W:0" or "conv1_W_1:0" as well."""
    leaf = stored.rpartition("/")[2].partition(":")[0].removeprefix(f"{layer}_").removesuffix("_1")
    return _OLD_KERAS.get(leaf, leaf)
