"""Run the stages of a build in order, each only if its inputs changed; one build per folder at a time."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.embed.encoders import ENCODERS
from routerset.etl import console, manifest
from routerset.etl.config import Config, ConfigError, Runner
from routerset.etl.ingest.copies import with_fresh_copies, with_local_copies
from routerset.etl.ingest.price_files import read_prices
from routerset.etl.last_run import recorded
from routerset.etl.manifest import Finished, Manifest
from routerset.etl.progress import say
from routerset.etl.records import digest_of, identity, read_sealed, write_sealed
from routerset.etl.sources.files import is_remote
from routerset.etl.stages import release
from routerset.etl.stages.base import Context, Gate, Report
from routerset.etl.stages.frozen import frozen_of
from routerset.etl.stages.previous import previous_of
from routerset.etl.stages.rows import STAGES
from routerset.release.build import check_replaceable
from routerset.schemas import outfolder
from routerset.schemas.exits import TRY_LATER, USAGE
from routerset.schemas.outfolder import NotOurs
from routerset.schemas.plainfiles import entries
from routerset.schemas.store import Output, locked
from routerset.schemas.tables import TABLES, tables_of

COPIES = "staging/remote"
"""Folder of a build that holds copies of remote dumps."""
PARTS = ("manifest.json", ".lock", "tables/", "staging/", "validation/", "release/", ".release.before/",
         "release-gated/", ".release-gated.before/")  # fmt: skip
"""What a build writes into its folder."""
SEEN = "staging/seen.json"
"""Record of what the file system said of every file of a stage."""


class BuildLocked(RuntimeError):
    """Another build is working in the folder."""

    exit_code = TRY_LATER


class StageMissing(ValueError):
    """A single stage was asked for, and one before it is not up to date."""

    exit_code = USAGE

    @classmethod
    def of(cls, out: Path, only: str | None, needed: str) -> StageMissing:
        """That stage `only` needs another one first."""
        return cls(f"{out}: --only {only} needs stage {needed} first; build without --only")


def build(
    config: Config,
    out: Path,
    runner: Runner,
    report: Report,
    only: str | None = None,
    gate: Gate | None = None,
    *,
    check: bool = False,
) -> Manifest:
    """Bring the build in `out` up to date; returns its manifest.

    Files of an earlier build count by what the file system says of them while there is nothing to do, and by
    their checksums as soon as a stage runs: what was altered is made again.

    only: name of the stage to run alone. gate: runs behind every stage; without one, nothing is checked.
    check: go by checksums anyway, those of dumps too.
    Raises NotOurs where `out` or something in it is not ours, ConfigError, DumpUnreadable, EmptyBuild,
    BuildLocked, StageMissing, what `previous_of` raises before any stage runs, and what the stages raise.
    """
    _check(config, only)
    outfolder.check(out, outfolder.BUILD)
    if not outfolder.is_build(out):
        outfolder.mark(out, outfolder.BUILD)
    busy = BuildLocked(f"{out}: another build is at work here; wait for it, or use another --out")
    with locked(out / outfolder.LOCK, busy):
        check_folder(out, config.registry)
        outfolder.mark(out, outfolder.BUILD)
        _remove_temporaries(out)
        with recorded(out, Path(config.file), only, report) as told:
            if config.left_out:
                say(console.left_out(config.file, config.left_out))
            previous = previous_of(config.release, out, say)
            if only in (None, release.STAGE.name):
                previous()
            config = with_local_copies(config, out / COPIES, say, check=check)
            frozen = frozen_of(config, out)
            context = Context(config, out, runner, told, gate, check=check, previous=previous, frozen=frozen)
            files = _Files(out, thorough=check)
            while not _carry_out(context, files, only):
                context.finished.clear()
            files.save()
        return Manifest(config.dataset.name, context.finished)


def _carry_out(context: Context, files: _Files, only: str | None) -> bool:
    """Run the stages that are not up to date; False where, before one runs, a file of an earlier one is found
    altered, which the next attempt makes again."""
    out, gate = context.out, context.gate
    known = manifest.load(out) or Manifest(context.config.dataset.name)
    ran = False
    for stage in STAGES:
        if stage.sums_up and gate is None:
            continue
        # a stage that reads no table reads dumps, whatever is known of them
        looks_again = context.check and not stage.reads and not stage.sums_up
        fingerprint = None if looks_again else stage.fingerprint(context)
        finished = known.stages.get(stage.name)
        if finished is not None and finished.fingerprint == fingerprint and files.whole(finished.outputs):
            context.report(stage.name, "up to date")
        else:
            if only not in (None, stage.name) and not stage.idle(context):
                raise StageMissing.of(out, only, stage.name)
            if not files.thorough:
                files.thorough = True
                if not all(files.whole(before.outputs) for before in context.finished.values()):
                    return False
            context.report(stage.name, "running")
            finished = stage.run(context)
            # of what it was when the stage began: what changed meanwhile differs from it the next time
            finished = replace(finished, fingerprint=fingerprint or stage.fingerprint(context) or "")
            files.wrote(finished.outputs)
            _sweep(out, stage.name, finished.outputs, context.config.registry)
            ran = True
        context.finished[stage.name] = finished
        if ran:
            manifest.save(out, Manifest(context.config.dataset.name, context.finished))
        if gate is not None and not stage.sums_up:
            gate(out, stage.name, context.mark(stage.name))
        if stage.name == only:
            break
    return True


class _Files:
    """What is known of the files of a build: what the file system said of them when they were last read."""

    def __init__(self, out: Path, *, thorough: bool = False) -> None:
        self.thorough = thorough
        self._out = out
        self._saved = read_sealed(out / SEEN) or {}
        self._seen = dict(self._saved)

    def whole(self, outputs: Iterable[Output]) -> bool:
        """Whether all files are as they were written; `thorough` reads those that look so, too."""
        for output in outputs:
            now = identity(self._out / output.path)
            if self.thorough or self._seen.get(output.path) != now:
                if digest_of(self._out / output.path) != output.sha256:
                    return False
                self._seen[output.path] = now
        return True

    def wrote(self, outputs: Iterable[Output]) -> None:
        """Take note of new files."""
        self._seen |= {output.path: identity(self._out / output.path) for output in outputs}

    def save(self) -> None:
        """Keep what is known, where there is news."""
        if self._seen != self._saved:
            write_sealed(self._out / SEEN, self._seen)


def as_written(out: Path, finished: Finished) -> bool:
    """Whether all files of a finished stage are as it wrote them; hashes those that look altered."""
    return _Files(out).whole(finished.outputs)


def steps(config: Config, out: Path) -> list[tuple[str, bool]]:
    """Every stage by name, and whether a build would run it; what stands after a stage that runs, runs too.

    Remote dumps are listed, not fetched: where a copy is not up to date, everything would run.
    Raises ConfigError, DumpUnreadable, SourceUnavailable.
    """
    _check(config)
    local = with_fresh_copies(config, out / COPIES)
    known = manifest.load(out) or Manifest(config.dataset.name)
    previous = previous_of(config.release, out, lambda _: None)
    context = Context(
        local or config, out, Runner(), lambda *_: None, previous=previous, frozen=frozen_of(config, out)
    )
    files = _Files(out)
    current = local is not None
    found = []
    for stage in STAGES:
        finished = known.stages.get(stage.name)
        current = (
            current
            and finished is not None
            and finished.fingerprint == stage.fingerprint(context)
            and files.whole(finished.outputs)
        )
        found.append((stage.name, not current))
        if current and finished is not None:
            context.finished[stage.name] = finished
    return found


def check_folder(out: Path, benchmarks: Collection[str]) -> None:
    """Make sure that a build may write to a folder; touches nothing. Raises NotOurs, ReleaseError."""
    outfolder.check(out, outfolder.BUILD, PARTS)
    _table_files(out, benchmarks)
    for name in (outfolder.RELEASE, outfolder.GATED):
        check_replaceable(out, out / name)


def wrong_names(config: Config, only: str | None = None) -> Iterator[ConfigError]:
    """Names of encoders and stages that are in no registry, and rules that need encoders without any."""
    for name in (*config.embed.encoders, *config.embed.paths):
        if name not in ENCODERS:
            yield ConfigError(
                f'{config.file}: [embed]: unknown encoder "{name}"; valid: {", ".join(ENCODERS)}'
            )
    curate, asked = config.curate, config.embed.encoders and config.embed.text == "question"
    if curate.needs_vectors and not asked:
        other = 'duplicates = "text"' if curate.same == "cosine" else "tasks.redundant = false"
        yield ConfigError(
            f"{config.file}: [curate] {curate.needs_vectors} needs vectors of questions: add "
            f'[embed] encoders = ["minilm"], text = "question"; or say {other}'
        )
    stages = [stage.name for stage in STAGES]
    if only is not None and only not in stages:
        yield ConfigError(f'--only: unknown stage "{only}"; valid stages: {", ".join(stages)}')


def _check(config: Config, only: str | None = None) -> None:
    """Raise the first of `wrong_names`, and what price tables raise: before anything is read."""
    read_prices([path for path in config.costs.tables if not is_remote(path)])
    for problem in wrong_names(config, only):
        raise problem


def _remove_temporaries(out: Path) -> None:
    """Remove what killed runs were writing; the lock says that nobody writes now."""
    found = chain(out.iterdir(), *((out / part).rglob(".*.tmp") for part in ("tables", "staging")))
    for path in [path for path in found if outfolder.is_temporary(path.name)]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _table_files(out: Path, benchmarks: Collection[str], written: Collection[str] = ()) -> list[Path]:
    """Every table of a build, by path. Raises NotOurs for anything else among them.

    Ours is what was `written` just now, what the manifest lists, and what a killed run left: a table in its
    place, with its columns.
    """
    root = out / "tables"
    ours = outfolder.listed(out).union(written)
    names = [f"tables/{name}" for name, _ in entries(root)] if root.is_dir() else []
    for name in names:
        passing = any(map(outfolder.is_temporary, name.split("/")))
        if not (name in ours or passing or _is_table(out, name, benchmarks)):
            raise NotOurs(
                f"{out / name}: found a file that is not ours among the tables of a build; nothing of it was "
                "touched: move it, or choose another --out"
            )
    return [out / name for name in names]


def _is_table(out: Path, name: str, benchmarks: Collection[str]) -> bool:
    """Whether a file of a build is a table of ours where it belongs."""
    _, folder, *parts = name.split("/")
    table = TABLES.get(folder.removesuffix(".parquet"))
    keys = dict(part.split("=", 1) for part in parts if "=" in part)
    if table is None or keys.keys() != set(table.keys) or name != table.path(**keys):
        return False
    if keys and keys["benchmark"] not in benchmarks:
        return False
    try:
        found = pq.read_schema(out / name)
    except (OSError, pa.ArrowException):
        return False
    return (found.names, found.metadata) == (table.schema.names, table.schema.metadata)


def _sweep(out: Path, stage: str, outputs: Iterable[Output], benchmarks: Collection[str]) -> None:
    """Remove what earlier builds and killed runs left among the tables of a stage."""
    current = {output.path for output in outputs}
    folders = {table.name for table in tables_of(stage)}
    for path in _table_files(out, benchmarks, current):
        inside = path.relative_to(out)
        if inside.parts[1].removesuffix(".parquet") in folders and inside.as_posix() not in current:
            path.unlink()
            for folder in path.parents[: len(inside.parts) - 2]:
                if not any(folder.iterdir()):
                    folder.rmdir()
