"""One canonical list of items for a subset, from the lists of documents that its runs were scored on.

A document is what it says: content tells documents, keys only where there is no text, and which repeat of a
content is meant. A gold answer that few models were scored against, and a document that few models saw, are
left out and said so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.ingest.golds import Golds, settle_golds
from routerset.etl.ingest.identity import CONTENT, KEY, DocList, Identity, Rows, identify, number_rows
from routerset.etl.ingest.repeats import tell_repeats
from routerset.etl.votes import NOTHING, leading
from routerset.schemas import ids
from routerset.schemas.registry import is_category
from routerset.schemas.tables import ITEMS, JOINED_BY

UNKNOWN = -1
CONFLICT = -2
MIN_SHARE = 0.5
OWN = pa.schema(
    [
        ITEMS.field(name)
        for name in ("item_id", "subset", "category", "doc_key", "question", "prompt", "choices")
    ]
)
"""What items say by themselves; the number, the family and a question from the prompt come later."""
_SHOWN = 80  # characters of a document in a message

Readers = Mapping[tuple[int, ...], int]
"""Number of models by the lists, in ascending order, that each was scored on."""


@dataclass(frozen=True)
class Placed:
    """Where the documents of one list went.

    position: int32, the row in `items`, or UNKNOWN, or CONFLICT. rejoined: whether a document's key stands
    for another one in most runs. mended: whether its text does not agree with the item's. recategorised:
    whether its dump puts it into another category than most do.
    joined_by: what told most of the documents. why: per document that is no item, what speaks against it.
    """

    position: np.ndarray
    rejoined: np.ndarray
    mended: np.ndarray
    recategorised: np.ndarray
    joined_by: str
    why: Mapping[int, str]


@dataclass(frozen=True)
class Canonical:
    """Items of one subset, and where each document of each list went.

    items: schema OWN, in canonical order. lists: int32, the list that each text is from.
    """

    items: pa.Table
    lists: np.ndarray
    placed: tuple[Placed, ...]


def canonical_items(
    benchmark: str,
    subset: str,
    lists: Sequence[DocList],
    texts: pa.Table,
    readers: Readers,
    min_share: float = MIN_SHARE,
) -> Canonical:
    """Items of one subset in canonical order: by the document's key, numbers as numbers.

    texts: what the prints of the lists stand for (schema TEXTS). min_share: an item is left out where the
    models that saw it hold a smaller share of all records. Nothing depends on the order of `lists`.
    """
    texts = texts.sort_by("print")
    votes = np.zeros(len(lists))
    for those, n in readers.items():
        votes[list(those)] += n
    rows = number_rows(lists, texts, votes)
    identity = identify(rows, len(lists))
    slot, first = tell_repeats(rows, identity, readers, min_share)
    token = identity.token[rows.entry]
    item = np.where((token == NOTHING) | (slot == NOTHING), NOTHING, first[token] + slot)
    n_items = int(first[-1])
    golds = settle_golds(rows, identity, item, votes, n_items)
    sound = (item != NOTHING) & ~golds.conflict
    seen = _seen(rows, np.where(sound, item, NOTHING), readers, n_items)
    text, place, owner = _leaders(rows, identity, np.where(sound, item, NOTHING), votes, n_items)
    token_of = np.repeat(np.arange(len(first) - 1), np.diff(first))
    kept = np.flatnonzero((seen >= min_share - 1e-9) & (place != NOTHING)).tolist()
    keys = dict(zip(kept, _own_keys(rows, item, votes, place, kept), strict=True))

    def order(at: int) -> tuple[object, ...]:
        return ids.natural_key(keys[at]), identity.tokens[int(token_of[at])], at

    kept = sorted(kept, key=order)
    rank = np.full(n_items + 1, UNKNOWN, np.int32)
    rank[kept] = np.arange(len(kept), dtype=np.int32)
    position = np.where(golds.conflict, np.int32(CONFLICT), rank[item])  # NOTHING is last, and stays UNKNOWN
    chosen = np.array(kept, np.int64)
    categories, category = _category_codes(lists)
    told = leading(np.where(sound, item, NOTHING), category, votes[rows.owner], n_items)
    other = (category != NOTHING) & (category != np.append(told, NOTHING)[item])
    return Canonical(
        _item_rows(
            benchmark,
            subset,
            texts.take(pa.array(text[chosen])),
            [keys[at] for at in kept],
            [identity.tokens[at] for at in token_of[chosen].tolist()],
            (chosen - first[token_of[chosen]]).tolist(),
            [None if at == NOTHING else categories[at] for at in told[chosen].tolist()],
        ),
        owner[chosen].astype(np.int32),
        tuple(_placed(rows, identity, golds, position, other, len(lists))),
    )


def _category_codes(lists: Sequence[DocList]) -> tuple[list[str], np.ndarray]:
    """Categories in order, and the place of every row's among them, NOTHING where it has no usable one."""
    column = pa.chunked_array([chunk for one in lists for chunk in one.categories.chunks], pa.string())
    found = column.unique().drop_null()
    spelled = [" ".join(text.split()) for text in found.to_pylist()]
    known = sorted({text for text in spelled if is_category(text)})
    place = {text: at for at, text in enumerate(known)}
    codes = np.array([*(place.get(text, NOTHING) for text in spelled), NOTHING], np.int64)
    return known, codes[pc.fill_null(pc.index_in(column, found), -1).to_numpy()]


