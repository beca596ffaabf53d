"""Compares a release with what it was made from: the tables of a build, or the dumps themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl import manifest as builds
from routerset.etl.config import Config, Runner
from routerset.release import layout
from routerset.release.errors import ReleaseInputError
from routerset.release.files import read_table
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.verify import Problem
from routerset.release.write import candidates, limits
from routerset.schemas.plainfiles import entries
from routerset.schemas.released import RELEASED
from routerset.schemas.store import sha256
from routerset.schemas.tables import TABLES

Note = Callable[[str], None]
_ROWS = 1 << 20
_SOURCE = "use a release that was made from this source, or build it again"


def has_tables(source: Path) -> bool:
    """Whether a source is a build; else it is a folder of dumps."""
    return (source / "tables").is_dir()


def check_against(release: Path, source: Path, config: Config | None, note: Note) -> Iterator[Problem]:
    """Problems of a release that is not what its source gives.

    source: a build, whose tables must be those of the release; or a folder of dumps, in which every file of
    `runs.parquet` must have its SHA-256. config: of dumps, to read them again and compare models, items,
    scores and runs, too; without one, note is told that this was not done.
    Raises ReleaseInputError for a source that is missing, and what building raises.
    """
    manifest = read_manifest(release)
    if not source.is_dir():
        raise ReleaseInputError(f"{source}: not found; expected the folder of a build, or of dumps")
    if has_tables(source):
        build = builds.load(source) or builds.Manifest("")
        outputs = [output for stage in build.stages.values() for output in stage.outputs]
        tables = [output for output in outputs if output.path.startswith("tables/")]
        if not tables or not builds.is_whole(source, tables):
            raise ReleaseInputError(f"{source}: its tables are not those of its manifest; build it again")
        yield from _tables(release, manifest, source)
        return
    yield from _dumps(release, source)
    if config is None:
        note(f"{source}: files compared by SHA-256 alone; with --config they are read again, too")
        return
    from routerset.etl.build import build as run

    with tempfile.TemporaryDirectory(prefix="routerset-") as folder:
        run(config, Path(folder), Runner(), lambda *_: None, "ingest")
        yield from _tables(release, manifest, Path(folder))


def _dumps(release: Path, source: Path) -> Iterator[Problem]:
    """Files of `runs.parquet` that are not in a folder of dumps with their checksum.

    A path there is relative to its source, which may be any folder below this one.
    """
    runs = read_table(release / layout.RUNS, ["file", "sha256"])
    wanted: dict[str, set[str]] = {}
    for file, digest in zip(runs["file"].to_pylist(), runs["sha256"].to_pylist(), strict=True):
        wanted.setdefault(file, set()).add(digest)
    by_name: dict[str, list[str]] = {}
    for path, _ in entries(source):
        by_name.setdefault(_as_recorded(path).rpartition("/")[2], []).append(path)
    for file, digests in sorted(wanted.items()):
        here = [
            path
            for path in by_name.get(file.rpartition("/")[2], ())
            if f"/{_as_recorded(path)}".endswith(f"/{file}")
        ]
        known = [sha256(source / path) for path in here if (source / path).is_file()]
        for digest in sorted(digests.difference(known)):
            found = f"SHA-256 {known[0]}" if known else "no such file"
            yield Problem(layout.RUNS, f"{file}: {found} in {source}", f"SHA-256 {digest}", _SOURCE)


def _as_recorded(path: str) -> str:
    """A path as `runs` has it: bytes that are no UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _tables(release: Path, manifest: Manifest, build: Path) -> Iterator[Problem]:
    """Tables of a release that differ from those of a build; of the build's stages that have run."""
    for name in ("models", "runs"):
        yield from _equal(release, RELEASED[name].path, build / TABLES[name].path())
    yield from _optional(
        release, layout.PRICES, build / TABLES["prices"].path(), layout.PRICES in manifest.tables
    )
    there = {p.name.removeprefix("benchmark=") for p in (build / "tables/items").glob("benchmark=*")}
    if there != set(manifest.benchmarks):
        found, wanted = ", ".join(manifest.benchmarks), ", ".join(sorted(there))
        yield Problem(layout.MANIFEST, f"benchmarks {found}", f"{wanted} of {build}", _SOURCE)
    for name in sorted(there.intersection(manifest.benchmarks)):
        yield from _equal(release, layout.scores_path(name), build / TABLES["scores"].path(benchmark=name))
        costs, told = build / TABLES["costs"].path(benchmark=name), bool(manifest.benchmarks[name].costs)
        yield from _optional(release, layout.costs_path(name), costs, told)
        yield from _items(release, manifest, build, name)
    if (build / "tables/splits").is_dir():  # so that [curate] has run
        for keys in ({}, *({"benchmark": name} for name in sorted(there))):
            table = "pseudo_specialists" if keys else "curated"
            path = RELEASED[table].at(**keys)
            yield from _optional(release, path, build / TABLES[table].path(**keys), path in manifest.tables)
    if (build / "tables/groups").is_dir():
        yield from _groups(release, build, sorted(there))


