"""From what routers chose in a cell to rows with intervals, and differences between routers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from .bootstrap import standard_errors
from .intervals import DETECTABLE, FEW_ITEMS, interval_note, t_limits, t_test, wilson
from .limits import Limits, mean_limits
from .metrics import METRICS, Array, CellScores, preferred
from .results import Difference, Estimate, Row
from .routers import RouterRow
from .task import SEEN, UNSEEN, Cell, Floats, Scores, Task

MU_O = list(METRICS).index("mu_o")
SCORES = {name: i for i, name in enumerate(METRICS) if METRICS[name].interval in ("score", "score/reference")}
RESAMPLED = {name: i for i, name in enumerate(METRICS) if METRICS[name].interval == "items"}
"""Place of metrics whose intervals come from the scores of items, and from resamples."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a router's choices under a budget follow.

    scores: (n_test, m), of each candidate; None for a router that draws one. known: (n_test, m) costs, before
    the call. made_of: what the scores are: `scores` that it estimates, its `probabilities`, or a `draw`.
    """

    scores: Floats | None
    known: Floats
    made_of: str


@dataclass(frozen=True, eq=False)
class Output:
    """What one router did in one cell.

    policy: (n_test, m), how often each candidate is chosen. entropy: (n_test,) of its selection
    probabilities, NaN where it gives none. estimates: see `Estimates`; None where the cell has no costs.
    """

    policy: Scores
    entropy: Array
    estimates: Estimates | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """Metrics of R routers in the cell of a task, or averaged over kinds (kind "mean").

    values: (R, metrics). items: (n_test, R), the scores that mu_o is the mean of. replicates: (resamples, R,
    metrics of `RESAMPLED`). selection_variance: see `CellScores`. n_kinds: of how many kinds it is the mean.
    best_on_own_train: see `Row`.
    """

    task: Task
    reference_score: float | None
    values: Array
    items: Array
    replicates: Array
    selection_variance: float
    best_single: float
    oracle: float
    limits: Limits
    n_kinds: int = 1
    best_on_own_train: float | None = None

    @property
    def track(self) -> str:
        """Where routers learnt."""
        return SEEN if self.best_on_own_train is None else UNSEEN

    def unit(self, name: str) -> float:
        """What a metric of `SCORES` counts mu_o in."""
        return 1.0 if METRICS[name].interval == "score" else self.reference_score or np.nan

    def intervals(self) -> tuple[Array, Array]:
        """Of every value, NaN where it has no interval: (R, metrics) each."""
        low, high = (np.full_like(self.values, np.nan) for _ in range(2))
        if not len(self.replicates):
            return low, high
        n, places = self.task.n_test, list(RESAMPLED.values())
        errors = standard_errors(self.replicates, n)
        low[:, places], high[:, places] = t_limits(self.values[:, places], errors, n)
        of_mean = wilson(self.items.mean(axis=0), self.items.var(axis=0), n)
        for name, place in SCORES.items():
            low[:, place], high[:, place] = (limit / self.unit(name) for limit in of_mean)
        return low, high

    def difference(self, a: int, b: int) -> tuple[Array, Array]:
        """Values of one router minus another's, and standard errors of those of scores: (metrics,) each."""
        n = self.task.n_test
        errors = np.full(len(METRICS), np.nan)
        if len(self.replicates):
            of_mean = (self.items[:, a] - self.items[:, b]).std() / max(n - 1, 1) ** 0.5
            for name, place in SCORES.items():
                errors[place] = of_mean / self.unit(name)
        return self.values[a] - self.values[b], errors


