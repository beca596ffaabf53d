"""What a path holds: a build, a release, one table, or raw dumps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.expectations.dumps import NO_DUMPS, DumpReader, ReadDumps
from routerset.expectations.errors import UnknownTable, Unreadable
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.manifests import JsonObject, ManifestError, declared_by, read_manifest
from routerset.schemas.plainfiles import lfs_hint, open_regular
from routerset.schemas.registry import Declared, registry
from routerset.schemas.released import RELEASED
from routerset.schemas.tables import TABLES, tables_of

EMBEDDINGS, DATA, VECTORS = "embeddings", "data", "vectors"
NAMES = tuple(TABLES)
STAGES = (*dict.fromkeys(table.stage for table in TABLES.values()), "release")
"""Stages of a build that write something to look at, in order."""


class What(StrEnum):
    """Kinds of things that can be validated."""

    BUILD = "build"
    RELEASE = "release"
    TABLE = "table"
    DUMP = "dump"


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table. keys: values of its partition keys; name: relative to the root."""

    table: str
    path: Path
    name: str
    schema: pa.Schema
    rows: int
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Target:
    """What is validated. manifest: empty where there is none; stage: of a build that is at work, or none.

    read: reads what is there, where it is raw dumps. declared: benchmarks of a single table, and guessed: the
    one of them that nothing but the name of a folder tells.
    """

    root: Path
    what: What
    parts: tuple[Part, ...] = ()
    manifest: JsonObject = field(default_factory=dict)
    stage: str | None = None
    read: ReadDumps | None = None
    declared: Mapping[str, Declared] = field(default_factory=dict)
    guessed: str | None = None

    @property
    def settings(self) -> JsonObject:
        """What the config says to the gate; as a config that says nothing where no manifest tells."""
        ingest, groups = (
            self.manifest.get("stages", {}).get(stage, {}).get("info", {}) for stage in ("ingest", "groups")
        )
        given = self.manifest.get("settings") or ingest.get("settings") or {}
        twins = self.manifest.get("twins") or groups.get("twins") or "all"
        tiers = self.manifest.get("tiers") or groups.get("tiers") or {}
        return {
            "min_coverage": 1.0,
            "table_4": False,
            **given,
            "twins": twins,
            "tiers": tiers.get("chosen", ()),
        }

    def frozen_groups(self, benchmark: str) -> frozenset[str]:
        """Columns of groups that stay as an older release had them, whatever its rules would choose now."""
        groups = self.manifest.get("stages", {}).get("groups", {}).get("info", {})
        frozen = self.manifest.get("frozen") or groups.get("frozen") or {}
        return frozenset(frozen.get("groups", {}).get(benchmark, ()))

    @property
    def registry(self) -> Mapping[str, Benchmark]:
        """All benchmarks, as they are declared."""
        return registry({**declared_by(self.manifest), **self.declared})

    def of(self, table: str) -> tuple[Part, ...]:
        """Files of a table."""
        return tuple(part for part in self.parts if part.table == table)


def locate(
    path: Path, table: str | None = None, stage: str | None = None, dumps: DumpReader = NO_DUMPS
) -> Target:
    """Find out what a path holds, from names and footers alone.

    table: for a file, the table or dump format that it is. dumps: knows raw dumps.
    Raises Unreadable, UnknownTable.
    """
    if stage is not None and stage not in STAGES:
        raise UnknownTable(f"stage: found {stage!r}, expected one of {', '.join(STAGES)}")
    if not path.exists():
        raise Unreadable(f"{path}: not found; expected a build, a release, a table or a dump")
    if dumps.configured:
        return Target(path, What.DUMP, read=dumps.find(path, table))
    if path.is_dir():
        return _folder(path, table, stage, dumps)
    if table in NAMES:
        return _table(path, str(table))
    if table is not None and table not in dumps.formats:
        raise UnknownTable(
            f"--table: found {table!r}, expected a table ({', '.join(NAMES)}) "
            f"or a dump format ({', '.join(dumps.formats)})"
        )
    return _file(path, table, dumps)


