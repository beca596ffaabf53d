"""Reads pickles of plain data without running them.

A pickle is a program, and the standard library runs it. Here an interpreter admits a closed list of opcodes,
which can only build plain values, and a closed list of names that numpy writes, each of them re-enacted here
and never imported or called. All else is refused before it has any effect.

Large array payloads stay on disk (`ArrayRef`). One budget bounds memory and time: an opcode costs an element,
and so do 64 bytes of text or payload held in memory. The finished data must fit the same number when written
out in full, each shared part once per reference, so that whoever walks through it is safe too.
"""

from __future__ import annotations

import codecs
import math
import os
import pickletools
import re
import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

MAX_ELEMENTS = 1 << 23  # twice the text of all twelve benchmarks; at worst about 2 GB of memory
MAX_DEPTH = 100
INLINE_BYTES = 1 << 16  # larger payloads stay on disk
_UNIT = 64  # bytes that cost as much as one element
_LINE_BYTES = 1024  # of a number or a name
_KEY_COST = 256  # elements; numbers can be chosen to collide in a dict, at a quadratic cost: few may be keys


class PickleError(ValueError):
    """The file is malformed, truncated or too large; the message names the file, the byte and the opcode."""


class UnsafePickle(PickleError):
    """The file asks for something else than plain data; nothing of it was run."""


def _damaged(found: object, expected: object) -> PickleError:
    return PickleError(f"found {found}, expected {expected}: the file is damaged, get it again")


def _refused(found: str, expected: str, save: str = "dicts, lists, text and numpy arrays") -> UnsafePickle:
    return UnsafePickle(f"found {found}, expected {expected}: save the file again with {save}")


def _show(value: object) -> str:
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
            with Path(self.path).open("rb") as file:
                for run in range(runs):
                    file.seek(self.offset + (first + run * stride) * self.dtype.itemsize)
                    if file.readinto(target[run * size : (run + 1) * size]) != size:
                        raise _damaged("the end of the file", f"the rest of {self.dtype} {self.shape}")
            return _valid(flat)
        except PickleError as error:
            raise PickleError(f"{self.path}[array at byte {self.offset}]: {error}") from None


PlainKey: TypeAlias = str | bytes | int | np.integer | None
PlainData: TypeAlias = (
    "PlainKey | float | np.generic | np.ndarray | np.dtype | ArrayRef"
    " | list[PlainData] | tuple[PlainData, ...] | dict[PlainKey, PlainData]"
)


def load_pickle(path: str | Path, *, max_elements: int = MAX_ELEMENTS) -> PlainData:
    """The plain data in a pickle of protocol 0 to 5, as Python 2.7 and later and numpy 1 and 2 write them.

    Array payloads of more than 64 KiB come back as `ArrayRef`; other arrays come back in memory, read-only,
    and so do those whose bytes do not lie in the file as they are: written by Python 3 in protocols 0 to 2,
    with axes permuted otherwise than in Fortran order, or of text objects. A dtype keeps the file's byte
    order. A Python 2 str is ASCII text, or the bytes of an array. Refused though harmless: sets, bytearrays,
    OrderedDict, complex, dates, structured arrays, object arrays of anything but text, None and lists of
    these, and dict keys other than text, bytes, integers and None.

    Raises PickleError (malformed, truncated, contains itself, more than `max_elements`), UnsafePickle
    (anything but plain data), OSError (cannot be opened).
    """
    with Path(path).open("rb") as file:
        return _Interpreter(str(path), file, max_elements).run()


class _Pending:
    """What may lie on the stack without being a plain value, or without being one yet."""

    def settle(self) -> object:
        """The plain value, asked for when it becomes part of the data."""
        raise NotImplementedError


class _Blob(_Pending):
    """Bytes, a bytearray or a Python 2 str: an array's payload or plain data, as its use will show."""

    def __init__(self, interpreter: _Interpreter, kind: type, size: int, data: bytes | None) -> None:
        self.interpreter, self.kind, self.size, self.data = interpreter, kind, size, data
        self.offset, self.value = interpreter.position, ""

    def read(self) -> bytes:
        if self.data is None:
            self.data = self.interpreter.take_at(self.offset, self.size)
        return self.data

    def settle(self) -> object:
        if self.kind is bytes:
            return self.read()
        if self.kind is bytearray:
            raise _refused("a bytearray", "plain data", "bytes")
        if not self.read().isascii():
            raise _refused("a Python 2 str beyond ASCII", "one that is text or an array", "Python 3")
        self.value = self.value or self.read().decode("ascii")
        return self.value


