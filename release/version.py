"""The version of a release from what changed in it."""

from __future__ import annotations

import re

from routerset.release.diff import Level
from routerset.release.errors import VersionError
from routerset.release.options import AUTO

FIRST = "1.0.0"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


def parse_version(text: str) -> tuple[int, int, int]:
    """Numbers of a version. Raises VersionError for anything but X.Y.Z."""
    match = VERSION.fullmatch(text)
    if match is None:
        raise VersionError(f"version: found {text!r}, expected X.Y.Z such as {FIRST}, or {AUTO}")
    return int(match[1]), int(match[2]), int(match[3])


def next_version(previous: str, level: Level) -> str:
    """The version after `previous` for a change of this level."""
    major, minor, patch = parse_version(previous)
    match level:
        case Level.MAJOR:
            return f"{major + 1}.0.0"
        case Level.MINOR:
            return f"{major}.{minor + 1}.0"
        case Level.PATCH:
            return f"{major}.{minor}.{patch + 1}"


def choose_version(wanted: str, previous: str | None, level: Level) -> str:
    """The version of a release that differs from `previous` by `level`.

    wanted: `auto`, or X.Y.Z, which must be no less than what the change asks for.
    Raises VersionError where it is less, or no version.
    """
    if previous is None:
        return FIRST if wanted == AUTO else ".".join(map(str, parse_version(wanted)))
    least = next_version(previous, level)
    if wanted == AUTO:
        return least
    if parse_version(wanted) < parse_version(least):
        raise VersionError(
            f"version: found {wanted}, expected {least} or later: a {level.name} change after {previous}; "
            f"a version once published never changes; ask for {AUTO}, or for {least}"
        )
    return wanted


def check_not_before(wanted: str, previous: str) -> None:
    """Raise VersionError where no change at all could make `previous` the version that is asked for."""
    if wanted != AUTO and wanted != previous:
        choose_version(wanted, previous, Level.PATCH)
