"""Records of files that were written, each record with a digest of its own.

A file is used again only where its bytes are those that its record names. A record that was cut short or
altered, or has another form, counts as none: what it spoke of is made anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from routerset.schemas import plainfiles, store

SEAL = "seal"
"""Key of a record's digest: of all else that it says."""
MAX_BYTES = 1 << 30
"""Of a record, at most: some million files."""


def write_sealed(path: Path, value: Mapping[str, object]) -> None:
    """Write a record atomically: a JSON object with its seal."""
    store.write_json(path, _sealed(value))


def read_sealed(path: Path) -> store.JsonObject | None:
    """What was written as a record; None where none is there, or what is there is not what was written."""
    try:
        value = plainfiles.read_json(path, MAX_BYTES)
        if not isinstance(value, dict):
            return None
        seal = value.pop(SEAL, None)
        return value if seal == _seal(value) else None
    except (ValueError, RecursionError, FileNotFoundError, NotADirectoryError, plainfiles.NotARegularFile):
        return None


def seal_folder(record: Path, name: str, facts: Mapping[str, object]) -> None:
    """Write a record beside the files of a folder: facts, and digests by name. name: the folder's own."""
    digests = {path.name: store.sha256(path) for path in sorted(record.parent.iterdir())}
    sealed = _sealed({**facts, "folder": name, "outputs": digests})
    store.write_text(record, json.dumps(sealed))  # many, and long: to indent them takes ten times as long


def sealed_folder(record: Path) -> store.JsonObject | None:
    """The record of a folder that is as it was written, with no file more; None of any other."""
    found = read_sealed(record)
    if found is None or found.get("folder") != record.parent.name:
        return None
    outputs = found["outputs"]
    if {path.name for path in record.parent.iterdir()} != {record.name, *outputs}:
        return None
    return found if all(digest_of(record.with_name(n)) == digest for n, digest in outputs.items()) else None


def identity(path: Path | str) -> str:
    """What the file system says of a file: size, times and inode; empty where there is none.

    It changes whenever the file's bytes do, or another file takes its name, whatever size and time that has.
    It also changes where a file is copied, so that it tells when to look, and never what is there.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - to make a Path takes three times as long as to ask
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"


def digest_of(path: Path | str) -> str:
    """SHA-256 of a file, taken once by a process while its identity stays; empty where it cannot be read."""
    return _digest(str(path), identity(path))


@functools.lru_cache(1 << 16)
def _digest(path: str, _identity: str) -> str:
    try:
        return store.sha256(path)
    except OSError:
        return ""


def _sealed(value: Mapping[str, object]) -> store.JsonObject:
    """A record as plain values, with its seal."""
    plain = json.loads(json.dumps(value, allow_nan=False))
    return {**plain, SEAL: _seal(plain)}


def _seal(value: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
