"""The command line in child processes that can be stopped at any moment.

A child is a fork of this process, which has imported everything and computed nothing: it begins at once, and is killed
like any other.
"""

import importlib
import io
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# What the commands import late, and JAX without its backend, which would not outlive a fork.
PRELOADED = (
    *("jax", "flax.nnx", "optax", "orbax.checkpoint", "gensim.models", "matplotlib.figure", "seaborn", "pandas"),
    *("pyarrow.parquet", "scipy.stats", "scipy.cluster.hierarchy", "sklearn.manifold", "PIL.Image", "jinja2", "pooch"),
    *(
        "confemb.cli.app",
        "confemb.pipeline.run",
        "confemb.networks.training.loop",
        "confemb.pipeline.training_stage",
        "confemb.networks.inference",
    ),
    *(
        "confemb.classifiers.adapters.flax",
        "confemb.networks.fast_cnn",
        "confemb.networks.pretrained.weights",
        "confemb.embedders.skipgram",
    ),
    *(
        "confemb.datasets.image_folder",
        "confemb.datasets.cache",
        "confemb.networks.pretrained.weight_sources",
        "confemb.reporting.write",
    ),
    *("confemb.reporting.figures", "confemb.analysis.examples", "confemb.reporting.uncertainty_figures"),
)
TOO_LONG = 600.0

# Called in a child before its command.
Before = Callable[[], None]


def preload() -> None:
    """Import what children need."""
    for name in PRELOADED:
        importlib.import_module(name)


@dataclass
class Child:
    """A running command.

    Attributes:
        pid: the process.
        log: the file of its standard output and error.
        started: when, on the monotonic clock.
    """

    pid: int
    log: Path
    started: float = field(default_factory=time.monotonic)
    _status: int | None = None

    def running(self) -> bool:
        """Tell whether it has not ended."""
        if self._status is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status is None

    def wait(self, seconds: float = TOO_LONG) -> int | None:
        """Return the exit status (the signal's number below 0), or None where it runs longer than that."""
        until = time.monotonic() + seconds
        while self.running() and time.monotonic() < until:
            time.sleep(0.005)
        return self._status

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.running():
            os.kill(self.pid, number)

    def end(self) -> int:
        """Wait for it, kill it where it hangs, and return the exit status."""
        if self.wait() is None:
            self.send(signal.SIGKILL)
        status = self.wait()
        assert status is not None
        return status

    @property
    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(
    *arguments: str | Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    before: Before | None = None,
) -> Child:
    """Start `confemb ARGUMENTS` in a child.

    Args:
        arguments: the command line.
        log: gets what it prints.
        environment: what to change in the environment.
        before: called in the child before the command.
    """
    sys.stdout.flush()
    with warnings.catch_warnings():
        # JAX warns of any fork; nothing of it runs yet.
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid:
        return Child(pid, log)
    status = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for handle, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(handle, number)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", line_buffering=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", line_buffering=True)
        os.environ.update(environment or {})
        sys.argv = ["confemb", *map(str, arguments)]
        if before is not None:
            before()
        from confemb.cli import main

        main()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 71
    finally:
        sys.stdout.flush()
        os._exit(status)


def call(*arguments: str | Path, log: Path, **options: object) -> tuple[int, str]:
    """Run a command to its end: (exit status, what it printed)."""
    child = start(*arguments, log=log, **options)  # type: ignore[arg-type]
    return child.end(), child.said


def refused(status: int, said: str) -> bool:
    """Tell whether a command ended with one clear sentence, as for a user's mistake."""
    lines = said.strip().splitlines()
    return status == 2 and len(lines) == 1 and lines[0].startswith("confemb: ") and lines[0].endswith(".")


def at_changes(folders: Sequence[Path], do: Callable[[str], None]) -> Before:
    """Return what makes a child call `do` just before each of its changes of a file in `folders`, with its path."""

    def before() -> None:
        places = tuple(f"{folder}{os.sep}" for folder in folders)
        busy = False

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal busy
            if not busy and changes(event, arguments):
                paths = [str(part) for part in arguments[:2] if str(part).startswith(places)]
                if paths:
                    # What it does is not watched itself.
                    busy = True
                    do(paths[-1])
                    busy = False

        sys.addaudithook(watch)

    return before


def changes(event: str, arguments: tuple[object, ...]) -> bool:
    """Tell whether an audit event of Python is a change of files."""
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        return bool(set(str(mode or "")) & set("wax+")) or bool(int(flags or 0) & (os.O_WRONLY | os.O_RDWR))  # type: ignore[call-overload]
    return event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
