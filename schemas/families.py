"""Which items ask the same question: by their text, by a long context they share, by nearly all they say.

Three rules join two questions, and families are what they connect (a story with three questions is one):
`text`, the same words and signs whatever the case, white space and sentence punctuation; `context`, CONTEXT
words in a row, as of a story, that at most SHARED_BY of the items share, since what more share is an
instruction; `near`, NEAR of their shingles of SHINGLE words in common (Broder 1997), if AT_LEAST each has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

RULES = ("text", "context", "near")
CONTEXT, SHINGLE = 50, 5
NEAR, AT_LEAST = 0.9, 20
SHARED_BY = 20
_WORD = re.compile("\\w+|[^\\w\\s.,;:!?\"'`\u00b4\u2018\u2019\u201c\u201d\u2026]")


def words(text: str) -> list[str]:
    """Words and signs of a text, without case and sentence punctuation; signs such as + and - count."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def joined(texts: Sequence[str | None]) -> dict[str, np.ndarray]:
    """Pairs of items that each rule joins: rule -> int64 (pairs, 2), enough of them to connect every family.

    texts: question of each item; what has none is joined with nothing.
    """
    said = [words(text) if text else [] for text in texts]
    whole = {tuple(one): at for at, one in reversed(list(enumerate(said))) if one}
    text = [(whole[tuple(one)], at) for at, one in enumerate(said) if one and whole[tuple(one)] != at]
    pairs = {"text": np.array(text, np.int64).reshape(-1, 2)}
    distinct = np.array(sorted(whole.values()), np.int64)
    plain = [
        [word for word in one if word.isalnum()] for one in said
    ]  # letters of options count, brackets not
    pairs["context"] = _chained(*_windows(plain, distinct, CONTEXT))
    pairs["near"] = _near(*_windows(said, distinct, SHINGLE), len(texts))
    return pairs


def connected(n: int, pairs: dict[str, np.ndarray]) -> np.ndarray:
    """The first item of each item's family: int64 (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = np.concatenate([np.empty((0, 2), np.int64), *pairs.values()]).T
    _, family = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    _, first, inverse = np.unique(family, return_index=True, return_inverse=True)
    found: np.ndarray = first[inverse]
    return found


def _windows(said: Sequence[Sequence[str]], items: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Different windows of `width` words of some items: item and hash of each, sorted by hash, then item."""
    lengths = np.array([len(one) for one in said], np.int64)
    names, codes = np.unique([word for one in said for word in one] or [""], return_inverse=True)
    # a random 64-bit number per word; a window is told by a sum of products that no two share by chance
    numbers = np.random.default_rng(0).integers(1 << 63, size=len(names), dtype=np.uint64)[codes]
    ends = np.cumsum(lengths)
    factors = np.random.default_rng(width).integers(1 << 63, size=width, dtype=np.uint64) | np.uint64(1)
    n = len(numbers) - width + 1
    hashes = np.zeros(max(n, 0), np.uint64)
    for place, factor in enumerate(factors if n > 0 else ()):
        hashes += numbers[place : place + n] * factor
    of = np.repeat(np.arange(len(lengths)), lengths)[: len(hashes)]
    inside = (np.arange(len(hashes)) + width <= ends[of]) & np.isin(of, items)
    order = np.lexsort((of[inside], hashes[inside]))
    item, value = of[inside][order], hashes[inside][order]
    new = np.append(True, (np.diff(item) != 0) | (value[1:] != value[:-1]))[: len(item)]
    return item[new], value[new]


def _chained(item: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Neighbours among the items of each window that few enough of them share."""
    count = np.unique(value, return_counts=True)[1]
    few = np.repeat(count, count) <= SHARED_BY
    same = np.append(value[1:] == value[:-1], False)[: len(value)] & few
    at = np.flatnonzero(same)
    return (
        np.unique(np.stack([item[at], item[at + 1]], axis=1), axis=0)
        if len(at)
        else np.empty((0, 2), np.int64)
    )


def _near(item: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    """Pairs of items that share most of their shingles, of those that share a rare one."""
    from scipy.sparse import csr_array

    if not len(item):
        return np.empty((0, 2), np.int64)
    _, column, count = np.unique(value, return_inverse=True, return_counts=True)
    rare = (count[column] > 1) & (count[column] <= SHARED_BY)
    sizes = np.bincount(item, minlength=n)
    shape = (n, len(count))
    has = csr_array((np.ones(len(item), np.int32), (item, column)), shape=shape)
    few = csr_array((np.ones(rare.sum(), np.int32), (item[rare], column[rare])), shape=shape)
    candidates = (few @ few.T).tocoo()
    a, b, shared = candidates.row, candidates.col, candidates.data
    # rare shingles alone bound what two items have in common: the others are counted for the promising pairs
    common = (count > SHARED_BY)[column]
    rest = np.bincount(item[common], minlength=n)
    bound = shared + np.minimum(rest[a], rest[b])
    long = np.minimum(sizes[a], sizes[b]) >= AT_LEAST
    promising = (a < b) & long & (bound >= NEAR * (sizes[a] + sizes[b] - bound))
    a, b = a[promising], b[promising]
    both = np.asarray(has[a].multiply(has[b]).sum(axis=1)).ravel()
    near = both >= NEAR * (sizes[a] + sizes[b] - both)
    return np.stack([a[near], b[near]], axis=1).astype(np.int64)
