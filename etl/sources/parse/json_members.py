"""The members of one large JSON object in bounded memory, the elements of one of its lists one by one."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Container, Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple

import msgspec

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_inflated
from routerset.etl.sources.parse.jsonlines import CHUNK, MAX_VALUES, holds_too_much, show

MAX_MEMBER = 1 << 26  # bytes of a member, or of an element of the list; samples of agents take up to 30 MB
WHOLE = 1 << 26  # bytes of a file that is decoded at once
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+("?)', re.DOTALL)  # what is left of one, with its end
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[\[\]{},]', re.DOTALL)  # a string, or a mark
_DEEP = re.compile(rb'([\[{])|([\]}])|"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)  # the same, but commas
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_NAME = msgspec.json.Decoder(str)


class Member(NamedTuple):
    """A member of the object, or an element of the list.

    value: JSON; None where it is larger than any. whole: False where the object breaks off inside of it.
    """

    name: str
    value: bytes | None
    whole: bool = True


def read_members(path: str, spread: str, wanted: Container[str]) -> Iterator[Member]:
    """Members of the object in a file, compressed or not, that are wanted, and each element of `spread`.

    Raises DumpUnreadable where the file holds no object, and OSError where it cannot be read.
    """
    with open_inflated(path) as stream:
        start = stream.read(WHOLE)
        if len(start) == WHOLE:
            yield from scan_members(stream, spread, wanted, start)
            return
    if not holds_too_much(start, 4 * MAX_VALUES):
        try:
            found = _OBJECT.decode(start.removeprefix(BOM_UTF8))
            several = _LIST.decode(found[spread]) if spread in found else []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # member by member, then: that takes NaN, and tells where it stops
        else:
            yield from (Member(name, bytes(raw)) for name, raw in found.items() if name in wanted)
            yield from (Member(spread, bytes(raw)) for raw in several)
            return
    yield from scan_members(BytesIO(start), spread, wanted)


def scan_members(
    stream: BinaryIO, spread: str, wanted: Container[str], start: bytes = b""
) -> Iterator[Member]:
    """`read_members` in order, of a stream that goes on after its start, a piece at a time.

    A value of `spread` that is no list is one element.
    """
    pieces = BytesIO(start.removeprefix(BOM_UTF8))
    depth = size = 0
    name: str | None = None
    in_string = in_list = False
    kept: list[bytes] = []  # of what is being read, up to the piece that is looked at
    rest = b""
    while piece := pieces.read(CHUNK) or stream.read(CHUNK):
        data = rest + piece
        if depth == 0:
            data = data.removeprefix(BOM_UTF8).lstrip()
            if data and not data.startswith(b"{"):
                raise DumpUnreadable(f"expected a JSON object, found {show(data[:20])!a}")
        begin = at = 0
        while True:
            if in_string:
                match = _STRING.match(data, at)
                at = match.end() if match else len(data)
                if not (match and match[1]):
                    break
                in_string = False
                if depth == 1 and name is None:
                    name = _decoded(b"".join([*kept, data[begin:at]]))
                    kept, size, begin = [], 0, at
                continue
            inner = 2 if in_list else 1  # depth of the values that are asked for
            if depth > inner:  # to the end of the value: most of a log
                for token in _DEEP.finditer(data, at):
                    at = token.end()
                    if token.lastindex == 1:
                        depth += 1
                    elif token.lastindex == 2:
                        depth -= 1
                        if depth == inner:
                            break
                    elif not token[3]:
                        in_string = True
                        break
                else:
                    at = len(data)
                    break
                continue
            found = _TOKEN.search(data, at)
            if found is None:
                at = len(data)
                break
            start_of, at = found.span()
            mark = data[start_of : start_of + 1]
            if mark == b'"':
                in_string = not found[1]
                if depth == 1 and name is None:
                    kept, size, begin = [], 0, start_of
                    if not in_string:
                        name, begin = _decoded(data[start_of:at]), at
                continue
            if mark in b"{[":
                depth += 1
                if depth == 2 and mark == b"[" and name == spread and not in_list:
                    in_list, kept, size, begin = True, [], 0, at
                continue
            if name is not None and depth == inner:
                if name == spread or name in wanted:
                    value = b"".join([*kept, data[begin:start_of]])
                    value = value if in_list else value.partition(b":")[2]
                    if size > MAX_MEMBER:
                        yield Member(str(name), None)
                    elif value.strip():
                        yield Member(str(name), value)
                kept, size, begin = [], 0, at
                name = name if in_list else None
            if mark != b",":
                depth -= 1
                if depth == 1 and in_list:
                    in_list, name = False, None
                if depth == 0:
                    return
        rest = data[at:]
        if name is None or name == spread or name in wanted:
            size += at - begin
            kept = [] if size > MAX_MEMBER else [*kept, data[begin:at]]
    yield Member(name or "", b"".join(kept)[:CHUNK], whole=False)


def _decoded(text: bytes) -> str:
    try:
        return _NAME.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DumpUnreadable(f"expected a name in a JSON object, found {show(text[:80])!a}") from None
