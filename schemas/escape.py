"""Text from dumps, releases and services, made safe to print: no terminal, no log takes it for a command."""

from __future__ import annotations

import unicodedata

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that move the cursor, turn the reading direction, break lines, or are no text."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: object, keep: str = "") -> str:
    """Text on one line in which every control, format and line-breaking character is escaped.

    keep: characters that stay, such as a newline where several lines are meant.
    """
    return "".join(
        c if c in keep or unicodedata.category(c) not in _UNSAFE else _escaped(c) for c in str(text)
    )


def _escaped(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )
