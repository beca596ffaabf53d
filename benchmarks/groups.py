"""Candidate groups: both methods against a direct NumPy version of the reference, in the same run.

    python benchmarks/groups.py                      5000 models x 14042 items, 0/1 scores
    python benchmarks/groups.py --continuous --items 817
    python benchmarks/groups.py --all                all 12 benchmarks at full size

The scores come from a seeded item-response model: ability, difficulty and eight skills.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import command, machine, versions
from routerset.etl.groups.candidates import SIZES, Group, greedy_groups, oracle_mean, paper_groups
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.splits import Split, paper_split

T = TypeVar("T")


def simulated_scores(models: int, items: int, binary: bool, seed: int = 0) -> np.ndarray:
    """Scores of an item-response model: (models, items) uint8 of 0 and 1, or float32 probabilities."""
    rng = np.random.default_rng(seed)
    ability, difficulty = rng.normal(0, 1.2, (models, 1)), rng.normal(0, 1.5, items)
    skills, needs = rng.normal(0, 0.35, (models, 8)), rng.normal(0, 1, (8, items))
    scores = np.empty((models, items), np.uint8 if binary else np.float32)
    for block in (slice(k, k + 250) for k in range(0, models, 250)):
        chance = 1 / (1 + np.exp(difficulty - ability[block] - skills[block] @ needs))
        scores[block] = rng.random(chance.shape) < chance if binary else chance
    return scores


def direct_paper_groups(
    scores: np.ndarray, sizes: Sequence[int], rng: np.random.RandomState
) -> dict[tuple[int, str], np.ndarray]:
    """The reference algorithm written down in NumPy as ROUTEREVAL.md tells it: float64, window by window.

    Returns the row indices of every group that the pools can fill.
    """
    scores = scores.astype(np.float64)
    means = scores.mean(axis=1)
    order = np.argsort(means, kind="stable")
    n = len(order)
    first = next((k for k in range(n) if means[order[k]] > 0.1), n)
    last = next((k for k in range(n) if means[order[k]] > 0.9), n)
    groups: dict[tuple[int, str], np.ndarray] = {}

    def keep_best(key: tuple[int, str], group: np.ndarray, best: float) -> float:
        oracle = float(scores[group].max(axis=0).mean())
        if oracle > best:
            groups[key] = group
        return max(best, oracle)

    for m in sizes:
        span = max(n // 5, m)
        strong, weak = order[max(last - span, 0) : last], order[first : first + span]
        for kind, pool in (("all_strong", strong), ("all_weak", weak)):
            best = -1.0
            for k in range(len(pool) - m + 1):
                best = keep_best((m, kind), pool[k : k + m], best)
        if last - first >= m:
            bins, best = np.array_split(order[first:last], m), -1.0
            for _ in range(1000):
                drawn = np.array([rng.choice(members) for members in bins])
                best = keep_best((m, "strong_to_weak"), drawn, best)
    return groups


def timed(work: Callable[[], T], repeats: int = 1) -> tuple[float, T]:
    """Seconds of the fastest of some runs, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def peak_mib(work: Callable[[], object]) -> float:
    """Most memory that some work allocates on top of what is there."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


@dataclass(frozen=True)
class Run:
    """Both methods and the peer on one benchmark: seconds, groups, and what was found in each cell.

    kept: greedy is at least as good as paper on train, which it need not be where the two draw on other pools
    (paper's are by means over all items); same: paper is what the peer found, as it must.
    """

    paper: list[Group]
    greedy: list[Group]
    paper_s: float
    greedy_s: float
    direct_s: float
    kept: list[bool]
    same: list[bool]


def measure(
    scores: np.ndarray, train: np.ndarray, rng: np.random.RandomState, repeats: int, peer: bool
) -> Run:
    """Run both methods, the fastest of some repeats counts, and the peer once."""
    state = rng.get_state()

    def fresh() -> np.random.RandomState:
        rng.set_state(state)
        return rng

    paper_s, (paper, _) = timed(lambda: paper_groups(scores, SIZES, fresh()), repeats)
    greedy_s, (greedy, _) = timed(lambda: greedy_groups(scores, SIZES, train), repeats)
    direct_s, direct = timed(lambda: direct_paper_groups(scores, SIZES, fresh())) if peer else (0.0, {})
    found = {(g.m, str(g.kind)): g.rows for g in paper}
    kept = [
        oracle_mean(scores, g.rows, train) >= oracle_mean(scores, p.rows, train)
        for p, g in zip(paper, greedy, strict=True)
    ]
    same = [key in found and np.array_equal(rows, found[key]) for key, rows in direct.items()]
    return Run(paper, greedy, paper_s, greedy_s, direct_s, kept, same)


def compare(models: int, items: int, binary: bool, peer: bool) -> bool:
    """Print times, memory and oracle means of one benchmark; whether paper is what the peer found."""
    scores = simulated_scores(models, items, binary)
    sides, rng = paper_split([items])
    run = measure(scores, sides[Split.TRAIN], rng, 3, peer)
    print(f"{models} models x {items} items, {scores.dtype}, {scores.nbytes / 2**20:.0f} MiB of scores")
    print(f"{'all sizes and kinds':32}{'seconds':>10}" + (f"{'vs direct':>11}" if peer else ""))
    for name, seconds in (("paper", run.paper_s), ("greedy", run.greedy_s), ("direct NumPy", run.direct_s)):
        if seconds:
            print(f"{name:32}{seconds:10.2f}" + (f"{run.direct_s / seconds:10.1f}x" if peer else ""))
    for name, work in (
        ("paper", lambda: paper_groups(scores, SIZES, rng)),
        ("greedy", lambda: greedy_groups(scores, SIZES, sides[Split.TRAIN])),
    ):
        print(f"{name}: at most {peak_mib(work):.0f} MiB beyond the scores")
    print(f"\n{'':22}{'oracle on train':>22}{'oracle on test':>22}")
    print(f"{'m':>4}  {'kind':16}" + f"{'paper':>11}{'greedy':>11}" * 2)
    for pair in zip(run.paper, run.greedy, strict=True):
        means = [oracle_mean(scores, g.rows, sides[side]) for side in (Split.TRAIN, Split.TEST) for g in pair]
        print(f"{pair[0].m:4}  {pair[0].kind.value:16}" + "".join(f"{mean:11.5f}" for mean in means))
    print(f"\ngreedy at least as good as paper on train: {sum(run.kept)} of {len(run.kept)} cells")
    if peer:
        print(f"paper identical to direct NumPy: {sum(run.same)} of {len(run.same)} cells")
    return all(run.same)


def full_size(peer: bool) -> bool:
    """Print the times of all benchmarks at full size; whether paper is what the peer found everywhere."""
    print("all sizes and kinds, seconds; cells: greedy at least as good as paper on train")
    print(f"{'benchmark':12}{'models':>7}{'items':>7}{'paper':>8}{'greedy':>8}{'cells':>10}", end="")
    print(f"{'direct':>9}{'identical':>11}" if peer else "")
    totals, good = np.zeros(3), True
    for name, benchmark in BENCHMARKS.items():
        scores = simulated_scores(benchmark.models, benchmark.n_items, benchmark.binary)
        sides, rng = paper_split(list(benchmark.subsets.values()))
        run = measure(scores, sides[Split.TRAIN], rng, 1, peer)
        print(f"{name:12}{len(scores):7}{scores.shape[1]:7}{run.paper_s:8.2f}{run.greedy_s:8.2f}", end="")
        print(f"{sum(run.kept):4} of {len(run.kept):2}", end="")
        print(f"{run.direct_s:9.2f}{sum(run.same):5} of {len(run.same):2}" if peer else "")
        totals += run.paper_s, run.greedy_s, run.direct_s
        good = good and all(run.same)
    print(f"{'all':26}{totals[0]:8.2f}{totals[1]:8.2f}" + (f"{totals[2]:19.2f}" if peer else ""))
    if peer:
        print(f"{'times faster than direct':26}{totals[2] / totals[0]:8.1f}{totals[2] / totals[1]:8.1f}")
    return good


def main() -> int:
    """Run the comparison that the command line asks for; 1 if a group is not what it must be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--items", type=int, default=14042)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--binary", action="store_true", help="0/1 scores (default)")
    kind.add_argument("--continuous", action="store_true", help="scores between 0 and 1")
    parser.add_argument("--no-peer", action="store_true", help="leave out the direct version (minutes)")
    parser.add_argument("--all", action="store_true", help="every benchmark at full size")
    args = parser.parse_args()
    print(command(), versions("numpy"), f"{machine()}; one thread\n", sep="\n")
    peer = not args.no_peer
    good = full_size(peer) if args.all else compare(args.models, args.items, not args.continuous, peer)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
