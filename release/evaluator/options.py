"""Which options can be given together: what has no effect beside another one is an error, never dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .errors import UsageError


@dataclass(frozen=True)
class Rule:
    """What goes with an option; `NAME` stands for one that was given, `NAME=VALUE` for it with that value.

    only: all that goes with it, where little does. never: what does not. needs: one of these has to be there.
    says: why it is so; of `needs`, how these are written.
    """

    option: str
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    says: str = ""


def _never(option: str, others: str, says: str) -> Rule:
    return Rule(option, never=frozenset(others.split()), says=says)


_TABLE = "it asks for another table"
_LEARN = "it asks for another table, and for routers that learn"
_OWN = "it is of routers that learn on a benchmark's own items, and no quirk of the reference"
CALL = (
    _never("compat", "track=unseen", "the reference has no such track"),
    _never("hold_out", "compat track=unseen", _OWN),
    _never("pseudo_specialists", "compat track=unseen pair", _OWN),
    _never("pair", "sizes method covers", "it takes the place of groups of a release"),
    Rule("curve", needs=("costs",), says="--costs KIND"),
    Rule("selector", needs=("costs",), says="--costs KIND"),
    Rule("pseudo_specialists", needs=("costs",), says="--costs KIND"),
)
"""Of `evaluate` and its command line."""
ROUTERS = (
    Rule("encoder", needs=("vectors",), says="a router that reads vectors, such as knn"),
    Rule("pairs", needs=("two",), says="two routers or more, to compare"),
)
"""Of `evaluate`, which knows the routers."""
COMMAND = (
    Rule(
        "scaling",
        frozenset({"release", "benchmarks", "seed", "format"}),
        says="it is of every model of a benchmark, whatever the groups, splits and routers",
    ),
    Rule(
        "commit",
        frozenset({"release", "predictions", "benchmarks", "sizes", "method", "scheme", "compat", "format"}),
        says="it scores nothing",
    ),
    _never("curve", "differences selector means", _TABLE),
    _never("selector", "differences means", _TABLE),
    _never("by", "differences curve selector pair means hold_out", _TABLE),
    _never("hold_out", "differences curve selector pair means predictions", _LEARN),
    _never("pseudo_specialists", "differences curve selector means by hold_out predictions", _LEARN),
    _never("pair", "predictions means", "it takes the place of groups of a release"),
    _never("confidence", "curve selector differences", "it is of the table of --pair, which they replace"),
    Rule("commit", needs=("predictions",), says="--predictions FILE"),
    Rule("means", needs=("format=json", "format=csv"), says="--format json or csv; others have means anyway"),
    Rule("budget", needs=("selector",), says="--selector"),
    Rule("alpha", needs=("selector",), says="--selector"),
    Rule("confidence", needs=("pair",), says="--pair SMALL,LARGE"),
    Rule("mlc_model", needs=("routers=mlc", "routers=all"), says="--routers mlc or all"),
    *CALL,
)
"""Of the command line, which shows one table of results."""


def flag(name: str) -> str:
    """An option as the command line has it."""
    return "--" + name.partition("=")[0].replace("_", "-") + " ".join(["", *name.split("=")[1:]])


def check_options(
    given: Collection[str], rules: Sequence[Rule] = COMMAND, written: Callable[[str], str] = flag
) -> None:
    """Options that were given, by their names in Python; `NAME=VALUE` beside `NAME` for values that matter.

    written: how a name is told. Raises UsageError for those that cannot be used together.
    """
    names = sorted(name for name in given if "=" not in name)
    for rule in rules:
        if rule.option not in given:
            continue
        beside = [name for name in names if rule.only is not None and name not in {*rule.only, rule.option}]
        if wrong := beside + sorted(rule.never & {*given}):
            told = ", ".join(map(written, wrong))
            raise UsageError(
                f"{written(rule.option)} cannot be used with {told}: {rule.says}; leave one or the other out"
            )
        if rule.needs and not {*rule.needs} & {*given}:
            raise UsageError(f"{written(rule.option)} needs {rule.says}; name that, or leave it out")
