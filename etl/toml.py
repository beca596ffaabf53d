"""TOML as we write it: whatever a name holds, a string stays one string, and safe to print."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_value(value: object) -> str:
    """A value in TOML, on one line: text, numbers, truth values, lists and tables of these."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


def toml_key(name: str) -> str:
    """A key in TOML, quoted where it must be."""
    return name if _BARE.fullmatch(name) else _text(name)


def toml_table(heading: str, values: Mapping[str, object]) -> str:
    """A table in TOML. heading: `[name]` or `[[name]]`."""
    return "".join(
        f"{line}\n" for line in (heading, *(f"{toml_key(k)} = {toml_value(v)}" for k, v in values.items()))
    )


def _text(text: str) -> str:
    """A string: what is no visible character is escaped; a lone surrogate is replaced."""
    return '"' + "".join(map(_character, text)) + '"'


def _character(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cs":
        return "\\uFFFD"
    if kind in ("Cc", "Cf", "Zl", "Zp"):
        return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"
    return f"\\{char}" if char in '"\\' else char
