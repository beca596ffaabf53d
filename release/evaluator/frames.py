"""Flat records as tables of Arrow and pandas, whose types do not depend on the values."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import TYPE_CHECKING, get_args, get_type_hints

import pyarrow as pa

from .errors import InputError
from .layouts import Record, columns_of

if TYPE_CHECKING:
    import pandas as pd

_TYPES: dict[object, pa.DataType] = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def to_arrow(records: Sequence[Record], of: type) -> pa.Table:
    """Flat records as a table whose types follow the fields of the class they are of.

    Keys that are no such field are texts or lists where they hold any, else float64, as metrics are.
    """
    hints = get_type_hints(of)
    keys = columns_of(records) or [key for key in hints if _type(hints[key]) is not None]
    columns = {}
    for key in keys:
        values = [record.get(key) for record in records]
        known = next((value for value in values if value is not None), 0.0)
        other = None if isinstance(known, str | list | dict) else pa.float64()  # None: as pyarrow finds it
        columns[key] = pa.array(values, _type(hints.get(key)) or other)
    return pa.table(columns)


def _type(hint: object) -> pa.DataType | None:
    """Of a field that holds a scalar, or perhaps none."""
    scalars = [part for part in get_args(hint) or (hint,) if part is not NoneType]
    return _TYPES.get(scalars[0]) if len(scalars) == 1 and isinstance(scalars[0], type) else None


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A table as a data frame of nullable types. Raises InputError where pandas is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(
            f"to_frame() needs pandas ({error}): pip install pandas, or use to_arrow(), which does without"
        ) from error
    nullable = {
        pa.string(): pd.StringDtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame
