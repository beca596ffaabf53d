"""Why a path cannot be validated; each error carries the exit code of the command line."""

from __future__ import annotations

from routerset.schemas.exits import UNREADABLE, USAGE


class ValidationError(ValueError):
    """Nothing was validated; the message says where, what was found, what was expected, what to do."""

    exit_code = UNREADABLE


class Unreadable(ValidationError):
    """The path is missing, damaged, or nothing that we know."""


class UnknownTable(ValidationError):
    """A table or suite was asked for that does not exist."""

    exit_code = USAGE


class NothingToCompare(ValidationError):
    """A release before was given, and nothing that is checked is compared with one."""

    exit_code = USAGE
