"""Categories that routers do not learn from, and what they score there (RouterBench+, section 4.4)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from .categories import categories
from .cells import Estimates, Output
from .costs import CellCosts, Known, NoCosts
from .curves import cap_steps, random_steps
from .errors import LeftOut, UsageError
from .grid import FEWEST_TESTED, Array, mean_change, mean_score
from .holdout_rows import HeldOut
from .items import CATEGORY, Items, concatenate
from .ladders import ladders
from .metrics import preferred
from .reader import Group, Release
from .results import Estimate
from .routers import RouterRow
from .task import Scores, Task
from .tasks import costs_of, groups_without_costs, make_tasks, with_test_scores

EVERY = "all"
YARDSTICKS = ("best_single", "heuristic")
"""They stand beside all others: what they lose is the order of the candidates, not what items tell."""
Sets = tuple[tuple[str, ...], ...]
Run = Callable[[RouterRow, Sequence[Task]], Iterable[Output]]


def parse_sets(told: Sequence[str]) -> Sets:
    """What the command line tells: one set of categories for each text, separated by commas as in CSV."""
    return tuple(tuple(name.strip() for name in next(csv.reader([text]), [])) for text in told)


def check_sets(
    release: Release, benchmarks: Iterable[str], asked: str | Sequence[str | Sequence[str]]
) -> tuple[Sets, list[str]]:
    """Sets of categories that benchmarks have, and notes of those that one lacks.

    A text by itself is a set of one name. Raises UsageError for one that no benchmark has.
    """
    if not asked:
        return (), []
    several = [asked] if isinstance(asked, str) else asked
    sets = tuple((names,) if isinstance(names, str) else tuple(dict.fromkeys(names)) for names in several)
    if not all(sets) or not all(name for names in sets for name in names):
        raise UsageError(f"hold out {[list(names) for names in sets]}: expected names of categories")
    mixed = [names for names in sets if EVERY in names and len(names) > 1]
    if mixed:
        raise UsageError(
            f"hold out {', '.join(mixed[0])}: {EVERY} stands by itself, it is every category in turn"
        )
    there = {name: sorted({*_about(release, name)[0].tolist()}) for name in dict.fromkeys(benchmarks)}
    wanted = sorted({name for names in sets for name in names} - {EVERY})
    known = {name for names in there.values() for name in names}
    if unknown := [name for name in wanted if name not in known]:
        listed = "; ".join(f"{name} has {', '.join(names)}" for name, names in there.items())
        raise UsageError(f"no category {unknown[0]!r} in what is evaluated: {listed}")
    notes = [
        f"{benchmark}: no category {name} to hold out"
        for benchmark, names in there.items()
        for name in wanted
        if name not in names
    ]
    return sets, notes


def _about(release: Release, benchmark: str) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Category and family of every row of a benchmark's data files."""
    table = concatenate(release.path / "data" / benchmark, ["subset", "family_id"], CATEGORY)
    return categories(table), table["family_id"].to_numpy(zero_copy_only=False)


@dataclass(frozen=True, eq=False)
class Learnt:
    """What routers did, learning from all items of a benchmark.

    outputs: per router one for each task, which are those of `groups`. known: costs; None without.
    """

    items: Items
    groups: Sequence[Group]
    tasks: Sequence[Task]
    routers: Sequence[RouterRow]
    outputs: Sequence[Sequence[Output]]
    known: Known | None


