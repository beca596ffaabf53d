"""Lists of tokens in columns of Parquet files: how long they are, never what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from routerset.etl.sources.blocks import Cells

_LIST = r"^\s*\[[\s\[\],\d-]*\]\s*$"
_NOTHING = ("", "None", "null", "nan")


class Lengths(NamedTuple):
    """Tokens in the lists of n rows.

    longest: float64, of the longest list in a row. total: of all lists in a row. Both are NaN where there is
    none: an empty list is what a harness writes that was told no tokens. texts: what stands there that is no
    list, by row.
    """

    longest: np.ndarray
    total: np.ndarray
    texts: Mapping[int, str]

    @classmethod
    def concat(cls, parts: Sequence[Lengths]) -> Lengths:
        """The rows of several parts, in order."""
        starts = np.cumsum([0, *(len(part.total) for part in parts)]).tolist()
        texts = {
            start + at: text
            for part, start in zip(parts, starts, strict=False)
            for at, text in part.texts.items()
        }
        columns = [np.concatenate([np.empty(0), *(part[at] for part in parts)]) for at in (0, 1)]
        return cls(columns[0], columns[1], texts)

    def cells(self, which: np.ndarray) -> Cells:
        """As what a parser found: `which` is one of the two arrays."""
        return Cells.of(which, self.texts)


def holds_tokens(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold lists of tokens: numbers in lists, or text that spells them."""
    if pt.is_dictionary(kind):
        return holds_tokens(kind.value_type)
    if pt.is_string(kind) or pt.is_large_string(kind):
        return True
    inner = kind.value_type if _is_list(kind) else None
    if inner is None or pt.is_integer(inner) or pt.is_floating(inner):
        return inner is not None
    return _is_list(inner) and holds_tokens(inner)


def lengths_of(column: pa.Array) -> Lengths:
    """How many tokens stand in the rows of a column that `holds_tokens`.

    A row is a list of tokens, or a list of such: one per request, or per answer.
    """
    if pt.is_dictionary(column.type):
        known = lengths_of(column.dictionary)
        at = column.indices.to_numpy(zero_copy_only=False)
        there = ~np.isnan(at)
        places = np.where(there, at, 0).astype(np.int64)
        texts = {
            row: known.texts[p] for row, p in enumerate(places.tolist()) if there[row] and p in known.texts
        }
        longest, total = (
            np.where(there, of[places], np.nan) if len(of) else np.full(len(at), np.nan) for of in known[:2]
        )
        return Lengths(longest, total, texts)
    if _is_list(column.type):
        longest, total = _in_lists(column)
        return Lengths(_known(longest), _known(total), {})
    return _in_text(column)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind))


def _in_lists(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Longest list and sum of all lists in every row, 0 where there is none."""
    if not _is_list(column.type.value_type):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.float64)
        return lengths, lengths
    return _by_row(_in_lists(column.flatten())[1], pc.list_parent_indices(column).to_numpy(), len(column))


def _by_row(lengths: np.ndarray, rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Greatest and sum of the lengths in each of `n` rows. rows: of the lengths, ascending."""
    longest = np.zeros(n)
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    if len(starts):
        longest[rows[starts]] = np.maximum.reduceat(lengths, starts)
    return longest, np.bincount(rows, lengths, n)


def _in_text(column: pa.Array) -> Lengths:
    """Lists that are spelled as Python or JSON does."""
    column = pc.utf8_trim_whitespace(column)
    good = pc.fill_null(pc.match_substring_regex(column, _LIST), False)
    nothing = pc.or_(column.is_null(), pc.is_in(column, pa.array(_NOTHING, column.type)))
    lists = pc.split_pattern_regex(pc.if_else(good, column, ""), r"\]\s*,")
    counts = pc.count_substring_regex(lists.flatten(), r"\d+").to_numpy().astype(np.float64)
    longest, total = _by_row(counts, pc.list_parent_indices(lists).to_numpy(), len(column))
    odd = np.flatnonzero(pc.invert(pc.or_(good, nothing)).to_numpy(zero_copy_only=False))
    return Lengths(_known(longest), _known(total), {at: column[at].as_py() for at in odd.tolist()})


def _known(lengths: np.ndarray) -> np.ndarray:
    return np.where(lengths > 0, lengths, np.nan)
