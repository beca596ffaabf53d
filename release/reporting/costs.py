"""What a report says of score over cost, worked out once from a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import numpy.typing as npt

from routerset.release.evaluator import DataError, Release
from routerset.release.evaluator.bootstrap import RESAMPLES, resample_counts
from routerset.release.evaluator.cells import Output, Ran
from routerset.release.evaluator.costed import Spends, mean_spends, spend
from routerset.release.evaluator.costs import CellCosts, find_kind, read_costs
from routerset.release.evaluator.curve_rows import CURVES, Curve
from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.pairs import routing_curve
from routerset.release.evaluator.reader import Group
from routerset.release.evaluator.results import Spending
from routerset.release.evaluator.routers import RouterRow, find_router
from routerset.release.evaluator.running import learn
from routerset.release.evaluator.task import Scores, Task
from routerset.release.evaluator.tasks import costs_of, make_tasks
from routerset.release.evaluator.tiers import read_tiers, tier_shares
from routerset.release.evaluator.tracing import traced

Paid = Mapping[Group, CellCosts]
DEFAULT_KINDS = ("usd", "tokens", "params_b")
"""Kinds of costs of which a report takes the one that most groups have; of equal ones the first."""
HEURISTIC = "heuristic"
"""The router of reference that a table of costs has besides those of the report."""
SEED = 0
"""That of the evaluator, of resamples."""
PAIR, FIGURE_SIZE, FIGURE_KIND = 2, 5, "strong_to_weak"
"""Figures show groups of this size and kind, which span the whole pool; where there are none, the nearest."""


@dataclass(frozen=True)
class Spent:
    """Metrics of score over cost of one router: means over the kinds of groups of one size."""

    benchmark: str
    m: int
    router: str
    n_test: int
    n_kinds: int
    spending: Spending


@dataclass(frozen=True)
class Single:
    """One candidate of the cell that a figure shows: its mean cost and mean score on test items."""

    model: str
    cost: float
    score: float


@dataclass(frozen=True, eq=False)
class Rate:
    """Routing rate between two candidates: mean score over the share of items sent to the small one."""

    benchmark: str
    kind: str
    router: str
    small: str
    large: str
    shares: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """How often a router chooses LLMs of each tier of sizes, mean over the kinds of groups of one size."""

    benchmark: str
    m: int
    router: str
    of: Mapping[str, float | None]


@dataclass(frozen=True)
class CostFindings:
    """Score over cost, in one kind of costs; nothing without a kind.

    tried: the kinds that were looked for. spent: a row per benchmark, m and router. curves: (curve,
    benchmark) -> those of one cell, which figures show; singles, cells: benchmark -> the candidates and the
    routers of that cell. rates: of groups of two. shares: by size of the LLMs. notes: (benchmark, what was
    left out).
    """

    tried: tuple[str, ...] = DEFAULT_KINDS
    kind: str | None = None
    unit: str = ""
    spent: tuple[Spent, ...] = ()
    curves: Mapping[tuple[str, str], tuple[Curve, ...]] = field(default_factory=dict)
    singles: Mapping[str, tuple[Single, ...]] = field(default_factory=dict)
    cells: Mapping[str, tuple[Spent, ...]] = field(default_factory=dict)
    rates: tuple[Rate, ...] = ()
    shares: tuple[Shares, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """How one benchmark is evaluated: routers that can run on it, and the encoder of its vectors."""

    routers: tuple[str, ...]
    encoder: str | None


def find_costs(
    release: Release,
    plans: Mapping[str, Plan],
    sizes: Sequence[int],
    method: str,
    scheme: str,
    kind: str | None,
) -> CostFindings:
    """Score over cost of each benchmark's routers, in groups of these sizes and of two.

    kind: of `COST_KINDS`; by default that of `DEFAULT_KINDS` that most groups have. A benchmark whose costs
    cannot be used is left out with a note.
    """
    tried = DEFAULT_KINDS if kind is None else (find_kind(kind).name,)
    notes: list[tuple[str, str]] = []
    cells = {
        (name, m): [*groups]
        for name in plans
        for m, groups in groupby(release.groups_of(name, method), key=lambda group: group.m)
        if m in {*sizes, PAIR}
    }
    costed: dict[tuple[str, int], dict[str, Paid]] = {}
    for (name, m), groups in cells.items():
        try:
            costed[name, m] = _costs(release, groups, scheme, tried)
        except DataError as error:
            notes.append((name, f"costs, m = {m}: {error}"))
    have = {k: sum(len(of[k]) for of in costed.values()) for k in tried}
    chosen = max(tried, key=lambda k: have[k])
    if not have[chosen]:
        return CostFindings(tried, notes=tuple(notes))
    tiers = read_tiers(release, {model for group in release.groups for model in group.candidates})
    found: list[_Measured] = []
    for name, plan in plans.items():
        with_costs = {m: of[chosen] for (benchmark, m), of in costed.items() if benchmark == name}
        known = [m for m, paid in with_costs.items() if paid]
        n_groups = sum(len(cells[name, m]) for m in with_costs)
        if (lacking := n_groups - sum(map(len, with_costs.values()))) > 0:
            notes.append((name, f"{lacking} of {n_groups} groups without {chosen} of every LLM: no curves"))
        shown = min(known, key=lambda m: (abs(m - FIGURE_SIZE), m), default=0)
        found += [
            _measure(release, cells[name, m], plan, scheme, with_costs[m], tiers, m == shown) for m in known
        ]
    return CostFindings(
        tried,
        chosen,
        found[0].unit,
        tuple(spent for part in found for spent in part.spent),
        {key: curves for part in found for key, curves in part.curves.items()},
        {name: part.singles for part in found for _, name in part.curves},
        {name: part.cell for part in found for _, name in part.curves},
        tuple(rate for part in found for rate in part.rates),
        tuple(shares for part in found for shares in part.shares),
        tuple(notes),
    )


@dataclass(frozen=True)
class _Measured:
    """What `CostFindings` has of one benchmark and size; curves and shares only where figures show it."""

    unit: str
    spent: tuple[Spent, ...]
    curves: Mapping[tuple[str, str], tuple[Curve, ...]]
    singles: tuple[Single, ...]
    cell: tuple[Spent, ...]
    rates: tuple[Rate, ...]
    shares: tuple[Shares, ...]


def _costs(release: Release, groups: Sequence[Group], scheme: str, kinds: Sequence[str]) -> dict[str, Paid]:
    """Costs of each kind, of those groups of one benchmark and size that have any."""
    name = groups[0].benchmark
    items = load_items(release, name, groups, None, scheme)
    models = {model for group in groups for model in group.candidates}
    found: dict[str, Paid] = {}
    for kind in kinds:
        told = costs_of(items, groups, read_costs(release, name, models, find_kind(kind)), as_reference=False)
        found[kind] = {group: costs for group, costs in told.items() if isinstance(costs, CellCosts)}
    return found


def _measure(
    release: Release,
    groups: Sequence[Group],
    plan: Plan,
    scheme: str,
    paid: Paid,
    tiers: Mapping[str, str],
    shown: bool,
) -> _Measured:
    """groups: all of one benchmark and size, some of which have costs. tiers: of models."""
    name, m = groups[0].benchmark, groups[0].m
    items = load_items(release, name, groups, plan.encoder, scheme)
    kept = [group for group in groups if group in paid]
    plain = make_tasks(items, kept, encoder=plan.encoder, scheme=scheme, costs=paid)
    routers = [find_router(name) for name in dict.fromkeys((*plan.routers, HEURISTIC))]
    ran, cells, _ = learn(routers, [plain], [(items, kept)])  # of those that did not run their scores say why
    counts = resample_counts(plain[0].n_test, RESAMPLES if m == PAIR else 0, SEED)  # pairs alone need them
    spends = [spend(*cell, paid[group], ran, counts) for cell, group in zip(cells, kept, strict=True)]

    def told(found: Sequence[Spends | None], n_kinds: int) -> tuple[Spent, ...]:
        n = plain[0].n_test
        pairs = zip(ran, found, strict=True)
        return tuple(
            Spent(name, m, row.name, n, n_kinds, of.estimates(n)) for row, of in pairs if of is not None
        )

    place = next((i for i, group in enumerate(kept) if group.kind == FIGURE_KIND), 0)
    task, _, Y_test = cells[place]
    of_kind = {(m, kept[place].kind): paid[kept[place]]}
    curves = {}
    if shown:
        for curve in CURVES:
            drawn = traced(curve, ran, [cells[place]], of_kind)
            curves[curve, name] = tuple(one for one in drawn if one.kind != "mean")
    means = zip(task.candidates, paid[kept[place]].paid.mean(axis=0), Y_test.mean(axis=0), strict=True)
    assert task.costs is not None
    return _Measured(
        task.costs.unit,
        told(mean_spends(spends), len(kept)) if len(kept) == len(groups) else (),
        curves,
        tuple(Single(model, float(cost), float(score)) for model, cost, score in means),
        told(spends[place], 1),
        tuple(_rates(task, ran, cells[place][1], Y_test, paid[kept[place]])) if m == PAIR else (),
        tuple(_shares(ran, cells, tiers)) if shown else (),
    )


def _rates(
    task: Task, routers: Sequence[RouterRow], outputs: Sequence[Output], Y_test: Scores, costs: CellCosts
) -> Iterator[Rate]:
    """The candidate that costs less on average is the small one; at random the rate is a straight line."""
    small, large = np.argsort(costs.paid.mean(axis=0), kind="stable")
    for router, output in zip(routers, outputs, strict=True):
        if output.estimates is None or router.name == HEURISTIC:  # the same of every item: as random
            continue
        q = output.estimates.scores
        confidence = np.zeros(task.n_test) if q is None else q[:, small] - q[:, large]
        shares, scores = routing_curve(confidence, Y_test[:, small], Y_test[:, large])
        names = task.candidates[small], task.candidates[large]
        yield Rate(task.benchmark, task.kind, router.name, *names, shares, scores)


def _shares(routers: Sequence[RouterRow], cells: Sequence[Ran], tiers: Mapping[str, str]) -> Iterator[Shares]:
    """Of the tiers that have a candidate; without a cap."""
    told = [row for row in tier_shares(tiers, routers, cells, n_caps=0) if row.kind == "mean"]
    for router, rows in groupby(told, key=lambda row: row.router):
        of = [*rows]
        yield Shares(of[0].benchmark, of[0].m, router, {row.tier: row.metrics["share"].value for row in of})
