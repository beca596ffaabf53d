"""How people are shown flat records: which fields stand in columns, and which are told once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .intervals import FEW_ITEMS
from .tables import FEW, STAR, short

Record = Mapping[str, object]


@dataclass(frozen=True)
class Column:
    """key: in records; with `KEY_lo` and `KEY_hi` beside it, an interval is shown. head: for people. digits:
    decimals; None for a number of any size. interval: whether to show it.
    """

    key: str
    head: str
    digits: int | None = 3
    interval: bool = False


@dataclass(frozen=True)
class View:
    """What people read of some results.

    name: in labels. caption: says what they are. columns: default every field. place: columns that several
    rows share, whose `head` is a template of their value; what all rows share is told in the caption.
    """

    name: str
    caption: str
    columns: tuple[Column, ...] = ()
    place: tuple[Column, ...] = ()


def columns_of(records: Sequence[Record]) -> list[str]:
    """Keys of all records, in the order of that with most, then of those that only others have."""
    fullest = max(records, key=len, default={})
    return list(dict.fromkeys((*fullest, *(key for record in records for key in record))))


def in_rows(records: Iterable[Record]) -> list[Record]:
    """Records with lists, as the points of a curve are, as one record for each element; lists that are not
    all of one length stay as they are, and one without elements leaves a record with none.
    """
    found: list[Record] = []
    for record in records:
        lists = {key: value for key, value in record.items() if isinstance(value, list)}
        if len({len(value) for value in lists.values()}) != 1:
            found.append(record)
            continue
        points = zip(*lists.values(), strict=True)
        every = [dict(zip(lists, point, strict=True)) for point in points] or [dict.fromkeys(lists)]
        found += [{**record, **point} for point in every]
    return found


@dataclass(frozen=True)
class Layout:
    """A view of some records. caption: with what all of them share, which `places` leaves out. numbers: keys
    that hold numbers alone.
    """

    caption: str
    places: tuple[Column, ...]
    columns: tuple[Column, ...]
    numbers: frozenset[str]

    def is_number(self, column: Column) -> bool:
        """Whether a column holds numbers alone."""
        return column.key in self.numbers


def layout_of(view: View, shown: Sequence[Record]) -> Layout:
    """How some records look in a view."""
    keys = columns_of(shown)
    here = [column for column in view.place if column.key in keys]
    same = [column for column in here if len({record.get(column.key) for record in shown}) == 1]
    known = tuple(column for column in view.columns if column.key in keys or not keys)
    columns = known or _all_columns(keys, {column.key for column in here})
    shared = ", ".join(told(shown[0], same)) if shown else ""
    marks = [f"Here: {shared}."] if shared else []
    marks += [STAR] if any(record.get("sees_test_scores") for record in shown) else []
    marks += [f"{FEW}: fewer than {FEW_ITEMS} test items."] if any(r.get("few_items") for r in shown) else []
    values = {key: [record.get(key) for record in shown if record.get(key) is not None] for key in keys}
    numeric = frozenset(
        key for key, of in values.items() if not any(isinstance(v, str | bool | list | dict) for v in of)
    )
    places = tuple(column for column in here if column not in same)
    return Layout(" ".join([view.caption, *marks]), places, columns, numeric)


def _all_columns(keys: Sequence[str], without: set[str]) -> tuple[Column, ...]:
    """A column for each key; limits stand with their value."""
    limits = {key for key in keys if key.endswith(("_lo", "_hi")) and key[:-3] in keys}
    return tuple(
        Column(key, key, None, f"{key}_lo" in limits)
        for key in keys
        if key not in limits and key not in without
    )


def told(record: Record, places: Sequence[Column]) -> Iterator[str]:
    """What a record has in the columns of its place, in words."""
    for column in places:
        if record.get(column.key) is not None:
            yield column.head.format(record[column.key])


def text_of(record: Record, column: Column) -> str:
    """A value as people read it; none is a dash."""
    value = record.get(column.key)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return short(value) if column.digits is None else f"{value:.{column.digits}f}"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value)
    return "-" if value is None else str(value)


def limits_of(record: Record, column: Column, template: str, short_zero: bool = False) -> str:
    """The interval of a value, FEW behind it where a handful of items decides; short_zero: .4 for 0.4."""
    limits = [record.get(f"{column.key}{side}") for side in ("_lo", "_hi")] if column.interval else [None]
    if None in limits:
        return ""
    texts = [text_of({"limit": limit}, Column("limit", "", column.digits)) for limit in limits]
    if short_zero:
        texts = [re.sub(r"^(-?)0\.", r"\1.", limit) for limit in texts]
    return template.format(*texts) + (FEW if record.get("few_items") else "")


def is_bound(record: Record, column: Column) -> bool:
    """Whether a star belongs behind the name of a router, which is shown the test scores."""
    return column.key == "router" and bool(record.get("sees_test_scores"))
