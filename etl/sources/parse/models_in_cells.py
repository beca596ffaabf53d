"""Cells that hold the scores of all models at once: lists beside a list of names, and mappings by name.

Lists and mappings are Arrow's, JSON's, or spelled as Python shows them. Nothing in a text is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.parse.frames import Frame, Place
from routerset.etl.sources.parse.item_major_layout import cells_of_scores
from routerset.etl.sources.parse.jsonlines import as_text, holds_too_much
from routerset.etl.sources.parse.records import (
    Records,
    as_cells,
    as_texts,
    cells_of,
    printable_text,
    values_at,
)
from routerset.etl.sources.parse.tabular import Rows, values_of
from routerset.etl.sources.quarantine import EXCERPT, BadRow
from routerset.schemas.tables import Reason

MAX_TEXT = 1 << 24  # characters of one list or mapping
ROWS = 1 << 12  # at a time
_STRING = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
_VALUE = rf"{_STRING}|[^\s,'\"\[\]{{}}:][^,'\"\[\]{{}}:]*+"
_ELEMENT = re.compile(rf"\s*+({_VALUE})\s*+(,|\Z)", re.DOTALL)
_PAIR = re.compile(rf"\s*+({_STRING})\s*+:\s*+({_VALUE})\s*+(,|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\n": ""}

Pairs: TypeAlias = list[tuple[str | None, object]]


@dataclass(frozen=True)
class Nested:
    """Where such cells stand. model: of lists of names; None for mappings. costs: by key of `COST_MEASURES`.

    fields: path to `score` or a cost inside of a mapping's values.
    """

    texts: Mapping[str, Place]
    model: Place | None
    score: Place
    costs: Mapping[str, Place]
    fields: Mapping[str, str]


def nested_records(frame: Frame, nested: Nested) -> Iterator[Records]:
    """A record per row and model. A row whose lists are of several lengths is one bad row."""
    places = [nested.score, *nested.costs.values(), *([nested.model] if nested.model else [])]
    for rows in frame.read([*nested.texts.values(), *places], (), ROWS * len(frame.header)):
        for start in range(0, max(1, len(rows.numbers)), ROWS):
            part = Rows(
                rows.numbers[start : start + ROWS],
                tuple(column.slice(start, ROWS) for column in rows.texts),
                (),
                () if start else rows.bad,
            )
            n = len(nested.texts)
            texts = dict(zip(nested.texts, part.texts[:n], strict=True))
            score, *others = part.texts[n:]
            costs = dict(zip(nested.costs, others, strict=False))
            if nested.model is None:
                yield _of_mappings(part, texts, score, costs, nested.fields)
            else:
                yield _of_lists(part, texts, others[-1], score, costs)


def _of_lists(
    rows: Rows,
    texts: Mapping[str, pa.Array],
    models: pa.Array,
    score: pa.Array,
    costs: Mapping[str, pa.Array],
) -> Records:
    columns = {"model": models, "score": score, **costs}
    flat = {name: _flat(column) for name, column in columns.items()}
    lengths = np.stack([lengths for lengths, _ in flat.values()])
    good = (lengths == lengths[0]).all(axis=0) & (lengths[0] > 0)
    bad = list(rows.bad)
    for at in np.flatnonzero(~good).tolist():
        found = ", ".join(
            f"{name}: {'no list' if n < 0 else n}" for name, n in zip(columns, lengths[:, at], strict=True)
        )
        detail = f"expected lists of one length, found {found}: the row counts as one record"
        reason = Reason.MALFORMED_ROW if (lengths[:, at] > 0).any() else Reason.MISSING_SCORE
        bad.append(BadRow(int(rows.numbers[at]), reason, detail))
    kept = {
        name: column.filter(pa.array(np.repeat(good, np.maximum(lengths, 0))))
        for (name, (lengths, column)) in flat.items()
    }
    of_row = np.repeat(np.flatnonzero(good), lengths[0][good])
    cells = {name: as_cells(column) for name, column in kept.items() if name in costs}
    return _records(rows, texts, of_row, as_texts(kept["model"]), _scores(kept["score"]), cells, bad)


def _scores(column: pa.Array) -> Cells:
    found = cells_of_scores([column], len(column))
    return replace(found, values=found.values[:, 0], state=found.state[:, 0])


def _flat(column: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Lengths of the lists in a column, -1 where none stands, and all their elements."""
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
        return lengths.astype(np.int64), pc.list_flatten(column)
    lists = [list_of(value) for value in values_of(column)]
    flat = [each for found in lists for each in found or ()]
    spelled = [None if each is None else printable_text(as_text(each) or "a deep nest") for each in flat]
    return np.array([-1 if found is None else len(found) for found in lists], np.int64), pa.array(
        spelled, pa.string()
    )


