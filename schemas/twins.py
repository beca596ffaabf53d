"""Twins: models whose scores are the same wherever both have one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from routerset.schemas.matrix import ScoreMatrix, missing

TWINS = ("one", "all")
"""What a config may say of twins in groups: one of each set, or all of them, is to choose from."""
SHARED = 100
"""Items that twins have in common, at least."""
_SEED = 0
_WORD = 64


def row_digest(scores: np.ndarray) -> bytes:
    """Hash of one model's scores; the same for 0 and -0."""
    return blake2b((scores + scores.dtype.type(0)).tobytes(), digest_size=16).digest()


def one_of_each(
    matrix: ScoreMatrix, named: Collection[str] = (), among: np.ndarray | None = None
) -> np.ndarray:
    """Rows of a score matrix, ascending, without those that equal another one on SHARED items or more.

    Of equal rows that of a `named` model stays, such as one that stands for twins, of those the first.
    among: rows that there are, ascending, None for all.
    """
    rows = np.arange(len(matrix.models)) if among is None else among
    if matrix.scores.shape[1] < SHARED:
        return rows
    first: dict[bytes, int] = {}
    wanted = frozenset(named)
    for row in sorted(rows.tolist(), key=lambda row: (matrix.models[row] not in wanted, row)):
        first.setdefault(row_digest(matrix.scores[row]), row)
    return np.array(sorted(first.values()), np.int64)


def standing_for_twins(models: Path) -> tuple[str, ...]:
    """The models that stand for others, by a file of table `models`."""
    named = pq.read_table(models, columns=["twin_of"])["twin_of"].unique().drop_null()
    return tuple(sorted(named.to_pylist()))


def twin_of(found: Iterable[ScoreMatrix]) -> dict[str, str]:
    """The model that stands for each twin, by the twin.

    found: scores of one benchmark each, with gaps; only one is held at a time. Models are looked at in the
    order of their numbers of scores, most first, then bytewise by id: a model is the twin of the first one
    before it that is no twin itself, and has the same scores on all items that both have, SHARED or more.
    So who stands for a twin is its equal, though two twins of one model, each with gaps, may differ.
    """
    packed = _Packed.of(found)
    stands = np.zeros(len(packed.names), bool)
    twins: dict[str, str] = {}
    like: dict[bytes, int] = {}
    for place, name in enumerate(packed.names):
        if packed.n_items[:, place].sum() < SHARED:
            break  # as all that follow
        whole = blake2b(
            np.stack([packed.bits[:, place], packed.known[:, place]]).tobytes(), digest_size=16
        ).digest()
        if whole in like:
            twins[name] = packed.names[like[whole]]
            continue
        equal = packed.first_equal(place, np.flatnonzero(stands[:place]))
        stands[place] = equal is None
        like[whole] = place if equal is None else equal
        if equal is not None:
            twins[name] = packed.names[equal]
    return twins


@dataclass(frozen=True, eq=False)
class _Packed:
    """Scores of all benchmarks in words of 64 bits.

    names: models, in the order of `twin_of`. bits, known: (words, models) scores, and where there are any; a
    score is one bit, or the 32 of a float. n_items: (benchmarks, models) scores. widths: bits per score and
    place of the first word of each benchmark. order: words, as they are looked at.
    """

    names: list[str]
    bits: np.ndarray
    known: np.ndarray
    n_items: np.ndarray
    widths: list[tuple[int, int]]
    order: np.ndarray

    @classmethod
    def of(cls, found: Iterable[ScoreMatrix]) -> _Packed:
        parts = [(matrix.models, matrix.coverage, *_pack(matrix.scores)) for matrix in found]
        total: dict[str, int] = {}
        for models, coverage, *_ in parts:
            for model, n in zip(models, coverage.tolist(), strict=True):
                total[model] = total.get(model, 0) + n
        names = sorted(total, key=lambda model: (-total[model], model.encode()))
        column = {name: place for place, name in enumerate(names)}
        n_words = sum(bits.shape[1] for *_, bits, _ in parts)
        shape = (n_words, len(names))
        packed = cls(
            names,
            np.zeros(shape, np.uint64),
            np.zeros(shape, np.uint64),
            np.zeros((len(parts), len(names)), np.int64),
            [],
            np.random.default_rng(_SEED).permutation(n_words),
        )
        start = 0
        for number, (models, coverage, width, bits, known) in enumerate(parts):
            columns = np.array([column[model] for model in models], np.int64)
            packed.widths.append((width, start))
            packed.bits[start : start + bits.shape[1], columns] = bits.T
            packed.known[start : start + bits.shape[1], columns] = known.T
            packed.n_items[number, columns] = coverage
            start += bits.shape[1]
        return packed

    def first_equal(self, place: int, others: np.ndarray) -> int | None:
        """The first of some models that is the equal of one, or None."""
        most = np.minimum(self.n_items[:, others], self.n_items[:, [place]]).sum(axis=0)
        others = others[most >= SHARED]
        mine = self.order[self.known[self.order, place] != 0]
        start, step = 0, 1
        while start < len(mine) and len(others):
            # most others differ within the first few words
            words = mine[start : start + step]
            at = np.ix_(words, others)
            apart = (self.bits[at] ^ self.bits[words, place, None]) & self.known[at]
            apart &= self.known[words, place, None]
            others = others[~apart.any(axis=0)]
            start, step = start + step, 2 * step
        enough = others[self._shared(place, others) >= SHARED]
        return int(enough[0]) if len(enough) else None

    def _shared(self, place: int, others: np.ndarray) -> np.ndarray:
        """Number of items that one model and each of some others have scores on."""
        total = np.zeros(len(others), np.int64)
        ends = [start for _, start in self.widths[1:]] + [len(self.known)]
        for (width, start), end in zip(self.widths, ends, strict=True):
            both = self.known[start:end, others] & self.known[start:end, place, None]
            total += np.bitwise_count(both).sum(axis=0, dtype=np.int64) // width
        return total


def _pack(scores: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Bits per score, scores in words, and where there are any. scores: (models, items)."""
    known = ~missing(scores)
    if scores.dtype == np.uint8:
        return 1, _words(np.packbits(known & (scores == 1), axis=1)), _words(np.packbits(known, axis=1))
    numbers = np.where(known, scores + np.float32(0), np.float32(0))
    mask = known * np.uint32(0xFFFFFFFF)
    return 32, _words(numbers.view(np.uint8)), _words(mask.astype(np.uint32).view(np.uint8))


def _words(rows: np.ndarray) -> np.ndarray:
    """Rows of bytes as rows of words, padded with zeros."""
    words = np.zeros((len(rows), -(-rows.shape[1] * 8 // _WORD)), np.uint64)
    words.view(np.uint8)[:, : rows.shape[1]] = rows
    return words
