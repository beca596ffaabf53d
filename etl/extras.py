"""Which extra of the package brings a library that is not installed."""

from __future__ import annotations

import re


def extra_of(module: str, verb: str) -> str | None:
    """The extra that brings a module: the one named like the verb where several do; None where none does.

    module: its import name, such as `great_expectations.core`. The package's own metadata tell.
    """
    from importlib.metadata import requires  # wanted where something is missing alone

    package = re.escape(module.partition(".")[0].replace("_", "-"))
    brings = re.compile(rf"(?!routerset){package}(?![\w-])[^;]*;.*\bextra == [\"'](\w+)", re.IGNORECASE)
    extras = [found[1] for line in requires("routerset") or () if (found := brings.match(line))]
    return verb if verb in extras else next(iter(extras), None)
