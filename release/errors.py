"""Errors a maintainer can act on; each carries the exit code of the command line."""

from __future__ import annotations

from routerset.schemas.exits import DATA_FAILED, UNREADABLE, USAGE


class ReleaseError(ValueError):
    """The tables cannot become a release; the message says where, what was found, what was expected."""

    exit_code = DATA_FAILED


class VersionError(ReleaseError):
    """The version asked for is malformed, or smaller than the change it would stand for."""

    exit_code = USAGE


class ReleaseInputError(ReleaseError):
    """A build or a previous release is missing, unreadable, or of a schema this program does not know."""

    exit_code = UNREADABLE
