"""Arrays of a pickle, in memory or on disk, taken apart without ever lying in memory whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import is_remote
from routerset.etl.sources.pickles.numpy_arrays import PLAIN
from routerset.etl.sources.pickles.reader import (
    MAX_ELEMENTS,
    ArrayRef,
    PickleError,
    PlainData,
    UnsafePickle,
    load_pickle,
)
from routerset.etl.sources.pickles.values import Admitted
from routerset.schemas.tables import Reason

CHUNK_BYTES = 1 << 25

Array: TypeAlias = np.ndarray | ArrayRef


def load_plain(
    path: str, name: str, admitted: Admitted = PLAIN, max_elements: int = MAX_ELEMENTS
) -> PlainData:
    """The data of a pickle, as `load_pickle` reads it.

    Raises DumpUnreadable, which calls the file `name`: the same on every machine.
    """
    if is_remote(path):
        raise DumpUnreadable(f"{name}: pickles are read in place: download the folder, set path to the copy")
    try:
        return load_pickle(path, max_elements=max_elements, admitted=admitted)
    except (PickleError, OSError) as error:
        raise refusal(error, str(error).replace(path, name)) from error


def refusal(error: Exception, message: str) -> DumpUnreadable:
    """The error of a file whose pickle has such an error."""
    return DumpUnreadable(
        message, Reason.UNSAFE_PICKLE if isinstance(error, UnsafePickle) else Reason.UNREADABLE_FILE
    )


def transposed(array: Array) -> Array:
    """The array with its two axes swapped."""
    if isinstance(array, ArrayRef):
        return replace(array, shape=array.shape[::-1], fortran=not array.fortran)
    return array.T


def rows_of(array: Array, start: int, stop: int) -> np.ndarray:
    """`array[start:stop]`. Raises DumpUnreadable where the file does not hold it."""
    if not isinstance(array, ArrayRef):
        return array[start:stop]
    try:
        return array.rows(start, stop)
    except PickleError as error:
        raise DumpUnreadable(str(error).replace(array.path, PurePosixPath(array.path).name)) from error


def chunks_of(array: Array) -> Iterator[np.ndarray]:
    """The array in pieces of about 32 MiB along its first axis."""
    row = array.dtype.itemsize * math.prod(array.shape[1:])
    step = max(1, CHUNK_BYTES // max(1, row))
    yield from (rows_of(array, start, start + step) for start in range(0, array.shape[0], step))


def describe(value: object, depth: int = 2) -> str:
    """What a value is, for messages: of a dict no more than five entries, `depth` levels deep."""
    if isinstance(value, np.ndarray | ArrayRef):
        return f"an array of {value.dtype}, shape {value.shape}"
    if isinstance(value, dict) and depth:
        entries = [f"{key!r:.40}: {describe(each, depth - 1)}" for key, each in islice(value.items(), 5)]
        return "a dict {" + ", ".join(entries + ["..."] * (len(value) > 5)) + "}"
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
