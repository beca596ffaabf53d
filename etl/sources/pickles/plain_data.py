"""Plain data as the pickle reader returns it, and how much of it there is."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import numpy as np

from routerset.etl.sources.pickles.array_refs import ArrayRef, PickleError
from routerset.etl.sources.pickles.values import Made

MAX_DEPTH = 100
SMALLER = "save it as several smaller files"
UNIT = 64  # bytes that cost as much as one element

PlainKey: TypeAlias = str | bytes | int | np.integer | None
PlainData: TypeAlias = (
    "PlainKey | float | np.generic | np.ndarray | np.dtype | ArrayRef"
    " | list[PlainData] | tuple[PlainData, ...] | dict[PlainKey, PlainData]"
)


def extent(value: object, depth: int, limit: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(nesting depth, elements when written out in full) of plain data; looks into each container once.

    depth: of `value` in the whole. limit: of elements. known: extents of containers by id, filled here.
    Raises PickleError for what is nested beyond MAX_DEPTH, contains itself, or exceeds the limit.
    """
    children: Collection[object]
    if isinstance(value, list | tuple):
        children = value
    elif isinstance(value, dict):
        children = (*value, *value.values())
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        children = value.ravel()
    elif isinstance(value, Made):
        children = (*value.arguments, value.state)
    else:
        return 0, 1 + (len(value) if isinstance(value, str | bytes) else getattr(value, "nbytes", 0)) // UNIT
    if not len(children):
        return 1, 1
    if depth + known.get(id(value), (1, 0))[0] > MAX_DEPTH:
        raise PickleError(f"found nesting beyond {MAX_DEPTH}, or data that contains itself: save it flatter")
    if id(value) not in known:
        height, elements = 0, 1
        for child in children:
            child_height, child_elements = extent(child, depth + 1, limit, known)
            height, elements = max(height, child_height), elements + child_elements
        if elements > limit:
            raise PickleError(f"found shared parts worth over {limit} elements: {SMALLER}")
        known[id(value)] = height + 1, elements
    return known[id(value)]
