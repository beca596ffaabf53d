"""routerset: the data behind LLM routing, from leaderboard dumps to a versioned benchmark.

    import routerset

    routerset.build("configs/real.toml", "out/real")
    assert not routerset.validate("out/real").errors
    assert not routerset.verify("out/real/release")
    release = routerset.load_release("out/real/release")
    print(routerset.evaluate(release, ["knn", "best_single", "oracle"], sizes=[3, 5]).table())

Importing it costs next to nothing: each function imports what it needs when it is called. `load_release`,
`evaluate` and `verify` run in the base install; `validate` needs the extra `gate`, `build` the extras `build`
and, for encoders, `embed`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from routerset.etl.manifest import Manifest
    from routerset.expectations.findings import Validation
    from routerset.release.evaluator import evaluate, load_release
    from routerset.release.verify import Problem

__version__ = "0.1.0"
__all__ = ["__version__", "build", "evaluate", "load_release", "validate", "verify"]


def __getattr__(name: str) -> object:
    """The evaluator's functions, on first use: it ships alone, so they are defined there."""
    if name in ("evaluate", "load_release"):
        from routerset.release import evaluator

        return getattr(evaluator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def build(
    config: str | Path,
    out: str | Path,
    *,
    runner: str = "direct",
    workers: int | None = None,
    scheduler: str | None = None,
    only: str | None = None,
    report: Callable[[str, str], None] = lambda stage, state: None,
    check: bool = False,
) -> Manifest:
    """Bring the build in `out` up to date with its dumps and config, through all stages and their gate.

    config: a TOML file; relative paths in it are taken from its folder. runner: `direct` or `dask`.
    workers: processes of a local run, by default as many as the work repays. scheduler: address of a Dask
    cluster. only: run this stage alone.
    report: told what becomes of every stage, such as ("ingest", "running"). check: hash every file that was
    read or written again, dumps too, and make what changed again.
    Returns the manifest: per stage its files with rows and SHA-256, and the accounting of records.
    Raises UsageError, a ValueError, for arguments of which one would have no effect beside another,
    ConfigError for a wrong config or an unknown stage, and what `etl.build.build` raises; errors that a user
    can act on have an `exit_code`, that of the command line.
    """
    from functools import partial

    from routerset.etl.build import build
    from routerset.etl.config import Runner, RunnerName, load_config
    from routerset.etl.options import BUILD
    from routerset.etl.stages.validate import gate
    from routerset.release.evaluator.options import check_options
    from routerset.release.evaluator.progress import Progress

    options = {"workers": workers, "scheduler": scheduler}
    given = {name for name, value in options.items() if value is not None}
    check_options(given | {f"runner={runner}"}, BUILD)
    where = Runner(RunnerName(runner), workers, scheduler)
    return build(
        load_config(Path(config)),
        Path(out),
        where,
        report,
        only,
        partial(gate, watching=Progress),
        check=check,
    )


def validate(
    path: str | Path,
    *,
    table: str | None = None,
    previous: str | Path | None = None,
    config: str | Path | None = None,
    out: str | Path | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> Validation:
    """Run the expectation suites on a build, a release, a table file or raw dumps; writes nothing else.

    table: for a folder, the only suite to run; for a file, the table or dump format that it is.
    previous: the release or build before, for drift.
    config: a build config that says what raw dumps are. out: folder for results and Data
    Docs, none by default. progress: called with (done, total, next).
    Returns every finding; its `errors` are what stops a build, its `warnings` do not.
    Raises Unreadable for what is missing or damaged, UnknownTable for a name that does not exist,
    NothingToCompare, a ValueError too, for a `previous` that would have no effect.
    """
    from routerset.etl.config import load_config
    from routerset.etl.trial import dump_reader
    from routerset.expectations.validate import validate

    return validate(
        Path(path),
        table=table,
        previous=None if previous is None else Path(previous),
        docs=None if out is None else Path(out),
        dumps=dump_reader(None if config is None else load_config(Path(config))),
        progress=progress,
    )


def verify(
    release: str | Path,
    *,
    against: str | Path | None = None,
    config: str | Path | None = None,
    note: Callable[[str], None] = lambda words: None,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> list[Problem]:
    """Recompute checksums, counts, splits, groups, limits, runs, report and some vectors of a release.

    release: its folder, or that of a build.
    against: a build to compare its tables with, or a folder of dumps, whose files must be those of its runs;
    of a companion, the release that withholds its texts, by default `release` beside it.
    config: a build config by which these dumps are read again. note: told what could not be checked, and why.
    progress: called with (done, total, next).
    Returns all problems, each with the file, what was found and what was expected; none where the release
    is what its build made. A folder that is no release is a problem too, not an error.
    Raises ReleaseInputError for a source to compare with that is missing, ConfigError for a wrong config, and
    UsageError, a ValueError, for a config where no dumps are read by it.
    """
    from functools import partial

    from routerset.etl.against import has_tables
    from routerset.etl.groups.check import check_groups
    from routerset.etl.options import VERIFY
    from routerset.release.companion import check_ids, is_companion
    from routerset.release.evaluator.options import check_options
    from routerset.release.reporting.check import check_report
    from routerset.release.runs import check_runs
    from routerset.release.vectors import check_vectors
    from routerset.release.verify import Recomputation, verify
    from routerset.schemas.outfolder import MANIFEST, RELEASE, release_of

    if config is not None:
        given = {"config"} if against is None else {"config", "against"}
        built = against is not None and has_tables(Path(against))
        check_options(given if built else {*given, "dumps"}, VERIFY)
    release = release_of(Path(release))
    checks: list[Recomputation] = [
        partial(check_groups, note=note),
        check_runs,
        partial(check_vectors, note=note),
        partial(check_report, note=note),
    ]
    problems = verify(release, checks, progress)
    if problems:
        return problems
    if is_companion(release):
        main = release.with_name(RELEASE) if against is None else release_of(Path(against))
        if (main / MANIFEST).exists() or against is not None:
            return list(check_ids(release, main))
        note(f"{release}: not compared with what is withheld; name that release, --against RELEASE")
    if against is None:
        return []
    from routerset.etl.against import check_against
    from routerset.etl.config import load_config

    read = None if config is None else load_config(Path(config))
    return list(check_against(release, Path(against), read, note))
