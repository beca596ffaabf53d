"""One large JSON object in bounded memory: its members, and the elements of the one list that is long."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO

import msgspec

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.parse.jsonlines import BYTE_ORDER_MARK, CHUNK, MAX_LINE, TOKEN, show
from routerset.etl.sources.quarantine import EXCERPT

MAX_NAME = 1000  # bytes of a member's name


class Part(Enum):
    """What a piece of the object is: a member, the start of the list, an element of it, or what is left."""

    MEMBER = "member"
    LIST = "list"
    ELEMENT = "element"
    REST = "rest"


def parts_of(stream: BinaryIO, long_list: str) -> Iterator[tuple[Part, bytes]]:
    """The members of an object as `"name": value`, and the elements of the list under one name, in order.

    What is left where the object breaks off or where a part is larger than a line may be, or what follows the
    object, is the rest, and comes last.
    Raises DumpUnreadable where there is no object.
    """
    buffer = stream.read(CHUNK).removeprefix(BYTE_ORDER_MARK).lstrip()
    if not buffer.startswith(b"{"):
        raise DumpUnreadable(f"expected an object, found {show(buffer)[:40]!a}")
    depth, inside, at, begin = 1, 1, 1, 1  # inside: depth of the parts
    while True:
        for token in TOKEN.finditer(buffer, at):
            mark = token[0]
            if mark.startswith(b'"'):
                if not token[1]:
                    break  # a string that the next piece goes on with
            elif mark in b"{[":
                depth += 1
                before = buffer[begin : token.start()] if mark == b"[" and depth == 2 == inside + 1 else b""
                if _named(before, long_list):
                    yield Part.LIST, b""
                    inside, begin = 2, token.end()
            elif mark in b"}]":
                depth -= 1
            at = token.end()
            if depth < inside or (mark == b"," and depth == inside):
                part = buffer[begin : token.start()]
                if part.strip():
                    yield (Part.ELEMENT if inside == 2 else Part.MEMBER), part
                inside, begin = min(inside, depth), at
                if not inside:
                    rest = buffer[begin:] + stream.read(EXCERPT)
                    if rest.strip():
                        yield Part.REST, rest
                    return
        rest = buffer[begin:]
        piece = b"" if len(rest) > MAX_LINE else stream.read(CHUNK)
        if not piece:
            yield Part.REST, rest
            return
        buffer, at, begin = rest + piece, at - begin, 0


def _named(text: bytes, name: str) -> bool:
    """Whether some bytes are a member's name and colon."""
    text = text.strip()
    if len(text) > MAX_NAME or not text.endswith(b":"):
        return False
    try:
        return bool(msgspec.json.decode(text[:-1], type=str) == name)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
