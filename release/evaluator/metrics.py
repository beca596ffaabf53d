"""Metrics of one cell as means under item weights (RouterEval, section 5.1), and their registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .intervals import Interval
from .task import Floats, Scores, Task

Array = npt.NDArray[np.float64]
SUM_TOLERANCE = 1e-3


def check_probabilities(probabilities: Floats, task: Task, router: str) -> npt.NDArray[np.float64]:
    """`probabilities` as float64, if they are (n_test, m), finite, not negative and each row sums to 1.

    Raises DataError naming the router, the cell and the first bad item. The reference lets NaN pass and
    silently drops it from E_p.
    """
    where = f"router {router!r} on {task.benchmark}, m={task.m}, {task.kind}"
    values = np.asarray(probabilities, np.float64)
    if values.shape != (task.n_test, task.m):
        raise DataError(f"{where}: probabilities of shape {values.shape}, expected {(task.n_test, task.m)}")
    sums = values.sum(axis=1)
    good = np.isfinite(values).all(axis=1) & (values >= 0).all(axis=1) & (np.abs(sums - 1) <= SUM_TOLERANCE)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"{where}: item {task.test_items[row]}: probabilities {np.round(values[row][:5], 4).tolist()} "
            f"sum to {sums[row]:.4g}; expected finite numbers >= 0 with sum 1"
        )
    return values


def entropy(probabilities: Floats, floor: float = 0.0) -> npt.NDArray[np.float64]:
    """Entropy of each row, bits, over the last axis; terms with p <= `floor` count as 0."""
    p = np.asarray(probabilities)
    logs = np.log2(p, out=np.zeros_like(p), where=p > floor)
    return np.asarray(-(p * logs).sum(axis=-1) + 0.0)


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """exp(x) / sum(exp(x)) over the last axis in float64, shifted by the maximum."""
    shifted = np.asarray(logits, np.float64)
    exponential = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=-1, keepdims=True))


def choose(probabilities: Floats, task: Task) -> npt.NDArray[np.intp]:
    """Index of the chosen candidate per row.

    A tie goes to the tied candidate with the best mean training score, then to one drawn by the seed;
    with compat to the first, as in the reference, whose first is its weakest (ROUTEREVAL.md, point 4).
    """
    p = np.asarray(probabilities, np.float64)
    if task.compat:
        return np.asarray(p.argmax(axis=1))
    preference = np.argsort(preferred(task))
    tied = p >= p.max(axis=1, keepdims=True) * (1 - 1e-9)
    return np.asarray(np.where(tied, preference, task.m).argmin(axis=1))


def preferred(task: Task) -> npt.NDArray[np.intp]:
    """Candidates from best to worst mean training score; equal means in an order drawn by the seed."""
    means = task.Y_train.mean(axis=0, dtype=np.float64)
    if task.compat:
        return np.argsort(-means, kind="stable")
    drawn = np.random.default_rng(task.stream).permutation(task.m)
    return np.lexsort((drawn, -means))


def best_on_train(task: Task) -> float:
    """Mean test score of the candidate that training scores prefer; for a task that shows its test scores."""
    assert task.Y_test is not None
    return float(task.Y_test[:, preferred(task)[0]].mean(dtype=np.float64))


def one_hot(chosen: npt.NDArray[np.intp], m: int) -> Scores:
    """(n, m) policy that always takes `chosen`."""
    return np.eye(m, dtype=np.float32)[chosen]


@dataclass(frozen=True, eq=False)
class CellScores:
    """Per-item values of R routers in one cell of n test items.

    value, entropy: (n, R) expected score of the choice, and entropy of the selection probabilities (NaN
    where a router gives none). policies: R arrays (n, m). Y_test: (n, m). best_on_train: a column of it.
    """

    value: npt.NDArray[np.float64]
    entropy: npt.NDArray[np.float64]
    policies: tuple[Scores, ...]
    Y_test: Scores
    best_on_train: int
    reference_score: float | None

    def statistics(self, weights: Floats, names: Iterable[str] | None = None) -> Array:
        """Some metrics, by default all, under item weights: (B, n), rows sum to n -> (B, R, metrics).

        An undefined ratio (zero denominator, no reference) is NaN; the caller turns it into None.
        """
        n, routers = self.value.shape
        best_on_test = int(self.Y_test.mean(axis=0, dtype=np.float64).argmax())
        yardsticks = [self.Y_test[:, best_on_test], self.Y_test[:, self.best_on_train]]
        # one product of all columns, for the weights are far larger than these
        columns = np.column_stack([*yardsticks, self.Y_test.max(axis=1), self.value, self.entropy])
        sums = np.asarray(weights, np.float64) @ columns / n
        weighted = Weighted(self, weights, *np.split(sums, [1, 2, 3, 3 + routers], axis=1))
        return np.stack([METRICS[name].of(weighted) for name in names or METRICS], axis=2)

    def selection_variance(self) -> float:
        """Variance of the mean score difference of two routers that choose independently at random."""
        per_item = self.Y_test.var(axis=1, dtype=np.float64)
        return float(2 * per_item.mean() / len(per_item))


@dataclass(frozen=True, eq=False)
class Weighted:
    """A cell under item weights (B, n): what a metric is computed from.

    best, best_on_train: (B, 1) mean score of the single candidate that is best on test and on train. The best
    on test is that of the test set as it is, also under other weights: picked anew, its mean would be too
    high in every resample, the more so the larger m. oracle: (B, 1) mean score of the best candidate of each
    item. value, entropy: (B, R) means of those of `CellScores`.
    """

    cell: CellScores
    weights: Floats
    best: Array
    best_on_train: Array
    oracle: Array
    value: Array
    entropy: Array


def over_reference(cell: Weighted) -> Array:
    """V_R = mu_o / score of the reference LLM."""
    return _ratio(cell.value, np.float64(cell.cell.reference_score or np.nan))


def over_best(cell: Weighted) -> Array:
    """V_B = mu_o / score of the best single candidate on test."""
    return _ratio(cell.value, cell.best)


def over_best_on_train(cell: Weighted) -> Array:
    """mu_o / score of the single candidate that is best on train."""
    return _ratio(cell.value, cell.best_on_train)


def oracle_gap(cell: Weighted) -> Array:
    """(mu_o - best) / (oracle - best): how much of the room above the best single candidate is used."""
    return _ratio(cell.value - cell.best, cell.oracle - cell.best)


def marginal_entropy(cell: Weighted) -> Array:
    """H: entropy of the mean policy, in the precision of the weights, as policies can be 1000 wide."""
    return np.stack([_entropy_of_mean(cell.weights, policy) for policy in cell.cell.policies], axis=1)


def _entropy_of_mean(weights: Floats, policy: Scores) -> Array:
    if (policy == policy[0]).all():
        return np.repeat(entropy(policy[:1]), len(weights))
    used = policy[:, policy.any(axis=0)].astype(weights.dtype)
    return entropy(weights @ used / len(policy))


def _ratio(top: Array, bottom: Array | np.float64) -> Array:
    bottom = np.broadcast_to(bottom, top.shape)
    # A difference of two means that ought to be equal may come out as 1e-17.
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=np.abs(bottom) > 1e-9))


@dataclass(frozen=True)
class Metric:
    """name: in JSON and CSV. title: for people. says: what it is, in a few words. of: computes it, (B, R).

    higher_is_better: None where neither is. head, width: of its column in the table of the command line.
    digits: decimals shown there and in reports. in_paper: Tables 1 and 2 have it. interval: how its 95%
    interval is made; None where none is known to hold (benchmarks/coverage.py), which every metric starts as.
    """

    name: str
    title: str
    says: str
    of: Callable[[Weighted], Array]
    higher_is_better: bool | None = None
    head: str = ""
    width: int = 7
    digits: int = 3
    in_paper: bool = False
    interval: Interval | None = None


_value, _entropy = attrgetter("value"), attrgetter("entropy")
_ROWS = (
    Metric("mu_o", "mu_o", "mean score of the chosen LLMs", _value, True, "", 6, in_paper=True,
           interval="score"),
    Metric("v_r", "V_R", "mu_o over the reference LLM", over_reference, True, in_paper=True,
           interval="score/reference"),
    Metric("v_b_train", "V_B train", "mu_o over the one picked on train", over_best_on_train, True, "V_B tr",
           interval="items"),
    Metric("v_b", "V_B hindsight", "mu_o over the best single candidate on test, known in hindsight alone",
           over_best, True, "V_B(h)", in_paper=True),
    Metric("e_p", "E_p", "entropy of the selection probabilities, bits", _entropy, in_paper=True,
           interval="items"),
    Metric("marginal_entropy", "H", "entropy of the choices made, bits", marginal_entropy),
    Metric("oracle_gap", "oracle gap hindsight", "0 = best single on test, 1 = oracle", oracle_gap, True,
           "gap(h)", 8),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ROWS}
"""Registry, in the order of JSON rows: one function and one row here adds one."""

TABLE_ORDER = tuple(sorted(METRICS, key=lambda name: METRICS[name].higher_is_better is None))
"""Names in the order of tables: first those that can be good or bad."""
