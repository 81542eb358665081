"""The one door through which confemb writes a folder.

A folder is written beside and moved in as a whole, under a lock (`confemb.support.draft.Draft`, which holds a result of
stages that a stopped run goes on from; `output_folder` for one that is made in one go). Here is what both keep to:

* The folder is new, empty, or a result of confemb's own, known by its manifest. There only files are replaced and
  removed that the manifest lists: under "written" and with the stages. Another file in the way is refused by its name.
* Results from before the manifest had "written" are known by a manifest with the key "confemb". Their stages' files,
  the names in `OLDER_NAMES` and the figures are theirs; a file that a new result has under the same name is replaced.
* Nothing within the folder is followed through a link.
* What a stopped run left is used only by the user who made it, on the machine that made it, if it holds no link: a key
  that is kept in the user's state folder seals it. Somebody else's is neither used nor removed.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confemb.support.errors import ConfembError, quoted_list
from confemb.support.files import make_folder, sha256_file, whole_file
from confemb.support.locks import alone_in

if TYPE_CHECKING:
    from confemb.support.draft import Draft

# The manifest's key for the files that belong to no stage: relative path -> SHA-256.
WRITTEN = "written"
UNFINISHED = ".unfinished"
# In a folder of unfinished work: whose it is.
SEAL = "seal"
# What results without "written" have besides their stages' files.
OLDER_NAMES = frozenset(
    {
        "manifest.json",
        "report.html",
        "tables.md",
        "tables.tex",
        "tables.csv",
        "embedding.txt",
        "similarities.csv",
        "similarity_matrix.csv",
        "neighbours.csv",
        "strongest_pairs.csv",
    }
)
_FIGURES = ("figures/*.png", "figures/*.svg")


@contextmanager
def output_folder(
    path: str | os.PathLike[str], *, inputs: Iterable[str | os.PathLike[str]] = (), older: Iterable[str] = ()
) -> Iterator["NewFolder"]:
    """Write a folder as a whole: what the body writes appears at the end of it, in place of an earlier result's files.

    Files of the earlier result that the new one has not are removed. Where the body raises, the folder stays as it was.

        with output_folder("out", inputs=[predictions]) as folder:
            write_text(folder.new("table.csv"), text)
            folder.values["title"] = "..."

    Args:
        path: the folder; made where it is missing.
        inputs: files and folders that are read for it; none of them may lie within it.
        older: patterns of the files ("*.txt") that versions without a manifest wrote there.

    Raises:
        ConfembError: before the body: a folder with files that are not confemb's, an input within it, a link in the
            way, another confemb at work there. At the end: a file that is not confemb's in the way, no space.
    """
    from confemb.support.draft import Draft

    folder = Path(path)
    refuse_inputs_within(folder, inputs)
    with alone_in(folder):
        draft = Draft(folder, older=older)
        draft.values = {}
        try:
            yield NewFolder(draft)
            draft.publish()
        finally:
            draft.discard()


class NewFolder:
    """A folder in the making, see `output_folder`.

    Attributes:
        values: what its manifest will say.
    """

    def __init__(self, draft: "Draft") -> None:
        self._draft = draft
        self._home = draft.new_report()
        self.values: dict[str, Any] = draft.values

    def new(self, name: str) -> Path:
        """Return where to write a file; `name` may lie in a folder of its own, "figures/map.png"."""
        path = self._home / name
        make_folder(path.parent)
        return path


def refuse_inputs_within(folder: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise ConfembError for an input that lies within the folder, or is it: it could be overwritten.

    What is no path of anything, such as the name of a reference or "-", is passed over.
    """
    home = Path(os.path.realpath(folder))
    for each in inputs:
        with contextlib.suppress(OSError, ValueError):
            if not os.path.lexists(each):
                continue
            place = Path(os.path.realpath(each))
            if place.is_relative_to(home):
                raise ConfembError(f"{os.fspath(each)} lies in {folder}, which is to be written: choose another --out.")


