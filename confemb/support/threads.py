"""Threads: how many cores there are for them, and linear algebra on one."""

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# What brings linear algebra or OpenMP of its own.
_LIBRARIES = ("numpy.linalg", "scipy.linalg", "scipy.sparse.linalg", "sklearn", "faiss", "torch")


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Run linear algebra and OpenMP on one thread, in a block or, as a decorator, in a function.

    So the bytes do not depend on how many threads there are; and threads that wait for one another on a busy machine
    take ten times as long as one.
    """
    with _controller(tuple(name in sys.modules for name in _LIBRARIES)).limit(limits=1):
        yield


@functools.cache
def _controller(loaded: tuple[bool, ...]) -> "ThreadpoolController":
    """Return what limits the threads of all libraries loaded; looking for them takes longer than a small matrix."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
