"""Noise floors and upper bounds of all groups at full shape: every size and kind, two null models.

    python benchmarks/limits.py                      12 benchmarks, 2 processes
    python benchmarks/limits.py --benchmarks gsm8k arc --processes 1

The scores come from a seeded item-response model, as in `groups.py`.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow.compute as pc

from benchmarks.groups import simulated_scores
from benchmarks.measure import command, machine, peak_mib, table, versions
from routerset.etl.groups.candidates import SIZES
from routerset.etl.groups.limits import Scored, limits
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.splits import paper_split

METHODS = ("greedy", "paper")
"""Those of a build that names none."""


def measure(name: str) -> tuple[str, ...]:
    """One benchmark: what it costs, and in how many cells the bound is reached."""
    benchmark = BENCHMARKS[name]
    scores = simulated_scores(benchmark.models, benchmark.n_items, benchmark.binary)
    subsets = list(benchmark.subsets.values())
    sides = {side: items.copy() for side, items in paper_split(subsets)[0].items()}
    for items in sides.values():
        items.sort()
    wall, cpu = time.perf_counter(), time.process_time()
    found = limits(Scored(scores, subsets, sides, SIZES, 42), METHODS)["greedy"]
    spent = time.process_time() - cpu
    bounded = found.filter(pc.is_valid(found["train_at_most"]))
    optimal = pc.sum(pc.equal(bounded["train_covered"], bounded["train_at_most"])).as_py() or 0
    shape = f"{benchmark.models} x {benchmark.n_items}"
    seconds = f"{time.perf_counter() - wall:.1f}", f"{spent:.1f}"
    return name, shape, *seconds, f"{peak_mib():,.0f}", f"{len(found)}", f"{optimal} of {len(bounded)}"


def main() -> int:
    """Measure some benchmarks in some processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--benchmarks", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    print(command(), versions("numpy", "scipy"), f"{machine()}; {args.processes} processes\n", sep="\n")
    largest = sorted(args.benchmarks, key=lambda b: -BENCHMARKS[b].models * BENCHMARKS[b].n_items)
    start = time.perf_counter()
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        rows = list(pool.map(measure, largest))
    wall = time.perf_counter() - start
    total = ("all", "", f"{wall:.1f}", f"{sum(float(row[3]) for row in rows):.1f}", "", "", "")
    head = ("benchmark", "models x items", "wall s", "CPU s", "peak MiB", "cells", "greedy proven optimal")
    print(table(head, [*rows, total]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
