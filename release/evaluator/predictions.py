"""Reads anyone's router as a file of predictions, in CSV or Parquet, and refuses a file with any fault.

One row per test item, with columns
  item_id                        an item of the test split
  benchmark, m, kind             the cell; a column may be left out where only one value is possible
and then one of
  model                          the chosen candidate
  model, probability             one row per item and candidate; candidates left out have probability 0
  one column per candidate       named by its model id, holding probabilities (one cell per file)
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .errors import DataError, InputError, UsageError
from .items import load_items
from .metrics import SUM_TOLERANCE
from .reader import Group, Release
from .task import Cell, Floats, Task

CELL_COLUMNS = ("benchmark", "m", "kind")
SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """A fault; `row` counts from 1 after the header, None where it is a row that is missing."""

    row: int | None
    reason: str

    def __str__(self) -> str:
        return self.reason if self.row is None else f"row {self.row}: {self.reason}"


class PredictionError(DataError):
    """The file has faults; `problems` lists all of them, by row."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.row is None, p.row or 0)))
        lines = [f"{path}: {len(self.problems)} problem(s), nothing was scored (row 1 follows the header)"]
        lines += [f"  {p}" for p in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, eq=False)
class PredictedRouter:
    """A router that answers from a file.

    predictions: cell -> (n_test, m), rows sum to 1. test_items: benchmark -> items of these rows.
    """

    predictions: dict[Cell, npt.NDArray[np.float64]]
    test_items: dict[str, list[str]]
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


