"""Work in threads: its order, and that nobody waits for what is of no use any more."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_info

from routerset.release.evaluator import threads
from routerset.release.evaluator.threads import in_threads

LONG = """
import signal, time
from routerset.release.evaluator.threads import in_threads

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it

def work(each):
    time.sleep(0.5)  # all is handed out by then: locks of the library may be held before
    print("at work", flush=True)
    for _ in range(6000):
        time.sleep(0.01)

in_threads(work, range(40))
"""


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_what_comes_out_is_in_order_and_products_have_one_thread() -> None:
    before = blas_threads()
    found = in_threads(lambda each: (each, blas_threads()), range(9))
    assert found == [(each, [1] * len(before)) for each in range(9)]
    assert blas_threads() == before


def test_an_error_stops_the_others_and_is_raised() -> None:
    def work(each: int) -> None:
        if each == 0:
            raise ValueError("the first")
        for _ in range(6000):
            time.sleep(0.01)

    start = time.monotonic()
    with pytest.raises(ValueError, match="the first"):
        in_threads(work, range(40))
    assert time.monotonic() - start < 10


def test_work_that_begins_when_others_were_told_to_stop_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []

    def late() -> int:
        time.sleep(0.3)
        return threading.get_ident()

    def of() -> Iterator[int]:
        yield 1
        raise ValueError("no second one")

    monkeypatch.setattr(threads, "get_ident", late)
    with pytest.raises(ValueError, match="no second one"):
        in_threads(begun.append, of())
    assert begun == []


def test_ctrl_c_stops_what_is_at_work() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert said.splitlines()[-1] == b"KeyboardInterrupt"
