"""What a score pickle of RouterEval, CARROT or tinyBenchmarks holds: models, and a matrix of scores per task.

Unverified, for want of a real file: that ifeval's `correctness_prompt` is the strict prompt-level accuracy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

import numpy as np

from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec, SpecError
from routerset.etl.sources.names import resolve_task
from routerset.etl.sources.pickles.arrays import Array, describe, load_plain, rows_of, transposed
from routerset.etl.sources.pickles.reader import ArrayRef, PlainData, PlainKey
from routerset.etl.sources.quarantine import BadRow
from routerset.schemas.tables import Reason

METRICS = ("correctness", "correctness_prompt")

Content: TypeAlias = "dict[PlainKey, PlainData]"


class _Refused(ValueError):
    """A task's entry cannot be read; the message says what was found and what was expected."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """What a file has of one task.

    names: of the models, as they stand there; None where there are none. by_model: whether the value is a
    dict of an entry for each of them. of_one: whether it is such an entry.
    """

    task: PlainKey
    names: Sequence[PlainData] | None
    value: PlainData
    by_model: bool = False
    of_one: bool = False


@dataclass(frozen=True)
class Task:
    """Scores of one subset: an array (models, items), on disk or in memory."""

    name: str
    benchmark: str
    subset: str
    names: Sequence[PlainData]
    scores: Array


def load_scores(dump: Dump) -> tuple[list[Entry], bool]:
    """The entries of all tasks, and whether the file is one of RouterEval's own.

    Others are tinyBenchmarks' `{'data': {task: entry}, 'models': [names]}`, CARROT's
    `{task: {'correctness': array, 'models': [names]}}`, and what both are made of,
    `{model: {task: {'correctness': array of one dimension}}}`.
    """
    content = load_plain(dump.path, dump.file)
    if isinstance(content, dict) and "data" in content and content.keys() & {"model", "models"}:
        key = "model" if "model" in content else "models"
        names, data = _names(content[key]), content["data"]
        if names is None:
            raise DumpUnreadable(f"expected a list of names under {key!r}, found {describe(content[key])}")
        if not isinstance(data, dict):
            raise DumpUnreadable(f"expected a dict of tasks under 'data', found {describe(data)}")
        return [Entry(task, names, value) for task, value in data.items()], key == "model"
    entries = content.values() if isinstance(content, dict) else ()
    if isinstance(content, dict) and any(isinstance(each, dict) and "models" in each for each in entries):
        named = [(task, each["models"] if _has_models(each) else None) for task, each in content.items()]
        return [Entry(task, _names(models), content[task]) for task, models in named], False
    if isinstance(content, dict) and entries and all(map(_is_tasks, entries)):
        return _by_task(content), False
    raise DumpUnreadable(f"expected a dict with 'model' and 'data', found {describe(content)}")


def _has_models(entry: PlainData) -> TypeGuard[Content]:
    return isinstance(entry, dict) and "models" in entry


def _is_tasks(value: PlainData) -> TypeGuard[Content]:
    return isinstance(value, dict) and all(isinstance(entry, dict) for entry in value.values())


def _names(models: PlainData) -> list[PlainData] | None:
    """Names of models in a list or an array; None where there are none."""
    if isinstance(models, np.ndarray | ArrayRef) and len(models.shape) == 1:
        models = (models.load() if isinstance(models, ArrayRef) else models).tolist()
    return [*models] if isinstance(models, list | tuple) and models else None


def _by_task(content: Content) -> list[Entry]:
    """Entries of a file with a dict of tasks per model."""
    rows: dict[PlainKey, dict[PlainKey, Content]] = {}
    for model, tasks in content.items():
        if _is_tasks(tasks):
            for task, entry in tasks.items():
                if isinstance(entry, dict):
                    rows.setdefault(task, {})[model] = entry
    return [Entry(task, list(of_models), dict(of_models), True) for task, of_models in rows.items()]


def read_tasks(entries: Sequence[Entry], spec: SourceSpec) -> tuple[list[Task], list[BadRow]]:
    """The tasks that can be read, their arrays turned to (models, items), and one row for each other."""
    found: dict[tuple[str, str], tuple[Entry, Array]] = {}
    refused: list[tuple[Entry, str | None, _Refused]] = []
    for entry in entries:
        target = resolve_task(entry.task, spec) if isinstance(entry.task, str) else None
        try:
            if target is None:
                raise _Refused(Reason.UNKNOWN_TASK, "expected one of the registry, or of tasks in the config")
            if "{" in target[1]:
                raise SpecError(
                    f"tasks: {entry.task!r} = {'/'.join(target)!r}: a pickle has no field to fill in"
                )
            if target in found:
                raise _Refused(Reason.DUPLICATE_KEY, f"another task holds {'/'.join(target)} already")
            if entry.names is None:
                raise _Refused(Reason.MALFORMED_ROW, "expected a list of names under 'models'")
            if entry.by_model:
                kept, lost = _stacked(entry, spec)
                refused += [(each, target[0], error) for each, error in lost]
                found[target] = kept, _array(kept.value, spec)
            else:
                found[target] = entry, _array(entry.value, spec)
        except _Refused as error:
            refused.append((entry, target and target[0], error))
    tasks = []
    shapes = [(array.shape, len(entry.names or ())) for entry, array in found.values()]
    for (benchmark, subset), (entry, array) in found.items():
        names = entry.names or ()
        try:
            first = entry.by_model or _model_axis(array.shape, len(names), shapes) == 0
            scores = array if first else transposed(array)
            tasks.append(Task(str(entry.task), benchmark, subset, names, scores))
        except _Refused as error:
            refused.append((entry, benchmark, error))
    bad = [
        BadRow(
            None,
            error.reason,
            f"{_place(entry)}: {error}; found {describe(entry.value)}; it counts as one record",
            None,
            benchmark,
        )
        for entry, benchmark, error in refused
    ]
    return tasks, bad


def _place(entry: Entry) -> str:
    of = f" of model {entry.names[0]!r:.80}" if entry.of_one and entry.names else ""
    return f"task {entry.task!r:.80}{of}"


def _model_axis(shape: tuple[int, ...], n_models: int, others: Sequence[tuple[tuple[int, ...], int]]) -> int:
    """Which axis of a matrix is that of the models; the file's other matrices decide for a square one."""
    if shape == (n_models, n_models):
        axes = {other.index(n) for other, n in others if n in other and other != (n, n)}
        if len(axes) == 1:
            return axes.pop()
        raise _Refused(
            Reason.MALFORMED_ROW, "as many items as models: whether its rows are items cannot be told"
        )
    if n_models not in shape:
        raise _Refused(
            Reason.MALFORMED_ROW, f"expected scores of shape (items, {n_models}), one column per model"
        )
    return shape.index(n_models)


