"""One process at a time in a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confemb.support.errors import ConfembError
from confemb.support.files import make_folder

try:
    import fcntl
except ImportError:  # Windows: there two processes may do the same work; each file still appears whole.
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone_in(folder: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold a folder's lock, making the folder where needed.

    The lock (`flock`) is on the folder itself: nothing is left behind, and the system releases it when the process
    ends, however it ends. It binds the processes of one machine that ask for it.

    Args:
        folder: what to hold.
        waiting: called when another process holds it, before that is waited for.

    Yields:
        Whether it is held: some network file systems have no locks.

    Raises:
        ConfembError: the folder cannot be made; another process holds it, and `waiting` is not given.
    """
    make_folder(folder)
    if fcntl is None:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            if waiting is None:
                raise ConfembError(
                    f"another confemb is at work in {folder}: wait until it ends, or choose another folder."
                ) from None
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        except OSError:
            held = False
        yield held
    finally:
        os.close(handle)
