"""How often the evaluator's 95% intervals hold the truth, in a world where the truth is known.

    python benchmarks/coverage.py [--quick] [--replications 4000]

The world is Rasch's: candidate j is right on an item of difficulty b with probability 1 / (1 + exp(b -
a_j)). Each replication draws candidates of three kinds, trains four routers and draws n test items; the
truth of each fixed router is an integral over b (Gauss-Hermite). Routers: the oracle, the one best on
train, every candidate equally often, and one that looks up who did best on training items that seem as
difficult. Intervals are those of the evaluator's own rows; those "not printed" are what a row would have,
were its metric one of "items". Coverage is an average over routers (or pairs of them) and kinds of groups,
with means over kinds apart; beside it the router where it is lowest and highest. An oracle that errs on
fewer than 5 expected test items stands apart ("edge"): the number of its errors takes a few values there,
and so does coverage.
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
from pathlib import Path

import numpy as np
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "release"))

from evaluator.bootstrap import resample_counts
from evaluator.cells import RESAMPLED, Output, differences, mean_over_kinds, rows, score_cell
from evaluator.intervals import FEWEST_FOR_SCORES
from evaluator.metrics import METRICS, entropy, one_hot, preferred, softmax
from evaluator.results import Estimate
from evaluator.routers import RouterRow
from evaluator.task import KINDS, Task

from benchmarks.measure import command, machine, table, versions

CELLS = (
    *((10, 3), (25, 3), (30, 3), (55, 3), (55, 10)),
    *((132, 3), (132, 10), (132, 100), (132, 1000), (1430, 3), (1430, 10), (1430, 100)),
)
"""(test items, candidates)"""
RANGES = dict(zip(KINDS, ((0.5, 1.5), (-2.0, -1.0), (-2.0, 1.5)), strict=True))
"""Abilities of candidates."""
SPREAD, NOISE, BINS, TRAIN = 1.5, 0.8, 40, 400
"""Of difficulties, of what the looking-up router sees of them, its bins, and the training items."""
RESAMPLES = 400
REFERENCE = 0.8
SHARES = (0.93, 0.97)
NAMES = ("oracle", "best_single", "random", "lookup")
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
EDGE = ", edge"
HIDDEN = {metric.title for metric in METRICS.values() if metric.interval is None}
RESAMPLED |= {name: i for i, name in enumerate(METRICS) if METRICS[name].interval is None}
Key = tuple[str, str, str]
Held = dict[Key, list[bool]]


@dataclass(frozen=True, eq=False)
class World:
    """One kind of group: its cell as the evaluator takes it, and the truth of each metric of each router."""

    task: Task
    outputs: tuple[Output, ...]
    Y_test: np.ndarray
    truth: np.ndarray


def right(ability: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """Probabilities, (items, candidates)."""
    return 1 / (1 + np.exp(difficulty[:, None] - ability))


def worlds(n: int, m: int, rng: np.random.Generator) -> Iterator[World]:
    """The three kinds, on the same items."""
    shift = rng.normal(0, 0.5)
    test, train = rng.normal(0, SPREAD, n), rng.normal(0, SPREAD, TRAIN)
    nodes = SPREAD * NODES
    cuts = np.quantile(train + rng.normal(0, NOISE, TRAIN), np.linspace(0, 1, BINS + 1)[1:-1])
    bin_of = partial(np.searchsorted, cuts)
    seen, seen_train = bin_of(test + rng.normal(0, NOISE, n)), bin_of(train + rng.normal(0, NOISE, TRAIN))
    # how likely an item of each difficulty falls in each bin
    below = ndtr((cuts - nodes[:, None]) / NOISE)
    falls = np.diff(np.column_stack([np.zeros(len(nodes)), below, np.ones(len(nodes))]), axis=1)
    for kind, (low, high) in RANGES.items():
        ability = rng.uniform(low, high, m) + shift
        Y = (rng.random((n, m)) < right(ability, test)).astype(np.float32)
        Y_train = (rng.random((TRAIN, m)) < right(ability, train)).astype(np.float32)
        task = bare_task(kind, Y_train, n)
        best = int(preferred(task)[0])
        members = np.eye(BINS)[:, seen_train]
        means = members @ Y_train / np.maximum(members.sum(axis=1, keepdims=True), 1)
        means += 1e-6 * rng.random(means.shape)
        chosen, certain = means.argmax(axis=1), entropy(softmax(4 * means))
        uniform = np.full((n, m), 1 / m, np.float32)
        top = Y.argmax(axis=1)
        policies = (one_hot(top, m), one_hot(np.full(n, best), m), uniform, one_hot(chosen[seen], m))
        entropies = (np.zeros(n), np.zeros(n), entropy(uniform), certain[seen])
        P = right(ability, nodes)
        share = WEIGHTS @ falls
        picks = np.bincount(chosen, weights=share, minlength=m)
        mu = np.array([WEIGHTS @ (1 - np.prod(1 - P, axis=1)), WEIGHTS @ P[:, best], WEIGHTS @ P.mean(axis=1),
                       WEIGHTS @ (falls * P[:, chosen]).sum(axis=1)])  # fmt: skip
        single = (WEIGHTS @ P).max()
        truths = {
            "mu_o": mu,
            "v_r": mu / REFERENCE,
            "v_b_train": mu / mu[1],
            "v_b": mu / single,
            "e_p": np.array([0, 0, np.log2(m), share @ certain]),
            "marginal_entropy": np.array([np.nan, 0, np.log2(m), entropy(picks)]),
            "oracle_gap": (mu - single) / (mu[0] - single),
        }
        outputs = tuple(map(Output, policies, entropies))
        yield World(task, outputs, Y, np.stack([truths[name] for name in METRICS], axis=1))


def bare_task(kind: str, Y_train: np.ndarray, n: int) -> Task:
    """What scoring a cell reads of a task."""
    nothing = np.zeros((0, 0), np.float32)
    labels = nothing.astype(np.uint8)
    m = Y_train.shape[1]
    arrays = (nothing, nothing, nothing, Y_train, nothing, labels, labels)
    return Task("rasch", m, kind, "paper", "paper", None, ("",) * m, *arrays, ("",) * n, lambda split: [])


def cover(cell: tuple[int, int], replications: int, seed: int = 0) -> Held:
    """(interval, "kind" or "mean", router or pair) -> whether each interval held the truth."""
    n, m = cell
    rng = np.random.default_rng([seed, n, m])
    counts = resample_counts(n, RESAMPLES, seed).astype(np.float64)
    routers = [RouterRow(name, object, name) for name in NAMES]
    held: Held = defaultdict(list)

    def note(key: Key, estimate: Estimate, truth: float) -> None:
        if estimate.lo is not None and estimate.hi is not None and np.isfinite(truth):
            held[key].append(estimate.lo - 1e-6 <= truth <= estimate.hi + 1e-6)

    for _ in range(replications if n >= FEWEST_FOR_SCORES else 20):
        every = list(worlds(n, m, rng))
        cells = [score_cell(w.task, w.outputs, w.Y_test, counts, REFERENCE, {}) for w in every]
        scored = [(cell, w.truth, "kind") for cell, w in zip(cells, every, strict=True)]
        scored.append((mean_over_kinds(cells), np.mean([w.truth for w in every], axis=0), "mean"))
        for cell, truth, level in scored:
            of = {
                name: dict(zip(METRICS, values, strict=True))
                for name, values in zip(NAMES, truth, strict=True)
            }
            for row in rows(cell, routers):
                edge = EDGE if n * (1 - of[row.router]["mu_o"]) < 5 else ""
                for name, estimate in row.metrics.items():
                    words = METRICS[name].title + (edge if name in ("mu_o", "v_r") else "")
                    note((words, level, row.router), estimate, of[row.router][name])
            for d in differences(cell, routers):
                gap = of[d.router_a]["mu_o"] - of[d.router_b]["mu_o"]
                pair = f"{d.router_a} - {d.router_b}"
                note(("difference in mu_o", level, pair), d.metrics["mu_o"], gap)
    return held


def lines(found: dict[tuple[int, int], Held], replications: int) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and what lies outside of SHARES though it is printed."""
    shown, outside = [], []
    intervals = dict.fromkeys(key[:2] for held in found.values() for key in held)
    titles = [metric.title for metric in METRICS.values()]
    order = {words: i for i, words in enumerate(titles)}
    for words, level in sorted(intervals, key=lambda k: (k[0] in HIDDEN, order.get(k[0], 99), k)):
        for (n, m), held in found.items():
            of = {key[2]: values for key, values in held.items() if key[:2] == (words, level)}
            if not of:
                shown.append([words, level, str(n), str(m), "none", "", "", ""])
                continue
            share = float(np.mean(np.concatenate([*of.values()])))
            each = {router: float(np.mean(v)) for router, v in of.items() if len(v) >= replications / 4}
            ends = [min(each, key=each.__getitem__), max(each, key=each.__getitem__)] if each else []
            parts = [f"{each[router]:.3f} {router}" for router in ends] or ["", ""]
            printed = "no" if words in HIDDEN else "yes"
            shown.append([words, level, str(n), str(m), f"{share:.3f}", *parts, printed])
            if printed == "yes" and EDGE not in words and not SHARES[0] <= share <= SHARES[1]:
                outside.append(f"{words}, {level}, n = {n}, m = {m}: {share:.3f}")
    return shown, outside


def main() -> int:
    """Print the table; 1 if an interval that is printed does not hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=4000)
    parser.add_argument("--quick", action="store_true", help="400 replications")
    arguments = parser.parse_args()
    replications = 400 if arguments.quick else arguments.replications
    print(command(), versions("numpy", "scipy"), machine(), sep="\n")
    start = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(CELLS, pool.map(partial(cover, replications=replications), CELLS), strict=True))
    shown, outside = lines(found, replications)
    error = 196 * (0.95 * 0.05 / replications) ** 0.5
    seconds = time.perf_counter() - start
    print(
        f"{replications} replications, {seconds:.0f} s; Monte Carlo error of one router: +-{error:.1f} points"
    )
    print(table(("interval", "of", "items", "m", "coverage", "lowest", "highest", "printed"), shown))
    print("\n".join(outside) or f"Every interval that is printed covers {SHARES[0]:.0%} to {SHARES[1]:.0%}.")
    return int(bool(outside))


if __name__ == "__main__":
    sys.exit(main())
