"""Run the stages of a build in order, each only if its inputs changed; one build per folder at a time."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.embed.encoders import ENCODERS
from routerset.etl import manifest
from routerset.etl.config import Config, ConfigError, Runner
from routerset.etl.ingest.copies import with_fresh_copies, with_local_copies
from routerset.etl.manifest import Manifest, is_whole
from routerset.etl.progress import say
from routerset.etl.stages.base import Context, Gate, Report, Stage
from routerset.etl.stages.release import FOLDER
from routerset.etl.stages.rows import STAGES
from routerset.release.build import check_replaceable
from routerset.schemas import outfolder
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.exits import TRY_LATER, USAGE
from routerset.schemas.outfolder import NotOurs
from routerset.schemas.plainfiles import entries
from routerset.schemas.store import Output, locked
from routerset.schemas.tables import TABLES, tables_of

COPIES = "staging/remote"
"""Folder of a build that holds copies of remote dumps."""
PARTS = ("manifest.json", ".lock", "tables/", "staging/", "validation/", "release/", ".release.before/")
"""What a build writes into its folder."""


class BuildLocked(RuntimeError):
    """Another build is working in the folder."""

    exit_code = TRY_LATER


class StageMissing(ValueError):
    """A single stage was asked for, and one before it is not up to date."""

    exit_code = USAGE


def build(
    config: Config,
    out: Path,
    runner: Runner,
    report: Report,
    only: str | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Bring the build in `out` up to date; returns its manifest.

    only: name of the stage to run alone. gate: runs behind every stage; without one, nothing is checked.
    Raises NotOurs where `out` or something in it is not ours, ConfigError, DumpUnreadable, EmptyBuild,
    BuildLocked, StageMissing, and what the stages raise.
    """
    _check(config, only)
    outfolder.check(out, outfolder.BUILD)
    if not outfolder.is_build(out):
        outfolder.mark(out, outfolder.BUILD)
    busy = BuildLocked(f"{out}: another build is at work here; wait for it, or use another --out")
    with locked(out / outfolder.LOCK, busy):
        outfolder.check(out, outfolder.BUILD, PARTS)
        _table_files(out)
        check_replaceable(out, out / FOLDER)
        outfolder.mark(out, outfolder.BUILD)
        _remove_temporaries(out)
        known = manifest.load(out) or Manifest(config.dataset.name)
        context = Context(with_local_copies(config, out / COPIES, say), out, runner, report, gate)
        current = Manifest(config.dataset.name, context.finished)
        for stage in STAGES:
            if stage.sums_up and gate is None:
                continue
            if _is_current(stage, context, known):
                report(stage.name, "up to date")
                context.finished[stage.name] = known.stages[stage.name]
            else:
                if only not in (None, stage.name):
                    raise StageMissing(
                        f"{out}: --only {only} needs stage {stage.name} first; build without --only"
                    )
                report(stage.name, "running")
                finished = stage.run(context)
                finished = replace(finished, fingerprint=stage.fingerprint(context) or "")
                _sweep(out, stage.name, finished.outputs)
                context.finished[stage.name] = finished
                manifest.save(out, current)
            if gate is not None and not stage.sums_up:
                gate(out, stage.name, context.finished[stage.name].fingerprint)
            if stage.name == only:
                break
        return current


def steps(config: Config, out: Path) -> list[tuple[str, bool]]:
    """Every stage by name, and whether a build would run it; what stands after a stage that runs, runs too.

    Remote dumps are listed, not fetched: where a copy is not up to date, everything would run.
    Raises ConfigError, DumpUnreadable, SourceUnavailable.
    """
    _check(config)
    local = with_fresh_copies(config, out / COPIES)
    known = manifest.load(out) or Manifest(config.dataset.name)
    context = Context(local or config, out, Runner(), lambda *_: None)
    current = local is not None
    found = []
    for stage in STAGES:
        current = current and _is_current(stage, context, known)
        found.append((stage.name, not current))
        if current:
            context.finished[stage.name] = known.stages[stage.name]
    return found


def _check(config: Config, only: str | None = None) -> None:
    """Raise ConfigError for names of encoders and stages that are in no registry."""
    for name in (*config.embed.encoders, *config.embed.paths):
        if name not in ENCODERS:
            raise ConfigError(
                f'{config.file}: [embed]: unknown encoder "{name}"; valid: {", ".join(ENCODERS)}'
            )
    stages = [stage.name for stage in STAGES]
    if only is not None and only not in stages:
        raise ConfigError(f'--only: unknown stage "{only}"; valid stages: {", ".join(stages)}')


def _is_current(stage: Stage, context: Context, known: Manifest) -> bool:
    """Whether a stage's files are there, made by this code from these settings and inputs."""
    fingerprint = stage.fingerprint(context)
    finished = known.stages.get(stage.name)
    return (
        finished is not None
        and finished.fingerprint == fingerprint
        and is_whole(context.out, finished.outputs)
    )


def _remove_temporaries(out: Path) -> None:
    """Remove what killed runs were writing; the lock says that nobody writes now."""
    found = chain(out.iterdir(), *((out / part).rglob(".*.tmp") for part in ("tables", "staging")))
    for path in [path for path in found if outfolder.is_temporary(path.name)]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _table_files(out: Path, written: Collection[str] = ()) -> list[Path]:
    """Every table of a build, by path. Raises NotOurs for anything else among them.

    Ours is what was `written` just now, what the manifest lists, and what a killed run left: a table in its
    place, with its columns.
    """
    root = out / "tables"
    ours = outfolder.listed(out).union(written)
    names = [f"tables/{name}" for name, _ in entries(root)] if root.is_dir() else []
    for name in names:
        if not (name in ours or any(map(outfolder.is_temporary, name.split("/"))) or _is_table(out, name)):
            raise NotOurs(
                f"{out / name}: found a file that is not ours among the tables of a build; nothing of it was "
                "touched: move it, or choose another --out"
            )
    return [out / name for name in names]


def _is_table(out: Path, name: str) -> bool:
    """Whether a file of a build is a table of ours where it belongs."""
    _, folder, *parts = name.split("/")
    table = TABLES.get(folder.removesuffix(".parquet"))
    keys = dict(part.split("=", 1) for part in parts if "=" in part)
    if table is None or keys.keys() != set(table.keys) or name != table.path(**keys):
        return False
    if keys and keys["benchmark"] not in BENCHMARKS:
        return False
    try:
        found = pq.read_schema(out / name)
    except (OSError, pa.ArrowException):
        return False
    return (found.names, found.metadata) == (table.schema.names, table.schema.metadata)


def _sweep(out: Path, stage: str, outputs: Iterable[Output]) -> None:
    """Remove what earlier builds and killed runs left among the tables of a stage."""
    current = {output.path for output in outputs}
    folders = {table.name for table in tables_of(stage)}
    for path in _table_files(out, current):
        inside = path.relative_to(out)
        if inside.parts[1] in folders and inside.as_posix() not in current:
            path.unlink()
            for folder in path.parents[: len(inside.parts) - 2]:
                if not any(folder.iterdir()):
                    folder.rmdir()
