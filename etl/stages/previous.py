"""The release that a build follows: found, and looked into, before anything else takes its time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from routerset.release.errors import ReleaseInputError
from routerset.release.files import read_checksums, read_text
from routerset.release.layout import CHANGELOG
from routerset.release.manifest import read_manifest
from routerset.release.publish.fetch import previous_release
from routerset.release.version import check_not_before

if TYPE_CHECKING:
    from routerset.etl.config import Release


def previous_of(release: Release, build: Path, progress: Callable[[str], None]) -> Callable[[], Path | None]:
    """A function that finds the release before, at its first call. progress: told where there is none yet.

    It raises what `previous_release` does, ReleaseInputError where a part is missing or unreadable, and
    VersionError for a version that cannot follow.
    """

    @functools.cache
    def find() -> Path | None:
        if release.previous is None:
            return None
        folder = previous_release(release.previous, build / "staging" / "previous", progress)
        if folder is None:
            progress(f"no release at {release.previous} yet: this is a first one")
            return None
        manifest = read_manifest(folder)
        if manifest.companion:
            raise ReleaseInputError(
                f"{release.previous}: texts alone, the companion of a release; name the release itself"
            )
        read_text(folder / CHANGELOG), read_checksums(folder)
        check_not_before(release.version, manifest.version)
        return folder

    return find
