"""Which fault strikes where, and what a reader is expected to make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
class Injury:
    """What a fault did to the files, and what a build must say of it.

    model_id: the model struck. file: below the folder that was written. row: the offending record's number
    in the file, from 0, the last one where several are at fault, None where none is or the whole file.
    lost: keys of the documents on which the model has no score now. superseded, quarantined: records
    expected under each heading, the latter with `reason`. extra: records that count towards the
    benchmark beyond one per model and item, a file or row that cannot be read being one record.
    """

    fault: Fault
    layout: Layout
    benchmark: str
    subset: str
    model_id: str
    file: str
    row: int | None = None
    lost: tuple[int, ...] = ()
    reason: Reason | None = None
    quarantined: int = 0
    superseded: int = 0
    extra: int = 0


def injury(
    target: Target, model_id: str, file: Path, folder: Path, n: int = 1, row: int | None = None
) -> Injury:
    """What a fault does to a file below a layout's `folder`, and what a build must say of it.

    n: records of the file. row: the one at fault. Where a layout's records are more or less than one
    document each, it says itself what differs.
    """
    where = file.relative_to(folder.parent).as_posix()
    made = Injury(target.fault, target.layout, target.benchmark, target.subset, model_id, where, row)
    lost = (target.key,)
    match target.fault:
        case Fault.RERUN:
            return replace(made, superseded=n, extra=n)
        case Fault.MISSING_ROWS:
            return replace(made, lost=lost, extra=-1)
        case Fault.NAN:
            return replace(made, lost=lost, reason=Reason.MISSING_SCORE, quarantined=1)
        case Fault.CONFLICTING_GOLD:
            return replace(made, lost=lost, reason=Reason.CONFLICTING_GOLD, quarantined=1)
        case Fault.STRAY_STRINGS:
            return replace(made, reason=Reason.NOT_AN_OBJECT, quarantined=1, extra=1)
        case Fault.TRUNCATED:
            made = replace(made, lost=tuple(range(n)), reason=Reason.UNREADABLE_FILE)
            return replace(made, quarantined=1, extra=1 - n)
        case Fault.DUPLICATE_KEYS:
            return replace(made, lost=lost, reason=Reason.DUPLICATE_KEY, quarantined=2, extra=1)
        case Fault.UNKNOWN_TASK:
            return replace(made, reason=Reason.UNKNOWN_TASK, quarantined=1, extra=1)


def applicable(layout: Layout, benchmark: str) -> frozenset[Fault]:
    """Faults that a benchmark's files can show in a layout."""
    if layout is Layout.WIDE:
        return _WIDE[BENCHMARKS[benchmark].leaderboard]
    return _APPLIES[layout] - ({Fault.CONFLICTING_GOLD} if benchmark in _NO_SINGLE_GOLD else frozenset())


def targets(plan: Plan) -> tuple[Target, ...]:
    """Where the plan's faults strike: in every layout that can show them, once, each another model.

    Raises ValueError for a fault that no file of the plan can show.
    """
    struck = [
        target
        for fault in Fault
        if fault in plan.faults
        for layout in Layout
        for target in _targets(plan, fault, layout)
    ]
    for fault in sorted(plan.faults - {target.fault for target in struck}):
        shown = {f for name, layout in plan.placement().items() for f in applicable(layout, name)}
        raise ValueError(
            f"faults: no file of this plan can show {fault}; possible: {', '.join(sorted(shown))}"
        )
    return tuple(struck)


def _targets(plan: Plan, fault: Fault, layout: Layout) -> list[Target]:
    for name, home in plan.placement().items():
        if home is layout and fault in applicable(layout, name):
            number = list(Fault).index(fault)
            subset, size = next(iter(plan.subset_sizes(BENCHMARKS[name]).items()))
            return [Target(fault, layout, name, subset, number, (2 * number + 1) % size)]
    return []
