"""Exit codes: what an error means to whoever started the program, and what to do about it."""

from __future__ import annotations

import errno

DONE, DATA_FAILED, USAGE, UNREADABLE, TRY_LATER, INTERRUPTED = 0, 1, 2, 3, 75, 130
AGAIN = "run the same command again: finished work is kept"
_ADVICE = {
    errno.ENOSPC: f"free some space there, then {AGAIN}",
    errno.EDQUOT: f"free some of your quota there, then {AGAIN}",
    errno.EFBIG: f"raise the limit on file sizes (`ulimit -f`), then {AGAIN}",
    errno.EROFS: "make the folder writable, or choose another --out",
}


def exit_code(error: Exception) -> int | None:
    """Exit code of an error that a user can act on, its attribute `exit_code`; None for a bug."""
    outside = isinstance(error, OSError | UnicodeEncodeError)
    code = getattr(error, "exit_code", UNREADABLE if outside else None)
    return code if isinstance(code, int) else None


def message(error: Exception) -> str:
    """What an error says, and what to do where the operating system refused."""
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object}: found a name that is no UTF-8, which Arrow cannot open; rename it"
    advice = _ADVICE.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{error}; {advice}" if advice else str(error)
