"""Scores submissions on a release with its evaluator, and ranks them: a board for each group size m."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from routerset.release.evaluator import evaluate
from routerset.release.evaluator.intervals import LEVEL, holm
from routerset.release.evaluator.predictions import PredictedRouter
from routerset.release.evaluator.reader import Group, Release
from routerset.release.evaluator.results import Difference, Estimate, Evaluation, Row, Value
from routerset.release.evaluator.routers import RouterFactory, RouterRow, find_router
from routerset.release.evaluator.verdict import YARDSTICK
from routerset.release.leaderboards.ranking import Place, places
from routerset.release.leaderboards.submissions import Handed, Submission, refuse

REFERENCES = (YARDSTICK, "random", "oracle")
"""Routers that stand beside the submissions, without a rank."""
_MARK = "submission "
"""What the evaluator is told before a submission's name, so that none has the name of a router."""


@dataclass(frozen=True)
class Lead:
    """A difference in score between two on the same items. p_holm: see `Board`."""

    value: Estimate
    p_holm: float | None

    @property
    def proven(self) -> bool:
        """Whether it is told apart from 0."""
        return self.p_holm is not None and self.p_holm < 1 - LEVEL


@dataclass(frozen=True)
class Line:
    """What one router scores. place: None of a router that is no submission. over_single: over the candidate
    that is best on train; behind_first: over the submission of the highest score, None for that one. by: its
    score on each benchmark. same_as: a submission with the same answers. spending: score over cost, flat.
    """

    name: str
    place: Place | None
    score: Estimate
    v_b_train: Estimate
    by: Mapping[str, Estimate]
    over_single: Lead | None = None
    behind_first: Lead | None = None
    same_as: str | None = None
    sees_test_scores: bool = False
    spending: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Board:
    """Scores at one m, means over kinds and benchmarks.

    lines: submissions, from the highest score down. references: other routers. pairs: names of every two
    submissions, and their difference, with p-values adjusted for their number (Holm); those of `over_single`
    are adjusted for the number of submissions. unproven: why there are no intervals.
    """

    m: int
    method: str
    scheme: str
    benchmarks: tuple[str, ...]
    n_test: int
    lines: tuple[Line, ...]
    references: tuple[Line, ...]
    pairs: tuple[tuple[str, str, Lead], ...]
    notes: tuple[str, ...]
    unproven: str | None = None


