"""Ingest on trial, for the gate: dumps are read, joined and counted as in a build, and nothing is kept."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import pyarrow as pa

from routerset.etl.config import Config, ConfigError
from routerset.etl.ingest.accounting import merge
from routerset.etl.ingest.copies import with_local_copies
from routerset.etl.ingest.partitions import assemble_all
from routerset.etl.ingest.plan import plan_build
from routerset.etl.looking.sniffs import benchmark_in
from routerset.etl.progress import say
from routerset.etl.sources.base import Dump, SourceSpec, SpecError
from routerset.etl.sources.files import is_remote, split_glob
from routerset.etl.sources.parse.tabular import read_header
from routerset.etl.sources.parse.wide_layout import WideOptions
from routerset.etl.sources.registry import SOURCES
from routerset.expectations.dumps import DumpReader, ReadDumps
from routerset.schemas import store
from routerset.schemas.tables import TABLES

WIDE, BY_ITEM = "wide", ("long", "item_major")
"""Formats whose files are known by what they hold, and not by their names."""
_ITEMS = pa.schema([("benchmark", pa.string()), ("subset", pa.string()), ("items", pa.int64())])
_NOTES = pa.schema(
    [("source", pa.string()), ("benchmark", pa.string()), ("note", pa.string()), ("records", pa.int64())]
)
_COUNTS = ("read", "kept", "superseded", "quarantined")
_ACCOUNTING = pa.schema(
    [("source", pa.string()), ("benchmark", pa.string()), *((name, pa.int64()) for name in _COUNTS)]
)


@dataclass(frozen=True)
class _Share:
    """Dumps of one source. holds: whether a file is one of them, by its path as the source tells it."""

    spec: SourceSpec
    holds: Callable[[str], bool]


def dump_reader(config: Config | None = None) -> DumpReader:
    """What the gate reads raw dumps with: the sources of a config, or whatever the formats claim.

    What it finds raises ConfigError where no source of the config has a dump there, or none tells the
    benchmark of a wide table, and what a build of the same dumps raises, but EmptyBuild.
    """
    find = _claimed if config is None else partial(_configured, config)
    return DumpReader(tuple(SOURCES), find, config is not None)


def _configured(config: Config, path: Path, wanted: str | None) -> ReadDumps:
    """Reads the dumps of a config's sources that lie at a path or below."""
    shares = []
    for spec in config.sources:
        base = Path(split_glob(spec.path)[0])
        inside = None if is_remote(spec.path) else _inside(base.resolve(), path.resolve())
        if inside is not None and wanted in (None, spec.format):
            shares.append(_Share(spec, partial(_lies_in, str(base / inside))))
    return partial(_read, config, path, shares)


def _inside(base: Path, path: Path) -> PurePosixPath | None:
    """The part of a source that lies at a path, from its base; None where there is none."""
    if base.is_relative_to(path):
        return PurePosixPath()
    return PurePosixPath(path.relative_to(base)) if path.is_relative_to(base) else None


def _lies_in(place: str, file: str) -> bool:
    return file == place or file.startswith(f"{place.rstrip('/')}/")


def _claimed(path: Path, wanted: str | None) -> ReadDumps | None:
    """Reads what the formats claim at a path; None where they claim nothing."""
    shares = []
    for name, source in SOURCES.items():
        spec = SourceSpec(name, str(path))
        asked = wanted == name and name not in (WIDE, *BY_ITEM)  # which are looked for below
        found = source.discover(spec) if source.by_name or asked else ()
        files = {dump.path for dump in found if asked or source.named(dump)}
        if files and wanted in (None, name):
            shares.append(_Share(spec, files.__contains__))
    if wanted in BY_ITEM:
        spec = SourceSpec(wanted, str(path))
        shares = [
            _Share(replace(spec, benchmark=_benchmark_of(path, dump)), {dump.path}.__contains__)
            for dump in SOURCES[wanted].discover(spec)
        ]
    if wanted in (None, WIDE):
        shares += _wide_tables(path, shares, named=wanted == WIDE and path.is_file())
    return partial(_read_claimed, path, shares) if shares else None


