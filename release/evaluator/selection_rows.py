"""Scores under budgets, one row per router and budget, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill

import numpy as np

from .curve_rows import FOLLOWED, NO_COSTS, heading, of_kinds, scaled
from .intervals import FEW_ITEMS
from .plain import plain
from .results import Estimate, flat_of
from .selectors import SELECTORS, SHUFFLES
from .tables import FEW, STAR, interval


@dataclass(frozen=True)
class Selection:
    """One router in one cell, its choices made by a selector under a budget; `kind` is "mean" for the
    unweighted mean over the kinds.

    costs, cost_unit: what is counted. estimates: what choices follow (see `cells.Estimates.made_of`).
    selector: key of `selectors.SELECTORS`. alpha: of `ratio`, else null. budget: mean cost of an answer, as
    it is known before the call. score: mean test score of what was chosen, its interval that of these
    choices. cost: what an answer cost in fact.
    At the same budget: bound, the best policy for these estimates; oracle, for the test scores, which no
    choice within the budget exceeds; heuristic, the same selector on mean training scores; random, a draw of
    the candidates that cost no more than the budget each. gain: score - heuristic, paired.
    order_sd: of the score over other orders of the items (`ratio`). cheapest_only: share of items for which
    nothing but their cheapest candidates fitted (`cap`, `ratio`).
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    encoder: str | None
    n_test: int
    n_kinds: int
    costs: str
    cost_unit: str
    estimates: str
    sees_test_scores: bool
    selector: str
    alpha: float | None
    budget: float
    score: Estimate
    cost: float
    bound: float
    oracle: float
    heuristic: float
    random: float
    gain: Estimate
    order_sd: float | None
    cheapest_only: float | None
    interval_note: str | None

    def to_dict(self) -> dict[str, object]:
        """Flat: estimates as `score`, `score_lo`, `score_hi`."""
        return flat_of(self)


def selection_table(selections: Sequence[Selection]) -> str:
    """The means over kinds, at most 80 characters wide."""
    shown = [row for row in selections if row.kind == "mean"]
    if not shown:
        return NO_COSTS
    name = shown[0].selector
    legend = [
        f"{name}: {SELECTORS[name].says}.",
        "budget, cost: of an answer, as known before the call and as paid.",
        "[..]: 95% interval of the score of these choices.",
        "At the same budget: best, the best policy for these estimates; oracle, for the scores themselves;",
        "heur., the same selector on mean train scores; random, a draw of what costs no more.",
        *([f"sd: of the score over {SHUFFLES} orders of the items."] if name == "ratio" else []),
        FOLLOWED,
        *([STAR] if any(row.sees_test_scores for row in shown) else []),
        *(
            [f"{FEW}: fewer than {FEW_ITEMS} test items."]
            if any(row.score.few_items for row in shown)
            else []
        ),
    ]
    return "\n\n".join([*_blocks(shown), fill(" ".join(legend), 80)]) + "\n"


def _blocks(rows: Iterable[Selection]) -> Iterator[str]:
    for head, block in groupby(rows, lambda row: heading(row.benchmark, row.m, row.method, row.scheme)):
        members = list(block)
        first = members[0]
        alpha = "" if first.alpha is None else f", alpha {first.alpha:g}"
        paid = np.array([[row.budget, row.cost] for row in members])
        unit, shares = scaled(first.cost_unit, paid.ravel())
        lines = [
            head,
            f"  {first.n_test} test items{of_kinds(first.n_kinds, first.method)}  "
            f"selector: {first.selector}{alpha}",
            f"  costs: {first.costs}, {unit}",
            f"  {'router':<11}{'budget':>6}{'cost':>6}{'score':>6} {'95% interval':<15}"
            f"{'best':>6}{'oracle':>7}{'heur.':>6}{'random':>7}"
            + (f"{'sd':>6}" if first.selector == "ratio" else ""),
        ]
        named = ""
        for row, budget, cost in zip(members, shares[::2], shares[1::2], strict=True):
            mark = "*" if row.sees_test_scores else " p" if row.estimates == "probabilities" else ""
            name = f"{plain(row.router)[: 11 - len(mark)]}{mark}"
            sd = "" if row.order_sd is None else f"{row.order_sd:>6.3f}"
            lines.append(
                f"  {name if row.router != named else '':<11}{budget:>6}{cost:>6}{row.score.value:>6.3f} "
                f"{interval(row.score):<15}{row.bound:>6.3f}{row.oracle:>7.3f}{row.heuristic:>6.3f}"
                f"{row.random:>7.3f}{sd}"
            )
            named = row.router
        yield "\n".join(lines)
