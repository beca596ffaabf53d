"""Text of others, made safe to print: no terminal and no log takes it for a command."""

from __future__ import annotations

import re
import unicodedata

_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|(?<=#)#(?=\[)", re.MULTILINE)
"""Where a runner of GitHub workflows finds a command in a line of a log."""


def plain(text: object) -> str:
    """Text on one line, its control, format and line-breaking characters escaped as in Python."""
    return "".join(c if _is_safe(c) else c.encode("unicode_escape").decode() for c in str(text))


def lines(text: str) -> str:
    """Lines to print, whatever was written into them: each is `plain`, and none is a command to a runner.

    JSON stays what it says.
    """
    told = "\n".join(map(plain, text.split("\n")))
    return _COMMAND.sub(lambda m: "\\u0023" if m[1] is None else f"{m[1]}\\u003a", told)


def _is_safe(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
