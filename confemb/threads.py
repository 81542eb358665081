"""Linear algebra on one thread."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Run linear algebra and OpenMP on one thread, in a block or, as a decorator, in a function.

    So the bytes do not depend on how many threads there are; and threads that wait for one another on a busy machine
    take ten times as long as one.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
