"""PyTorch's file of tensors, written without PyTorch: a zip of a pickle and of the numbers.

The layout is that of `torch.save` since version 1.6; `torch.load(path, weights_only=True)` reads it.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_TIME = (1980, 1, 1, 0, 0, 0)
_REBUILD, _HOOKS = b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n)R"
"""What makes a tensor, and the hooks of a tensor that has none."""


def tensor(matrix: npt.NDArray[np.float32]) -> bytes:
    """A file that holds one tensor, (n, d)."""
    return _file(b"\x80\x02" + _view(matrix.size, 0, matrix.shape, True) + b".", matrix)


def rows_by_number(matrix: npt.NDArray[np.float32]) -> bytes:
    """A file that holds a dict: number of a row -> tensor (d,)."""
    n, d = matrix.shape
    rows = (_number(row) + _view(matrix.size, row * d, (d,), row == 0) for row in range(n))
    return _file(b"\x80\x02}(" + b"".join(rows) + b"u.", matrix)


def _view(size: int, offset: int, shape: Iterable[int], first: bool) -> bytes:
    """Opcodes of a tensor: a view into the storage of `size` numbers, rows one after the other.

    first: whether it puts into the memo what later ones take from there.
    """
    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu")
    sizes = list(shape)
    strides = [int(np.prod(sizes[at + 1 :], dtype=np.int64)) for at in range(len(sizes))]
    shared = (_REBUILD, storage + _number(size) + b"tQ", _HOOKS)
    rebuild, stored, hooks = (
        made + b"q" + bytes([at]) if first else b"h" + bytes([at]) for at, made in enumerate(shared)
    )
    view = stored + _number(offset) + _tuple(sizes) + _tuple(strides)
    return rebuild + b"(" + view + b"\x89" + hooks + b"tR"


def _tuple(numbers: Iterable[int]) -> bytes:
    return b"(" + b"".join(map(_number, numbers)) + b"t"


def _number(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _file(pickled: bytes, matrix: npt.NDArray[np.float32]) -> bytes:
    members = {
        "data.pkl": pickled,
        "byteorder": b"little",
        "data/0": np.ascontiguousarray(matrix, "<f4").tobytes(),
        "version": b"3\n",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}", _TIME), content)
    return stream.getvalue()
