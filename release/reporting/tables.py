"""The tables of a report, from its findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from routerset.release.evaluator.averages import average, difference
from routerset.release.evaluator.intervals import FEW_ITEMS, holm
from routerset.release.evaluator.metrics import METRICS, TABLE_ORDER
from routerset.release.evaluator.results import Estimate
from routerset.release.evaluator.routers import row_for
from routerset.release.evaluator.scaling import PROBABILITIES, SUBSETS, table_sizes
from routerset.release.evaluator.tables import FEW
from routerset.release.reporting import noise
from routerset.release.reporting.evaluation import Findings
from routerset.release.reporting.grid import Cell, Column, Grid, kinds_shown, label, number, over_kinds
from routerset.release.reporting.paper_tables import KindRow, by_kind
from routerset.schemas.families import COSINE, RULES

BENCHMARK = Column("benchmark", "Benchmark", choose=True)
SIZE = Column("m", "m", choose=True)
ROUTER = Column("router", "Router", choose=True)
_METRICS = [METRICS[name] for name in TABLE_ORDER]


def summary(findings: Findings) -> Grid:
    """The main table: mu_o of every router on every benchmark, and the mean over benchmarks."""
    names = list(dict.fromkeys(row.benchmark for row in findings.means))
    cells = {(row.m, row.router, row.benchmark): row.metrics["mu_o"] for row in findings.means}
    rows: list[tuple[Cell, ...]] = []
    for m in findings.sizes:
        for router in findings.routers:
            of_router = [cells.get((m, router, name)) for name in names]
            known = [e for e in of_router if e is not None]
            mean = average(known) if len(known) == len(names) else None
            rows.append((m, router, *of_router, mean))
        rows += noise.summary_rows(findings, m, names)
    return Grid(
        f"mu_o, the mean test score of the chosen LLMs: {over_kinds(findings.method)}, with "
        f"95% intervals. {_setting(findings)}{noise.in_words(findings)}",
        (
            Column("m", "m"),
            Column("router", "Router"),
            *(Column(n, label(n), digits=2) for n in names),
            Column("mean", "Mean", digits=2),
        ),
        tuple(rows),
    )


def results(findings: Findings) -> Grid:
    """Every metric of every router, as means over the kinds."""
    columns = [Column(of.name, of.title, bar=of.name == "mu_o", digits=of.digits) for of in _METRICS]
    return Grid(
        f"{over_kinds(findings.method).capitalize()}, with 95% intervals. {_setting(findings)}",
        (BENCHMARK, SIZE, ROUTER, *columns),
        tuple((r.benchmark, r.m, r.router, *(r.metrics[of.name] for of in _METRICS)) for r in findings.means),
    )


def leading(findings: Findings) -> frozenset[tuple[str, int, str]]:
    """(benchmark, m, router) of the existing routers that no other one surpasses in mu_o."""
    best: dict[tuple[str, int], float] = {}
    rivals = [row for row in findings.means if row_for(row.router).compared]
    values = {(r.benchmark, r.m, r.router): r.metrics["mu_o"].value or 0.0 for r in rivals}
    for (name, m, _), value in values.items():
        best[name, m] = max(value, best.get((name, m), 0.0))
    return frozenset(cell for cell, value in values.items() if value == best[cell[:2]])


def behind(findings: Findings) -> frozenset[tuple[str, int, str]]:
    """Those of `leading` whose mu_o is below that of the LLM that is best on train."""
    values = {(row.benchmark, row.m, row.router): row.metrics["mu_o"].value for row in findings.means}
    return frozenset(
        cell
        for cell in leading(findings)
        if (mine := values[cell]) is not None
        and (single := values.get((*cell[:2], "best_single"))) is not None
        and mine < single
    )


def entropy(findings: Findings) -> Grid:
    """Table 3: how varied the choices are, by kind of group."""
    entropies = ("e_p", "marginal_entropy")
    columns = [
        Column(f"{name}_{kind}", f"{METRICS[name].title} {words}", digits=2)
        for name in entropies
        for kind, words in _kinds(findings).items()
    ]
    return _of_kinds(
        findings,
        entropies,
        columns,
        "Entropy of the selection probabilities (E_p) and of the choices made (H), in bits, by kind of "
        "group; 95% intervals of E_p alone: none of H is known to hold.",
    )


def leaks(findings: Findings) -> Grid:
    """What repeated questions are worth: mu_o under the splits `paper` and `family`, most repeated first."""
    family = {(r.benchmark, r.m, r.router): r.metrics["mu_o"] for r in findings.family_means}
    shares = {name: leaked / max(n, 1) for name, (leaked, n) in findings.repeated.items()}
    rows: list[tuple[Cell, ...]] = []
    for row in sorted(findings.means, key=lambda row: -shares[row.benchmark]):
        cell, mu_o = (row.benchmark, row.m, row.router), row.metrics["mu_o"]
        if cell in family:
            rows.append((*cell, shares[row.benchmark], mu_o, family[cell], difference(mu_o, family[cell])))
    return Grid(
        "mu_o under the split paper and under family, which keeps all copies of a question on one side. "
        "Repeated: share of the test items of paper whose question is also in train. The two splits test on "
        "different items, so the 95% interval of the difference combines two independent ones.",
        (
            BENCHMARK,
            SIZE,
            ROUTER,
            Column("leaked", "Repeated"),
            Column("paper", "mu_o paper"),
            Column("family", "mu_o family"),
            Column("difference", "Difference"),
        ),
        tuple(rows),
    )


def families(findings: Findings) -> Grid:
    """What joined items to families, benchmark by benchmark, and what nearly agrees without being joined."""
    rows: list[tuple[Cell, ...]] = []
    for name in findings.benchmarks:
        entry = findings.manifest.benchmarks[name]
        joined = [(rule, entry.families[rule]) for rule in RULES if rule in entry.families]
        rows += [(name, rule, n["families"], n["items"]) for rule, n in joined]
        near = sorted(entry.neighbours.items())
        rows += [(name, f"cosine by {encoder}, not joined", n["groups"], n["items"]) for encoder, n in near]
    return Grid(
        "Families of two or more items that each rule makes, and the items in them: text, the same words; "
        "context, a long run of words that few items share; near, nearly all they say. Cosine: groups of "
        f"items whose vectors agree to {COSINE} across families; they are told, and stay apart.",
        (BENCHMARK, Column("rule", "Joined by"), Column("families", "Families"), Column("items", "Items")),
        tuple(rows),
    )


def held_out(findings: Findings) -> Grid:
    """What routers lose on a category that they learn nothing of, and the mean over categories."""
    return Grid(
        "100 x (what a router scores on the test items of a category, having learnt nothing of it or its "
        "relatives - what it scores having learnt it): means over the kinds of groups, with 95% intervals, "
        f"paired by item. Average: over categories, unweighted. {_setting(findings)}",
        (
            BENCHMARK, SIZE, ROUTER, Column("category", "Category"), Column("n_test", "Items"),
            Column("mu_o_with", "With"), Column("mu_o_without", "Without"),
            Column("delta", "Change", digits=1),
        ),
        tuple(
            (of.benchmark, of.m, of.router, of.label, of.n_test,
             *(of.metrics[name] for name in ("mu_o_with", "mu_o_without", "delta")))
            for of in findings.held_out
        ),
    )  # fmt: skip


def kinds(findings: Findings) -> Grid:
    """The values of Figure 3, for every m."""
    columns = [Column(kind, words) for kind, words in _kinds(findings).items()]
    caption = "mu_o by kind of group, with 95% intervals."
    shown = _of_kinds(findings, ["mu_o"], columns, caption)
    floors = noise.by_kind(findings)
    if not floors:
        return shown
    caption = f"{shown.caption} Noise alone: mean, lowest and highest of the worlds drawn."
    return replace(
        shown,
        caption=caption,
        rows=shown.rows + tuple(_row_of_kinds([row], _kinds(findings)) for row in floors),
    )


def _of_kinds(findings: Findings, metrics: Sequence[str], columns: Sequence[Column], caption: str) -> Grid:
    """Some metrics of every router, each in all kinds of groups."""
    of = zip(*(by_kind(findings.rows, metric) for metric in metrics), strict=True)
    rows = tuple(_row_of_kinds(one, _kinds(findings)) for one in of)
    return Grid(f"{caption} {_setting(findings)}", (BENCHMARK, SIZE, ROUTER, *columns), rows)


def _kinds(findings: Findings) -> dict[str, str]:
    return kinds_shown({row.kind for row in findings.rows})


def _row_of_kinds(metrics: Sequence[KindRow], kinds: Collection[str]) -> tuple[Cell, ...]:
    """Some metrics of one router, each in all kinds of groups."""
    of = metrics[0]
    return (of.benchmark, of.m, of.router, *(row.kinds.get(kind) for row in metrics for kind in kinds))


def kinds_of_figure(findings: Findings) -> list[KindRow]:
    """What Figure 3 shows: the strong routers, the existing ones and the best single LLM, at m = 5.

    At the largest size where there is no 5; nothing where nothing was evaluated, or where there is one kind.
    """
    if not findings.sizes or len(_kinds(findings)) == 1:
        return []
    m = 5 if 5 in findings.sizes else findings.sizes[-1]
    return [r for r in by_kind(findings.rows, "mu_o") if r.m == m and row_for(r.router).in_figure]


def scaling(findings: Findings) -> Grid:
    """The values of Figure 2: mean over random subsets, with the range that holds 95% of them."""
    rows: list[tuple[Cell, ...]] = []
    for curve in findings.curves:
        sizes = table_sizes(curve.pool)
        bands = [curve.mean_and_band(p, np.array(sizes)) for p in PROBABILITIES]
        rows += [
            (curve.benchmark, m, *(Estimate.of(*(values[i] for values in band)) for band in bands))
            for i, m in enumerate(sizes)
        ]
    return Grid(
        f"Mean score of r_o(p) over all subsets of m LLMs, and the range of 95% of {SUBSETS} random ones.",
        (BENCHMARK, SIZE, *(Column(f"p{p:g}", f"p = {p:g}") for p in PROBABILITIES)),
        tuple(rows),
    )


def power(findings: Findings) -> Grid:
    """What is in each benchmark, and the smallest difference that its test items can show."""
    mdd = {(row.benchmark, row.m): row.mdd for row in findings.means}
    rows: list[tuple[Cell, ...]] = []
    for name in findings.benchmarks:
        entry = findings.manifest.benchmarks[name]
        reference = number(entry.reference_score, 3)
        rows.append(
            (
                name,
                entry.n_items,
                *(entry.splits[findings.scheme][side] for side in ("train", "test")),
                entry.n_models_complete,
                entry.mean_score,
                f"{entry.reference_model or 'none'} {reference}",
                entry.metric,
                *(mdd.get((name, m)) for m in findings.sizes),
            )
        )
    return Grid(
        "MDD, minimum detectable difference: the smallest true difference in mu_o between two routers that "
        "choose independently that these test items show with 80% power, at the 5% level.",
        (
            Column("benchmark", "Benchmark"),
            Column("items", "Items"),
            Column("train", "Train"),
            Column("test", "Test"),
            Column("models", "LLMs"),
            Column("mean_score", "Mean score"),
            Column("reference", "Reference LLM"),
            Column("metric", "Metric"),
            *(Column(f"mdd_m{m}", f"MDD, m = {m}") for m in findings.sizes),
        ),
        tuple(rows),
    )


def pools(findings: Findings) -> Grid:
    """How many LLMs each benchmark has to choose from, and how many different ones."""
    columns = {
        "models": "LLMs",
        "complete": "Complete",
        "able": "Mean in (.1, .9]",
        "twin_sets": "Sets of twins",
        "twin_models": "LLMs in them",
        "twin_models_by_chance": "by chance",
        "near_twins": "Near twins, pairs",
        "near_twins_by_chance": "by chance",
        "effective": "Effective number",
        "effective_by_chance": "by chance",
    }
    return Grid(
        "LLMs with a score on every item and a mean score in (.1, .9]. Twins have the same scores on all "
        "items, near twins on 98% of them; the effective number is the participation ratio of the "
        "correlations between residuals. By chance: the scores of each item dealt anew among LLMs of like "
        "ability.",
        (BENCHMARK, *(Column(key, title, digits=0) for key, title in columns.items())),
        tuple((pool.benchmark, *(getattr(pool, key) for key in columns)) for pool in findings.pools),
    )


def verdicts(findings: Findings) -> tuple[int, int, int]:
    """Cells (benchmark, m, existing router) clearly better, clearly worse than the LLM that is best on train,
    and undecided: by whether V_B train differs from 1 at the 5% level, as one of all these cells (Holm).
    """
    rows = [r for r in findings.means if row_for(r.router).compared and r.p_best_train is not None]
    clear = [
        (row.metrics["v_b_train"].value or 0.0) - 1
        for row, p in zip(rows, holm([row.p_best_train for row in rows]), strict=True)
        if p is not None and p < 0.05
    ]
    better = sum(value > 0 for value in clear)
    return better, len(clear) - better, len(rows) - len(clear)


def overall(findings: Findings, m: int) -> dict[str, Estimate]:
    """mu_o of each router at one m, averaged over the benchmarks; only routers that have run on all."""
    of_m = [row for row in findings.means if row.m == m]
    n = len({row.benchmark for row in of_m})
    by_router: dict[str, list[Estimate]] = {}
    for row in of_m:
        by_router.setdefault(row.router, []).append(row.metrics["mu_o"])
    return {router: average(values) for router, values in by_router.items() if len(values) == n}


def _setting(findings: Findings) -> str:
    few = any(row.few_items for row in findings.means)
    mark = f" {FEW}: fewer than {FEW_ITEMS} test items." if few else ""
    return f"Groups: {findings.method}; split: {findings.scheme}.{mark}"
