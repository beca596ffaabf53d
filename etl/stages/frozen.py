"""The groups that a release published and a build keeps: `[groups] freeze`, read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.groups.frozen import INSTEAD, Frozen, FrozenError, Kept
from routerset.release import layout
from routerset.release.evaluator.task import kinds_of
from routerset.release.files import read_table
from routerset.release.manifest import read_manifest
from routerset.release.publish.client import DATASET
from routerset.release.publish.fetch import previous_release
from routerset.release.version import VERSION
from routerset.schemas import store
from routerset.schemas.tables import LIMITS

if TYPE_CHECKING:
    from routerset.etl.config import Config


def frozen_of(config: Config, build: Path) -> Callable[[], Frozen | None]:
    """A function that finds the groups that a config keeps, at its first call; None where it chooses all.

    It raises FrozenError, and ReleaseInputError for a release that cannot be read.
    """

    @functools.cache
    def find() -> Frozen | None:
        if config.groups.freeze is None:
            return None
        return _read(config.groups.freeze, config.release.previous, build / "staging" / "previous")

    return find


def _read(freeze: str, previous: str | None, cache: Path) -> Frozen:
    folder, wanted = _folder(freeze, previous, cache)
    if folder is None or not (folder / layout.MANIFEST).is_file():
        raise FrozenError(
            f"[groups] freeze: found no release {freeze!r}; expected a version of [release] previous, the "
            f"folder of a release, or its {layout.GROUPS}; {INSTEAD}"
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
                    f"[groups] freeze: {group.column} of {benchmark} in v{version} has no limits; {INSTEAD}"
                )
            values = tuple(row[name] for name in LIMITS.names)
            kept = Kept(benchmark, group.method, group.m, group.kind, tuple(models), values)
            kept.demand("kind", kinds_of(group.method))
            found.append(kept)
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
