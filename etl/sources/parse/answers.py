"""Answers of one run as records, for formats that gather them from several places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.blocks import Cells
from routerset.etl.sources.parse.long_table import TEXTS
from routerset.etl.sources.parse.records import Records, cells_of, text_column
from routerset.etl.sources.quarantine import BadRow, batched
from routerset.schemas.tables import COST_MEASURES

MAX_ANSWERS = 1 << 18  # of one run; the largest benchmark has 14,042 items
MAX_TEXT = 1 << 27  # characters of its different texts
_NAMED = ("model", "timestamp", "doc_key", "subset", *TEXTS)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. row: of it in the file. texts: by columns of `long`. score: NaN where there is none, and
    `said` stands there. costs: values as found, by key of `COST_MEASURES`.
    """

    row: int
    texts: Mapping[str, str | None]
    score: float
    said: str | None
    costs: Mapping[str, object]


class Texts:
    """Texts of many answers, each kept once. Raises DumpUnreadable where they do not fit the memory."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._left = MAX_TEXT

    def keep(self, text: str | None) -> str | None:
        """The text itself."""
        if text is None:
            return None
        known = self._known.setdefault(text, text)
        if known is text:
            self._left -= len(text)
        if self._left < 0:
            raise DumpUnreadable(f"found more than {MAX_TEXT} characters of texts: split the dump")
        return known


def records_of(
    answers: Sequence[Answer], model: str, timestamp: str | None, bad: Sequence[BadRow] = ()
) -> Iterator[Records]:
    """Answers of one run as records. bad: what was met among them and is none."""
    measured = [name for name in COST_MEASURES if any(each.costs.get(name) is not None for each in answers)]
    for piece in batched(answers):
        told = [{"model": model, "timestamp": timestamp, **each.texts} for each in piece]
        said = {at: each.said for at, each in enumerate(piece) if each.said is not None}
        cells = {name: cells_of([each.costs.get(name) for each in piece]) for name in measured}
        yield Records(
            np.array([each.row for each in piece], np.int64),
            {name: text_column([each.get(name) for each in told]) for name in _NAMED},
            cells | {"score": Cells.of([each.score for each in piece], said)},
        )
    if bad:
        yield Records(np.empty(0, np.int64), {}, {"score": Cells.of(np.empty(0))}, bad)
