"""The names that pandas writes into a pickle of a DataFrame: what it would make by them is written down.

Nothing of pandas is imported or called. Modules are those of pandas 0.25 to 3.1; a name stands in another one
from version to version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from routerset.etl.sources.pickles.array_refs import refused, show
from routerset.etl.sources.pickles.numpy_arrays import DTYPES, FUNCTIONS
from routerset.etl.sources.pickles.values import (
    Admitted,
    Blob,
    Class,
    Function,
    Items,
    Machine,
    Made,
    Skeleton,
    made,
)

_MADE = {
    "pandas pandas.core.frame": "DataFrame",
    "pandas.core.internals.managers": "BlockManager",
    "pandas._libs.internals": "_unpickle_block",
    "pandas.core.internals.blocks": "new_block",
    "builtins __builtin__": "slice object",
    "pandas.core.indexes.base": "_new_Index",
    "pandas pandas.core.indexes.base": "Index",
    "pandas pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.numeric": "Int64Index UInt64Index Float64Index",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas.arrays pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.arrays pandas.core.arrays.timedeltas": "TimedeltaArray",
    "pandas pandas.core.dtypes.dtypes": "DatetimeTZDtype CategoricalDtype ArrowDtype",
    "pytz": "_UTC _p",
    "datetime": "timezone timedelta",
    "zoneinfo": "ZoneInfo._unpickle",
    "pandas pandas.core.arrays.categorical": "Categorical",
    "pandas.arrays pandas.core.arrays.string_": "StringArray",
    "pandas pandas.core.arrays.string_": "StringDtype",
    "pandas.core.arrays.string_": "StringArrayNumpySemantics",
    "pandas.arrays pandas.core.arrays.integer": "IntegerArray",
    "pandas pandas.core.arrays.integer": (
        "Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype"
    ),
    "pandas.arrays pandas.core.arrays.boolean": "BooleanArray",
    "pandas pandas.core.arrays.boolean": "BooleanDtype",
    "pandas.arrays pandas.core.arrays.floating": "FloatingArray",
    "pandas pandas.core.arrays.floating": "Float32Dtype Float64Dtype",
    "pandas.arrays pandas.core.arrays.string_arrow": "ArrowStringArray",
    "pandas.core.arrays.string_arrow": "ArrowStringArrayNumpySemantics",
    "pandas.arrays pandas.core.arrays.arrow.array": "ArrowExtensionArray",
    "pyarrow.lib": "_restore_array type_for_alias",
}


def _reconstructor(_: Machine, arguments: Items) -> object:
    match arguments:  # how protocols 0 and 1 spell a new object
        case (Class(name=str(name)), Class(name="object"), None):
            return Made(name, ())
    return None


def _partial(_: Machine, arguments: Items) -> object:
    match arguments:  # how pandas 1.3 spells a block
        case (Class(name="new_block") as block,):
            return Skeleton(lambda _, state: block if state[:2] == (block, ()) else None)
    return None


def _bytes(_: Machine, arguments: Items) -> object:
    match arguments:
        case (bytes() as data,):
            return data
        case (Blob() as blob,):
            return blob.read()
        case (str() as text, str("latin-1")):
            return text.encode("latin-1")
        case ():
            return b""
    return None


def _cell(machine: Machine, cell: object, depth: int) -> object:
    """A cell of an object array: plain data in lists and dicts, and arrays in memory."""
    machine.copy(1)
    if isinstance(cell, list | tuple) and depth:  # copied: nothing that follows in the file can change it
        return [_cell(machine, part, depth - 1) for part in cell]
    if isinstance(cell, dict) and depth and all(isinstance(key, str) for key in cell):
        return {key: _cell(machine, part, depth - 1) for key, part in cell.items()}
    if cell is None or isinstance(cell, str | bytes | int | float | np.generic | np.ndarray):
        return cell
    raise refused(f"{show(cell)} in a column", "text, numbers, lists or dicts of them", "a CSV")


def _names() -> Iterator[tuple[tuple[str, str], object]]:
    yield from FUNCTIONS.items()
    for modules, names in _MADE.items():
        yield from (((module, name), made(name)) for module in modules.split() for name in names.split())
    for module in ("copyreg", "copy_reg"):
        yield (module, "_reconstructor"), Class("_reconstructor", _reconstructor)
    for module, name in (
        ("builtins", "bytearray"),
        ("__builtin__", "bytearray"),
        ("pyarrow.lib", "py_buffer"),
    ):
        yield (module, name), Class(name, _bytes)
    yield ("functools", "partial"), Function("functools.partial", _partial)
    for module in ("pandas", "pandas._libs.missing"):
        yield (module, "NA"), None


FRAMES = Admitted(dict(_names()), re.compile(rf"{DTYPES}|[mM]8"), _cell)
"""What a pickle of a DataFrame may hold."""
