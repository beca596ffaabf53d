"""Which items ask the same question: by their text, by a long context they share, by nearly all they say.

Three rules join two questions, and families are what they connect (a story with three questions is one):
`text`, the same words and signs whatever the case, white space, sentence punctuation and order of the options
that end it; `context`, CONTEXT words in a row, as of a story; `near`, NEAR of their shingles of SHINGLE words
in common (Broder 1997), if AT_LEAST each has.

What more than SHARED_BY of the items say is an instruction or a template, which makes no questions alike:
shingles of it do not count, and OWN words of a context are in no INSTRUCTION words in a row that many share.
Without that, 250 translations of BIG-bench under one instruction of 130 words chain to families of up to 19,
as the end of the instruction goes on alike, and unlike rows of things join by one list of 18 colours. With
it, each of its 491 families by context is one story, world or table, but for three that begin alike; a world
of 45 words may be missed (19 of 449). A table with 146 questions (its penguins) is past SHARED_BY, and code
that draws the axes of two figures is a context (2 pairs in MATH).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

RULES = ("text", "context", "near")
CONTEXT, INSTRUCTION, OWN, SHINGLE = 50, 20, 20, 5
NEAR, AT_LEAST = 0.9, 20
SHARED_BY = 20
COSINE = 0.999
Families = Mapping[str, Mapping[str, int]]
"""Rule -> `families` of two or more that it alone makes, and the `items` in them."""
_BLOCK, _PAIRS = 256, 1 << 14
_WORD = re.compile("\\w+|[^\\w\\s.,;:!?\"'`\u00b4\u2018\u2019\u201c\u201d\u2026]")
_OPTION = re.compile(r"\s*(?:\([A-Za-z]\)|[A-Z][.)]|\d{1,2} ?[-.)]|[-*])\s+(.*)")
_END = re.compile(r"\s*(?:Answer:)?\s*")  # of a prompt, behind its options


@dataclass(frozen=True)
class Words:
    """Texts as numbers, one after the other: int32 code and int64 item of every word, and n items.

    letters: bool, whether a word is no sign.
    """

    code: np.ndarray
    item: np.ndarray
    letters: np.ndarray
    n: int


def words(text: str) -> list[str]:
    """Words and signs of a text, without case and sentence punctuation; signs such as + and - count."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _in_order(text: str) -> tuple[str, ...]:
    """Words of a question, and of the options that end it in an order of their own; none if none do."""
    lines = text.splitlines()
    while lines and _END.fullmatch(lines[-1]):
        lines.pop()
    options = []
    while lines and (option := _OPTION.fullmatch(lines[-1])):
        options.append(words(option[1]))
        lines.pop()
    if len(options) < 2:
        return ()
    return (*words("\n".join(lines)), *chain.from_iterable([["\n", *option] for option in sorted(options)]))


def family_ids(question_ids: Sequence[str], questions: Sequence[str | None]) -> tuple[list[str], Families]:
    """Family of each item, named by the smallest question id in it, and what each rule joins.

    question_ids: of `ids.question_id`; items with the same one are one family whatever they say.
    """
    n = len(question_ids)
    pairs = joined(questions)
    pairs["text"] = np.concatenate([pairs["text"], _alike(enumerate(question_ids))])
    family = connected(n, pairs)
    smallest = dict[int, str]()
    for at, name in zip(family.tolist(), question_ids, strict=True):
        smallest[at] = min(name, smallest.get(at, name))
    counts = {}
    for rule in RULES:
        sizes = np.bincount(connected(n, {rule: pairs[rule]}), minlength=n)
        counts[rule] = {"families": int((sizes > 1).sum()), "items": int(sizes[sizes > 1].sum())}
    return [smallest[at] for at in family.tolist()], counts


