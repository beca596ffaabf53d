"""Runs the expectations of a view straight on DuckDB: how many rows must not exist, and three of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import duckdb

from routerset.expectations.findings import EXAMPLES, Expectation, Finding, Value
from routerset.expectations.plan import ViewBatch
from routerset.expectations.session import Session, quoted

Example: TypeAlias = Mapping[str, Value]


def run(session: Session, batch: ViewBatch) -> Iterator[Finding]:
    """Findings of a batch, in the order of its expectations: those that Great Expectations has, too."""
    conditions = {e.name: rule for e in batch.expectations if (rule := condition(e))}
    counted = _count_all(session, batch.view, conditions)
    for expectation in batch.expectations:
        rows = _rows(session, batch, expectation)
        examples: Sequence[Example] = ()
        try:
            unexpected = counted.get(expectation.name)
            if unexpected is None:
                unexpected = _number(session, f"select count(*) from ({rows})")[0]
            if unexpected:
                examples = examples_of(session, rows)
        except duckdb.Error as error:
            unexpected, examples = could_not_run(str(error))
        yield finding(batch, expectation, unexpected, examples)


def condition(expectation: Expectation) -> str:
    """What a row that must not exist has in its one column; empty for an expectation that has a query."""
    column = f'"{expectation.arguments.get("column")}"'
    match expectation.kind:
        case "":
            return ""
        case "expect_column_values_to_not_be_null":
            return f"{column} is null"
        case "expect_column_values_to_be_in_set":
            known = expectation.arguments["value_set"]
            return f"{column} not in ({', '.join(map(quoted, known))})"  # type: ignore[arg-type]
    raise ValueError(f"{expectation.name}: no such kind of expectation: {expectation.kind}")


def finding(
    batch: ViewBatch, expectation: Expectation, unexpected: int, examples: Sequence[Example]
) -> Finding:
    """What was found of an expectation, which holds where nothing was unexpected."""
    return Finding(
        suite=batch.suite.name,
        table=batch.view,
        expectation=expectation.name,
        severity=expectation.severity,
        success=not unexpected,
        unexpected=unexpected,
        examples=tuple(examples),
        why=expectation.why,
        reference=expectation.reference,
    )


def could_not_run(message: str) -> tuple[int, Sequence[Example]]:
    """The gate fails closed: an expectation that could not be evaluated did not hold."""
    return 1, ({"could_not_run": (message.splitlines() or [""])[0][:300]},)


def examples_of(session: Session, rows: str) -> list[Example]:
    """The first rows of a query. Raises duckdb.Error."""
    table = session.connection.sql(f"select * from ({rows}) limit {EXAMPLES}").to_arrow_table()
    return [{k: plain_value(v) for k, v in row.items()} for row in table.to_pylist()]


def plain_value(value: object) -> Value:
    """A value that JSON and a terminal can show."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return str(value)


def _rows(session: Session, batch: ViewBatch, expectation: Expectation) -> str:
    """A query for the rows that must not exist: of a column, with the keys of its row."""
    view = f'"{batch.view}"'
    if expectation.sql:
        return expectation.sql.format(batch=view)
    column = f'"{expectation.arguments["column"]}"'
    there = session.columns(batch.view)
    keys = [f'"{key}"' for key in batch.suite.keys if key in there]
    shown = ", ".join(dict.fromkeys([*keys, column])) if keys else f"{column} as value"
    return f"select {shown} from {view} where {condition(expectation)}"


def _count_all(session: Session, view: str, conditions: Mapping[str, str]) -> dict[str, int]:
    """Rows of a view that meet each condition, in one pass; none of them where that cannot run."""
    counts = ", ".join(f"count(*) filter (where {rule})" for rule in conditions.values())
    if not counts:
        return {}
    try:
        return dict(zip(conditions, _number(session, f'select {counts} from "{view}"'), strict=True))
    except duckdb.Error:  # each for itself tells which
        return {}


def _number(session: Session, sql: str) -> tuple[int, ...]:
    (row,) = session.connection.execute(sql).fetchall()
    return tuple(map(int, row))