def score(
    release: Release,
    handed: Handed,
    *,
    method: str,
    scheme: str,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    costs: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> tuple[tuple[Board, ...], Handed]:
    """Boards by m, and what was handed in without those that answer no board, or one in part.

    A submission takes part where it answers every cell of a size m. The other arguments are those of
    `evaluate`, and so is what is raised.
    """
    groups = [
        g
        for g in release.groups
        if g.method == method
        and (benchmarks is None or g.benchmark in benchmarks)
        and (sizes is None or g.m in sizes)
    ]
    release.require(benchmarks or ())
    handed = refuse(handed, _incomplete(handed.submissions, groups))
    boards = []
    for m in sorted({g.m for g in groups}):
        cells = [g for g in groups if g.m == m]
        taking = [s for s in handed.submissions if all(s.router.covers(g) for g in cells)]
        if taking:
            named: dict[str, RouterFactory | RouterRow] = {
                _MARK + s.name: partial(_itself, s.router) for s in taking
            }
            found = evaluate(
                release,
                named | {name: find_router(name) for name in REFERENCES},
                benchmarks=benchmarks,
                sizes=[m],
                method=method,
                scheme=scheme,
                costs=costs,
                seed=seed,
                pairs=True,
                progress=progress,
            )
            boards.append(_board(found, taking))
    return tuple(boards), handed


def _itself(router: PredictedRouter) -> PredictedRouter:
    return router


def _incomplete(submissions: Sequence[Submission], groups: Sequence[Group]) -> dict[str, str]:
    """Reasons of those that answer no size m whole, or one in part."""
    reasons = {}
    for each in submissions:
        absent = {g: not each.router.covers(g) for g in groups}
        sizes = sorted({g.m for g in groups})
        of_size = {m: [lack for g, lack in absent.items() if g.m == m] for m in sizes}
        part = [m for m, lacks in of_size.items() if any(lacks) and not all(lacks)]
        if part:
            lacks = [f"{g.benchmark} {g.kind}" for g, lack in absent.items() if lack and g.m == part[0]]
            more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
            reasons[each.name] = f"m = {part[0]}: answers nothing of {', '.join(lacks[:3])}{more}"
        elif all(map(all, of_size.values())):
            told = ", ".join(map(str, sizes)) or "none"
            reasons[each.name] = f"answers no size of this board; it has m = {told}"
    return reasons


def _board(found: Evaluation, taking: Sequence[Submission]) -> Board:
    headline = {row.router: row for row in found.overall or found.means}
    leads = {
        (d.router_a, d.router_b): d
        for d in found.overall_differences or [d for d in found.differences if d.kind == "mean"]
    }
    by: dict[str, dict[str, Estimate]] = {}
    for row in found.means:
        by.setdefault(row.router, {})[row.benchmark] = row.metrics["mu_o"]
    ours = sorted(taking, key=lambda s: (-(headline[_MARK + s.name].metrics["mu_o"].value or 0.0), s.name))
    names = [_MARK + s.name for s in ours]
    over = _family([_lead(leads, name, YARDSTICK) for name in names])
    both = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    pairs = _family([_lead(leads, names[i], names[j]) for i, j in both])
    better = np.zeros((len(names), len(names)), bool)
    for (i, j), lead in zip(both, pairs, strict=True):
        better[i, j] = lead.proven
    behind = {j: lead for (i, j), lead in zip(both, pairs, strict=True) if i == 0}
    placed = places(better)
    lines = [
        replace(
            _line(headline[name], by[name], each.name),
            place=placed[at],
            over_single=over[at],
            behind_first=_turned(behind[at]) if at else None,
            same_as=each.same_as,
        )
        for at, (each, name) in enumerate(zip(ours, names, strict=True))
    ]
    first = headline[names[0]]
    return Board(
        first.m,
        first.method,
        first.scheme,
        tuple(dict.fromkeys(row.benchmark for row in found.means)),
        first.n_test,
        tuple(lines),
        tuple(_line(headline[name], by[name], name) for name in REFERENCES if name in headline),
        tuple((ours[i].name, ours[j].name, lead) for (i, j), lead in zip(both, pairs, strict=True)),
        found.notes,
        first.interval_note,
    )


def _line(row: Row, by: Mapping[str, Estimate], name: str) -> Line:
    spent = row.spending.to_dict() if row.spending is not None else {}
    return Line(
        name,
        None,
        row.metrics["mu_o"],
        row.metrics["v_b_train"],
        by,
        sees_test_scores=row.sees_test_scores,
        spending=spent,
    )


def _lead(leads: Mapping[tuple[str, str], Difference], a: str, b: str) -> tuple[Estimate, float | None]:
    """Score of a less that of b, and its p-value."""
    if (a, b) in leads:
        return leads[a, b].metrics["mu_o"], leads[a, b].p
    found = leads[b, a]
    return _negative(found.metrics["mu_o"]), found.p


def _family(found: Sequence[tuple[Estimate, float | None]]) -> list[Lead]:
    """Comparisons that are made together."""
    adjusted = holm([p for _, p in found])
    return [Lead(value, p) for (value, _), p in zip(found, adjusted, strict=True)]


def _turned(lead: Lead) -> Lead:
    return Lead(_negative(lead.value), lead.p_holm)


def _negative(e: Estimate) -> Estimate:
    value, lo, hi = (None if v is None else 0.0 - v for v in (e.value, e.hi, e.lo))
    return Estimate(value, lo, hi, e.few_items)
