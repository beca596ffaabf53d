"""The gate: runs the suites over DuckDB views."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from routerset.expectations import counting, results
from routerset.expectations.causes import with_causes
from routerset.expectations.dumps import NO_DUMPS, DumpReader
from routerset.expectations.findings import Finding, Validation
from routerset.expectations.plan import ViewBatch, open_session, plan, suites_for
from routerset.expectations.session import Session
from routerset.expectations.suites import FOLDERS
from routerset.expectations.target import What, locate
from routerset.schemas.tables import tables_of

if TYPE_CHECKING:
    from routerset.expectations.framework import Pages

Progress: TypeAlias = Callable[[int, int, str], None]


def validate(
    path: Path,
    *,
    table: str | None = None,
    previous: Path | None = None,
    docs: Path | None = None,
    stage: str | None = None,
    suites: Collection[str] | None = None,
    dumps: DumpReader = NO_DUMPS,
    progress: Progress = lambda done, total, label: None,
) -> Validation:
    """Run the suites on a build, a release, one table file, or raw dumps.

    table: for a folder, the only suite to run; for a file, the table or dump format that it is. previous: the
    release or build before, for drift. docs: folder for results and Data Docs, none by default; where there
    is one, Great Expectations runs the suites, which finds the same and takes longer. stage: of a build at
    work: only what it and the stages before it wrote is looked at, and only it is checked; `release`
    checks the folder `release`. suites: run these alone. dumps: reads raw dumps; without it none are known.
    progress: called with (done, total, next), in views of all suites.
    Raises Unreadable for what is missing or damaged, UnknownTable for a name that does not exist, and NotOurs
    where `docs` holds what validation did not write.
    """
    progress(0, 1, "opening the tables")
    inner = path / "release"
    if stage == "release":
        path, stage = inner, None
    target = locate(path, table, stage, dumps)
    if suites is None and table is not None and path.is_dir() and target.what is not What.DUMP:
        suites = [table]
    if suites is None and stage is not None:
        suites = suites_of(stage)
    before = None if previous is None else locate(previous)
    if docs is not None:
        results.claim(docs)
    targets = [(target, "")]
    if target.what is What.BUILD and stage is None and (inner / "manifest.json").exists():
        targets.append((locate(inner), "release/"))
    findings: list[Finding] = []
    skipped: list[str] = []
    if target.guessed:
        skipped.append(
            f"benchmark {target.guessed}: nothing but the name of its folder tells it, so that its metric, "
            "items and licence are not checked; validate the whole build or release"
        )
    built: Session | None = None
    with ExitStack() as opened:
        pages: Pages | None = None
        if docs is not None:
            from routerset.expectations import framework

            pages = opened.enter_context(framework.pages())
        for each, prefix in targets:
            session = open_session(each, before, built)
            opened.callback(session.close)
            batches, left = plan(session, suites_for(each, suites))
            skipped += [prefix + line for line in left]
            run: Callable[[Session, ViewBatch], Iterator[Finding]] = counting.run
            if pages is not None:
                run = opened.enter_context(pages.connected(session, batches, prefix))
            found = []
            for done, batch in enumerate(batches):
                progress(done, len(batches), f"{prefix}{batch.suite.name}: {batch.view}")
                found += [replace(one, table=prefix + one.table) for one in run(session, batch)]
            findings += with_causes(session, batches, found)
            # a build that is not finished may lie beside the release of the one before
            built = session if "release" in each.manifest.get("stages", {}) else None
        outcome = Validation(str(path), tuple(findings), tuple(skipped))
        if docs is not None and pages is not None:
            progress(0, 1, "writing Data Docs")
            results.write(outcome, docs, pages.render())
    progress(1, 1, "")
    return outcome


def suites_of(stage: str) -> list[str]:
    """Suites that run after a stage of a build; after `release` all run on the release.

    Those of the tables that it writes, and where records are accounted for, that of the manifest.
    """
    names = {"layout", *(table.name for table in tables_of(stage))}
    names |= {"manifest"} if "quarantine" in names else set()
    return [name for name in FOLDERS if name in names]
