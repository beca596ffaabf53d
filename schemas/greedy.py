"""Choose a group of models that covers as much as possible: lazy greedy, then swaps.

Coverage is monotone and submodular, so greedy is within a constant factor of the best group (Nemhauser,
Wolsey, Fisher 1978: 1 - 1/e for a free choice, 1/2 with one model per bin), and what a model adds can
only shrink as the group grows, which is why most models need no second look (Minoux 1978).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routerset.schemas.coverage import Gains

LOOKAHEAD, SMALL = 512, 1 << 20
"""Models looked at again in one go; bytes of all, up to which finding the most promising takes longer than
looking at them all."""
MAX_PASSES = 20
"""Rounds of swaps; each one that continues has improved the group."""


def best_group(
    cover: Gains, pool: np.ndarray, m: int, starts: Sequence[np.ndarray] = (), bins: np.ndarray | None = None
) -> np.ndarray:
    """A group of `m` models of `pool` that covers as much as we can find.

    pool: row indices of `cover.rows`, ascending; starts: groups (row indices) to improve on as well;
    bins: for a group with one model from each of `m` bins, the bin of each model of the pool.
    Returns m row indices. Never worse than greedy, nor than any of `starts`; ties go to greedy, then to
    the first start, and between models to the lowest row.
    Raises ValueError for a start that is no such group.
    """
    for rows in starts:
        _check(rows, pool, m, bins)
    if len(pool) == m:
        return pool
    states = cover.rows[pool]
    groups = [greedy_order(cover, states, m, bins)]
    groups += [np.searchsorted(pool, np.sort(rows)) for rows in starts]
    ceiling = _worth(cover, states)
    best: np.ndarray = groups[0]
    reached = _worth(cover, states[best])
    for group in groups:
        if reached == ceiling:
            break
        improved = _swap(cover, states, group, bins)
        if (worth := _worth(cover, states[improved])) > reached:
            best, reached = improved, worth
    chosen: np.ndarray = pool[best]
    return chosen


def _check(rows: np.ndarray, pool: np.ndarray, m: int, bins: np.ndarray | None) -> None:
    """Raise ValueError unless `rows` are m different models of the pool, in different bins."""
    places = np.flatnonzero(np.isin(pool, rows))
    distinct = len(places) if bins is None else len(np.unique(bins[places]))
    if not len(rows) == distinct == m:
        raise ValueError(
            f"start of {len(rows)} models: found {distinct} of them in the pool and in bins of their own, "
            f"expected {m}: pass groups of the same scores"
        )


def greedy_order(
    cover: Gains, states: np.ndarray, m: int, bins: np.ndarray | None = None, *, layers: bool = True
) -> np.ndarray:
    """Take the model that adds most, `m` times; ties go to the first.

    Once nothing adds anything, what is covered is forgotten and the next layer starts: hard items get a
    second right candidate, a third, and so on, which gives a router more than one way to be right.

    states: (models, width), of `cover.rows`, at least m. bins: as of `best_group`. layers: else it ends with
    the first. Returns places in `states`, m at most, in the order in which they are taken: without bins a
    smaller group is the beginning of a larger one.
    """
    empty = np.zeros_like(states[0])
    alone = cover.gain(states, empty)
    bounds, fresh, free = alone.copy(), np.ones(len(states), bool), np.ones(len(states), bool)
    covered, chosen = empty, list[int]()
    while len(chosen) < m:
        best = int(bounds.argmax())
        if not fresh[best]:
            # first the most promising, then all that could still match the best of them
            known = bounds[fresh].max(initial=-1)
            stale = np.flatnonzero(~fresh & (bounds >= known))
            if known < 0 and len(stale) > LOOKAHEAD and states.nbytes > SMALL:
                stale = stale[np.argpartition(bounds[stale], -LOOKAHEAD)[-LOOKAHEAD:]]
            bounds[stale] = cover.gain(states[stale], covered)
            fresh[stale] = True
        elif bounds[best] == 0 and not layers:
            break
        elif bounds[best] == 0 and covered.any():
            covered, bounds = empty, np.where(free, alone, -1)
            fresh[:] = True
        else:
            chosen.append(best)
            covered = cover.join(covered, states[best])
            free[best if bins is None else bins == bins[best]] = False
            bounds[~free] = -1
            fresh = ~free
    return np.array(chosen, np.intp)


def _swap(cover: Gains, states: np.ndarray, group: np.ndarray, bins: np.ndarray | None) -> np.ndarray:
    """Replace one model at a time by the one that adds most to the others, until no swap helps."""
    everyone = np.arange(len(states))
    group, unchanged = group.copy(), 0
    for _ in range(MAX_PASSES):
        # what the members after each place cover together: they have not changed yet when their turn comes
        later = np.zeros((len(group) + 1, states.shape[1]), states.dtype)
        later[:-1] = cover.join.accumulate(states[group[::-1]], axis=0)[::-1]
        earlier = np.zeros_like(states[0])
        for place, member in enumerate(group):
            others = cover.join(earlier, later[place + 1])
            options = everyone if bins is None else np.flatnonzero(bins == bins[member])
            # the other members of the group need no exclusion: they add nothing
            gains = cover.gain(states if bins is None else states[options], others)
            unchanged += 1
            if gains.max() > gains[np.searchsorted(options, member)]:
                group[place], unchanged = options[gains.argmax()], 0
            elif unchanged == len(group):
                return group
            earlier = cover.join(earlier, states[group[place]])
    return group


def _worth(cover: Gains, states: np.ndarray) -> int:
    """Value of the join of some rows."""
    return int(cover.value(cover.join.reduce(states, axis=0, keepdims=True))[0])
