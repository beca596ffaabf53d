"""Goes back to a published version by a new one that holds its rows, since no version ever changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from routerset.release.build import restore
from routerset.release.diff import Side, compare
from routerset.release.publish.client import PATIENT, Patience
from routerset.release.publish.errors import PublishRefused
from routerset.release.publish.fetch import released
from routerset.release.publish.hub import check_overwrite, publish
from routerset.release.publish.plan import read_sealed
from routerset.release.publish.published import Published
from routerset.release.publish.work import work_folder
from routerset.release.version import parse_version
from routerset.schemas.escape import plain

_LONGEST = 300
"""Characters of a reason."""


def rollback(
    to: str,
    version: str,
    because: str = "",
    *,
    dry_run: bool = False,
    overwrite: bool = False,
    sign: Path | None = None,
    reports: Callable[[Path], None] | None = None,
    progress: Callable[[str], None] = lambda _: None,
    patience: Patience = PATIENT,
) -> Published:
    """Publish the rows of an older version as a new one, whose changelog says so, and why.

    to: a folder that releases are published to, or `hf://datasets/ORG/NAME`. version: X.Y.Z, published there.
    because: one line for the changelog. reports: as of `write_release`. The other arguments are those of
    `publish`. The new version follows the latest one and says by its number what changes for its readers.
    The same call finishes what an interrupted one began; where the latest version has these rows, it does no
    more than that. Raises what `publish` does, VersionError, and ReleaseInputError for an unknown version.
    """
    check_overwrite(to, overwrite)
    parse_version(version)
    reason = plain(" ".join(because.split()))
    if len(reason) > _LONGEST:
        raise PublishRefused(f"--because: found {len(reason)} characters, expected {_LONGEST} at most")
    with work_folder() as work:
        sealed = [
            read_sealed(released(where, work / "fetched", progress, patience))
            for where in (to, f"{to}@v{version}")
        ]
        latest, wanted = (Side(each.folder, each.manifest) for each in sealed)
        new = latest.folder
        if compare(latest, wanted):
            new = work / "new"
            progress(f"write the rows of v{version} as a version after v{latest.manifest.version}")
            told = f"rolled back to v{version}" + (f", because {reason}" if reason else "")
            restore(wanted.folder, latest.folder, new, told, reports)
        else:
            progress(f"v{latest.manifest.version}, the latest version there, has all rows of v{version}")
        return publish(
            new,
            to,
            dry_run=dry_run,
            overwrite=overwrite,
            sign=sign,
            progress=progress,
            patience=patience,
        )
