"""How a process ends: when it is told to stop, within seconds; and at the end of a command, at once.

A signal raises KeyboardInterrupt in the main thread, so that files that are being written are removed. Libraries may be
deep in a computation then, or swallow the interrupt: a thread ends the process some seconds later whatever they do.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from types import FrameType
from typing import NoReturn

from confemb.support.files import remove_unfinished

# Exit statuses, as shells have them: 128 and the signal's number.
STATUS = {
    getattr(signal, name): 128 + getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
}
SECONDS_TO_STOP = 4.0
STOPPED = "confemb: stopped; the same command goes on from here."


class Stopping:
    """Whether the process was told to stop.

    Attributes:
        status: the exit status that stands for it, or None.
    """

    def __init__(self) -> None:
        self.status: int | None = None

    def listen(self) -> None:
        """Raise KeyboardInterrupt at a signal to stop; one that whoever started the process ignores stays ignored."""
        for number in STATUS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._told)

    def insist(self) -> None:
        """End the process some seconds after a signal, or at the second one, though it be busy in a library.

        For a process that belongs to one command alone.
        """
        if os.name != "posix":
            return
        import fcntl

        # Not in the place of a standard stream that whoever started the process has closed.
        reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in os.pipe())
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        # A child would tell its parent to stop.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
        threading.Thread(target=self._watch, args=(reading,), name="confemb-stop", daemon=True).start()

    def _told(self, number: int, _: FrameType | None) -> None:
        if self.status is None:
            self.status = STATUS[signal.Signals(number)]
            quietly()
        raise KeyboardInterrupt

    def _watch(self, reading: int) -> None:
        told = [number for number in os.read(reading, 64) if number in STATUS]
        while not told:
            told = [number for number in os.read(reading, 64) if number in STATUS]
        status = STATUS[signal.Signals(told[0])]
        if len(told) == 1:
            ends = time.monotonic() + SECONDS_TO_STOP
            os.set_blocking(reading, False)
            again = False
            while time.monotonic() < ends and not again:
                time.sleep(0.05)
                with contextlib.suppress(BlockingIOError):
                    again = any(number in STATUS for number in os.read(reading, 64))
        with contextlib.suppress(OSError):
            os.write(2, f"{STOPPED}\n".encode())
        end(status)


def quietly() -> None:
    """Say nothing of what a stopped command leaves half-done: coroutines, threads, objects that are collected."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None


def leave(status: int) -> NoReturn:
    """End the process at the end of a command: output is flushed, exit functions run, unfinished files removed.

    Python's own end would wait for, or abort on, what libraries' threads still hold: one of Arrow's that lets go of a
    Python object while the interpreter is taken down ends in "terminate called without an active exception".
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    end(status)


def end(status: int) -> NoReturn:
    """End the process now; files that are being written are removed."""
    remove_unfinished()
    os._exit(status)
