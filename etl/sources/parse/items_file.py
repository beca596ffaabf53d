"""The items file of a `wide` source: the text and gold answers of documents, joined by key."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from routerset.etl.sources.base import DOCS, DumpUnreadable, ItemsUnreadable, SpecError
from routerset.etl.sources.files import open_binary
from routerset.etl.sources.parse.csv_text import ANY, NO_VALUE, UNREADABLE, Dialect, open_text
from routerset.etl.sources.parse.jsonlines import is_utf8
from routerset.etl.sources.parse.questions import resolve_gold
from routerset.etl.sources.parse.tabular import is_parquet, read_header
from routerset.schemas.ids import file_stem_is_safe

CHUNK = 1 << 20
MAX_CHUNKS = 1 << 7
SUBSET = "{subset}"
NAMES: Mapping[str, tuple[str, ...]] = {
    "doc_key": ("item", "id", "doc_key"),
    "question": ("question",),
    "prompt": ("prompt",),
    "choices": ("choices",),
    "gold": ("gold", "target"),
    "category": ("category",),
}
"""Our column -> its names in items files, the first one that is there; `item_columns` overrules them."""


def items_path(template: str, subset: str) -> str | None:
    """Path of the items file of a subset, named as after the config's renames; None if it is no safe name."""
    if SUBSET in template and not file_stem_is_safe(subset):
        return None
    return template.replace(SUBSET, subset)


def read_items(
    path: str, columns: Mapping[str, str], encoding: str = "utf-8"
) -> tuple[pa.Table, Counter[str]]:
    """Documents of an items file (schema DOCS), one per key, and counts of what was left out.

    columns: our column -> column of the file, for those that `NAMES` does not find. encoding: of a CSV that
    is not UTF-8. A CSV spells choices as a JSON list. A key with two different texts is left out, one with
    two categories has none, and a CSV row that is no UTF-8 or has too many or too few cells is left out, too.
    Raises FileNotFoundError, ItemsUnreadable where the file cannot be read, and SpecError where it lacks a
    column that `columns` names.
    """
    chosen, dialect = _choose(path, columns, encoding)
    table, malformed = _read(path, chosen, dialect)
    texts: dict[str, tuple[object, ...]] = {}
    categories: dict[str, set[str]] = {}
    conflicting = set()
    unkeyed = 0
    for key, *text, category in zip(*(table[name].to_pylist() for name in DOCS.names), strict=True):
        if key is None:
            unkeyed += 1
        elif texts.setdefault(key, tuple(text)) != tuple(text):
            conflicting.add(key)
        elif category is not None:
            categories.setdefault(key, set()).add(category)
    of = {key: next(iter(found)) for key, found in categories.items() if len(found) == 1}
    kept = [(key, *text, of.get(key)) for key, text in texts.items() if key not in conflicting]
    left_out = {
        "items_malformed": malformed,
        "items_without_key": unkeyed,
        "items_with_two_texts": len(conflicting),
        "items_with_two_categories": len(categories.keys() - conflicting) - len(of.keys() - conflicting),
    }
    table = pa.table([pa.array([row[i] for row in kept], f.type) for i, f in enumerate(DOCS)], schema=DOCS)
    golds = [
        resolve_gold(gold, choices or ())
        for gold, choices in zip(table["gold"].to_pylist(), table["choices"].to_pylist(), strict=True)
    ]
    table = table.set_column(DOCS.get_field_index("gold"), DOCS.field("gold"), pa.array(golds, pa.string()))
    return table, Counter({name: n for name, n in left_out.items() if n})


def join_items(items: pa.Table, names: pa.Array, doc_keys: pa.Array) -> tuple[pa.Table, Counter[str]]:
    """Documents `doc_keys` with the text that the items file has under `names`, and counts of the others."""
    places = pc.index_in(names, value_set=items["doc_key"].combine_chunks())
    joined = items.take(places).set_column(0, "doc_key", doc_keys)
    counts = {
        "columns_without_item": places.null_count,
        "items_without_column": len(items) - len(places.drop_null().unique()),
    }
    return joined, Counter({name: n for name, n in counts.items() if n})


