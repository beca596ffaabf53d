"""The shell of a release: reads the tables of a build, writes the folder, swaps it in whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from release import layout
from release.card import figures, license_text, render_card
from release.croissant import croissant
from release.diff import Change, Level, Side, compare
from release.errors import ReleaseError, ReleaseInputError
from release.layout import Group
from release.manifest import (
    BenchmarkEntry,
    Json,
    Manifest,
    Row,
    TableEntry,
    Writer,
    checksums,
    format_checksums,
    read_checksums,
    read_manifest,
    registry_order,
    sha256,
)
from release.scores import read_scores
from release.version import AUTO, changelog, changelog_entry, choose_version
from schemas.benchmarks import BENCHMARKS
from schemas.tables import Split

CELLS = 1 << 22
"""Scores of candidates in one row group: 20 MB with their labels."""
ROWS = 1 << 14
"""Items in one row group at most: their prompts are long."""
WORKERS = 2
"""Files written at a time."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ReleaseOptions:
    """What a release is to be, and what its build knows beyond the tables.

    version: `auto` or X.Y.Z. previous: folder of the release before. schemes: the first one gives the files;
    seed: of the splits. accounting: rows of source, benchmark, read, kept, superseded, quarantined, reasons.
    skipped_groups: rows of benchmark, method, m, kind, reason. encoders: what to say of an encoder; the
    registry's entry by default.
    """

    name: str = "routereval"
    version: str = AUTO
    previous: Path | None = None
    schemes: tuple[str, ...] = ("paper", "family")
    seed: int = 42
    accounting: Sequence[Row] = ()
    skipped_groups: Sequence[Row] = ()
    encoders: Mapping[str, Row] = field(default_factory=dict)


@dataclass(frozen=True)
class ReleaseResult:
    """version: of the release; files: relative paths; changed: False where it equals the previous release."""

    version: str
    files: tuple[str, ...]
    changed: bool


def write_release(
    build: Path,
    out: Path,
    options: ReleaseOptions,
    writer: Writer,
    progress: Progress = lambda _: None,
    reports: Progress | None = None,
) -> ReleaseResult:
    """Write the release of a build; `out` changes in one step, when all is done.

    build: folder with `tables/`. writer: `etl.store`. progress: told the benchmark at work. reports: called
    with the path of the unfinished release, to add pictures and tables below `reports/`.
    The same tables and options give the same bytes. Raises ReleaseError, VersionError, ReleaseInputError.
    """
    draft, before = out.with_name(f".{out.name}.draft"), out.with_name(f".{out.name}.before")
    if before.exists() and not out.exists():
        before.replace(out)
    for leftover in (draft, before):
        shutil.rmtree(leftover, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        manifest = _write_tables(build, draft, options, writer, progress)
        _copy_evaluator(draft / layout.EVALUATOR)
        manifest, text, changed = _decide(draft, manifest, options, writer)
        writer.write_json(draft / layout.MANIFEST, manifest.to_json())
        if reports:
            reports(str(draft))
        sums = seal(draft, writer, manifest, text)
        if out.exists():
            out.replace(before)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if out.exists():
            shutil.rmtree(before, ignore_errors=True)
    return ReleaseResult(manifest.version, (*sorted(sums), layout.CHECKSUMS), changed)