def _stacked(entry: Entry, spec: SourceSpec) -> tuple[Entry, list[tuple[Entry, _Refused]]]:
    """One matrix of the rows of all models, and the models whose row is none or has another length.

    A task has as many items as most of its models have: a row of another length is of other items.
    """
    rows: dict[PlainKey, np.ndarray] = {}
    lost: list[tuple[Entry, _Refused]] = []
    known: set[int] = set()
    for model, of_model in entry.value.items() if isinstance(entry.value, dict) else ():
        try:
            rows[model] = _row(of_model, spec, known)
        except _Refused as error:
            lost.append((Entry(entry.task, [model], of_model, of_one=True), error))
    lengths = Counter(len(row) for row in rows.values())
    if not lengths:
        raise _Refused(Reason.MALFORMED_ROW, f"expected scores of {len(entry.names or ())} models")
    n_items = max(lengths, key=lambda length: (lengths[length], length))
    for model, row in rows.items():
        if len(row) != n_items:
            other = _Refused(Reason.MALFORMED_ROW, f"expected {n_items} scores, as most models have")
            lost.append((Entry(entry.task, [model], {METRICS[0]: row}, of_one=True), other))
    good = {model: row for model, row in rows.items() if len(row) == n_items}
    name = spec.metric or METRICS[0]
    return Entry(entry.task, list(good), {name: np.stack(list(good.values()))}, True), lost


def _row(entry: PlainData, spec: SourceSpec, known: set[int]) -> np.ndarray:
    """Scores of one model. known: places of arrays on disk; each is of one model."""
    value = _metric(entry, spec)
    if isinstance(value, list) and all(isinstance(score, int | float | np.number | None) for score in value):
        value = np.array(value, np.float64)
    if not isinstance(value, np.ndarray | ArrayRef) or value.dtype.kind not in "biuf":
        raise _Refused(Reason.MALFORMED_ROW, "expected an array of scores")
    if len(value.shape) != 1 or 0 in value.shape:
        raise _Refused(Reason.MALFORMED_ROW, "expected scores in one dimension, one per item")
    if isinstance(value, ArrayRef):
        if value.offset in known:
            raise _Refused(Reason.MALFORMED_ROW, "expected its own scores, not those of another model")
        known.add(value.offset)
        value = rows_of(value, 0, value.shape[0])
    return value.astype(np.float64)


def _metric(entry: PlainData, spec: SourceSpec) -> PlainData:
    """What stands under the metric that counts in a task's entry."""
    names = (spec.metric,) if spec.metric else METRICS
    value = entry
    while isinstance(value, dict):
        name = next((name for name in names if name in value), None)
        if name is None:
            raise _Refused(Reason.MISSING_METRIC, f"expected {' or '.join(map(repr, names))}")
        value = value[name]
    if value is entry:
        raise _Refused(Reason.MALFORMED_ROW, "expected a dict with an array of scores")
    return value


def _array(entry: PlainData, spec: SourceSpec) -> Array:
    """The matrix of scores in a task's entry."""
    value = _metric(entry, spec)
    if not isinstance(value, np.ndarray | ArrayRef):
        raise _Refused(Reason.MALFORMED_ROW, "expected a dict with an array of scores")
    if value.dtype.kind not in "biuf" or len(value.shape) != 2 or 0 in value.shape:
        raise _Refused(Reason.MALFORMED_ROW, f"expected a matrix of numbers in it, not {describe(value)}")
    return value
