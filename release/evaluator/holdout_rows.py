"""What routers lose on categories that they learn nothing of: what an evaluation returns, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from .estimates import FEWEST_TESTED
from .grid import FEW_LEGEND, change_cell, counted, grid
from .results import Estimate, Value, flat_of

if TYPE_CHECKING:
    from .joining_rows import Joined


@dataclass(frozen=True)
class HeldOut:
    """One router on the test items of a category, having learnt with it and without.

    kind: `mean` for the unweighted mean over the `n_kinds` kinds of this m. held_out: all categories that
    were left out of train and validation at a time, as `--hold-out` spells them. category: the one of
    these test items; None for the unweighted mean over the categories of the table. n_train, n_removed:
    train items that were left, and that were taken away; None where several sets are averaged. metrics:
    `mu_o_with`, `mu_o_without`, `delta` = 100 x (without - with), and where costs are asked for and known
    `area_cap_with`, `area_cap_without`, `area_cap_delta`, over the same caps. Differences have paired
    intervals.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    n_kinds: int
    held_out: str
    category: str | None
    n_test: int
    n_train: int | None
    n_removed: int | None
    metrics: dict[str, Estimate]
    interval_note: str | None = None

    @property
    def label(self) -> str:
        """Name of the row in a table."""
        return "Average" if self.category is None else self.category

    def to_dict(self) -> dict[str, Value]:
        """Flat: each metric as `delta`, `delta_lo`, `delta_hi`."""
        return flat_of(self)


def held_out_table(rows: Sequence[HeldOut]) -> str:
    """The change of every router in every category, means over kinds, at most 80 characters wide."""
    parts = (("delta", "score"), ("area_cap_delta", "area"))
    return change_table(rows, "category", parts, LEGEND) or "no category was held out\n"


def change_table(
    rows: Sequence[HeldOut | Joined], head: str, parts: Sequence[tuple[str, str]], legend: str
) -> str | None:
    """Changes of routers, means over kinds, at most 80 characters wide; None where there are none.

    head: of the column of labels. parts: metrics, each with what it is a change in; where those after the
    first have no value, they are not shown.
    """
    blocks = []
    shown = [row for row in rows if row.kind == "mean"]
    for place, of_place in groupby(shown, lambda row: (row.benchmark, row.m, row.method, row.scheme)):
        members = [*of_place]
        routers = {row.router: [r for r in members if r.router == row.router] for row in members}
        for delta, what in parts:
            columns = {
                router: [change_cell(row.metrics[delta]) for row in of] for router, of in routers.items()
            }
            if delta == parts[0][0] or any(row.metrics[delta].value is not None for row in members):
                title = "{}  m={}  groups: {}  split: {}\n  change in ".format(*place) + what
                left = [(row.label, counted(row.n_test)) for row in next(iter(routers.values()))]
                blocks.append(grid(title, (head, "n"), left, columns, 16))
    return "\n\n".join([*blocks, legend]) + "\n" if shown else None


LEGEND = fill(
    "100 x (what a router scores on the test items of a category, having learnt nothing of it or its "
    "relatives - what it scores having learnt it). (..): half of the 95% interval, paired by item. *: the "
    f"interval excludes 0. Categories of fewer than {FEWEST_TESTED} test items are not tested. Average: "
    "unweighted. What best_single and heuristic lose is a wrong order of the LLMs; what others lose beyond "
    f"that is signal of the items. {FEW_LEGEND}",
    80,
)
