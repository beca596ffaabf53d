"""Which gold answer counts for every item, and which documents were scored against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from routerset.etl.ingest.identity import CONTENT, Identity, Rows
from routerset.etl.votes import NOTHING, leading
from routerset.schemas import ids


@dataclass(frozen=True)
class Golds:
    """conflict: per row, whether its gold answer is not the one that most models were scored against.

    item, print: of every row. texts: gold answers by print. winners: what counts, by disputed item.
    """

    conflict: np.ndarray
    item: np.ndarray
    print: np.ndarray
    texts: Sequence[str | None]
    winners: dict[int, str | None]

    def told(self, row: int) -> str:
        """Why the gold answer of a row does not count."""
        winner = self.winners[int(self.item[row])]
        expected = f"most models were scored against {winner!r}" if winner else "no answer has a majority"
        return f"found gold answer {self.texts[self.print[row]]!r}, {expected}"


@dataclass(frozen=True)
class _Case:
    """One print of an item. gold: None where there is none. raw: it names no option of the item."""

    print: int
    votes: float
    gold: str | None
    raw: bool


def settle_golds(rows: Rows, identity: Identity, item: np.ndarray, votes: np.ndarray, n_items: int) -> Golds:
    """Compare the gold answers of every item as texts; a strict majority of the models counts.

    item: per row, or NOTHING. What names no option (a letter that nothing explains) is compared only where
    nothing else is, and only among documents whose options stand in one order.
    """
    texts = rows.texts["gold"].to_pylist()
    spelled: dict[str, int] = {}
    folded = [None if text is None else ids.normalise_text(text) for text in texts]
    of_print = np.array(
        [NOTHING if g is None else spelled.setdefault(g, len(spelled)) for g in folded], np.int64
    )
    mended = identity.mended[rows.entry]
    there = item != NOTHING
    code = (item * 2 + mended) * len(texts) + rows.print
    pairs, at = np.unique(code[there], return_inverse=True)
    weight = np.bincount(at, votes[rows.owner][there], len(pairs))
    pair_item, pair_mended = pairs // len(texts) // 2, pairs // len(texts) % 2 == 1
    pair_print = pairs % max(len(texts), 1)
    gold = of_print[pair_print]
    combined = np.unique(pair_item[gold >= 0] * max(len(spelled), 1) + gold[gold >= 0])
    doubted, times = np.unique(combined // max(len(spelled), 1), return_counts=True)
    disputed = np.union1d(doubted[times > 1], pair_item[pair_mended])
    how = identity.how[rows.entry]
    leaders = leading(
        np.where((how == CONTENT) & ~mended, item, NOTHING), rows.print, votes[rows.owner], n_items
    )
    bounds = np.searchsorted(pair_item, [disputed, disputed + 1]).T.tolist()
    wrong = np.zeros(len(pairs), bool)
    winners: dict[int, str | None] = {}
    options = rows.texts["choices"]
    for one, (start, stop) in zip(disputed.tolist(), bounds, strict=True):
        leader = int(leaders[one])
        known = _folded(options[leader].as_py() if leader >= 0 else None)
        orders, cases = set(), []
        for pair in range(start, stop):
            mark = int(pair_print[pair])
            own = _folded(options[mark].as_py())
            orders.add(tuple(own))
            found = _translated(folded[mark], own, known) if pair_mended[pair] else folded[mark]
            cases.append(_Case(mark, float(weight[pair]), found, bool(known) and found not in known))
        winner, against = _settle(cases, len(orders) == 1)
        wrong[start:stop] = against
        if any(against):
            winners[one] = None if winner is None else texts[winner]
    conflict = np.zeros(len(item), bool)
    conflict[there] = wrong[at]
    return Golds(conflict, item, rows.print, texts, winners)


def _folded(options: Sequence[str | None] | None) -> list[str]:
    return [ids.normalise_text(option or "") for option in options or ()]


def _translated(gold: str | None, own: list[str], known: list[str]) -> str | None:
    """The gold answer of a mended document among the item's options: by its text, else by its place."""
    if gold is None or gold in known or gold not in own or own.index(gold) >= len(known):
        return gold
    return known[own.index(gold)]


def _settle(cases: Sequence[_Case], one_order: bool) -> tuple[int | None, list[bool]]:
    """Print of the gold answer that counts, or None, and which cases speak against it."""
    only_raw = all(case.raw for case in cases if case.gold is not None)
    told = [case.gold is not None and (one_order if only_raw else not case.raw) for case in cases]
    sums: dict[str, float] = {}
    for case in compress(cases, told):
        sums[case.gold or ""] = sums.get(case.gold or "", 0.0) + case.votes
    if len(sums) < 2:
        return None, [False] * len(cases)
    best = max(sums, key=lambda gold: sums[gold])
    right = best if 2 * sums[best] > sum(sums.values()) else None
    winner = min((case.print for case in compress(cases, told) if case.gold == right), default=None)
    return winner, [counts and case.gold != right for case, counts in zip(cases, told, strict=True)]
