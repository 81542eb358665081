"""Which files of a folder are pictures, by what is in them; and which are not, with the reason.

A suffix that is known is believed: what is in such a file is seen when it is decoded. Any other file is looked into, as
pictures are often called otherwise (.jfif, .jpe) or have no suffix. What is passed over is said.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confemb.support.errors import ConfembError
from confemb.support.files import open_file
from confemb.support.notes import say

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# What macOS' archiver and Windows leave in folders, besides hidden files.
_LEFTOVERS = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information"})
# Bytes of a file that are looked at.
_FIRST = 64
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


@dataclass
class Folder:
    """What a folder holds, without hidden files.

    Attributes:
        pictures: sorted.
        folders: sorted.
        passed_over: (file, reason) of all others.
    """

    pictures: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)


def look_into(folder: Path) -> Folder:
    """Sort what a folder holds into pictures, folders and other files.

    Raises:
        ConfembError: a name that is not UTF-8, or a file that cannot be opened.
    """
    found = Folder()
    for child in listed(folder):
        if child.is_dir():
            found.folders.append(child)
        elif is_picture(child):
            found.pictures.append(child)
        else:
            found.passed_over.append((child, reason(child)))
    return found


def listed(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted, without hidden files and what archivers and systems leave behind.

    Raises:
        ConfembError: a name that is not UTF-8.
    """
    found = sorted(
        child for child in folder.iterdir() if not child.name.startswith(".") and child.name not in _LEFTOVERS
    )
    for child in found:
        if any("\ud800" <= character <= "\udfff" for character in child.name):
            raise ConfembError(f"the name of {child} is not UTF-8, and could not be written down: rename it.")
    return found


def pictures_in(folder: Path) -> list[Path]:
    """Return a folder's pictures, sorted, and say which files are passed over; raises ConfembError as `look_into`."""
    found = look_into(folder)
    say_passed_over(folder, found.passed_over)
    return found.pictures


def is_picture(path: Path) -> bool:
    """Tell whether a path is a file with a known suffix, or one that begins as a picture does."""
    if not path.is_file():
        return False
    return path.suffix.lower() in SUFFIXES or picture_format(_first_bytes(path)) is not None


def picture_format(first: bytes) -> str | None:
    """Return the format of a picture by its first bytes, "JPEG"; None for what is no picture that is read."""
    if first.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if first.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if first.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if first.startswith(b"RIFF") and first[8:12] == b"WEBP":
        return "WEBP"
    if first.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    if first.startswith(b"BM") and not any(first[6:10]) and int.from_bytes(first[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return None


def reason(path: Path) -> str:
    """Say why a file is passed over."""
    if not path.is_file():
        return "no plain file"
    first = _first_bytes(path)
    if not first:
        return "empty"
    if first[4:8] == b"ftyp" and first[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
        return "HEIF, which is not read: save it as JPEG or PNG"
    if first[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF, which is not read: save it as JPEG or PNG"
    if b"<svg" in first or path.suffix.lower() in (".svg", ".svgz"):
        return "a drawing (SVG), which is not read: save it as PNG"
    return "no picture"


def say_passed_over(folder: Path, passed_over: Sequence[tuple[Path, str]]) -> None:
    """Say how many files of a folder are passed over, by suffix and reason."""
    if passed_over:
        files = "1 file" if len(passed_over) == 1 else f"{len(passed_over):,} files"
        say(f"{folder}: {files} passed over: {summary(passed_over)}.")


def summary(passed_over: Iterable[tuple[Path, str]]) -> str:
    """Return how many files of each suffix are passed over and why; the name, where it is only one."""
    kinds = Counter((path.suffix.lower() or "without suffix", why) for path, why in passed_over)
    names = {(path.suffix.lower() or "without suffix", why): path.name for path, why in passed_over}
    told = [
        f"{names[suffix, why] if count == 1 else f'{count:,} {suffix}'} ({why})"
        for (suffix, why), count in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    ]
    return "; ".join(told[:8]) + (f"; and {len(told) - 8} kinds more" if len(told) > 8 else "")


def _first_bytes(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(_FIRST)
