"""`routerset build --dry-run`: what a build would read and run, and what it would stumble over."""

from __future__ import annotations

from pathlib import Path

from routerset.etl import console
from routerset.etl.build import StageMissing, steps
from routerset.etl.config import Config
from routerset.etl.looking.checks import Build, Problem, look_into, problems
from routerset.etl.looking.sample import Sample, once_a_second
from routerset.etl.progress import say, show
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE, exit_code, message
from routerset.schemas.tables import Reason

SHOWN = 20  # problems of one kind


def dry_run(config: Config, out: Path, only: str | None = None) -> int:
    """Say what a build of a config in `out` would read and run, and all that is wrong; writes nothing.

    Returns the exit code that the build would end with, as far as it can be told: that of the first problem.
    """
    build = look_into(config, out, only, once_a_second(say))
    show(_told_sources(build))
    found = problems(build)
    if not any(problem.code for problem in found):
        found += _told_stages(config, out, only)
    aside = [_told_aside(f"{at} {sample.spec.format}", sample) for at, sample in build.samples]
    if any(aside):
        show("\nOf what was looked into, set aside\n" + "\n".join(filter(None, aside)))
    wrong = [problem for problem in found if problem.code]
    _say("To know", [problem for problem in found if not problem.code])
    _say("A build would end with", wrong)
    return next((problem.code for problem in wrong), DONE)


def _told_sources(build: Build) -> str:
    """A row per source: its files, bytes, models and records."""
    rows = []
    for number, (spec, found) in enumerate(zip(build.config.sources, build.sources, strict=True), 1):
        name = f"{number} {spec.format}"
        if isinstance(found, Sample):
            told = [f"{len(found.dumps):,}", f"{found.size:,}", found.told_models(), found.told_records()]
            rows.append([name, *told, "all" if found.whole else f"{len(found.read)} files"])
        else:
            rows.append([name, *["not known"] * 4, "nothing"])
    return console.table(["source", "files", "bytes", "models", "records", "looked into"], rows)


def _told_aside(name: str, sample: Sample) -> str:
    """What would go to quarantine of what was read, by reason, with the first of each."""
    total = max(1, sample.tally.records.total())
    return "\n".join(
        plain(
            f"  {name}: {n:,} of {total:,} records {Reason(reason)}, such as {sample.tally.such_as[reason]}"
        )
        for reason, n in sample.tally.aside.most_common()
    )


def _told_stages(config: Config, out: Path, only: str | None) -> list[Problem]:
    """Show which stages would run; a problem where a stage that is to run alone lacks one before it."""
    try:
        stages = steps(config, out)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        return [Problem(message(error), code)]
    if only is not None:
        names = [name for name, _ in stages]
        before = [name for name, runs in stages[: names.index(only)] if runs]
        if before:
            return [Problem(str(StageMissing.of(out, only, before[0])), StageMissing.exit_code)]
        stages = [(name, runs) for name, runs in stages if name == only]
    show(
        "\n" + console.table(["stage", "state"], [[n, "would run" if r else "up to date"] for n, r in stages])
    )
    return []


def _say(head: str, found: list[Problem]) -> None:
    """Problems on stderr, each on its own lines."""
    if found:
        told = ["  " + problem.text.replace("\n", "\n    ") for problem in found[:SHOWN]]
        more = [f"  and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
        say("\n".join([f"\n{head}:", *told, *more]))
