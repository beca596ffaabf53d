"""The tables of a report on score over cost."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log10

from routerset.release.evaluator.averages import average
from routerset.release.evaluator.spending import COST_METRICS
from routerset.release.reporting.costs import HEURISTIC, PAIR, TIER_NAMES, CostFindings
from routerset.release.reporting.evaluation import Findings
from routerset.release.reporting.grid import Cell, Column, Grid, label
from routerset.release.reporting.panels import Panel, cap_panels, plane_panels, rate_panels
from routerset.release.reporting.tables import BENCHMARK, ROUTER, SIZE

AREA = "area_cap"
SHOWN = (
    AREA, "area_mean", "aiq", "qnc", "apgr", "cpt50", "peak", "acc_bmax", "cost_bmax", "arena"
)  # fmt: skip
"""Metrics that people are shown; all are in data."""


def headline(findings: Findings) -> Grid:
    """The table of the card: the area of every router on every benchmark, and the mean over benchmarks."""
    # of two candidates the cheaper one answers under every cap but the last, whoever routes
    spent = [
        of for of in findings.costs.spent if of.m != PAIR and of.spending.metrics[AREA].value is not None
    ]
    names = list(dict.fromkeys(of.benchmark for of in spent))
    cells = {(of.m, of.router, of.benchmark): of.spending.metrics[AREA] for of in spent}
    rows: list[tuple[Cell, ...]] = []
    for m, router in dict.fromkeys((of.m, of.router) for of in sorted(spent, key=lambda of: of.m)):
        of_router = [cells.get((m, router, name)) for name in names]
        known = [e for e in of_router if e is not None]
        rows.append((m, router, *of_router, average(known) if len(known) == len(names) else None))
    return Grid(
        f"Mean score over all caps on the cost of one answer ({AREA}), costs in {named(findings.costs)}: "
        f"means over the kinds of groups, with 95% intervals. {setting(findings)}",
        (
            Column("m", "m"),
            Column("router", "Router"),
            *(Column(name, label(name), digits=2) for name in names),
            Column("mean", "Mean", digits=2),
        ),
        tuple(rows),
    )


def metrics(findings: Findings, names: Sequence[str] = SHOWN) -> Grid:
    """Metrics of score over cost that some router has a value of."""
    costs = findings.costs
    columns = [
        Column(name, COST_METRICS[name].head or name, bar=name == AREA, digits=_digits(costs, name))
        for name in known(costs, names)
    ]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (of.benchmark, of.m, of.router, *(of.spending.metrics[column.key] for column in columns))
        for of in costs.spent
    )
    return Grid(
        f"Score over cost, costs in {named(costs)}: means over the kinds of groups, with 95% intervals where "
        f"one is known to hold. {setting(findings)}",
        (BENCHMARK, SIZE, ROUTER, *columns),
        rows,
    )


def known(costs: CostFindings, names: Sequence[str] = SHOWN) -> list[str]:
    """Metrics that some router has a value of."""
    spent = [of.spending.metrics for of in costs.spent]
    return [name for name in names if any(of[name].value is not None for of in spent)]


def tiers(findings: Findings) -> Grid:
    """How often LLMs of each tier of sizes are chosen, where no budget is set."""
    shares = [of for of in findings.costs.shares if of.router != HEURISTIC]  # then it is the best single
    used = [name for name in TIER_NAMES if any(of.of[name] for of in shares)]
    return Grid(
        "Share of test items that go to LLMs of each size, without a budget: means over the kinds of groups. "
        f"{setting(findings)}",
        (BENCHMARK, SIZE, ROUTER, *(Column(name, name[0].upper() + name[1:], digits=2) for name in used)),
        tuple((of.benchmark, of.m, of.router, *(round(of.of[name], 6) for name in used)) for of in shares),
    )


def points(findings: Findings) -> Grid:
    """Points of all lines in the figures of cost."""
    costs = findings.costs
    figures = {"mean": plane_panels(costs), "cap": cap_panels(costs), "rate": rate_panels(costs)}
    rows: list[tuple[Cell, ...]] = []
    for figure, panels in figures.items():
        rows += [row for panel in panels for row in _points(figure, panel)]
    return Grid(
        "", tuple(Column(key, key) for key in ("figure", "benchmark", "cell", "name", "x", "y")), tuple(rows)
    )


def _points(figure: str, panel: Panel) -> list[tuple[Cell, ...]]:
    of = (figure, panel.name, panel.note)
    rows: list[tuple[Cell, ...]] = [
        (*of, line.name, float(f"{x:.6g}"), round(y, 6))
        for line in panel.lines
        for x, y in zip(line.x, line.y, strict=True)
    ]
    return rows + [(*of, name, float(f"{x:.6g}"), round(y, 6)) for x, y, name in panel.dots]


def named(costs: CostFindings) -> str:
    """Unit and kind of costs."""
    return costs.unit if costs.unit.lower() == costs.kind else f"{costs.unit} ({costs.kind})"


def setting(findings: Findings) -> str:
    """Groups and split."""
    return f"Groups: {findings.method}; split: {findings.scheme}."


def _digits(costs: CostFindings, name: str) -> int:
    """Decimals that show three digits of a cost; three of all else."""
    if not COST_METRICS[name].is_cost:
        return 3
    most = max((of.spending.metrics[name].value or 0.0 for of in costs.spent), default=0.0)
    return min(max(1, 2 - ceil(log10(most)) + 1), 9) if most > 0 else 3
