"""Arrays left on disk by the pickle reader, and the errors it raises."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from routerset.schemas.plainfiles import open_regular


class PickleError(ValueError):
    """The file is malformed, truncated or too large; the message names the file, the byte and the opcode."""


class UnsafePickle(PickleError):
    """The file asks for something else than plain data; nothing of it was run."""


def damaged(found: object, expected: object) -> PickleError:
    return PickleError(f"found {found}, expected {expected}: the file is damaged, get it again")


def refused(found: str, expected: str, save: str = "dicts, lists, text and numpy arrays") -> UnsafePickle:
    return UnsafePickle(f"found {found}, expected {expected}: save the file again with {save}")


def show(value: object) -> str:
    """A value of the file as a message can carry it."""
    if isinstance(value, str | bytes):
        return repr(value[:80])
    if isinstance(value, int | float | None):
        return repr(value)[:80]
    return f"a {type(value).__name__.strip('_').lower()}"


@dataclass(frozen=True)
class ArrayRef:
    """An array left on disk: `shape` elements of `dtype` from byte `offset` of `path`, C or Fortran order.

    Both methods hold only what they return, which is read-only. They raise PickleError if the file has become
    shorter or holds what the dtype forbids (a truth value other than 0 and 1, text beyond U+10FFFF).
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    def load(self) -> np.ndarray:
        """The whole array, its axes in their own order whatever the order on disk."""
        return self._read(math.prod(self.shape)).reshape(self.shape, order="F" if self.fortran else "C")

    def rows(self, start: int, stop: int) -> np.ndarray:
        """`array[start:stop]`, in Fortran order by one read per column; IndexError if there is no axis."""
        rows, columns = self.shape[0], math.prod(self.shape[1:])
        first, last, _ = slice(start, stop).indices(rows)
        count = max(last - first, 0)
        if self.fortran:
            return self._read(count, first, columns, rows).reshape((count, *self.shape[1:]), order="F")
        return self._read(count * columns, first * columns).reshape(count, *self.shape[1:])

    def _read(self, count: int, first: int = 0, runs: int = 1, stride: int = 0) -> np.ndarray:
        """`runs` runs of `count` elements, end to end; run i starts at element first + i * stride."""
        flat = np.empty(runs * count, self.dtype)
        target, size = flat.view(np.uint8).data, count * self.dtype.itemsize
        try:
            with open_regular(self.path) as file:
                for run in range(runs):
                    file.seek(self.offset + (first + run * stride) * self.dtype.itemsize)
                    if file.readinto(target[run * size : (run + 1) * size]) != size:
                        raise damaged("the end of the file", f"the rest of {self.dtype} {self.shape}")
            return checked(flat)
        except PickleError as error:
            raise PickleError(f"{self.path}[array at byte {self.offset}]: {error}") from None


def checked(flat: np.ndarray) -> np.ndarray:
    """The array, read-only, once none of its bytes can upset numpy."""
    if flat.size and flat.dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise damaged("a truth value other than 0 and 1", "0 or 1")
    if flat.size and flat.dtype.kind == "U" and flat.view(flat.dtype.str[0] + "u4").max() > 0x10FFFF:
        raise damaged("a character beyond U+10FFFF", "text")
    flat.setflags(write=False)
    return flat
