"""Reads anyone's router as a file of predictions, in CSV or Parquet, and refuses a file with any fault.

One row per test item, with columns
  item_id                        an item of the test split
  benchmark, m, kind             the cell; a column may be left out where only one value is possible
and then one of
  model                          the chosen candidate
  model, probability             one row per item and candidate; candidates left out have probability 0
  model, score                   one row per item and candidate, none left out: what it is estimated to score
  one column per candidate       named by its model id, holding probabilities (one cell per file)
  one column per candidate       named score:MODEL_ID, holding estimated scores (likewise)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import DataError, InputError, UsageError
from .files import open_regular
from .items import load_items
from .metrics import SUM_TOLERANCE
from .prediction_files import CELL_COLUMNS, Rows, Texts, is_text, read_columns
from .reader import Group, Release
from .task import Cell, Floats, Task

VALUES = ("probability", "score")
SCORE = "score:"
"""What the name of a column of estimated scores starts with; no probability can be taken for one."""
SHOWN, KEPT = 20, 1000
"""Faults that a message shows, and that an error keeps of each kind and cell; it counts all."""
NUMBER = r"^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?$"


@dataclass(frozen=True)
class Problem:
    """A fault; `row` counts from 1 after the header, None where it is a row that is missing."""

    row: int | None
    reason: str

    def __str__(self) -> str:
        return self.reason if self.row is None else f"row {self.row}: {self.reason}"


class PredictionError(DataError):
    """The file has faults; `problems` lists them by row, the first `KEPT` of each kind and cell."""

    def __init__(self, path: Path, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.row is None, p.row or 0)))
        total = total or len(problems)
        lines = [f"{path}: {total} problem(s), nothing was scored (row 1 follows the header)"]
        lines += [f"  {p}" for p in self.problems[:SHOWN]]
        if total > SHOWN:
            lines.append(f"  and {total - SHOWN} more")
        super().__init__("\n".join(lines))


@dataclass
class _Faults:
    """Faults as they are found: all are counted, the first of each kind and cell are kept."""

    problems: list[Problem] = field(default_factory=list)
    total: int = 0

    def add(self, places: npt.NDArray[np.generic], tell: Callable[[int], Problem]) -> None:
        """A fault at each of these places, which `tell` puts into words."""
        self.total += len(places)
        self.problems += [tell(int(place)) for place in places[:KEPT]]


@dataclass(frozen=True, eq=False)
class PredictedRouter:
    """A router that answers from a file.

    predictions: cell -> (n_test, m), rows sum to 1. test_items: benchmark -> items of these rows.
    """

    predictions: dict[Cell, npt.NDArray[np.float64]]
    test_items: dict[str, tuple[str, ...]]
    has_probabilities: bool
    uses_vectors: bool = False

    def covers(self, group: Group) -> bool:
        """Whether the file answers for this group."""
        return any(
            cell[:4] == (group.benchmark, group.m, group.kind, group.method) for cell in self.predictions
        )

    def fit(self, task: Task) -> None:
        """Nothing to learn."""

    def predict_proba(self, task: Task) -> Floats:
        """The file's probabilities, or all mass on the chosen candidate, for the items of the task."""
        places = {item: place for place, item in enumerate(self.test_items[task.benchmark])}
        return self.predictions[task.cell][[places[item] for item in task.test_items]]


@dataclass(frozen=True, eq=False)
class ScoresRouter(PredictedRouter):
    """The same with estimated scores: predictions hold any finite numbers, and the highest is chosen."""

    def predict_scores(self, task: Task) -> Floats:
        """The file's scores, for the items of the task."""
        return super().predict_proba(task)

    def predict_proba(self, task: Task) -> Floats:
        """All mass on the candidate with the highest score, in equal parts where several have it."""
        scores = self.predict_scores(task)
        best = scores == scores.max(axis=1, keepdims=True)
        return np.asarray(best / best.sum(axis=1, keepdims=True))


