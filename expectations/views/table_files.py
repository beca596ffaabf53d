"""Facts about table files: their columns against the schemas, their partitions, the order of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.expectations.session import Made, Session, readable
from routerset.expectations.target import DATA, EMBEDDINGS, VECTORS, Part, What
from routerset.expectations.views.manifests import listed_groups
from routerset.expectations.views.matrices import read_order
from routerset.schemas.groups import Group, columns_of
from routerset.schemas.released import (
    GROUPS_SCHEMA,
    LEADERBOARD_SCHEMA,
    LIMITS_SCHEMA,
    RELEASED,
    data_schema,
    vectors_schema,
)
from routerset.schemas.tables import TABLES, Split, embeddings_schema

_COLUMNS = pa.schema(
    [
        ("table_name", pa.string()),
        ("path", pa.string()),
        ("column", pa.string()),
        ("expected", pa.string()),
        ("found", pa.string()),
        ("same", pa.bool_()),
    ]
)
_PARTITIONS = pa.schema(
    [
        ("table_name", pa.string()),
        ("path", pa.string()),
        ("rows", pa.int64()),
        ("benchmark", pa.string()),
    ]
)
_ORDERS = pa.schema([("path", pa.string()), ("unsorted", pa.int64()), ("first_row", pa.int64())])
_STRING = pa.string()
_WHOLE = {"groups": GROUPS_SCHEMA, "leaderboard": LEADERBOARD_SCHEMA, "limits": LIMITS_SCHEMA}


def columns(session: Session) -> Made:
    """Every column that a file has or should have."""
    rows = [row for part in session.target.parts for row in _columns(session, part)]
    return pa.Table.from_pylist(rows, schema=_COLUMNS)


def _columns(session: Session, part: Part) -> Iterator[dict[str, object]]:
    expected = {field.name: field.type for field in schema_of(session, part)}
    found = {field.name: field.type for field in part.schema}
    # the columns of listed groups are compared with the groups table
    grouped = part.table in (DATA, VECTORS)
    others = columns_of(listed_groups(session).get(part.keys["benchmark"], ())) if grouped else set()
    for name in dict.fromkeys([*expected, *found]):
        if name in others:
            continue
        wanted, got = expected.get(name), found.get(name)
        yield {
            "table_name": part.table,
            "path": part.name,
            "column": name,
            "expected": None if wanted is None else str(_plain(wanted)),
            "found": None if got is None else str(_plain(got)),
            "same": wanted is not None and got is not None and _plain(wanted) == _plain(got),
        }


def schema_of(session: Session, part: Part, groups: Iterable[Group] = ()) -> pa.Schema:
    """Names and types that a file should have, with the columns of some groups."""
    if part.table == DATA:
        return data_schema(session.target.manifest.get("schemes", ()), groups)
    if part.table == VECTORS:
        return vectors_schema(_dimension(part, "embedding"), groups)
    if part.table == EMBEDDINGS:
        return embeddings_schema(_dimension(part, "vector"))
    if session.target.what is What.RELEASE and part.table in _WHOLE:
        return _WHOLE[part.table]
    return TABLES[part.table].schema


def _dimension(part: Part, name: str) -> int:
    """Length of the vectors in a file."""
    place = part.schema.get_field_index(name)
    kind = part.schema.field(place).type if place >= 0 else None
    return int(kind.list_size) if kind is not None and pa.types.is_fixed_size_list(kind) else 1


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without what other writers spell differently: dictionaries, wide offsets, names in lists."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", _plain(kind.value_type)), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(pa.field("element", _plain(kind.value_type)))
    return kind


def partitions(session: Session) -> Made:
    """Every file of a table."""
    rows = [
        {
            "table_name": part.table,
            "path": part.name,
            "rows": part.rows,
            "benchmark": part.keys.get("benchmark"),
        }
        for part in session.target.parts
    ]
    return pa.Table.from_pylist(rows, schema=_PARTITIONS)


def required(session: Session) -> Made:
    """Tables and partitions that every whole folder has, and whether they are there."""
    target = session.target
    if target.what not in (What.BUILD, What.RELEASE):
        return None
    names = {part.keys["benchmark"] for part in target.parts if "benchmark" in part.keys}
    names.update(_listed_benchmarks(session))
    rows = []
    for table in (RELEASED if target.what is What.RELEASE else TABLES).values():
        if table.optional:
            continue
        have = [part.keys for part in target.of(table.name)]
        values: dict[str, Iterable[str]] = {key: {k[key] for k in have if key in k} for key in table.keys}
        values |= {
            key: known for key, known in (("benchmark", names), ("file_split", Split)) if key in values
        }
        for combination in product(*map(sorted, values.values())):
            wanted = dict(zip(values, combination, strict=True))
            partition = " ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
            rows.append({"table_name": table.name, "partition": partition, "found": wanted in have})
    schema = pa.schema([("table_name", _STRING), ("partition", _STRING), ("found", pa.bool_())])
    return pa.Table.from_pylist(rows, schema=schema)


def _listed_benchmarks(session: Session) -> list[str]:
    """Benchmarks with items, as the manifest lists them."""
    manifest = session.target.manifest
    if session.target.what is What.RELEASE:
        return sorted(manifest.get("benchmarks", {}))
    info = manifest.get("stages", {}).get("ingest", {}).get("info", {})
    return sorted(name for name, totals in info.get("benchmarks", {}).items() if totals.get("items"))


def orders(session: Session) -> Made:
    """Rows of every small table that stand before one that should come earlier.

    Scores are looked through by the scan that reads them into matrices.
    """
    rows = []
    for part in session.target.parts:
        if part.table == "scores" or part.table not in TABLES or not _sortable(session, part):
            continue
        if part.table == "costs":
            order = read_order(part.path)
            rows.append({"path": part.name, "unsorted": order.unsorted, "first_row": order.first_row})
            continue
        names = _sort_columns(part)
        with readable(part.path):
            table = pq.ParquetFile(part.path).read(columns=names).combine_chunks()
        unsorted, first = _disorder(table, names)
        rows.append({"path": part.name, "unsorted": unsorted, "first_row": first})
    made = pa.Table.from_pylist(rows, schema=_ORDERS)
    if "score_orders" in session:
        made = pa.concat_tables([made, session.query("select * from score_orders").cast(_ORDERS)])
    return made


def _sortable(session: Session, part: Part) -> bool:
    return all(name in part.schema.names for name in _sort_columns(part)) and "columns" in session


def _sort_columns(part: Part) -> list[str]:
    table = TABLES[part.table]
    return [*(key for key in sorted(table.keys) if key in part.schema.names), *table.sort]


def _disorder(table: pa.Table, names: list[str]) -> tuple[int, int | None]:
    """Rows out of place, and the first of them; ties may stand in any order."""
    if len(table) < 2:
        return 0, None
    keys = [(name, "ascending", "at_start") for name in names]
    order = pc.sort_indices(table, sort_keys=keys)
    ordered = table.take(order)
    wrong = None
    for name in names:
        a, b = table[name].combine_chunks(), ordered[name].combine_chunks()
        differs = pc.invert(pc.coalesce(pc.equal(a, b), pc.and_(a.is_null(), b.is_null())))
        wrong = differs if wrong is None else pc.or_(wrong, differs)
    count = int(pc.sum(wrong).as_py() or 0)
    return count, int(pc.index(wrong, True).as_py()) if count else None


BUILDERS: dict[str, Callable[[Session], Made]] = {
    "columns": columns,
    "partitions": partitions,
    "required": required,
    "orders": orders,
}
