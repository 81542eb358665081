"""Streams of work on CPUs: one for each core, with a small part of a batch in it.

XLA spreads a convolution over all cores, which costs more than half of the speed that one core has alone with a part
that fits its caches. So a batch is cut into parts, each part's program runs on one core from its beginning to its end,
and threads take the parts one after the other. Which thread takes a part does not touch its result.
"""

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

# For jax.jit: the program's operations stay on the core that runs it.
ON_ONE_CORE = {"xla_cpu_multi_thread_eigen": False}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="confemb-stream")


def in_streams(function: Callable[..., Any], parts: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Return `function(*part)` of every part, in their order, computed on as many cores as there are."""

    def whole(part: tuple[Any, ...]) -> Any:
        return jax.block_until_ready(function(*part))

    return list(_threads().map(whole, parts))
