"""CSV as people write it: which encoding, which delimiter, and records that may span lines."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import BinaryIO, cast

import pyarrow as pa

from routerset.etl.sources.base import DumpUnreadable, SpecError
from routerset.etl.sources.files import inflated

MAX_BYTES = 1 << 26  # of one record, and of the records of one batch; 14,042 scores take less than 300 kB
MAX_LINES = 1 << 16  # of one record
MAX_HEADER = 1 << 24  # bytes
MAX_COLUMNS = 1 << 17
DELIMITERS = (",", ";", "\t", "|")
NO_VALUE = (
    *(ArithmeticError, AttributeError, ImportError, LookupError, NotImplementedError, TypeError, ValueError),
    pa.ArrowException,
)
"""What Arrow raises for a value that Python has no like of, such as a time beyond the year 9999."""
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowException)
ENCODING_REMEDY = 'if its text is not UTF-8, name its encoding, such as encoding = "latin-1"'
_CHUNK = 1 << 18
_FOREIGN = (
    (0, b"PK\x03\x04", "found a zip archive (or a spreadsheet): unpack it, or save it as CSV"),
    (257, b"ustar", "found a tar archive: unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "found a 7z archive: unpack it"),
    (0, b"Rar!", "found a rar archive: unpack it"),
    (0, b"BZh", "found a bzip2 archive: unpack it"),
    (0, b"\xfd7zXZ\x00", "found an xz archive: unpack it"),
    (0, b"PAR1", "found Parquet: name the file .parquet"),
    (0, b"<!DOCTYPE", "found a web page: download the file itself"),
    (0, b"<html", "found a web page: download the file itself"),
    (0, b"\xff\xfe\x00\x00", 'found UTF-32: set encoding = "utf-32"'),
    (0, b"\x00\x00\xfe\xff", 'found UTF-32: set encoding = "utf-32"'),
    (0, b"\xff\xfe", 'found UTF-16: set encoding = "utf-16"'),
    (0, b"\xfe\xff", 'found UTF-16: set encoding = "utf-16"'),
)
"""What other files start with: place, bytes there, and what to say."""


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written. delimiter: one ASCII character; None: the header tells. encoding: Python's name.

    Raises SpecError where either can be no such thing.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        mark = self.delimiter
        if mark is not None and (len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\r\n'):
            raise SpecError(f"delimiter = {mark!r}: expected one character, such as ';' or '\\t'")
        try:
            codecs.getincrementaldecoder(self.encoding)
            b" ".decode(self.encoding, "replace")  # refuses what is no encoding of text
        except (LookupError, ValueError) as error:
            raise SpecError(
                f"encoding = {self.encoding!r} is none that Python knows; such as utf-8, utf-16, latin-1"
            ) from error

    @property
    def is_utf8(self) -> bool:
        """Whether the text is UTF-8 as it stands."""
        return codecs.lookup(self.encoding).name == "utf-8"


ANY = Dialect()
"""UTF-8, and the delimiter that the header tells."""


def open_text(stream: BinaryIO, dialect: Dialect) -> BinaryIO:
    """A CSV's text as UTF-8, inflated where it is compressed. Bytes that cannot be decoded are escaped."""
    stream = inflated(stream)
    if dialect.is_utf8:
        return stream
    return cast(BinaryIO, io.BufferedReader(_Recoded(stream, dialect.encoding), _CHUNK))


