"""Time and memory of an audit of one large benchmark: MMLU's shape, a Rasch world, random vectors and costs.

    python benchmarks/audit.py                          5,000 models, 14,042 items, 57 categories
    python benchmarks/audit.py --models 500 --items 2000

Detectors alone, on arrays in memory: what a build or a release adds is reading its tables.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import command, cpu, versions
from routerset.release.auditing.audit import audit, to_text
from routerset.release.auditing.subject import Costs, Subject

CATEGORIES, DIMENSION, BLOCK = 57, 384, 200


def subject(models: int, items: int, rng: np.random.Generator) -> Subject:
    """A benchmark where nobody is good at anything by itself."""
    ability, difficulty = rng.normal(0, 1, (models, 1)), rng.normal(0, 1, (1, items))
    scores = np.empty((models, items), np.uint8)
    for start in range(0, models, BLOCK):
        chance = 1 / (1 + np.exp(difficulty - ability[start : start + BLOCK]))
        scores[start : start + BLOCK] = rng.random(chance.shape) < chance
    vectors = rng.normal(0, 1, (items, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    categories = np.sort(rng.integers(0, CATEGORIES, items))
    names = tuple(f"category {at}" for at in range(CATEGORIES))
    sizes = rng.choice(np.round(np.exp(rng.normal(2, 1, 300)), 2), models)
    return Subject(
        "large",
        tuple(f"lab/model-{at:05d}" for at in range(models)),
        scores,
        categories,
        names,
        texts=np.arange(items),
        train=rng.random(items) < 0.8,
        choices=np.full(items, 4),
        subsets=(categories, names),
        vectors=vectors,
        why_no_vectors="",
        costs=Costs("params_b", "billions of parameters", sizes, ""),
    )


def peak() -> float:
    """Most memory that this process had, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=int, default=5000, help="default: 5000")
    parser.add_argument("--items", type=int, default=14042, help="default: 14042")
    args = parser.parse_args()
    world = subject(args.models, args.items, np.random.default_rng(0))
    before, started, worked = peak(), time.perf_counter(), time.process_time()
    found = audit(world)
    wall, work = time.perf_counter() - started, time.process_time() - worked
    print(to_text("a Rasch world", [found]))
    print(f"{args.models:,} models, {args.items:,} items: {wall:.1f} s, {work:.1f} s of CPU")
    print(f"memory: {peak():.2f} GiB at most, {before:.2f} before")
    print(cpu(), versions("numpy", "scipy"), command(), sep="\n")


if __name__ == "__main__":
    main()
