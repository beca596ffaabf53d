"""How far a Dask cluster is kept busy, by simulation: workers that sleep as long as work would take.

    python benchmarks/clusters.py [--workers 4,8,100] [--pieces 1000] [--seconds 3]

The scheduler, Beam's runner and the graphs are the real ones. All workers are threads of one process, which
therefore does on one core what so many machines and the scheduler do on theirs: the shares are lower bounds.
`map` is what encodes texts, builds groups and searches noise floors; `group` is what reads dumps, whose
pieces are grouped by benchmark, each of which then takes half a second.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure

BENCHMARKS = 12
ASSEMBLING = 0.5
"""Seconds for each benchmark."""


def read(seconds: float) -> Iterator[tuple[int, float]]:
    """Sleep, then yield a shard for one of the benchmarks."""
    time.sleep(seconds)
    yield int(seconds * 1e6) % BENCHMARKS, seconds


def assemble(benchmark: int, shards: Iterable[float]) -> tuple[int, float]:
    """Sleep as long as a benchmark takes."""
    time.sleep(ASSEMBLING)
    return benchmark, sum(shards)


def simulate(workers: int, durations: np.ndarray) -> list[list[str]]:
    """Rows of the table: kind, workers, seconds without any loss, seconds taken, share of the first."""
    from distributed import LocalCluster

    from routerset.etl.config import Runner, RunnerName
    from routerset.etl.pipeline import group_map, parallel_map

    work, rows = durations.tolist(), []
    rounds = -(-BENCHMARKS // workers)
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        memory_limit=0,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        runner = Runner(RunnerName.DASK, workers, cluster.scheduler_address)
        kinds: dict[str, tuple[float, Callable[[], None]]] = {
            "map": (0.0, lambda: parallel_map(work, time.sleep, runner)),
            "group": (ASSEMBLING * rounds, lambda: group_map(work, read, assemble, runner)),
        }
        for name, (more, run) in kinds.items():
            started = time.perf_counter()
            run()
            taken = time.perf_counter() - started
            least = max(durations.sum() / workers, durations.max()) + more
            rows.append([name, str(workers), f"{least:.1f}", f"{taken:.1f}", f"{least / taken:.0%}"])
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", default="4,8,100", help="numbers of workers (default 4,8,100)")
    parser.add_argument("--pieces", type=int, default=1000, help="batches of dumps, or shards (default 1000)")
    parser.add_argument("--seconds", type=float, default=3.0, help="what one takes, on average (default 3)")
    args = parser.parse_args()
    counts = [int(n) for n in args.workers.split(",")]
    # a round of the largest cluster is enough for the small ones
    durations = np.random.default_rng(0).lognormal(0, 0.5, args.pieces)
    durations *= args.seconds / durations.mean()
    print(measure.command(), measure.versions("apache-beam", "distributed"), measure.machine(), sep="\n")
    rows = [row for count in counts for row in simulate(count, durations[: 10 * count])]
    print(measure.table(["kind", "workers", "least s", "taken s", "kept busy"], rows))


if __name__ == "__main__":
    main()
