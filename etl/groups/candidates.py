"""Groups of candidate LLMs that a router chooses among, by the methods `paper` and `greedy`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from routerset.schemas import store
from routerset.schemas.coverage import Coverage, integer_coverage, reference_coverage, row_means, train_means
from routerset.schemas.greedy import best_group
from routerset.schemas.groups import STRONGEST, WEAKEST
from routerset.schemas.tables import GROUPS, Kind

__all__ = [
    "SIZES",
    "Group",
    "Kind",
    "Skipped",
    "checked_sizes",
    "greedy_groups",
    "groups_table",
    "open_pool",
    "oracle_mean",
    "paper_groups",
    "pool_of",
    "skip",
]

SIZES = (3, 5, 10, 100, 1000)
"""The reference's group sizes, in its order."""
DRAWS = 1000
"""Random strong-to-weak groups that the reference tries."""
SPREAD = 8
"""Evenly spread groups that `greedy` starts from as well, for groups of at most `SPREAD_UP_TO`."""
SPREAD_UP_TO = 10
DRAW_BYTES = 1 << 20
"""Joined rows of random groups worked on in one go."""


@dataclass(frozen=True, eq=False)
class Group:
    """A group of `m` candidates.

    rows: int32 row indices of the score matrix, in stored order: ascending by mean score, ties by row.
    """

    m: int
    kind: Kind
    rows: np.ndarray


@dataclass(frozen=True)
class Skipped:
    """A group that the pool is too small to fill; `reason` says by how much."""

    m: int
    kind: Kind
    reason: str


def paper_groups(
    scores: np.ndarray, sizes: Sequence[int], rng: np.random.RandomState
) -> tuple[list[Group], list[Skipped]]:
    """The reference's candidate groups, exactly, with a stable sort by mean score.

    Strong and weak groups are the contiguous window of the pool with the best oracle mean over all
    items, the first best; strong-to-weak ones are the best of 1000 random draws of one model per bin.

    scores: (models, items), rows sorted by model_id, uint8 of 0 and 1 or floats, nothing missing.
    sizes: group sizes. The draws of every reference size are made even where the size is not asked for,
    and before those of any other size, so that a group does not depend on which others are wanted.
    rng: the generator as `schemas.splits.paper_split` leaves it; a skipped group draws nothing.
    Returns groups and skipped ones, by size and in the order of `Kind`. Raises ValueError for malformed
    scores or sizes.
    """
    wanted = checked_sizes(sizes)
    cover = reference_coverage(scores)
    ranking = _Ranking.of(row_means(scores))
    groups, skipped = list[Group](), list[Skipped]()
    for m in (*SIZES, *(m for m in wanted if m not in SIZES)):
        for kind, pool in ranking.pools(m):
            draws = _draw(pool, m, rng) if kind is Kind.STRONG_TO_WEAK and len(pool) >= m else None
            if m not in wanted:
                continue
            if len(pool) < m:
                skipped.append(skip(m, kind, pool))
                continue
            rows = _best_window(cover, pool, m) if draws is None else _best_draw(cover, pool, draws)
            groups.append(Group(m, kind, rows.astype(np.int32)))
    return sorted(groups, key=lambda g: g.m), sorted(skipped, key=lambda s: s.m)


def greedy_groups(
    scores: np.ndarray, sizes: Sequence[int], train: np.ndarray
) -> tuple[list[Group], list[Skipped]]:
    """Candidate groups with an oracle mean on train items as high as lazy greedy and swaps can make it.

    Test items have no say: what a kind means is the same as in `paper_groups`, but pools and bins are by
    mean score over train items, and so is which models of a pool are taken, in integers, with ties to the
    lowest row.
    When all that the pool can cover is covered, the remaining places go to further layers of coverage
    (`schemas.greedy`).

    scores: as for `paper_groups`, floats within [0, 1]; train: indices of the train items.
    Strong and weak groups are never worse on train than any window of their pool.
    Returns groups and skipped ones, by size and in the order of `Kind`; a group is stored in ascending
    order of mean train score, ties by row. Raises ValueError for malformed scores or sizes.
    """
    cover = integer_coverage(scores, train)
    # without train items there is nothing to tell models by
    ranking = _Ranking.of(train_means(scores, train)) if len(train) else _Ranking(np.arange(0), 0, 0)
    strength = cover.value(cover.rows)
    groups, skipped = list[Group](), list[Skipped]()
    for m in checked_sizes(sizes):
        for kind, pool in ranking.pools(m):
            if len(pool) < m:
                skipped.append(skip(m, kind, pool))
                continue
            by_row = np.argsort(pool)
            starts = list(_spread(pool, m)) if m <= SPREAD_UP_TO else []
            bins = None
            if kind is Kind.STRONG_TO_WEAK:
                bins = _bins(len(pool), m)[by_row]
            else:
                starts.append(_best_window(cover, pool, m))
            rows = np.sort(best_group(cover, pool[by_row], m, starts, bins))
            rows = rows[np.argsort(strength[rows], kind="stable")]
            groups.append(Group(m, kind, rows.astype(np.int32)))
    return groups, skipped


def pool_of(
    means: np.ndarray, m: int, kind: Kind, weakest: float = WEAKEST
) -> tuple[np.ndarray, np.ndarray | None]:
    """The models that a group of `m` is taken from, and the bin of each where it has bins.

    means: as of `open_pool`, and so is weakest.
    """
    if kind is Kind.OPEN:
        return open_pool(means, weakest), None
    pool = dict(_Ranking.of(means).pools(m))[kind]
    return pool, _bins(len(pool), m) if kind is Kind.STRONG_TO_WEAK else None


