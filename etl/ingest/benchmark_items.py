"""One benchmark's items, and where the documents of every list go; what was worked out before is kept.

What is kept is named by all that it was made from, and goes when a build no longer asks for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.fingerprints import fingerprint
from routerset.etl.ingest.items import CONFLICT, Canonical, DocsetUse, canonical_items
from routerset.etl.ingest.shards import read_docset, read_prompts
from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import store
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import ITEMS

KEPT = "canonical"
_PLACES = pa.schema([("list", pa.int32()), ("position", pa.int32()), ("winner", pa.string())])
"""One row per list and document, in the list's order. winner: of a CONFLICT."""
_PROMPTS = pa.schema([("doc_key", pa.string()), ("prompt", pa.string())])


@dataclass(frozen=True)
class Column:
    """Where the documents of one list go.

    target: int32 per document, column of the score matrix, or UNKNOWN or CONFLICT. keys, golds: per
    document. winners: per conflicting document, the gold answer that most models were scored against.
    """

    target: np.ndarray
    keys: pa.ChunkedArray
    golds: pa.ChunkedArray
    winners: Mapping[int, str | None]


def benchmark_items(
    benchmark: str, chosen: pd.DataFrame, specs: Sequence[SourceSpec], staging: Path, code: str
) -> tuple[pa.Table, dict[str, Column]]:
    """Items table of a benchmark, and the column of every document list.

    chosen: fragments of the runs that count. code: fingerprint of the code that works this out.
    """
    kept = _Kept(staging / KEPT / benchmark, code, specs)
    parts = [ITEMS.remove(0).empty_table()]
    columns: dict[str, Column] = {}
    for subset in sorted(chosen["subset"].unique(), key=BENCHMARKS[benchmark].subset_order):
        offset = sum(len(part) for part in parts)
        rows = chosen[chosen["subset"] == subset]
        names, uses = [], []
        for docset, users in rows.groupby("docset", sort=True):
            docs = read_docset(staging, str(docset))
            if not users["prompt_fixed"].all():
                docs = _with_prompts(docs, benchmark, subset, users, kept)
            names.append(str(docset))
            uses.append(DocsetUse(users["key_space"].iloc[0], docs, users["model_id"].nunique()))
        found = kept.items(benchmark, subset, uses, rows["model_id"].nunique())
        parts.append(found.items)
        for name, use, position, winners in zip(names, uses, found.positions, found.golds, strict=True):
            target = np.where(position >= 0, position + offset, position)
            columns[name] = Column(target, use.docs["doc_key"], use.docs["gold"], winners)
    kept.sweep()
    items = pa.concat_tables(parts)
    return items.add_column(0, ITEMS.field("item"), pa.array(np.arange(len(items), dtype=np.int32))), columns


def _with_prompts(docs: pa.Table, benchmark: str, subset: str, users: pd.DataFrame, kept: _Kept) -> pa.Table:
    """Documents with the prompts that the first model by name was sent."""
    keys = docs["doc_key"]
    prompts = pa.nulls(len(docs), pa.string())
    for _, run in users.sort_values(["model_id", "timestamp", "sha256", "file"], kind="stable").iterrows():
        try:
            found = kept.prompts(benchmark, subset, run)
        except DumpUnreadable:  # its prompts are damaged, its scores are not: the next model's will do
            continue
        prompts = found["prompt"].take(pc.index_in(keys, found["doc_key"]))
        break
    return docs.set_column(docs.column_names.index("prompt"), "prompt", prompts)


class _Kept:
    """Results in a folder, each named by what it was made from."""

    def __init__(self, folder: Path, code: str, specs: Sequence[SourceSpec]) -> None:
        self._folder = folder
        self._code = code
        self._specs = specs
        self._dumps: dict[int, dict[str, Dump]] = {}
        self._used: set[str] = set()

    def items(self, benchmark: str, subset: str, uses: Sequence[DocsetUse], n_models: int) -> Canonical:
        """What `canonical_items` returns; one list alone needs no votes, however many models saw it."""
        if len(uses) == 1:
            uses, n_models = [replace(uses[0], n_models=1)], 1
        inputs = [(use.key_space, _digest(use.docs), use.n_models) for use in uses]
        path = self._path("items", benchmark, subset, inputs, n_models)
        if not path.exists():
            _save(path, canonical_items(benchmark, subset, uses, n_models))
        return _load(path, len(uses))

    def prompts(self, benchmark: str, subset: str, run: pd.Series) -> pa.Table:
        """Prompts of one run (schema _PROMPTS). Raises DumpUnreadable."""
        file, order = str(run["file"]), int(run["order"])
        settings = self._specs[order].settings()
        path = self._path("prompts", benchmark, subset, run["sha256"], file, settings) / "prompts.parquet"
        if not path.exists():
            found = read_prompts(self._specs[order], self._dump(order, file), benchmark, subset)
            columns = {"doc_key": list(found), "prompt": list(found.values())}
            store.write_table(path, _PROMPTS, pa.table(columns, schema=_PROMPTS))
        return store.read_file(path)

    def _dump(self, order: int, file: str) -> Dump:
        """The dump that holds a run, found anew: it may lie elsewhere than when it was parsed."""
        if order not in self._dumps:
            spec = self._specs[order]
            self._dumps[order] = {dump.file: dump for dump in SOURCES[spec.format].discover(spec)}
        if file not in self._dumps[order]:
            raise DumpUnreadable(f"{file}: it was there when it was parsed, and is no more")
        return self._dumps[order][file]

    def sweep(self) -> None:
        """Remove what was not asked for."""
        for path in self._folder.glob("*"):
            if path.name not in self._used:
                shutil.rmtree(path)

    def _path(self, *inputs: object) -> Path:
        name = fingerprint(self._code, *inputs)
        self._used.add(name)
        return self._folder / name


def _save(path: Path, found: Canonical) -> None:
    lists = np.repeat(np.arange(len(found.positions)), [len(p) for p in found.positions])
    winners = [
        golds.get(row)
        for positions, golds in zip(found.positions, found.golds, strict=True)
        for row in range(len(positions))
    ]
    columns = {"list": lists.astype(np.int32), "position": np.concatenate(found.positions), "winner": winners}
    with store.atomic_folder(path) as folder:
        store.write_table(folder / "items.parquet", ITEMS.remove(0), found.items)
        store.write_table(folder / "places.parquet", _PLACES, pa.table(columns, schema=_PLACES))


def _load(path: Path, n_lists: int) -> Canonical:
    places = store.read_file(path / "places.parquet")
    bounds = np.searchsorted(places["list"].to_numpy(), np.arange(n_lists + 1)).tolist()
    parts = [places.slice(start, stop - start) for start, stop in pairwise(bounds)]
    positions = tuple(part["position"].to_numpy() for part in parts)
    golds = []
    for part, position in zip(parts, positions, strict=True):
        rows = np.flatnonzero(position == CONFLICT)
        golds.append(dict(zip(rows.tolist(), part["winner"].take(pa.array(rows)).to_pylist(), strict=True)))
    return Canonical(store.read_file(path / "items.parquet"), positions, tuple(golds))


def _digest(table: pa.Table) -> str:
    """Hash of a table's rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return blake2b(sink.getvalue(), digest_size=16).hexdigest()