def commitment(path: Path) -> str:
    """sha256 of the file's bytes: publish it before scoring, and anyone can check the file later."""
    try:
        with open_regular(path) as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: unreadable ({error})") from error


def read_predictions(
    path: Path,
    release: Release,
    *,
    method: str | None = None,
    scheme: str | None = None,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> PredictedRouter:
    """A router from a file; `benchmarks` and `sizes` narrow the cells that rows without them can mean.

    method, scheme: as for `evaluate`.

    Raises PredictionError for NaN, unknown, missing or repeated items, unknown models, probabilities
    outside [0, 1] or not summing to 1, missing or infinite scores; UsageError for wrong columns; InputError
    for an unreadable file.
    """
    table = read_columns(path)
    method, scheme = release.setting(method, scheme)
    groups = [
        g
        for g in release.groups
        if g.method == method
        and (benchmarks is None or g.benchmark in benchmarks)
        and (sizes is None or g.m in sizes)
    ]
    faults = _Faults()
    predictions: dict[Cell, npt.NDArray[np.float64]] = {}
    extra = [c for c in table.column_names if c not in ("item_id", *CELL_COLUMNS)]
    wide = "model" not in extra
    value = next((c for c in VALUES if c in extra), None)
    repeated = len(set(table.column_names)) < len(table.column_names)
    index = _index_of_pandas(extra)
    if (
        repeated
        or index
        or "item_id" not in table.column_names
        or not (wide or set(extra) <= {"model", value})
    ):
        raise UsageError(
            f"{path}: columns {', '.join(table.column_names)}; expected, each once, item_id, where needed "
            f"{', '.join(CELL_COLUMNS)}, and model, or model and probability or score, or one column per "
            f"candidate, its name after {SCORE!r} where it holds scores{index}"
        )
    known = {model for g in groups for model in g.candidates}
    scores = value == "score" or (bool(extra) and all(c.startswith(SCORE) and c not in known for c in extra))
    texts = {c: Texts.of(table[c]) for c in ("item_id", "model", *CELL_COLUMNS) if c in table.column_names}
    table = table.select([c for c in table.column_names if c not in texts])
    test_ids: dict[str, tuple[str, ...]] = {}
    for group, rows in _cells(texts, len(texts["item_id"].codes), groups, faults):
        if group.benchmark not in test_ids:
            test_ids[group.benchmark] = (
                load_items(release, group.benchmark, [], None, scheme).parts["test"].item_ids
            )
        answers = _Answers(group, test_ids[group.benchmark], rows, table, texts, faults, scores)
        cell = (group.benchmark, group.m, group.kind, method, scheme)
        predictions[cell] = answers.wide(extra, path) if wide else answers.long(value)
    if not predictions and not faults.total:
        faults.add(np.zeros(1), lambda _: Problem(None, "the file has no rows"))
    if faults.total:
        raise PredictionError(path, faults.problems, faults.total)
    if scores:
        return ScoresRouter(predictions, test_ids, has_probabilities=False)
    return PredictedRouter(predictions, test_ids, wide or value is not None)


def _index_of_pandas(columns: Sequence[str]) -> str:
    """What to do about a column that pandas wrote unasked; nothing where there is none."""
    found = [c for c in columns if not c or re.fullmatch(r"Unnamed: \d+|__index_level_\d+__|index", c)]
    return f"; {found[0]!r} looks like the index of pandas: write with index=False" if found else ""


def _cells(
    texts: Mapping[str, Texts], n_rows: int, groups: Sequence[Group], faults: _Faults
) -> Iterator[tuple[Group, Rows]]:
    """Rows of each group, in the order of the release; rows that mean no group, or several, are problems."""
    given = [c for c in CELL_COLUMNS if c in texts]
    everywhere, key = slice(None), np.zeros(n_rows, np.int32)
    for column in given:
        known = list(dict.fromkeys(str(getattr(g, column)) for g in groups))
        found = texts[column].positions(everywhere, known)
        key = np.where((found < 0) | (key < 0), -1, key * (len(known) + 1) + found).astype(np.int32)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-2))
    parts = np.split(order, starts[1:]) if n_rows else []
    if len(parts) and key[parts[0][0]] < 0:  # one of its texts is in no group: each is told once
        codes = pa.table({c: texts[c].codes[parts[0]] for c in given}).append_column(
            "row", pa.array(parts[0])
        )
        firsts = codes.group_by(given).aggregate([("row", "min")])["row_min"].to_numpy()
        parts[:1] = [np.array([row]) for row in np.sort(firsts)[:KEPT]]
        faults.total += max(0, len(firsts) - KEPT)
    cells: list[tuple[int, Group, Rows]] = []
    for rows in parts:
        said = {c: texts[c][rows[0]] for c in given}
        fits = [i for i, g in enumerate(groups) if all(str(getattr(g, c)) == v for c, v in said.items())]
        if len(fits) == 1:
            cells.append((fits[0], groups[fits[0]], rows))
            continue
        absent = ", ".join(c for c in CELL_COLUMNS if c not in given)
        reason = f"fits {len(fits)} groups; add the column {absent}" if fits else "fits no group"
        for c, value in said.items() if not fits else ():
            there = list(dict.fromkeys(str(getattr(g, c)) for g in groups))
            if value not in there:
                reason += f"; {c}: expected one of {', '.join(there[:SHOWN])}"
        told = ", ".join(f"{c}={v}" for c, v in said.items()) or "no cell columns"
        faults.problems.append(Problem(int(rows[0]) + 1, f"{told} {reason}"))
        faults.total += 1
    for _, group, rows in sorted(cells, key=lambda cell: cell[0]):
        yield group, rows


