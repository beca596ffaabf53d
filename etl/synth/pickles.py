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
        data = value.encode()
        self._file.write(pickle.BINUNICODE + struct.pack("<I", len(data)) + data)

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
        self._global("numpy._core.multiarray", "_reconstruct")
        self._global("numpy", "ndarray")
        self._integers((0,))
        self._file.write(pickle.SHORT_BINBYTES + b"\x01b" + pickle.TUPLE3 + pickle.REDUCE)
        self._file.write(pickle.MARK)
        self._integer(1)
        self._integers(shape)
        self._dtype(kind, dtype)
        self._file.write(pickle.NEWFALSE + pickle.BINBYTES8 + struct.pack("<Q", size))
        written = 0
        for chunk in chunks:
            data = np.ascontiguousarray(chunk, kind).view(np.uint8).data
            written += self._file.write(data)
        if written != size:
            raise ValueError(f"array of shape {shape}: found {written} bytes, expected {size}")
        self._file.write(pickle.TUPLE + pickle.BUILD)

    def _dtype(self, kind: np.dtype[np.generic], name: str) -> None:
        self._global("numpy", "dtype")
        self.text(name)
        self._file.write(pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3 + pickle.REDUCE + pickle.MARK)
        self._integer(3)
        self.text("<")
        self._file.write(3 * pickle.NONE)
        is_text = kind.kind == "U"
        for number in (kind.itemsize, 4, 8) if is_text else (-1, -1, 0):
            self._integer(number)
        self._file.write(pickle.TUPLE + pickle.BUILD)

    def _global(self, module: str, name: str) -> None:
        self.text(module)
        self.text(name)
        self._file.write(pickle.STACK_GLOBAL)

    def _integers(self, values: tuple[int, ...]) -> None:
        self._file.write(pickle.MARK)
        for value in values:
            self._integer(value)
        self._file.write(pickle.TUPLE)

    def _integer(self, value: int) -> None:
        self._file.write(pickle.BININT + struct.pack("<i", value))