def commitment(path: Path) -> str:
    """sha256 of the file's bytes: publish it before scoring, and anyone can check the file later."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: unreadable ({error})") from error


def read_predictions(
    path: Path,
    release: Release,
    *,
    method: str = "paper",
    scheme: str = "paper",
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
) -> PredictedRouter:
    """A router from a file; `benchmarks` and `sizes` narrow the cells that rows without them can mean.

    Raises PredictionError for NaN, unknown, missing or repeated items, unknown models, probabilities
    outside [0, 1] or not summing to 1; UsageError for wrong columns; InputError for an unreadable file.
    """
    table = _read(path)
    groups = [
        g
        for g in release.groups
        if g.method == method
        and (benchmarks is None or g.benchmark in benchmarks)
        and (sizes is None or g.m in sizes)
    ]
    problems: list[Problem] = []
    predictions: dict[Cell, npt.NDArray[np.float64]] = {}
    extra = [c for c in table.column_names if c not in ("item_id", *CELL_COLUMNS)]
    wide = "model" not in extra
    repeated = len(set(table.column_names)) < len(table.column_names)
    if (
        repeated
        or "item_id" not in table.column_names
        or not (wide or set(extra) <= {"model", "probability"})
    ):
        raise UsageError(
            f"{path}: columns {', '.join(table.column_names)}; expected, each once, item_id, where needed "
            f"{', '.join(CELL_COLUMNS)}, and model, or model and probability, or one column per candidate"
        )
    test_ids: dict[str, list[str]] = {}
    for group, rows in _cells(table, groups, problems):
        if group.benchmark not in test_ids:
            test_ids[group.benchmark] = (
                load_items(release, group.benchmark, [], None, scheme).parts["test"].item_ids
            )
        part = table.take(pa.array(rows))
        answers = _Answers(group, test_ids[group.benchmark], rows, part, problems)
        cell = (group.benchmark, group.m, group.kind, method, scheme)
        predictions[cell] = answers.wide(extra, path) if wide else answers.long("probability" in extra)
    if not predictions and not problems:
        problems.append(Problem(None, "the file has no rows"))
    if problems:
        raise PredictionError(path, problems)
    return PredictedRouter(predictions, test_ids, wide or "probability" in extra)


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        if path.suffix != ".csv":
            raise UsageError(f"{path}: expected a file named *.csv or *.parquet")
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
        types = dict.fromkeys(header, pa.string())
        return pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types=types))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise InputError(f"{path}: unreadable ({error})") from error


def _cells(
    table: pa.Table, groups: Sequence[Group], problems: list[Problem]
) -> Iterator[tuple[Group, npt.NDArray[np.int64]]]:
    """Rows of each group, in the order of the release; rows that mean no group, or several, are problems."""
    given = [c for c in CELL_COLUMNS if c in table.column_names]
    keys = list(zip(*([str(v) for v in table[c].to_pylist()] for c in given), strict=True))
    rows: dict[tuple[str, ...], list[int]] = {(): list(range(len(table)))} if not given and len(table) else {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    found: list[tuple[Group, npt.NDArray[np.int64]]] = []
    for key, members in rows.items():
        fits = [g for g in groups if all(str(getattr(g, c)) == v for c, v in zip(given, key, strict=True))]
        if len(fits) == 1:
            found.append((fits[0], np.array(members)))
            continue
        said = ", ".join(f"{c}={v}" for c, v in zip(given, key, strict=True)) or "no cell columns"
        absent = [c for c in CELL_COLUMNS if c not in given]
        reason = f"fits {len(fits)} groups; add the column {', '.join(absent)}" if fits else "fits no group"
        problems.append(Problem(members[0] + 1, f"{said} {reason}"))
    yield from sorted(found, key=lambda pair: groups.index(pair[0]))


@dataclass(frozen=True, eq=False)
class _Answers:
    """The rows of one cell; `rows` are their numbers in the file, from 0. Faults go to `problems`."""

    group: Group
    test_ids: list[str]
    rows: npt.NDArray[np.int64]
    table: pa.Table
    problems: list[Problem]

    def _where(self) -> str:
        return f"{self.group.benchmark} m={self.group.m} {self.group.kind}"

    def _add(self, row: int | None, reason: str) -> None:
        number = None if row is None else int(self.rows[row]) + 1
        self.problems.append(Problem(number, f"{reason} ({self._where()})"))

    def _report(self, bad: npt.NDArray[np.bool_], reason: str, values: Sequence[object]) -> None:
        for i in np.flatnonzero(bad).tolist():
            self._add(i, f"{reason} {values[i]!r}")

    def _index(self, column: str, known: Sequence[str], reason: str) -> npt.NDArray[np.int64]:
        """Positions in `known`, -1 where a value is not in it."""
        values = self.table[column].cast(pa.string())
        index = pc.fill_null(pc.index_in(values, pa.array(known, pa.string())), -1).to_numpy()
        self._report(index < 0, reason, values.to_pylist())
        return np.asarray(index, np.int64)

    def _numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column of probabilities; what is not a number in [0, 1] is reported and counts as NaN."""
        raw = self.table[column].to_pylist()
        values = np.full(len(raw), np.nan)
        for i, value in enumerate(raw):
            try:
                values[i] = float(value)
            except (TypeError, ValueError):
                continue
        self._report(~((values >= 0) & (values <= 1)), f"{column}: expected a number in [0, 1], found", raw)
        return values

    def _items(self) -> npt.NDArray[np.int64]:
        return self._index("item_id", self.test_ids, "not a test item:")

    def long(self, with_probability: bool) -> npt.NDArray[np.float64]:
        """(n_test, m) from the columns model and, perhaps, probability."""
        items = self._items()
        models = self._index("model", self.group.candidates, "not a candidate:")
        values = self._numbers("probability") if with_probability else np.ones(len(items))
        key = items * self.group.m + models if with_probability else items
        self._repeated(key, (items >= 0) & (models >= 0))
        matrix = np.zeros((len(self.test_ids), self.group.m))
        known = (items >= 0) & (models >= 0)
        matrix[items[known], models[known]] = values[known]
        return self._complete(matrix, items, sums=bool(known.all()))

    def wide(self, columns: Sequence[str], path: Path) -> npt.NDArray[np.float64]:
        """(n_test, m) from one column per candidate."""
        if set(columns) != set(self.group.candidates):
            wrong = sorted(set(columns) ^ set(self.group.candidates))
            raise UsageError(
                f"{path}: columns {', '.join(columns)}; expected model, or one column for each candidate of "
                f"{self._where()}; missing or not a candidate: {', '.join(wrong)}"
            )
        items = self._items()
        self._repeated(items, items >= 0)
        values = np.stack([self._numbers(c) for c in self.group.candidates], axis=1)
        matrix = np.zeros((len(self.test_ids), self.group.m))
        matrix[items[items >= 0]] = values[items >= 0]
        return self._complete(matrix, items, sums=True)

    def _repeated(self, key: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> None:
        first: dict[int, int] = {}
        for i in np.flatnonzero(known).tolist():
            earlier = first.setdefault(int(key[i]), i)
            if earlier != i:
                item = self.table["item_id"][i].as_py()
                self._add(i, f"item {item!r} repeats row {self.rows[earlier] + 1}")

    def _complete(
        self, matrix: npt.NDArray[np.float64], items: npt.NDArray[np.int64], sums: bool
    ) -> npt.NDArray[np.float64]:
        """The matrix, once items without a row and, with `sums`, rows that do not sum to 1 are reported."""
        present = np.isin(np.arange(len(self.test_ids)), items)
        for item in np.flatnonzero(~present):
            self._add(None, f"no row for test item {self.test_ids[item]!r}")
        totals = matrix.sum(axis=1)
        for item in np.flatnonzero(present & (np.abs(totals - 1) > SUM_TOLERANCE)) if sums else ():
            row = int(np.flatnonzero(items == item)[0])
            self._add(
                row, f"probabilities of item {self.test_ids[item]!r} sum to {totals[item]:.6g}, expected 1"
            )
        return matrix
