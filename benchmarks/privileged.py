"""How much of the headroom of random groups the router `privileged` finds.

    python benchmarks/privileged.py RELEASE [--benchmarks gsm8k,arc,mmlu] [--groups 40] [--m 10]

Groups are drawn at random from the paper's pools: strong and weak (a fifth of the models each), and all that
score above 0.1 and not above 0.9. All items are cut into ten folds. What predicts a fold learns from the nine
others, and so does the single candidate that it is compared with: share = (privileged - best on the nine) /
(oracle - best on the nine), sums over the groups. Beside it stands the same with the best single of
hindsight, which may be what was measured elsewhere. The standard error is that of the ratio over groups,
which share models and all items: too small for a world of other items.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import command, machine, versions
from routerset.etl.groups.candidates import pool_of
from routerset.release.evaluator import load_release
from routerset.release.evaluator.everyone import read_matrix
from routerset.release.evaluator.routers.privileged import Ridge
from routerset.schemas.coverage import row_means
from routerset.schemas.tables import Kind

POOLS = {"strong": Kind.ALL_STRONG, "weak": Kind.ALL_WEAK, "all": Kind.STRONG_TO_WEAK}
ELSEWHERE = {"gsm8k": (0.49, 0.31, 0.32), "arc": (0.37, 0.27, 0.28), "mmlu": (0.04, 0.59, 0.35)}
"""Shares by an independent measurement, strong, weak and all."""
FOLDS = 10


@dataclass(frozen=True)
class Found:
    """Mean scores of each of some groups, (groups,)."""

    privileged: np.ndarray
    best_on_train: np.ndarray
    best: np.ndarray
    oracle: np.ndarray

    def share(self, beside: np.ndarray) -> tuple[float, float]:
        """Part of the oracle's lead on a yardstick that `privileged` has, and its standard error."""
        gain, room = self.privileged - beside, self.oracle - beside
        share = gain.sum() / room.sum()
        return share, float(np.std(gain - share * room) * len(gain) ** 0.5 / room.sum())


def measure(scores: np.ndarray, groups: Mapping[str, np.ndarray], seed: int) -> dict[str, Found]:
    """scores: (models, items). groups: name -> (groups, m) rows."""
    n = scores.shape[1]
    folds = np.array_split(np.random.default_rng(seed).permutation(n), FOLDS)
    sums = {name: np.zeros((3, len(members))) for name, members in groups.items()}
    for fold in folds:
        train, test = np.delete(scores, fold, axis=1).T.copy(), scores[:, fold].T.copy()
        ridge = Ridge.of(train)
        for name, members in groups.items():
            for k, group in enumerate(members):
                Y, Y_test = train[:, group], test[:, group]
                without = ridge.twins_of(Y)
                without[group] = True
                chosen = ridge.predict(test, Y, without).argmax(axis=1)
                sums[name][0, k] += Y_test[np.arange(len(fold)), chosen].sum()
                sums[name][1, k] += Y_test[:, Y.mean(axis=0).argmax()].sum()
                sums[name][2, k] += Y_test.max(axis=1).sum()
    return {
        name: Found(found[0] / n, found[1] / n, scores[groups[name]].mean(axis=2).max(axis=1), found[2] / n)
        for name, found in sums.items()
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path)
    parser.add_argument("--benchmarks", default="gsm8k,arc,mmlu")
    parser.add_argument("--groups", type=int, default=40, help="random groups of each pool (default: 40)")
    parser.add_argument("--m", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(command(), machine(), versions("numpy"), sep="\n")
    release = load_release(options.release)
    print(f"\n{'':<24}{'best on':>8}{'privi-':>9}{'':>8}{'':>22}{'beside the':>13}{'measured':>10}")
    print(f"{'benchmark':<16}{'pool':<8}{'train':>8}{'leged':>9}{'oracle':>8}", end="")
    print(f"{'share of headroom':>22}{'best single':>13}{'elsewhere':>10}")
    for name in options.benchmarks.split(","):
        scores = read_matrix(release, name).scores
        scores = scores[~np.isnan(scores).any(axis=1)]
        rng = np.random.default_rng(options.seed)
        pools = {pool: pool_of(row_means(scores), options.m, kind)[0] for pool, kind in POOLS.items()}
        groups = {
            pool: np.stack([rng.choice(rows, options.m, replace=False) for _ in range(options.groups)])
            for pool, rows in pools.items()
        }
        started = time.perf_counter()
        for k, (pool, found) in enumerate(measure(scores, groups, options.seed).items()):
            share, error = found.share(found.best_on_train)
            print(f"{name if k == 0 else '':<16}{pool:<8}{found.best_on_train.mean():>8.3f}", end="")
            print(f"{found.privileged.mean():>9.3f}{found.oracle.mean():>8.3f}", end="")
            print(f"{f'{share:.2f} +- {error:.2f}':>22}{found.share(found.best)[0]:>13.2f}", end="")
            print(f"{ELSEWHERE[name][k] if name in ELSEWHERE else '-':>10}", flush=True)
        spent = time.perf_counter() - started
        print(f"{'':<16}{scores.shape[0]} models x {scores.shape[1]} items, {spent:.1f} s")


if __name__ == "__main__":
    main()
