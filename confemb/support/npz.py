"""NPZ files, read so that nothing in them is run and no size they claim is believed."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import numpy as np

from confemb.support import files
from confemb.support.errors import ConfembError, quoted_list, repeated

_SUFFIX = ".npy"
# Of an array without elements: another axis of it could still keep a loop going for ever.
_LONGEST_EMPTY = 100_000
_HIGHEST_CHARACTER = 0x10FFFF


def read_arrays(data: bytes, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return those arrays of an NPZ file's bytes that are called one of `names`, or all of them; nothing is unpickled.

    An array takes the memory that its bytes in the file take, never what its header claims, and all together at most
    `confemb.support.files.MOST_UNPACKED`.

    Raises:
        ConfembError: no NPZ file, a broken one, arrays of anything but numbers, booleans and text, more than may be
            unpacked, or one with none of the names.
    """
    with _opened(data) as archive:
        members = _members(archive)
        wanted = {name: info for name, info in members.items() if names is None or name in names}
        unpacked = sum(info.file_size for info in wanted.values())
        if unpacked > files.MOST_UNPACKED:
            raise ConfembError(
                f"it would take {unpacked:,} bytes unpacked, more than the {files.MOST_UNPACKED:,} allowed: split it."
            )
        arrays = {}
        for name, info in wanted.items():
            with archive.open(info) as member:
                arrays[name] = _read_array(member, info.file_size, name)
    if not arrays:
        looked_for = "" if names is None else f", but none of {quoted_list(sorted(names), limit=12)}"
        raise ConfembError(f"it holds {quoted_list(members, limit=12) or 'no arrays'}{looked_for}.")
    return arrays


def read_record(data: bytes, fields: Mapping[str, tuple[str, int]]) -> dict[str, np.ndarray]:
    """Return the arrays of a record, checked to be of the kinds and with the axes that it wants.

    Args:
        data: an NPZ file's bytes.
        fields: the array's name -> its kinds ("iu" for whole numbers, "f", "U" for text) and how many axes it has; a
            name that ends in "?" may be missing.

    Raises:
        ConfembError: as `read_arrays`; an array that is missing or of another kind.
    """
    arrays = read_arrays(data, {name.removesuffix("?") for name in fields})
    for name, (kinds, axes) in fields.items():
        array = arrays.get(name.removesuffix("?"))
        if array is None and not name.endswith("?"):
            raise ConfembError(f"it lacks the array {name!r}: write it again.")
        if array is not None and (array.dtype.kind not in kinds or array.ndim != axes):
            raise ConfembError(
                f"its array {name.removesuffix('?')!r} cannot be {array.dtype} of shape {array.shape}: write it again."
            )
    return arrays


def read_npy(data: bytes) -> np.ndarray:
    """Return the one array of a .npy file's bytes, numbers or text; raises ConfembError for anything else."""
    if not data.startswith(b"\x93NUMPY"):
        raise ConfembError("it is no .npy file: write it with np.save.")
    return _read_array(io.BytesIO(data), len(data), "the array")


def array_names(data: bytes) -> list[str]:
    """Return the names of the arrays in an NPZ file's bytes; raises ConfembError where it is none."""
    with _opened(data) as archive:
        return list(_members(archive))


@contextmanager
def _opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        OverflowError,
        # A packing that Python has not, a password.
        NotImplementedError,
        RuntimeError,
    ) as error:
        if data.startswith(b"\x93NUMPY"):
            raise ConfembError("it holds one bare array: save several by name with np.savez.") from error
        raise ConfembError(f"it is broken or no NPZ file at all ({error}): write it again.") from error
    except MemoryError:
        raise ConfembError("it does not fit into memory.") from None


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the arrays' files by the arrays' names; numpy passes over others, too."""
    found = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
    if twice := repeated(info.filename for info in found):
        raise ConfembError(f"it holds {quoted_list(twice)} more than once: write it again.")
    return {info.filename.removesuffix(_SUFFIX): info for info in found}


def _read_array(member: IO[bytes], size: int, name: str) -> np.ndarray:
    """Read one array from a file of `size` bytes."""
    shape, fortran_order, dtype, header = _read_header(member, name)
    if dtype.hasobject:
        raise ConfembError(
            "it holds pickled objects, which are never read: save names as strings, np.array(names, dtype=str)."
        )
    if dtype.kind not in "biufU":
        raise ConfembError(f"{name!r} holds {dtype}, which is neither numbers nor text (np.array(names, dtype=str)).")
    count = math.prod(shape)
    if any(side < 0 for side in shape) or header + count * dtype.itemsize != size:
        raise ConfembError(
            f"{name!r} claims {dtype} of shape {shape}, but takes {size - header} bytes: write it again."
        )
    if (count == 0 or dtype.itemsize == 0) and max(shape, default=0) > _LONGEST_EMPTY:
        raise ConfembError(f"{name!r} claims the shape {shape} and holds nothing: write it again.")
    array = np.empty(shape, dtype, order="F" if fortran_order else "C")
    flat = array.reshape(-1, order="A").view(np.uint8) if array.nbytes else np.empty(0, np.uint8)
    place = 0
    while place < len(flat):
        if not (got := member.readinto(flat[place:].data)):  # type: ignore[attr-defined]
            raise ConfembError(f"{name!r} is cut short: write it again.")
        place += got
    # Reading to the very end compares the checksum.
    member.read(1)
    array = array.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "U" and array.size:
        characters = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
        if (characters > _HIGHEST_CHARACTER).any() or ((characters >= 0xD800) & (characters < 0xE000)).any():
            raise ConfembError(f"{name!r} holds text that is broken: write it again.")
    return array


def _read_header(member: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return shape, order and type as a .npy file's header claims them, and the header's length."""
    try:
        version = np.lib.format.read_magic(member)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran_order, dtype = read(member)
    # The header is a Python literal; numpy lets through whatever its tokenizer and parser raise.
    except Exception as error:
        if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError):
            raise
        raise ConfembError(f"{name!r} has no header of an array ({type(error).__name__}): write it again.") from error
    return shape, fortran_order, dtype, member.tell()
