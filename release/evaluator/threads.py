"""Work in threads, whose products of matrices have no threads of their own."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], of: Iterable[T]) -> list[R]:
    """What a function gives for each, in order; the same in any number of threads, of which there are as many
    as a product of matrices may have.

    For work that does without the interpreter's lock most of the time, as these do. Where one raises, or
    Ctrl-C comes, the others stop where they are.
    """
    from threadpoolctl import threadpool_info, threadpool_limits

    threads = max((one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"), default=1)
    busy: set[int] = set()
    stopped = Event()

    def run(each: T) -> R:
        busy.add(get_ident())
        try:
            if stopped.is_set():  # it took its work after the busy ones were told
                raise KeyboardInterrupt
            return function(each)
        finally:
            busy.discard(get_ident())

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(run, of))
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for thread in busy.copy():
                stop = ctypes.pythonapi.PyThreadState_SetAsyncExc
                stop(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
            raise
