"""Zip archives in bounded memory, whatever they claim to hold; no member's name is ever used as a path."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from routerset.etl.sources import files
from routerset.etl.sources.base import DumpUnreadable

MAX_RATIO = 200  # inflated to compressed; real files have 4 to 8
MAX_DIRECTORY = 16 << 20  # bytes of the list of members; 12,032 of them take 1 MB
UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
"""What reading a damaged archive raises."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def opened(path: str, expected: str) -> Iterator[zipfile.ZipFile]:
    """The archive at a path. Raises DumpUnreadable where it is none, or lists more members than any dump."""
    with files.open_binary(path) as stream:
        try:
            archive = zipfile.ZipFile(_Listed(stream))
        except DumpUnreadable:
            raise
        except UNREADABLE as error:
            raise DumpUnreadable(f"expected {expected}: {error}") from error
        with archive:
            yield archive


class _Listed:
    """A stream of which zipfile cannot read, which it does at once, a list of members that is too long."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell, self.close, self.seekable = (
            stream.seek,
            stream.tell,
            stream.close,
            stream.seekable,
        )

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            raise DumpUnreadable(
                f"found a list of members of {size} bytes, expected at most {MAX_DIRECTORY}: split it"
            )
        return self._stream.read(size)


def is_plain(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file of the dump: no folder, no link, no note of macOS."""
    name = member.orig_filename
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return not (is_link or name.endswith("/") or "__MACOSX" in name)


def refusal(member: zipfile.ZipInfo, most: int) -> str | None:
    """Why a member is not read, if so: it says that it inflates to far too much, or only others can read it.

    most: bytes that it may inflate to.
    """
    if member.file_size > min(most, MAX_RATIO * max(member.compress_size, 1 << 10)):
        sizes = f"{member.compress_size} bytes that inflate to {member.file_size}"
        return f"found {sizes}, expected at most {MAX_RATIO} times and {most}"
    if member.flag_bits & 1:
        return "found an encrypted file in the archive, expected a plain one"
    if member.compress_type not in _METHODS:
        return f"found compression method {member.compress_type}, expected deflate"
    return None
