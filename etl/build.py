"""Run the stages of a build in order, each only if its inputs changed; one build per folder at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from routerset.embed.encoders import ENCODERS
from routerset.etl import manifest
from routerset.etl.config import Config, ConfigError, Runner
from routerset.etl.ingest.copies import with_fresh_copies, with_local_copies
from routerset.etl.manifest import Manifest, is_whole
from routerset.etl.progress import say
from routerset.etl.stages.base import Context, Gate, Report, Stage
from routerset.etl.stages.rows import STAGES
from routerset.schemas.exits import TRY_LATER, USAGE
from routerset.schemas.store import Output, locked
from routerset.schemas.tables import tables_of

COPIES = "staging/remote"
"""Folder of a build that holds copies of remote dumps."""


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
    Raises ConfigError, DumpUnreadable, EmptyBuild, BuildLocked, StageMissing, and what the stages raise.
    """
    _check(config, only)
    out.mkdir(parents=True, exist_ok=True)
    busy = BuildLocked(f"{out}: another build is at work here; wait for it, or use another --out")
    with locked(out / ".lock", busy):
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
    for path in [*out.glob("tables/**/.*.tmp"), *out.glob("staging/**/.*.tmp")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _sweep(out: Path, stage: str, outputs: Iterable[Output]) -> None:
    """Remove what earlier builds and killed runs left among the tables of a stage."""
    current = {out / output.path for output in outputs}
    for table in tables_of(stage):
        for path in sorted((out / "tables" / table.name).rglob("*"), reverse=True):
            if path.is_file() and path not in current:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