def _of_mappings(
    rows: Rows,
    texts: Mapping[str, pa.Array],
    score: pa.Array,
    costs: Mapping[str, pa.Array],
    fields: Mapping[str, str],
) -> Records:
    names: list[str | None] = []
    found: list[object] = []
    lengths, bad = [], list(rows.bad)
    beside: dict[str, list[object]] = {name: [] for name in costs}
    others = {name: [dict(pairs_of(cell) or ()) for cell in values_of(of)] for name, of in costs.items()}
    for at, cell in enumerate(values_of(score)):
        pairs = pairs_of(cell)
        if not pairs:
            shown = "nothing" if cell is None else ascii(str(cell)[:40])
            detail = f"expected scores by model, found {shown}: the row counts as one record"
            excerpt = None if cell is None else str(cell)[:EXCERPT]
            reason = Reason.MALFORMED_ROW if cell is not None and pairs is None else Reason.MISSING_SCORE
            bad.append(BadRow(int(rows.numbers[at]), reason, detail, excerpt=excerpt))
        lengths.append(len(pairs or ()))
        for model, value in pairs or ():
            names.append(model)
            found.append(value)
            for name, of in beside.items():
                of.append(others[name][at].get(model))
    own = {name: path for name, path in fields.items() if name != "score" and name not in costs}
    cells = {
        name: cells_of(values_at(of, fields[name].split(".")) if name in fields else of)
        for name, of in beside.items()
    }
    cells |= {name: cells_of(values_at(found, path.split("."))) for name, path in own.items()}
    if "score" in fields:
        found = values_at(found, fields["score"].split("."))
    model = as_texts(pa.array([name and printable_text(name) for name in names], pa.string()))
    of_row = np.repeat(np.arange(len(lengths)), lengths)
    return _records(rows, texts, of_row, model, cells_of(found), cells, bad)


def _records(
    rows: Rows,
    texts: Mapping[str, pa.Array],
    of_row: np.ndarray,
    model: pa.DictionaryArray,
    score: Cells,
    costs: Mapping[str, Cells],
    bad: Sequence[BadRow],
) -> Records:
    at = pa.array(of_row)
    each = {name: as_texts(column).take(at) for name, column in texts.items()}
    return Records(rows.numbers[of_row], {"model": model, **each}, {"score": score, **costs}, bad)


# --- cells ------------------------------------------------------------------------------------------


def pairs_of(cell: object) -> Pairs | None:
    """Names and values of a mapping, also spelled in JSON or as Python shows it; None where it is none."""
    found = cell if isinstance(cell, Mapping) else _json_of(cell, "{")
    if isinstance(found, Mapping):
        return [(None if name is None else str(name), value) for name, value in found.items()]
    if isinstance(found, list):  # Arrow's map
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in found):
            return None
        return [(None if pair[0] is None else str(pair[0]), pair[1]) for pair in found]
    shown = _shown(cell, "{", "}", _PAIR)
    return None if shown is None else [(str(_plain(each[1])), _plain(each[2])) for each in shown]


def list_of(cell: object) -> list[object] | None:
    """A list, also spelled in JSON or as Python shows it; None where it is none."""
    found = _json_of(cell, "[")
    if isinstance(found, list):
        return found
    shown = _shown(cell, "[", "]", _ELEMENT)
    return None if shown is None else [_plain(each[1]) for each in shown]


def _json_of(cell: object, opening: str) -> object:
    """What a text spells in JSON, if it starts like that; a list as it is."""
    text = _text_of(cell, opening)
    if text is None:
        return cell if isinstance(cell, list) else None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _text_of(cell: object, opening: str) -> str | None:
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "backslashreplace")
    if not isinstance(cell, str) or len(cell) > MAX_TEXT or not cell.lstrip().startswith(opening):
        return None
    return None if holds_too_much(cell.encode("utf-8", "replace")) else cell.strip()


def _shown(cell: object, opening: str, closing: str, part: re.Pattern[str]) -> list[re.Match[str]] | None:
    """The parts of a flat list or mapping as Python shows it; None where it is none."""
    text = _text_of(cell, opening)
    if text is None or not text.endswith(closing):
        return None
    inside, found, at = text[1:-1].strip(), [], 0
    while at < len(inside):
        match = part.match(inside, at)
        if match is None:
            return None
        found.append(match)
        at = match.end()
    return found


def _plain(shown: str) -> object:
    """What Python shows so: a string without its quotes, None, or what else stands there as text."""
    if shown[0] in "'\"":
        return _ESCAPE.sub(_unescaped, shown[1:-1])
    return None if shown.strip() == "None" else shown.strip()


def _unescaped(mark: re.Match[str]) -> str:
    what = mark[1]
    if len(what) > 1:
        code = int(what[1:], 16)
        return chr(code) if code < 0x110000 else "?"
    return _ESCAPED.get(what, what)
