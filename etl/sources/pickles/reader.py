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
import os
import pickletools
import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from routerset.etl.sources.files import open_binary
from routerset.etl.sources.pickles.array_refs import (
    ArrayRef,
    PickleError,
    UnsafePickle,
    damaged,
    refused,
    show,
)
from routerset.etl.sources.pickles.numpy_arrays import ADVICE, INLINE_BYTES, PLAIN
from routerset.etl.sources.pickles.plain_data import SMALLER, UNIT, PlainData, PlainKey, extent
from routerset.etl.sources.pickles.values import (
    Admitted,
    Blob,
    Call,
    Class,
    Function,
    Made,
    Skeleton,
    settled,
)

__all__ = ["ArrayRef", "PickleError", "PlainData", "PlainKey", "UnsafePickle", "load_pickle"]

MAX_ELEMENTS = 1 << 23  # twice the text of all twelve benchmarks; at worst about 2 GB of memory
_LINE_BYTES = 1024  # of a number or a name
_KEY_COST = 256  # elements; numbers can be chosen to collide in a dict, at a quadratic cost: few may be keys


def load_pickle(
    path: str | Path, *, max_elements: int = MAX_ELEMENTS, admitted: Admitted = PLAIN
) -> PlainData:
    """The plain data in a pickle of protocol 0 to 5, as Python 2.7 and later and numpy 1 and 2 write them.

    Array payloads of more than 64 KiB come back as `ArrayRef`; other arrays come back in memory, read-only,
    and so do those whose bytes do not lie in the file as they are: written by Python 3 in protocols 0 to 2,
    with axes permuted otherwise than in Fortran order, or of text objects. A dtype keeps the file's byte
    order. A Python 2 str is ASCII text, or the bytes of an array. Refused though harmless: sets, bytearrays,
    OrderedDict, complex, dates, structured arrays, object arrays of anything but text, None and lists of
    these, and dict keys other than text, bytes, integers and None. Where `admitted` has other names, what a
    pickle would make by them is in the data as `Made`.

    Raises PickleError (malformed, truncated, contains itself, more than `max_elements`), UnsafePickle
    (anything but plain data), OSError (cannot be opened).
    """
    with open_binary(str(path)) as file:
        return _Interpreter(str(path), file, max_elements, admitted).run()


class _Interpreter:
    """A file read up to `position`, a stack, the stacks below its marks, a memo, the rest of the budget."""

    def __init__(self, path: str, file: BinaryIO, max_elements: int, admitted: Admitted) -> None:
        self.path, self.file, self.max_elements, self.budget = path, file, max_elements, max_elements
        self.admitted = admitted
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
                    raise damaged(f"byte {code!r}", "an opcode of a pickle, not compressed")
                name, read, act = _OPCODES[code]
                self.charge(1)
                act(self, read(self))
            return self.result()
        except (IndexError, ValueError) as error:  # of pop, int, float, decode and reshape, or raised here
            known = error if isinstance(error, PickleError) else damaged(error, "a sound argument")
            raise type(known)(f"{self.path}[byte {start}, {name}]: {known}") from None

    def result(self) -> PlainData:
        value = settled(self.stack.pop())
        if self.stack or self.marks or self.position != self.size:
            raise damaged("more values or bytes", "one value and the end of the file")
        extent(value, 0, self.max_elements, {})
        return value  # type: ignore[return-value]  # whatever became part of it has been settled

    # the file

    def require(self, size: int) -> None:
        if not 0 <= size <= self.size - self.position:
            raise damaged(f"{self.size - self.position} bytes to the end of the file", size)

    def charge(self, elements: int) -> None:
        self.budget -= elements
        if self.budget < 0:
            raise PickleError(f"found more than {self.max_elements} elements: {SMALLER}")

    def copy(self, size: int) -> None:
        # no byte that a writer has written needs more than two copies; a hostile file can ask for any number
        self.charge(1 + size // UNIT)
        self.copied += size
        if self.copied > 2 * self.size:
            raise refused("the same bytes used again and again", "each once")

    def take(self, size: int) -> bytes:
        self.require(size)
        self.charge(size // UNIT)
        data = self.file.read(size)
        self.position += size
        if len(data) != size:
            raise damaged(f"{len(data)} bytes", f"{size}, as when the file was opened")
        return data

    def take_at(self, offset: int, size: int) -> bytes:
        back, self.position = self.position, self.file.seek(offset)
        data = self.take(size)
        self.position = self.file.seek(back)
        return data

    def line(self, limit: int) -> bytes:
        data = self.file.readline(limit)
        self.position += len(data)
        self.charge(len(data) // UNIT)
        if not data.endswith(b"\n"):
            raise damaged(f"{len(data)} bytes without an end of line", "a line")
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
            raise damaged(f"memo index {index}", f"at most {len(self.memo) + 1}")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise damaged(f"memo index {index}", "one that is in use")
        self.push(self.memo[index])

    # plain values

    def protocol(self, version: int) -> None:
        if version > 5:
            raise refused(f"protocol {version}", "at most 5", "protocol 4")

    def integer(self, size: int) -> None:
        if size > _LINE_BYTES:
            raise damaged(f"an integer of {size} bytes", f"at most {_LINE_BYTES}")
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
            self.push(Blob(self, kind, size, None))
            self.position = self.file.seek(self.position + size)

    def inline(self, kind: type, data: bytes) -> None:
        if kind is str and data.isascii():
            self.push(data.decode("ascii"))
        else:
            self.push(data if kind is bytes else Blob(self, kind, len(data), data))

    def literal(self, line: bytes) -> None:
        quote, body = line[:1], line[1:-1]
        if quote not in (b"'", b'"') or line[1:][-1:] != quote or b"\\" in _ESCAPE.sub(b"", body):
            raise damaged("a malformed Python 2 str", "quotes and known escapes")
        self.inline(str, codecs.escape_decode(body)[0])

    def pack(self, items: list[object]) -> None:
        kept = Blob | Function if len(items) <= 5 else ()
        self.push(tuple(item if isinstance(item, kept) else settled(item) for item in items))

    def extend(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise refused(f"{show(target)} to append to", "a list")
        target.extend([settled(item) for item in items])

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise refused(f"{len(items)} items for {show(target)}", "pairs for a dict")
        for key, value in zip(map(settled, items[::2]), map(settled, items[1::2]), strict=True):
            if isinstance(key, int | np.integer) and -(1 << 53) < key < 1 << 53:
                self.charge(_KEY_COST)
            elif not isinstance(key, str | bytes | None):
                raise refused(f"{show(key)} as a key", "text, bytes, an integer below 2**53 or None")
            if key in target:
                raise damaged(f"the key {show(key)} twice", "it once")
            target[key] = value

    # names, calls and states

    def name(self, names: Iterable[object]) -> None:
        module, name = names
        if not (isinstance(module, str) and isinstance(name, str)):
            raise damaged(f"{show(module)} and {show(name)}", "the text of a name")
        if (module, name) not in self.admitted.names:
            save = ADVICE.get(module.partition(".")[0], "dicts, lists, text and numpy arrays")
            raise refused(f"the name {show(module)} {show(name)}", "plain data", save)
        self.push(self.admitted.names[module, name])

    def reduce(self, _: None) -> None:
        function, arguments = self.last(2)
        if isinstance(function, Skeleton):
            function = function.settle()
        if not isinstance(function, Function):
            raise refused(f"a call of {show(function)}", "one that numpy writes")
        self.push(self.call(f"a call of {function.name}", function.call, arguments))

    def new(self, _: None) -> None:
        kind, arguments = self.last(2)
        if not isinstance(kind, Class):
            raise refused(f"an object of {show(kind)}", "plain data")
        self.push(self.call(f"an object of {kind.name}", kind.call, arguments))

    def build(self, _: None) -> None:
        skeleton, state = self.last(2)
        if isinstance(skeleton, Made) and skeleton.state is None:
            skeleton.state = settled(state)
        elif isinstance(skeleton, Skeleton) and skeleton.value is None:
            skeleton.value = self.call("a state", skeleton.build, state)
        else:
            raise refused(f"a state for {show(skeleton)}", "a new array or dtype")
        self.push(skeleton)

    def call(self, name: str, function: Call, arguments: object) -> object:
        result = function(self, arguments) if isinstance(arguments, tuple) else None
        if result is None:
            raise refused(f"{name} of a strange form", "that of a plain array", "numpy.asarray of it")
        return result


_ESCAPE = re.compile(rb"\\(?:[\\'\"nrt]|x[0-9a-f]{2})")  # what Python 2 writes


def _number(layout: str) -> Callable[[_Interpreter], Any]:
    unpack, size = struct.Struct(layout).unpack, struct.calcsize(layout)
    return lambda interpreter: unpack(interpreter.take(size))[0]


def _nothing(_: _Interpreter) -> None:
    return None


def _not_admitted(_: _Interpreter, __: None) -> None:
    raise refused("an opcode that is not admitted", "those that make plain data")


def _line(interpreter: _Interpreter) -> bytes:
    return interpreter.line(_LINE_BYTES)


def _long_line(interpreter: _Interpreter) -> bytes:
    return interpreter.line(UNIT * (interpreter.budget + 1))


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
    "LIST": (_I.to_mark, lambda i, items: i.push([settled(item) for item in items])),
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
    "NEWOBJ": (_nothing, _I.new),
    "BUILD": (_nothing, _I.build),
}
_OPCODES = {
    opcode.code.encode("latin-1"): (opcode.name, *_ACTIONS.get(opcode.name, (_nothing, _not_admitted)))
    for opcode in pickletools.opcodes
}
