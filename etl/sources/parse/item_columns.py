"""Which columns of a wide table are items, where neither a pattern nor an items file says it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from routerset.etl.sources.parse.table_kinds import words_of

_MEASURES = frozenset(
    {"cost", "costs", "duration", "latency", "nparams", "param", "parameters", "params", "price", "prices"}
    | {"runtime", "seconds", "token", "tokens", "usd"}
)
"""Words that name no item, wherever they stand."""
_OTHERS = frozenset(
    {
        "acc",
        "accuracy",
        "arch",
        "architecture",
        "available",
        "average",
        "avg",
        "comment",
        "comments",
        "commit",
    }
    | {"complete", "count", "date", "dtype", "family", "fewshot", "flagged", "id", "ids", "idx", "index"}
    | {"license", "link", "mean", "merged", "moe", "n", "normscore", "note", "notes", "org", "organization"}
    | {"overall", "precision", "rank", "revision", "score", "seed", "sha", "shots", "size", "std", "stderr"}
    | {"sum", "temperature", "time", "total", "type", "url"}
)
"""Names of what else leaderboards hold, without what parts their words."""
_LAST = frozenset({"average", "avg", "id", "ids", "mean", "notes"})
"""Words that name no item where they stand last."""


def no_items_by_name(names: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Columns that are no items by their names, and why.

    known: names that the items file has. Where it has some of `names`, it decides: a column is an item that
    is in it, or is named as one of those, but for numbers. Elsewhere, what is named as a cost, an id or a
    total is no item, nor is a name without a number among names of which most have one.
    """
    if any(name in known for name in names):
        makes = {make_of(name) for name in known}
        others = (name for name in names if name not in known and make_of(name) not in makes)
        return dict.fromkeys(others, "is not in the items file")
    found = dict.fromkeys(filter(_names_no_item, names), "is named as no item")
    rest = [name for name in names if name not in found]
    numbered = [name for name in rest if re.search(r"\d", name)]
    if 2 * len(numbered) > len(rest):
        others = (name for name in rest if not re.search(r"\d", name))
        found |= dict.fromkeys(others, "has no number, as most have")
    return found


def make_of(name: str) -> str:
    """A name without its numbers: what the names of a file's items have in common."""
    return re.sub(r"\d+", "0", name)


def _names_no_item(name: str) -> bool:
    words = words_of(name)
    if not words or words[-1].isdigit():
        return False
    return bool(_MEASURES & {*words}) or "".join(words) in _OTHERS or words[-1] in _LAST
