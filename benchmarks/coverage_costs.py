"""How often 95% intervals of score over cost hold the truth, in worlds where the truth is known.

    python benchmarks/coverage_costs.py [--quick] [--replications 250]

A world is 40,000 items, of four kinds and of many difficulties, that m candidates answer: the dearer the
better, or all alike but on some kinds; each replication draws n, and the truth is the metric on all. Costs
are a size, the same for each item, or tokens: lognormal, longer for some items, known before a call as a
mean. Routers: the oracle, one that reads the difficulty with an error, one that knows means alone, one that
counts in tenths what ten neighbours got (ties), and one that guesses. Scores are 0/1 or graded. Coverage is
an average over routers and worlds; beside it the lowest and the highest of one router in one world. Intervals
are those of the evaluator's rows, where a row has one: QNC, what is gained or saved beside the best single
candidate, and the Pareto front have none. That of `peak` is of the score under the cap that was picked. A
router that errs on fewer than 5 expected test items stands apart ("edge").
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "release"))

from evaluator.bootstrap import resample_counts
from evaluator.costed import limits_of
from evaluator.spending import COST_METRICS, FEWEST_WRONG, Cell, choices, spent

from benchmarks.coverage import EDGE
from benchmarks.measure import command, machine, table, versions

COSTS, SCORES, POOLS = ("size", "tokens"), ("binary", "graded"), ("dearer", "alike")
ITEMS, TRAIN, RESAMPLES = 40_000, 400, 200
TESTED = (50, 130, 200, 1000)
LEAST = 0.925
"""Coverage of an interval that holds, with Monte Carlo error."""
Key = tuple[str, int, str]
Held = dict[Key, list[bool]]


@dataclass(frozen=True)
class Sort:
    """m: candidates. costs, scores, pool: which of `COSTS`, `SCORES` and `POOLS`."""

    m: int
    costs: str
    scores: str
    pool: str


EVERY = tuple(Sort(*of) for of in product((2, 5, 10), COSTS, SCORES, POOLS))
EVERY += tuple(Sort(100, *of) for of in product(COSTS, ("binary",), POOLS))


def world(sort: Sort, rng: np.random.Generator) -> tuple[Cell, dict[str, np.ndarray]]:
    """All items of a world, and what each router estimates."""
    n, m = ITEMS + TRAIN, sort.m
    better = np.zeros((m, 1))
    if sort.pool == "dearer":
        better = np.linspace(-1.0, 1.2, m)[:, None] + rng.normal(0, 0.3, (m, 1))
    better = better + rng.normal(0, 0.7, (m, 4))
    kind, hard = rng.integers(0, 4, n), rng.normal(0, 1.5, n)
    seen = hard + rng.normal(0, 0.8, n)
    right = 1 / (1 + np.exp(hard[:, None] - better[:, kind].T))
    scores = 1.0 * (rng.random((n, m)) < right)
    if sort.scores == "graded":
        scores = rng.beta(3 * right, 3 * (1 - right))
    price = 1e-4 * np.exp(np.linspace(0, 3, m) + rng.normal(0, 0.4, m))
    paid = np.broadcast_to(price, (n, m))
    if sort.costs == "tokens":
        paid = price * np.exp(rng.normal(0, 1.0, (n, m)) + rng.normal(0, 0.7, (n, 1)))
    test, train = slice(0, ITEMS), slice(ITEMS, n)
    means = scores[train].mean(axis=0)
    places = kind * 10 + np.digitize(seen, np.linspace(-2.4, 2.4, 9))
    votes = np.tile(means, (40, 1))
    for place in np.unique(places[train]):
        votes[place] = scores[train][places[train] == place][:10].mean(axis=0)
    estimates = {
        "oracle": scores,
        "reads": 1 / (1 + np.exp(seen[:, None] - better[:, kind].T)),
        "means": np.tile(means, (n, 1)),
        "tenths": np.round(votes, 1)[places],
        "guesses": rng.random((n, m)),
    }
    known = np.broadcast_to(paid[train].mean(axis=0), (ITEMS, m))
    order = np.argsort(-means, kind="stable")
    cell = Cell(scores[test], known, paid[test], order, sort.costs == "tokens", compat=True)
    return cell, {name: q[test] for name, q in estimates.items()}


def covered(cell: Cell, q: np.ndarray, n: int, replications: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Whether intervals of n items hold the truth, by metric."""
    truth = spent(cell, choices(cell, q))
    edge = EDGE if n * (1 - (truth["acc_bmax"].value or 0.0)) < FEWEST_WRONG else ""
    rng = np.random.default_rng([seed, n])
    counts = resample_counts(n, RESAMPLES, seed)
    for _ in range(replications):
        at = rng.choice(ITEMS, n, replace=False)
        part = Cell(cell.scores[at], cell.known[at], cell.paid[at], cell.preference, cell.in_usd, True)
        found = spent(part, choices(part, q[at]), counts=counts)
        wrong = n * (1 - (found["acc_bmax"].value or 0.0))
        for name, value in found.items():
            metric = COST_METRICS[name]
            low, high = limits_of(value, metric.interval, n)
            true = truth[name].value
            if true is not None and low < high and not metric.no_interval(n, wrong):
                yield name + edge, low <= true <= high


