"""What the last run of a build did, kept in its folder for `routerset status`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from routerset.etl.records import read_sealed, write_sealed
from routerset.etl.stages.base import Report
from routerset.schemas.exits import message

RECORD = "staging/last_run.json"
FRESH, RAN = "up to date", "ran"
DONE, FAILED, INTERRUPTED, KILLED = "done", "failed", "interrupted", "killed, or still at work"


@dataclass
class LastRun:
    """config: its file. stages: what became of each that it came to. ended: how; error: why, if it failed."""

    config: str
    only: str | None = None
    stages: dict[str, str] = field(default_factory=dict)
    ended: str = KILLED
    error: str = ""


@contextmanager
def recorded(build: Path, config: Path, only: str | None, report: Report) -> Iterator[Report]:
    """In the block, what becomes of stages is told to the given function and kept, however the block ends.

    A run that found everything up to date leaves the record of the one before.
    """
    run = LastRun(str(config.absolute()), only)

    def keep() -> None:
        write_sealed(build / RECORD, asdict(run))

    def tell(stage: str, state: str) -> None:
        become = FRESH if state == FRESH else RAN
        if run.stages.get(stage) != become:
            run.stages[stage] = become
            if become == RAN:
                keep()
        report(stage, state)

    try:
        yield tell
        run.ended = DONE
    except BaseException as error:
        run.ended, run.error = FAILED, message(error) if isinstance(error, Exception) else ""
        if isinstance(error, KeyboardInterrupt):
            run.ended = INTERRUPTED
        raise
    finally:
        if run.ended != DONE or RAN in run.stages.values():
            with suppress(OSError):  # a full disk, which has been told
                keep()


def last_run(build: Path) -> LastRun | None:
    """What was recorded; None where nothing was, or something else stands there."""
    found = read_sealed(build / RECORD)
    try:
        return None if found is None else LastRun(**found)
    except TypeError:
        return None
