"""Groups that a release published, kept as they are while other models join: `[groups] freeze`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.groups.candidates import Group, Kind, Skipped
from routerset.etl.stages.base import Context
from routerset.release import layout
from routerset.release.evaluator.task import kinds_of
from routerset.release.files import read_table
from routerset.release.manifest import read_manifest
from routerset.release.publish.client import DATASET
from routerset.release.publish.fetch import previous_release
from routerset.release.version import VERSION
from routerset.schemas import groups as columns
from routerset.schemas import store
from routerset.schemas.exits import USAGE
from routerset.schemas.tables import LIMITS

_INSTEAD = "take `freeze` out of [groups] to choose groups anew, which is a MAJOR version"


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
    """The groups that a config keeps; None where it chooses all. Raises FrozenError, ReleaseInputError."""
    config = context.config
    if config.groups.freeze is None:
        return None
    found = _read(config.groups.freeze, config.release.previous, context.out / "staging" / "previous")
    known = {"benchmark": context.benchmarks, "method": config.groups.methods, "m": config.groups.sizes}
    for group in found.groups:
        for key, valid in {**known, "kind": kinds_of(group.method)}.items():
            if getattr(group, key) not in valid:
                raise FrozenError(
                    f"[groups] freeze: group {group.column} of {group.benchmark} in v{found.version}: {key} "
                    f"{getattr(group, key)!r} is none of the build's: {', '.join(map(str, valid))}; bring it "
                    f"back, or {_INSTEAD}"
                )
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
                f"none; bring them back, or {_INSTEAD}"
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
                f"{_INSTEAD}"
            )
        tables.setdefault(group.method, []).append(row)
    return {method: pa.Table.from_pylist(rows, LIMITS) for method, rows in tables.items()}


def _read(freeze: str, previous: str | None, cache: Path) -> Frozen:
    folder, wanted = _folder(freeze, previous, cache)
    if folder is None or not (folder / layout.MANIFEST).is_file():
        raise FrozenError(
            f"[groups] freeze: found no release {freeze!r}; expected a version of [release] previous, the "
            f"folder of a release, or its {layout.GROUPS}; {_INSTEAD}"
        )
    manifest = read_manifest(folder)
    if wanted not in (None, manifest.version):
        raise FrozenError(
            f"[groups] freeze: found v{manifest.version}, expected v{wanted}, in [release] previous"
        )
    for path in (layout.GROUPS, layout.LIMITS):
        if store.sha256(folder / path) != manifest.tables[path].sha256:
            raise FrozenError(f"[groups] freeze: {path} of v{manifest.version} was changed; fetch it again")
    groups, limits = (read_table(folder / path) for path in (layout.GROUPS, layout.LIMITS))
    return Frozen(
        manifest.version,
        manifest.tables[layout.GROUPS].sha256,
        tuple(_kept(groups, limits, manifest.version)),
    )


def _kept(groups: pa.Table, limits: pa.Table, version: str) -> list[Kept]:
    known: Mapping[tuple[object, ...], Mapping[str, object]] = {
        (row["benchmark"], row["method"], row["m"], row["kind"]): row for row in limits.to_pylist()
    }
    found = []
    for benchmark in sorted(set(groups["benchmark"].to_pylist())):
        own = groups.filter(pc.equal(groups["benchmark"], benchmark))
        for group, models in layout.members_of(own, f"{layout.GROUPS}, {benchmark}").items():
            row = known.get((benchmark, group.method, group.m, group.kind))
            if row is None:
                raise FrozenError(
                    f"[groups] freeze: {group.column} of {benchmark} in v{version} has no limits; {_INSTEAD}"
                )
            values = tuple(row[name] for name in LIMITS.names)
            found.append(Kept(benchmark, group.method, group.m, group.kind, tuple(models), values))
    return found


def _folder(freeze: str, previous: str | None, cache: Path) -> tuple[Path | None, str | None]:
    """Folder of the release, and the version that it must have."""
    version = freeze.removeprefix("v")
    if VERSION.fullmatch(version) is None or previous is None:
        if DATASET.fullmatch(freeze):
            return _fetched(freeze, cache), None
        path = Path(freeze)
        return path.parent if path.name == layout.GROUPS else path, None
    match = DATASET.fullmatch(previous)
    if match is not None:
        return _fetched(f"hf://datasets/{match[1]}@v{version}", cache), version
    folder = Path(previous)
    return (folder if (folder / layout.MANIFEST).is_file() else folder / f"v{version}"), version


@functools.lru_cache(4)
def _fetched(place: str, cache: Path) -> Path | None:
    """A version on the Hub, which never changes, fetched once."""
    return previous_release(place, cache)
