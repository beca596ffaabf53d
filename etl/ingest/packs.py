"""All runs of one benchmark in one file, so that thousands of small shards are opened only once.

A pack is a cache: what it lacks is read from the shards, and one that is gone, altered or of another form
is made anew. What is read of it does not depend on how it came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.ingest import arrow_files
from routerset.etl.ingest.fragments import RUN_FRAGMENTS
from routerset.etl.ingest.shards import RUNS_FILE, SHARDS, Shard
from routerset.etl.records import digest_of, read_sealed, write_sealed
from routerset.schemas import store
from routerset.schemas.tables import COST_MEASURES

PACKS = "packs"
FEW = 64  # shards; so many are opened in no time
_LEFT_OUT = ("lines", *COST_MEASURES)  # many times as large as the values, and read for few rows at a time
_WHOLE = [name for name in RUN_FRAGMENTS.names if name not in _LEFT_OUT]
_PLACE = (pa.field("folder", pa.string()), pa.field("row", pa.int64()))
PACK = pa.schema([*(RUN_FRAGMENTS.field(name) for name in _WHOLE), *_PLACE])
"""RUN_FRAGMENTS without lines and costs. folder, row: the shard of a row, and its place there."""


def load_fragments(benchmark: str, shards: Sequence[Shard], staging: Path) -> pa.Table:
    """Rows of some shards (schema PACK), in no order; what had to be read of many of them is packed."""
    path, record = staging / PACKS / f"{benchmark}.arrow", staging / "done" / f"pack-{benchmark}.json"
    wanted = {shard.folder: shard.digest for shard in shards}
    facts = read_sealed(record) or {}
    is_ours = facts.get("pack") == benchmark and facts.get("sha256") == digest_of(path)
    known = _read_pack(path) if is_ours else PACK.empty_table()
    same = [folder for folder, digest in facts.get("shards", {}).items() if wanted.get(folder) == digest]
    packed = known.filter(pc.is_in(known["folder"], pa.array(same, pa.string())))
    new = sorted(set(wanted) - set(pc.unique(packed["folder"]).to_pylist()))
    table = pa.concat_tables([packed, *(_read_shard(benchmark, folder, staging) for folder in new)])
    table = table.combine_chunks()
    if len(new) > FEW or (len(packed) and (new or len(packed) < len(known))):
        _write_pack(path, table)
        write_sealed(record, {"pack": benchmark, "sha256": digest_of(path), "shards": wanted})
    return table


def shard_file(benchmark: str, folder: str, staging: Path) -> Path:
    """The file of a shard that holds a benchmark's runs."""
    return staging / SHARDS / folder / f"{benchmark}{RUNS_FILE}"


def _read_shard(benchmark: str, folder: str, staging: Path) -> pa.Table:
    table = arrow_files.read_file(shard_file(benchmark, folder, staging), RUN_FRAGMENTS, _WHOLE)
    columns = [*table.columns, pa.repeat(pa.scalar(folder), len(table)), pa.array(np.arange(len(table)))]
    return pa.table(columns, schema=PACK)


def _read_pack(path: Path) -> pa.Table:
    try:
        with pa.ipc.open_file(path) as reader:
            if reader.schema.equals(PACK):
                return reader.read_all()
    except (OSError, pa.ArrowInvalid):
        pass
    return PACK.empty_table()


def _write_pack(path: Path, table: pa.Table) -> None:
    with store.atomic(path) as temporary, arrow_files.open_writer(temporary, PACK) as writer:
        writer.write_table(table)
