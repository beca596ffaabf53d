"""Ctrl-C ends the program: politely at first, and at once where that takes too long or is asked for again."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

from routerset.etl.progress import say
from routerset.schemas.exits import INTERRUPTED

GRACE = 8.0
"""Seconds that an interrupted program has to put its things in order."""
SAID = "interrupted; the same command goes on where it stopped"
_told = threading.Lock()
_seen = threading.Event()


def end_in_time() -> None:
    """From now on a Ctrl-C raises KeyboardInterrupt in the main thread, and ends the program in any case.

    Libraries catch the exception, and Python drops it where nothing can be raised; what they do in their
    own order may take forever. A shell that starts a program in the background makes it deaf; it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _interrupt)
    threading.Thread(target=_watch, args=(heard,), daemon=True, name="interrupts").start()


def interrupted() -> bool:
    """Whether there was a Ctrl-C."""
    return _seen.is_set()


def tell() -> int:
    """Say it; returns the exit code. Where Ctrl-C was pressed the process ends here.

    By now all that was open is closed, and Python's own ending would fall silent for another Ctrl-C.
    """
    if interrupted():
        _end()
    say(SAID)
    return INTERRUPTED


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Raise the first time; nothing later can disturb the ending."""
    if not _seen.is_set():
        _seen.set()
        sys.unraisablehook = lambda _: _end()  # the exception, lost where nothing can be raised
        raise KeyboardInterrupt


def _watch(heard: int) -> None:
    """Wait for an interrupt, then for a second one or the end of patience."""
    while os.read(heard, 1) != bytes([signal.SIGINT]):
        pass
    select.select([heard], [], [], GRACE)
    _end()


def _end() -> NoReturn:
    """Leave as if killed, which no build minds, and take the processes along that were started from here."""
    if _told.acquire(blocking=False):
        os.write(2, f"{SAID}\n".encode())  # whoever holds the lock of stderr may never give it back
        multiprocessing = sys.modules.get("multiprocessing")
        for child in multiprocessing.active_children() if multiprocessing else ():
            child.kill()
    else:
        time.sleep(1.0)  # somebody else is at it
    os._exit(INTERRUPTED)
