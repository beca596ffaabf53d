"""JSON lines in bounded memory: whole lines a chunk at a time, and hostile or odd lines one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_binary
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

CHUNK = 1 << 18  # bytes; what stays in the cache is decoded twice as fast as a whole file
MAX_LINE = 16 << 20  # bytes; what follows on the same line is skipped, so that the line is malformed
MAX_LINES = 1 << 22  # of one file; the largest task has 12,032
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
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
    """Lines of a file, about 256 KiB at a time; every chunk ends with the end of a line.

    Raises DumpUnreadable where the file cannot be opened or read.
    """
    try:
        with open_binary(path) as stream:
            chunk = stream.read(CHUNK).removeprefix(_BYTE_ORDER_MARK)
            while chunk:
                rest = tail = stream.readline(MAX_LINE)
                while tail and not tail.endswith(b"\n"):
                    tail = stream.readline(CHUNK)
                chunk += rest
                yield chunk if chunk.endswith(b"\n") else chunk + b"\n"
                chunk = stream.read(CHUNK)
    except OSError as error:
        raise DumpUnreadable(f"expected JSON lines: {error}") from error


def numbered_chunks(path: str) -> Iterator[tuple[int, int, bytes]]:
    """Number of the first line, number of lines and bytes of each chunk of `read_chunks`.

    Raises DumpUnreadable where there is nothing but white space, or more lines than any file has.
    """
    first = 0
    blank = True
    for chunk in read_chunks(path):
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


def _constant(name: str) -> str | None:
    return None if name == "NaN" else name


def _finite(digits: str) -> float | str:
    value = float(digits)
    return digits if value in (np.inf, -np.inf) else value


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), "null")


def as_text(value: object) -> str | None:
    """A JSON value as text, strings as they are; None for null, and for what nests too deep."""
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except RecursionError:
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