_Items: TypeAlias = tuple[object, ...]
_Call: TypeAlias = "Callable[[_Interpreter, _Items], object]"  # None where numpy writes no such arguments


class _Skeleton(_Pending):
    """An array or a dtype that REDUCE has made; BUILD gives it its value."""

    def __init__(self, build: _Call) -> None:
        self.build = build
        self.value: object = None

    def settle(self) -> object:
        if self.value is None:
            raise _damaged("an array or a dtype in use", "its state first")
        return self.value


@dataclass(frozen=True)
class _Callable(_Pending):
    """A name that numpy writes, and what is done here where a pickle calls it."""

    name: str
    call: _Call

    def settle(self) -> object:
        raise _refused(f"the name {self.name}", "a value")


def _settled(value: object) -> object:
    """A value as part of the data; only a tuple short enough for arguments or a state has pending parts."""
    if isinstance(value, tuple) and len(value) <= 5 and any(isinstance(item, _Pending) for item in value):
        return tuple(map(_settled, value))
    return value.settle() if isinstance(value, _Pending) else value


class _Interpreter:
    """A file read up to `position`, a stack, the stacks below its marks, a memo, the rest of the budget."""

    def __init__(self, path: str, file: BinaryIO, max_elements: int) -> None:
        self.path, self.file, self.max_elements, self.budget = path, file, max_elements, max_elements
        self.size, self.position, self.copied = os.fstat(file.fileno()).st_size, 0, 0
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def run(self) -> PlainData:
        start, name = 0, "START"
        try:
            while name != "STOP":
                start, name = self.position, "NEXT"
                code = self.take(1)
                if code not in _OPCODES:
                    raise _damaged(f"byte {code!r}", "an opcode of a pickle, not compressed")
                name, read, act = _OPCODES[code]
                self.charge(1)
                act(self, read(self))
            return self.result()
        except (IndexError, ValueError) as error:  # of pop, int, float, decode and reshape, or raised here
            known = error if isinstance(error, PickleError) else _damaged(error, "a sound argument")
            raise type(known)(f"{self.path}[byte {start}, {name}]: {known}") from None

    def result(self) -> PlainData:
        value = _settled(self.stack.pop())
        if self.stack or self.marks or self.position != self.size:
            raise _damaged("more values or bytes", "one value and the end of the file")
        _extent(value, 0, self.max_elements, {})
        return value  # type: ignore[return-value]  # whatever became part of it has been settled

    # the file

    def require(self, size: int) -> None:
        if not 0 <= size <= self.size - self.position:
            raise _damaged(f"{self.size - self.position} bytes to the end of the file", size)

    def charge(self, elements: int) -> None:
        self.budget -= elements
        if self.budget < 0:
            raise PickleError(f"found more than {self.max_elements} elements: allow more with max_elements")

    def copy(self, size: int) -> None:
        # no byte that a writer has written needs more than two copies; a hostile file can ask for any number
        self.charge(1 + size // _UNIT)
        self.copied += size
        if self.copied > 2 * self.size:
            raise _refused("the same bytes used again and again", "each once")

    def take(self, size: int) -> bytes:
        self.require(size)
        self.charge(size // _UNIT)
        data = self.file.read(size)
        self.position += size
        if len(data) != size:
            raise _damaged(f"{len(data)} bytes", f"{size}, as when the file was opened")
        return data

    def take_at(self, offset: int, size: int) -> bytes:
        back, self.position = self.position, self.file.seek(offset)
        data = self.take(size)
        self.position = self.file.seek(back)
        return data

    def line(self, limit: int) -> bytes:
        data = self.file.readline(limit)
        self.position += len(data)
        self.charge(len(data) // _UNIT)
        if not data.endswith(b"\n"):
            raise _damaged(f"{len(data)} bytes without an end of line", "a line")
        return data[:-1]

    # the stack and the memo

    def push(self, value: object) -> None:
        self.stack.append(value)

    def last(self, count: int) -> list[object]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def mark(self, _: None) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def to_mark(self) -> list[object]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def store(self, index: int) -> None:
        # every writer counts from 0 or 1 without gaps; free numbers could be chosen to collide in the dict
        if not 0 <= index <= len(self.memo) + 1:
            raise _damaged(f"memo index {index}", f"at most {len(self.memo) + 1}")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise _damaged(f"memo index {index}", "one that is in use")
        self.push(self.memo[index])

    # plain values

    def protocol(self, version: int) -> None:
        if version > 5:
            raise _refused(f"protocol {version}", "at most 5", "protocol 4")

    def integer(self, size: int) -> None:
        if size > _LINE_BYTES:
            raise _damaged(f"an integer of {size} bytes", f"at most {_LINE_BYTES}")
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def decimal(self, line: bytes) -> None:
        self.push(line == b"01" if line in (b"00", b"01") else int(line.removesuffix(b"L")))

    def text(self, size: int) -> None:
        self.push(self.take(size).decode("utf-8", "surrogatepass"))

    def blob(self, kind: type, size: int) -> None:
        if size <= INLINE_BYTES:
            self.inline(kind, self.take(size))
        else:
            self.require(size)
            self.push(_Blob(self, kind, size, None))
            self.position = self.file.seek(self.position + size)

    def inline(self, kind: type, data: bytes) -> None:
        if kind is str and data.isascii():
            self.push(data.decode("ascii"))
        else:
            self.push(data if kind is bytes else _Blob(self, kind, len(data), data))

    def literal(self, line: bytes) -> None:
        quote, body = line[:1], line[1:-1]
        if quote not in (b"'", b'"') or line[1:][-1:] != quote or b"\\" in _ESCAPE.sub(b"", body):
            raise _damaged("a malformed Python 2 str", "quotes and known escapes")
        self.inline(str, codecs.escape_decode(body)[0])

    def pack(self, items: list[object]) -> None:
        kept = _Blob | _Callable if len(items) <= 5 else ()
        self.push(tuple(item if isinstance(item, kept) else _settled(item) for item in items))

    def extend(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise _refused(f"{_show(target)} to append to", "a list")
        target.extend([_settled(item) for item in items])

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise _refused(f"{len(items)} items for {_show(target)}", "pairs for a dict")
        for key, value in zip(map(_settled, items[::2]), map(_settled, items[1::2]), strict=True):
            if isinstance(key, int | np.integer) and -(1 << 53) < key < 1 << 53:
                self.charge(_KEY_COST)
            elif not isinstance(key, str | bytes | None):
                raise _refused(f"{_show(key)} as a key", "text, bytes, an integer below 2**53 or None")
            if key in target:
                raise _damaged(f"the key {_show(key)} twice", "it once")
            target[key] = value

    # names, calls and states

    def name(self, names: Iterable[object]) -> None:
        module, name = names
        if not (isinstance(module, str) and isinstance(name, str)):
            raise _damaged(f"{_show(module)} and {_show(name)}", "the text of a name")
        if (module, name) not in _CALLABLES:
            save = _SAVE.get(module.partition(".")[0], "dicts, lists, text and numpy arrays")
            raise _refused(f"the name {_show(module)} {_show(name)}", "plain data", save)
        self.push(_CALLABLES[module, name])

    def reduce(self, _: None) -> None:
        function, arguments = self.last(2)
        if not isinstance(function, _Callable):
            raise _refused(f"a call of {_show(function)}", "one that numpy writes")
        self.push(self.call(f"a call of {function.name}", function.call, arguments))

    def build(self, _: None) -> None:
        skeleton, state = self.last(2)
        if not isinstance(skeleton, _Skeleton) or skeleton.value is not None:
            raise _refused(f"a state for {_show(skeleton)}", "a new array or dtype")
        skeleton.value = self.call("a state", skeleton.build, state)
        self.push(skeleton)

    def call(self, name: str, function: _Call, arguments: object) -> object:
        result = function(self, arguments) if isinstance(arguments, tuple) else None
        if result is None:
            raise _refused(f"{name} of a strange form", "that of a plain array", "numpy.asarray of it")
        return result


# numpy's names, re-enacted


def _reconstruct(_: _Interpreter, arguments: _Items) -> object:
    match arguments:
        case (function, (int(0),), bytes(b"b") | str("b")) if function is _NDARRAY:
            return _Skeleton(_array_state)
    return None


def _array_state(interpreter: _Interpreter, state: _Items) -> object:
    match state:
        case (int(1), tuple() as shape, np.dtype() as dtype, int() as fortran, raw):
            return _array(interpreter, shape, dtype, raw, "F" if fortran else "C")
    return None


def _frombuffer(interpreter: _Interpreter, arguments: _Items) -> object:
    match arguments:
        case (raw, np.dtype() as dtype, tuple() as shape, str("C" | "F" as order)):
            return _array(interpreter, shape, dtype, raw, order)
        case (raw, np.dtype() as dtype, tuple() as shape, str("K"), tuple() as axes):
            if all(type(axis) is int for axis in axes) and sorted(axes) == list(range(len(shape))):
                return _in_memory(interpreter, shape, dtype, raw).transpose(axes)
    return None


def _scalar(interpreter: _Interpreter, arguments: _Items) -> object:
    match arguments:
        case (np.dtype() as dtype, bytes(b"") | str("")) if not dtype.itemsize:
            return dtype.type()
        case (np.dtype() as dtype, raw) if not dtype.hasobject:
            return _in_memory(interpreter, (), dtype, raw)[()]
    return None


def _dtype(_: _Interpreter, arguments: _Items) -> object:
    match arguments:
        case (str() as name, int(0 | 1), int(0 | 1)) if _DTYPE.fullmatch(name):
            try:
                return _Skeleton(partial(_dtype_state, np.dtype("O" if name[0] == "O" else name)))
            except TypeError:
                raise _refused(f"dtype {name}", "one that numpy has on this machine", "float64") from None
        case (str() as name, *_):
            raise _refused(f"dtype {_show(name)}", "truth values, numbers or text")
    return None


def _dtype_state(base: np.dtype, _: _Interpreter, state: _Items) -> object:
    match state:
        case (int(3), str("<" | ">" | "|" as order), None, None, None, int() as size, int(), int()):
            if size in (-1, base.itemsize) and (order == "|") == (base.byteorder == "|"):
                return base.newbyteorder(order)
    return None


def _latin1(interpreter: _Interpreter, arguments: _Items) -> object:
    match arguments:
        case (str() as text, str("latin1")):
            interpreter.copy(len(text))
            return text.encode("latin-1")
    return None


def _array(interpreter: _Interpreter, shape: _Items, dtype: np.dtype, raw: object, order: str) -> object:
    """The array in `raw`, or a reference to it where `raw` was left on disk."""
    if isinstance(raw, _Blob) and raw.data is None:
        return ArrayRef(interpreter.path, raw.offset, _sizes(shape, dtype, raw), dtype, order == "F")
    return _in_memory(interpreter, shape, dtype, raw, order)


def _in_memory(
    interpreter: _Interpreter, shape: _Items, dtype: np.dtype, raw: object, order: str = "C"
) -> np.ndarray:
    sizes = _sizes(shape, dtype, raw)
    if isinstance(raw, list):  # numpy lists objects in C order, whatever the array's own
        flat, order = np.empty(len(raw), object), "C"
        for index, cell in enumerate(raw):
            flat[index] = _text_cell(interpreter, cell, 4)
    else:
        data = raw.read() if isinstance(raw, _Blob) else raw.encode("ascii") if isinstance(raw, str) else raw
        interpreter.copy(math.prod(sizes) * dtype.itemsize)
        flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)  # type: ignore[call-overload]
    return _valid(flat).reshape(sizes, order="F" if order == "F" else "C")


def _sizes(shape: _Items, dtype: np.dtype, raw: object) -> tuple[int, ...]:
    """The shape, once it is known to be one, and `raw` to be a payload of that size for that dtype."""
    sizes = tuple(size for size in shape if type(size) is int and 0 <= size < 1 << 48)
    if len(sizes) < len(shape) or len(sizes) > 64:
        raise _damaged(f"an impossible shape of {len(shape)} axes", "sizes")
    if not isinstance(raw, list if dtype.hasobject else bytes | str | _Blob):
        raise _refused(f"{_show(raw)} as an array of {dtype}", "its bytes, or a list of text")
    size = raw.size if isinstance(raw, _Blob) else len(raw) * (dtype.itemsize if isinstance(raw, list) else 1)
    if size != math.prod(sizes) * dtype.itemsize:
        raise _damaged(f"{size} bytes", f"{math.prod(sizes)} times {dtype.itemsize} for {dtype} {sizes}")
    if math.prod(max(axis, 1) for axis in sizes) > max(size, INLINE_BYTES):
        raise _damaged(
            f"nothing in an array of shape {sizes}", "elements"
        )  # whoever walks its axes never ends
    return sizes


def _text_cell(interpreter: _Interpreter, cell: object, depth: int) -> object:
    interpreter.copy(1)
    if isinstance(cell, list) and depth:  # copied: nothing that follows in the file can change it
        return [_text_cell(interpreter, part, depth - 1) for part in cell]
    if cell is None or isinstance(cell, str):
        return cell
    raise _refused(f"{_show(cell)} in an object array", "text, None or lists of them")


def _valid(flat: np.ndarray) -> np.ndarray:
    """The array, read-only, once none of its bytes can upset numpy."""
    if flat.size and flat.dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise _damaged("a truth value other than 0 and 1", "0 or 1")
    if flat.size and flat.dtype.kind == "U" and flat.view(flat.dtype.str[0] + "u4").max() > 0x10FFFF:
        raise _damaged("a character beyond U+10FFFF", "text")
    flat.setflags(write=False)
    return flat


def _extent(value: object, depth: int, limit: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(nesting depth, elements when written out in full) of plain data; looks into each container once."""
    children: Collection[object]
    if isinstance(value, list | tuple):
        children = value
    elif isinstance(value, dict):
        children = (*value, *value.values())
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        children = value.ravel()
    else:
        return 0, 1 + (len(value) if isinstance(value, str | bytes) else getattr(value, "nbytes", 0)) // _UNIT
    if not len(children):
        return 1, 1
    if depth + known.get(id(value), (1, 0))[0] > MAX_DEPTH:
        raise PickleError(f"found nesting beyond {MAX_DEPTH}, or data that contains itself: save it flatter")
    if id(value) not in known:
        height, elements = 0, 1
        for child in children:
            child_height, child_elements = _extent(child, depth + 1, limit, known)
            height, elements = max(height, child_height), elements + child_elements
        if elements > limit:
            raise PickleError(f"found shared parts worth over {limit} elements: allow more with max_elements")
        known[id(value)] = height + 1, elements
    return known[id(value)]


# the closed lists

_ESCAPE = re.compile(rb"\\(?:[\\'\"nrt]|x[0-9a-f]{2})")  # what Python 2 writes
_DTYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[US][0-9]{1,9}|O[48]?")

_NDARRAY = _Callable("numpy.ndarray", lambda _, __: None)
_CALLABLES = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Callable("numpy.dtype", _dtype),
    ("_codecs", "encode"): _Callable("_codecs.encode", _latin1),  # bytes in protocols 0 to 2
    ("__builtin__", "bytes"): _Callable("bytes", lambda _, arguments: None if arguments else b""),
    ("builtins", "bytes"): _Callable("bytes", lambda _, arguments: None if arguments else b""),
}
for _core in ("numpy.core", "numpy._core"):
    _CALLABLES[f"{_core}.multiarray", "_reconstruct"] = _Callable("numpy _reconstruct", _reconstruct)
    _CALLABLES[f"{_core}.multiarray", "scalar"] = _Callable("numpy scalar", _scalar)
    _CALLABLES[f"{_core}.numeric", "_frombuffer"] = _Callable("numpy _frombuffer", _frombuffer)

_SAVE = {
    "pandas": "dicts and numpy arrays (to_dict, to_numpy), or as CSV",
    "torch": "numpy arrays (tensor.numpy())",
    "collections": "a dict",
}


def _number(layout: str) -> Callable[[_Interpreter], Any]:
    unpack, size = struct.Struct(layout).unpack, struct.calcsize(layout)
    return lambda interpreter: unpack(interpreter.take(size))[0]


def _nothing(_: _Interpreter) -> None:
    return None


def _not_admitted(_: _Interpreter, __: None) -> None:
    raise _refused("an opcode that is not admitted", "those that make plain data")


def _line(interpreter: _Interpreter) -> bytes:
    return interpreter.line(_LINE_BYTES)


def _long_line(interpreter: _Interpreter) -> bytes:
    return interpreter.line(_UNIT * (interpreter.budget + 1))


def _new_dict(interpreter: _Interpreter, items: list[object]) -> None:
    interpreter.push({})
    interpreter.set_items(items)


# the closed list of opcodes: how an argument is read, and what is done with it
_I: TypeAlias = _Interpreter
_ACTIONS: dict[str, tuple[Callable[[_I], Any], Callable[[_I, Any], None]]] = {
    "PROTO": (_number("<B"), _I.protocol),
    "FRAME": (_number("<Q"), _I.require),
    "STOP": (_nothing, lambda i, _: None),
    "MARK": (_nothing, _I.mark),
    "NONE": (_nothing, _I.push),
    "NEWTRUE": (lambda i: True, _I.push),
    "NEWFALSE": (lambda i: False, _I.push),
    "INT": (_line, _I.decimal),
    "LONG": (_line, _I.decimal),
    "FLOAT": (_line, lambda i, line: i.push(float(line))),
    "BININT": (_number("<i"), _I.push),
    "BININT1": (_number("<B"), _I.push),
    "BININT2": (_number("<H"), _I.push),
    "BINFLOAT": (_number(">d"), _I.push),
    "LONG1": (_number("<B"), _I.integer),
    "LONG4": (_number("<i"), _I.integer),
    "UNICODE": (_long_line, lambda i, line: i.push(line.decode("raw-unicode-escape"))),
    "BINUNICODE": (_number("<I"), _I.text),
    "SHORT_BINUNICODE": (_number("<B"), _I.text),
    "BINUNICODE8": (_number("<Q"), _I.text),
    "STRING": (_long_line, _I.literal),
    "BINSTRING": (_number("<i"), lambda i, size: i.blob(str, size)),
    "SHORT_BINSTRING": (_number("<B"), lambda i, size: i.blob(str, size)),
    "BINBYTES": (_number("<I"), lambda i, size: i.blob(bytes, size)),
    "SHORT_BINBYTES": (_number("<B"), lambda i, size: i.blob(bytes, size)),
    "BINBYTES8": (_number("<Q"), lambda i, size: i.blob(bytes, size)),
    "BYTEARRAY8": (_number("<Q"), lambda i, size: i.blob(bytearray, size)),
    "EMPTY_LIST": (lambda i: [], _I.push),
    "LIST": (_I.to_mark, lambda i, items: i.push([_settled(item) for item in items])),
    "APPEND": (lambda i: i.last(1), _I.extend),
    "APPENDS": (_I.to_mark, _I.extend),
    "EMPTY_TUPLE": (lambda i: (), _I.push),
    "TUPLE": (_I.to_mark, _I.pack),
    "TUPLE1": (lambda i: i.last(1), _I.pack),
    "TUPLE2": (lambda i: i.last(2), _I.pack),
    "TUPLE3": (lambda i: i.last(3), _I.pack),
    "EMPTY_DICT": (lambda i: {}, _I.push),
    "DICT": (_I.to_mark, _new_dict),
    "SETITEM": (lambda i: i.last(2), _I.set_items),
    "SETITEMS": (_I.to_mark, _I.set_items),
    "PUT": (_line, lambda i, line: i.store(int(line))),
    "BINPUT": (_number("<B"), _I.store),
    "LONG_BINPUT": (_number("<I"), _I.store),
    "MEMOIZE": (lambda i: len(i.memo), _I.store),
    "GET": (_line, lambda i, line: i.recall(int(line))),
    "BINGET": (_number("<B"), _I.recall),
    "LONG_BINGET": (_number("<I"), _I.recall),
    "GLOBAL": (lambda i: (_line(i).decode(), _line(i).decode()), _I.name),
    "STACK_GLOBAL": (lambda i: i.last(2), _I.name),
    "REDUCE": (_nothing, _I.reduce),
    "BUILD": (_nothing, _I.build),
}
_OPCODES = {
    opcode.code.encode("latin-1"): (opcode.name, *_ACTIONS.get(opcode.name, (_nothing, _not_admitted)))
    for opcode in pickletools.opcodes
}
