"""One run of one model on one subset as records, and what a fault makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from routerset.etl.synth.faults import Injury, Target
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.wording import Item
from routerset.schemas.tables import Reason


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


def injury(target: Target, model: str, file: str, rows: Sequence[Record]) -> Injury:
    """What a reader must make of a fault that strikes one record of a run.

    rows: the records as written.
    """
    base = Injury(target.fault, target.layout, target.benchmark, target.subset, model, file)
    last = max((i for i, row in enumerate(rows) if row.key == target.key), default=None)
    lost = (target.key,)
    match target.fault:
        case Fault.MISSING_ROWS:
            return replace(base, lost=lost, extra=-1)
        case Fault.NAN:
            return replace(base, row=last, lost=lost, reason=Reason.MISSING_SCORE, quarantined=1)
        case Fault.CONFLICTING_GOLD:
            return replace(base, row=last, lost=lost, reason=Reason.CONFLICTING_GOLD, quarantined=1)
        case Fault.STRAY_STRINGS:
            row = next(i for i, each in enumerate(rows) if each.stray)
            return replace(base, row=row, reason=Reason.NOT_AN_OBJECT, quarantined=1, extra=1)
        case Fault.DUPLICATE_KEYS:
            return replace(base, row=last, lost=lost, reason=Reason.DUPLICATE_KEY, quarantined=2, extra=1)
        case _:
            raise ValueError(f"injury: {target.fault} strikes a whole file, expected a fault of one record")
