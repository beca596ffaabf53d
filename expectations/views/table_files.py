"""Facts about table files: their columns against the schemas, their partitions, the order of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.expectations.session import Made, Session, readable
from routerset.expectations.target import DATA, EMBEDDINGS, VECTORS, Part, What
from routerset.schemas.tables import MODELS, SCORES, TABLES, embeddings_schema

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
_RELEASE_GROUPS = pa.schema(
    [
        ("benchmark", _STRING),
        ("method", _STRING),
        ("m", pa.int32()),
        ("kind", _STRING),
        ("rank", pa.int32()),
        ("model_id", _STRING),
    ]
)
_DATA = pa.schema(
    [
        ("item", pa.int32()),
        *((name, _STRING) for name in ("item_id", "subset", "question", "prompt", "family_id")),
    ]
)


def columns(session: Session) -> Made:
    """Every column that a file has or should have."""
    rows = [row for part in session.target.parts for row in _columns(session, part)]
    return pa.Table.from_pylist(rows, schema=_COLUMNS)


def _columns(session: Session, part: Part) -> Iterator[dict[str, object]]:
    expected = _schema(session, part)
    found = {field.name: field.type for field in part.schema}
    for name in dict.fromkeys([*expected, *found]):
        if _is_group(name) and part.table in (DATA, VECTORS):
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


def _schema(session: Session, part: Part) -> dict[str, pa.DataType]:
    """Names and types that a file should have, groups apart."""
    if session.target.what is What.RELEASE:
        if part.table == DATA:
            splits = [(f"split_{s}", _STRING) for s in session.target.manifest.get("schemes", ())]
            return {field.name: field.type for field in _DATA} | dict(splits)
        if part.table == VECTORS:
            return {"item_id": _STRING, "subset": _STRING, "embedding": _vector(part, "embedding")}
        schema = {"models": MODELS, "groups": _RELEASE_GROUPS, "scores": SCORES}[part.table]
    elif part.table == EMBEDDINGS:
        return {"item": pa.int32(), "vector": _vector(part, "vector")}
    else:
        schema = TABLES[part.table].schema
    return {field.name: field.type for field in schema}


def _vector(part: Part, name: str) -> pa.DataType:
    """The type of vectors as long as those in a file."""
    place = part.schema.get_field_index(name)
    kind = part.schema.field(place).type if place >= 0 else None
    size = kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else 1
    return embeddings_schema(size).field("vector").type


def _is_group(name: str) -> bool:
    """Whether a column of a release belongs to a group; those are compared with the groups table."""
    return any(kind in name for kind in ("_all_strong", "_all_weak", "_strong_to_weak"))


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
    """Tables and partitions that a whole folder has, and whether they are there."""
    target = session.target
    if target.what not in (What.BUILD, What.RELEASE):
        return None
    names = sorted({part.keys["benchmark"] for part in target.parts if "benchmark" in part.keys})
    names = sorted({*names, *_listed_benchmarks(session)})
    have = {(part.table, tuple(sorted(part.keys.items()))) for part in target.parts}
    wanted: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    if target.what is What.BUILD:
        wanted |= {(table, ()) for table in ("models", "runs", "quarantine")}
        partitioned = {
            "items": "",
            "scores": "",
            "splits": "scheme",
            "groups": "method",
            EMBEDDINGS: "encoder",
        }
    else:
        wanted |= {("models", ()), ("groups", ())}
        partitioned = {"scores": "", DATA: "file_split", VECTORS: "encoder"}
    for table, key in partitioned.items():
        values = sorted({part.keys[key] for part in target.of(table) if key in part.keys}) if key else [""]
        if table == DATA:
            values = ["train", "validation", "test"]
        for benchmark in names:
            for value in values:
                keys = {"benchmark": benchmark} | ({key: value} if key else {})
                if table == VECTORS:
                    wanted |= {
                        (table, tuple(sorted((keys | {"file_split": s}).items())))
                        for s in ("train", "validation", "test")
                    }
                else:
                    wanted.add((table, tuple(sorted(keys.items()))))
    rows = [
        {
            "table_name": table,
            "partition": " ".join(f"{k}={v}" for k, v in keys),
            "found": (table, keys) in have,
        }
        for table, keys in sorted(wanted)
    ]
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
        if part.table in ("scores", DATA, VECTORS) or not _sortable(session, part):
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
    if part.table == "groups" and "benchmark" in part.schema.names:
        return ["benchmark", "method", "m", "kind", "rank"]
    return list(TABLES[part.table].sort)


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
