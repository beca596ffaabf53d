"""Parsed dumps on disk: batches of dump files in, one shard of runs per benchmark out.

A shard holds one row per run and file, its values as one binary value (a byte per document where all are 0
or 1, a float32 otherwise), and what the answers cost beside them. Documents are stored once per distinct
list, named by content, since thousands of models answer the same list. A batch is parsed when its folder
exists; the folder's name is the batch's fingerprint, so that unchanged dumps are never parsed twice. Its
record has digests of all that was written and read: `unaltered` tells whether they still hold.
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.ingest.batches import Batch
from routerset.etl.records import digest_of, identity, read_sealed, seal_folder, sealed_folder, write_sealed
from routerset.etl.sources.base import DOCS, Block, Columns, Dump, DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.quarantine import (
    BadRow,
    Quarantined,
    quarantine,
    quarantine_columns,
)
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import store
from routerset.schemas.matrix import MISSING
from routerset.schemas.tables import COST_MEASURES, QUARANTINE, TOKENS, Reason

FLUSH_BYTES = 16 << 20
SMALL = 1 << 20
"""Bytes of a dump, up to which its checksum takes no longer than to hand it to another thread."""
RUNS_FILE = ".runs.parquet"
RECORD = "batch.json"
BAD_ROWS = "quarantine.parquet"
DOCSETS = "docsets"
SHARDS = "shards"
TRIES = 3
"""Readings of a dump that changes under the reader, before it is set aside."""
_STRING = pa.string()

RUN_FRAGMENTS = pa.schema(
    [
        ("subset", pa.string()),
        ("model_id", pa.string()),
        ("timestamp", pa.string()),
        ("metric", pa.string()),
        ("file", pa.string()),
        ("sha256", pa.string()),
        ("task", pa.string()),
        ("few_shot", pa.int32()),
        ("chat_template", pa.bool_()),
        ("dtype", pa.string()),
        ("tokens_from", pa.string()),
        ("prompt_fixed", pa.bool_()),
        ("key_space", pa.string()),
        ("docset", pa.string()),
        ("n_read", pa.int64()),
        ("n_superseded", pa.int64()),
        ("n_values", pa.int64()),
        ("n_costs", pa.int64()),
        ("width", pa.int8()),
        ("values", pa.large_binary()),
        ("lines", pa.large_binary()),
        *((measure, pa.large_binary()) for measure in COST_MEASURES),
    ]
)
"""One row per run and file. width: bytes per value, 1 (0, 1 or 255 for missing) or 4 (float32). n_costs: how
many costs are known. lines: int32 row numbers in the file, one per document, or a single one for all of them.
Costs: float32, null where the file tells none."""


Fragments: TypeAlias = Mapping[str, Sequence[object] | pa.Array]
"""Rows of RUN_FRAGMENTS by column: arrays of binary values, and plain values of all else."""


@dataclass(frozen=True)
class Shard:
    """One benchmark's runs in one batch: `folder` is the batch's below the staging folder.

    digest: of its file. A folder keeps its name where a dump is replaced by one of the same size and time.
    models: ids as the dumps spell them.
    """

    benchmark: str
    folder: str
    order: int
    source: str
    digest: str
    models: tuple[str, ...]


def stage_batch(batch: Batch, staging: str) -> list[Shard]:
    """Parse one batch into shards below `staging`, unless that was done before; returns the shards.

    What changes while it is read is read again, and set aside where it goes on changing.
    """
    restless: Counter[str] = Counter()
    found = staged_shards(batch, staging)
    if found is None:
        shutil.rmtree(Path(staging) / SHARDS / batch.fingerprint, ignore_errors=True)
    while found is None:
        aside = {path for path, n in restless.items() if n >= TRIES}
        try:
            with store.atomic_folder(Path(staging) / SHARDS / batch.fingerprint) as temporary:
                _parse(batch, Path(staging), temporary, aside)
        except _Changed as changed:
            restless.update(changed.paths)
        found = staged_shards(batch, staging)
    return found


def unaltered(batch: Batch, staging: Path, *, check: bool = False) -> store.JsonObject | None:
    """The record of a parsed batch; None unless all that was written and read is what it was.

    Files that were read are looked into where the file system says that they may have changed, and all of
    them with `check`.
    """
    path = staging / SHARDS / batch.fingerprint / RECORD
    record = sealed_folder(path)
    if record is None:
        return None
    files = [(staging / DOCSETS / f"{name}.parquet", digest) for name, digest in record["docsets"].items()]
    seen = batch.seen
    if len(record["seen"]) != len(seen):
        return None
    if check or record["seen"] != seen:
        files += zip(map(Path, batch.paths), record["read"], strict=True)
    if any(digest_of(file) != digest for file, digest in files):
        return None
    if record["seen"] != seen:
        write_sealed(path, {**record, "seen": seen})
    return record


def staged_shards(batch: Batch, staging: str) -> list[Shard] | None:
    """Shards of a batch that was parsed before; None where it was not."""
    record = read_sealed(Path(staging) / SHARDS / batch.fingerprint / RECORD)
    if record is None:
        return None
    of_batch = batch.fingerprint, batch.order, batch.spec.format
    names = record["models"]
    return [
        Shard(benchmark, *of_batch, record["outputs"][f"{benchmark}{RUNS_FILE}"], tuple(names[benchmark]))
        for benchmark in sorted(names)
    ]


class _Changed(Exception):
    """Files changed while they were read."""

    def __init__(self, paths: set[str]) -> None:
        super().__init__(paths)
        self.paths = paths


def _parse(batch: Batch, root: Path, folder: Path, aside: Collection[str]) -> None:
    """Write the shards of a batch, and its record. aside: files not to read. Raises _Changed."""
    seen = batch.seen
    docsets: set[str] = set()
    models: dict[str, set[str]] = {}
    quarantined = Quarantined()
    n_read: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    files = []
    shards = _Shards(folder)
    try:
        for dump, readings, digest in _open_all(batch, aside):
            for reading in readings:
                quarantined.add(reading.quarantined)
                n_read.update({key or "": n for key, n in reading.n_read.items()})
                notes.update({f"{benchmark}/{note}": n for (benchmark, note), n in reading.notes.items()})
                for block in reading.blocks:
                    try:
                        fragments = _fragments(block, dump, digest(), root)
                    except DumpUnreadable as error:  # its text cannot be read, which is found out only now
                        quarantined.add(_without_text(block, dump, error))
                        continue
                    docsets.update(map(str, fragments["docset"]))
                    models.setdefault(block.columns.benchmark, set()).update(block.runs.models)
                    shards.add(block.columns.benchmark, fragments)
            files.append({"file": dump.file, "sha256": digest(), "bytes": dump.size})
    finally:
        shards.close()
    bad = quarantined.table()
    if len(bad):  # few batches hold any, and a file costs as much to open as its table
        store.write_table(folder / BAD_ROWS, QUARANTINE, bad)
    facts = {
        "files": files,
        "n_read": n_read,
        "notes": notes,
        "models": {benchmark: sorted(found) for benchmark, found in models.items()},
        "source": batch.spec.format,
        "docsets": {name: digest_of(root / DOCSETS / f"{name}.parquet") for name in docsets},
        # what was set aside is of no digest and no identity, so that it is read the next time
        "read": ["" if path in aside else digest_of(path) for path in batch.paths],
        "seen": ["" if path in aside else was for path, was in zip(batch.paths, seen, strict=True)],
    }
    changed = {path for path, was, now in zip(batch.paths, seen, batch.seen, strict=True) if was != now}
    if changed - set(aside):
        raise _Changed(changed)
    seal_folder(folder / RECORD, batch.fingerprint, facts)


def _without_text(block: Block, dump: Dump, error: DumpUnreadable) -> pa.Table:
    """Quarantine of every record of a block whose documents cannot be read, and so cannot be joined."""
    known, _ = np.nonzero(~np.isnan(block.values))
    run = np.concatenate([known, np.repeat(np.arange(len(block.values)), block.n_superseded)])
    return quarantine_columns(
        len(run),
        source=dump.source,
        file=dump.file,
        model_id=pa.array(block.runs.models, pa.string()).take(pa.array(run)),
        benchmark=block.columns.benchmark,
        reason=error.reason.value,
        detail=str(error).replace(dump.path, dump.file),
    )


class _Shards:
    """Shard files of one batch, written a few megabytes at a time: rows of thousands of files at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, store.Writer] = {}
        self._waiting: dict[str, list[Fragments]] = {}
        self._bytes: Counter[str] = Counter()

    def add(self, benchmark: str, fragments: Fragments) -> None:
        self._waiting.setdefault(benchmark, []).append(fragments)
        self._bytes[benchmark] += sum(of.nbytes for of in fragments.values() if isinstance(of, pa.Array))
        if self._bytes[benchmark] > FLUSH_BYTES:
            self._flush(benchmark)

    def close(self) -> None:
        for benchmark in list(self._waiting):
            self._flush(benchmark)
        for writer in self._writers.values():
            writer.close()

    def _flush(self, benchmark: str) -> None:
        waiting = self._waiting.pop(benchmark, [])
        del self._bytes[benchmark]
        if waiting:
            if benchmark not in self._writers:
                path = self._folder / f"{benchmark}{RUNS_FILE}"
                self._writers[benchmark] = store.open_writer(path, RUN_FRAGMENTS)
            columns = [_joined([part[field.name] for part in waiting], field.type) for field in RUN_FRAGMENTS]
            self._writers[benchmark].write_table(pa.table(columns, schema=RUN_FRAGMENTS))


