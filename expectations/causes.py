"""Which failures are but consequences of a file that is missing, so that one lost file is one finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from routerset.expectations.findings import Expectation, Finding
from routerset.expectations.plan import ViewBatch
from routerset.expectations.session import Session, quoted
from routerset.schemas.released import RELEASED
from routerset.schemas.tables import TABLES

FILES = "files_present"
"""The expectation of suite `manifest` that finds files missing."""


def with_causes(session: Session, batches: Sequence[ViewBatch], findings: Sequence[Finding]) -> list[Finding]:
    """Findings of a folder, in their order, those that follow from missing files with that cause.

    A failure follows where every one of its rows names a missing file, or the table or benchmark of one; but
    for those of the manifest, any file of that benchmark will do: items are counted over all of them. Where
    the manifest is not looked at, or no file is missing, nothing has a cause.
    """
    root = next((f for f in findings if f.expectation == FILES and not f.success), None)
    if root is None:
        return list(findings)
    queries = {
        (batch.suite.name, e.name): (_rows(e), batch.view) for batch in batches for e in batch.expectations
    }
    told = _missing(session)
    beside = _beside(session, told["benchmark"])
    return [
        replace(finding, cause=root.full_name)
        if finding is not root
        and not finding.success
        and _follows(session, *queries[finding.suite, finding.expectation], _told(finding, told, beside))
        else finding
        for finding in findings
    ]


def _rows(expectation: Expectation) -> str:
    """A query for the rows that must not exist; empty where an expectation is none of those that have one."""
    if expectation.kind == "expect_column_values_to_not_be_null":
        return f'select * from {{batch}} where "{expectation.arguments["column"]}" is null'
    return expectation.sql


def _missing(session: Session) -> dict[str, list[str]]:
    """Column of a finding's rows -> what it says where it speaks of a missing file."""
    found = session.query(
        "select distinct path from listed_files where listed_sha256 is not null and found_sha256 is null"
    )
    paths = sorted(found["path"].to_pylist())
    tables: set[str] = set()
    benchmarks: set[str] = set()
    for path in paths:
        folders = path.split("/")
        if folders[0] == "tables":
            tables.add(folders[1].removesuffix(".parquet"))
            benchmarks |= {part.partition("=")[2] for part in folders if part.startswith("benchmark=")}
        for table in RELEASED.values():
            keys = table.keys_of(path)
            tables |= {table.name} if keys or path == table.path else set()
            benchmarks |= {keys["benchmark"]} if "benchmark" in keys else set()
    known = {*TABLES, *RELEASED}
    return {"path": paths, "benchmark": sorted(benchmarks), "table_name": sorted(tables & known)}


def _told(finding: Finding, told: dict[str, list[str]], beside: list[str]) -> dict[str, list[str]]:
    return told if finding.suite == "manifest" else {**told, "path": told["path"] + beside}


def _beside(session: Session, benchmarks: Sequence[str]) -> list[str]:
    """Files of the benchmarks of missing ones."""
    return [part.name for part in session.target.parts if part.keys.get("benchmark") in benchmarks]


def _follows(session: Session, sql: str, view: str, told: dict[str, list[str]]) -> bool:
    """Whether every row of a failure speaks of a missing file."""
    if not sql:
        return False
    rows = sql.format(batch=f'"{view}"')
    columns = session.query(f"select * from ({rows}) limit 0").column_names
    key = next((name for name in told if name in columns), None)
    if key is None or not told[key]:
        return False
    listed = ", ".join(map(quoted, told[key]))
    others = session.query(f"select 1 from ({rows}) where coalesce({key} not in ({listed}), true) limit 1")
    return bool(others.num_rows == 0)
