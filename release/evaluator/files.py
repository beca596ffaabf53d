"""Opens files that somebody else may have put there: only regular ones, and none is read without end."""

from __future__ import annotations

import json
import os
import stat
from io import BufferedReader
from pathlib import Path

MAX_JSON = 1 << 26
"""Bytes of a manifest, at most: 20 times that of the largest release."""


def open_regular(path: Path) -> BufferedReader:
    """A regular file, open to read its bytes; never waits. Raises OSError for a pipe, a device, a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("found a pipe, a device or a folder, expected a file")
    return os.fdopen(descriptor, "rb")


def read_json(path: Path) -> object:
    """The document of a JSON file. Raises OSError, and ValueError for none, a long or a deep one."""
    with open_regular(path) as stream:
        data = stream.read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise ValueError(f"found more than {MAX_JSON:,} bytes")
    try:
        document: object = json.loads(data, parse_constant=_no_number, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return document


def _no_number(name: str) -> float:
    raise ValueError(f"found {name}, expected a number")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object repeats a key")
    return found
