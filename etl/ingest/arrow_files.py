"""Arrow files, for what is staged and nobody else reads: a small one takes a fourth of Parquet's time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def open_writer(path: Path, schema: pa.Schema) -> pa.RecordBatchFileWriter:
    """Writer of a compressed file."""
    return pa.ipc.new_file(path, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))


def read_file(path: Path, schema: pa.Schema, names: Collection[str]) -> pa.Table:
    """Some columns of a file of this schema, in the schema's order."""
    with _opened(path, schema, names) as reader:
        return reader.read_all()


def read_rows(path: Path, schema: pa.Schema, names: Collection[str], rows: npt.NDArray[np.int64]) -> pa.Table:
    """Some columns of some rows, in the order asked for; batches without any of them are not read."""
    with _opened(path, schema, [schema.names[0]]) as reader:
        sizes = [reader.get_batch(at).num_rows for at in range(reader.num_record_batches)]
    ends = np.cumsum(sizes, dtype=np.int64)
    holding = np.searchsorted(ends, rows, side="right")
    with _opened(path, schema, names) as reader:
        parts = [
            reader.get_batch(at).take(pa.array(rows[holding == at] - (ends[at] - sizes[at])))
            for at in np.unique(holding).tolist()
        ]
    order = np.argsort(holding, kind="stable")
    return pa.Table.from_batches(parts).take(pa.array(np.argsort(order)))


def _opened(path: Path, schema: pa.Schema, names: Collection[str]) -> pa.RecordBatchFileReader:
    wanted = sorted(schema.get_field_index(name) for name in names)
    return pa.ipc.open_file(path, options=pa.ipc.IpcReadOptions(included_fields=wanted, use_threads=False))
