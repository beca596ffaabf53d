"""What can go wrong with a model or its vectors, by whose fault it is."""

from __future__ import annotations

from routerset.schemas.exits import DATA_FAILED, TRY_LATER, UNREADABLE


class ModelUnavailable(RuntimeError):
    """The weights are not here and cannot be fetched now."""

    exit_code = TRY_LATER


class ModelUnusable(RuntimeError):
    """The model folder is damaged, or holds another kind of model than the encoder needs."""

    exit_code = UNREADABLE


class BadVectors(ValueError):
    """The model answered with something that is not an embedding."""

    exit_code = DATA_FAILED
