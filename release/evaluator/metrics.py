"""Metrics of one cell, per item and as means under item weights (RouterEval, section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .task import Floats, Scores, Task

METRICS = ("mu_o", "v_r", "v_b", "e_p", "marginal_entropy", "v_b_train", "oracle_gap")
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


def one_hot(chosen: npt.NDArray[np.intp], m: int) -> Scores:
    """(n, m) policy that always takes `chosen`."""
    policy = np.zeros((len(chosen), m), np.float32)
    policy[np.arange(len(chosen)), chosen] = 1
    return policy


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

    def statistics(self, weights: Floats) -> npt.NDArray[np.float64]:
        """Every metric under item weights: (B, n), rows sum to n -> (B, R, len(METRICS)).

        The best single candidate is that of the test set as it is, also under other weights: picked anew, its
        mean would be too high in every resample, the more so the larger m.
        An undefined ratio (zero denominator, no reference) is NaN; the caller turns it into None.
        """
        n, routers = self.value.shape
        best_on_test = int(self.Y_test.mean(axis=0, dtype=np.float64).argmax())
        yardsticks = [
            self.Y_test[:, best_on_test],
            self.Y_test[:, self.best_on_train],
            self.Y_test.max(axis=1),
        ]
        # one product of all columns, for the weights are far larger than these
        columns = np.column_stack([*yardsticks, self.value, self.entropy])
        sums = weights.astype(np.float64) @ columns / n
        best, on_train, oracle, mu, entropies = np.split(sums, [1, 2, 3, 3 + routers], axis=1)
        marginal = [_marginal_entropy(weights, policy) for policy in self.policies]
        return np.stack(
            [
                mu,
                _ratio(mu, np.full_like(best, self.reference_score or np.nan)),
                _ratio(mu, best),
                entropies,
                np.stack(marginal, axis=1),
                _ratio(mu, on_train),
                _ratio(mu - best, oracle - best),
            ],
            axis=2,
        )

    def selection_variance(self) -> float:
        """Variance of the mean score difference of two routers that choose independently at random."""
        per_item = self.Y_test.var(axis=1, dtype=np.float64)
        return float(2 * per_item.mean() / len(per_item))


def _marginal_entropy(weights: Floats, policy: Scores) -> npt.NDArray[np.float64]:
    """Entropy of the mean policy under each row of weights, in their precision: policies can be 1000 wide."""
    if (policy == policy[0]).all():
        return np.repeat(entropy(policy[:1]), len(weights))
    used = policy[:, policy.any(axis=0)].astype(weights.dtype)
    return entropy(weights @ used / len(policy))


def _ratio(top: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bottom = np.broadcast_to(bottom, top.shape)
    # A difference of two means that ought to be equal may come out as 1e-17.
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=np.abs(bottom) > 1e-9))
