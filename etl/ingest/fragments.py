"""Runs of a shard: a row per run and file, its values and costs as binary values, written and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from routerset.etl.ingest import arrow_files
from routerset.etl.ingest.docsets import stored
from routerset.etl.sources.base import Block, Dump
from routerset.schemas.matrix import MISSING
from routerset.schemas.tables import COST_MEASURES, TOKENS

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


def fragments_of(block: Block, dump: Dump, digest: str, root: Path) -> Fragments:
    """Rows of RUN_FRAGMENTS for one block, with its documents stored if they are new."""
    columns, runs = block.columns, block.runs
    order, docset = stored(columns, root)
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


def fragments_table(parts: Sequence[Fragments]) -> pa.Table:
    """Rows of several blocks, schema RUN_FRAGMENTS."""
    columns = [_joined([part[field.name] for part in parts], field.type) for field in RUN_FRAGMENTS]
    return pa.table(columns, schema=RUN_FRAGMENTS).combine_chunks()


def _joined(parts: Sequence[pa.Array | Sequence[object]], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """One column of some fragments."""
    if isinstance(parts[0], pa.Array):
        return pa.chunked_array(parts, kind)
    return pa.array(list(chain.from_iterable(parts)), kind)


def read_lines(wanted: Iterable[tuple[str, int, np.ndarray]]) -> np.ndarray:
    """Row numbers in dumps, int64. wanted: (file of a shard, row there, documents) per run fragment."""
    found = [np.empty(0, np.int64)]
    opened, blobs = "", pa.array([], pa.large_binary())
    for shard, row, documents in wanted:
        if shard != opened:
            opened = shard
            blobs = arrow_files.read_file(Path(shard), RUN_FRAGMENTS, ["lines"])["lines"].combine_chunks()
        lines = np.frombuffer(blobs[row].as_buffer(), np.int32)
        found.append(lines[documents] if len(lines) > 1 else np.repeat(lines, len(documents)))
    return np.concatenate(found)


def read_costs(wanted: Sequence[tuple[str, int]]) -> pa.Table:
    """Costs in some rows of shards, one binary value per measure. wanted: (file of a shard, row there)."""
    places: dict[str, list[int]] = {}
    for at, (shard, _) in enumerate(wanted):
        places.setdefault(shard, []).append(at)
    tables = [
        arrow_files.read_rows(
            Path(shard), RUN_FRAGMENTS, COST_MEASURES, np.array([wanted[at][1] for at in of_shard])
        )
        for shard, of_shard in places.items()
    ]
    order = np.argsort(list(chain.from_iterable(places.values())))
    return pa.concat_tables(tables).take(pa.array(order))
