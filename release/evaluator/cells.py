"""From what routers chose in a cell to rows with intervals, and differences between routers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from .bootstrap import DETECTABLE, percentile_interval
from .limits import Limits, mean_limits
from .metrics import METRICS, Array, CellScores, preferred
from .results import SEEN, UNSEEN, Difference, Estimate, Row
from .routers import RouterRow
from .task import Cell, Scores, Task

MU_O = list(METRICS).index("mu_o")


@dataclass(frozen=True, eq=False)
class Output:
    """What one router did in one cell.

    policy: (n_test, m), how often each candidate is chosen. entropy: (n_test,) of its selection
    probabilities, NaN where it gives none.
    """

    policy: Scores
    entropy: Array


@dataclass(frozen=True, eq=False)
class Scored:
    """Metrics of R routers in the cell of a task, or averaged over kinds (kind "mean").

    values: (R, metrics). replicates: (resamples, R, metrics). selection_variance: see `CellScores`.
    n_kinds: of how many kinds it is the mean. best_on_own_train: see `Row`.
    """

    task: Task
    reference_score: float | None
    values: Array
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
        cell.statistics(counts),
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
        np.mean([c.replicates for c in cells], axis=0),
        float(np.sum([c.selection_variance for c in cells])) / len(cells) ** 2,
        float(np.mean([c.best_single for c in cells])),
        float(np.mean([c.oracle for c in cells])),
        mean_limits([c.limits for c in cells]),
        len(cells),
        float(np.mean(own)) if own else None,
    )


def rows(scored: Scored, routers: Sequence[RouterRow]) -> Iterator[Row]:
    """One Row per router."""
    task = scored.task
    low, high = percentile_interval(scored.replicates)
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
            _estimates(scored.values[i], low[i], high[i]),
            round(DETECTABLE * scored.selection_variance**0.5, 6),
            round(scored.best_single, 6),
            round(scored.oracle, 6),
            scored.reference_score,
            router.sees_test_scores,
            scored.track,
            None if scored.best_on_own_train is None else round(scored.best_on_own_train, 6),
            **limits,
        )


def differences(scored: Scored, routers: Sequence[RouterRow]) -> Iterator[Difference]:
    """Every pair of routers, in order, on the same resamples."""
    for (a, first), (b, second) in combinations(enumerate(routers), 2):
        replicates = scored.replicates[:, a] - scored.replicates[:, b]
        values = scored.values[a] - scored.values[b]
        yield Difference(
            *scored.task.cell,
            first.name,
            second.name,
            scored.n_kinds,
            _estimates(values, *percentile_interval(replicates)),
            round(DETECTABLE * float(replicates[:, MU_O].std()), 6) if len(replicates) else 0.0,
            scored.track,
        )


def _estimates(values: Array, low: Array, high: Array) -> dict[str, Estimate]:
    return {name: Estimate.of(*v) for name, *v in zip(METRICS, values, low, high, strict=True)}
