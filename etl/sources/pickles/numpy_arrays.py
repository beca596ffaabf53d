"""The names that numpy writes into pickles, re-enacted here and never imported or called."""

from __future__ import annotations

import math
import re
from functools import partial

import numpy as np

from routerset.etl.sources.pickles.array_refs import ArrayRef, checked, damaged, refused, show
from routerset.etl.sources.pickles.values import Admitted, Blob, Function, Items, Machine, Skeleton

INLINE_BYTES = 1 << 16  # larger payloads stay on disk
DTYPES = r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[US][0-9]{1,9}|O[48]?"
_UNITS = (b"s", b"ms", b"us", b"ns")  # of times


def _reconstruct(_: Machine, arguments: Items) -> object:
    match arguments:
        case (function, (int(0),), bytes(b"b") | str("b")) if function is _NDARRAY:
            return Skeleton(_array_state)
    return None


def _array_state(machine: Machine, state: Items) -> object:
    match state:
        case (int(1), tuple() as shape, np.dtype() as dtype, int() as fortran, raw):
            return _array(machine, shape, dtype, raw, "F" if fortran else "C")
    return None


def _frombuffer(machine: Machine, arguments: Items) -> object:
    match arguments:
        case (raw, np.dtype() as dtype, tuple() as shape, str("C" | "F" as order)):
            return _array(machine, shape, dtype, raw, order)
        case (raw, np.dtype() as dtype, tuple() as shape, str("K"), tuple() as axes):
            if all(type(axis) is int for axis in axes) and sorted(axes) == list(range(len(shape))):
                return _in_memory(machine, shape, dtype, raw).transpose(axes)
    return None


def _scalar(machine: Machine, arguments: Items) -> object:
    match arguments:
        case (np.dtype() as dtype, bytes(b"") | str("")) if not dtype.itemsize:
            return dtype.type()
        case (np.dtype() as dtype, raw) if not dtype.hasobject:
            return _in_memory(machine, (), dtype, raw)[()]
    return None


def _dtype(machine: Machine, arguments: Items) -> object:
    match arguments:
        case (str() as name, int(0 | 1), int(0 | 1)) if machine.admitted.dtypes.fullmatch(name):
            try:
                return Skeleton(partial(_dtype_state, np.dtype("O" if name[0] == "O" else name)))
            except TypeError:
                raise refused(f"dtype {name}", "one that numpy has on this machine", "float64") from None
        case (str() as name, *_):
            raise refused(f"dtype {show(name)}", "truth values, numbers or text")
    return None


def _dtype_state(base: np.dtype, _: Machine, state: Items) -> object:
    match state:
        case (int(3), str("<" | ">" | "|" as order), None, None, None, int() as size, int(), int()):
            if size in (-1, base.itemsize) and (order == "|") == (base.byteorder == "|"):
                return base.newbyteorder(order)
        case (
            int(4),
            str("<" | ">" as order),
            None,
            None,
            None,
            int(),
            int(),
            int(),
            ({} | None, (unit, 1, 1, 1)),
        ):
            if base.kind in "mM" and unit in _UNITS:
                return np.dtype(f"{base.kind}8[{unit.decode()}]").newbyteorder(order)
    return None


def _latin1(machine: Machine, arguments: Items) -> object:
    match arguments:
        case (str() as text, str("latin1")):
            machine.copy(len(text))
            return text.encode("latin-1")
    return None


def _array(machine: Machine, shape: Items, dtype: np.dtype, raw: object, order: str) -> object:
    """The array in `raw`, or a reference to it where `raw` was left on disk."""
    if isinstance(raw, Blob) and raw.data is None:
        return ArrayRef(machine.path, raw.offset, _sizes(shape, dtype, raw), dtype, order == "F")
    return _in_memory(machine, shape, dtype, raw, order)


def _in_memory(machine: Machine, shape: Items, dtype: np.dtype, raw: object, order: str = "C") -> np.ndarray:
    sizes = _sizes(shape, dtype, raw)
    if isinstance(raw, list):  # numpy lists objects in C order, whatever the array's own
        flat, order = np.empty(len(raw), object), "C"
        for index, cell in enumerate(raw):
            flat[index] = machine.admitted.cell(machine, cell, 4)
    else:
        data = raw.read() if isinstance(raw, Blob) else raw.encode("ascii") if isinstance(raw, str) else raw
        machine.copy(math.prod(sizes) * dtype.itemsize)
        flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)  # type: ignore[call-overload]
    return checked(flat).reshape(sizes, order="F" if order == "F" else "C")


def _sizes(shape: Items, dtype: np.dtype, raw: object) -> tuple[int, ...]:
    """The shape, once it is known to be one, and `raw` to be a payload of that size for that dtype."""
    sizes = tuple(size for size in shape if type(size) is int and 0 <= size < 1 << 48)
    if len(sizes) < len(shape) or len(sizes) > 64:
        raise damaged(f"an impossible shape of {len(shape)} axes", "sizes")
    if not isinstance(raw, list if dtype.hasobject else bytes | str | Blob):
        raise refused(f"{show(raw)} as an array of {dtype}", "its bytes, or a list of text")
    size = raw.size if isinstance(raw, Blob) else len(raw) * (dtype.itemsize if isinstance(raw, list) else 1)
    if size != math.prod(sizes) * dtype.itemsize:
        raise damaged(f"{size} bytes", f"{math.prod(sizes)} times {dtype.itemsize} for {dtype} {sizes}")
    if math.prod(max(axis, 1) for axis in sizes) > max(size, INLINE_BYTES):
        raise damaged(
            f"nothing in an array of shape {sizes}", "elements"
        )  # whoever walks its axes never ends
    return sizes


def _text_cell(machine: Machine, cell: object, depth: int) -> object:
    machine.copy(1)
    if isinstance(cell, list) and depth:  # copied: nothing that follows in the file can change it
        return [_text_cell(machine, part, depth - 1) for part in cell]
    if cell is None or isinstance(cell, str):
        return cell
    raise refused(f"{show(cell)} in an object array", "text, None or lists of them")


_NDARRAY = Function("numpy.ndarray", lambda _, __: None)
FUNCTIONS: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Function("numpy.dtype", _dtype),
    ("_codecs", "encode"): Function("_codecs.encode", _latin1),  # bytes in protocols 0 to 2
    ("__builtin__", "bytes"): Function("bytes", lambda _, arguments: None if arguments else b""),
    ("builtins", "bytes"): Function("bytes", lambda _, arguments: None if arguments else b""),
}
for _core in ("numpy.core", "numpy._core"):
    FUNCTIONS[f"{_core}.multiarray", "_reconstruct"] = Function("numpy _reconstruct", _reconstruct)
    FUNCTIONS[f"{_core}.multiarray", "scalar"] = Function("numpy scalar", _scalar)
    FUNCTIONS[f"{_core}.numeric", "_frombuffer"] = Function("numpy _frombuffer", _frombuffer)

PLAIN = Admitted(FUNCTIONS, re.compile(DTYPES), _text_cell)
ADVICE = {
    "pandas": "dicts and numpy arrays (to_dict, to_numpy), or as CSV",
    "torch": "numpy arrays (tensor.numpy())",
    "collections": "a dict",
}
