"""The manifest of a result folder: what was run, on what, with which outcome, and which files belong to it."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, parse_json, read_bytes, sha256_file, write_json
from confemb.support.version import __version__

MANIFEST = "manifest.json"
_PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "gensim",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "scikit-learn",
    "matplotlib",
    "seaborn",
)


class Manifest:
    """A result folder's `manifest.json`: facts about the run, and for each finished stage its key and files.

    A stage's key is a hash of everything its outcome depends on. A stage is done when its key is the
    recorded one and its files are there unchanged; whatever else lies in the folder is never trusted.
    """

    def __init__(self, folder: Path) -> None:
        """Open the manifest of `folder`, empty where there is none; raises ConfembError for a broken one."""
        self.folder = folder
        self.values: dict[str, Any] = {"confemb": __version__, "stages": {}}
        path = folder / MANIFEST
        if not path.exists():
            return
        try:
            content = parse_json(read_bytes(path), where=str(path))
        except ConfembError as error:
            raise ConfembError(
                f"cannot read the manifest: {str(error).rstrip('.')}; remove it to run every stage anew."
            ) from error
        if not isinstance(content, dict) or not _are_stages(content.get("stages")) or not _are_files(content):
            raise ConfembError(f"{path} is no confemb manifest; choose another folder, or remove it.")
        self.values = content

    @property
    def stages(self) -> dict[str, Any]:
        """Stage name -> {key, files, seconds, ...facts}."""
        return self.values["stages"]

    def is_done(self, stage: str, key: str) -> bool:
        """Tell whether `stage` was finished with this key and its files are all there, unchanged."""
        record = self.stages.get(stage)
        return record is not None and record["key"] == key and self.is_whole(stage)

    def is_whole(self, stage: str, only: Collection[str] | None = None) -> bool:
        """Tell whether a stage's files (`only` those names) are there, unchanged; so they are of one not recorded."""
        files = self.stages.get(stage, {"files": {}})["files"]
        return all(
            is_whole(self.folder / name, digest) for name, digest in files.items() if only is None or name in only
        )

    def record(self, stage: str, key: str, files: Iterable[str], **facts: Any) -> None:
        """Note a finished stage with its key, its files' hashes and some facts, and save the manifest."""
        self.stages[stage] = {
            "key": key,
            **facts,
            "files": {name: sha256_file(self.folder / name) for name in sorted(files)},
        }
        self.save()

    def file(self, name: str) -> Path | None:
        """Return the path of a recorded file, or None where no stage recorded it."""
        recorded = any(name in record["files"] for record in self.stages.values())
        return self.folder / name if recorded else None

    def save(self) -> None:
        """Write the manifest, whole or not at all."""
        self.values["confemb"] = __version__
        make_folder(self.folder)
        write_json(self.folder / MANIFEST, self.values)


def _are_stages(stages: Any) -> bool:
    """Tell whether a manifest's stages are what `record` makes: a key, and the hash of each file in the folder."""
    return isinstance(stages, dict) and all(
        isinstance(record, dict)
        and isinstance(record.get("key"), str)
        and isinstance(record.get("files"), dict)
        and all(is_plain(name) and Path(name).name == name != "" for name in record["files"])
        and all(isinstance(digest, str) for digest in record["files"].values())
        for record in stages.values()
    )


def _are_files(values: dict[str, Any]) -> bool:
    """Tell whether the files that belong to no stage are named within the folder, each with its hash."""
    files = values.get("written", {})
    return isinstance(files, dict) and all(
        is_plain(name) and name not in ("", ".") and isinstance(digest, str) for name, digest in files.items()
    )


def is_plain(name: Any) -> bool:
    """Tell whether a name leads to a file within the folder that it is looked for in."""
    return isinstance(name, str) and "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts


def is_whole(path: Path, digest: str) -> bool:
    """Tell whether a file is there and its SHA-256 is `digest`."""
    try:
        return sha256_file(path) == digest
    except ConfembError:
        return False


def stage_key(*parts: Any) -> str:
    """Return a hash (16 hexadecimal digits) of JSON-able values."""
    content = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def study_manifest(**facts: Any) -> dict[str, Any]:
    """Return what a study's report says of how it was made: the facts that are not None, and the versions."""
    given = {name: value for name, value in facts.items() if value is not None}
    return {"confemb": __version__, **given, "versions": versions()}
