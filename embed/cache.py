"""Vectors on disk: immutable files of text keys and their vectors, one folder for each setting.

A file is an Arrow IPC stream followed by the SHA-256 of that stream (readers of Arrow streams do not
mind what follows the end mark). It appears whole or not at all: it is written aside, then renamed.
So any number of processes may write at once, and a file that was cut short or altered afterwards is
recognised, reported and left out, never taken for whole. A file of vectors is named by its hash, too, so that
it is the one that was written, and not just any that is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from routerset.embed.encoders import Encoder
from routerset.schemas.store import atomic

SUFFIX = ".arrows"
_DIGEST_BYTES = 32
_ROWS = b"routerset.rows"
_OF = b"routerset.of"
_KEY = pa.binary(32)


class DamagedFile(ValueError):
    """A file of the cache that is not what was written."""


@dataclass(frozen=True)
class CachedVectors:
    """What a folder of the cache holds.

    table: columns key, vector, tokens, truncated. files: file name -> (tokens, rows computed for
    them, padding included). damaged: one message for each file that was left out.
    """

    table: pa.Table
    files: dict[str, tuple[int, int]]
    damaged: tuple[str, ...]

    @cached_property
    def row_of(self) -> dict[bytes, int]:
        """Text key -> row of the table."""
        return {key: row for row, key in enumerate(self.table["key"].to_pylist())}

    def take(self, keys: Sequence[bytes]) -> pa.Table:
        """Rows of the table in the order of the keys; raises KeyError on a key that is not here."""
        return self.table.take(pa.array([self.row_of[key] for key in keys], type=pa.int64()))


def vectors_folder(cache_dir: str, encoder: Encoder, revision: str, dtype: str) -> str:
    """Folder for vectors of an encoder: its name holds all that decides over a vector but the text."""
    pooling = f"{encoder.pooling}{'_unit' if encoder.normalize else ''}"
    return str(Path(cache_dir, f"{encoder.name}-{revision[:22]}-{pooling}-{encoder.max_tokens}-{dtype}"))


def write_vectors(
    folder: str,
    keys: Sequence[bytes],
    vectors: npt.NDArray[np.float32],
    tokens: npt.NDArray[np.int32],
    truncated: npt.NDArray[np.bool_],
    rows: int,
) -> None:
    """Add a file of vectors, (n, dimension), named by its content: written twice, it is the same file."""
    schema = _schema(vectors.shape[1]).with_metadata({_ROWS: str(rows), _OF: Path(folder).name})
    columns = [pa.array(keys, _KEY), vector_array(vectors), pa.array(tokens), pa.array(truncated)]
    body = _serialized(pa.table(columns, schema=schema))
    _write(Path(folder, _name(sha256(body).digest())), body)


def load_vectors(folder: str, dimension: int) -> CachedVectors:
    """All whole files of a folder, which need not exist yet."""
    tables, files, damaged = [_schema(dimension).empty_table()], {}, []
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        try:
            body, digest = _read(str(path))
            if path.name != _name(digest):
                raise DamagedFile(f"{path}: found another content than that of its name")
            table = pa.ipc.open_stream(body).read_all()
            if (table.schema.metadata or {}).get(_OF) != Path(folder).name.encode():
                raise DamagedFile(f"{path}: found vectors of another folder")
            if not table.schema.equals(_schema(dimension)):
                raise DamagedFile(
                    f"{path}: found columns {table.schema.names}, expected vectors of {dimension}"
                )
        except DamagedFile as error:
            damaged.append(f"{error}; ignored, its texts are encoded again")
            continue
        tables.append(table.replace_schema_metadata(None))
        files[path.name] = (sum(table["tokens"].to_pylist()), int(table.schema.metadata[_ROWS]))
    return CachedVectors(pa.concat_tables(tables), files, tuple(damaged))


def write_table(path: str, table: pa.Table) -> None:
    """Write a table and its hash to a file that appears whole or not at all."""
    _write(Path(path), _serialized(table))


def read_table(path: str) -> pa.Table:
    """Read a file of `write_table`; raises DamagedFile unless it is whole and unchanged."""
    body, _ = _read(path)
    return pa.ipc.open_stream(body).read_all()


def texts_in(path: str | Path) -> int:
    """Rows of a file of `write_table` or `write_vectors`, from its heads; what is damaged has none."""
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            return sum(batch.num_rows for batch in stream)
    except (OSError, pa.ArrowException):
        return 0


def _serialized(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _name(digest: bytes) -> str:
    return digest.hex()[:32] + SUFFIX


def _write(path: Path, body: pa.Buffer) -> None:
    with atomic(path) as draft, draft.open("wb") as file:
        file.write(body)
        file.write(sha256(body).digest())


def _read(path: str) -> tuple[pa.Buffer, bytes]:
    """A file without its hash, and the hash; raises DamagedFile unless one is of the other."""
    with pa.memory_map(path) as file:
        whole = file.read_buffer()
    size = max(0, whole.size - _DIGEST_BYTES)
    body, digest = whole.slice(0, size), whole.slice(size).to_pybytes()
    if sha256(body).digest() != digest:
        raise DamagedFile(
            f"{path}: cut short or altered, found {whole.size} bytes that do not match their hash"
        )
    return body, digest


def vector_array(vectors: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    """Vectors (n, dimension) as an Arrow array that never holds a null."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=_vector_type(vectors.shape[1]))


def _vector_type(dimension: int) -> pa.DataType:
    return pa.list_(pa.field("element", pa.float32(), nullable=False), dimension)


def _schema(dimension: int) -> pa.Schema:
    types = {"key": _KEY, "vector": _vector_type(dimension), "tokens": pa.int32(), "truncated": pa.bool_()}
    return pa.schema([pa.field(name, type_, nullable=False) for name, type_ in types.items()])
