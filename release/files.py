"""Reads the files of a release folder: tables, texts and checksums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.release.errors import ReleaseInputError
from routerset.schemas.checksums import CHECKSUMS, files, format_checksums, parse_checksums
from routerset.schemas.plainfiles import MAX_JSON, lfs_hint, open_regular, read_bytes
from routerset.schemas.store import sha256


@contextmanager
def reading(path: Path) -> Iterator[pq.ParquetFile]:
    """An open Parquet file; raises ReleaseInputError where it is missing or unreadable."""
    try:
        with open_regular(path) as stream, pq.ParquetFile(stream) as file:
            yield file
    except FileNotFoundError:
        raise ReleaseInputError(f"{path}: not found; build or fetch it again") from None
    except (OSError, pa.ArrowException) as error:
        why = lfs_hint(path) or f"{path}: unreadable ({error}); build or fetch it again"
        raise ReleaseInputError(why) from error


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A whole Parquet file, or some columns of it. Raises ReleaseInputError as `reading` does."""
    with reading(path) as file:
        return file.read(columns=columns)


def checksums(release: Path, known: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of every file but `SHA256SUMS` itself; those that are `known` are not computed again."""
    return {path: known[path] if path in known else sha256(release / path) for path in files(release)}


def read_text(path: Path) -> str:
    """A text file with its newlines as they are. Raises ReleaseInputError where it is missing or no text."""
    try:
        return read_bytes(path, MAX_JSON).decode()
    except (OSError, ValueError) as error:
        raise ReleaseInputError(f"{path}: unreadable ({error}); build or fetch it again") from error


def read_checksums(release: Path) -> dict[str, str]:
    """Path -> SHA-256, from `SHA256SUMS`.

    Raises ReleaseInputError where it is missing, or by any byte not what `format_checksums` writes.
    """
    path = release / CHECKSUMS
    text = read_text(path)
    try:
        sums = parse_checksums(text.split("\n")[:-1])
    except ValueError as error:
        raise ReleaseInputError(f"{path}{error}") from error
    if format_checksums(sums) != text:
        raise ReleaseInputError(
            f"{path}: found lines that are out of order, repeated or cut off, expected every path once, "
            "sorted; fetch the release again"
        )
    return sums
