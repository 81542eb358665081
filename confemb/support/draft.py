"""A result in the making: it replaces what a folder holds as a whole, at the end.

What a run has finished lies in `FOLDER/.unfinished`, with a manifest of its own, until all of it is there; then the
files are moved into the folder, the manifest last. A run that fails or is killed leaves the folder's result as it was,
and the same run goes on from what is finished. Once a run has ended well, what others left unfinished is removed;
writing a report again leaves it.
"""

import copy
import os
import shutil
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, parse_json, read_bytes, write_json
from confemb.support.manifest import MANIFEST, Manifest, is_plain, is_whole
from confemb.support.output_folder import (
    OLDER_NAMES,
    SEAL,
    UNFINISHED,
    WRITTEN,
    Mover,
    is_older,
    known_files,
    make_work,
    refuse_foreign,
    refuse_links,
    remove_work,
    work_folder,
    written_files,
)
from confemb.support.version import __version__

__all__ = ["UNFINISHED", "Draft"]
# Within it: what belongs to no stage, with the manifest to be; and the sign that all is there, to be moved.
REPORT, READY = "report", "ready.json"


class Draft:
    """What will be in a folder.

    Attributes:
        folder: where the result goes.
        work: where it is made, within the folder.
        published: what the folder holds until `publish`.
        values: what the manifest will say besides the stages.
        stages: stage name -> {key, files, ...facts} of those that will be in the folder.
    """

    def __init__(self, folder: Path, *, older: Iterable[str] = ()) -> None:
        """Begin a draft; its caller holds the folder's lock. A run that was killed while it published is completed.

        Args:
            folder: new, empty, or a result of confemb's own, see `confemb.support.output_folder`.
            older: patterns of the files that versions without a manifest wrote there.

        Raises:
            ConfembError: a folder that cannot be made or written to, whose manifest is broken, or in which something
                that is not confemb's is in the way.
        """
        self.folder = make_folder(folder)
        self._older = tuple(older)
        refuse_links(folder)
        self._work = work_folder(folder)
        self._move()
        self.published = Manifest(folder)
        if (folder / MANIFEST).exists():
            if not isinstance(self.published.values.get("confemb"), str):
                raise ConfembError(f"{folder / MANIFEST} is no confemb manifest; choose another folder, or remove it.")
        else:
            refuse_foreign(folder, allowed=self._older)
        self._mover().refuse(dict.fromkeys(OLDER_NAMES))
        try:
            self._left = Manifest(self._work)
        except ConfembError:
            # What a stopped run left is worth nothing if it cannot be read.
            self.discard()
        self.values = {key: value for key, value in self.published.values.items() if key not in ("stages", WRITTEN)}
        self.stages: dict[str, Any] = {}
        self._homes: dict[str, Path] = {}

    @property
    def work(self) -> Path:
        """Where the result is made, within the folder; made where it is missing."""
        return make_work(self._work)

    def _mover(self, stale: Iterable[str] = ()) -> Mover:
        """Return what moves files into the folder, by what its manifest says now."""
        if not (self.folder / MANIFEST).exists():
            known = {name for name in os.listdir(self.folder) if any(fnmatch(name, each) for each in self._older)}
            return Mover(self.folder, known, older=False)
        values = Manifest(self.folder).values
        older = is_older(values)
        return Mover(self.folder, known_files(values) | (set(stale) if older else set()), older=older)

    @property
    def manifest_values(self) -> dict[str, Any]:
        """What the manifest will say."""
        return {"confemb": __version__, "stages": self.stages} | {
            key: value for key, value in self.values.items() if key not in ("confemb", WRITTEN)
        }

    def keep_rest(self, *, but: Iterable[str] = ()) -> None:
        """Take over the other stages that the folder holds, unless one of the draft's was done anew; none of `but`."""
        if all(home == self.folder for home in self._homes.values()):
            for stage in [stage for stage in self.published.stages if stage not in {*self.stages, *but}]:
                self._take(stage, self.published.stages[stage], self.folder)

    def reuse(self, stage: str, key: str) -> bool:
        """Take over a stage that the folder holds with this key, or that a stopped run had finished; tell whether."""
        for manifest in (self.published, self._left):
            if manifest.is_done(stage, key):
                self._take(stage, manifest.stages[stage], manifest.folder)
                return True
        return False

    def new(self, name: str) -> Path:
        """Return where to write a file of a stage."""
        return self.work / name

    def record(self, stage: str, key: str, files: Iterable[str], **facts: Any) -> None:
        """Note a finished stage whose `files` were written to `new`: a run that is stopped from now on goes on here."""
        self._left.folder = self.work
        self._left.record(stage, key, files, **facts)
        self._take(stage, self._left.stages[stage], self.work)

    def file(self, name: str) -> Path | None:
        """Return where a stage's file is, or None where no stage has it; raises ConfembError if it was changed."""
        for stage, record in self.stages.items():
            if name in record["files"]:
                path = self._homes[stage] / name
                if not is_whole(path, record["files"][name]):
                    raise ConfembError(f"{path} is missing or was changed by others: run the experiment again.")
                return path
        return None

    def path(self, name: str) -> Path:
        """Return where a stage's file is; raises ConfembError where no stage has it, or it was changed."""
        path = self.file(name)
        if path is None:
            raise ConfembError(f"{self.folder} holds no finished result ({name} is missing); run the experiment first.")
        return path

    def new_report(self) -> Path:
        """Return an empty folder for the files that belong to no stage: tables, figures, the page."""
        shutil.rmtree(self.work / REPORT, ignore_errors=True)
        return make_folder(self.work / REPORT)

    def publish(self, *, stale: Iterable[str] = ()) -> None:
        """Let the draft be what the folder holds.

        Args:
            stale: names of files to remove unless the draft has them; so are those of stages that it has not.

        Raises:
            ConfembError: the folder cannot be written to; the same command goes on from here.
        """
        final = self.manifest_values
        has_report = (self._work / REPORT).is_dir()
        before = {key: value for key, value in self.published.values.items() if key != WRITTEN}
        if not (set(self._homes.values()) - {self.folder} or has_report) and final == before:
            return
        report = Manifest(make_folder(self.work / REPORT))
        new = {path.relative_to(report.folder).as_posix() for path in report.folder.rglob("*") if path.is_file()}
        new.discard(MANIFEST)
        stages = {name for record in self.stages.values() for name in record["files"]}
        earlier = self.published.values.get(WRITTEN)
        old = {name for record in self.published.stages.values() for name in record["files"]}
        remove = {*old, *stale, *self._older_files(), *((earlier or {}) if has_report else ())} - new - stages
        report.values = final
        # A result of before "written" whose report stays is known by its usual names from now on, too.
        if has_report or earlier is not None or not (self.folder / MANIFEST).exists():
            kept = {name: digest for name, digest in (earlier or {}).items() if name not in remove | stages}
            report.values = final | {WRITTEN: dict(sorted((kept | written_files(report.folder, new)).items()))}
        self._mover(stale).refuse(_digests(report.values))
        report.save()
        write_json(self.work / READY, {"remove": sorted(remove)})
        self._move()
        self.published = Manifest(self.folder)
        self._homes = dict.fromkeys(self.stages, self.folder)

    def discard(self) -> None:
        """Remove what is unfinished, this run's and others'."""
        remove_work(self._work)
        self._left = Manifest(self._work)

    def _older_files(self) -> set[str]:
        """Return the names of the files that a version without a manifest wrote."""
        if (self.folder / MANIFEST).exists():
            return set()
        return {name for name in os.listdir(self.folder) if any(fnmatch(name, each) for each in self._older)}

    def _take(self, stage: str, record: dict[str, Any], home: Path) -> None:
        self.stages[stage] = copy.deepcopy(record)
        self._homes[stage] = home

    def _move(self) -> None:
        """Move what is ready into the folder; from wherever an earlier call was killed."""
        work = self._work
        report = work / REPORT
        try:
            if not (work / READY).exists():
                return
            remove = parse_json(read_bytes(work / READY), where=str(work / READY))["remove"]
            final = Manifest(report)
        except (ConfembError, TypeError, KeyError):
            # Not of confemb's making.
            remove, final = [], None
        # Where the manifest is gone, all was moved: it comes last.
        if final is not None and (report / MANIFEST).is_file():
            try:
                self._move_files(final, [name for name in remove if is_plain(name)] if isinstance(remove, list) else [])
            except OSError as error:
                raise ConfembError(
                    f"cannot write the result to {self.folder}: {error.strerror or error}; what is finished lies in "
                    f"{work}, and the same command goes on from there."
                ) from error
        if (work / READY).is_dir():
            shutil.rmtree(work / READY)
        (work / READY).unlink(missing_ok=True)
        shutil.rmtree(report, ignore_errors=True)
        if set(os.listdir(work)) <= {SEAL}:
            shutil.rmtree(work)

    def _move_files(self, final: Manifest, remove: list[str]) -> None:
        mover = self._mover(remove)
        mover.refuse(_digests(final.values))
        for record in final.stages.values():
            for name, digest in record["files"].items():
                if is_whole(self._work / name, digest):
                    mover.move(self._work / name, name)
        for path in sorted(final.folder.rglob("*")):
            if path.is_file() and path.name != MANIFEST:
                mover.move(path, path.relative_to(final.folder).as_posix())
        for name in remove:
            mover.remove(name)
        mover.move(final.folder / MANIFEST, MANIFEST)


def _digests(values: dict[str, Any]) -> dict[str, str | None]:
    """Return relative path -> SHA-256 of all files that a manifest lists, its own without."""
    files = {name: digest for record in values["stages"].values() for name, digest in record["files"].items()}
    return {**files, **values.get(WRITTEN, {}), MANIFEST: None}
