"""Which repeat of a content a document is, where a benchmark asks the same thing several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from routerset.etl.ingest.identity import Identity, Rows
from routerset.etl.votes import NOTHING
from routerset.schemas import ids


@dataclass
class _Slot:
    """One repeat. gold: its answer, where known. places: its place in every key space."""

    gold: str | None
    places: dict[int, int] = field(default_factory=dict)


def tell_repeats(
    rows: Rows, identity: Identity, readers: Mapping[tuple[int, ...], int], min_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which repeat of its content every row is, from 0, and the number of the first repeat of every token.

    A content is repeated as often as runs with `min_share` of the records have it; what is more than that is
    NOTHING. Key and gold answer tell the repeats apart, or the gold answer alone, or the key alone, or their
    order. Returns int64 (rows,) and (tokens + 1,).
    """
    token = identity.token[rows.entry]
    slot = np.zeros(len(token), np.int64)
    counts = _counts(rows, token, readers, min_share)
    sizes = np.ones(len(identity.tokens), np.int64)
    repeated = np.zeros(len(identity.tokens) + 1, bool)  # the last stands for NOTHING
    repeated[[at for at, _ in counts]] = True
    golds = [g and ids.normalise_text(g) for g in rows.texts["gold"].to_pylist()]
    slots = _slots(rows, identity, repeated, counts, golds)
    for at, found in slots.items():
        sizes[at] = len(found)
    where = np.flatnonzero(repeated[token])
    where = where[np.lexsort((rows.entry[where], token[where], rows.owner[where]))]
    cuts = np.flatnonzero(np.diff(token[where]) | np.diff(rows.owner[where])) + 1
    known: dict[bytes, list[int]] = {}
    for part in np.split(where, cuts) if len(where) else []:
        mark = rows.entry[part].tobytes()
        if mark not in known:
            known[mark] = _assign(rows, part, slots[int(token[part[0]])], golds)
        slot[part] = known[mark]
    return slot, np.concatenate([[0], np.cumsum(sizes)])


def _counts(
    rows: Rows, token: np.ndarray, readers: Mapping[tuple[int, ...], int], min_share: float
) -> dict[tuple[int, int], int]:
    """How often a key space repeats a token, for all that some run has under several keys."""
    bounds = np.searchsorted(rows.owner, np.arange(int(rows.owner.max(initial=-1)) + 2))
    n_places, n_spaces = max(len(rows.key_of), 1), len(rows.spaces)
    pair = token * n_places + rows.place
    total = np.zeros(n_spaces)
    weights: dict[tuple[int, int], dict[int, int]] = {}
    for those, n in readers.items():
        parts = [pair[bounds[at] : bounds[at + 1]] for at in those if at + 1 < len(bounds)]
        found = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        weight = n * len(found)
        found = found[found >= 0]
        space = rows.space_of[found % n_places]
        total[np.unique(space)] += weight
        group, times = np.unique(found // n_places * n_spaces + space, return_counts=True)
        for each, often in zip(group[times > 1].tolist(), times[times > 1].tolist(), strict=True):
            of_times = weights.setdefault((each // n_spaces, each % n_spaces), {})
            of_times[often] = of_times.get(often, 0) + weight
    counts = {}
    for at, of_times in weights.items():
        needed, held, counts[at] = min_share * total[at[1]] - 1e-9, 0, 1
        for often in sorted(of_times, reverse=True):
            held += of_times[often]
            if held >= needed:
                counts[at] = often
                break
    return counts


def _slots(
    rows: Rows,
    identity: Identity,
    repeated: np.ndarray,
    counts: Mapping[tuple[int, int], int],
    golds: Sequence[str | None],
) -> dict[int, list[_Slot]]:
    """The repeats of every repeated token, from the keys that most models used in each key space."""
    votes: dict[int, dict[int, dict[int, float]]] = {}
    answers: dict[tuple[int, int], dict[str, float]] = {}
    for entry in np.flatnonzero(repeated[identity.token]).tolist():
        token, place, n = int(identity.token[entry]), int(rows.entry_place[entry]), float(rows.votes[entry])
        of_space = votes.setdefault(token, {}).setdefault(int(rows.space_of[place]), {})
        of_space[place] = of_space.get(place, 0.0) + n
        gold = golds[rows.entry_print[entry]]
        if gold is not None:
            of_gold = answers.setdefault((token, place), {})
            of_gold[gold] = of_gold.get(gold, 0.0) + n
    found: dict[int, list[_Slot]] = {}
    for token, spaces in votes.items():
        slots = found[token] = []
        for space in sorted(spaces, key=lambda s: (-sum(spaces[s].values()), s)):
            ranked = sorted(spaces[space], key=lambda p: (-spaces[space][p], ids.natural_key(rows.key(p)), p))
            ranked = ranked[: counts.get((token, space), 1)]
            ranked.sort(key=lambda p: (ids.natural_key(rows.key(p)), p))
            told = [_most(answers.get((token, place), {})) for place in ranked]
            matched = _match(told, [None] * len(told), dict(enumerate(slots)))
            for at, gold, place in zip(matched, told, ranked, strict=True):
                if at == NOTHING:
                    slots.append(_Slot(gold))
                slots[at].places[space] = place
    return found


def _most(counts: Mapping[str, float]) -> str | None:
    return min(counts, key=lambda each: (-counts[each], each)) if counts else None


def _assign(rows: Rows, part: np.ndarray, slots: Sequence[_Slot], golds: Sequence[str | None]) -> list[int]:
    """The repeat that each of some rows of one list and token is, or NOTHING where all are taken."""
    places = rows.place[part].tolist()
    order = sorted(range(len(part)), key=lambda at: (ids.natural_key(rows.key(places[at])), places[at]))
    space = int(rows.space_of[places[0]])
    of_place = {slot.places[space]: at for at, slot in enumerate(slots) if space in slot.places}
    told = [golds[rows.print[part[at]]] for at in order]
    found = _match(told, [of_place.get(places[at]) for at in order], dict(enumerate(slots)))
    result = [0] * len(part)
    for at, each in zip(order, found, strict=True):
        result[at] = each
    return result


def _match(golds: Sequence[str | None], keyed: Sequence[int | None], free: dict[int, _Slot]) -> list[int]:
    """A free slot for every document, or NOTHING. keyed: the slot whose key it has. Empties `free`."""
    found = [NOTHING] * len(golds)

    def take(document: int, at: int | None) -> None:
        if found[document] == NOTHING and at is not None and free.pop(at, None) is not None:
            found[document] = at

    for document, (gold, at) in enumerate(zip(golds, keyed, strict=True)):
        if at in free and (gold is None or free[at].gold in (None, gold)):
            take(document, at)
    by_gold: dict[str, list[int]] = {}
    for at in sorted(free, reverse=True):
        gold = free[at].gold
        if gold is not None:
            by_gold.setdefault(gold, []).append(at)
    for document, gold in enumerate(golds):
        if found[document] == NOTHING and gold is not None and by_gold.get(gold):
            take(document, by_gold[gold].pop())
    for document, at in enumerate(keyed):
        take(document, at)
    rest = sorted(free, reverse=True)
    for document in range(len(golds)):
        if found[document] == NOTHING and rest:
            take(document, rest.pop())
    return found
