"""Errors a user can act on; each carries the exit code of the command line."""

from __future__ import annotations


class EvaluatorError(Exception):
    """Base of every error that is the data's or the user's, never a bug."""

    exit_code = 1


class DataError(EvaluatorError):
    """The data, or a router's output, failed a check."""

    exit_code = 1


class LeftOut(DataError):
    """A benchmark, or one router on it, has nothing to evaluate; what else there is can be evaluated."""


class UsageError(EvaluatorError, ValueError):
    """The request cannot be met by this release: an unknown router, size, benchmark, scheme or method; or its
    parts do not go together.
    """

    exit_code = 2


class InputError(EvaluatorError):
    """A file or a library is missing, unreadable or too new."""

    exit_code = 3