def neighbours(vectors: np.ndarray, families: Sequence[str]) -> dict[str, int]:
    """Groups of items that cosines of COSINE or more connect across families, and the items in them.

    vectors: (items, dimension). They are told and not joined: to an encoder, BIG-bench's boolean expressions
    are all alike.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    exact = vectors / np.where(lengths > 0, lengths, 1)
    unit = exact.astype(np.float32)
    group = np.arange(len(unit))
    for start in range(0, len(unit), _BLOCK):
        a, b = np.nonzero(unit[start : start + _BLOCK] @ unit[start:].T >= COSINE - 1e-5)
        a, b = a[a < b] + start, b[a < b] + start
        for part in range(0, len(a), _PAIRS):
            c, d = a[part : part + _PAIRS], b[part : part + _PAIRS]
            near = (exact[c] * exact[d]).sum(axis=1) >= COSINE  # of single precision, machines differ in this
            group = connected(len(unit), {"": np.stack([group[c[near]], group[d[near]]], axis=1)})[group]
    _, family = np.unique(np.array(families, object), return_inverse=True)
    pairs = np.unique(np.stack([group, family], axis=1), axis=0)
    several = np.bincount(pairs[:, 0], minlength=len(unit)) > 1
    return {"groups": int(several.sum()), "items": int(several[group].sum())}


def joined(texts: Sequence[str | None]) -> dict[str, np.ndarray]:
    """Pairs of items that each rule joins: rule -> int64 (pairs, 2), enough of them to connect every family.

    texts: question of each item; what has none is joined with nothing.
    """
    found = {at: key for at, text in enumerate(texts) if text and (key := tuple(words(text)))}
    ordered = {at: key for at in found if (key := _in_order(texts[at] or ""))}
    text = np.concatenate([_alike(found.items()), _alike(ordered.items())])
    again = set(text[:, 1].tolist())
    numbered = _numbered(texts, [at for at in found if at not in again])
    return {"text": text, "context": _context(numbered), "near": _near(numbered)}


def connected(n: int, pairs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The first item of each item's family: int64 (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = np.concatenate([np.empty((0, 2), np.int64), *pairs.values()]).T
    _, family = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    _, first, inverse = np.unique(family, return_index=True, return_inverse=True)
    found: np.ndarray = first[inverse]
    return found


def _alike(keys: Iterable[tuple[int, Hashable]]) -> np.ndarray:
    """Each item with the first that has its key."""
    first: dict[Hashable, int] = {}
    pairs = [(first.setdefault(key, at), at) for at, key in keys]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)


def _numbered(texts: Sequence[str | None], items: Sequence[int]) -> Words:
    codes: dict[str, int] = {}
    parts = [
        np.array([codes.setdefault(word, len(codes)) for word in words(texts[at] or "")], np.int32)
        for at in items
    ]
    code = np.concatenate([np.empty(0, np.int32), *parts])
    item = np.repeat(np.array(items, np.int64), [len(part) for part in parts])
    letters = np.array([word[0].isalnum() or word[0] == "_" for word in codes], bool)[code]
    return Words(code, item, letters, len(texts))


def _windows(found: Words, width: int, instruction: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Windows of `width` words: place of the first word and number; number and item of who says it, sorted.

    The windows of one number say the same. instruction: bool per word; of a window, OWN words are not it.
    """
    # a random 64-bit number per word; a window is told by a sum of products that no two share by chance
    random = np.random.default_rng(width)
    number = random.integers(1 << 63, size=int(found.code.max(initial=0)) + 1, dtype=np.uint64)[found.code]
    factors = random.integers(1 << 63, size=width, dtype=np.uint64) | np.uint64(1)
    n = max(len(number) - width + 1, 0)
    hashes = np.zeros(n, np.uint64)
    for place, factor in enumerate(factors if n else ()):
        hashes += number[place : place + n] * factor
    inside = found.item[:n] == found.item[width - 1 :]
    if instruction is not None:
        before = np.append(0, np.cumsum(instruction))
        inside &= before[width:] - before[:-width] <= width - OWN if n else True
    at = np.flatnonzero(inside)
    _, window = np.unique(hashes[at], return_inverse=True)
    pairs = np.sort(window * np.int64(found.n) + found.item[at])
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
    return at, window, pairs // max(found.n, 1), pairs % max(found.n, 1)


def _context(found: Words) -> np.ndarray:
    """Neighbours among the items of each context that few enough of them share."""
    found = Words(found.code[found.letters], found.item[found.letters], found.letters, found.n)
    at, window, number, _ = _windows(found, INSTRUCTION)
    many = at[np.bincount(number)[window] > SHARED_BY]
    edges = np.zeros(len(found.code) + 1, np.int64)
    np.add.at(edges, many, 1)
    np.add.at(edges, many + INSTRUCTION, -1)
    _, _, number, item = _windows(found, CONTEXT, np.cumsum(edges[:-1]) > 0)
    same = np.flatnonzero((number[1:] == number[:-1]) & (np.bincount(number)[number[1:]] <= SHARED_BY))
    return np.unique(np.stack([item[same], item[same + 1]], axis=1), axis=0).reshape(-1, 2)


def _near(found: Words) -> np.ndarray:
    """Pairs of items that share most of the shingles that few enough items have."""
    from scipy.sparse import csr_array

    _, _, number, item = _windows(found, SHINGLE)
    few = np.bincount(number)[number] <= SHARED_BY
    number, item = number[few], item[few]
    sizes = np.bincount(item, minlength=found.n)
    shape = (found.n, int(number.max(initial=-1)) + 1)
    has = csr_array((np.ones(len(item), np.int32), (item, number)), shape=shape)
    both = (has @ has.T).tocoo()
    a, b, shared = both.row, both.col, both.data
    long = np.minimum(sizes[a], sizes[b]) >= AT_LEAST
    near = (a < b) & long & (shared >= NEAR * (sizes[a] + sizes[b] - shared))
    return np.stack([a[near], b[near]], axis=1).astype(np.int64)
