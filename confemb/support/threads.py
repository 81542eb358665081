"""Threads: how many cores there are for them, and linear algebra on one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Run linear algebra and OpenMP on one thread, in a block or, as a decorator, in a function.

    So the bytes do not depend on how many threads there are; and threads that wait for one another on a busy machine
    take ten times as long as one.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
