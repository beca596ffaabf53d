"""Which fault strikes where, and what a reader is expected to make of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from routerset.etl.synth.plan import Fault, Layout, Plan
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import Reason

_FILES = frozenset(Fault) - {Fault.STRAY_STRINGS}
_APPLIES: dict[Layout, frozenset[Fault]] = {
    Layout.DETAILS_OLD: _FILES,
    Layout.DETAILS_NEW: _FILES,
    Layout.LM_EVAL: frozenset(Fault),
    # nothing in these files tells when a run was made; no prediction is a wrong answer, not a missing one
    Layout.MMLU_PRO: frozenset(Fault) - {Fault.RERUN, Fault.NAN, Fault.UNKNOWN_TASK},
    Layout.ROUTEREVAL: frozenset({Fault.NAN, Fault.UNKNOWN_TASK}),
    Layout.LONG: frozenset(),
    Layout.ITEM_MAJOR: frozenset(),
}
_WIDE = {
    "v1": frozenset({Fault.NAN}),
    "v2": frozenset(Fault) - {Fault.CONFLICTING_GOLD, Fault.UNKNOWN_TASK},
}
_NO_SINGLE_GOLD = ("truthfulqa", "ifeval")


@dataclass(frozen=True)
class Target:
    """Where a fault strikes. model: place on the leaderboard; key: number of the document in the subset."""

    fault: Fault
    layout: Layout
    benchmark: str
    subset: str
    model: int
    key: int


@dataclass(frozen=True)
class Injury(Target):
    """What a fault did to the files, and what a build must say of it.

    file: below the folder that was written. row: the offending record's number in the file, from 0, the
    last one where several are at fault, None where none is or the whole file. lost: keys of the documents
    on which the model has no score now. superseded, quarantined: records expected under each heading, the
    latter with `reason`. extra: records that count towards the benchmark beyond one per model and item, a
    file or row that cannot be read being one record.
    """

    model_id: str
    file: str
    row: int | None = None
    lost: tuple[int, ...] = ()
    reason: Reason | None = None
    quarantined: int = 0
    superseded: int = 0
    extra: int = 0


def injury(
    hit: Target, model_id: str, file: Path, folder: Path, n: int = 1, row: int | None = None, lines: int = 1
) -> Injury:
    """What a fault does to a file below a layout's `folder`, and what a build must say of it.

    n: documents of the run. row: the one at fault. lines: of every document, one for each filter.
    """
    where = file.relative_to(folder.parent).as_posix()
    made = partial(Injury, **vars(hit), model_id=model_id, file=where, row=row)
    lost, whole = (hit.key,), tuple(range(n))
    match hit.fault, hit.layout:
        case Fault.RERUN, _:
            return made(superseded=n, extra=n)
        case Fault.MISSING_ROWS, Layout.WIDE:
            return made(lost=whole, extra=-n)
        case Fault.MISSING_ROWS, _:
            return made(lost=lost, extra=-1)
        case Fault.NAN, _:
            return made(lost=lost, reason=Reason.MISSING_SCORE, quarantined=1)
        case Fault.CONFLICTING_GOLD, _:
            return made(lost=lost, reason=Reason.CONFLICTING_GOLD, quarantined=1)
        case Fault.STRAY_STRINGS, Layout.WIDE:
            return made(lost=lost, reason=Reason.SCORE_OUT_OF_RANGE, quarantined=1)
        case Fault.STRAY_STRINGS, _:
            return made(reason=Reason.NOT_AN_OBJECT, quarantined=1, extra=1)
        case Fault.TRUNCATED, Layout.LM_EVAL:
            # the last of several lines belongs to a filter that does not count
            cut = lost if lines == 1 else ()
            return made(row=n * lines - 1, lost=cut, reason=Reason.MALFORMED_ROW, quarantined=1)
        case Fault.TRUNCATED, _:
            reason = Reason.MALFORMED_ROW if hit.layout is Layout.WIDE else Reason.UNREADABLE_FILE
            return made(lost=whole, reason=reason, quarantined=1, extra=1 - n)
        case Fault.DUPLICATE_KEYS, Layout.DETAILS_OLD | Layout.DETAILS_NEW:
            # documents are told apart by content: a repeat is one more document, which no other model saw
            return made(reason=Reason.UNKNOWN_ITEM, quarantined=1, extra=1)
        case Fault.DUPLICATE_KEYS, _:
            again = n if hit.layout is Layout.WIDE else 1
            return made(
                lost=lost, reason=Reason.DUPLICATE_KEY, quarantined=2, superseded=again - 1, extra=again
            )
        case _:  # an unknown task
            row = None if hit.layout is Layout.ROUTEREVAL else lines - 1
            return made(row=row, reason=Reason.UNKNOWN_TASK, quarantined=lines, extra=lines)


def applicable(layout: Layout, benchmark: str) -> frozenset[Fault]:
    """Faults that a benchmark's files can show in a layout."""
    if layout is Layout.WIDE:
        return _WIDE[BENCHMARKS[benchmark].leaderboard]
    return _APPLIES[layout] - ({Fault.CONFLICTING_GOLD} if benchmark in _NO_SINGLE_GOLD else frozenset())


def targets(plan: Plan) -> tuple[Target, ...]:
    """Where the plan's faults strike: in every layout that can show them, once, each another model.

    Raises ValueError for a fault that no file of the plan can show.
    """
    struck: dict[tuple[Fault, Layout], Target] = {}
    placement = plan.placement()
    for number, fault in enumerate(Fault):
        for name, layout in placement.items():
            if fault in plan.faults & applicable(layout, name) and (fault, layout) not in struck:
                subset, size = next(iter(plan.subset_sizes(BENCHMARKS[name]).items()))
                key = (2 * number + 1) % size
                struck[fault, layout] = Target(fault, layout, name, subset, number, key)
    for fault in sorted(plan.faults - {fault for fault, _ in struck}):
        shown = {f for name, layout in placement.items() for f in applicable(layout, name)}
        raise ValueError(
            f"faults: no file of this plan can show {fault}; possible: {', '.join(sorted(shown))}"
        )
    return tuple(struck.values())
