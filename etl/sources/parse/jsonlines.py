"""JSON lines in bounded memory: whole lines a chunk at a time, and hostile or odd lines one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import BinaryIO, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_inflated
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

CHUNK = 1 << 18  # bytes; what stays in the cache is decoded twice as fast as a whole file
MAX_LINE = 16 << 20  # bytes; what follows on the same line is skipped, so that the line is malformed
MAX_VALUES = 1 << 20  # in a line, whose smallest values take fifty times their bytes in memory
MAX_LINES = 1 << 22  # of one file; the largest task has 12,032
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[\[\]{},]', re.DOTALL)
"""A whole string in JSON, or a mark; the group is empty where the string goes on."""
_NAME = re.compile(rb'"(?:[^"\\]|\\.)*+"\s*:')  # of the first value of an object
_SPACES = bytes.maketrans(b"\r\n", b"  ")  # between the values of JSON they are the same
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}

T = TypeVar("T")


def read_chunks(path: str) -> Iterator[bytes]:
    """Objects of a file as lines, about 256 KiB at a time; every chunk ends with the end of a line.

    The file, compressed or not, holds JSON lines, or one list, or objects on several lines each, which are
    put on one line. Raises DumpUnreadable where the file cannot be opened or read.
    """
    try:
        with open_inflated(path) as stream:
            lines = holds_lines(stream.peek(CHUNK).removeprefix(BYTE_ORDER_MARK))
            first = stream.read(CHUNK).removeprefix(BYTE_ORDER_MARK)
            if not lines:
                yield from joined(elements(first, stream))
                return
            chunk = first
            while chunk:
                rest = tail = stream.readline(MAX_LINE)
                while tail and not tail.endswith(b"\n"):
                    tail = stream.readline(CHUNK)
                chunk += rest
                yield chunk if chunk.endswith(b"\n") else chunk + b"\n"
                chunk = stream.read(CHUNK)
    except DumpUnreadable:
        raise
    except OSError as error:
        raise DumpUnreadable(f"expected JSON lines: {error}") from error


def holds_lines(start: bytes) -> bool:
    """Whether a file that starts like this holds a value on every line: no list, nor an indented object."""
    line, _, rest = start.lstrip().partition(b"\n")
    line, rest = line.strip(), rest.lstrip()
    if line == b"{":
        return _NAME.match(rest) is None
    if not line.startswith(b"[") or not (line[1:].lstrip() or rest).startswith(b"{"):
        return True
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # a list that goes on
    return bool(rest)  # a line among others, or all there is


def elements(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Elements of a list, or values one after the other, from the start of a file and what follows it.

    What is left where the list breaks off, or behind its end, or where an element is larger than a line may
    be, is the last element, which is malformed.
    """
    buffer = start.lstrip()
    inside = 1 if buffer.startswith(b"[") else 0  # depth of the elements
    depth, begin, at = inside, inside, inside
    ended = False
    while True:
        for token in TOKEN.finditer(buffer, at):
            mark = token[0]
            if mark.startswith(b'"'):
                if not token[1]:
                    break  # a string that the next piece goes on with
            elif mark in b"{[":
                depth += 1
            elif mark in b"}]":
                depth -= 1
            at = token.end()
            if depth == inside and (mark == b"," if inside else mark in b"}]"):
                yield buffer[begin : at - inside]
                begin = at
            elif depth < inside:
                yield buffer[begin : at - 1]
                begin, ended = at, True
                break
        rest = buffer[begin:]
        piece = b"" if ended or len(rest) > MAX_LINE else stream.read(CHUNK)
        if not piece:
            yield rest if not ended else rest + stream.read(EXCERPT)
            return
        # what holds no token is not looked at again; a long string is, but never longer than a line may be
        buffer, at, begin = rest + piece, at - begin, 0


def joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Elements as lines, about 256 KiB at a time."""
    waiting, size = [], 0
    for part in parts:
        line = part.translate(_SPACES).strip()
        if line:
            waiting.append(line + b"\n")
            size += len(line)
        if size > CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def numbered_chunks(path: str) -> Iterator[tuple[int, int, bytes]]:
    """Number of the first line, number of lines and bytes of each chunk of `read_chunks`.

    Raises DumpUnreadable where there is nothing but white space, or more lines than any file has.
    """
    return numbered(read_chunks(path))


def numbered(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """`numbered_chunks` of lines from elsewhere."""
    first = 0
    blank = True
    for chunk in chunks:
        n = len(BytesIO(chunk).readlines())  # ten times as fast as bytes.count
        yield first, n, chunk
        first += n
        blank = blank and chunk.isspace()
        if first > MAX_LINES:
            raise DumpUnreadable(f"expected at most {MAX_LINES} lines, found more")
    if blank:
        raise DumpUnreadable("expected JSON lines, found no line")


def is_utf8(chunk: bytes) -> bool:
    """Whether all of a chunk is UTF-8, at several GB/s (msgspec looks at the strings it returns only)."""
    offsets = np.array([0, len(chunk)], np.int64)
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(chunk)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def decode_line(line: bytes, number: int, decoder: msgspec.json.Decoder[T]) -> T | BadRow:
    """One object by `decoder`, whose type must accept any object; or why the line is no object.

    NaN, which Python's json writes, becomes null; infinities, and numbers too large, become strings;
    lone surrogates become question marks.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return BadRow(number, Reason.MALFORMED_ROW, f"expected UTF-8: {error}", excerpt=show(line))
    if holds_too_much(line):
        detail = f"expected {MAX_VALUES} values at most in a line, found more"
        return BadRow(number, Reason.MALFORMED_ROW, detail, excerpt=show(line))
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, RecursionError):
        pass  # json, which is slower, reads more than msgspec does
    try:
        value = json.loads(text, parse_constant=_constant, parse_float=_finite)
        if not isinstance(value, dict):
            detail = f"expected an object, found {kind_of(value)}"
            return BadRow(number, Reason.NOT_AN_OBJECT, detail, excerpt=show(line))
        return decoder.decode(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        return BadRow(number, Reason.MALFORMED_ROW, f"expected a JSON object: {error}", excerpt=show(line))


def holds_too_much(data: bytes, limit: int = MAX_VALUES) -> bool:
    """Whether there may be more values in JSON than are worth their memory: by the marks that part them."""
    return len(data) > 2 * limit and sum(map(data.count, (b",", b"[", b"{"))) > limit


def _constant(name: str) -> str | None:
    return None if name == "NaN" else name


def _finite(digits: str) -> float | str:
    value = float(digits)
    return digits if value in (np.inf, -np.inf) else value


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), "null")


def as_text(value: object) -> str | None:
    """A JSON value as text, strings as they are; None for null, and for what nests too deep or is no JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, order="sorted", enc_hook=str).decode()
    except UnicodeEncodeError:
        raise
    except (RecursionError, TypeError, ValueError, OverflowError):
        return None


def key_of(value: object) -> str | None:
    """A document's key as text, 0.0 the same as 0; None where the value is no name and no whole number."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return str(value) if usable else None


def show(data: bytes) -> str:
    """The start of some bytes, as quarantine shows it."""
    return data[:EXCERPT].decode("utf-8", "backslashreplace").rstrip("\n")
