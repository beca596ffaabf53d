"""How many models are copies of each other, and how many different ones there are.

python benchmarks/twins.py                    a simulated benchmark of 5,000 models and 14,042 items: times
    python benchmarks/twins.py SCORES.parquet ... scores: BUILD/tables/scores/benchmark=B/part-0.parquet
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure
from benchmarks.groups import simulated_scores
from routerset.release.pools import Pool, pool_of
from routerset.schemas.matrix import ScoreMatrix, read_scores
from routerset.schemas.twins import one_of_each, twin_of

SEED = 42
COLUMNS = tuple(Pool.__dataclass_fields__)


def name_of(path: Path) -> str:
    """The benchmark of a file of scores."""
    return path.parent.name.removeprefix("benchmark=") if "=" in path.parent.name else path.stem


def of_file(path: Path) -> ScoreMatrix:
    """Scores of a file, of as many items as it tells."""
    statistics = [
        pq.read_metadata(path).row_group(group).column(1).statistics.max
        for group in range(pq.read_metadata(path).num_row_groups)
    ]
    return read_scores(path, max(statistics) + 1)


def simulated() -> ScoreMatrix:
    """5,000 models and 14,042 items; every tenth model is the copy of another one, every fifth has gaps."""
    scores = simulated_scores(5000, 14042, True, SEED)
    rng = np.random.default_rng(SEED)
    scores[rng.permutation(5000)[:500]] = scores[rng.permutation(5000)[:500]]
    for row in scores[::5]:
        row[rng.integers(0, 14042, 200)] = 255
    return ScoreMatrix(tuple(f"org/{row:04}" for row in range(5000)), scores)


def main(arguments: Sequence[str]) -> int:
    """Print a table of pools, and the seconds that it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="SCORES.parquet")
    files = parser.parse_args(arguments).files
    rows, times = [], []
    for name, matrix in ((name_of(f), of_file(f)) for f in files) if files else [("simulated", simulated())]:
        moments = [time.perf_counter()]
        twins = twin_of([matrix])
        moments.append(time.perf_counter())
        distinct = one_of_each(matrix)
        moments.append(time.perf_counter())
        pool = pool_of(name, matrix, SEED)
        moments.append(time.perf_counter())
        values = (getattr(pool, column) for column in COLUMNS)
        rows.append(["-" if v is None else v if isinstance(v, str) else f"{v:,.0f}" for v in values])
        seconds = (f"{b - a:.2f}" for a, b in itertools.pairwise(moments))
        times.append([name, f"{len(twins):,}", f"{len(distinct):,}", *seconds])
    print(measure.table(COLUMNS, rows))
    print()
    print(measure.table(("benchmark", "twins", "different", "twin_of s", "one_of_each s", "pool s"), times))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
