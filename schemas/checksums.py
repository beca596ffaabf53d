"""The files of a release folder: which belong to it, and `SHA256SUMS`, which lists them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

CHECKSUMS = "SHA256SUMS"
BELOW = r"^(?!/)(?!(.*/)?\.{0,2}(/|\Z))[^\x00-\x1f\x7f\\]+\Z"
"""Relative path, POSIX, that leads out of no folder."""
_IGNORED = frozenset({"__pycache__", ".git", ".cache", ".gitattributes"})
"""What programs leave in a folder that is no part of it."""


def files(root: Path, folder: str = ".") -> list[str]:
    """Paths below `root` of the files in one of its folders, sorted; without caches, `.git`, `SHA256SUMS`."""
    found = (path.relative_to(root) for path in (root / folder).rglob("*") if not path.is_dir())
    return sorted(p.as_posix() for p in found if not _IGNORED.intersection(p.parts) and str(p) != CHECKSUMS)


def format_checksums(sums: Mapping[str, str]) -> str:
    """Text of `SHA256SUMS`, in the form that `sha256sum --check` reads."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))


def parse_checksums(lines: Iterable[str]) -> dict[str, str]:
    """Path -> SHA-256. Raises ValueError for a line that is none, with its number in front.

    No path leads out of the folder.
    """
    sums = {}
    for number, line in enumerate(lines, 1):
        digest, gap, name = line.partition("  ")
        if len(digest) != 64 or not gap or not name:
            raise ValueError(f"[line {number}]: found {line[:80]!r}, expected `sha256  path`")
        if not re.search(BELOW, name):
            raise ValueError(f"[line {number}]: found path {name[:80]!r}, expected one below the release")
        sums[name] = digest
    return sums


def git_blob(data: bytes) -> str:
    """Git's name of a file's content, which the Hub tells of small files."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def seal(sums: Mapping[str, str]) -> str:
    """SHA-256 of a whole release: of the lines of `SHA256SUMS`, without the changelog, which tells it."""
    told = format_checksums({path: digest for path, digest in sums.items() if path != "CHANGELOG.md"})
    return hashlib.sha256(told.encode()).hexdigest()
