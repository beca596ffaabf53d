"""What a stage of a build is, and what it can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.fingerprints import code_fingerprint, fingerprint
from routerset.etl.manifest import Finished
from routerset.schemas.store import JsonObject, Output
from routerset.schemas.tables import CURATED

if TYPE_CHECKING:  # at run time a stage sees the values of the config, whose code is none of its own
    from routerset.etl.config import Config, Runner
    from routerset.etl.groups.frozen import Frozen

Report: TypeAlias = Callable[[str, str], None]
"""Told what becomes of every stage, by name."""
Gate: TypeAlias = Callable[[Path, str, str], JsonObject]
"""Checks what a stage wrote: build folder, stage and its `Context.mark`; raises where it must not go on."""


@dataclass(frozen=True, eq=False)
class Context:
    """One build, as its stages see it.

    out: its folder. finished: the stages before, by name. check: whether dumps that seem unchanged are looked
    into as well. previous: finds the release before, once; None where this is the first one.
    frozen: finds the groups that stay as published; None where all are chosen.
    """

    config: Config
    out: Path
    runner: Runner
    report: Report
    gate: Gate | None = None
    finished: dict[str, Finished] = field(default_factory=dict)
    check: bool = False
    previous: Callable[[], Path | None] = lambda: None
    frozen: Callable[[], Frozen | None] = lambda: None

    def mark(self, stage: str) -> str:
        """Hash of all that a finished stage was made from, and of all files that were there when it ended."""
        found = []
        for name, finished in self.finished.items():
            found.append((name, [(output.path, output.sha256) for output in finished.outputs]))
            if name == stage:
                break
        return fingerprint(self.finished[stage].fingerprint, found)

    @property
    def benchmarks(self) -> list[str]:
        """Benchmarks that hold items, in the registry's order."""
        totals = self.finished["ingest"].info["benchmarks"]
        return [name for name in self.config.registry if totals.get(name, {}).get("items")]

    def files(self, *tables: str) -> list[Output]:
        """Files of some tables, in the order in which they were written."""
        folders = tuple(f"tables/{table}{end}" for table in tables for end in ("/", ".parquet"))
        written = [output for stage in self.finished.values() for output in stage.outputs]
        return [output for output in written if output.path.startswith(folders)]


def curated_in(context: Context) -> pa.Table:
    """Table `curated` of a build; empty where nothing is left out or added."""
    listed = context.files("curated")
    return pq.read_table(context.out / listed[0].path) if listed else CURATED.empty_table()


@dataclass(frozen=True)
class Stage:
    """A stage: a row of `stages.rows.STAGES`. The tables that it writes name it (`schemas.tables.TABLES`).

    reads: tables of the stages before that its files depend on.
    settings: plain values that they depend on besides those tables and the code; None where only running
    the stage tells. run: writes the files.
    sums_up: whether it only tells what the gate said of the others; a build without a gate has no such stage.
    idle: whether the config asks nothing of it; then it runs along with any other.
    """

    name: str
    reads: tuple[str, ...]
    settings: Callable[[Context], object]
    run: Callable[[Context], Finished]
    sums_up: bool = False
    idle: Callable[[Context], bool] = lambda _: False

    def fingerprint(self, context: Context) -> str | None:
        """Hash of everything that the stage's files depend on; None where only running it tells."""
        settings = self.settings(context)
        if settings is None:
            return None
        files = [(output.path, output.sha256) for output in context.files(*self.reads)]
        return fingerprint(self.name, code_fingerprint(self.run.__module__), settings, files)