def cover(sort: Sort, replications: int, tested: tuple[int, ...] = TESTED, seed: int = 0) -> Held:
    """(metric, test items, router) -> whether each interval held the truth."""
    words = [seed, sort.m, COSTS.index(sort.costs), SCORES.index(sort.scores), POOLS.index(sort.pool)]
    cell, estimates = world(sort, np.random.default_rng(words))
    held: Held = defaultdict(list)
    for (router, q), n in product(estimates.items(), tested):
        for name, hit in covered(cell, q, n, replications, seed):
            held[name, n, router].append(hit)
    return held


def lines(found: dict[Sort, Held]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and what covers less than LEAST."""
    shown, outside = [], []
    names = [name for name, metric in COST_METRICS.items() if metric.interval]
    names = [name + edge for edge in ("", EDGE) for name in names]
    for name, m, n in product(names, sorted({sort.m for sort in found}), TESTED):
        each: dict[str, list[bool]] = defaultdict(list)
        for sort, held in found.items():
            if sort.m == m:
                for (metric, items, router), hits in held.items():
                    if (metric, items) == (name, n):
                        each[f"{router}, {sort.costs}, {sort.scores}, {sort.pool}"] += hits
        if not each:
            continue
        share = float(np.mean(np.concatenate([*each.values()])))
        shares = {words: float(np.mean(hits)) for words, hits in each.items()}
        ends = [min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)]
        parts = [f"{shares[words]:.3f} {words}" for words in ends]
        shown.append([name, str(n), str(m), f"{share:.3f}", *parts])
        if share < LEAST and EDGE not in name:
            outside.append(f"{name}, n = {n}, m = {m}: {share:.3f}")
    return shown, outside


def main() -> int:
    """Print the table; 1 if an interval that is printed does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=250)
    parser.add_argument("--quick", action="store_true", help="50 replications")
    arguments = parser.parse_args()
    replications = 50 if arguments.quick else arguments.replications
    print(command(), versions("numpy", "scipy"), machine(), sep="\n")
    start = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(EVERY, pool.map(partial(cover, replications=replications), EVERY), strict=True))
    shown, outside = lines(found)
    error = 196 * (0.95 * 0.05 / replications) ** 0.5
    print(
        f"{replications} replications of {len(EVERY)} worlds, {time.perf_counter() - start:.0f} s; Monte "
        f"Carlo error of one router: +-{error:.1f} points"
    )
    print(table(("interval", "items", "m", "coverage", "lowest", "highest"), shown))
    print("\n".join(outside) or f"Every interval that is printed covers {LEAST:.1%} or more.")
    return int(bool(outside))


if __name__ == "__main__":
    sys.exit(main())
