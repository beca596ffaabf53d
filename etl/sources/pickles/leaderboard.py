"""What a RouterEval score pickle holds: the models, and one matrix of scores per task.

Unverified, for want of a real file: that ifeval's `correctness_prompt` is the strict prompt-level accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec, SpecError
from routerset.etl.sources.names import resolve_task
from routerset.etl.sources.pickles.arrays import Array, describe, load_plain, transposed
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
class Task:
    """Scores of one subset: an array (models, items), on disk or in memory."""

    name: str
    benchmark: str
    subset: str
    scores: Array


def load_scores(dump: Dump) -> tuple[list[PlainData], Content]:
    """Names of the models, as they stand there, and the entries of all tasks."""
    content = load_plain(dump.path, dump.file)
    if not isinstance(content, dict) or not {"model", "data"} <= content.keys():
        raise DumpUnreadable(f"expected a dict with 'model' and 'data', found {describe(content)}")
    models, data = content["model"], content["data"]
    if isinstance(models, np.ndarray | ArrayRef) and len(models.shape) == 1:
        models = (models.load() if isinstance(models, ArrayRef) else models).tolist()
    if not isinstance(models, list | tuple) or not models:
        raise DumpUnreadable(f"expected a list of names under 'model', found {describe(models)}")
    if not isinstance(data, dict):
        raise DumpUnreadable(f"expected a dict of tasks under 'data', found {describe(data)}")
    return [*models], data


def read_tasks(
    names: Sequence[PlainData], data: Content, spec: SourceSpec
) -> tuple[list[Task], list[BadRow]]:
    """The tasks that can be read, their arrays turned to (models, items), and one row for each other."""
    found: dict[tuple[str, str], tuple[PlainKey, Array]] = {}
    refused: list[tuple[PlainKey, str | None, _Refused]] = []
    for name, entry in data.items():
        target = resolve_task(name, spec) if isinstance(name, str) else None
        try:
            if target is None:
                raise _Refused(Reason.UNKNOWN_TASK, "expected one of the registry, or of tasks in the config")
            if "{" in target[1]:
                raise SpecError(f"tasks: {name!r} = {'/'.join(target)!r}: a pickle has no field to fill in")
            if target in found:
                raise _Refused(Reason.DUPLICATE_KEY, f"another task holds {'/'.join(target)} already")
            found[target] = name, _array(entry, spec)
        except _Refused as error:
            refused.append((name, target and target[0], error))
    tasks = []
    shapes = [array.shape for _, array in found.values()]
    for (benchmark, subset), (name, array) in found.items():
        try:
            first = _model_axis(array.shape, len(names), shapes) == 0
            tasks.append(Task(str(name), benchmark, subset, array if first else transposed(array)))
        except _Refused as error:
            refused.append((name, benchmark, error))
    bad = [
        BadRow(
            None,
            error.reason,
            f"task {name!r:.80}: {error}; found {describe(data[name])}; it counts as one record",
            None,
            benchmark,
        )
        for name, benchmark, error in refused
    ]
    return tasks, bad


def _model_axis(shape: tuple[int, ...], n_models: int, others: Sequence[tuple[int, ...]]) -> int:
    """Which axis of a matrix is that of the models; the file's other matrices decide for a square one."""
    if shape == (n_models, n_models):
        axes = {other.index(n_models) for other in others if n_models in other and other != shape}
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


def _array(entry: PlainData, spec: SourceSpec) -> Array:
    """The matrix of scores in a task's entry."""
    names = (spec.metric,) if spec.metric else METRICS
    value = entry
    while isinstance(value, dict):
        name = next((name for name in names if name in value), None)
        if name is None:
            raise _Refused(Reason.MISSING_METRIC, f"expected {' or '.join(map(repr, names))}")
        value = value[name]
    if value is entry or not isinstance(value, np.ndarray | ArrayRef):
        raise _Refused(Reason.MALFORMED_ROW, "expected a dict with an array of scores")
    if value.dtype.kind not in "biuf" or len(value.shape) != 2 or 0 in value.shape:
        raise _Refused(Reason.MALFORMED_ROW, f"expected a matrix of numbers in it, not {describe(value)}")
    return value
