"""The files of a release folder: which belong to it, and `SHA256SUMS`, which lists them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from routerset.schemas import plainfiles

CHECKSUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
"""The list, and a signature of it: what they do not list themselves."""
CHANGELOG = "CHANGELOG.md"
BELOW = r"^(?!/)(?!(.*/)?\.{0,2}(/|\Z))[^\x00-\x1f\x7f\\]+\Z"
"""Relative path, POSIX, that leads out of no folder."""
_BESIDE = (".git", ".gitattributes"), (".git/", ".cache/huggingface/")
"""What Git and the Hub's client leave at the top of a folder: names, and beginnings of paths."""


def entries(root: Path, *, links: bool = False) -> Iterator[tuple[str, str | None]]:
    """Paths below `root` of everything that must be listed, sorted, each with its kind if it is no file.

    links: whether links are files, as in the cache of the Hub's client. Only what it and Git keep at the top
    is left out: everywhere else such names are strangers.
    """
    names, beginnings = _BESIDE
    for path, found in plainfiles.entries(root):
        kind = None if links and found == "a link" else found
        beside = path in names or path.startswith(beginnings)
        if not (beside or path in (CHECKSUMS, SIGNATURE)) or (kind and "/" not in path):
            yield path, kind


def files(root: Path, folder: str = ".") -> list[str]:
    """Paths below `root` of everything in one of its folders that must be listed, sorted."""
    if folder == ".":
        return [path for path, _ in entries(root)]
    inside = root / folder
    return [f"{folder}/{path}" for path, _ in plainfiles.entries(inside)] if inside.is_dir() else []


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
    told = format_checksums({path: digest for path, digest in sums.items() if path != CHANGELOG})
    return hashlib.sha256(told.encode()).hexdigest()
