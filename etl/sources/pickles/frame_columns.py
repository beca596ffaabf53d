"""What a block of a pickled DataFrame holds, as columns: arrays of numpy, and of the kinds pandas adds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from routerset.etl.sources.parse.jsonlines import as_text
from routerset.etl.sources.pickles.array_refs import ArrayRef, damaged, refused, show
from routerset.etl.sources.pickles.values import Class, Made

PLAIN_COLUMNS = "plain columns (reset_index, astype) or as CSV"
_MAX_CELLS = 1 << 26  # of all fields of dicts in a column, of which a row may name many
_MAX_CATEGORIES = 1 << 20
_BIG = 1 << 53  # for an index that is a range
_NUMBERS = {"float": pa.float32(), "double": pa.float64(), "bool": pa.bool_()} | {
    str(kind): kind
    for kind in (
        pa.int8(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.uint8(),
        pa.uint16(),
        pa.uint32(),
        pa.uint64(),
    )
}
_TEXTS = {"string": (pa.string(), "<i4"), "large_string": (pa.large_string(), "<i8")}


def columns_of(values: object) -> list[pa.Array]:
    """The columns of a block. Raises PickleError for what is none."""
    match values:
        case ArrayRef():
            return columns_of(values.load())
        case np.ndarray(ndim=1):
            return [_column(values)]
        case np.ndarray(ndim=2):
            return [_column(row) for row in values]
        case Made("__pyx_unpickle_NDArrayBacked", (Class(name=kind), int(), None), (dtype, inside, *_)):
            return _backed(kind, dtype, inside)
        case Made("__pyx_unpickle_NDArrayBacked", (Class(name=kind), int(), (dtype, inside, *_)), None):
            return _backed(kind, dtype, inside)
        case Made(
            "DatetimeArray" | "TimedeltaArray" | "StringArray" | "Categorical" as kind, (), dict(state)
        ):
            inside = next((state[key] for key in ("_ndarray", "_data", "_codes") if key in state), None)
            return _backed(kind, state.get("_dtype"), inside)
        case Made("IntegerArray" | "BooleanArray" | "FloatingArray", (), {"_data": data, "_mask": mask}):
            return [_masked(loaded(data), loaded(mask))]
        case Made(str(kind), (), {"_pa_array": array} | {"_data": array}) if kind.startswith("Arrow"):
            return [_arrow(array)]
    found = f"a {values.name} of a strange form" if isinstance(values, Made) else show(values)
    raise refused(f"{found} for columns", "numbers, text, times or categories", PLAIN_COLUMNS)


def index_of(index: object) -> tuple[object, range | pa.Array]:
    """Name and values of an index. Raises PickleError for one that is not one column of plain values."""
    match index:
        case Made("_new_Index", (Class(name="RangeIndex"), dict(of)), None):
            match of:
                case {"start": int(start), "stop": int(stop), "step": int(step)}:
                    if step and max(abs(start), abs(stop), abs(step)) < _BIG:
                        return of.get("name"), range(start, stop, step)
        case Made("_new_Index", (Class(name=kind), {"data": data, "name": name}), None):
            columns = columns_of(data)
            if kind.endswith("Index") and len(columns) == 1 and not pa.types.is_dictionary(columns[0].type):
                return name, columns[0]
    raise refused("an index of a strange form", "a range, numbers or text", PLAIN_COLUMNS)


def loaded(array: object) -> np.ndarray:
    """An array of numpy's, in memory. Raises PickleError for anything else."""
    if isinstance(array, ArrayRef):
        return array.load()
    if not isinstance(array, np.ndarray):
        raise refused(f"{show(array)} in a column", "an array", PLAIN_COLUMNS)
    return array


