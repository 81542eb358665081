"""Writing files so that they appear whole or not at all, and reading them so that errors name the mend."""

import hashlib
import io
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confemb.errors import ConfembError, quoted_list

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed to `path`.

    When the body raises, the temporary file is removed and an older `path` stays as it was.

    Raises:
        ConfembError: the folder cannot be written to.
    """
    path = Path(path)
    # The suffix is kept last: some writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    make_folder(path.parent)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (temporary, path):
            raise
        raise ConfembError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create the folder `path` with its parents.

    Raises:
        ConfembError: it cannot be made, or something that is no folder stands there.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfembError(
            f"cannot make the folder {path}: {error.strerror or error}; choose another folder."
        ) from error
    return path


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with line feeds as line ends, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, keys in their own order; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return a file's bytes; raises ConfembError for a missing file, a folder or an empty file."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ConfembError(f"{path} does not exist: check the path.") from None
    except IsADirectoryError:
        raise ConfembError(f"{path} is a folder: give a file in it.") from None
    except OSError as error:
        raise ConfembError(f"cannot read {path}: {error.strerror or error}.") from error
    if not data:
        raise ConfembError(f"{path} is empty.")
    return data


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Return a UTF-8 text file's lines; raises ConfembError as `read_bytes`, and for other text."""
    try:
        return read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfembError(f"{path} is not UTF-8 text: save it as UTF-8.") from error


def array_names(data: bytes) -> set[str]:
    """Return what the arrays of an NPZ file's bytes are called; nothing for bytes that are no such file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            return {name.removesuffix(".npy") for name in opened.namelist()}
    except zipfile.BadZipFile:
        return set()


def read_arrays(data: bytes, names: Collection[str]) -> dict[str, "np.ndarray"]:
    """Return those arrays of an NPZ file's bytes that are called one of `names`; nothing is unpickled.

    Raises:
        ConfembError: no NPZ file, a broken one, one of pickled objects, or one with none of the names.
    """
    import numpy as np

    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ConfembError("it holds one bare array: save several by name with np.savez.")
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files if name in names}
            found = quoted_list(loaded.files, limit=12)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if "Object arrays" in str(error):
            raise ConfembError(
                "it holds pickled objects, which are never read: save names as strings, np.array(names, dtype=str)."
            ) from error
        raise ConfembError(f"it is broken or no NPZ file at all ({error}): write it again.") from error
    if not arrays:
        raise ConfembError(f"it holds {found}, but none of {quoted_list(sorted(names), limit=12)}.")
    return arrays
