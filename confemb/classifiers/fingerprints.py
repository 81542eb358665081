"""What makes a model or data the same as before: hashes of contents, and stamps of files."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confemb.support.files import sha256_file


def digest(value: Any) -> str:
    """Return a SHA-256 (hex) of a JSON-able value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def folder_digest(folder: Path) -> str:
    """Return a SHA-256 (hex) over the names and contents of a folder's files, those in its folders included."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return digest([[path.relative_to(folder).as_posix(), sha256_file(path)] for path in files])


def files_stamp(files: Iterable[Path]) -> str:
    """Return a hash of files' paths, sizes and times of change, without reading them; a missing file counts as such."""
    hashed = hashlib.sha256()
    for path in files:
        try:
            about = path.stat()
            said = f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n"
        except OSError:
            said = f"{path}\0missing\n"
        hashed.update(said.encode("utf-8", "surrogateescape"))
    return hashed.hexdigest()