def score_cell(
    task: Task,
    outputs: Sequence[Output],
    Y_test: Scores,
    counts: Scores,
    reference_score: float | None,
    limits: Mapping[Cell, Limits],
) -> Scored:
    """Metrics of the outputs, as they are and under each resample of the test items."""
    oracle = float(Y_test.max(axis=1).mean(dtype=np.float64))
    best_single = float(Y_test.mean(axis=0, dtype=np.float64).max())
    cell = CellScores(
        value=np.stack([(o.policy * Y_test).sum(axis=1, dtype=np.float64) for o in outputs], axis=1),
        entropy=np.stack([o.entropy for o in outputs], axis=1),
        policies=tuple(o.policy for o in outputs),
        Y_test=Y_test,
        best_on_train=int(preferred(task)[0]),
        reference_score=reference_score,
    )
    return Scored(
        task,
        reference_score,
        cell.statistics(np.ones((1, task.n_test)))[0],
        cell.value,
        cell.statistics(counts, RESAMPLED),
        cell.selection_variance(),
        best_single,
        oracle,
        limits.get(task.cell, Limits()).beside(oracle, best_single),
    )


def mean_over_kinds(cells: Sequence[Scored]) -> Scored:
    """The unweighted mean of the paper's tables; the kinds share their resamples."""
    own = [c.best_on_own_train for c in cells if c.best_on_own_train is not None]
    return Scored(
        replace(cells[0].task, kind="mean"),
        cells[0].reference_score,
        np.mean([c.values for c in cells], axis=0),
        np.mean([c.items for c in cells], axis=0),
        np.mean([c.replicates for c in cells], axis=0),
        float(np.sum([c.selection_variance for c in cells])) / len(cells) ** 2,
        float(np.mean([c.best_single for c in cells])),
        float(np.mean([c.oracle for c in cells])),
        mean_limits([c.limits for c in cells]),
        len(cells),
        float(np.mean(own)) if own else None,
    )


def rows(scored: Scored, routers: Sequence[RouterRow], v_r_note: str | None = None) -> Iterator[Row]:
    """One Row per router. v_r_note: why there is no V_R."""
    task = scored.task
    low, high = scored.intervals()
    place = list(METRICS).index("v_b_train")
    errors = standard_errors(scored.replicates[:, :, list(RESAMPLED).index("v_b_train")], task.n_test)
    p = t_test(scored.values[:, place] - 1, errors, task.n_test)
    limits: dict[str, Any] = {
        k: round(v, 6) if isinstance(v, float) else v for k, v in vars(scored.limits).items()
    }
    for i, router in enumerate(routers):
        yield Row(
            *task.cell,
            router.name,
            task.encoder if router.uses_vectors else None,
            task.compat,
            task.n_test,
            scored.n_kinds,
            _estimates(scored.values[i], low[i], high[i], task.n_test),
            round(DETECTABLE * scored.selection_variance**0.5, 6),
            round(scored.best_single, 6),
            round(scored.oracle, 6),
            scored.reference_score,
            router.sees_test_scores,
            track=scored.track,
            best_on_own_train=None
            if scored.best_on_own_train is None
            else round(scored.best_on_own_train, 6),
            p_best_train=_defined(p[i]),
            few_items=task.n_test < FEW_ITEMS,
            interval_note=interval_note(task.n_test),
            v_r_note=v_r_note,
            **limits,
        )


def differences(scored: Scored, routers: Sequence[RouterRow]) -> Iterator[Difference]:
    """Every pair of routers, in order, on the same items."""
    n = scored.task.n_test
    for (a, first), (b, second) in combinations(enumerate(routers), 2):
        values, errors = scored.difference(a, b)
        yield Difference(
            *scored.task.cell,
            first.name,
            second.name,
            scored.n_kinds,
            _estimates(values, *t_limits(values, errors, n), n),
            round(DETECTABLE * float(np.nan_to_num(errors[MU_O])), 6),
            p=_defined(t_test(values, errors, n)[MU_O]),
            few_items=n < FEW_ITEMS,
            interval_note=interval_note(n),
            track=scored.track,
        )


def _estimates(values: Array, low: Array, high: Array, n: int) -> dict[str, Estimate]:
    few = n < FEW_ITEMS
    columns = zip(METRICS, values, low, high, strict=True)
    return {name: Estimate.of(value, lo, hi, few) for name, value, lo, hi in columns}


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