def _folder(path: Path, table: str | None, stage: str | None, dumps: DumpReader) -> Target:
    manifest = _manifest(path / "manifest.json")
    if "companion" in manifest:
        raise Unreadable(
            f"{path}: found a companion, of withheld texts alone, expected a build, a release or dumps; "
            f"`routerset verify {path}` checks it"
        )
    if "release" in manifest:
        return Target(path, What.RELEASE, tuple(_release_parts(path)), manifest)
    if "stages" in manifest or (path / "tables").is_dir():
        return Target(path, What.BUILD, tuple(_build_parts(path, stage)), manifest, stage)
    if manifest or (path / "SHA256SUMS").exists():
        raise Unreadable(
            f"{path / 'manifest.json'}: found no stages and no release in it; expected the manifest of a "
            "build or a release; fetch or build it again"
        )
    if path.name == "tables" and _home(path) == path.parent:
        raise Unreadable(f"{path}: found the tables of a build, expected its folder; validate {path.parent}")
    read = dumps.find(path, table if table in dumps.formats else None)
    if read is None:
        raise Unreadable(
            f"{path}: found no manifest.json, no tables/ and no dump ({', '.join(dumps.formats)}); "
            "expected the folder of a build, a release or dumps"
        )
    return Target(path, What.DUMP, read=read)


def _manifest(path: Path) -> JsonObject:
    """A manifest, or nothing where there is none."""
    try:
        return read_manifest(path)
    except FileNotFoundError:
        return {}
    except ManifestError as error:
        raise Unreadable(lfs_hint(path) or str(error)) from error


def _home(path: Path) -> Path | None:
    """The build or release that a path lies in, or None; other programs write a manifest.json, too."""
    for folder in path.parents:
        try:
            if _manifest(folder / "manifest.json"):
                return folder
        except Unreadable:
            continue
    return None


def _build_parts(root: Path, stage: str | None) -> Iterator[Part]:
    """Parquet files of a build; of a stage and those before it, where a stage is named."""
    for name in STAGES[: STAGES.index(stage or STAGES[-1]) + 1]:
        for table in tables_of(name):
            pattern = f"{table.name}/**/*.parquet" if table.keys else f"{table.name}.parquet"
            for path in sorted((root / "tables").glob(pattern)):
                yield _part(path, root, table.name)


def _release_parts(root: Path) -> Iterator[Part]:
    """Parquet files of a release."""
    for table in RELEASED.values():
        for path in sorted(root.glob(table.pattern)):
            yield _part(path, root, table.name, table.keys_of(path.relative_to(root).as_posix()))


def _part(path: Path, root: Path, table: str, keys: Mapping[str, str] | None = None) -> Part:
    """A table file with its footer. keys: those that the path spells as `key=value`, by default."""
    if keys is None:
        pairs = [piece.partition("=") for piece in path.parent.parts]
        known = TABLES[table].keys if table in TABLES else ()
        keys = {
            key: value for key, _, value in pairs if key in known
        }  # folders above may have such names, too
    try:
        with open_regular(path) as stream, pq.ParquetFile(stream) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise Unreadable(
            lfs_hint(path)
            or f"{path}: unreadable ({error}); expected a whole Parquet file; fetch or build it again"
        ) from error
    return Part(table, path, path.relative_to(root).as_posix(), schema, rows, dict(keys))


def _table(path: Path, name: str) -> Target:
    """A single table. Its build or release says which benchmarks there are, where it lies in one."""
    home = _home(path)
    declared = declared_by(_manifest(home / "manifest.json")) if home else {}
    known = {each.casefold(): each for each in registry(declared)}
    # the scores of a release are named after their benchmark
    released = RELEASED[name].keys_of(f"{path.parent.name}/{path.name}") if name in RELEASED else {}
    keys = released if released.get("benchmark") in known.values() else None
    part = _part(path, path.parent, name, keys)
    of = part.keys.get("benchmark", "")
    guessed = of if file_stem_is_safe(of) and of.casefold() not in known else None
    if guessed:
        declared = {**declared, guessed: Declared(metric="score")}
    return Target(path.parent, What.TABLE, (part,), declared=declared, guessed=guessed)


def _file(path: Path, form: str | None, dumps: DumpReader) -> Target:
    """A single file: a dump where it is called one, else a table by its place or its columns, else a dump."""
    if path.suffix == ".parquet" and form is None:
        part = _part(path, path.parent, "")
        folders = [*path.parts[:-1], path.stem]
        by_place = [name for name in reversed(folders) if name in NAMES]
        by_columns = [name for name, table in TABLES.items() if part.schema.names == table.schema.names]
        for name in (*by_columns, *(n for n in by_place if "tables" in folders)):
            return _table(path, name)
    read = dumps.find(path, form)
    home = None if read else _home(path)
    if home is not None:
        raise Unreadable(
            f"{path}: found a part of {home}, which means nothing without the rest; validate {home}"
        )
    if read is None:
        raise Unreadable(
            f"{path}: found neither a table nor a dump that we know; expected a table ({', '.join(NAMES)}) "
            f"or a dump ({', '.join(dumps.formats)}); say which with --table"
        )
    return Target(path.parent, What.DUMP, read=read)
