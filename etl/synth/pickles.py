"""A pickle of plain data and NumPy arrays as a stream: no array is ever held whole."""

from __future__ import annotations

import math
import pickle
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np


@dataclass(frozen=True)
class Pieces:
    """An array in C order, given in pieces along its first axis; dtype: such as `f8` or `U12`."""

    shape: tuple[int, ...]
    dtype: str
    chunks: Iterable[np.ndarray]


Content = str | list[str] | Pieces | Iterator[tuple[str, "Content"]]
"""What a pickle can hold; an iterator of keys and values becomes a dict."""


def write_pickle(path: Path, content: Content) -> None:
    """Write one protocol-4 pickle to a file. Raises ValueError where pieces do not add up to their shape."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(pickle.PROTO + bytes([4]))
        _write(file, content)
        file.write(pickle.STOP)


def _write(file: BinaryIO, content: Content) -> None:
    if isinstance(content, Pieces):
        _write_array(file, content)
    elif isinstance(content, Iterator):
        file.write(pickle.EMPTY_DICT + pickle.MARK)
        for key, value in content:
            file.write(_plain(key))
            _write(file, value)
        file.write(pickle.SETITEMS)
    else:
        file.write(_plain(content))


def _write_array(file: BinaryIO, array: Pieces) -> None:
    """What NumPy's own pickles say of an array, and then its bytes."""
    kind = np.dtype("<" + array.dtype)
    size = math.prod(array.shape) * kind.itemsize
    empty, arguments, _ = tuple(np.empty(0, kind).__reduce__())
    file.write(_plain(empty) + _plain(arguments) + pickle.REDUCE + pickle.MARK + _plain(1))
    file.write(_plain(array.shape) + _plain(kind) + _plain(False))
    file.write(pickle.BINBYTES8 + struct.pack("<Q", size))
    written = sum(file.write(np.ascontiguousarray(c, kind).view(np.uint8).data) for c in array.chunks)
    if written != size:
        raise ValueError(f"array of shape {array.shape}: found {written} bytes, expected {size}")
    file.write(pickle.TUPLE + pickle.BUILD)


def _plain(value: object) -> bytes:
    """Opcodes of a value of its own: in protocol 3 there are no frames to cut."""
    return pickle.dumps(value, 3)[2:-1]
