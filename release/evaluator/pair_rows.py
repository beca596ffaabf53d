"""How much goes to the larger one of two models: one row per router, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill

import numpy as np

from .intervals import FEW_ITEMS
from .ladders import Array
from .plain import plain
from .results import Estimate, flat_of
from .tables import FEW, STAR, interval

CONFIDENCES = {
    "difference": "estimated score of the small one - that of the large one",
    "small": "estimated score of the small one (RouterBench+)",
}
"""What decides which items the small model gets first."""
LINES = {"oracle": "ordered by the scores themselves", "random": "a straight line"}
"""What stands beside every router, by the name that it has as one."""
SHARES = np.linspace(0, 1, 11)
_FIELDS = ("pgr", "apgr", "cpt20", "cpt50", "cpt80")


@dataclass(frozen=True, eq=False)
class Routing:
    """One router between two models of one benchmark (RouteLLM; RouterBench+, routing rate).

    small, large: model ids, as they were named. small_cost, large_cost: mean cost of a test item, null where
    it is not known. confidence: key of `CONFIDENCES`. estimates: what it is made of (see
    `cells.Estimates.made_of`). small_score, large_score: mean test scores.
    score: what the router's own choices score. share, curve: (K,) exact points, straight in between: share of
    items that the large model gets, from 0 to 1, and mean score. area: mean height of the curve.
    pgr: part of the large model's gain over the small one that the score has; apgr: that the area has. cpt20,
    cpt50, cpt80: least share that recovers 20, 50, 80% of the gain. note: why these are null, if they are.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    encoder: str | None
    n_test: int
    track: str
    costs: str | None
    cost_unit: str | None
    estimates: str
    sees_test_scores: bool
    small: str
    large: str
    confidence: str
    small_score: float
    large_score: float
    small_cost: float | None
    large_cost: float | None
    score: Estimate
    area: Estimate
    pgr: Estimate
    apgr: Estimate
    cpt20: float | None
    cpt50: float | None
    cpt80: float | None
    share: Array
    curve: Array
    interval_note: str | None
    note: str | None

    def to_dict(self) -> dict[str, object]:
        """Estimates as `area`, `area_lo`, `area_hi`; the points as lists."""
        return flat_of(self)


def routing_table(routings: Sequence[Routing]) -> str:
    """All rows, then the curves at shares from 0 to 1, at most 80 characters wide."""
    if not routings:
        return "no router has estimates\n"
    lines = "; ".join(f"{name}: {says}" for name, says in LINES.items())
    legend = [
        "score: of the router's own choices. area: mean score over all shares that the large one gets.",
        "[..]: 95% interval of the area. PGR, APGR: part of the large one's gain that the score and the area",
        f"have. CPT: least share that recovers 20, 50, 80% of the gain. {lines}.",
        "p: the order follows probabilities, not estimated scores.",
        *([STAR] if any(row.sees_test_scores for row in routings) else []),
        *(
            [f"{FEW}: fewer than {FEW_ITEMS} test items."]
            if any(row.area.few_items for row in routings)
            else []
        ),
    ]
    return "\n\n".join([*_blocks(routings), fill(" ".join(legend), 80)]) + "\n"


def _blocks(rows: Iterable[Routing]) -> Iterator[str]:
    for benchmark, block in groupby(rows, lambda row: row.benchmark):
        members = list(block)
        first = members[0]
        yield "\n".join(
            [
                f"{benchmark}  split: {first.scheme}  {first.n_test} test items",
                *(_model(first, side) for side in ("small", "large")),
                f"  order: {CONFIDENCES[first.confidence]}",
                *([fill(first.note, 80, initial_indent="  ", subsequent_indent="  ")] if first.note else []),
                f"  {'router':<12}{'score':>6}{'area':>6} {'95% interval':<15}"
                + "".join(f"{name.upper():>7}" for name in _FIELDS),
                *(_numbers(row) for row in members),
                "  score at shares that the large one gets",
                f"  {'router':<12}" + "".join(f"{share:>6.1f}" for share in SHARES),
                *(
                    f"  {_name(row):<12}"
                    + "".join(f"{score:>6.3f}" for score in np.interp(SHARES, row.share, row.curve))
                    for row in members
                ),
            ]
        )


def _model(row: Routing, side: str) -> str:
    """The model of a side, its score, and what it costs."""
    name, score, cost = (getattr(row, f"{side}{of}") for of in ("", "_score", "_cost"))
    told = f"{score:.3f}" + ("" if cost is None else f", {cost:.3g} {row.cost_unit}")
    room = 80 - len(f"  {side}:   {told}")
    return f"  {side}: {plain(name)[:room]}  {told}"


def _name(row: Routing) -> str:
    mark = "*" if row.sees_test_scores else " p" if row.estimates == "probabilities" else ""
    return f"{plain(row.router)[: 12 - len(mark)]}{mark}"


def _numbers(row: Routing) -> str:
    values = [
        value.value if isinstance(value, Estimate) else value
        for value in (getattr(row, name) for name in _FIELDS)
    ]
    cells = "".join(f"{'-' if value is None else f'{value:.3f}':>7}" for value in values)
    return f"  {_name(row):<12}{row.score.value:>6.3f}{row.area.value:>6.3f} {interval(row.area):<15}{cells}"