@dataclass(frozen=True, eq=False)
class _Answers:
    """The rows of one cell: `rows` are their numbers in the file, from 0. What is wrong goes to `faults`.

    scores: whether the numbers are estimated scores, and no probabilities.
    """

    group: Group
    test_ids: Sequence[str]
    rows: Rows
    table: pa.Table
    texts: Mapping[str, Texts]
    faults: _Faults
    scores: bool

    def _where(self) -> str:
        return f"{self.group.benchmark} m={self.group.m} {self.group.kind}"

    def _add(self, bad: npt.NDArray[np.bool_], tell: Callable[[int], str]) -> None:
        """A fault in each of these rows of the cell; `tell` says which one."""
        self.faults.add(
            np.flatnonzero(bad), lambda i: Problem(int(self.rows[i]) + 1, f"{tell(i)} ({self._where()})")
        )

    def _index(self, column: str, known: Sequence[str], reason: str) -> Rows:
        """Positions in `known`, -1 where a value is not in it."""
        texts = self.texts[column]
        index = texts.positions(self.rows, known)
        self._add(index < 0, lambda i: f"{reason} {texts[self.rows[i]]!r:.200}")
        return index

    def _numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column of numbers; what is not one, or no probability, is reported and counts as NaN."""
        raw = self.table[column].take(pa.array(self.rows)).combine_chunks()
        numbers = raw
        if is_text(raw.type):
            numbers = pc.utf8_trim_whitespace(raw.cast(pa.string()))
            is_number = pc.fill_null(pc.match_substring_regex(numbers, NUMBER), False)
            numbers = pc.if_else(is_number, numbers, None)
        values = numbers.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        bad = ~np.isfinite(values) if self.scores else ~((values >= 0) & (values <= 1))
        wanted = "a finite number" if self.scores else "a number in [0, 1]"
        self._add(bad, lambda i: f"{column}: expected {wanted}, found {raw[i].as_py()!r:.200}")
        return np.asarray(np.where(bad, np.nan, values))

    def _items(self) -> Rows:
        return self._index("item_id", self.test_ids, "not a test item:")

    def long(self, column: str | None) -> npt.NDArray[np.float64]:
        """(n_test, m) from the column model and, perhaps, one of numbers."""
        items = self._items()
        models = self._index("model", self.group.candidates, "not a candidate:")
        values = self._numbers(column) if column else np.ones(len(items))
        known = (items >= 0) & (models >= 0)
        self._repeated(items * self.group.m + models if column else items, known)
        matrix = np.zeros((len(self.test_ids), self.group.m))
        matrix[items[known], models[known]] = values[known]
        if self.scores:
            told = np.zeros(matrix.shape, bool)
            told[items[known], models[known]] = True
            self._unscored(told, items)
        return self._complete(matrix, items, sums=bool(known.all()) and not self.scores)

    def wide(self, columns: Sequence[str], path: Path) -> npt.NDArray[np.float64]:
        """(n_test, m) from one column per candidate."""
        start = SCORE if self.scores else ""
        expected = [start + candidate for candidate in self.group.candidates]
        if set(columns) != set(expected):
            wrong = sorted(set(columns) ^ set(expected))
            raise UsageError(
                f"{path}: columns {', '.join(columns)}; expected model, or one column for each candidate of "
                f"{self._where()}; missing or not a candidate: {', '.join(wrong)}"
            )
        items = self._items()
        known = items >= 0
        self._repeated(items, known)
        matrix = np.zeros((len(self.test_ids), self.group.m))
        for rank, column in enumerate(expected):
            matrix[items[known], rank] = self._numbers(column)[known]
        return self._complete(matrix, items, sums=not self.scores)

    def _unscored(self, told: npt.NDArray[np.bool_], items: Rows) -> None:
        """Reports candidates without a score of an item that has one of others. told: (n_test, m)."""
        m, row_of = self.group.m, self._first_rows(items)
        absent = np.flatnonzero(told.any(axis=1, keepdims=True) & ~told)
        self.faults.add(
            absent,
            lambda i: Problem(
                int(row_of[i // m]) + 1,
                f"no score of candidate {self.group.candidates[i % m]!r} for item {self.test_ids[i // m]!r} "
                f"({self._where()})",
            ),
        )

    def _repeated(self, key: Rows, known: npt.NDArray[np.bool_]) -> None:
        places = np.flatnonzero(known)
        _, first, which = np.unique(key[places], return_index=True, return_inverse=True)
        earlier = np.arange(len(key))
        earlier[places] = places[first[which]]
        self._add(
            earlier < np.arange(len(key)),
            lambda i: f"item {self.texts['item_id'][self.rows[i]]!r} repeats row {self.rows[earlier[i]] + 1}",
        )

    def _first_rows(self, items: Rows) -> Rows:
        """The first row of each test item, -1 where it has none."""
        row_of = np.full(len(self.test_ids) + 1, -1)
        row_of[items[::-1]] = self.rows[::-1]  # so that the first row of an item stays; -1 falls on the end
        return row_of[:-1]

    def _complete(self, matrix: npt.NDArray[np.float64], items: Rows, sums: bool) -> npt.NDArray[np.float64]:
        """The matrix, once items without a row and, with `sums`, rows that do not sum to 1 are reported."""
        row_of = self._first_rows(items)
        present = row_of >= 0
        where, ids, totals = self._where(), self.test_ids, matrix.sum(axis=1)
        self.faults.add(
            np.flatnonzero(~present), lambda i: Problem(None, f"no row for test item {ids[i]!r} ({where})")
        )
        wrong = present & (np.abs(totals - 1) > SUM_TOLERANCE) & sums
        self.faults.add(
            np.flatnonzero(wrong),
            lambda i: Problem(
                int(row_of[i]) + 1,
                f"probabilities of item {ids[i]!r} sum to {totals[i]:.6g}, expected 1 ({where})",
            ),
        )
        return matrix
