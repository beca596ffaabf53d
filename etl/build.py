"""Run the stages of a build in order, each only if its inputs changed; one build per folder at a time."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from routerset.etl import manifest
from routerset.etl.config import Config, Runner
from routerset.etl.ingest.copies import with_fresh_copies, with_local_copies
from routerset.etl.manifest import Manifest, Stage, is_whole
from routerset.etl.progress import say
from routerset.etl.stages import embed as embedding
from routerset.etl.stages import groups as stages
from routerset.etl.stages import ingest
from routerset.etl.stages import release as releasing
from routerset.etl.stages import validate as validating
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.store import JsonObject, Output
from routerset.schemas.tables import tables_of


class StageName(StrEnum):
    """Stages of a build, in order."""

    INGEST = "ingest"
    SPLITS = "splits"
    GROUPS = "groups"
    EMBED = "embed"
    VALIDATE = "validate"
    RELEASE = "release"


COPIES = "staging/remote"
"""Folder of a build that holds copies of remote dumps."""


class BuildLocked(RuntimeError):
    """Another build is working in the folder."""

    exit_code = 75


class StageMissing(ValueError):
    """A single stage was asked for, and one before it is not up to date."""

    exit_code = 2


Report = Callable[[StageName, str], None]
"""Told what becomes of every stage."""

Gate = Callable[[Path, str, str], JsonObject]
"""Checks what a stage wrote: build folder, stage and its fingerprint; raises where it must not go on."""


@dataclass(frozen=True)
class Context:
    """What a stage can see. manifest: of the stages before it."""

    config: Config
    plan: ingest.Plan
    out: Path
    manifest: Manifest
    runner: Runner

    @property
    def outputs(self) -> list[Output]:
        """Files of all stages so far."""
        return [output for stage in self.manifest.stages.values() for output in stage.outputs]

    @property
    def benchmarks(self) -> list[str]:
        """Benchmarks that hold items, in the registry's order."""
        totals = self.manifest.stages[StageName.INGEST].info["benchmarks"]
        return [name for name in BENCHMARKS if totals.get(name, {}).get("items")]


def build(
    config: Config,
    out: Path,
    runner: Runner,
    report: Report,
    only: StageName | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Bring the build in `out` up to date; returns its manifest.

    only: run this stage alone. gate: runs behind every stage; without one, stage `validate` is left out.
    Raises ConfigError, DumpUnreadable, EmptyBuild, BuildLocked, StageMissing, and what the stages raise.
    """
    embedding.check(config)
    out.mkdir(parents=True, exist_ok=True)
    with _lock(out):
        _remove_temporaries(out)
        config = with_local_copies(config, out / COPIES, say)
        known = manifest.load(out) or Manifest(config.dataset.name)
        context = Context(config, ingest.plan(config), out, Manifest(config.dataset.name), runner)
        for name in StageName:
            if name is StageName.VALIDATE and gate is None:
                continue
            before = known.stages.get(name.value)
            if before is not None and _is_current(name, context, before):
                report(name, "up to date")
                stage = before
            else:
                if only not in (None, name):
                    raise StageMissing(f"{out}: --only {only} needs stage {name} first; build without --only")
                report(name, "running")
                stage = _run(name, context, report, gate)
                _sweep(out, [table.name for table in tables_of(name) if table.keys], stage.outputs)
            current = replace(context.manifest, stages={**context.manifest.stages, name.value: stage})
            context = replace(context, manifest=current)
            if stage is not before:
                manifest.save(out, current)
            if gate is not None and name is not StageName.VALIDATE:
                gate(out, name.value, stage.fingerprint)
            if name is only:
                return current
        return current


def steps(config: Config, out: Path) -> list[tuple[StageName, bool]]:
    """Every stage, and whether a build would run it; what stands after a stage that runs, runs too.

    Remote dumps are listed, not fetched: where a copy is not up to date, everything would run.
    Raises ConfigError, DumpUnreadable, SourceUnavailable.
    """
    embedding.check(config)
    local = with_fresh_copies(config, out / COPIES)
    if local is None:
        return [(name, True) for name in StageName]
    config = local
    known = manifest.load(out) or Manifest(config.dataset.name)
    context = Context(config, ingest.plan(config), out, Manifest(config.dataset.name), Runner())
    found: list[tuple[StageName, bool]] = []
    for name in StageName:
        stage = known.stages.get(name.value)
        runs = any(r for _, r in found) or stage is None or not _is_current(name, context, stage)
        found.append((name, runs))
        if stage is not None:
            earlier = {**context.manifest.stages, name.value: stage}
            context = replace(context, manifest=replace(context.manifest, stages=earlier))
    return found


def _is_current(name: StageName, context: Context, stage: Stage) -> bool:
    """Whether a stage's files are there, made by this code from these settings and inputs."""
    return stage.fingerprint == _fingerprint(name, context) and is_whole(context.out, stage.outputs)


def _fingerprint(name: StageName, context: Context) -> str | None:
    """Hash of everything a stage depends on: code, settings, and the files of the stages before it."""
    if name is StageName.INGEST:
        return ingest.known_fingerprint(context.plan, context.out)
    if name is StageName.EMBED:
        return embedding.fingerprint_of(context.config, context.outputs)
    if name is StageName.VALIDATE:
        return validating.fingerprint_of({n: s.fingerprint for n, s in context.manifest.stages.items()})
    if name is StageName.RELEASE:
        return releasing.fingerprint_of(context.config, context.out, context.outputs)
    return stages.fingerprint_of(name.value, context.config, context.outputs)


def _run(name: StageName, context: Context, report: Report, gate: Gate | None) -> Stage:
    config, out = context.config, context.out
    if name is StageName.INGEST:
        return ingest.ingest(config, context.plan, out, context.runner)
    if name is StageName.SPLITS:
        stage = stages.splits(config, out, context.benchmarks)
    elif name is StageName.EMBED:
        stage = embedding.embeddings(config, out, context.benchmarks, context.runner)
    elif name is StageName.VALIDATE:
        found = context.manifest.stages.items()
        stage = Stage("", (), {n: gate(out, n, s.fingerprint) if gate else {} for n, s in found})
    elif name is StageName.RELEASE:
        stage = releasing.release(config, out, context.manifest, lambda done: report(name, done))
    else:
        stage = stages.groups(config, out, context.benchmarks, context.outputs, context.runner)
    return replace(stage, fingerprint=_fingerprint(name, context) or "")


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    with (out / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildLocked(
                f"{out}: another build is at work here; wait for it, or use another --out"
            ) from error
        yield


def _remove_temporaries(out: Path) -> None:
    """Remove what killed runs were writing; the lock says that nobody writes now."""
    for path in [*out.glob("tables/**/.*.tmp"), *out.glob("staging/**/.*.tmp")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _sweep(out: Path, tables: Iterable[str], outputs: Iterable[Output]) -> None:
    """Remove what earlier builds and killed runs left among the tables of a stage."""
    current = {out / output.path for output in outputs}
    for table in tables:
        for path in sorted((out / "tables" / table).rglob("*"), reverse=True):
            if path.is_file() and path not in current:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
