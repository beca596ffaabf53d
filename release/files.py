"""The files of a release folder: which belong to it, their checksums, and reading a table of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.release.errors import ReleaseInputError
from routerset.release.layout import CHECKSUMS

_IGNORED = frozenset({"__pycache__", ".git", ".cache", ".gitattributes"})


@contextmanager
def reading(path: Path) -> Iterator[pq.ParquetFile]:
    """An open Parquet file; raises ReleaseInputError where it is missing or unreadable."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise ReleaseInputError(f"{path}: not found; build or fetch it again") from None
    except (OSError, pa.ArrowException) as error:
        raise ReleaseInputError(f"{path}: unreadable ({error}); build or fetch it again") from error


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A whole Parquet file, or some columns of it. Raises ReleaseInputError as `reading` does."""
    with reading(path) as file:
        return file.read(columns=columns)


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files(release: Path) -> list[str]:
    """Relative paths of all files that belong to a release folder, sorted; caches and `.git` do not."""
    found = (p.relative_to(release) for p in release.rglob("*") if not p.is_dir())
    return sorted(p.as_posix() for p in found if not _IGNORED.intersection(p.parts) and str(p) != CHECKSUMS)


def checksums(release: Path, known: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of every file but `SHA256SUMS` itself; those that are `known` are not computed again."""
    return {path: known[path] if path in known else sha256(release / path) for path in files(release)}


def format_checksums(sums: Mapping[str, str]) -> str:
    """Text of `SHA256SUMS`, in the form that `sha256sum --check` reads."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))


def read_text(path: Path) -> str:
    """A text file with its newlines as they are. Raises ReleaseInputError where it is missing or no text."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseInputError(f"{path}: unreadable ({error}); build or fetch it again") from error


def read_checksums(release: Path) -> dict[str, str]:
    """Path -> SHA-256, from `SHA256SUMS`.

    Raises ReleaseInputError where it is missing, or by any byte not what `format_checksums` writes.
    """
    path = release / CHECKSUMS
    text = read_text(path)
    sums = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        digest, separator, name = line.partition("  ")
        if len(digest) != 64 or not separator or not name:
            raise ReleaseInputError(f"{path}[line {number}]: found {line[:80]!r}, expected `sha256  path`")
        sums[name] = digest
    if format_checksums(sums) != text:
        raise ReleaseInputError(
            f"{path}: found lines that are out of order, repeated or cut off, expected every path once, "
            "sorted; fetch the release again"
        )
    return sums