def _joined(parts: Sequence[pa.Array | Sequence[object]], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """One column of some fragments."""
    if isinstance(parts[0], pa.Array):
        return pa.chunked_array(parts, kind)
    return pa.array(list(chain.from_iterable(parts)), kind)


def _open_all(
    batch: Batch, aside: Collection[str]
) -> Iterator[tuple[Dump, Iterator[Reading], Callable[[], str]]]:
    """Every dump with its readings and its checksum, which is computed while a large dump is read."""
    with ThreadPoolExecutor(1) as hashing:
        for dump, beside in zip(batch.dumps, batch.beside, strict=True):
            changing = not {dump.path, *beside}.isdisjoint(aside)
            take = functools.partial(digest_of, dump.path)
            digest = hashing.submit(take).result if dump.size > SMALL else take
            yield dump, _readings(dump, batch.spec, changing), digest


def _readings(dump: Dump, spec: SourceSpec, changing: bool) -> Iterator[Reading]:
    """Readings of one file; a file that cannot be read, or its rest, becomes one quarantined record."""
    try:
        if changing:
            raise DumpUnreadable("changed whenever it was read; build again once it is written")
        yield from SOURCES[spec.format].read(dump, spec)
    except OSError as error:
        reason = error.reason if isinstance(error, DumpUnreadable) else Reason.UNREADABLE_FILE
        row = BadRow(None, reason, str(error).replace(dump.path, dump.file), None, spec.benchmark)
        yield Reading((), quarantine(dump, [row]), {spec.benchmark: 1})


def _fragments(block: Block, dump: Dump, digest: str, root: Path) -> Fragments:
    """Rows of RUN_FRAGMENTS for one block, with its documents stored if they are new."""
    columns, runs = block.columns, block.runs
    order, docset = _stored(columns, root)
    # indexing columns of a matrix gives column-major memory, and the bytes below are taken row by row
    values = np.ascontiguousarray(block.values[:, order], np.float32)
    missing = np.isnan(values)
    binary = bool(np.all(missing | (values == 0.0) | (values == 1.0)))
    data = np.where(missing, np.float32(MISSING), values).astype(np.uint8) if binary else values
    n_runs = len(values)
    costs = {name: np.ascontiguousarray(of[:, order], np.float32) for name, of in block.costs.items()}
    counts = {name: (~np.isnan(of)).sum(axis=1, dtype=np.int64) for name, of in costs.items()}
    counted: np.ndarray = (
        sum((counts[name] for name in TOKENS if name in counts), np.zeros(n_runs, np.int64)) > 0
    )

    of_block = {
        "subset": columns.subset,
        "metric": columns.metric,
        "file": dump.file,
        "sha256": digest,
        "task": runs.settings.task,
        "few_shot": runs.settings.few_shot,
        "chat_template": runs.settings.chat_template,
        "dtype": runs.settings.dtype,
        "prompt_fixed": columns.prompt_fixed,
        "key_space": columns.key_space,
        "docset": docset,
        "width": data.itemsize,
    }
    return {
        **{name: [value] * n_runs for name, value in of_block.items()},
        "model_id": runs.models,
        "timestamp": runs.timestamps,
        "tokens_from": [block.tokens_from if any_ else None for any_ in counted.tolist()],
        "n_read": block.n_read.tolist(),
        "n_superseded": block.n_superseded.tolist(),
        "n_values": (~missing).sum(axis=1).tolist(),
        "n_costs": sum(counts.values(), np.zeros(n_runs, np.int64)).tolist(),
        "values": _blobs(data),
        "lines": _line_blobs(runs.rows, order),
        **{
            name: _blobs(costs[name]) if name in costs else pa.nulls(n_runs, pa.large_binary())
            for name in COST_MEASURES
        },
    }


def _blobs(matrix: np.ndarray) -> pa.Array:
    """Every row of a contiguous matrix as one binary value."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int64) * matrix.shape[1] * matrix.itemsize
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(matrix), [None, pa.py_buffer(offsets), pa.py_buffer(matrix)]
    )


def _line_blobs(lines: np.ndarray, order: np.ndarray) -> pa.Array:
    """Row numbers of every run as one binary value, documents in this order."""
    if lines.ndim == 1:
        return _blobs(lines[:, None].astype(np.int32))
    if lines.strides[0] == 0:  # a broadcast: all runs have theirs in the same rows
        return pa.repeat(pa.scalar(lines[0, order].astype(np.int32).tobytes(), pa.large_binary()), len(lines))
    return _blobs(np.ascontiguousarray(lines[:, order], np.int32))


_STORED: dict[tuple[object, ...], tuple[np.ndarray, str]] = {}
REMEMBERED = 128
"""Lists of documents whose names and order are kept; a leaderboard has 63."""


def _stored(columns: Columns, root: Path) -> tuple[np.ndarray, str]:
    """The order of a document list by its keys, and the name that it is stored under in this order."""
    mark = (columns.mark, columns.benchmark, columns.subset, columns.key_space)
    known = None if columns.mark is None else _STORED.get(mark)
    if known is None or not identity(f"{root}/{DOCSETS}/{known[1]}.parquet"):
        order = pc.sort_indices(columns.doc_keys).to_numpy()
        known = order, _store_docset(columns.take(order), root)
        if columns.mark is not None:
            if len(_STORED) >= REMEMBERED:
                _STORED.clear()
            _STORED[mark] = known
    return known


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


def read_lines(wanted: Iterable[tuple[str, int, np.ndarray]]) -> np.ndarray:
    """Row numbers in dumps, int64. wanted: (file of a shard, row there, documents) per run fragment."""
    found = [np.empty(0, np.int64)]
    opened, blobs = "", pa.array([], pa.large_binary())
    for shard, row, documents in wanted:
        if shard != opened:
            opened, blobs = shard, store.read_file(Path(shard), ["lines"])["lines"].combine_chunks()
        lines = np.frombuffer(blobs[row].as_buffer(), np.int32)
        found.append(lines[documents] if len(lines) > 1 else np.repeat(lines, len(documents)))
    return np.concatenate(found)


def read_costs(wanted: Sequence[tuple[str, int]]) -> pa.Table:
    """Costs in some rows of shards, one binary value per measure. wanted: (file of a shard, row there)."""
    schema = pa.schema([RUN_FRAGMENTS.field(name) for name in COST_MEASURES])
    places: dict[str, list[int]] = {}
    for at, (shard, _) in enumerate(wanted):
        places.setdefault(shard, []).append(at)
    tables, order = [schema.empty_table()], []
    for shard, of_shard in places.items():
        rows = np.array([wanted[at][1] for at in of_shard])
        with pq.ParquetFile(shard) as file:
            stop = 0
            for group in range(file.num_row_groups):
                start, stop = stop, stop + file.metadata.row_group(group).num_rows
                here = np.flatnonzero((rows >= start) & (rows < stop))
                if len(here):
                    table = file.read_row_group(group, schema.names)
                    tables.append(table.take(pa.array(rows[here] - start)))
                    order += [of_shard[at] for at in here.tolist()]
    return pa.concat_tables(tables).take(pa.array(np.argsort(order), pa.int64()))


def read_prompts(spec: SourceSpec, dump: Dump, benchmark: str, subset: str) -> dict[str, str | None]:
    """Prompts of one subset by document key, read from a dump again. Raises DumpUnreadable."""
    found: dict[str, str | None] = {}
    for reading in SOURCES[spec.format].read(dump, spec):
        for block in reading.blocks:
            if (block.columns.benchmark, block.columns.subset) == (benchmark, subset):
                docs = block.columns.docs()
                found |= dict(zip(docs["doc_key"].to_pylist(), docs["prompt"].to_pylist(), strict=True))
    return found