class _Recoded(io.RawIOBase):
    """Text of any encoding as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("backslashreplace")
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._waiting:
            data = self._stream.read(_CHUNK)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:  # UTF-16 without a byte order mark
                raise OSError(str(error)) from error
            self._waiting = text.encode("utf-8", "backslashreplace")
            if not data:
                break
        taken, self._waiting = self._waiting[: len(view)], self._waiting[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


def read_csv_header(
    stream: BinaryIO, dialect: Dialect, wanted: Collection[str] = ()
) -> tuple[list[str], Dialect]:
    """Names of a CSV's columns, and the dialect with its delimiter; what follows in the stream are the rows.

    The delimiter that is not named is the one under which the header has a name of `wanted`, or else the
    one under which it has most names. Raises DumpUnreadable where there is no header, csv.Error and
    UnicodeDecodeError where it cannot be parsed.
    """
    line = next(_records(stream, None, None), b"")
    told = re.fullmatch(rb'(?:\xef\xbb\xbf)?"?sep=(.)"?\s*', line, re.IGNORECASE)  # a hint to spreadsheets
    if told:
        line = next(_records(stream, None, None), b"")
        try:
            dialect = replace(dialect, delimiter=dialect.delimiter or told[1].decode("latin-1"))
        except SpecError as error:
            raise DumpUnreadable(f"found {told[0][:20]!r}: {error}") from error
    for place, start, found in _FOREIGN:
        if line[place:].startswith(start):
            raise DumpUnreadable(found)
    if b"\x00" in line:
        raise DumpUnreadable('found NUL bytes, as text in UTF-16 has them: set encoding = "utf-16-le"')
    if b"\r" in line.rstrip(b"\r\n") and b"\n" not in line.rstrip(b"\r\n"):
        raise DumpUnreadable("found lines that end with a carriage return alone: end them with a line feed")
    if len(line) > MAX_HEADER:
        raise DumpUnreadable(f"found a header of {len(line)} bytes, expected {MAX_HEADER} at most")
    text = line.decode("utf-8-sig")
    failed: Exception = DumpUnreadable("found an empty line")
    best: tuple[list[str], str] = ([], "")
    for delimiter in [dialect.delimiter] if dialect.delimiter else DELIMITERS:
        if text.count(delimiter) > MAX_COLUMNS:
            raise DumpUnreadable(f"found more than {MAX_COLUMNS} {delimiter!r} in the header, expected fewer")
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            names = next(reader, [])
        except csv.Error as error:
            failed = error
            continue
        if set(wanted) & {name.strip() for name in names}:
            return names, replace(dialect, delimiter=delimiter)
        if len(names) > len(best[0]):
            best = names, delimiter
    if not best[0]:
        raise failed
    return best[0], replace(dialect, delimiter=best[1])


def csv_records(stream: BinaryIO, delimiter: str, width: int) -> Iterator[bytes]:
    """Records of a CSV in order, each with the end of its line; empty lines are none.

    A record spans lines where a quoted cell does, and the whole makes `width` cells. A quote that is left
    open costs no more than its own line, which then is a record with an odd number of quotes.
    Raises OSError where a line has no end.
    """
    return _records(stream, delimiter, width)


def _records(stream: BinaryIO, delimiter: str | None, width: int | None) -> Iterator[bytes]:
    """In legal CSV, quotes are open after a line exactly where their number so far is odd.

    So a record that begins with a line of an odd number ends with the next such line, or nowhere.
    """
    held: list[bytes] = []
    size = 0
    try:
        while line := stream.readline(MAX_BYTES):
            if len(line) == MAX_BYTES:
                raise OSError(f"found a line of {MAX_BYTES} bytes or more")
            odd = line.count(b'"') % 2
            if not (held or odd):
                if line.strip():
                    yield line
                continue
            held.append(line)
            size += len(line)
            if odd and len(held) > 1:
                whole = b"".join(held)
                if width is None or is_record(whole, str(delimiter), width):
                    yield whole
                    held, size = [], 0
                else:
                    yield from filter(bytes.strip, held[:-1])
                    held, size = [line], len(line)
            elif size >= MAX_BYTES or len(held) >= MAX_LINES:
                yield from filter(bytes.strip, held)
                held, size = [], 0
    except UNREADABLE:
        yield from filter(bytes.strip, held)
        raise
    yield from filter(bytes.strip, held)


def is_record(record: bytes, delimiter: str, width: int) -> bool:
    """Whether a record is legal CSV (RFC 4180) of `width` cells."""
    bare = _quoted_cells(delimiter).sub(b"", record).rstrip(b"\r\n")
    return bare.count(delimiter.encode()) + 1 == width and not any(
        mark in bare for mark in (b'"', b"\n", b"\r")
    )


@cache
def _quoted_cells(delimiter: str) -> re.Pattern[bytes]:
    mark = re.escape(delimiter.encode())
    return re.compile(rb'(?:\A|(?<=%b))"(?:[^"]++|"")*+"(?=%b|\r?\n?\Z)' % (mark, mark))