def refuse_input(out: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise ConfembError where the file that is to be written is one of the inputs."""
    for each in inputs:
        with contextlib.suppress(OSError, ValueError):
            if os.path.lexists(each) and os.path.lexists(out) and out.samefile(each):
                raise ConfembError(f"{os.fspath(each)} is read, and --out would overwrite it: choose another --out.")


def check_output(
    folder: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    older: Iterable[str] = (),
) -> None:
    """Raise ConfembError, before any work, where a folder cannot be written as a result.

    Args:
        folder: that which is to be written; it may be missing.
        inputs: what is read for it, which must lie elsewhere.
        older: as in `output_folder`.
    """
    from confemb.support.draft import Draft

    folder = Path(folder)
    refuse_inputs_within(folder, inputs)
    if os.path.lexists(folder):
        with alone_in(folder):
            Draft(folder, older=older)


def known_files(values: Mapping[str, Any]) -> set[str]:
    """Return the relative paths of the files that a manifest says confemb wrote, its own among them."""
    known = {name for record in values.get("stages", {}).values() for name in record["files"]}
    if WRITTEN in values:
        return known | set(values[WRITTEN]) | {"manifest.json"}
    figures = values.get("figures")
    named = [name for name in figures if isinstance(name, str)] if isinstance(figures, list) else []
    return known | OLDER_NAMES | {f"figures/{name}.{kind}" for name in named for kind in ("png", "svg")}


def is_older(values: Mapping[str, Any]) -> bool:
    """Tell whether a manifest is from before manifests listed every file."""
    return WRITTEN not in values


def refuse_foreign(folder: Path, *, allowed: Iterable[str] = ()) -> None:
    """Raise ConfembError for a folder without a manifest in which anything lies but unfinished work and other results.

    Args:
        folder: is there.
        allowed: patterns of names that may lie there, too.
    """
    allowed = [UNFINISHED, f"{UNFINISHED}-*", *allowed]
    foreign = sorted(
        name
        for name in os.listdir(folder)
        if not any(fnmatch(name, each) for each in allowed) and not _is_result(folder / name)
    )
    if foreign:
        raise ConfembError(
            f"{folder} holds {quoted_list(foreign)} and no manifest of confemb's: nothing there is touched; choose a "
            "new or an empty folder."
        )


def _is_result(path: Path) -> bool:
    """Tell whether a path is a folder that holds nothing, a result, or one in the making."""
    if path.is_symlink() or not path.is_dir():
        return False
    names = os.listdir(path)
    return not names or "manifest.json" in names or any(name.startswith(UNFINISHED) for name in names)


def refuse_links(folder: Path) -> None:
    """Raise ConfembError for a link in a result's own place: its manifest, or its folder of figures."""
    for name in ("manifest.json", "figures"):
        if (folder / name).is_symlink():
            raise ConfembError(f"{folder / name} is a link, which is not followed: choose another folder.")


def work_folder(folder: Path) -> Path:
    """Return where a folder's unfinished work lies: what a stopped run of this user left there, or a new place."""
    return own_work(folder / UNFINISHED)


def own_work(place: Path) -> Path:
    """Return a folder for unfinished work: `place`, or beside it where somebody else's, or another machine's, is."""
    if not os.path.lexists(place) or is_own_work(place):
        return place
    return place.with_name(f"{place.name}-{_mark(b'place')[:8]}")


def is_own_work(work: Path) -> bool:
    """Tell whether unfinished work is this user's, made here, and holds no link."""
    try:
        about = os.lstat(work)
        if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
            return False
        for home, folders, names in os.walk(work):
            for name in (*folders, *names):
                if Path(home, name).is_symlink():
                    return False
        with open(os.open(work / SEAL, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            return hmac.compare_digest(file.read(100), _seal(about))
    except OSError:
        return False


def make_work(work: Path) -> Path:
    """Make a folder for unfinished work, sealed as this user's; one that is there stays."""
    if not os.path.lexists(work):
        make_folder(work)
        with whole_file(work / SEAL) as temporary:
            temporary.write_bytes(_seal(os.lstat(work)))
    return work


def _seal(about: os.stat_result) -> bytes:
    # The inode: a copy of the folder has another one.
    return _mark(f"{about.st_ino} {about.st_uid}".encode()).encode()


def _mark(what: bytes) -> str:
    return hmac.new(_key(), what, hashlib.sha256).hexdigest()


def _key() -> bytes:
    """Return this user's key, made at first use; where it cannot be kept, one that lasts as long as the process."""
    named = os.environ.get("XDG_STATE_HOME")
    path = (Path(named) if named else Path.home() / ".local" / "state") / "confemb" / "key"
    for _ in range(50):
        try:
            key = path.read_bytes()
            if len(key) == _KEY_BYTES:
                return key
        except OSError:
            pass
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = path.with_name(f".key.{secrets.token_hex(4)}.part")
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            try:
                # Of two processes one makes it.
                os.link(temporary, path)
            finally:
                temporary.unlink()
        except FileExistsError:
            time.sleep(0.02)
        except OSError:
            break
    return _KEY_OF_THIS_PROCESS


_KEY_BYTES = 32
_KEY_OF_THIS_PROCESS = secrets.token_bytes(_KEY_BYTES)


class Mover:
    """Moves finished files into a folder and removes old ones, beneath it alone: no link is followed.

    Args:
        folder: the folder.
        known: relative paths of the files that may be replaced and removed.
        older: whether any plain file may be replaced, see the module.
    """

    def __init__(self, folder: Path, known: set[str], *, older: bool) -> None:
        self._folder, self._known, self._older = folder, known, older

    def refuse(self, digests: Mapping[str, str | None]) -> None:
        """Raise ConfembError for the first of the names under which something stands that is not confemb's.

        Args:
            digests: relative path -> SHA-256 of the file that is to be there, which may have been moved there already.
        """
        for name, digest in sorted(digests.items()):
            path = self._folder / name
            for parent in Path(name).parents:
                if (self._folder / parent).is_symlink() and parent != Path():
                    raise ConfembError(f"{self._folder / parent} is a link, which is not followed: remove it.")
            if not os.path.lexists(path):
                continue
            own = name in self._known or self._older
            if path.is_symlink() or not path.is_file() or not (own or sha256_file(path) == digest):
                raise ConfembError(
                    f"{path} is in the way and was not written by confemb: move it, or choose another folder."
                )

    def move(self, source: Path, name: str) -> None:
        """Put a file in the place `name`; raises OSError."""
        with self._parent(name, make=True) as handle:
            if handle is None:
                os.replace(source, self._folder / name)
            else:
                os.replace(source, Path(name).name, dst_dir_fd=handle)

    def remove(self, name: str) -> None:
        """Remove one of the known files, and its folder once that is empty."""
        if name not in self._known:
            return
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._parent(name, make=False) as handle:
            if handle is None:
                (self._folder / name).unlink()
            else:
                about = os.stat(Path(name).name, dir_fd=handle, follow_symlinks=False)
                if not stat.S_ISDIR(about.st_mode):
                    os.unlink(Path(name).name, dir_fd=handle)
        for parent in Path(name).parents[:-1]:
            with contextlib.suppress(OSError):
                if not (self._folder / parent).is_symlink():
                    (self._folder / parent).rmdir()

    @contextmanager
    def _parent(self, name: str, *, make: bool) -> Iterator[int | None]:
        """Open the folder in which `name` lies, each part of its path without following a link; None on Windows."""
        parts = Path(name).parts[:-1]
        if os.replace not in os.supports_dir_fd and os.rename not in os.supports_dir_fd:
            if make:
                make_folder((self._folder / name).parent)
            yield None
            return
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=handle)
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)


def written_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return relative path -> SHA-256 of files, sorted, as a manifest lists them."""
    return {name: sha256_file(folder / name) for name in sorted(names)}


def remove_work(work: Path) -> None:
    """Remove a folder of unfinished work if it is this user's."""
    if is_own_work(work):
        shutil.rmtree(work, ignore_errors=True)
