"""Short ways to write a row of a suite."""

from __future__ import annotations

from collections.abc import Sequence

from routerset.expectations.findings import Expectation, Severity

TABLES = "schemas/tables.py"


def rows(name: str, why: str, reference: str, sql: str, view: str = "") -> Expectation:
    """No row of this query may exist."""
    return Expectation(name, why, reference, view, " ".join(sql.split()))


def warn(name: str, why: str, reference: str, sql: str, view: str = "") -> Expectation:
    """As `rows`, but a failure is no more than a warning."""
    return Expectation(name, why, reference, view, " ".join(sql.split()), severity=Severity.WARNING)


def not_null(column: str) -> Expectation:
    """No nulls in a column that the schema says holds none."""
    return Expectation(
        f"{column}_not_null",
        f"readers rely on {column} in every row",
        TABLES,
        kind="expect_column_values_to_not_be_null",
        arguments={"column": column},
    )


def one_of(column: str, values: Sequence[str], why: str) -> Expectation:
    """Values of a closed list."""
    return Expectation(
        f"{column}_known",
        why,
        TABLES,
        kind="expect_column_values_to_be_in_set",
        arguments={"column": column, "value_set": [*values]},
    )


def unique(name: str, columns: str, why: str) -> Expectation:
    """No two rows share these columns."""
    return rows(
        name,
        why,
        f"{TABLES}: routerset.key",
        f"select {columns}, count(*) as times from {{batch}} group by all having count(*) > 1",
    )


def resolves(name: str, columns: str, view: str, why: str) -> Expectation:
    """Columns that name a row of another view."""
    return rows(
        name, why, TABLES, f"select distinct {columns} from {{batch}} anti join {view} using ({columns})"
    )
