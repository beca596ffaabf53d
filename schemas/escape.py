"""Text from dumps, releases and services, made safe to print: no terminal, no log takes it for a command."""

from __future__ import annotations

import re
import unicodedata

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that move the cursor, turn the reading direction, break lines, or are no text."""
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|(?<=#)#(?=\[)", re.MULTILINE)
"""Where a runner of GitHub workflows finds a command in a line of a log."""
_NAME = re.compile(r"[\w.:/@+-]{1,60}")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: object, keep: str = "") -> str:
    """Text on one line in which every control, format and line-breaking character is escaped.

    keep: characters that stay, such as a newline where several lines are meant.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in _UNSAFE else _escaped(c) for c in text)


def lines(text: object) -> str:
    """Lines to print, whatever was written into them: `plain`, and none is a command to a workflow's runner.

    JSON stays what it says.
    """
    return _COMMAND.sub(lambda m: "\\u0023" if m[1] is None else f"{m[1]}\\u003a", plain(text, keep="\n"))


def shown_name(name: str) -> str:
    """A name as it is, and of what may be a sentence the length alone: it could be text that is withheld."""
    return name if _NAME.fullmatch(name) else f"a name of {len(name):,} characters"


def _escaped(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )
