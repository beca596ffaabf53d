"""What routers and single candidates score on each category of the test items (Routoo, Figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill

import numpy as np
import numpy.typing as npt

from .categories import GROUPINGS
from .cells import Output
from .costed import Spends
from .grid import (
    FEW_LEGEND,
    FEWEST_TESTED,
    Array,
    change_cell,
    counted,
    grid,
    mean_change,
    mean_score,
)  # fmt: skip
from .items import Part
from .metrics import preferred
from .plain import plain
from .results import Estimate, Value, flat_of
from .routers import RouterRow
from .task import Scores, Task

Ran = tuple[Task, Sequence[Output], Scores]
"""One cell, what each router did there, and the test scores."""
PRICED = ("area_cap", "agreement")
"""Metrics of score over cost that are means over items, so that each category has its own."""
SINGLES = 10
"""Candidates stand by themselves where there are at most so many."""


@dataclass(frozen=True)
class CategoryScore:
    """One router, or one single candidate, on the test items of one category in one cell.

    kind: `mean` for the unweighted mean over the `n_kinds` kinds of this m, which has no single
    candidates. router, model: one of them is None. by: a key of `categories.GROUPINGS`. category: None
    for all test items. best_on_train: what the single candidate scores here that is best on train.
    metrics: `mu_o`; `delta` = 100 x (mu_o - best_on_train), with its paired interval; of routers, where
    costs are asked for and known, those of `PRICED`.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str | None
    model: str | None
    n_kinds: int
    by: str
    category: str | None
    n_test: int
    best_on_train: float
    metrics: dict[str, Estimate]
    interval_note: str | None = None

    @property
    def label(self) -> str:
        """Name of the row in a table."""
        return "Overall" if self.category is None else self.category

    def to_dict(self) -> dict[str, Value]:
        """Flat: each metric as `mu_o`, `mu_o_lo`, `mu_o_hi`."""
        return flat_of(self)


@dataclass(frozen=True, eq=False)
class _Told:
    """Per test item: the score of a choice, that of the best single candidate, and metrics of costs."""

    score: Array
    single: Array
    priced: dict[str, Array]


def category_scores(
    by: str,
    test: Part,
    routers: Sequence[RouterRow],
    cells: Sequence[Ran],
    spends: Sequence[Sequence[Spends | None]],
) -> Iterator[CategoryScore]:
    """Rows of the cells of one benchmark and size, then of the mean over its kinds.

    by: a key of `categories.GROUPINGS`. test: the test items of all cells. spends: per cell, of each router.
    """
    names = np.array(GROUPINGS[by].of(test.categories, test.subsets), object)
    places = {None: np.arange(len(names))} | {
        str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())
    }
    every: list[list[_Told]] = []
    for (task, outputs, Y_test), paid in zip(cells, spends, strict=True):
        scores = Y_test.astype(np.float64)
        single = scores[:, preferred(task)[0]]
        of_routers = [
            _Told((output.policy * scores).sum(axis=1), single, _priced(of))
            for output, of in zip(outputs, paid, strict=True)
        ]
        every.append(of_routers)
        for router, told in zip(routers, of_routers, strict=True):
            yield from _rows(task, task.kind, len(cells), by, places, told, router=router.name)
        for at, model in enumerate(task.candidates if task.m <= SINGLES else ()):
            alone = _Told(scores[:, at], single, {})
            yield from _rows(task, task.kind, len(cells), by, places, alone, model=model)
    for router, kinds in zip(routers, zip(*every, strict=True), strict=True):
        yield from _rows(cells[0][0], "mean", len(kinds), by, places, _mean(kinds), router=router.name)


def without_singles(task: Task) -> list[str]:
    """A note where a group has too many candidates to show each."""
    where = f"{task.benchmark}, m = {task.m}: no scores of single candidates by category"
    return [f"{where}: more than {SINGLES}"] if task.m > SINGLES else []


def _priced(spends: Spends | None) -> dict[str, Array]:
    found = {} if spends is None else {name: spends.metrics[name].items for name in PRICED}
    return {name: items for name, items in found.items() if items is not None}


