"""From cells as a parser found them to blocks of what counts: every value in bounds, every document once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from routerset.etl.sources.base import BAD, DOCS, READ, Block, Columns, Dump, Runs, cost_note
from routerset.etl.sources.quarantine import BadRow, printable, quarantine, quarantine_columns, shown
from routerset.schemas import ids
from routerset.schemas.tables import Reason

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
ABSENT = -1
"""State of a cell that no record stands for."""
MAX_COST = float(np.finfo(np.float32).max)
MAX_TOLD = 3
"""Bad costs of one file and measure that its notes show."""
SLACK = 2.0**-20
"""How far beyond a bound a value may lie and be the bound: rounding, in float32 too, takes it no further."""


Costs: TypeAlias = Mapping[str, np.ndarray]
"""Float32 values per key of `COST_MEASURES`, NaN where none is known."""
NO_COSTS: Costs = MappingProxyType({})


@dataclass(frozen=True)
class Cells:
    """What a parser found in the cells of a file, in arrays of any one shape.

    values: float64, NaN where nothing stands, or no number. state: int32, 0 where `values` says all, k where
    the cell is no number: `texts[k - 1]` stands there, and ABSENT where the file has no such record.
    """

    values: np.ndarray
    state: np.ndarray
    texts: Sequence[str] = ()

    @classmethod
    def of(cls, values: ArrayLike, texts: Mapping[int, str] = MappingProxyType({})) -> Cells:
        """Cells of numbers, one after the other. texts: place -> what stands there that is no number."""
        numbers = np.asarray(values, np.float64)
        if not texts:
            return cls(numbers, np.broadcast_to(np.int32(0), numbers.shape))
        places = list(texts)
        numbers, state = numbers.copy(), np.zeros(numbers.shape, np.int32)
        numbers.flat[places], state.flat[places] = np.nan, np.arange(1, len(places) + 1)
        return cls(numbers, state, tuple(texts.values()))

    @classmethod
    def stack(cls, parts: Sequence[Cells]) -> Cells:
        """The rows of several parts, in order."""
        starts = accumulate((len(part.texts) for part in parts[:-1]), initial=0)
        states = [np.where(p.state > 0, p.state + start, 0) for p, start in zip(parts, starts, strict=True)]
        values = np.concatenate([part.values for part in parts])
        texts = [text for part in parts for text in part.texts]
        return cls(values, np.concatenate(states), texts)

    def take(self, index: np.ndarray | Sequence[int] | tuple[slice, slice]) -> Cells:
        """The cells that a NumPy index picks."""
        return replace(self, values=self.values[index], state=self.state[index])

    def found(self, state: int) -> str | None:
        """What stands in a cell of this state, where that is no number."""
        return self.texts[state - 1] if state > 0 else None


def blocks_of(
    dump: Dump, columns: Columns, runs: Runs, cells: Cells, costs: Costs = NO_COSTS
) -> tuple[list[Block], list[pa.Table]]:
    """Blocks of some runs of a file, and tables of the records that are quarantined.

    columns: documents may be repeated. cells: (runs, columns). costs: as `clean_costs` gives them, of that
    shape, too; those of the record that counts do.
    Rows of one model and timestamp are one run given twice, and so are columns of one key: a repeat of
    the same value is superseded, two different ones are quarantined, a missing one beside a value for itself.
    """
    n_docs = len(columns.doc_keys)
    distinct = len(columns.doc_keys.unique()) == n_docs
    places: dict[tuple[str, str | None], list[int]] = {}
    for at, run in enumerate(zip(runs.models, runs.timestamps, strict=True)):
        places.setdefault(run, []).append(at)
    single = [of_run[0] for of_run in places.values() if len(of_run) == 1 and distinct]
    results = []
    if 0 < len(single) == len(runs.models):
        results.append(_block(dump, columns, runs, cells, costs))
    elif single:
        some = _take(costs, single)
        results.append(_block(dump, columns, runs.take(single), cells.take(single), some))
    lines = runs.rows if runs.rows.ndim == 2 else np.broadcast_to(runs.rows[:, None], cells.values.shape)
    for of_run in places.values():
        if len(of_run) > 1 or not distinct:
            order = np.tile(np.arange(n_docs), len(of_run))
            once = replace(runs.take(of_run[:1]), rows=lines[of_run].reshape(1, -1))
            flat = replace(
                cells, values=cells.values[of_run].reshape(-1), state=cells.state[of_run].reshape(-1)
            )
            line = {name: values[of_run].reshape(-1) for name, values in costs.items()}
            results.append(_settle_repeats(dump, columns.take(order), once, flat, line))
    return [block for block, _ in results], [table for _, table in results]


def clean_costs(
    dump: Dump, benchmark: str, rows: np.ndarray, found: Mapping[str, Cells]
) -> tuple[Costs, Counter[tuple[str, str]]]:
    """Costs of some records, and notes of those that are none: how many, and the first of them.

    rows: where in the file the cells stand. found: cells by key of `COST_MEASURES`, of that shape. A cost is
    a finite number of at least 0; anything else is missing, and never costs the score.
    """
    costs: dict[str, np.ndarray] = {}
    notes: Counter[tuple[str, str]] = Counter()
    for name, cells in found.items():
        good = (cells.values >= 0) & (cells.values <= MAX_COST)
        costs[name] = np.where(good, cells.values, np.nan).astype(np.float32) + np.float32(0.0)
        bad = np.argwhere(~good & ~(np.isnan(cells.values) & (cells.state <= 0)))
        notes[benchmark, cost_note(name, READ)] = int((cells.state != ABSENT).sum())
        notes[benchmark, cost_note(name, BAD)] = len(bad)
        for at in map(tuple, bad[:MAX_TOLD].tolist()):
            text = cells.found(int(cells.state[at]))
            stands = f"{cells.values[at]:g}" if text is None else ascii(text[:40])
            told = f"{dump.file}[row {rows[at]}]: expected a finite number of at least 0, found {stands}"
            notes[benchmark, cost_note(name, printable(told) or "")] += 1
    return costs, +notes


def add_cost_notes(notes: Counter[tuple[str, str]], more: Mapping[tuple[str, str], int]) -> None:
    """Add notes of further records of a file; of values that are no cost, only the first are told."""
    for (benchmark, note), n in more.items():
        _, measure, what = note.split("/", 2)
        if what not in (READ, BAD):
            marks = (cost_note(measure, ""), {cost_note(measure, READ), cost_note(measure, BAD)})
            if sum(known.startswith(marks[0]) and known not in marks[1] for _, known in notes) >= MAX_TOLD:
                continue
        notes[benchmark, note] += n


def _take(costs: Costs, index: np.ndarray | Sequence[int]) -> Costs:
    return {name: values[index] for name, values in costs.items()}


def _block(
    dump: Dump, columns: Columns, runs: Runs, cells: Cells, costs: Costs = NO_COSTS
) -> tuple[Block, pa.Table]:
    """Block of distinct runs and documents, with every cell that is out of bounds quarantined."""
    low, high = columns.bounds
    scaled = cells.values if (low, high) == (0.0, 1.0) else (cells.values - low) / (high - low)
    good = (scaled >= -SLACK) & (scaled <= 1.0 + SLACK)
    kept = np.where(good, np.clip(scaled, 0.0, 1.0), np.nan)
    clean = kept.astype(np.float32) + np.float32(0.0)  # no negative zero
    there = cells.state != ABSENT
    quarantined = _out_of_bounds(dump, columns, runs, cells, ~good & there)
    n_read, n_superseded = there.sum(axis=1, dtype=np.int64), np.zeros(len(clean), np.int64)
    known = {name: np.where(good, values, np.float32(np.nan)) for name, values in costs.items()}
    return Block(columns, runs, clean, n_read, n_superseded, known), quarantined


def _out_of_bounds(dump: Dump, columns: Columns, runs: Runs, cells: Cells, bad: np.ndarray) -> pa.Table:
    """Quarantine of some cells of a block: of no score, or of one out of bounds. bad: bool, of that shape."""
    if not bad.any():
        return quarantine(dump, [])
    low, high = columns.bounds
    run, column = np.nonzero(bad)
    missing = np.isnan(cells.values[run, column]) & (cells.state[run, column] == 0)
    rows = runs.rows[run] if runs.rows.ndim == 1 else runs.rows[run, column]
    told = shown(missing.astype(np.int8))
    last_row = told.several(rows)
    run, column, missing, rows = (of_all[told.places] for of_all in (run, column, missing, rows))
    stands = [cells.found(k) for k in cells.state[run, column].tolist()]
    details = [
        f"document {key}: no score"
        if gone
        else f"document {key}: expected a score in [{low:g}, {high:g}], found "
        + (repr(value) if text is None else ascii(text[:40]))
        + (": write decimals with a point" if text and _DECIMAL_COMMA.fullmatch(text) else "")
        for key, gone, text, value in zip(
            columns.doc_keys.take(pa.array(column)).to_pylist(),
            missing.tolist(),
            stands,
            cells.values[run, column].tolist(),
            strict=True,
        )
    ]
    several = (told.n > 1) & (len(runs.models) > 1)
    return quarantine_columns(
        len(details),
        source=dump.source,
        file=dump.file,
        row=rows,
        model_id=[None if some else runs.models[at] for at, some in zip(run, several, strict=True)],
        benchmark=columns.benchmark,
        reason=np.where(missing, Reason.MISSING_SCORE.value, Reason.SCORE_OUT_OF_RANGE.value),
        detail=[printable(detail) for detail in details],
        excerpt=[printable(text) for text in stands] if cells.texts else None,
        n=told.n,
        last_row=last_row,
    )


def _settle_repeats(
    dump: Dump, columns: Columns, run: Runs, cells: Cells, costs: Costs
) -> tuple[Block, pa.Table]:
    """Block of one run with repeated documents.

    run: rows of shape (1, n). cells, costs: of shape (n,).
    """
    codes = columns.doc_keys.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    gone = np.isnan(cells.values) & (cells.state == 0)
    beaten = gone & np.isin(codes, codes[~gone])  # missing, where another record has something
    if beaten.any():
        lost, rest = np.flatnonzero(beaten), np.flatnonzero(~beaten)
        others = replace(run, rows=run.rows[:, rest])
        block, quarantined = _settle(dump, columns.take(rest), others, cells.take(rest), _take(costs, rest))
        rows = replace(run, rows=run.rows[:, lost])
        missing = _block(dump, columns.take(lost), rows, cells.take(lost[None, :]))[1]
        return replace(block, n_read=block.n_read + len(lost)), pa.concat_tables([quarantined, missing])
    return _settle(dump, columns, run, cells, costs)


def _settle(dump: Dump, columns: Columns, run: Runs, cells: Cells, costs: Costs) -> tuple[Block, pa.Table]:
    """`_settle_repeats` where every document's records are all missing, or none is."""
    values, is_text = cells.values, cells.state > 0
    encoded = columns.doc_keys.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(encoded.dictionary))
    last = np.argsort(codes, kind="stable")[np.cumsum(counts) - 1]
    target = last[codes]
    same = (values == values[target]) | (np.isnan(values) & np.isnan(values[target]))
    clash = np.isin(codes, codes[~same | (is_text != is_text[target])])
    taken = np.sort(last[~clash[last]])
    distinct = replace(run, rows=run.rows[:, taken])
    own = _take(costs, taken[None, :])
    block, quarantined = _block(dump, columns.take(taken), distinct, cells.take(taken[None, :]), own)
    places = np.flatnonzero(clash).tolist()
    clashing = (
        BadRow(
            int(run.rows[0, i]),
            Reason.DUPLICATE_KEY,
            f"document {columns.doc_keys[i]}: {counts[codes[i]]} records with different scores, expected one",
            run.models[0],
            columns.benchmark,
            cells.found(int(cells.state[i])) or f"{values[i]:g}",
        )
        for i in places
    )
    n_superseded = len(codes) - len(taken) - len(places)
    block = replace(block, n_read=np.array([len(codes)]), n_superseded=np.array([n_superseded]))
    return block, pa.concat_tables([quarantined, quarantine(dump, clashing)])


def docs_table(doc_keys: pa.Array, **texts: pa.Array | Sequence[object]) -> pa.Table:
    """Documents (schema DOCS) with the columns that are known; the others are null."""
    given = {"doc_key": doc_keys, **texts}
    nothing = [None] * len(doc_keys)
    return pa.table({name: given.get(name, nothing) for name in DOCS.names}, schema=DOCS)


def prints_of(docs: pa.Table) -> pa.Array:
    """Fingerprints of documents (schema DOCS): of text and gold answer, or of the key where all are null."""
    prints = []
    names = [name for name in DOCS.names if name not in ("hash", "category")]
    for key, *content in zip(*(docs[name].to_pylist() for name in names), strict=True):
        known = any(part is not None for part in content)
        prints.append(ids.digest("content", repr(content)) if known else ids.digest("key", key))
    return pa.array(prints, pa.string())