def _column(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    """One dimension of numpy's as a column."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "O":
        return _objects(values)
    if kind not in "biufmM":
        raise refused(f"a column of {values.dtype}", "numbers, text or times", PLAIN_COLUMNS)
    own = values.dtype.newbyteorder("=")
    if kind == "f" and size not in (4, 8):
        own = np.dtype("f4" if size < 4 else "f8")
    return pa.array(np.ascontiguousarray(values, own), mask=mask, from_pandas=True)


def _masked(values: np.ndarray, mask: np.ndarray) -> pa.Array:
    """Values of which some are none."""
    if (
        values.ndim != 1
        or mask.shape != values.shape
        or mask.dtype != bool
        or values.dtype.kind not in "biuf"
    ):
        raise damaged(
            f"a mask of {mask.dtype} {mask.shape}", f"truth values for {values.dtype} {values.shape}"
        )
    return _column(values, mask)


def _objects(cells: np.ndarray) -> pa.Array:
    """Objects of one kind as such, dicts as structs; mixed ones as text."""
    fields = {path for cell in cells if isinstance(cell, dict | list) for path in _fields(cell, ())}
    if len(fields) * len(cells) <= _MAX_CELLS:
        try:
            column = pa.array(cells, from_pandas=True)
            if isinstance(column, pa.Array) and not pa.types.is_null(column.type):
                return column
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            pass
    return pa.array([_text(cell) for cell in cells], pa.large_string())


def _fields(cell: object, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths of all fields of the dicts in a cell."""
    if isinstance(cell, dict):
        for key, value in cell.items():
            yield (*above, key)
            yield from _fields(value, (*above, key))
    elif isinstance(cell, list):
        for value in cell:
            yield from _fields(value, above)


def _text(cell: object) -> str | None:
    if isinstance(cell, np.generic | np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    try:
        text = as_text(cell) if isinstance(cell, list | dict) else None
    except UnicodeEncodeError:
        text = None
    # a lone surrogate is no text that a table could store
    return (text or str(cell)).encode("utf-8", "replace").decode()


def _backed(kind: str, dtype: object, inside: object) -> list[pa.Array]:
    """Columns of what pandas keeps in an array of numpy."""
    values = loaded(inside)
    columns = columns_of(values)
    match kind, dtype:
        case "Categorical", Made("CategoricalDtype", (), {"categories": index}):
            if values.dtype.kind == "i":
                return [_categories(codes, index_of(index)[1]) for codes in columns]
        case "DatetimeArray", Made("DatetimeTZDtype") if values.dtype.kind == "M":
            return [column.cast(pa.timestamp(column.type.unit, "UTC")) for column in columns]
        case ("DatetimeArray" | "TimedeltaArray", _) if values.dtype.kind in "mM":
            return columns
        case ("StringArray" | "StringArrayNumpySemantics", _) if values.dtype.kind == "O":
            return columns
    raise refused(f"a {kind} of {values.dtype}", "times, text or categories", PLAIN_COLUMNS)


def _categories(codes: pa.Array, categories: range | pa.Array) -> pa.Array:
    """A dictionary, which it stays: written out, a few bytes can be gigabytes. -1 is no value."""
    if len(categories) > _MAX_CATEGORIES:
        raise damaged(f"{len(categories)} categories", f"{_MAX_CATEGORIES} at most")
    numbers = codes.to_numpy()
    if numbers.min(initial=0) < -1 or numbers.max(initial=-1) >= len(categories):
        raise damaged("a code of no category", f"-1 to {len(categories) - 1}")
    return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), pa.array(categories))


def _arrow(array: object) -> pa.Array:
    """An array of Arrow's, of text or numbers, from its buffers, once these are known to hold it."""
    match array:
        case Made("_restore_array", ((kind, int(n), int(), int(start), [gone, *buffers], [], None),), None):
            match kind:
                case Made("type_for_alias", (str(alias),), None) if 0 <= n < _BIG and 0 <= start < _BIG:
                    return _restored(alias, n, start, gone, buffers)
    raise refused("an array of Arrow's of a strange form", "text or numbers", PLAIN_COLUMNS)


def _restored(alias: str, n: int, start: int, gone: object, buffers: list[object]) -> pa.Array:
    buffers = [b"" if buffer is None else buffer for buffer in buffers]
    sizes = [len(buffer) for buffer in (gone, *buffers) if isinstance(buffer, bytes)]
    if len(sizes) != len(buffers) + (gone is not None):
        raise refused("buffers that are no bytes", "bytes", PLAIN_COLUMNS)
    end = start + n
    if gone is not None and sizes.pop(0) * 8 < end:
        raise damaged("a mask that is too short", f"{end} bits")
    if alias in _TEXTS and len(sizes) == 2:
        kind, width = _TEXTS[alias]
        if n and sizes[0] < (end + 1) * np.dtype(width).itemsize:
            raise damaged(f"{sizes[0]} bytes of offsets", f"those of {end} texts")
    elif alias in _NUMBERS and len(sizes) == 1:
        kind = _NUMBERS[alias]
        if sizes[0] * 8 < end * kind.bit_width:
            raise damaged(f"{sizes[0]} bytes", f"{end} numbers of {kind}")
    else:
        raise refused(f"an array of Arrow's of {show(alias)}", "text or numbers", PLAIN_COLUMNS)
    if not n:
        return pa.array([], kind)
    try:
        found = pa.Array.from_buffers(
            kind, n, [each and pa.py_buffer(each) for each in (gone, *buffers)], -1, start
        )
        found.validate(full=True)  # offsets in order and inside, text in UTF-8
    except pa.ArrowInvalid as error:
        raise damaged(error, "text in UTF-8, one after the other") from None
    return found
