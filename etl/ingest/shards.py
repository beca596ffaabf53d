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
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from routerset.etl.ingest import arrow_files
from routerset.etl.ingest.batches import Batch
from routerset.etl.ingest.docsets import DOCSETS
from routerset.etl.ingest.fragments import RUN_FRAGMENTS, Fragments, fragments_of, fragments_table
from routerset.etl.records import digest_of, read_sealed, seal_folder, sealed_folder, write_sealed
from routerset.etl.sources.base import Block, Dump, DumpUnreadable, Reading, SourceSpec
from routerset.etl.sources.quarantine import BadRow, Quarantined, quarantine, quarantine_columns
from routerset.etl.sources.registry import SOURCES
from routerset.schemas import store
from routerset.schemas.tables import QUARANTINE, Reason

FLUSH_BYTES = 16 << 20
SMALL = 1 << 20
"""Bytes of a dump, up to which its checksum takes no longer than to hand it to another thread."""
RUNS_FILE = ".runs.arrow"
RECORD = "batch.json"
BAD_ROWS = "quarantine.parquet"
SHARDS = "shards"
TRIES = 3
"""Readings of a dump that changes under the reader, before it is set aside."""
_STRING = pa.string()


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
                        fragments = fragments_of(block, dump, digest(), root)
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
        "docsets": {name: digest_of(root / DOCSETS / f"{name}.parquet") for name in sorted(docsets)},
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
        self._writers: dict[str, pa.RecordBatchFileWriter] = {}
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
                self._writers[benchmark] = arrow_files.open_writer(path, RUN_FRAGMENTS)
            self._writers[benchmark].write_table(fragments_table(waiting))


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
