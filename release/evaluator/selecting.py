"""From what routers estimate to scores under budgets, beside their bounds at the same budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .budgets import ENOUGH, knapsack
from .cells import Estimates
from .costs import CellCosts
from .estimates import mean_of, mean_score
from .intervals import interval_note
from .ladders import Array, Places
from .metrics import preferred
from .routers import RouterRow
from .selection_rows import Selection
from .selectors import SELECTORS, SHUFFLES, Choice, Selector, known_of
from .task import Floats, Scores, Task
from .tracing import Paid, Ran


@dataclass(frozen=True, eq=False)
class Budgeted:
    """One router under one budget in a cell, or over several kinds, which share their items.

    items, heuristic: (n,) score of each item. shuffled: scores in other orders, (S - 1,), if there are any.
    The rest is as in a `Selection`.
    """

    budget: float
    items: Array
    heuristic: Array
    cost: float
    bound: float
    oracle: float
    random: float
    shuffled: Array
    cheapest_only: float | None


@dataclass(frozen=True, eq=False)
class _Cell:
    """scores, paid, known: (n, m). budgets: (B,). heuristic: (B, n), scores of the heuristic's choices."""

    selector: Selector
    scores: Array
    paid: Floats
    known: Array
    budgets: Array
    preference: Places
    orders: Places
    heuristic: Array


def selected(
    selector: Selector,
    routers: Sequence[RouterRow],
    cells: Sequence[Ran],
    paid: Paid,
    seed: int,
    with_intervals: bool,
) -> Iterator[Selection]:
    """Rows of all routers in the cells of one benchmark and size, then over all its kinds.

    Cells without costs, and routers without estimated scores, have none.
    """
    row = partial(_row, selector, with_intervals)
    every: list[tuple[Task, dict[str, list[Budgeted]]]] = []
    told = {}
    for task, outputs, Y_test in cells:
        costs = paid.get((task.m, task.kind))
        if not isinstance(costs, CellCosts) or task.costs is None:
            continue
        cell = _cell(selector, task, Y_test, costs, seed)
        found = {}
        for router, output in zip(routers, outputs, strict=True):
            if output.estimates is not None and output.estimates.scores is not None:
                told[router.name] = router, output.estimates.made_of
                found[router.name] = _scored(cell, output.estimates, output.estimates.scores)
        every.append((task, found))
        for name, scored in found.items():
            yield from (row(task, task.kind, *told[name], [one]) for one in scored)
    units = {task.costs.unit for task, _ in every if task.costs is not None}
    if len(every) == len(cells) and len(units) == 1:
        for name in every[0][1]:
            for kinds in zip(*(found[name] for _, found in every), strict=True):
                yield row(every[0][0], "mean", *told[name], kinds)


def _cell(selector: Selector, task: Task, Y_test: Scores, costs: CellCosts, seed: int) -> _Cell:
    scores: Array = Y_test.astype(np.float64)
    n, rng = len(scores), np.random.default_rng([seed, len(scores)])
    shuffles = SHUFFLES if selector.name == "ratio" else 0
    orders = np.stack([np.arange(n), *(rng.permutation(n) for _ in range(shuffles))])
    on_train: Array = np.broadcast_to(task.Y_train.mean(axis=0, dtype=np.float64), scores.shape)
    known, preference = known_of(costs), preferred(task)
    budgets = selector.of(known)
    choice = Choice(on_train, known, budgets, preference, orders[:1], selector.exponent or 0.0)
    heuristic = [(pick.policy * scores).sum(axis=1) for pick in SELECTORS[selector.name].choose(choice)]
    return _Cell(selector, scores, costs.paid, known, budgets, preference, orders, np.array(heuristic))


def _scored(cell: _Cell, told: Estimates, q: Floats) -> list[Budgeted]:
    """One router at every budget."""
    known: Array = np.asarray(told.known, np.float64)
    # whoever expects more of the cheapest answers than they cost gives these
    allowed = np.maximum(cell.budgets, known.min(axis=1).mean())
    choice = Choice(q, known, allowed, cell.preference, cell.orders, cell.selector.exponent or 0.0)
    picks = SELECTORS[cell.selector.name].choose(choice)
    best, oracle = (knapsack(values, known, cell.preference) for values in (q, cell.scores))
    n = len(known)
    found = []
    for at, (budget, most, pick) in enumerate(
        zip(cell.budgets.tolist(), allowed.tolist(), picks, strict=True)
    ):
        # cheapest answers that exceed a cap count for what they are
        total = max(n * most, float((pick.policy * known).sum()))
        in_order: Iterable[Places] = () if pick.shuffled is None else pick.shuffled
        found.append(
            Budgeted(
                budget,
                (pick.policy * cell.scores).sum(axis=1),
                cell.heuristic[at],
                float((pick.policy * cell.paid).sum(axis=1).mean()),
                float((best.policy(total) * cell.scores).sum() / n),
                float((oracle.policy(total) * cell.scores).sum() / n),
                _drawn(cell, budget),
                np.array([cell.scores[np.arange(n), chosen].mean() for chosen in in_order]),
                pick.cheapest_only,
            )
        )
    return found


def _drawn(cell: _Cell, budget: float) -> float:
    """Mean score of a draw of the candidates that cost no more than the budget, else of the cheapest ones."""
    fits = cell.known <= budget * ENOUGH
    fits |= cell.known == cell.known.min(axis=1, keepdims=True)
    return float(((fits * cell.scores).sum(axis=1) / fits.sum(axis=1)).mean())


def _row(
    selector: Selector,
    with_intervals: bool,
    task: Task,
    kind: str,
    router: RouterRow,
    made_of: str,
    kinds: Sequence[Budgeted],
) -> Selection:
    """Of one kind of groups, or the unweighted mean over several."""
    assert task.costs is not None
    items, heuristic = (np.mean([getattr(one, of) for one in kinds], axis=0) for of in ("items", "heuristic"))
    n = len(items)
    mean = {of: float(np.mean([getattr(one, of) for one in kinds])) for of in _MEANS}
    shuffled = np.mean([one.shuffled for one in kinds], axis=0)
    forced = [one.cheapest_only for one in kinds if one.cheapest_only is not None]
    score, gain = mean_score(items, with_intervals), mean_of(items - heuristic, with_intervals)
    benchmark, m, _, method, scheme = task.cell
    return Selection(
        benchmark,
        m,
        kind,
        method,
        scheme,
        router.name,
        task.encoder if router.uses_vectors else None,
        n,
        len(kinds),
        task.costs.kind,
        task.costs.unit,
        made_of,
        router.sees_test_scores,
        selector.name,
        selector.exponent,
        **mean,
        score=score,
        heuristic=round(float(heuristic.mean()), 6),
        gain=gain,
        order_sd=round(float(shuffled.std(ddof=1)), 6) if len(shuffled) else None,
        cheapest_only=round(float(np.mean(forced)), 6) if forced else None,
        interval_note=interval_note(n),
    )


_MEANS = ("budget", "cost", "bound", "oracle", "random")
