"""Says on stderr how far work is: a bar with a clock where someone watches, lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from .plain import lines, plain

TICK, PATIENCE = 1.0, 10.0
"""Seconds between two moves of the clock, and between two lines of a log."""
_BAR = 24


class Progress:
    """Told how far work is, for as long as it is entered.

    verb: what is being done, such as `evaluating`. each: whether a log has a line for every step, at once;
    else it has one where work takes longer than a second, and then every ten.
    """

    def __init__(self, verb: str, *, each: bool = False) -> None:
        self._verb, self._each = verb, each
        self._step, self._detail = (0, 0, ""), ""
        self._begun = time.monotonic()
        self._next, self._told = self._begun + TICK, ""
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._write("")

    def __call__(self, done: int, total: int, label: str) -> None:
        """`done` of `total` steps are finished, and `label` is next, empty at the end."""
        with self._lock:
            self._step, self._detail = (done, total, lines(plain(label))), ""
        if self._each and label and not sys.stderr.isatty():
            self._say()
        self._show()

    def detail(self, words: str) -> None:
        """What the step at work is at, told where that takes long."""
        with self._lock:
            self._detail = lines(plain(words))

    def note(self, words: str) -> None:
        """A line of its own."""
        self._write("")
        print(lines(words), file=sys.stderr, flush=True)

    def _follow(self) -> None:
        while not self._stop.wait(TICK):
            if sys.stderr.isatty():
                self._show()
            elif time.monotonic() >= self._next:
                self._say()

    def _show(self) -> None:
        """Draw the bar anew, on a terminal."""
        from shutil import get_terminal_size

        (done, total, label), seconds = self._step, time.monotonic() - self._begun
        if not label:
            self._write("")
            return
        bar = "#" * (_BAR * done // max(total, 1))
        told = f"[{bar:<{_BAR}}] {done}/{total} {seconds:.0f}s {self._verb} {self._words()}"
        self._write(told[: get_terminal_size().columns - 1])

    def _words(self) -> str:
        label = self._step[2]
        return f"{label}: {self._detail}" if self._detail else label

    def _say(self) -> None:
        """A line of a log, unless it has just been told."""
        done, total, label = self._step
        told = f"{self._verb} {self._words()} ({done + 1} of {total})"
        if label and told != self._told:
            self._told, self._next = told, time.monotonic() + PATIENCE
            print(told, file=sys.stderr, flush=True)

    def _write(self, text: str) -> None:
        if sys.stderr.isatty():
            with self._lock:
                print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
