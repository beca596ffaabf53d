"""Progress on stderr: one line per stage, and a bar on a terminal while files appear."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from routerset.schemas.escape import lines, plain

POLL_SECONDS = 0.2


def say(text: str) -> None:
    """A line on stderr, or several; what it holds of others can be no command."""
    print(lines(text), file=sys.stderr, flush=True)


def show(text: object) -> None:
    """The same on stdout."""
    print(lines(text))


@contextmanager
def watch(
    label: str, total: int, finished: Callable[[], int], *, unit: str = "", then: str = ""
) -> Iterator[None]:
    """Bar that follows `finished()`, from any process, while the block runs; nothing off a terminal.

    unit: what is counted. then: what is still to be done in the block when all are finished; until it ends,
    the bar is not full.
    """
    if total == 0 or not sys.stderr.isatty():
        yield
        return
    from tqdm import tqdm

    stop = threading.Event()
    with tqdm(total=total + bool(then), desc=plain(label), unit=unit, leave=False) as bar:

        def follow() -> None:
            while not stop.wait(POLL_SECONDS):
                bar.n = max(bar.n, finished())
                if then and bar.n >= total:
                    bar.set_description(plain(f"{label}, {then}"), refresh=False)
                bar.refresh()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
