"""Groups of candidates, and the grammar of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from routerset.schemas.tables import Kind

WEAKEST, STRONGEST = 0.1, 0.9
"""Mean scores between which the reference looks for candidates."""
_COLUMN = re.compile(rf"(.+)_m([1-9]\d*)_({'|'.join(Kind)})")


@dataclass(frozen=True, order=True)
class Group:
    """A group of `m` candidates; its scores and labels are one column each. kind: one of Kind."""

    method: str
    m: int
    kind: str

    @property
    def column(self) -> str:
        """Column of scores, such as `paper_m5_all_strong`."""
        return f"{self.method}_m{self.m}_{self.kind}"

    @property
    def label_column(self) -> str:
        """Column of selection vectors."""
        return f"{self.column}_label"

    @property
    def row(self) -> dict[str, str | int]:
        """What a manifest says of the group, so that a reader of a release needs no grammar."""
        return {"column": self.column, "label_column": self.label_column, **asdict(self)}

    @classmethod
    def of_row(cls, row: Mapping[str, str | int]) -> Group:
        """Group of a manifest's row. Raises ValueError where the columns are not those of the group."""
        group = cls.parse(str(row["column"]))
        if group.row != row:
            raise ValueError(f"found group {dict(row)}; expected {group.row}")
        return group

    @classmethod
    def parse(cls, column: str) -> Group:
        """Group of a column of scores. Raises ValueError for any other name."""
        match = _COLUMN.fullmatch(column)
        if match is None:
            raise ValueError(f"found group {column!r}; expected a name such as paper_m5_all_strong")
        return cls(match[1], int(match[2]), match[3])


Members = Mapping[Group, Sequence[str]]
"""Candidates of each group, by rank."""


def columns_of(groups: Iterable[Group]) -> set[str]:
    """Columns of some groups."""
    return {name for group in groups for name in (group.column, group.label_column)}
