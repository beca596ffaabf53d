"""Files that somebody else may have put there: only regular ones are opened, and none is read without end."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

MAX_JSON = 1 << 26
"""Bytes of a JSON document of ours, at most: 20 times the manifest of the largest release."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How what Git LFS leaves in place of a file starts."""
LFS_HINT = "found a Git LFS pointer, expected the file that it points to: run `git lfs pull` where it lies"
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_KINDS |= {stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link"}


class NotARegularFile(OSError):
    """A path that names a pipe, a device, a socket, a folder, or a link where none may be."""

    def __init__(self, path: Path | str, found: str) -> None:
        super().__init__(errno.EINVAL, f"found {found}, expected a file", str(path))


def kind(mode: int) -> str | None:
    """What a mode of `os.stat` says that a path is, in words; None for a regular file."""
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file that starts so is what Git LFS leaves in place of one."""
    return start.startswith(LFS_POINTER)


def lfs_hint(path: Path) -> str | None:
    """What to do about a file that cannot be read because Git LFS has not fetched it; None for any other."""
    try:
        with open_regular(path) as stream:
            start = stream.read(len(LFS_POINTER))
    except OSError:
        return None
    return f"{path}: {LFS_HINT}" if is_lfs_pointer(start) else None


def open_regular(path: Path | str, *, follow: bool = True) -> BufferedReader:
    """A regular file, open to read its bytes. Never waits, whatever lies there.

    follow: whether a link at the end of the path is followed. Raises NotARegularFile, and OSError as `open`.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise NotARegularFile(path, "a link") from error
        if error.errno == errno.ENXIO:
            raise NotARegularFile(path, "a socket") from error
        raise
    found = kind(os.fstat(descriptor).st_mode)
    if found:
        os.close(descriptor)
        raise NotARegularFile(path, found)
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path | str, limit: int, *, follow: bool = True) -> bytes:
    """All bytes of a regular file. Raises ValueError for more than `limit`, else as `open_regular`."""
    with open_regular(path, follow=follow) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path}: found more than {limit:,} bytes, expected {limit:,} at most")
    return data


def parse_json(data: bytes, where: object) -> object:
    """A JSON document as UTF-8. Raises ValueError that names `where` it stood, also if nested too deep.

    NaN, infinity and keys that an object repeats are no JSON.
    """
    try:
        document: object = json.loads(data, parse_constant=_no_number, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"{where}: no JSON that can be read: nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{where}: no JSON ({error})") from error
    return document


def _no_number(name: str) -> float:
    raise ValueError(f"found {name}, expected a number")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object repeats a key")
    return found


def read_json(path: Path | str, limit: int = MAX_JSON, *, follow: bool = True) -> object:
    """The document of a JSON file. Raises ValueError for none or a larger one, else as `open_regular`."""
    return parse_json(read_bytes(path, limit, follow=follow), path)


def entries(root: Path) -> Iterator[tuple[str, str | None]]:
    """Everything below a folder but folders, by relative POSIX path, sorted; no link is followed.

    Yields each with its `kind`: None for a regular file.
    """
    waiting = [""]
    found: list[tuple[str, str | None]] = []
    while waiting:
        inside = waiting.pop()
        with os.scandir(root / inside) as listed:
            for entry in listed:
                path = f"{inside}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
                else:
                    found.append((path, kind(entry.stat(follow_symlinks=False).st_mode)))
    yield from sorted(found)
