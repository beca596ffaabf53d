"""A pickle of plain data and NumPy arrays as a stream: no array is ever held whole."""

from __future__ import annotations

import math
import pickle
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

Plain = str | int | None | tuple["Plain", ...]


class PickleWriter:
    """Writes one protocol-4 pickle to a file; opcodes as in `pickletools`, no frames, no memo.

    Inside `dictionary()`, write keys and values in turn.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")

    def __enter__(self) -> PickleWriter:
        self._file.write(pickle.PROTO + bytes([4]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write(pickle.STOP)
        self._file.close()

    @contextmanager
    def dictionary(self) -> Iterator[None]:
        """A dict of the keys and values written inside."""
        self._file.write(pickle.EMPTY_DICT + pickle.MARK)
        yield
        self._file.write(pickle.SETITEMS)

    def text(self, value: str) -> None:
        """A string."""
        self._file.write(_plain(value))

    def texts(self, values: Iterable[str]) -> None:
        """A list of strings."""
        self._file.write(pickle.EMPTY_LIST + pickle.MARK)
        for value in values:
            self.text(value)
        self._file.write(pickle.APPENDS)

    def array(self, shape: tuple[int, ...], dtype: str, chunks: Iterable[np.ndarray]) -> None:
        """An array in C order, given in pieces along its first axis.

        dtype: little-endian, without the sign, such as `f8` or `U12`. Raises ValueError where the pieces
        do not add up to the shape.
        """
        kind = np.dtype("<" + dtype)
        size = math.prod(shape) * kind.itemsize
        empty = _named("numpy._core.multiarray", "_reconstruct") + _named("numpy", "ndarray") + _plain((0,))
        self._file.write(empty + pickle.SHORT_BINBYTES + b"\x01b" + pickle.TUPLE3 + pickle.REDUCE)
        self._file.write(pickle.MARK + _plain(1) + _plain(shape) + _dtype(kind, dtype) + _plain(False))
        self._file.write(pickle.BINBYTES8 + struct.pack("<Q", size))
        written = 0
        for chunk in chunks:
            data = np.ascontiguousarray(chunk, kind).view(np.uint8).data
            written += self._file.write(data)
        if written != size:
            raise ValueError(f"array of shape {shape}: found {written} bytes, expected {size}")
        self._file.write(pickle.TUPLE + pickle.BUILD)


def _dtype(kind: np.dtype[np.generic], name: str) -> bytes:
    sizes = (kind.itemsize, 4, 8) if kind.kind == "U" else (-1, -1, 0)
    made = _named("numpy", "dtype") + _plain(name) + _plain(False) + _plain(True)
    state = _plain((3, "<", None, None, None, *sizes))
    return made + pickle.TUPLE3 + pickle.REDUCE + state + pickle.BUILD


def _named(module: str, name: str) -> bytes:
    return _plain(module) + _plain(name) + pickle.STACK_GLOBAL


def _plain(value: Plain) -> bytes:
    match value:
        case None:
            return pickle.NONE
        case bool():
            return pickle.NEWTRUE if value else pickle.NEWFALSE
        case int():
            return pickle.BININT + struct.pack("<i", value)
        case str():
            data = value.encode()
            return pickle.BINUNICODE + struct.pack("<I", len(data)) + data
        case _:
            return pickle.MARK + b"".join(map(_plain, value)) + pickle.TUPLE
