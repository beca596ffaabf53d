"""From what routers would choose under a budget to their curves, and to the lines that stand beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .cells import Output
from .costs import CellCosts
from .curve_rows import BESIDE, CURVES, Curve
from .curves import cap_steps, random_steps, sweep
from .errors import UsageError
from .ladders import Array, joined, ladders
from .metrics import preferred
from .routers import RouterRow
from .spending import Cell
from .task import Floats, Scores, Task

Ran = tuple[Task, Sequence[Output], Scores]
"""One cell, what each router did there, and the test scores."""
Paid = Mapping[tuple[int, str], object]
"""`CellCosts` of the cells of a benchmark that have them, by m and kind."""


@dataclass(frozen=True, eq=False)
class Line:
    """What a curve is made of in one cell. q: estimated scores (n, m), None for a draw. made_of: of them."""

    q: Floats | None
    cell: Cell
    made_of: str


def require_curve(name: str | None, routers: Sequence[RouterRow]) -> None:
    """Raise UsageError for no curve of `CURVES`, and for a router that has the name of a line beside it."""
    if name is None:
        return
    if name not in CURVES:
        raise UsageError(f"no curve {name!r}; valid: {', '.join(CURVES)}")
    require_free(routers, BESIDE)


def require_free(routers: Sequence[RouterRow], names: Collection[str]) -> None:
    """Raise UsageError for a router of one's own that has the name of a line beside all routers."""
    for row in routers:
        if row.compared and row.name in names:
            raise UsageError(f"router {row.name!r}: a line beside every curve has this name; rename it")


def traced(curve: str, routers: Sequence[RouterRow], cells: Sequence[Ran], paid: Paid) -> Iterator[Curve]:
    """Curves of all routers in the cells of one benchmark and size, then of all its kinds together.

    Cells without costs, and routers that no choice under a budget is defined for, have none.
    """
    every = []
    for task, outputs, Y_test in cells:
        costs = paid.get((task.m, task.kind))
        if not isinstance(costs, CellCosts) or task.costs is None:
            continue
        lines = _lines(curve, task, routers, outputs, Y_test, costs.paid)
        every.append(lines)
        yield from (_curve(curve, task, task.kind, name, [line]) for name, line in lines.items())
    units = {task.costs.unit for task, *_ in cells if task.costs is not None}
    if len(every) == len(cells) and len(units) == 1:
        yield from (
            _curve(curve, cells[0][0], "mean", name, [lines[name] for lines in every]) for name in every[0]
        )


def _lines(
    curve: str,
    task: Task,
    routers: Sequence[RouterRow],
    outputs: Sequence[Output],
    Y_test: Scores,
    paid: Floats,
) -> dict[str, Line]:
    """Those of the routers between those that stand beside them."""
    assert task.costs is not None
    shape = Y_test.shape
    known = np.broadcast_to(task.costs.mean, shape) if task.costs.test is None else task.costs.test
    cell = Cell(Y_test, known, paid, preferred(task))
    on_train, on_test = (
        np.broadcast_to(Y.mean(axis=0, dtype=np.float64), shape) for Y in (task.Y_train, Y_test)
    )
    # under a cap no mixture of single candidates beats the best that it allows
    mean = np.broadcast_to(np.mean(paid, axis=0), shape)
    singles = cell if curve == "cap" else Cell(on_test, mean, mean, cell.preference)
    found = {"oracle": Line(Y_test, cell, "scores")}
    for router, output in zip(routers, outputs, strict=True):
        told = output.estimates
        if told is not None and router.name not in BESIDE:
            own = Cell(Y_test, told.known, paid, cell.preference)
            found[router.name] = Line(told.scores, own, told.made_of)
    return found | {
        "heuristic": Line(on_train, cell, "scores"),
        "random": Line(None, cell, "draw"),
        "zero": Line(on_test, singles, "scores"),
    }


def _curve(curve: str, task: Task, kind: str, router: str, lines: Sequence[Line]) -> Curve:
    assert task.costs is not None
    cost, score = _points(curve, lines)
    benchmark, m, _, method, scheme = task.cell
    costs = task.costs
    return Curve(
        benchmark,
        m,
        kind,
        method,
        scheme,
        router,
        costs.kind,
        costs.unit,
        curve,
        lines[0].made_of,
        task.n_test,
        len(lines),
        cost,
        score,
    )


def _points(curve: str, lines: Sequence[Line]) -> tuple[Array, Array]:
    """Of several kinds, which share their items, one cap or one price of cost for them all."""
    scores, paid = (np.concatenate([getattr(line.cell, of) for line in lines]) for of in ("scores", "paid"))
    if lines[0].q is None:
        known = np.concatenate([line.cell.known for line in lines])
        caps, score = random_steps(scores, known).curve()
        return (caps if curve == "cap" else random_steps(paid, known).curve()[1]), score
    ladder = joined(
        [ladders(line.q, line.cell.known, line.cell.preference) for line in lines if line.q is not None]
    )
    if curve == "cap":
        return cap_steps(ladder, scores).curve()
    points = sweep(ladder).points(scores, paid)
    return points.cost, points.score


def without_curves(routers: Sequence[RouterRow]) -> list[str]:
    """A note on the routers that no choice under a budget is defined for, where there are any."""
    names = ", ".join(row.name for row in routers if not row.has_curve)
    return [f"no curve and no choices under a budget: not defined for {names}"] if names else []