def without_categories(
    learnt: Learnt,
    sets: Sets,
    run: Run,
    progress: Callable[[str], None] = lambda label: None,
) -> tuple[list[HeldOut], list[str]]:
    """Rows of every set of categories, size, kind and router; and what was left out, and why.

    Routers are fitted anew for each set, without its items and all that share a family with one of them,
    whatever their split. Only the test items of the set are asked.
    """
    about, families = _about(learnt.items.release, learnt.items.benchmark)
    here = {*about.tolist()}
    turns: list[tuple[str, ...]] = []
    for names in sets:
        each = [(name,) for name in sorted(here)] if names == (EVERY,) else [names]
        turns += [kept for one in each if (kept := tuple(name for name in one if name in here))]
    changes: list[_Change] = []
    notes: list[str] = []
    for names in dict.fromkeys(turns):
        told = _told(names)
        cut = without(learnt.items, np.isin(about, names), families)
        if not cut.parts["train"].item_ids or not cut.parts["test"].item_ids:
            lacking = "test item of it" if cut.parts["train"].item_ids else "train item without it"
            notes.append(f"{learnt.items.benchmark}: {told} is not held out: there is no {lacking}")
            continue
        progress(f"{learnt.items.benchmark} without {told}")
        found, lost = _refit(learnt, cut, names, run)
        changes += found
        notes += lost
    return [*_rows(changes)], notes


def without(items: Items, held: npt.NDArray[np.bool_], families: npt.NDArray[np.object_]) -> Items:
    """Items whose train and validation rows have nothing of what is held out, and whose test rows are that.

    held: of each row of the data files, whether it is of a category that is held out. families: of each row;
    a row of no family has no relatives.
    """
    related = {name for name in families[held].tolist() if name is not None}
    gone = held | np.fromiter((name in related for name in families.tolist()), bool, len(families))
    parts = {}
    for split, part in items.parts.items():
        ((_, rows),) = part.places
        parts[split] = part.take(np.flatnonzero(held[rows] if split == "test" else ~gone[rows]))
    return replace(items, parts=parts)


@dataclass(frozen=True, eq=False)
class _Change:
    """What one router got on the test items of one category, (n,), with and without it; areas where known."""

    row: HeldOut
    with_it: Array
    without_it: Array
    areas: tuple[Array, Array] | None


def _refit(learnt: Learnt, cut: Items, names: tuple[str, ...], run: Run) -> tuple[list[_Change], list[str]]:
    notes: list[str] = []
    paid: dict[Group, CellCosts | NoCosts] = {}
    if learnt.known is not None:
        paid = costs_of(cut, learnt.groups, learnt.known, as_reference=False)
        notes += groups_without_costs(cut.benchmark, paid)
    first = learnt.tasks[0]
    tasks = make_tasks(
        cut, learnt.groups, encoder=first.encoder, scheme=first.scheme, seed=first.seed, costs=paid
    )
    shown = with_test_scores(tasks, cut, learnt.groups)
    test, asked = (of.parts["test"] for of in (learnt.items, cut))
    rows = np.flatnonzero(np.isin(np.array(test.categories, object), names))
    counts = {split: len(of.parts["train"].item_ids) for split, of in (("all", learnt.items), ("cut", cut))}
    changes = []
    for router, before in zip(learnt.routers, learnt.outputs, strict=True):
        try:
            after = [*run(router, shown if router.sees_test_scores else tasks)]
        except LeftOut as error:
            notes.append(f"{cut.benchmark} without {_told(names)}, router {router.name}: {error}")
            continue
        for at, (group, task) in enumerate(zip(learnt.groups, tasks, strict=True)):
            scores = asked.scores[group]
            values = [_values(o.policy, scores) for o in (_of(before[at], rows), after[at])]
            areas = _areas(learnt.tasks[at], task, before[at], after[at], rows, scores)
            for name in names:
                of = np.flatnonzero(np.array(asked.categories, object) == name)
                if not len(of):
                    continue
                row = HeldOut(
                    *task.cell, router.name, 1, _told(names), name, len(of), counts["cut"],
                    counts["all"] - counts["cut"], {},
                )  # fmt: skip
                both = None if areas is None else (areas[0][of], areas[1][of])
                changes.append(_Change(row, values[0][of], values[1][of], both))
    return changes, notes


def _of(output: Output, rows: npt.NDArray[np.intp]) -> Output:
    return replace(output, policy=output.policy[rows])


def _values(policy: Scores, scores: Scores) -> Array:
    return np.asarray((policy * scores).sum(axis=1, dtype=np.float64))