def open_pool(means: np.ndarray, weakest: float) -> np.ndarray:
    """Rows, ascending, of the models with a mean score above `weakest` and up to `STRONGEST`.

    means: (models,), over those items that the method ranks models by.
    """
    return np.flatnonzero((means > weakest) & (means <= STRONGEST))


def groups_table(found: Sequence[Group], models: Sequence[str]) -> pa.Table:
    """Rows of the groups table. models: ids by row of the score matrix."""
    rows = [
        pa.table(
            {
                "m": pa.repeat(pa.scalar(group.m, pa.int32()), group.m),
                "kind": pa.repeat(pa.scalar(group.kind.value), group.m),
                "rank": pa.array(np.arange(group.m, dtype=np.int32)),
                "model_id": pa.array([models[row] for row in group.rows.tolist()], pa.string()),
            },
            schema=GROUPS,
        )
        for group in found
    ]
    return store.sort_rows(pa.concat_tables([GROUPS.empty_table(), *rows]))


def oracle_mean(scores: np.ndarray, rows: np.ndarray, items: np.ndarray | None = None) -> float:
    """Mean over items of the best score in the group: what a perfect router reaches.

    scores: (models, items); rows: the group; items: indices of the items that count, all by default.
    """
    best = scores[rows].max(axis=0)
    return float((best if items is None else best[items]).mean(dtype=np.float64))


@dataclass(frozen=True)
class _Ranking:
    """Models in ascending order of mean score.

    first, last: places of the first model above `WEAKEST` and of the first above `STRONGEST`; the
    number of models where there is none.
    """

    order: np.ndarray
    first: int
    last: int

    @classmethod
    def of(cls, means: np.ndarray) -> _Ranking:
        order = np.argsort(means, kind="stable")
        first, last = np.searchsorted(means[order], [WEAKEST, STRONGEST], side="right")
        return cls(order, int(first), int(last))

    def pools(self, m: int) -> Iterator[tuple[Kind, np.ndarray]]:
        """The models that each kind of group of `m` is taken from, in the reference's order of kinds."""
        span = max(len(self.order) // 5, m)
        yield Kind.ALL_STRONG, self.order[max(self.last - span, 0) : self.last]
        yield Kind.ALL_WEAK, self.order[self.first : self.first + span]
        yield Kind.STRONG_TO_WEAK, self.order[self.first : self.last]


def checked_sizes(sizes: Sequence[int]) -> list[int]:
    """Distinct sizes, ascending. Raises ValueError for one below 1."""
    if any(m < 1 for m in sizes):
        raise ValueError(f"[groups] sizes: found {list(sizes)}; expected numbers of candidates, 1 or more")
    return sorted(set(sizes))


def skip(m: int, kind: Kind, pool: np.ndarray) -> Skipped:
    """Of a group that its pool cannot fill, what was needed and what was there."""
    return Skipped(m, kind, f"expected at least {m} models in the {kind} pool, found {len(pool)}")


def _bin_sizes(n: int, m: int) -> np.ndarray:
    """Sizes of `m` contiguous bins of `n` models, the remainder to the first bins."""
    return n // m + (np.arange(m) < n % m)


def _bins(n: int, m: int) -> np.ndarray:
    """The bin of each of `n` models in ascending order of mean score."""
    return np.repeat(np.arange(m), _bin_sizes(n, m))


def _best_window(cover: Coverage, pool: np.ndarray, m: int) -> np.ndarray:
    """The `m` neighbours in `pool` that cover most together, the first best."""
    joined: np.ndarray = cover.rows[pool]
    width = 1
    while width < m:
        # a join of overlapping windows is the join of their union: widths double, and the last step fits
        shift = min(width, m - width)
        joined = cover.join(joined[:-shift], joined[shift:])
        width += shift
    start = int(cover.value(joined).argmax())
    return pool[start : start + m]


def _draw(pool: np.ndarray, m: int, rng: np.random.RandomState) -> np.ndarray:
    """(DRAWS, m) random rows, one per bin, on the stream of `np.random.choice(bin)` called bin by bin."""
    sizes = _bin_sizes(len(pool), m)
    places = rng.randint(0, np.tile(sizes, DRAWS)).reshape(DRAWS, m)
    return _at(pool, sizes, places)


def _spread(pool: np.ndarray, m: int) -> np.ndarray:
    """(SPREAD, m) rows: from each bin the weakest, and so on at equal steps up."""
    sizes = _bin_sizes(len(pool), m)
    return _at(pool, sizes, np.arange(SPREAD)[:, np.newaxis] * sizes // SPREAD)


def _at(pool: np.ndarray, sizes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The rows at some places inside each of the contiguous bins of `pool`."""
    rows: np.ndarray = pool[places + np.cumsum(sizes) - sizes]
    return rows


def _best_draw(cover: Coverage, pool: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The draw that covers most, the first best."""
    # a draw that covers what the whole pool covers cannot be beaten by a later one
    ceiling = cover.value(cover.join.reduce(cover.rows[pool], axis=0, keepdims=True))[0]
    step = max(1, DRAW_BYTES // cover.rows[0].nbytes)
    best: np.ndarray = draws[0]
    reached = None
    for start in range(0, len(draws), step):
        block = draws[start : start + step]
        # bin by bin: the few rows of a bin stay in the cache while all draws of the block take theirs
        joined = cover.rows[block[:, 0]]
        for members in block.T[1:]:
            cover.join(joined, cover.rows[members], out=joined)
        values = cover.value(joined)
        if reached is None or values.max() > reached:
            best, reached = block[values.argmax()], values.max()
        if reached == ceiling:
            break
    return best
