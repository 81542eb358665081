"""Writing files so that they appear whole or not at all, and reading them so that errors name the mend."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from confemb.support.errors import ConfembError, visible

# What a packed file may hold unpacked, in bytes: more is taken for an attack or a mistake. The files that are read
# here stay far below it; ImageNet's 50,000 validation pictures with all 1,000 probabilities take 200 MB.
MOST_UNPACKED = 4 * 2**30

# Files and folders that are being made: they are removed when the process is told to stop, wherever it is.
_UNFINISHED: set[Path] = set()


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed to `path`.

    When the body raises, the temporary file is removed and an older `path` stays as it was.

    Raises:
        ConfembError: the folder cannot be written to.
    """
    path = Path(path)
    if not path.name:
        raise ConfembError(f"cannot write {path}: it is a folder; give a file.")
    # The suffix is kept last: some writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    make_folder(path.parent)
    _UNFINISHED.add(temporary)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # A copy that fails names both files.
        named = [Path(name) for name in (error.filename, error.filename2) if name is not None]
        if named and not {temporary, path} & set(named):
            raise
        raise ConfembError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
        _UNFINISHED.discard(temporary)


def remove_unfinished() -> None:
    """Remove the files that `whole_file`, and the folders that `unfinished_folder`, are at, before the process ends."""
    for path in list(_UNFINISHED):
        with contextlib.suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def unfinished_folder(path: Path) -> Iterator[Path]:
    """Make a new folder for work that is not finished; it goes away at the end, however that comes."""
    make_folder(path)
    _UNFINISHED.add(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _UNFINISHED.discard(path)


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
    """Write `text` as UTF-8 with line feeds as line ends, whole or not at all.

    Raises:
        ConfembError: the folder cannot be written to, or a name in the text is not UTF-8 (as a file's may be).
    """
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        near = visible(text[max(0, error.start - 20) : error.end + 20])
        raise ConfembError(f"cannot write {path}: a name in it ({near}) is not UTF-8; rename it.") from error
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, keys in their own order; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def is_there(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path leads to something; a path that nothing can have, such as a very long one, does not."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits; raises ConfembError as `open_file`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def unchanged(path: str | os.PathLike[str] | None) -> Iterator[str | None]:
    """Yield the SHA-256 of a file that is read within, by whatever: what was read are the bytes that were hashed.

    None stands for what is not a file, such as standard input; its hash is None.

    Raises:
        ConfembError: as `open_file`; or the file changed while it was read.
    """
    before = None if path is None else sha256_file(path)
    yield before
    if path is not None and sha256_file(path) != before:
        raise ConfembError(f"{path} changed while it was read: wait until it is written, and run the command again.")


@contextmanager
def open_file(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """Open a file for reading its bytes; what cannot be opened or read while it is open is a ConfembError.

    Only plain files are: a named pipe would keep a reader waiting, a device has no end.

    Raises:
        ConfembError: a missing file, a folder, a pipe or device, one that may not be read.
    """
    try:
        # Without waiting for whoever may one day write into a named pipe.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(number, "rb") as file:
            kind = os.fstat(number).st_mode
            if stat.S_ISDIR(kind):
                raise IsADirectoryError
            if not stat.S_ISREG(kind):
                raise ConfembError(
                    f"{path} is a pipe or a device, no file: save what it gives to a file (predictions and "
                    "experiments are also read from standard input, by the name -)."
                )
            yield file
    except FileNotFoundError:
        raise ConfembError(f"{path} does not exist: check the path.") from None
    except IsADirectoryError:
        raise ConfembError(f"{path} is a folder: give a file in it.") from None
    except OSError as error:
        # Without a number it is a library's own, of what the file holds.
        if error.errno is None:
            raise
        raise ConfembError(f"cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        # A path with a NUL in it.
        if "null" not in str(error):
            raise
        raise ConfembError(f"{os.fspath(path)!r} is no path: check it.") from None


@contextmanager
def unpacked_gzip(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a gzip file for reading what it holds; raises ConfembError once that is more than `MOST_UNPACKED`."""
    with open_file(path) as file, gzip.open(file) as unpacked:
        yield bounded(cast(BinaryIO, unpacked), os.fspath(path))


def bounded(file: BinaryIO, where: str) -> BinaryIO:
    """Return a file that is read as `file` is, until `MOST_UNPACKED` bytes have been; then it raises ConfembError."""
    return cast(BinaryIO, io.BufferedReader(_Bounded(file, where), 1 << 16))


class _Bounded(io.RawIOBase):
    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file, self._where, self._left = file, where, MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise ConfembError(f"{self._where} holds more than {MOST_UNPACKED:,} bytes unpacked, too much to be read.")
        buffer[: len(data)] = data
        return len(data)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return a file's bytes; raises ConfembError for a file that cannot be opened (see `open_file`) or is empty."""
    try:
        with open_file(path) as file:
            data = file.read()
    except MemoryError:
        raise ConfembError(f"{path} does not fit into memory.") from None
    if not data:
        raise ConfembError(f"{path} is empty.")
    return data


def decode_text(data: bytes, *, where: str) -> str:
    """Return UTF-8 text, a byte-order mark removed; raises ConfembError for anything else."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfembError(
            f"{where} is no UTF-8 text (byte 0x{data[error.start]:02x} at {error.start}): save it as UTF-8."
        ) from error


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a UTF-8 file; raises ConfembError as `read_bytes` and `decode_text`."""
    return decode_text(read_bytes(path), where=os.fspath(path))


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Return a UTF-8 text file's lines; raises ConfembError as `read_text`."""
    return read_text(path).splitlines()


def parse_json(data: str | bytes, *, where: str) -> Any:
    """Return what JSON text holds; raises ConfembError for anything else, and for what is nested too deeply."""
    text = decode_text(data, where=where) if isinstance(data, bytes) else data
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfembError(f"{where} is no valid JSON: {error}.") from error
    except RecursionError:
        raise ConfembError(f"{where} is no JSON that can be read: it is nested too deeply.") from None
