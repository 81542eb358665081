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
from pathlib import Path
from typing import Any

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder, parse_json, read_bytes, write_json
from confemb.support.manifest import MANIFEST, Manifest, is_plain, is_whole
from confemb.support.version import __version__

UNFINISHED = ".unfinished"
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

    def __init__(self, folder: Path) -> None:
        """Begin a draft; its caller holds the folder's lock. A run that was killed while it published is completed.

        Raises:
            ConfembError: a folder that cannot be made or written to, or whose manifest is broken.
        """
        self.folder = make_folder(folder)
        self.work = folder / UNFINISHED
        self._move()
        self.published = Manifest(folder)
        try:
            self._left = Manifest(self.work)
        except ConfembError:
            # What a stopped run left is worth nothing if it cannot be read.
            self.discard()
        self.values = {key: value for key, value in self.published.values.items() if key != "stages"}
        self.stages: dict[str, Any] = {}
        self._homes: dict[str, Path] = {}

    @property
    def manifest_values(self) -> dict[str, Any]:
        """What the manifest will say."""
        return {"confemb": __version__, "stages": self.stages} | {
            key: value for key, value in self.values.items() if key != "confemb"
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
        return make_folder(self.work) / name

    def record(self, stage: str, key: str, files: Iterable[str], **facts: Any) -> None:
        """Note a finished stage whose `files` were written to `new`: a run that is stopped from now on goes on here."""
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
        moved = set(self._homes.values()) - {self.folder} or (self.work / REPORT).is_dir()
        if not moved and final == self.published.values:
            return
        report = Manifest(make_folder(self.work / REPORT))
        report.values = final
        report.save()
        new = {str(path.relative_to(report.folder)) for path in report.folder.rglob("*")}
        new |= {name for record in self.stages.values() for name in record["files"]}
        before = {name for record in self.published.stages.values() for name in record["files"]}
        write_json(self.work / READY, {"remove": sorted({*before, *stale} - new)})
        self._move()
        self.published = Manifest(self.folder)
        self._homes = dict.fromkeys(self.stages, self.folder)

    def discard(self) -> None:
        """Remove what is unfinished, this run's and others'."""
        shutil.rmtree(self.work, ignore_errors=True)
        self._left = Manifest(self.work)

    def _take(self, stage: str, record: dict[str, Any], home: Path) -> None:
        self.stages[stage] = copy.deepcopy(record)
        self._homes[stage] = home

    def _move(self) -> None:
        """Move what is ready into the folder; from wherever an earlier call was killed."""
        report = self.work / REPORT
        try:
            if not (self.work / READY).exists():
                return
            remove = parse_json(read_bytes(self.work / READY), where=str(self.work / READY))["remove"]
            final = Manifest(report)
        except (ConfembError, TypeError, KeyError):
            # Not of confemb's making.
            remove, final = [], None
        # Where the manifest is gone, all was moved: it comes last.
        if final is not None and (report / MANIFEST).is_file():
            try:
                self._move_files(final, remove if isinstance(remove, list) else [])
            except OSError as error:
                raise ConfembError(
                    f"cannot write the result to {self.folder}: {error.strerror or error}; what is finished lies in "
                    f"{self.work}, and the same command goes on from there."
                ) from error
        if (self.work / READY).is_dir():
            shutil.rmtree(self.work / READY)
        (self.work / READY).unlink(missing_ok=True)
        shutil.rmtree(report, ignore_errors=True)
        if not os.listdir(self.work):
            self.work.rmdir()

    def _move_files(self, final: Manifest, remove: list[str]) -> None:
        for record in final.stages.values():
            for name, digest in record["files"].items():
                if is_whole(self.work / name, digest):
                    os.replace(self.work / name, self.folder / name)
        for path in sorted(final.folder.rglob("*")):
            if path.is_file() and path.name != MANIFEST:
                target = self.folder / path.relative_to(final.folder)
                make_folder(target.parent)
                os.replace(path, target)
        for name in filter(is_plain, remove):
            (self.folder / name).unlink(missing_ok=True)
        os.replace(final.folder / MANIFEST, self.folder / MANIFEST)
