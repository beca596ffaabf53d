"""A list of JSON, or lines of it, in a file or alone in a zip archive: its elements."""

from __future__ import annotations

import codecs
import io
import json
import re
import zipfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

import msgspec

from routerset.etl.sources import files
from routerset.etl.sources.base import Dump, DumpUnreadable
from routerset.etl.sources.parse.archives import UNREADABLE, is_plain, opened, refusal
from routerset.etl.sources.parse.jsonlines import MAX_LINE, MAX_VALUES, decode_line, holds_too_much
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

MAX_BYTES = 256 << 20  # of the inflated list; 12,032 rows of MMLU-Pro take about 20 MB
MAX_ELEMENT = 1 << 22  # characters of an element that can be told from the end of a list that was cut
WHOLE = 1 << 26  # bytes of a file that is decoded at once
_PIECE = 1 << 20
_SPACE = re.compile(r"[ \t\n\r]*")
_OBJECT: msgspec.json.Decoder[object] = msgspec.json.Decoder(dict[str, object])


@contextmanager
def _opened(dump: Dump) -> Iterator[io.BufferedReader]:
    """The one JSON file of an archive, whose name is never used as a path; or the file, if it is none."""
    if not dump.name.lower().endswith(".zip"):
        with files.open_inflated(dump.path) as stream:
            yield io.BufferedReader(_Bounded(stream, "a JSON list"), _PIECE)
        return
    expected = "a zip archive with one JSON file"
    with opened(dump.path, expected) as archive:
        try:
            inner = archive.open(_member(archive))
        except DumpUnreadable:
            raise
        except UNREADABLE as error:
            raise DumpUnreadable(f"expected {expected}: {error}") from error
        with inner:
            yield io.BufferedReader(_Bounded(inner, expected), _PIECE)


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file whose name, all of it, ends as JSON does; notes of macOS and links are none."""
    members = [m for m in archive.infolist() if m.orig_filename.lower().endswith(".json") and is_plain(m)]
    if len(members) != 1:
        raise DumpUnreadable(f"found {len(members)} JSON files in the archive, expected one")
    refused = refusal(members[0], MAX_BYTES)
    if refused is not None:
        raise DumpUnreadable(refused)
    return members[0]


class _Bounded(io.RawIOBase):
    """Bytes of a stream up to a limit, whatever it claims to hold. Raises DumpUnreadable."""

    def __init__(self, stream: IO[bytes], expected: str) -> None:
        self._stream, self._expected, self._left = stream, expected, MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._stream.read(min(len(view), _PIECE))
        except UNREADABLE as error:
            raise DumpUnreadable(f"expected {self._expected}: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise DumpUnreadable(f"found a list of more than {MAX_BYTES} bytes")
        view[: len(data)] = data
        return len(data)


def elements(dump: Dump, decoder: msgspec.json.Decoder[Any], field: str) -> Iterator[object]:
    """Elements of a JSON list or of JSON lines; what comes after the last whole one of a list is a BadRow.

    decoder: of a whole list. field: what the first object has, where there are lines.
    Raises DumpUnreadable where the archive is broken, encrypted or too large, or holds no JSON list.
    """
    with _opened(dump) as stream:
        data = b"".join(islice(iter(lambda: stream.read(_PIECE), b""), WHOLE // _PIECE))
    if len(data) < WHOLE and not holds_too_much(data, 2 * MAX_VALUES):
        try:
            yield from decoder.decode(data)
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # element by element, then: json is slower, but tells where it stops and takes NaN
    with _opened(dump) as stream:
        start = data[:_PIECE].removeprefix(BOM_UTF8).lstrip()
        if start.startswith(b"{") and f'"{field}"'.encode() in start.partition(b"\n")[0]:
            yield from (decode_line(line, number, _OBJECT) for number, line in enumerate(_lines(stream)))
        else:
            yield from _one_by_one(_Window(stream))


def _lines(stream: io.BufferedReader) -> Iterator[bytes]:
    """Lines that are not blank; what is longer than a line may be is cut."""
    while line := stream.readline(MAX_LINE):
        if line.strip():
            yield line
        while line and not line.endswith(b"\n"):
            line = stream.readline(_PIECE)


class _Window:
    """A piece of a text that is read on as it is asked for. before: characters that are gone already."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text, self.before = "", 0
        self.more()
        self.text = self.text.removeprefix("\ufeff")

    def more(self) -> bool:
        """Read as much again; whether there was anything."""
        data = self._stream.read(max(_PIECE, len(self.text)))
        more = self._decoder.decode(data, final=not data)
        self.text += more
        return bool(more)

    def skip(self, at: int) -> int:
        """Position of the first character from `at` on that is no white space."""
        while True:
            if at > _PIECE:
                self.text, self.before, at = self.text[at:], self.before + at, 0
            found = _SPACE.match(self.text, at)
            at = found.end() if found else at
            if at < len(self.text) or not self.more():
                return at


def _one_by_one(window: _Window) -> Iterator[object]:
    """Elements of a list."""
    at = window.skip(0)
    if window.text[at : at + 1] != "[":
        raise DumpUnreadable(f"expected a JSON list, found {window.text[at : at + 20]!a}")
    decoder = json.JSONDecoder()
    n = 0
    at = window.skip(at + 1)
    try:
        while window.text[at : at + 1] != "]":
            if n:
                if window.text[at : at + 1] != ",":
                    raise ValueError(f"expected ',' or ']' at character {window.before + at}")
                at = window.skip(at + 1)
            while True:
                try:
                    element, end = decoder.raw_decode(window.text, at)
                except ValueError:
                    if len(window.text) - at > MAX_ELEMENT or not window.more():
                        raise
                    continue
                if end < len(window.text) or not window.more():  # a number may go on
                    break
            yield element
            n += 1
            at = window.skip(end)
        at = window.skip(at + 1)
        if at < len(window.text):
            raise ValueError(f"expected the end at character {window.before + at}")
    except (ValueError, RecursionError) as error:
        detail = f"expected a whole JSON list: {error}"
        yield BadRow(n, Reason.MALFORMED_ROW, detail, excerpt=window.text[at : at + EXCERPT])
