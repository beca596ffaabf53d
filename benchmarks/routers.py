"""Time of every router over all cells of a release, each alone: what `evaluate --routers all` waits for.

    python benchmarks/routers.py RELEASE [NAME ...]

Seconds hold reading the release, intervals and all else that an evaluation does. Routers that cannot run here
are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import routerset
from benchmarks.measure import command, machine, table, versions
from routerset.release.evaluator import ROUTERS, evaluate


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="routers (default: all)")
    args = parser.parse_args()
    release = routerset.load_release(args.release)
    print(f"{command()}\n{versions('numpy', 'scikit-learn')}\n{machine()}\n")
    rows, total = [], [0.0, 0.0]
    for name in args.names or [name for name, row in ROUTERS.items() if row.lacks() is None]:
        before = time.perf_counter(), time.process_time()
        cells = len(evaluate(release, [name]).rows)
        seconds = time.perf_counter() - before[0], time.process_time() - before[1]
        rows.append([name, str(cells), *(f"{each:.1f}" for each in seconds)])
        total = [whole + each for whole, each in zip(total, seconds, strict=True)]
    rows.append(["together", "", *(f"{each:.1f}" for each in total)])
    print(table(("router", "cells", "wall s", "CPU s"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
