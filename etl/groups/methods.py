"""The methods by which groups of candidates are chosen; a new one is a file beside this one and a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from routerset.etl.groups.candidates import Group, Kind, Skipped, greedy_groups, oracle_mean, paper_groups
from routerset.etl.groups.universes import ANY, diverse_groups, stops_at, universe_groups
from routerset.schemas.groups import WEAKEST
from routerset.schemas.matrix import ScoreMatrix
from routerset.schemas.splits import paper_split
from routerset.schemas.tables import Split
from routerset.schemas.twins import one_of_each

Choice: TypeAlias = tuple[list[Group], list[Skipped]]
"""Groups, and those that a pool cannot fill."""


@dataclass(frozen=True)
class Method:
    """A row of `METHODS`. sees_test: whether the scores of test items have a say in its groups. all_twins:
    whether it chooses from all models whatever a config says of twins. by_tier: whether it chooses from the
    tiers that a config names. pairwise: whether it compares every two models of its pool. covers_most:
    whether its groups are to cover as much as they can. weakest: mean score that the models of its groups of
    kind `open` are above. stops_at: function of (scores, train): how many models its own rule would take,
    where it has one.

    choose: function of (scores, sizes, subsets, train, seed). scores: (models, items), models by name.
    subsets: items per subset, in canonical order. train: indices of the items that train routers.
    seed: of the splits.
    """

    name: str
    title: str
    choose: Callable[[np.ndarray, Sequence[int], Sequence[int], np.ndarray, int], Choice]
    sees_test: bool
    all_twins: bool = False
    by_tier: bool = False
    pairwise: bool = False
    covers_most: bool = False
    weakest: float = WEAKEST
    stops_at: Callable[[np.ndarray, np.ndarray], int] | None = None


def _paper(
    scores: np.ndarray, sizes: Sequence[int], subsets: Sequence[int], train: np.ndarray, seed: int
) -> Choice:
    """The reference draws its groups with the generator that its splits leave."""
    return paper_groups(scores, sizes, paper_split(subsets, seed)[1])


def _greedy(
    scores: np.ndarray, sizes: Sequence[int], subsets: Sequence[int], train: np.ndarray, seed: int
) -> Choice:
    return greedy_groups(scores, sizes, train)


def _universe(
    scores: np.ndarray, sizes: Sequence[int], subsets: Sequence[int], train: np.ndarray, seed: int
) -> Choice:
    return universe_groups(scores, sizes, train)


def _diverse(
    scores: np.ndarray, sizes: Sequence[int], subsets: Sequence[int], train: np.ndarray, seed: int
) -> Choice:
    return diverse_groups(scores, sizes, train)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("paper", "best windows and random draws, as in RouterEval", _paper, True, all_twins=True),
        Method("greedy", "best coverage of the train items, seen alone", _greedy, False, covers_most=True),
        Method(
            "universe",
            "what adds most, again and again, as in Routoo",
            _universe,
            False,
            by_tier=True,
            covers_most=True,
            weakest=ANY,
            stops_at=stops_at,
        ),
        Method(
            "diverse",
            "pruned to what is accurate and unlike the rest, as RouterBench+ does",
            _diverse,
            False,
            pairwise=True,
        ),
    )
}
"""Every method, by name."""


def pool_for(
    method: str, matrix: ScoreMatrix, named: Collection[str] | None, tiered: Collection[str] | None
) -> np.ndarray | None:
    """Rows of the models that a method chooses from, ascending; None for all.

    named: models that stand for twins, None where all twins are to choose from. tiered: the models of the
    tiers that are named, None for all; twins are looked for among these.
    """
    row = METHODS[method]
    among = None if tiered is None or not row.by_tier else np.flatnonzero(np.isin(matrix.models, [*tiered]))
    return among if named is None or row.all_twins else one_of_each(matrix, named, among)


def choose(
    method: str,
    scores: np.ndarray,
    sizes: Sequence[int],
    subsets: Sequence[int],
    train: np.ndarray,
    seed: int,
    pool: np.ndarray | None,
) -> Choice:
    """The groups of a method, as `Method.choose`.

    pool: rows of the models that it chooses from, as if there were no others, ascending; None for all.
    """
    row = METHODS[method]
    if pool is None or len(pool) == len(scores):
        return row.choose(scores, sizes, subsets, train, seed)
    found, skipped = row.choose(scores[pool], sizes, subsets, train, seed)
    return [replace(group, rows=pool[group.rows].astype(np.int32)) for group in found], skipped


def coverage(
    method: str,
    scores: np.ndarray,
    groups: Sequence[Group],
    sides: Mapping[Split, np.ndarray],
    pool: np.ndarray | None,
) -> list[dict[str, float | int | None]]:
    """S(U), the mean of the best score in the group, of groups of kind `open` (Routoo, universe constructor).

    scores, pool: as of `choose`. sides: items of each side; a method sees those of train alone. Returns a row
    per group: `m`, a share per side, None for one without items, and `stops_at`, see `Method`.
    """
    row, rows = METHODS[method], [group for group in groups if group.kind is Kind.OPEN]
    if not rows:
        return []
    own = scores if pool is None else scores[pool]
    stop = None if row.stops_at is None else row.stops_at(own, sides[Split.TRAIN])
    return [
        {
            "m": group.m,
            **{
                side.value: round(oracle_mean(scores, group.rows, sides[side]), 6)
                if len(sides[side])
                else None
                for side in Split
            },
            "stops_at": stop,
        }
        for group in rows
    ]