def _areas(
    before: Task, after: Task, was: Output, now: Output, rows: npt.NDArray[np.intp], scores: Scores
) -> tuple[Array, Array] | None:
    """Areas below the curve `cap` of each item, over the costs that were known before; None without."""
    if was.estimates is None or now.estimates is None:
        return None
    low, high = float(np.min(was.estimates.known)), float(np.max(was.estimates.known))
    if low == high:
        return None
    q = was.estimates.scores
    then = replace(was.estimates, scores=None if q is None else q[rows], known=was.estimates.known[rows])
    return _area(then, before, scores, low, high), _area(now.estimates, after, scores, low, high)


def _area(estimates: Estimates, task: Task, scores: Scores, low: float, high: float) -> Array:
    if estimates.scores is None:
        return random_steps(scores, estimates.known).areas(low, high)
    return cap_steps(ladders(estimates.scores, estimates.known, preferred(task)), scores).areas(low, high)


def _rows(changes: Sequence[_Change]) -> Iterator[HeldOut]:
    """Rows by size: each kind, then their mean; routers in order, the categories of each, then their mean."""

    def size(change: _Change) -> int:
        return change.row.m

    for _, of_size in groupby(sorted(changes, key=size), size):
        members = [*of_size]
        kinds = list(dict.fromkeys(change.row.kind for change in members))
        for router in dict.fromkeys(change.row.router for change in members):
            mine = [change for change in members if change.row.router == router]
            by_kind = [[change for change in mine if change.row.kind == kind] for kind in kinds]
            joined = [_mean(same) for same in zip(*by_kind, strict=True)]
            for of_kind in (*by_kind, joined):
                of = [replace(change, row=replace(change.row, n_kinds=len(kinds))) for change in of_kind]
                yield from (replace(change.row, **_told_of([change])) for change in of)
                if len(of) > 1:
                    yield _average(of)


def _mean(kinds: Sequence[_Change]) -> _Change:
    areas = [change.areas for change in kinds if change.areas is not None]
    return _Change(
        replace(kinds[0].row, kind="mean"),
        np.mean([change.with_it for change in kinds], axis=0),
        np.mean([change.without_it for change in kinds], axis=0),
        None
        if len(areas) < len(kinds)
        else (np.mean([a for a, _ in areas], axis=0), np.mean([b for _, b in areas], axis=0)),
    )


def _average(of: Sequence[_Change]) -> HeldOut:
    """The unweighted mean over categories, those held out at a time and one after the other."""
    told = list(dict.fromkeys(change.row.held_out for change in of))
    alike = of[0].row
    if len(told) > 1:
        alike = replace(alike, n_train=None, n_removed=None)
    return replace(
        alike,
        category=None,
        held_out="; ".join(told),
        n_test=sum(change.row.n_test for change in of),
        **_told_of(of),
    )


def _told_of(changes: Sequence[_Change]) -> _Told:
    """Metrics of one category, or of the unweighted mean over several, and why one has no intervals."""
    metrics = _metrics([c.with_it for c in changes], [c.without_it for c in changes], "mu_o", "delta")
    areas = [change.areas for change in changes if change.areas is not None]
    complete = areas if len(areas) == len(changes) else []
    metrics |= _metrics([a for a, _ in complete], [b for _, b in complete], "area_cap", "area_cap_delta")
    n = sum(len(change.with_it) for change in changes)
    few = f"too few items: {n} test items, a category is tested from {FEWEST_TESTED} on"
    return {"metrics": metrics, "interval_note": few if n < FEWEST_TESTED else None}


class _Told(TypedDict):
    metrics: dict[str, Estimate]
    interval_note: str | None


def _metrics(
    with_it: Sequence[Array], without_it: Sequence[Array], name: str, delta: str
) -> dict[str, Estimate]:
    changed = [after - before for before, after in zip(with_it, without_it, strict=True)]
    return {
        f"{name}_with": mean_score(with_it),
        f"{name}_without": mean_score(without_it),
        delta: mean_change(changed, 100.0),
    }


def _told(names: Sequence[str]) -> str:
    """Categories as `--hold-out` reads them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()
