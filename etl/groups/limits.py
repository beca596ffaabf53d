"""Beside a group's oracle: what the same search reaches in worlds of noise, and what no group can exceed.

The noise floor of a group is the mean oracle score, on test items, of the group that the same method finds in
matrices without specialisation (`schemas.nulls`). A headroom that noise gives as well is no headroom.

The same scores, splits, sizes and seed give the same rows, in any order of benchmarks and on any number of
workers. Floors depend on NumPy's generator too, whose streams are stable since 1.17 but not promised to be;
bounds on SciPy, whose HiGHS may prove more, or less, within its number of nodes from one version to the next.
A release states the versions of both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from routerset.etl.groups.bounds import bound
from routerset.etl.groups.candidates import Group, Skipped, pool_of
from routerset.etl.groups.methods import METHODS, choose
from routerset.schemas import store
from routerset.schemas.coverage import row_means
from routerset.schemas.nulls import NULLS
from routerset.schemas.tables import LIMITS, Split

WORK = 10**12
"""Pairs of models times train items that a method which compares all pairs goes through in one null model."""
LEAST = 3
"""Worlds of each null model that it goes through whatever they cost: below, there is hardly a range."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores that groups are chosen from, and how. scores: (models, items), as `read_matrix` gives them.

    subsets: items per subset. sides: items of each side of the first scheme, ascending. seed: of the splits.
    pools: by method, see `methods.choose`; that of a method which is not there is all models. They are those
    of the real scores in worlds of noise, too, where twins part: how many models there are to choose from has
    its share in what a search finds.
    """

    scores: np.ndarray
    subsets: Sequence[int]
    sides: Mapping[Split, np.ndarray]
    sizes: Sequence[int]
    seed: int
    pools: Mapping[str, np.ndarray | None] = field(default_factory=dict)

    def choose(self, method: str, scores: np.ndarray) -> tuple[list[Group], list[Skipped]]:
        """The groups that a method chooses from some scores, and those that no pool could fill."""
        train, pool = self.sides[Split.TRAIN], self.pools.get(method)
        return choose(method, scores, self.sizes, self.subsets, train, self.seed, pool)

    def draws(self, method: str, null: str) -> int:
        """How many worlds of a null model a method searches: the first ones, of a large pool not all.

        A world costs a method that compares all pairs of models as much as the real scores do. The floor is
        a mean over worlds in any case; its range is that of those drawn.
        """
        wanted, pool = NULLS[null].draws, self.pools.get(method)
        if not METHODS[method].pairwise:
            return wanted
        n = len(self.scores) if pool is None else len(pool)
        return min(wanted, max(LEAST, WORK // max(n * n * len(self.sides[Split.TRAIN]), 1)))

    def pool_of(self, method: str, group: Group) -> tuple[np.ndarray, np.ndarray | None]:
        """The models that a group of a method is taken from, and the bin of each where it has bins."""
        row = METHODS[method]
        means = self._means if row.sees_test else self._train_means
        pool = self.pools.get(method)
        if pool is None:
            return pool_of(means, group.m, group.kind, row.weakest)
        rows, bins = pool_of(means[pool], group.m, group.kind, row.weakest)
        return pool[rows], bins

    @cached_property
    def train(self) -> np.ndarray:
        """Scores of train items, (models, train items)."""
        return self.scores.take(self.sides[Split.TRAIN], axis=1)

    @cached_property
    def _means(self) -> np.ndarray:
        return row_means(self.scores)

    @cached_property
    def _train_means(self) -> np.ndarray:
        return row_means(self.train)


def limits(
    scored: Scored, methods: Sequence[str], kept: Mapping[str, pa.Table] = MappingProxyType({})
) -> dict[str, pa.Table]:
    """Rows of table `limits` of one benchmark, by method.

    kept: by method, rows of groups that stay as they were published, and so do their limits.

    A world in which the search finds no group of a size and kind, since the pool is too small there, is not
    counted; without test items there is none. Margins are kept for scores of 0 and 1 alone: elsewhere that
    floor is null.
    """
    binary = scored.scores.dtype == np.uint8
    drawn = [null for null in NULLS.values() if binary or not null.binary]
    tested = len(scored.sides[Split.TEST]) > 0
    left = {method: _left(scored, method, kept.get(method)) for method in methods}
    searched = [method for method, groups in left.items() if groups]
    found = {null.name: _floors(scored, searched, null.name) for null in drawn if tested and searched}
    tables = {}
    for method, groups in left.items():
        rows = []
        for group in groups:
            row: dict[str, object] = {"m": group.m, "kind": group.kind.value}
            for name, letter in (("ability", "a"), ("margins", "b")):
                worlds = found.get(name, {}).get((method, group.m, group.kind), [])
                row |= {f"draws_{letter}": len(worlds), **_summary(worlds, letter)}
            rows.append(row | (_bound(scored, method, group) if binary else {}))
        own = pa.Table.from_pylist(rows, LIMITS)
        tables[method] = store.sort_rows(pa.concat_tables([own, kept[method]]) if method in kept else own)
    return tables


def _left(scored: Scored, method: str, kept: pa.Table | None) -> list[Group]:
    """The groups that a method chooses, but for those that stay as they were published."""
    held = set() if kept is None else {*zip(kept["m"].to_pylist(), kept["kind"].to_pylist(), strict=True)}
    return [g for g in scored.choose(method, scored.scores)[0] if (g.m, g.kind.value) not in held]


def _floors(
    scored: Scored, methods: Sequence[str], null: str
) -> dict[tuple[str, int, str], list[tuple[float, float, float]]]:
    """By method, size and kind: oracle, best single and best on train, on test, in each world."""
    rng = np.random.default_rng([scored.seed, list(NULLS).index(null)])
    found: dict[tuple[str, int, str], list[tuple[float, float, float]]] = {}
    draws = {method: scored.draws(method, null) for method in methods}
    worlds = islice(NULLS[null].worlds(scored.scores, rng), max(draws.values()))
    for draw, world in enumerate(worlds):
        for method in (method for method in methods if draw < draws[method]):
            for group in scored.choose(method, world)[0]:
                on_test = _reached(world[group.rows], scored.sides)
                found.setdefault((method, group.m, group.kind), []).append(on_test)
    return found


def _reached(scores: np.ndarray, sides: Mapping[Split, np.ndarray]) -> tuple[float, float, float]:
    """Mean test score of the oracle, of the best candidate, and of the one that is best on train."""
    train, test = (scores.take(sides[side], axis=1) for side in (Split.TRAIN, Split.TEST))
    means = test.mean(axis=1, dtype=np.float64)
    chosen = int(train.sum(axis=1, dtype=np.float64).argmax())
    return float(test.max(axis=0).mean(dtype=np.float64)), float(means.max()), float(means[chosen])


def _summary(worlds: Sequence[tuple[float, float, float]], letter: str) -> dict[str, float | None]:
    """Columns of one null model: means over worlds, and the range of the oracle."""
    if not worlds:
        return {}
    oracles, *_ = columns = list(zip(*worlds, strict=True))
    means = [math.fsum(column) / len(worlds) for column in columns]
    names = ("oracle", "best_single", "best_on_train")
    told = {f"{name}_{letter}": mean for name, mean in zip(names, means, strict=True)}
    return {**told, f"oracle_{letter}_lo": min(oracles), f"oracle_{letter}_hi": max(oracles)}


def _bound(scored: Scored, method: str, group: Group) -> dict[str, object]:
    pool, bins = scored.pool_of(method, group)
    found = bound(scored.train, pool, group.rows, bins, solve=METHODS[method].covers_most)
    return {"train_covered": found.covered, "train_at_most": found.at_most, "bound_by": found.by}
