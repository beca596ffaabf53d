"""What the gate expects, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from routerset.schemas.exits import DATA_FAILED, DONE

Value: TypeAlias = str | int | float | bool | None
Argument: TypeAlias = Value | list[str] | list[int]
EXAMPLES = 3


class Severity(StrEnum):
    """An error stops a build and fails the gate; a warning is something that people should know."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Expectation:
    """One thing that must hold, as data.

    name: unique in its suite. why: one sentence on what goes wrong otherwise. reference: where the rule is
    defined. sql: a query for the rows that must not exist, keys first; `{batch}` is its view, and it may name
    any other. kind: instead of `sql`, the snake-case name of an expectation that Great Expectations ships,
    with its arguments. view: that of the suite by default. It runs where every view that it names is there.
    """

    name: str
    why: str
    reference: str
    view: str = ""
    sql: str = ""
    kind: str = ""
    arguments: Mapping[str, Argument] = field(default_factory=lambda: MappingProxyType({}))
    severity: Severity = Severity.ERROR


@dataclass(frozen=True)
class Suite:
    """Expectations of one table. view: their batch, by default; keys: columns that name a row of it."""

    name: str
    view: str
    keys: tuple[str, ...]
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True)
class Finding:
    """The result of one expectation. unexpected: offending rows; examples: at most three, with their keys.

    cause: `suite.name` of the finding that this one is but a consequence of; empty where there is none.
    """

    suite: str
    table: str
    expectation: str
    severity: Severity
    success: bool
    unexpected: int
    examples: tuple[Mapping[str, Value], ...]
    why: str
    reference: str
    cause: str = ""

    @property
    def full_name(self) -> str:
        """`suite.name`, after the folder of the release where that lies inside a build."""
        place, _, _ = self.table.rpartition("/")
        return f"{place}/{self.suite}.{self.expectation}" if place else f"{self.suite}.{self.expectation}"


@dataclass(frozen=True)
class Validation:
    """All results for one path.

    skipped: what could not be checked, as `suite.name: the views that are missing` for one expectation.
    """

    path: str
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Failures that stop a build, without those that are but consequences of another one."""
        return self._failed(Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Failures that do not."""
        return self._failed(Severity.WARNING)

    @property
    def exit_code(self) -> int:
        """1 where there is an error, else 0."""
        return DATA_FAILED if self.errors else DONE

    def _failed(self, severity: Severity) -> tuple[Finding, ...]:
        failed = (f for f in self.findings if not f.success and not f.cause)
        return tuple(f for f in failed if f.severity is severity)

    def follow(self, finding: Finding) -> tuple[Finding, ...]:
        """Failures that are but consequences of this one."""
        return tuple(f for f in self.findings if f.cause == finding.full_name)
