"""Check a table against its schema and cast it: the last step before every write."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


class SchemaError(ValueError):
    """A table does not fit its schema; the message lists every problem at once."""


def conform(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """Cast `table` to `schema`, column by column, in the schema's order.

    where: name of the table, for messages.
    Raises SchemaError naming every missing or extra column, failed cast and null in a column that
    must hold none.
    """
    problems = [f"column {name!r} is missing" for name in schema.names if name not in table.column_names]
    problems += [
        f"column {name!r} is not in the schema" for name in table.column_names if name not in schema.names
    ]
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            continue
        column = table[field.name]
        try:
            column = column if column.type == field.type else column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problems.append(f"column {field.name!r}: expected {field.type}, found {column.type} ({error})")
            continue
        if not field.nullable and column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            problems.append(
                f"column {field.name!r}: {column.null_count} nulls, the first in row {row}, expected none"
            )
        columns.append(column)
    if problems:
        raise SchemaError(f"{where}: " + "; ".join(problems))
    return pa.table(columns, schema=schema)
