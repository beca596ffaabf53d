"""What lies on the pickle reader's stack without being a plain value yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from routerset.etl.sources.pickles.array_refs import damaged, refused


class Machine(Protocol):
    """What pending values and calls may ask of the interpreter. position: bytes of the file read so far."""

    path: str
    position: int
    admitted: Admitted

    def copy(self, size: int) -> None:
        """Charge `size` bytes that are about to be copied. Raises PickleError beyond the budget."""

    def take_at(self, offset: int, size: int) -> bytes:
        """Bytes of the file. Raises PickleError beyond its end or the budget."""


class Pending:
    """What may lie on the stack without being a plain value, or without being one yet."""

    def settle(self) -> object:
        """The plain value, asked for when it becomes part of the data."""
        raise NotImplementedError


class Blob(Pending):
    """Bytes, a bytearray or a Python 2 str: an array's payload or plain data, as its use will show."""

    def __init__(self, machine: Machine, kind: type, size: int, data: bytes | None) -> None:
        self.machine, self.kind, self.size, self.data = machine, kind, size, data
        self.offset, self.value = machine.position, ""

    def read(self) -> bytes:
        if self.data is None:
            self.data = self.machine.take_at(self.offset, self.size)
        return self.data

    def settle(self) -> object:
        if self.kind is bytes:
            return self.read()
        if self.kind is bytearray:
            raise refused("a bytearray", "plain data", "bytes")
        if not self.read().isascii():
            raise refused("a Python 2 str beyond ASCII", "one that is text or an array", "Python 3")
        self.value = self.value or self.read().decode("ascii")
        return self.value


Items: TypeAlias = tuple[object, ...]
Call: TypeAlias = "Callable[[Machine, Items], object]"  # None where numpy writes no such arguments


class Skeleton(Pending):
    """An array or a dtype that REDUCE has made; BUILD gives it its value."""

    def __init__(self, build: Call) -> None:
        self.build = build
        self.value: object = None

    def settle(self) -> object:
        if self.value is None:
            raise damaged("an array or a dtype in use", "its state first")
        return self.value


@dataclass(frozen=True)
class Function(Pending):
    """A name that numpy or pandas writes, and what is done here where a pickle calls it."""

    name: str
    call: Call

    def settle(self) -> object:
        raise refused(f"the name {self.name}", "a value")


class Class(Function):
    """A name that a pickle may also make an object of."""


@dataclass
class Made:
    """What a pickle would have made by a call, written down: nothing was called.

    arguments: plain data, classes, and what else was made. state: what the pickle would have set.
    """

    name: str
    arguments: Items
    state: object = None


def made(name: str) -> Function:
    """A name whose calls are written down."""

    def call(_: Machine, arguments: Items) -> Made:
        return Made(name, tuple(item if isinstance(item, Class) else settled(item) for item in arguments))

    return Class(name, call)


@dataclass(frozen=True)
class Admitted:
    """What a pickle may hold. names: (module, name) -> what stands for it. dtypes: names of dtypes.
    cell: a cell of an object array as it is kept; how deep lists in it may nest.
    """

    names: Mapping[tuple[str, str], object]
    dtypes: re.Pattern[str]
    cell: Callable[[Machine, object, int], object]


def settled(value: object) -> object:
    """A value as part of the data; only a tuple short enough for arguments or a state has pending parts."""
    if isinstance(value, tuple) and len(value) <= 5 and any(isinstance(item, Pending) for item in value):
        return tuple(map(settled, value))
    return value.settle() if isinstance(value, Pending) else value
