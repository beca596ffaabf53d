"""One run of one model on one subset as records, and what a fault makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from routerset.etl.synth.faults import Target
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.wording import Item


@dataclass(frozen=True)
class Record:
    """One record. key: number of the document. stray: a bare string stands where it should be."""

    key: int
    score: float
    wrong_gold: bool = False
    stray: bool = False


def records(order: Sequence[int], scores: Sequence[float], target: Target | None) -> list[Record]:
    """Records of one run in file order, with the fault that strikes it.

    order: keys in file order. scores: by key.
    """
    rows = [Record(key, scores[key]) for key in order]
    if target is None:
        return rows
    at = next(i for i, row in enumerate(rows) if row.key == target.key)
    match target.fault:
        case Fault.MISSING_ROWS:
            del rows[at]
        case Fault.NAN:
            rows[at] = replace(rows[at], score=math.nan)
        case Fault.CONFLICTING_GOLD:
            rows[at] = replace(rows[at], wrong_gold=True)
        case Fault.STRAY_STRINGS:
            rows.insert(at, Record(target.key, 0.0, stray=True))
        case Fault.DUPLICATE_KEYS:
            rows.append(Record(target.key, other_score(rows[at].score)))
        case Fault.RERUN | Fault.TRUNCATED | Fault.UNKNOWN_TASK:
            pass  # these strike files, not records
    return rows


def other_score(score: float) -> float:
    """Another valid score: what an older run or a second record of the same document says."""
    return 0.0 if score == 0.5 else 1.0 - score


def mistaken(item: Item) -> Item:
    """The item with another right answer."""
    if not item.choices:
        return replace(item, answer=item.answer + "1")
    gold = (item.gold + 1) % len(item.choices)
    return replace(item, gold=gold, answer=item.choices[gold])


def row_at_fault(target: Target, rows: Sequence[Record]) -> int | None:
    """Place of the record at fault among those of a run; None where none is, or the whole file."""
    match target.fault:
        case Fault.STRAY_STRINGS:
            return next(i for i, row in enumerate(rows) if row.stray)
        case Fault.NAN | Fault.CONFLICTING_GOLD | Fault.DUPLICATE_KEYS:
            return max(i for i, row in enumerate(rows) if row.key == target.key)
        case _:
            return None
