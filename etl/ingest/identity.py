"""What every document of some lists is: told by its content, else by a hash of it, else by its key alone.

A key tells a document only where nothing else does, and never joins two contents; but a text that was mended
(a typing error, an option that was left out) is still the document that it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.sources.base import DOCS
from routerset.etl.votes import NOTHING, leading
from routerset.schemas import ids

CONTENT, HASH, KEY = 0, 1, 2
"""Places in `JOINED_BY`."""
TEXTS = pa.schema(
    [("print", pa.string()), *(field for field in DOCS if field.name not in ("doc_key", "category"))]
)
"""What documents say, one row per print, in ascending order of prints."""
_SAME_LIST = 0.99  # of the keys; in a list like that, another text under a known key is a mended one
_ALIKE = 0.9  # of the characters


@dataclass(frozen=True)
class DocList:
    """A list of documents that runs were scored on.

    key_space: lists of one key space share document keys. doc_keys, prints: of every document, strings.
    categories: strings, null where the dump tells none.
    """

    key_space: str
    doc_keys: pa.ChunkedArray
    prints: pa.ChunkedArray
    categories: pa.ChunkedArray


@dataclass(frozen=True)
class Rows:
    """Every document of every list as numbers, which stand in the order of what they number.

    spaces, keys, texts: what is numbered; prints are rows of `texts`. owner: list of every row. place: key in
    a key space; its parts are `space_of` and `key_of`. entry: distinct pairs of place and print, of which
    `entry_place` and `entry_print` tell both, and `votes` the models that were scored on them.
    """

    spaces: Sequence[str]
    keys: Sequence[str]
    texts: pa.Table
    owner: np.ndarray
    place: np.ndarray
    print: np.ndarray
    space_of: np.ndarray
    key_of: np.ndarray
    entry: np.ndarray
    entry_place: np.ndarray
    entry_print: np.ndarray
    votes: np.ndarray

    def key(self, place: int | np.integer[Any]) -> str:
        """The key of a place."""
        return self.keys[int(self.key_of[place])]


def number_rows(lists: Sequence[DocList], texts: pa.Table, votes: np.ndarray) -> Rows:
    """Rows of some lists. texts: schema TEXTS. votes: models that were scored on each list."""
    sizes = [len(one.doc_keys) for one in lists]
    spaces = sorted({one.key_space for one in lists})
    keys = pa.chunked_array([chunk for one in lists for chunk in one.doc_keys.chunks], pa.string())
    known = pc.unique(keys).sort()
    key = pc.index_in(keys, known).to_numpy().astype(np.int64)
    prints = pa.chunked_array([chunk for one in lists for chunk in one.prints.chunks], pa.string())
    mark = pc.index_in(prints, texts["print"].combine_chunks()).to_numpy().astype(np.int64)
    space = np.repeat([spaces.index(one.key_space) for one in lists], sizes).astype(np.int64)
    owner = np.repeat(np.arange(len(lists)), sizes)
    places, place = np.unique(space * len(known) + key, return_inverse=True)
    entries, entry = np.unique(place * len(texts) + mark, return_inverse=True)
    return Rows(
        spaces,
        known.to_pylist(),
        texts,
        owner,
        place,
        mark,
        places // max(len(known), 1),
        places % max(len(known), 1),
        entry,
        entries // max(len(texts), 1),
        entries % max(len(texts), 1),
        np.bincount(entry, votes[owner], len(entries)),
    )


@dataclass(frozen=True)
class Identity:
    """What every entry of some rows is.

    tokens: what tells each document: `c` and a hash of its content, `h` and the dump's hash, or `k`, key
    space and key. token: int per entry, or NOTHING where it cannot be told. how: CONTENT, HASH or KEY.
    leader: per place, the token that most models have there, or NOTHING. mended: whether its text is one.
    """

    tokens: Sequence[str]
    token: np.ndarray
    how: np.ndarray
    leader: np.ndarray
    mended: np.ndarray


def identify(rows: Rows, n_lists: int) -> Identity:
    """Tell every entry of some rows."""
    names, how = _tell_prints(rows)
    tokens = sorted({*names} - {""})
    number = {name: at for at, name in enumerate(tokens)}
    of_print = np.array([number.get(name, NOTHING) for name in names], np.int64)
    token, how = of_print[rows.entry_print], how[rows.entry_print]
    hashed = rows.texts["hash"].is_valid().to_numpy()[rows.entry_print]
    n_places = len(rows.key_of)
    told, comparable = np.zeros(n_places, bool), np.zeros(n_places, bool)
    told[rows.entry_place[how == CONTENT]] = True
    comparable[rows.entry_place[(how == CONTENT) & hashed]] = True
    unknown = (how == HASH) & np.array([name.startswith("h") for name in names], bool)[rows.entry_print]
    bare = unknown & (told & ~comparable)[rows.entry_place]  # the texts there have no hash to compare it with
    token, how = np.where(bare, NOTHING, token), np.where(bare, KEY, how)
    leader = leading(rows.entry_place, token, rows.votes, n_places)
    token = np.where(how == KEY, leader[rows.entry_place], token)
    if not tokens:
        return _told_by_key(rows)
    mended = _mended(rows, token, how, leader, n_lists)
    token = np.where(mended, leader[rows.entry_place], token)
    return Identity(tokens, token, how, leader, mended)


def _tell_prints(rows: Rows) -> tuple[list[str], np.ndarray]:
    """The token of every print, empty where it has neither text nor hash, and what told it."""
    columns = (rows.texts[name].to_pylist() for name in ("question", "choices", "prompt"))
    contents = [ids.content_digest(*text) for text in zip(*columns, strict=True)]
    hashes = rows.texts["hash"].to_pylist()
    votes = np.bincount(rows.entry_print, rows.votes, len(contents)).tolist()
    by_hash: dict[str, str] = {}
    for at in sorted(range(len(contents)), key=lambda at: (-votes[at], contents[at] or "")):
        if contents[at] is not None and hashes[at] is not None:
            by_hash.setdefault(hashes[at], f"c{contents[at]}")
    names = [
        f"c{content}" if content is not None else "" if mark is None else by_hash.get(mark, f"h{mark}")
        for content, mark in zip(contents, hashes, strict=True)
    ]
    how = [
        CONTENT if content is not None else KEY if mark is None else HASH
        for content, mark in zip(contents, hashes, strict=True)
    ]
    return names, np.array(how, np.int64)


def _told_by_key(rows: Rows) -> Identity:
    """Documents without any text, told by their keys in the key space that most models used."""
    support = np.bincount(rows.space_of[rows.entry_place], rows.votes, len(rows.spaces))
    best = rows.space_of == int(np.argmax(support)) if len(support) else np.zeros(0, bool)
    names = [f"k{rows.spaces[s]}\x1f{rows.keys[k]}" for s, k in zip(rows.space_of, rows.key_of, strict=True)]
    leader = np.where(best, np.arange(len(best)), NOTHING)
    n = len(rows.entry_place)
    return Identity(names, leader[rows.entry_place], np.full(n, KEY), leader, np.zeros(n, bool))


def _mended(rows: Rows, token: np.ndarray, how: np.ndarray, leader: np.ndarray, n_lists: int) -> np.ndarray:
    """Whether an entry is the document that its key stands for elsewhere, in other words.

    It is where nearly all other keys of a list stand for what they stand for elsewhere, where nobody has its
    text under a key of its own, and where most of the text agrees.
    """
    there = leader[rows.entry_place]
    other = (how == CONTENT) & (token != there) & ~np.isin(token, leader)
    agrees = ((how == CONTENT) & (token == there))[rows.entry]
    n_told = np.bincount(rows.owner, (how == CONTENT)[rows.entry], n_lists)
    share = np.bincount(rows.owner, agrees, n_lists) / np.maximum(n_told, 1)
    best = np.zeros(len(token))
    np.maximum.at(best, rows.entry, share[rows.owner])
    mended = np.zeros(len(token), bool)
    found = np.flatnonzero(other & (best >= _SAME_LIST))
    own = token == there
    prints = leading(rows.entry_place[own], rows.entry_print[own], rows.votes[own], len(leader))
    for entry in found.tolist():
        known = int(prints[rows.entry_place[entry]])
        if known >= 0:
            mended[entry] = _alike(*(_text(rows.texts, at) for at in (int(rows.entry_print[entry]), known)))
    return mended


def _text(texts: pa.Table, at: int) -> tuple[str, Counter[str]]:
    question = texts["question"][at].as_py() or texts["prompt"][at].as_py() or ""
    return ids.normalise_text(question), Counter(
        ids.normalise_text(each or "") for each in texts["choices"][at].as_py() or ()
    )


def _alike(one: tuple[str, Mapping[str, int]], other: tuple[str, Mapping[str, int]]) -> bool:
    """Whether the questions are the same, or nearly so with the same options."""
    (question, options), (known, same) = one, other
    if question == known:
        return True
    return options == same and SequenceMatcher(None, question, known, autojunk=False).ratio() >= _ALIKE
