"""Why a path cannot be validated; each error carries the exit code of the command line."""

from __future__ import annotations


class ValidationError(ValueError):
    """Nothing was validated; the message says where, what was found, what was expected, what to do."""

    exit_code = 3


class Unreadable(ValidationError):
    """The path is missing, damaged, or nothing that we know."""


class UnknownTable(ValidationError):
    """A table or suite was asked for that does not exist."""

    exit_code = 2
