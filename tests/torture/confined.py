"""Running cases in a child process with little memory and little time: what goes wrong there does no harm here."""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from confemb.support.errors import ConfembError

# Before pyarrow is imported: its other pools reserve a gigabyte of addresses at once.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# What reading one file may take: beyond it the child gets no memory. Far above what the small files of the trials need,
# far below what the bombs among them would.
MEMORY = 1 << 30
# Seconds of CPU time, which other work on the machine does not change; a case that waits may take `WAITING` times as
# many by the clock.
SECONDS = 10.0
WAITING = 6
# The limit on unpacked files while trials run, so that a bomb of the smallest size that counts is small.
UNPACKED = 1 << 26
# glibc's number for it.
M_ARENA_MAX = -8

Case = Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: "read", "refused" (by a sentence), or how it failed.

    Attributes:
        kind: "read", "refused", "traceback", "hang", "memory", "crash", "message".
        detail: the sentence, or where it failed.
        seconds: how long it took by the clock.
    """

    kind: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Whether it was read, or refused as it must be."""
        return self.kind in ("read", "refused")


class _TooLong(BaseException):
    """Raised by the alarm; no `except Exception` of a reader catches it."""


def run_confined(cases: Sequence[Case], *, memory: int = MEMORY, seconds: float = SECONDS) -> list[Outcome]:
    """Run the cases one after the other in a child, in another one after each that kills it.

    Args:
        cases: called without arguments.
        memory: bytes of address space that the child may add to what it has when it begins.
        seconds: of CPU time, what one case may take.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(cases):
        outcomes += _run_child(cases[len(outcomes) :], memory, seconds)
    return outcomes


def _run_child(cases: Sequence[Case], memory: int, seconds: float) -> list[Outcome]:
    """Return the outcomes up to the first case that kills the child, that one included."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        # JAX and others warn of any fork; nothing of theirs runs in the child.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            _work(cases, writing, memory, seconds)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    outcomes: list[Outcome] = []
    buffer = b""
    try:
        while True:
            ready, _, _ = select.select([reading], [], [], 2 * WAITING * seconds)
            if not ready:
                outcomes.append(Outcome("hang", f"no answer within {2 * WAITING * seconds:.0f} s"))
                break
            data = os.read(reading, 1 << 16)
            if not data:
                break
            *lines, buffer = (buffer + data).split(b"\n")
            outcomes += [Outcome(*json.loads(line)) for line in lines]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(reading)
    finished = len(outcomes) == len(cases) or (outcomes and outcomes[-1].kind == "hang")
    if not finished:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        outcomes.append(Outcome("crash", f"the process ended with {how}"))
    return outcomes


def _work(cases: Sequence[Case], writing: int, memory: int, seconds: float) -> None:
    from confemb.support import files

    files.MOST_UNPACKED = UNPACKED
    with open(os.devnull, "rb+", buffering=0) as nothing:
        for standard in (0, 1, 2):
            os.dup2(nothing.fileno(), standard)
    with open("/proc/self/statm", "rb") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    # Each thread would reserve 64 MiB of addresses for an arena of its own, and libraries wait for threads that cannot
    # be made.
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def too_long(signum: int, frame: object) -> None:
        raise _TooLong

    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, too_long)
    for number, case in enumerate(cases):
        started = time.monotonic()
        kind, detail = _outcome(case, seconds)
        os.write(writing, json.dumps([kind, detail[:600], round(time.monotonic() - started, 3)]).encode() + b"\n")
        if number % 64 == 63:
            gc.collect()


def _outcome(case: Case, seconds: float) -> tuple[str, str]:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WAITING * seconds)
    try:
        return judge(case)
    except _TooLong:
        return "hang", f"longer than {seconds:.0f} s of CPU time, or {WAITING * seconds:.0f} s in all"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def judge(case: Case) -> tuple[str, str]:
    """Run a case here, without limits; return the kind of its outcome and the detail, see `Outcome`."""
    try:
        case()
        return "read", ""
    except ConfembError as error:
        said = str(error)
        good = said.endswith(".") and said.isprintable() and len(said) < 5000
        return ("refused", said) if good else ("message", ascii(said))
    except _TooLong:
        raise
    except MemoryError as error:
        return "memory", _where(error)
    except BaseException as error:
        return "traceback", _where(error)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}confemb{os.sep}" in frame.filename]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside confemb"
    return f"{type(error).__name__} at {place}: {ascii(str(error))[:300]}"
