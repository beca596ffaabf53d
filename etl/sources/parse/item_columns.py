"""Which columns of a table hold scores, where neither a pattern nor an items file says it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from routerset.etl.sources.parse.table_kinds import words_of

MAX_TOLD = 20  # columns that the notes of a file name
MEASURES = frozenset(
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
    found = dict.fromkeys(filter(names_no_item, names), "is named as no item")
    rest = [name for name in names if name not in found]
    numbered = [name for name in rest if re.search(r"\d", name)]
    if 2 * len(numbered) > len(rest):
        others = (name for name in rest if not re.search(r"\d", name))
        found |= dict.fromkeys(others, "has no number, as most have")
    return found


def make_of(name: str) -> str:
    """A name without its numbers: what the names of a file's items have in common."""
    return re.sub(r"\d+", "0", name)


def left_out_notes(benchmark: str, left_out: Mapping[str, str], keys: str) -> Counter[tuple[str, str]]:
    """Notes that name the columns that are left out, and why, the first of them. keys: of the config."""
    notes: Counter[tuple[str, str]] = Counter()
    for at, (name, why) in enumerate(left_out.items()):
        what = f"column {name[:80]!a} {why}" if at < MAX_TOLD else "more such columns"
        notes[benchmark, f"left out: {what} (see {keys})"] += 1
    return notes


def names_no_item(name: str) -> bool:
    """Whether a name is that of a cost, an id, a total or the like, and of no item and no model."""
    words = words_of(name)
    if not words or words[-1].isdigit():
        return False
    return bool(MEASURES & {*words}) or "".join(words) in _OTHERS or words[-1] in _LAST
