"""What the groups of the paper do to routers that learn, and what a world without specialisation gives.

    python benchmarks/soundness.py windows BUILD     the candidate that is best on train, against a random one
    python benchmarks/soundness.py rasch             the same, and the oracle, in Rasch worlds at full shape
    python benchmarks/soundness.py scaling BUILD     scaling curves: exact, and by random groups
    python benchmarks/soundness.py floors BUILD      noise floors and bounds of a build, as means over kinds
    python benchmarks/soundness.py texts BUILD       how alike vectors of prompts are, and of questions

docs/soundness.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.measure import command, machine, table, versions
from routerset.embed.encoders import ENCODERS
from routerset.embed.model import encode
from routerset.etl.groups.candidates import Group
from routerset.etl.groups.methods import METHODS
from routerset.release.evaluator.scaling import expected_best, random_subsets, score_profile
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.matrix import read_matrix
from routerset.schemas.splits import paper_split, subset_sizes
from routerset.schemas.tables import TABLES, Split

SPLITS = 400
SIZES = (5, 10, 100)


def benchmarks_of(build: Path) -> Iterator[tuple[str, np.ndarray, list[int]]]:
    """Name, complete scores (models, items) and subset sizes of every benchmark of a build."""
    for name in BENCHMARKS:
        items = build / TABLES["items"].path(benchmark=name)
        if items.exists():
            sizes = subset_sizes(pq.read_table(items, columns=["subset"])["subset"])
            scores = read_matrix(build / TABLES["scores"].path(benchmark=name), sum(sizes), 1.0).scores
            yield name, scores, sizes


def groups_of(method: str, scores: np.ndarray, subsets: Sequence[int], sizes: Sequence[int]) -> list[Group]:
    """Groups of a method, chosen under the split of the paper."""
    train = np.sort(paper_split(subsets)[0][Split.TRAIN])
    return METHODS[method].choose(scores, sizes, subsets, train, 42)[0]


def learned(scores: np.ndarray, rng: np.random.Generator, splits: int = SPLITS) -> np.ndarray:
    """Test means under random splits: best on train, a random pick, best on test, oracle: (splits, 4).

    scores: (m, items) of one group.
    """
    n = scores.shape[1]
    best = scores.max(axis=0).astype(np.float64)
    found = np.empty((splits, 4))
    for row in found:
        order = rng.permutation(n)
        train, test = order[: int(0.8 * n)], order[int(0.9 * n) :]
        means = scores[:, test].mean(axis=1, dtype=np.float64)
        pick = scores[:, train].sum(axis=1, dtype=np.float64).argmax()
        row[:] = means[pick], means.mean(), means.max(), best[test].mean()
    return found


def windows(build: Path) -> str:
    """Best on train minus a random pick, on test, in every group of every method."""
    rows = []
    for name, scores, subsets in benchmarks_of(build):
        for method in METHODS:
            for group in groups_of(method, scores, subsets, SIZES):
                test = learned(scores[group.rows], np.random.default_rng(0))
                gain = test[:, 0] - test[:, 1]
                error = gain.std() / np.sqrt(SPLITS)
                means = scores[group.rows].mean(axis=1, dtype=np.float64)
                cells = f"{np.ptp(means):.3f}", f"{gain.mean():+.3f}", f"{error:.3f}"
                rows.append((name, method, f"{group.m}", group.kind.value, *cells))
    head = ("benchmark", "method", "m", "kind", "widest apart", "best on train - random", "+-")
    return f"{SPLITS} random splits 8:1:1, means on test\n" + table(head, rows)


def rasch(models: int = 7000, items: int = 1319, worlds: int = 5) -> str:
    """Oracle, and best on train, over the best single candidate where models differ in ability alone."""
    found: dict[tuple[str, int, str], list[np.ndarray]] = {}
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 1.2, (models, 1)) - rng.normal(0, 1.5, items)
        scores = (rng.random((models, items)) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
        for method in METHODS:
            for group in groups_of(method, scores, [items], SIZES):
                test = learned(scores[group.rows], rng, 40).mean(axis=0)
                found.setdefault((method, group.m, group.kind.value), []).append(test)
    rows = []
    for (method, m, kind), tests in found.items():
        pick, chance, best, oracle = np.mean(tests, axis=0)
        cells = (oracle / best, pick / best, pick - chance)
        rows.append((method, f"{m}", kind, *(f"{cell:.3f}" for cell in cells)))
    head = ("method", "m", "kind", "oracle V_B", "best on train V_B", "best on train - random")
    return f"{worlds} Rasch worlds of {models} models x {items} items\n" + table(head, rows)


def scaling(build: Path) -> str:
    """Expected oracle of random groups: the closed form, and the mean of 25 random groups."""
    rows = []
    for name, scores, _ in benchmarks_of(build):
        profile = score_profile(scores)
        drawn = random_subsets(scores, 25, np.random.default_rng(0))[0].mean(axis=0)
        exact = np.array([expected_best(profile, m) for m in range(1, len(scores) + 1)])
        off = np.abs(drawn - exact)
        shown = [f"{exact[m - 1]:.4f}" if m <= len(exact) else "-" for m in (2, 10, 50)]
        rows.append((name, f"{len(scores)}", *shown, f"{off.max():.4f}", f"{off.argmax() + 1}"))
    return table(("benchmark", "models", "m = 2", "m = 10", "m = 50", "25 groups off by", "at m"), rows)


def floors(build: Path) -> str:
    """Oracle, what noise reaches (both null models), and the groups that are proven optimal on train."""
    rows = []
    for name, scores, subsets in benchmarks_of(build):
        test = np.sort(paper_split(subsets)[0][Split.TEST])
        for method in METHODS:
            path = build / TABLES["limits"].path(benchmark=name, method=method)
            if not path.exists():
                continue
            limits = {(row["m"], row["kind"]): row for row in pq.read_table(path).to_pylist()}
            groups = [g for g in groups_of(method, scores, subsets, SIZES) if (g.m, g.kind.value) in limits]
            for m in sorted({group.m for group in groups}):
                of_size = [group for group in groups if group.m == m]
                cells = [limits[m, group.kind.value] for group in of_size]
                oracle = np.mean([scores[g.rows][:, test].max(axis=0).mean() for g in of_size])
                best = np.mean([scores[g.rows][:, test].mean(axis=1).max() for g in of_size])
                noise = [mean(cells, f"oracle_{letter}") for letter in "ab"]
                real = "-" if noise[0] is None else f"{(oracle - noise[0]) / (oracle - best):.2f}"
                proven = sum(cell["train_covered"] == cell["train_at_most"] for cell in cells)
                told = ("-" if value is None else f"{value:.3f}" for value in (oracle, *noise, best))
                rows.append((name, method, f"{m}", *told, real, f"{proven} of {len(cells)}"))
    head = ("benchmark", "method", "m", "oracle", "noise A", "noise B", "best single", "real", "optimal")
    return table(head, rows)


def texts(build: Path, n: int = 100) -> str:
    """Mean cosine of two items: by vectors of prompts, few-shot text and all, and of their questions."""
    rows = []
    for name, _, _ in benchmarks_of(build):
        items = pq.read_table(build / TABLES["items"].path(benchmark=name), columns=["prompt", "question"])
        both = items.filter(pc.and_(*(pc.is_valid(items[side]) for side in ("prompt", "question"))))[:n]
        if len(both) > 1:
            told = []
            for side in ("prompt", "question"):
                vectors = encode(both[side].to_pylist(), [ENCODERS["minilm"]]).vectors["minilm"]
                alike = vectors @ vectors.T
                told.append(f"{(alike.sum() - np.trace(alike)) / (len(both) * (len(both) - 1)):.2f}")
            rows.append((name, f"{len(both)}", *told))
    return table(("benchmark", "items", "prompts", "questions"), rows)


def mean(cells: Sequence[dict[str, float | None]], column: str) -> float | None:
    """Mean over kinds, if every kind has a value."""
    values = [value for cell in cells if (value := cell[column]) is not None]
    return sum(values) / len(values) if len(values) == len(cells) else None


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("windows", "rasch", "scaling", "floors", "texts"))
    parser.add_argument("build", type=Path, nargs="?", help="folder of a build; rasch needs none")
    args = parser.parse_args()
    if (args.build is None) != (args.what == "rasch"):
        parser.error(f"{args.what} needs {'no' if args.what == 'rasch' else 'a'} BUILD")
    print(command(), versions("numpy", "scipy"), f"{machine()}\n", sep="\n")
    print(rasch() if args.what == "rasch" else globals()[args.what](args.build))
    return 0


if __name__ == "__main__":
    sys.exit(main())