def _wide_tables(path: Path, others: Sequence[_Share], named: bool) -> Iterator[_Share]:
    """Tables with a column of models and columns of items, by benchmark; any, where it is named as one.

    Among them, or alone, a table that is too damaged to tell counts, too.
    """
    tables, damaged = [], []
    spec = SourceSpec(WIDE, str(path))
    for dump in SOURCES[WIDE].discover(spec):
        if any(share.holds(dump.path) for share in others):
            continue
        try:
            header, _ = read_header(dump.path, wanted=(WideOptions().model_column,))
        except OSError:
            damaged.append(dump)
        else:
            if named or (
                WideOptions().model_column in header and any(re.search(r"\d", name) for name in header)
            ):
                tables.append(dump)
    files: dict[str, set[str]] = {}
    for dump in tables + (damaged if tables or not others else []):
        files.setdefault(_benchmark_of(path, dump), set()).add(dump.path)
    for benchmark, found in files.items():
        yield _Share(replace(spec, benchmark=benchmark), found.__contains__)


def _benchmark_of(path: Path, dump: Dump) -> str:
    """The benchmark that the name of a wide table holds as a word, or else a folder of it, up to `path`."""
    home = path.resolve() if path.is_dir() else path.resolve().parent
    found = benchmark_in([*reversed(PurePosixPath(dump.file).parts), home.name])
    if found is not None:
        return found
    raise ConfigError(
        f"{dump.path}: a {dump.source} table does not tell the benchmark of its items, and neither does its "
        "name; name it in a config, and that with --config, such as:\n"
        f'source = [{{ format = "{dump.source}", path = "{Path(dump.path).resolve()}", '
        'benchmark = "gsm8k" }]'
    )


def _read_claimed(path: Path, shares: Sequence[_Share]) -> dict[str, pa.Table]:
    config = Config(str(path), tuple(share.spec for share in shares))
    try:
        return _read(config, path, shares)
    except SpecError as error:
        raise ConfigError(f"{path}: {error}; a config can say so: give one with --config") from error


def _read(config: Config, path: Path, shares: Sequence[_Share]) -> dict[str, pa.Table]:
    """Tables of `dumps.VIEWS`, made as a build makes its own."""
    config = replace(config, sources=tuple(share.spec for share in shares), models=())
    with tempfile.TemporaryDirectory(prefix="routerset-") as folder:
        build = Path(folder)
        config = with_local_copies(config, build / "copies", say)
        plan = plan_build(config)
        batches = [
            replace(batch, dumps=dumps)
            for batch in plan.batches
            if (dumps := tuple(d for d in batch.dumps if shares[batch.order].holds(d.path)))
        ]
        if not batches:
            raise ConfigError(f"{config.file}: no [[source]] has a dump in {path}; validate one of its paths")
        plan = replace(plan, batches=tuple(batches))
        parts = assemble_all(plan, config.sources, build, in_this_process)
        merged = merge(plan, build, parts)
        items = [
            {"benchmark": benchmark, "subset": subset, "items": n}
            for benchmark in parts
            for subset, n in _subsets(build, benchmark)
        ]
    notes = [
        {"source": row["source"], "benchmark": row["benchmark"], "note": note, "records": n}
        for row in merged.accounting
        for note, n in (
            *row["notes"].items(),
            *((f"{name}: values that are no cost", of["bad"]) for name, of in row.get("costs", {}).items()),
        )
        if n
    ]
    return {
        "dump_quarantine": merged.quarantine,
        "dump_runs": merged.runs,
        "dump_items": pa.Table.from_pylist(items, _ITEMS),
        "dump_notes": pa.Table.from_pylist(notes, _NOTES),
        "dump_accounting": pa.Table.from_pylist(merged.accounting, _ACCOUNTING),
    }


def _subsets(build: Path, benchmark: str) -> Iterator[tuple[str, int]]:
    """Subsets of a benchmark that was assembled, with their items."""
    path = build / TABLES["items"].path(benchmark=benchmark)
    if path.exists():
        for found in store.read_file(path, ["subset"])["subset"].value_counts():
            yield found["values"].as_py(), found["counts"].as_py()


def in_this_process(elements: Sequence, produce: Callable, reduce: Callable) -> None:  # type: ignore[type-arg]
    """What the pipeline does, in this process: the gate runs where no Beam is installed."""
    values: dict[str, list[object]] = {}
    for element in elements:
        for key, value in produce(element):
            values.setdefault(key, []).append(value)
    for key, found in values.items():
        reduce(key, found)