def _seen(rows: Rows, item: np.ndarray, readers: Readers, n_items: int) -> np.ndarray:
    """Share of all records that the models that saw an item hold, each model its number of documents."""
    starts = np.searchsorted(rows.owner, np.arange(int(rows.owner.max(initial=-1)) + 2))
    document = np.where(item == NOTHING, n_items + rows.place, item)
    seen, total = np.zeros(n_items), 0
    for those, n in readers.items():
        parts = [document[starts[at] : starts[at + 1]] for at in those if at + 1 < len(starts)]
        found = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        seen[found[found < n_items]] += n * len(found)
        total += n * len(found)
    return seen / max(total, 1)


def _leaders(
    rows: Rows, identity: Identity, item: np.ndarray, votes: np.ndarray, n_items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per item, the text that most models saw, the key that most of them used, and a list that has the text.

    A text counts before none, and one of its own before a mended one.
    """
    weight = votes[rows.owner]
    place = leading(item, rows.place, weight, n_items)
    exact: dict[tuple[object, ...], int] = {}
    columns = (rows.texts[name].to_pylist() for name in ("question", "choices", "prompt"))
    same = np.array(
        [
            exact.setdefault((q, tuple(c or ()), p), at)
            for at, (q, c, p) in enumerate(zip(*columns, strict=True))
        ],
        np.int64,
    )
    rank = np.where(identity.how == CONTENT, np.where(identity.mended, 1, 2), 0)[rows.entry]
    best = np.zeros(n_items + 1, np.int64)
    np.maximum.at(best, item, rank)
    fit = np.where(rank == best[item], item, NOTHING)
    wording = leading(fit, same[rows.print], weight, n_items)
    fit = np.where(same[rows.print] == np.append(wording, NOTHING)[fit], fit, NOTHING)
    text = leading(fit, rows.print, weight, n_items)
    fit = np.where(rows.print == np.append(text, NOTHING)[fit], fit, NOTHING)
    order = sorted(range(len(votes)), key=lambda at: _of_list(rows, at, votes))
    turn = np.argsort(order) if len(order) else np.empty(0, np.int64)
    owner = leading(fit, turn[rows.owner], np.zeros(len(fit)), n_items)
    return text, place, np.where(owner == NOTHING, NOTHING, np.array([*order, NOTHING])[owner])


def _own_keys(
    rows: Rows, item: np.ndarray, votes: np.ndarray, place: np.ndarray, kept: Sequence[int]
) -> list[str]:
    """A key for every kept item that no other one has: the one that most models used, as far as it is free.

    An item whose keys are all taken gets `key#2`. place: the key that most models used, per item.
    """
    keys = [rows.key(at) for at in place[list(kept)]]
    if len(set(keys)) == len(keys):
        return keys
    there = np.isin(item, kept)
    pairs, at = np.unique(item[there] * len(rows.key_of) + rows.place[there], return_inverse=True)
    weight = np.bincount(at, votes[rows.owner[there]], len(pairs))
    items, places = pairs // len(rows.key_of), pairs % len(rows.key_of)
    own: dict[int, str] = {}
    taken: set[str] = set()
    for pair in np.lexsort((items, places, -weight)).tolist():
        key = rows.key(places[pair])
        if int(items[pair]) not in own and key not in taken:
            own[int(items[pair])] = key
            taken.add(key)
    for one, key in zip(kept, keys, strict=True):
        if one not in own:
            own[one] = next(name for n in count(2) if (name := f"{key}#{n}") not in taken)
            taken.add(own[one])
    return [own[one] for one in kept]


def _of_list(rows: Rows, at: int, votes: np.ndarray) -> tuple[float, bytes, bytes]:
    """What orders lists, whatever order they are given in."""
    start, stop = np.searchsorted(rows.owner, [at, at + 1])
    return -votes[at], rows.place[start:stop].tobytes(), rows.print[start:stop].tobytes()


def _placed(
    rows: Rows, identity: Identity, golds: Golds, position: np.ndarray, other: np.ndarray, n_lists: int
) -> list[Placed]:
    leader = identity.leader[rows.place]
    token, how = identity.token[rows.entry], identity.how[rows.entry]
    mended = identity.mended[rows.entry]
    rejoined = (token != leader) & (how != KEY)
    bounds = np.searchsorted(rows.owner, np.arange(n_lists + 1))
    says = _Says(rows, identity, golds)
    placed = []
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        here = slice(start, stop)
        counts = np.bincount(how[here], minlength=len(JOINED_BY))
        bad = np.flatnonzero(position[here] < 0)
        placed.append(
            Placed(
                position[here].astype(np.int32),
                rejoined[here],
                mended[here],
                other[here],
                JOINED_BY[len(JOINED_BY) - 1 - int(np.argmax(counts[::-1]))],
                {at: says.why(start + at) for at in bad.tolist()},
            )
        )
    return placed


class _Says:
    """What speaks against documents that are no items, worked out once per document."""

    def __init__(self, rows: Rows, identity: Identity, golds: Golds) -> None:
        self._rows = rows
        self._identity = identity
        self._golds = golds
        self._known: dict[tuple[int, bool], str] = {}
        own = identity.token == identity.leader[rows.entry_place]
        self._prints = leading(
            rows.entry_place[own], rows.entry_print[own], rows.votes[own], len(identity.leader)
        )

    def why(self, row: int) -> str:
        """What the document says, and what its key stands for elsewhere, or what the gold answer is there."""
        entry, conflict = int(self._rows.entry[row]), bool(self._golds.conflict[row])
        if (entry, conflict) not in self._known:
            place = int(self._rows.entry_place[entry])
            found = self._golds.told(row) if conflict else self._unknown(entry, place)
            self._known[entry, conflict] = f"document {self._rows.key(place)}: {found}"
        return self._known[entry, conflict]

    def _unknown(self, entry: int, place: int) -> str:
        token, leader = self._identity.token[entry], self._identity.leader[place]
        found = self._document(int(self._rows.entry_print[entry]))
        if token != NOTHING and leader != token:
            other = self._document(int(self._prints[place]))
            return f"found {found}, most models have {other} under this key; too few saw the one found here"
        if token != NOTHING:
            return f"found {found}: models with too small a share of the records saw it"
        return "too few models saw it, or it cannot be matched by key or content"

    def _document(self, at: int) -> str:
        texts = self._rows.texts
        for name in ("question", "prompt", "hash"):
            told = texts[name][at].as_py() if at >= 0 else None
            if told is not None:
                return f"{name} {told if len(told) <= _SHOWN else told[: _SHOWN - 3] + '...'!r}"
        return "a document without text"


def _item_rows(
    benchmark: str,
    subset: str,
    texts: pa.Table,
    keys: Sequence[str],
    tokens: Sequence[str],
    ordinals: Sequence[int],
    categories: Sequence[str | None],
) -> pa.Table:
    """Rows of the items table. tokens: of `Identity`; ordinals: which repeat of its content an item is."""
    contents = [t[1:] if t[0] == "c" else ids.digest(*_PLAIN[t[0]], t[1:]) for t in tokens]
    item_ids = list(map(ids.item_id, repeat(benchmark), repeat(subset), contents, ordinals))
    columns = {
        "item_id": pa.array(item_ids, pa.string()),
        "subset": pa.repeat(pa.scalar(subset, pa.string()), len(item_ids)),
        "category": pa.array(categories, pa.string()),
        "doc_key": pa.array(keys, pa.string()),
        "question": texts["question"],
        "prompt": texts["prompt"],
        "choices": texts["choices"],
    }
    return pa.table(columns, schema=OWN)


_PLAIN = {"h": ("hash",), "k": ("key",)}
