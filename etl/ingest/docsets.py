"""Lists of documents, each stored once, named by its content: thousands of models answer the same one."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.records import identity
from routerset.etl.sources.base import DOCS, Columns, Dump, SourceSpec
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import store

DOCSETS = "docsets"
_STORED: dict[tuple[object, ...], tuple[np.ndarray, str]] = {}
REMEMBERED = 128
"""Lists of documents whose names and order are kept; a leaderboard has 63."""
LONGEST = 1 << 16
"""Documents in such a list, at most; the largest task has 14,042."""


def stored(columns: Columns, root: Path) -> tuple[np.ndarray, str]:
    """The order of a document list by its keys, and the name that it is stored under in this order."""
    if len(columns.doc_keys) > LONGEST:
        return _sorted(columns, root)
    mark = (columns.mark or _mark(columns), columns.benchmark, columns.subset, columns.key_space)
    known = _STORED.get(mark)
    if known is None or not identity(f"{root}/{DOCSETS}/{known[1]}.parquet"):
        known = _sorted(columns, root)
        if len(_STORED) >= REMEMBERED:
            _STORED.clear()
        _STORED[mark] = known
    return known


def _mark(columns: Columns) -> bytes:
    """Hash of the keys, prints and categories as they lie in memory: to sort them takes longer."""
    parts = (columns.doc_keys, columns.prints, columns.categories)
    known = {str(at): part for at, part in enumerate(parts) if part is not None}
    return blake2b(pa.record_batch(known).serialize(), digest_size=16).digest()


def _sorted(columns: Columns, root: Path) -> tuple[np.ndarray, str]:
    """What `stored` returns, of a list that is not remembered."""
    order = pc.sort_indices(columns.doc_keys).to_numpy()
    return order, _store_docset(columns.take(order), root)


def _store_docset(columns: Columns, root: Path) -> str:
    """Name of a document list, in the order of its keys, which is written unless it is there."""
    hasher = blake2b(digest_size=16)
    for part in (*DOCS.names, columns.benchmark, columns.subset, columns.key_space):
        hasher.update(part.encode() + b"\0")
    for array in (columns.doc_keys, columns.prints, columns.categories):
        if array is not None:
            hasher.update(pc.fill_null(pc.binary_length(array), -1).to_numpy(zero_copy_only=False))
            hasher.update("".join(pc.fill_null(array, "").to_pylist()).encode())
    name = hasher.hexdigest()
    path = root / DOCSETS / f"{name}.parquet"
    if not path.exists():
        docs = columns.docs()
        if not columns.prompt_fixed:
            docs = docs.set_column(
                docs.column_names.index("prompt"), "prompt", pa.nulls(len(docs), pa.string())
            )
        store.write_table(
            path,
            DOCS.append(pa.field("print", pa.string())),
            docs.append_column("print", columns.prints),
        )
    return name


def read_docset(staging: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Documents of a stored list: schema DOCS and a column `print`, or some of these, sorted by key."""
    return store.read_file(staging / DOCSETS / f"{name}.parquet", columns)


def read_prompts(spec: SourceSpec, dump: Dump, benchmark: str, subset: str) -> dict[str, str | None]:
    """Prompts of one subset by document key, read from a dump again. Raises DumpUnreadable."""
    found: dict[str, str | None] = {}
    for reading in SOURCES[spec.format].read(dump, spec):
        for block in reading.blocks:
            if (block.columns.benchmark, block.columns.subset) == (benchmark, subset):
                docs = block.columns.docs()
                found |= dict(zip(docs["doc_key"].to_pylist(), docs["prompt"].to_pylist(), strict=True))
    return found
