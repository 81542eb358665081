"""Streams of work on CPUs: one for each core, with a small part of a batch in it.

XLA spreads an operation over all cores, which costs more than half of the speed that one core has alone with a part
that fits its caches. So a batch is cut into parts, each part's program runs on one core from its beginning to its end,
and threads take the parts one after the other. Every thread has a device of its own, whose programs are compiled for
one core: which thread takes a part, and how many cores there are, do not touch its result.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import numpy as np

from confemb.support.threads import usable_cores

# For jax.jit: convolutions and matrix products stay on the thread that runs the program.
ON_ONE_CORE = {"xla_cpu_multi_thread_eigen": False}

# How many threads XLA's CPU client starts, and for how many a program's other operations are compiled.
_CLIENT_THREADS = "PJRT_NPROC"
_making = threading.Lock()
_own = threading.local()


def in_streams(function: Callable[..., Any], shared: tuple[Any, ...], parts: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return `function(*shared, *part)` of every part, in their order, computed on as many cores as there are.

    Args:
        function: compiled with `jax.jit`, with the compiler options `ON_ONE_CORE`.
        shared: what goes into every call: pytrees of arrays.
        parts: pytrees of arrays of their own for each call.

    Returns:
        Pytrees of NumPy arrays.
    """
    waiting = deque(enumerate(parts))
    results: list[Any] = [None] * len(parts)

    def stream() -> None:
        device = _own_device()
        placed = jax.device_put(shared, device)
        while waiting:
            try:
                number, part = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            # As NumPy arrays, without a copy: to place them on another device takes longer than a small program.
            results[number] = jax.tree.map(np.asarray, function(*placed, *jax.device_put(part, device)))

    for running in [_threads().submit(stream) for _ in range(min(usable_cores(), len(parts)))]:
        running.result()
    return results


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="confemb-stream")


def _own_device() -> jax.Device:
    """Return this thread's device; where JAX cannot make one, the device of all: the same bytes, more slowly."""
    if not hasattr(_own, "device"):
        _own.device = _new_device() or jax.local_devices(backend="cpu")[0]
    return _own.device


def _new_device() -> jax.Device | None:
    """Make a device, the computer's memory and one core, with a client that has no other thread.

    By interfaces of JAX that are not public; None where this version has them no longer.
    """
    with _making:
        before = os.environ.get(_CLIENT_THREADS)
        os.environ[_CLIENT_THREADS] = "1"
        try:
            from jaxlib import xla_client

            device: jax.Device = xla_client.make_cpu_client(asynchronous=False).devices()[0]  # type: ignore[attr-defined]
            return device
        except (ImportError, AttributeError, TypeError):
            return None
        finally:
            if before is None:
                del os.environ[_CLIENT_THREADS]
            else:
                os.environ[_CLIENT_THREADS] = before
