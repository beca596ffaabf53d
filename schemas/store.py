"""The only Parquet writer: one set of options, atomic files, the same bytes for the same rows."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.schemas.conform import conform
from routerset.schemas.outfolder import refuse_links
from routerset.schemas.plainfiles import open_regular

ROW_GROUP = 1 << 20
PART = 4 << 20
"""Bytes that are hashed at a time: for every part, a thread waits until others let go of the interpreter."""
DELTA_COLUMNS = frozenset({"item"})
PLAIN_COLUMNS = frozenset({"vector", "embedding", "scores"})
CHUNKS = {"min_chunk_size": 256 << 10, "max_chunk_size": 1 << 20, "norm_level": 0}
"""Content-defined chunking of pages, in bytes: so much of a file is sent again where a row of it changes."""
CHUNKED = {
    b"content_defined_chunking": json.dumps(CHUNKS).encode(),
    b"use_content_defined_chunking": b"true",
}
"""Notes in every footer that say so: the key of `datasets`, and the one by which the Hub knows such files."""
JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Output:
    """A file of a build. path: relative to the build folder, POSIX. rows: None where it holds no table."""

    path: str
    sha256: str
    bytes: int
    rows: int | None = None


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with naming(path):
        os.close(os.open(temporary, flags, 0o666))
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_files(folder: Path, files: Mapping[str, bytes], known: Collection[str]) -> list[Path]:
    """Write files by their paths below a folder; of the known ones those go that are none of them. Sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in known:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        with atomic(folder / name) as part:
            part.write_bytes(content)
    return sorted(folder / name for name in files)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends well, and vanishes otherwise.

    Where somebody else was faster, theirs stays: a folder is named by what it was made from.
    """
    temporary = temporary_name(path)
    temporary.mkdir(parents=True)
    try:
        with naming(path):
            yield temporary
            try:
                temporary.rename(path)
            except OSError:
                if not path.exists():
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_name(path: Path) -> Path:
    """Where a file or folder stands until it is whole, as `outfolder.is_temporary` knows it."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the operating system name `path` where they name no file, as those of streams do not."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


@contextmanager
def locked(path: Path, held: Exception) -> Iterator[None]:
    """Hold the lock of a file while the block runs; raises `held` where another process holds it.

    Raises NotOurs, with nothing touched, where anything but a file stands there.
    """
    refuse_links(path.parent, [path.name])
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise held from error
        yield
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def json_text(value: object) -> str:
    """JSON with sorted keys and a final newline."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically, as `json_text` gives it."""
    write_text(path, json_text(value))


def read_json(path: Path) -> JsonObject:
    """Object of a JSON file. Raises ValueError where it holds none."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def read_file(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One Parquet file, or some of its columns.

    For small files this takes a third of the time of `pq.read_table`, which looks for datasets of many files.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns and list(columns))


def open_writer(path: Path | pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """Parquet writer with the options of every file here.

    zstd, page index and content-defined chunking on; `item` columns delta-packed, vectors and packed
    scores plain, all else dictionary-encoded. The footer has the notes of the schema, and CHUNKED.
    """
    notes = {key: note for key, note in (schema.metadata or {}).items() if key not in CHUNKED}
    leaves = _leaf_columns(schema)
    delta = [leaf for leaf in leaves if leaf in DELTA_COLUMNS]
    dictionary = [leaf for leaf in leaves if leaf not in delta and leaf.split(".")[0] not in PLAIN_COLUMNS]
    writer = pq.ParquetWriter(
        path,
        schema.with_metadata(notes or None),  # a table that was read has those of its footer
        compression="zstd",
        use_dictionary=dictionary or False,
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED") or None,
        write_page_index=True,
        use_content_defined_chunking=CHUNKS,
    )
    writer.add_key_value_metadata(CHUNKED)
    return writer


def footer(schema: pa.Schema) -> pq.FileMetaData:
    """What the footer of a file of this schema holds beside its rows."""
    with pa.BufferOutputStream() as stream:
        open_writer(stream, schema).close()
        return pq.read_metadata(pa.BufferReader(stream.getvalue()))


def write_batches(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables one after the other into one Parquet file, atomically; returns the number of rows.

    Raises SchemaError where a table does not fit.
    """
    rows = 0
    with atomic(path) as temporary, open_writer(temporary, schema) as writer:
        for table in tables:
            fitted = conform(table, schema, path.name)
            rows += fitted.num_rows
            writer.write_table(fitted, row_group_size=ROW_GROUP)
    return rows


def write_table(path: Path, schema: pa.Schema, table: pa.Table) -> int:
    """Write one table into one Parquet file, atomically; returns the number of rows."""
    return write_batches(path, schema, [table])


def sort_rows(table: pa.Table) -> pa.Table:
    """Rows in the order that the table's schema names, nulls first."""
    names = table.schema.metadata[b"routerset.sort"].decode().split(",")
    keys = [(name, "ascending", "at_start") for name in names]
    return table.take(pc.sort_indices(table, sort_keys=keys))


def sha256(path: Path | str) -> str:
    """SHA-256 of a local file, as hex digits. Raises NotARegularFile for what has no end."""
    hasher = hashlib.sha256()
    with open_regular(path) as stream, naming(Path(path)):
        while part := stream.read(PART):
            hasher.update(part)
    return hasher.hexdigest()


def describe(root: Path, path: Path, rows: int | None = None) -> Output:
    """Output record of a finished file below `root`."""
    return Output(path.relative_to(root).as_posix(), sha256(path), path.stat().st_size, rows)


def _leaf_columns(schema: pa.Schema) -> list[str]:
    """Parquet leaf paths of a schema, such as `choices.list.element`."""
    return [
        f"{field.name}.list.element"
        if pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
        else field.name
        for field in schema
    ]
