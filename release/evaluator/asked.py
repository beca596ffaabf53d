"""What a call may ask for: each argument is what it is said to be, or the error names what was expected."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from .errors import UsageError
from .routers import RouterFactory, RouterRow, find_router
from .task import Router

T = TypeVar("T")


def names(option: str, found: object, such: str) -> list[str] | None:
    """Names in a list, or None for all. such: an example of one."""
    if found is None:
        return None
    if not isinstance(found, str) and isinstance(found, Collection):
        given = [name for name in found if isinstance(name, str)]
        if len(given) == len(found):
            return given
    raise _wrong(option, found, f"names in a list, such as [{such!r}], or None for all")


def numbers(option: str, found: object) -> list[int] | None:
    """Whole numbers in a list, or None for all."""
    if found is None:
        return None
    wrong = _wrong(option, found, "whole numbers in a list, such as [3, 5], or None for all")
    if isinstance(found, str | Mapping) or not isinstance(found, Iterable):
        raise wrong
    given = [*found]
    try:
        if any(isinstance(number, bool) for number in given):
            raise wrong
        return [operator.index(number) for number in given]
    except TypeError:
        raise wrong from None


def one(option: str, found: object, of: type[T], such: str) -> T:
    """An object of a class. such: how one is made."""
    if not isinstance(found, of):
        raise _wrong(option, found, such)
    return found


def count(option: str, found: object) -> int:
    """A whole number from 0 on."""
    try:
        number = operator.index(found)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0 or isinstance(found, bool):
        raise _wrong(option, found, "a whole number, 0 or more")
    return number


def routers(found: object) -> dict[str, RouterFactory | RouterRow]:
    """Routers by name, of registered names, classes, or a mapping from names to what makes a router."""
    such = "a list of names and classes, such as ['knn', MyRouter], or {'name': MyRouter}"
    if isinstance(found, Mapping):
        return {str(name): _maker(name, of) for name, of in found.items()}
    if isinstance(found, str | type) or not isinstance(found, Iterable):
        raise _wrong("routers", found, such)
    made: dict[str, RouterFactory | RouterRow] = {}
    for each in found:
        name = each if isinstance(each, str) else getattr(each, "__name__", None)
        maker = _maker(name, find_router(each) if isinstance(each, str) else each)
        if not isinstance(name, str):
            raise _wrong("routers", each, such)
        if name in made:
            raise UsageError(f"routers: {name!r} twice; give a mapping, {{'first': ..., 'second': ...}}")
        made[name] = maker
    return made


def _maker(name: object, of: object) -> RouterFactory | RouterRow:
    """What makes a router; a registered name stands for its own."""
    if isinstance(of, str):
        return find_router(of)
    if isinstance(of, RouterRow):
        return of
    if isinstance(of, Router) and not isinstance(of, type):
        kind = type(of).__name__
        raise UsageError(
            f"routers: found a router that is made already, of class {kind}, expected the class, as in "
            f"[{kind}], or a function that makes one, as in {{'mine': lambda: {kind}(...)}}: each cell has a "
            "fresh one"
        )
    if not callable(of):
        raise _wrong(f"routers: {name}", of, "a class with fit and predict_proba, or a registered name")
    return of


def _wrong(option: str, found: object, expected: str) -> UsageError:
    shown = repr(found) if isinstance(found, str | int | float | list | tuple) else type(found).__name__
    return UsageError(f"{option}: found {shown:.80}, expected {expected}")
