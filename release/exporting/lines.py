"""Arrow columns as bytes of JSON lines, CSV and Parquet: by columns, nothing per record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from routerset.schemas.store import open_writer


def json_lines(table: pa.Table, omit_nulls: bool = False) -> pa.Array:
    """Each row as a JSON object, keys in the order of the columns, all characters in ASCII.

    omit_nulls: whether a row lacks the keys that it has no value of; else they are null.
    """
    members = [
        pc.binary_join_element_wise(f"{json.dumps(name)}: ", _json(table[name], omit_nulls), "")
        for name in table.column_names
    ]
    inside = pc.binary_join_element_wise(*members, ", ", null_handling="skip")
    return _one(pc.binary_join_element_wise("{", inside, "}", ""))


def joined(lines: pa.Array, separator: str) -> bytes:
    """Lines with something between them."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return str(pc.binary_join(whole, separator)[0]).encode()


def jsonl(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """JSON lines of some tables."""
    for table in tables:
        if table.num_rows:
            yield joined(json_lines(table), "\n") + b"\n"


def csv(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[bytes]:
    """CSV with one header; texts are quoted, what is null is empty."""
    yield _csv(schema.empty_table(), True)
    for table in tables:
        if table.num_rows:
            yield _csv(table.cast(schema), False)


def parquet(table: pa.Table) -> bytes:
    """One Parquet file."""
    with pa.BufferOutputStream() as stream:
        with open_writer(stream, table.schema) as writer:
            writer.write_table(table)
        return bytes(stream.getvalue().to_pybytes())


def renamed(tables: Iterable[pa.Table], names: Mapping[str, str]) -> Iterator[pa.Table]:
    """Some columns of tables under other names. names: the other name -> column."""
    for table in tables:
        yield pa.table({name: table[column] for name, column in names.items()})


def constant(table: pa.Table, value: object, kind: pa.DataType) -> pa.Array:
    """A column of one value, as long as a table."""
    return pa.repeat(pa.scalar(value, kind), table.num_rows)


def _csv(table: pa.Table, header: bool) -> bytes:
    with pa.BufferOutputStream() as stream:
        pacsv.write_csv(table, stream, pacsv.WriteOptions(include_header=header))
        return bytes(stream.getvalue().to_pybytes())


def _json(column: pa.ChunkedArray, keep_nulls: bool) -> pa.Array:
    values = _one(column)
    if pa.types.is_null(values.type):
        found = values.cast(pa.string())
    elif pa.types.is_string(values.type):
        coded = values.dictionary_encode()  # a text is escaped once, however many records it stands in
        escaped = pa.array([json.dumps(text) for text in coded.dictionary.to_pylist()], pa.string())
        found = escaped.take(coded.indices)
    else:
        found = pc.cast(values, pa.string())
    return found if keep_nulls else pc.fill_null(found, "null")


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
