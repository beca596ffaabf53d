"""Which options of the command line can be given together: what has no effect is an error, never dropped."""

from __future__ import annotations

from collections.abc import Collection

from .errors import UsageError

ALONE = {
    "scaling": (
        {"release", "benchmarks", "seed", "resamples", "format"},
        "it is of every model of a benchmark, whatever the groups, splits and routers",
    ),
    "commit": (
        {"release", "predictions", "benchmarks", "sizes", "method", "scheme", "compat", "format"},
        "it scores nothing",
    ),
}
"""Options that go with a few others alone, and why."""
APART = {
    "curve": ({"differences", "selector", "means"}, "it asks for another table"),
    "selector": ({"differences", "means"}, "it asks for another table"),
    "by": ({"differences", "curve", "selector", "pair", "means", "hold_out"}, "it asks for another table"),
    "hold_out": (
        {"differences", "curve", "selector", "pair", "means", "predictions"},
        "it asks for another table, and for routers that learn",
    ),
    "pseudo_specialists": (
        {"differences", "curve", "selector", "pair", "means", "by", "hold_out", "predictions", "compat"},
        "it asks for another table, and for routers that learn",
    ),
    "pair": ({"sizes", "method", "predictions", "means"}, "it takes the place of groups of a release"),
}
"""Options that do not go with some others, and why."""
NEEDS = {
    "commit": (("predictions",), "--predictions FILE"),
    "curve": (("costs",), "--costs KIND"),
    "selector": (("costs",), "--costs KIND"),
    "pseudo_specialists": (("costs",), "--costs KIND"),
    "budget": (("selector",), "--selector"),
    "alpha": (("selector",), "--selector"),
    "confidence": (("pair",), "--pair SMALL,LARGE"),
    "mlc_model": (("routers=mlc", "routers=all"), "--routers mlc or all"),
}
"""Options without effect but with one of some others, and how these are written."""


def check_options(given: Collection[str]) -> None:
    """Options that were given, by their names in Python; `NAME=VALUE` beside `NAME` for values that matter.

    What `evaluate` refuses is not listed here. Raises UsageError for those that cannot be used together.
    """
    names = sorted(name for name in given if "=" not in name)
    for option, (others, why) in ALONE.items():
        wrong = [name for name in names if name not in others | {option}]
        if option in given and wrong:
            raise UsageError(f"{_flag(option)} cannot be used with {', '.join(map(_flag, wrong))}: {why}")
    for option, (never, why) in APART.items():
        if option in given and (wrong := [name for name in names if name in never]):
            raise UsageError(f"{_flag(option)} cannot be used with {', '.join(map(_flag, wrong))}: {why}")
    for option, (others_needed, written) in NEEDS.items():
        if option in given and not set(others_needed) & set(given):
            raise UsageError(f"{_flag(option)} needs {written}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
