"""Groups that a release published, kept as they are while other models join: `[groups] freeze`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from routerset.etl.groups.candidates import Group, Kind, Skipped
from routerset.etl.stages.base import Context
from routerset.schemas import groups as columns
from routerset.schemas import store
from routerset.schemas.exits import USAGE
from routerset.schemas.tables import LIMITS

INSTEAD = "take `freeze` out of [groups] to choose groups anew, which is a MAJOR version"


class FrozenError(ValueError):
    """Published groups cannot be kept; the message names the group, and what to do."""

    exit_code = USAGE


@dataclass(frozen=True)
class Kept:
    """A published group. models: its candidates by rank. limits: its row of table `limits`, in that order."""

    benchmark: str
    method: str
    m: int
    kind: str
    models: tuple[str, ...]
    limits: tuple[object, ...]

    @property
    def column(self) -> str:
        """Column of scores, such as `greedy_m5_all_strong`."""
        return columns.Group(self.method, self.m, self.kind).column

    def demand(self, key: str, known: Sequence[object]) -> None:
        """Raise FrozenError where the build has no such benchmark, method, size or kind."""
        if getattr(self, key) not in known:
            raise FrozenError(
                f"[groups] freeze: group {self.column} of {self.benchmark}: {key} {getattr(self, key)!r} is "
                f"none of the build's: {', '.join(map(str, known))}; bring it back, or {INSTEAD}"
            )


@dataclass(frozen=True)
class Frozen:
    """The groups of a published release. version: of it. sha256: of its table of groups."""

    version: str
    sha256: str
    groups: tuple[Kept, ...]

    def row(self) -> store.JsonObject:
        """What a manifest says of them."""
        of: dict[str, list[str]] = {}
        for group in self.groups:
            of.setdefault(group.benchmark, []).append(group.column)
        return {"version": self.version, "sha256": self.sha256, "groups": of}


def frozen_in(context: Context) -> Frozen | None:
    """The groups that a config keeps; None where it chooses all. Raises FrozenError."""
    found, config = context.frozen(), context.config
    valid = {"benchmark": context.benchmarks, "method": config.groups.methods, "m": config.groups.sizes}
    for group in () if found is None else found.groups:
        for key, known in valid.items():
            group.demand(key, known)
    return found


def rows_of(kept: Sequence[Kept], models: Sequence[str]) -> list[Group]:
    """Kept groups as rows of a score matrix. models: of its rows. Raises FrozenError where one is gone."""
    row_of = {model: row for row, model in enumerate(models)}
    found = []
    for group in kept:
        gone = [model for model in group.models if model not in row_of]
        if gone:
            raise FrozenError(
                f"[groups] freeze: group {group.column} of {group.benchmark}: {len(gone)} candidates, "
                f"such as {gone[0]!r}, have scores on too few items for [dataset] min_coverage, or on "
                f"none; bring them back, or {INSTEAD}"
            )
        rows = np.array([row_of[model] for model in group.models], np.int32)
        found.append(Group(group.m, Kind(group.kind), rows))
    return found


def joined(
    kept: Sequence[Group], chosen: Sequence[Group], skipped: Sequence[Skipped]
) -> tuple[list[Group], list[Skipped]]:
    """Kept groups, and of those chosen and skipped now the others; by size and in the order of `Kind`."""
    held = {(group.m, group.kind) for group in kept}
    found = [*kept, *(group for group in chosen if (group.m, group.kind) not in held)]
    kinds = [*Kind]
    return (
        sorted(found, key=lambda group: (group.m, kinds.index(group.kind))),
        [each for each in skipped if (each.m, each.kind) not in held],
    )


def limits_of(
    kept: Sequence[Kept], scores: np.ndarray, models: Sequence[str], train: np.ndarray
) -> dict[str, pa.Table]:
    """Limits of kept groups as they were published, by method.

    They are of the pool of that time: worlds of today's would be another number behind a published result.
    scores: (models, items). train: indices of the train items. Raises FrozenError where a group does not
    cover today what it did.
    """
    tables: dict[str, list[dict[str, object]]] = {}
    for group, own in zip(kept, rows_of(kept, models), strict=True):
        row = dict(zip(LIMITS.names, group.limits, strict=True))
        covered = int(scores[np.ix_(own.rows, train)].any(axis=0).sum())
        if row["train_covered"] not in (None, covered):
            raise FrozenError(
                f"[groups] freeze: group {group.column} of {group.benchmark} covers {covered} train items, "
                f"expected {row['train_covered']} as published: its items, splits or scores have changed; "
                f"{INSTEAD}"
            )
        tables.setdefault(group.method, []).append(row)
    return {method: pa.Table.from_pylist(rows, LIMITS) for method, rows in tables.items()}
