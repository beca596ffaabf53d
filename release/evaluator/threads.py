"""Work on all cores, each with numeric libraries of one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], of: Iterable[T]) -> list[R]:
    """What a function gives for each, in order; the same on any number of cores.

    For work that leaves the interpreter's lock nearly all the time, as products of matrices do. What is short
    of these gains nothing from threads of its own, which would wait for each other.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, of))