def _choose(path: str, columns: Mapping[str, str], encoding: str) -> tuple[dict[str, str], Dialect]:
    """Our column -> column of the file, and how the file is written.

    A column that the config gives away is no default for another.
    """
    unknown = sorted(set(columns) - set(NAMES))
    if unknown:
        raise SpecError(f"item_columns: unknown key {unknown[0]!r}; valid keys: {', '.join(NAMES)}")
    try:
        header, dialect = _header(path, columns.get("doc_key"), encoding)
    except DumpUnreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise FileNotFoundError(path) from None
        raise ItemsUnreadable(f"items: {path}: {error}") from error
    chosen = dict(columns)
    for ours, candidates in NAMES.items():
        free = [name for name in candidates if name in header and name not in columns.values()]
        if ours not in chosen and free:
            chosen[ours] = free[0]
    for ours, theirs in chosen.items():
        if header.count(theirs) != 1:
            found = "several such columns" if theirs in header else "no such column"
            raise SpecError(
                f"item_columns: {ours} = {theirs!r}: {path} has {found}; it has {', '.join(header)}"
            )
    if "doc_key" not in chosen:
        raise SpecError(
            f"items: {path}: expected a key column named {', '.join(NAMES['doc_key'])}, found "
            f"{', '.join(header)}; set item_columns.doc_key"
        )
    return chosen, dialect


def _header(path: str, key: str | None, encoding: str) -> tuple[list[str], Dialect]:
    """Columns of the file, and its dialect: UTF-8, or else the source's encoding."""
    wanted = (key,) if key else NAMES["doc_key"]
    try:
        header, dialect = read_header(path, ANY, wanted)
    except DumpUnreadable:
        if Dialect(encoding=encoding).is_utf8:
            raise
        header, dialect = read_header(path, Dialect(encoding=encoding), wanted)
    return header, replace(dialect, encoding=encoding)


def _read(path: str, chosen: Mapping[str, str], dialect: Dialect) -> tuple[pa.Table, int]:
    try:
        with open_binary(path) as stream:
            if is_parquet(path):
                table, malformed = pq.ParquetFile(stream).read([*chosen.values()]), 0
            else:
                table, malformed = _read_csv(open_text(stream, ANY), {*chosen.values()}, dialect)
        found = pa.table([_as_text(table, chosen.get(f.name), f) for f in DOCS], schema=DOCS)
        found.validate(full=True)  # Parquet does not say whether its text is UTF-8
    except (*UNREADABLE, *NO_VALUE) as error:
        raise ItemsUnreadable(f"items: {path}: cannot be read: {error}") from error
    return found, malformed


def _read_csv(stream: BinaryIO, names: Iterable[str], dialect: Dialect) -> tuple[pa.Table, int]:
    refused = []

    def refuse(row: pacsv.InvalidRow) -> str:
        refused.append(row.number)
        return "skip"

    data = b"".join(islice(iter(partial(stream.read, CHUNK), b""), MAX_CHUNKS))
    if len(data) == CHUNK * MAX_CHUNKS:
        raise OSError(f"found {len(data)} bytes or more")
    if not (dialect.is_utf8 or is_utf8(data)):
        data = data.decode(dialect.encoding, "backslashreplace").encode()
    # Arrow stops at a row that is no UTF-8, since it cannot hand it to `refuse`; as Latin-1, all is text
    encoding = "utf-8" if is_utf8(data) else "latin-1"
    spelled = {name.encode().decode(encoding): name for name in sorted(names)}
    table = pacsv.read_csv(
        pa.BufferReader(data.removeprefix(BOM_UTF8)),
        pacsv.ReadOptions(use_threads=False, block_size=2 * len(data) + 1, encoding=encoding),
        pacsv.ParseOptions(
            delimiter=str(dialect.delimiter), invalid_row_handler=refuse, newlines_in_values=True
        ),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(spelled, pa.string()),
            include_columns=list(spelled),
            null_values=[""],
            strings_can_be_null=True,
        ),
    ).rename_columns(list(spelled.values()))
    if encoding == "utf-8":
        return table, len(refused)
    whole = _utf8_rows(table)
    return whole, len(refused) + len(table) - len(whole)


def _utf8_rows(table: pa.Table) -> pa.Table:
    """Rows of UTF-8 that was read as Latin-1, without those that are no UTF-8."""
    rows = []
    for row in table.to_pylist():
        try:
            rows.append({name: cell and cell.encode("latin-1").decode() for name, cell in row.items()})
        except UnicodeDecodeError:
            continue
    return pa.Table.from_pylist(rows, schema=table.schema)


def _as_text(table: pa.Table, name: str | None, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if name is None:
        return pa.nulls(len(table), field.type)
    column = table[name]
    if field.name == "choices" and not pa.types.is_nested(column.type):
        return pa.array([_choices(text) for text in column.cast(pa.string()).to_pylist()], field.type)
    return column.cast(field.type)


def _choices(text: str | None) -> list[str] | None:
    try:
        return msgspec.json.decode(text or "null", type=list[str] | None)
    except msgspec.MsgspecError:
        return None