def _mean(kinds: Sequence[_Told]) -> _Told:
    shared = [name for name in PRICED if all(name in told.priced for told in kinds)]
    return _Told(
        np.mean([told.score for told in kinds], axis=0),
        np.mean([told.single for told in kinds], axis=0),
        {name: np.mean([told.priced[name] for told in kinds], axis=0) for name in shared},
    )


def _rows(
    task: Task,
    kind: str,
    n_kinds: int,
    by: str,
    places: dict[str | None, npt.NDArray[np.intp]],
    told: _Told,
    router: str | None = None,
    model: str | None = None,
) -> Iterator[CategoryScore]:
    benchmark, m, _, method, scheme = task.cell
    for category, at in places.items():
        priced = {name: mean_score([told.priced[name][at]] if name in told.priced else []) for name in PRICED}
        metrics = {
            "mu_o": mean_score([told.score[at]]),
            "delta": mean_change([told.score[at] - told.single[at]], 100.0),
            **priced,
        }
        few = f"too few items: {len(at)} test items, a category is tested from {FEWEST_TESTED} on"
        note = few if len(at) < FEWEST_TESTED else None
        single = round(float(told.single[at].mean()), 6)
        yield CategoryScore(
            *(benchmark, m, kind, method, scheme, router, model, n_kinds, by, category),
            len(at),
            single,
            metrics,
            note,
        )


def category_table(rows: Sequence[CategoryScore]) -> str:
    """Means over kinds of all routers, and single candidates kind by kind, at most 80 characters wide."""
    blocks = []

    def place(row: CategoryScore) -> tuple[str, int, str, str]:
        return row.benchmark, row.m, row.method, row.scheme

    for at, of_place in groupby(rows, place):
        members = [*of_place]
        head = "{}  m={}  groups: {}  split: {}".format(*at)
        routers = _columns([row for row in members if row.kind == "mean"])
        blocks += [_block(f"{head}\n  over the best single", "delta", routers, 16)]
        blocks += [_block(f"{head}\n  {name}", name, routers, 9) for name in PRICED if _has(routers, name)]
        for kind in dict.fromkeys(row.kind for row in members if row.model is not None):
            models = _columns([row for row in members if row.kind == kind and row.model is not None])
            numbered = {str(number): of for number, of in enumerate(models.values(), 1)}
            keys = "".join(f"\n  {number}: {plain(name)[:70]}" for number, name in enumerate(models, 1))
            blocks.append(
                _block(f"{head}\n  {kind}: single LLMs over the best of them{keys}", "delta", numbered, 16)
            )
    return "\n\n".join([*blocks, LEGEND]) + "\n" if blocks else "nothing was evaluated\n"


def _columns(rows: Sequence[CategoryScore]) -> dict[str, list[CategoryScore]]:
    """Rows of each router, or model, by its name."""
    found: dict[str, list[CategoryScore]] = {}
    for row in rows:
        found.setdefault(row.router or row.model or "", []).append(row)
    return found


def _has(columns: dict[str, list[CategoryScore]], name: str) -> bool:
    return any(row.metrics[name].value is not None for of in columns.values() for row in of)


def _block(title: str, name: str, columns: dict[str, list[CategoryScore]], width: int) -> str:
    rows = next(iter(columns.values()))
    cells = {
        column: [
            change_cell(row.metrics[name]) if name == "delta" else _share(row.metrics[name]) for row in of
        ]
        for column, of in columns.items()
    }
    if name == "delta":
        cells = {"best single": [f"{row.best_on_train:.3f}" for row in rows], **cells}
    return grid(title, ("category", "n"), [(row.label, counted(row.n_test)) for row in rows], cells, width)


def _share(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{estimate.value:.3f}"


LEGEND = fill(
    "best single: score of the LLM that is best on train. Others: 100 x (their score - that one's). (..): "
    "half of the 95% interval, paired by item. *: the interval excludes 0. Categories of fewer than "
    f"{FEWEST_TESTED} test items are not tested. {FEW_LEGEND}",
    80,
)