def _equal(release: Path, path: str, source: Path) -> Iterator[Problem]:
    """A table that a release takes over as it is."""
    if sha256(release / path) != sha256(source):
        yield from _differs(path, read_table(release / path), read_table(source), f"{source}")


def _optional(release: Path, path: str, source: Path, told: bool) -> Iterator[Problem]:
    """A table that a release takes over where its build has it. told: whether the manifest says so."""
    if source.exists() and told:
        yield from _equal(release, path, source)
    elif source.exists() or told:
        found, wanted = ("no such table", f"that of {source}")[:: 1 if source.exists() else -1]
        yield Problem(path, found, wanted, _SOURCE)


def _items(release: Path, manifest: Manifest, build: Path, name: str) -> Iterator[Problem]:
    """Items, sides and vectors of one benchmark."""
    items = read_table(build / TABLES["items"].path(benchmark=name))
    splits = {
        scheme: read_table(path)
        for scheme in manifest.schemes
        if (path := build / TABLES["splits"].path(scheme=scheme, benchmark=name)).exists()
    }
    entry = manifest.benchmarks[name]
    expected = layout.item_columns(manifest.registry[name], items, splits)
    columns = [*expected.column_names]
    parts = [read_table(release / layout.data_path(name, split), columns) for split in manifest.files(name)]
    place = pc.sort_indices(pa.concat_tables(parts), sort_keys=[("item", "ascending")])
    found = pa.concat_tables(parts).take(place)
    source = f"{build / 'tables'}"
    yield from _differs(f"data/{name}", found, expected, source)
    for encoder in entry.encoders:
        path = build / TABLES["embeddings"].path(encoder=encoder, benchmark=name)
        if path.exists():
            paths = [release / layout.vectors_path(encoder, name, split) for split in manifest.files(name)]
            files = [read_table(each, ["embedding"]) for each in paths]
            vectors = pa.concat_tables(files).take(place).rename_columns(["vector"])
            yield from _differs(f"vectors/{encoder}/{name}", vectors, read_table(path, ["vector"]), source)


def _groups(release: Path, build: Path, benchmarks: list[str]) -> Iterator[Problem]:
    """Candidates of every group."""
    expected = layout.groups_table({name: candidates(build, name) for name in benchmarks})
    yield from _differs(layout.GROUPS, read_table(release / layout.GROUPS), expected, f"{build / 'tables'}")
    if (build / "tables/limits").is_dir():
        expected = limits(build, benchmarks)
        yield from _differs(
            layout.LIMITS, read_table(release / layout.LIMITS), expected, f"{build / 'tables'}"
        )


def _differs(path: str, found: pa.Table, expected: pa.Table, source: str) -> Iterator[Problem]:
    """A problem where two tables differ, with the first row that does."""
    if found.num_rows != expected.num_rows:
        yield Problem(path, f"{found.num_rows} rows", f"{expected.num_rows} of {source}", _SOURCE)
        return
    for start in range(0, found.num_rows, _ROWS):
        for name in expected.column_names:
            ours, theirs = (table[name].slice(start, _ROWS).combine_chunks() for table in (found, expected))
            if pa.types.is_dictionary(ours.type):
                ours, theirs = ours.cast(pa.string()), theirs.cast(pa.string())
            if not ours.equals(theirs):
                rows = enumerate(zip(ours, theirs, strict=True), start)
                row, pair = next((i, pair) for i, pair in rows if not pair[0].equals(pair[1]))
                shown = [str(value.as_py())[:80] for value in pair]
                yield Problem(path, f"row {row}, {name} {shown[0]}", f"{shown[1]} of {source}", _SOURCE)
                return
