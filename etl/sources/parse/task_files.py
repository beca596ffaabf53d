"""Files that hold one run of one model on one task: what their names say, by the config and the registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from routerset.etl.sources.base import Dump, Listed, Reading, Settings, SourceSpec
from routerset.etl.sources.names import (
    iso_timestamp,
    metric_names,
    no_model,
    resolve_model,
    resolve_task,
    task_of,
)
from routerset.etl.sources.parse.results_json import RunFacts, read_facts
from routerset.etl.sources.quarantine import BadRow, printable, quarantine_columns, shown
from routerset.schemas import ids
from routerset.schemas.tables import Reason

RESULTS_UNREADABLE = "results_file_unreadable"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
"""A field of each document in a subset."""
_SHOTS = re.compile(r"\|(\d{1,4})(?:\|\d+)?$")


@dataclass(frozen=True)
class TaskFile:
    """A dump of one task.

    subset: may hold `{field}`, a field of each document. metrics: names of the metric, the best first.
    filters: answer filters in the harness's own order; the first one counts. settings: how the LLM was asked.
    notes: what to report of it, as in `Reading`.
    """

    dump: Dump
    spec: SourceSpec
    task: str
    model: str
    timestamp: str | None
    benchmark: str
    subset: str
    metrics: tuple[str, ...]
    filters: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    notes: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest score."""
        return self.spec.registry[self.benchmark].range

    def bad(self, row: int | None, reason: Reason, detail: str, excerpt: str | None = None) -> BadRow:
        """A record of this file that cannot count."""
        return BadRow(row, reason, detail, self.model, self.benchmark, excerpt)


def identify(
    dump: Dump, spec: SourceSpec, task: str, model_name: str, time: str | None, facts: RunFacts | None = None
) -> TaskFile | BadRow:
    """What the names of a file stand for, or why none of its records can count.

    model_name: as the name of a file or folder spells it; the results file beside it comes first, and a
    rename of the config before both. facts: by default those of the results file.
    """
    facts = read_facts(dump) if facts is None else facts
    if model_name in spec.models:  # a rename of the folder is meant, whatever lies in it
        facts = replace(facts, model=None, revision=None)
    name = facts.model or model_name
    model = resolve_model(name, spec, facts.revision)
    target = target_of(task, spec)
    if target is None:
        return BadRow(None, Reason.UNKNOWN_TASK, unknown_task(task), model)
    benchmark, subset = target
    if model is None:
        return BadRow(None, Reason.INVALID_MODEL, no_model(name), None, benchmark)
    subset = spec.subsets.get(subset, subset)
    metrics, filters = metric_names(benchmark, spec), spec.registry[benchmark].filters
    known = task_of(task, spec)
    if known is not None and known.benchmark == benchmark:
        metrics, filters = (metrics if spec.metric else known.metrics), known.filters
    settings = facts.settings(task)
    shots = _SHOTS.search(task)
    if shots is not None:
        settings = replace(settings, few_shot=int(shots[1]))
    notes = {} if facts.readable else {(benchmark, RESULTS_UNREADABLE): 1}
    moment = iso_timestamp(time) or facts.time
    return TaskFile(dump, spec, task, model, moment, benchmark, subset, metrics, filters, settings, notes)


def subset_of(run: TaskFile, doc: object) -> str | None:
    """The subset with its `{field}` filled from the document; None where that gives no name safe in paths."""
    if not PLACEHOLDER.search(run.subset):
        return run.subset
    fields = doc if isinstance(doc, dict) else {}
    found = {name: str(value) for name, value in fields.items() if isinstance(value, str | int)}
    name = PLACEHOLDER.sub(lambda field: found.get(field[1], "/"), run.subset)
    name = run.spec.subsets.get(name, name)
    return name if ids.file_stem_is_safe(name) else None


def companions(dump: Dump, spec: SourceSpec) -> tuple[Listed, ...]:
    """The results file beside a dump."""
    return () if dump.results is None else (dump.results,)


def target_of(task: str, spec: SourceSpec) -> tuple[str, str] | None:
    """(benchmark, subset) of a task by its name, or what the config says of all files; None if unknown."""
    target = resolve_task(task, spec)
    if spec.benchmark is not None and (spec.subset or target is None or target[0] != spec.benchmark):
        return _fixed_target(spec)
    return target


def unknown_task(task: str) -> str:
    """Why a task's name stands for nothing, and what to do."""
    return f"found task {task!r}, expected one of the registry or of `tasks` in the config"


def _fixed_target(spec: SourceSpec) -> tuple[str, str] | None:
    """What the config names; None where it names no subset of a benchmark that has several."""
    benchmark = str(spec.benchmark)
    subsets = spec.registry[benchmark].subsets
    subset = spec.subset or (next(iter(subsets)) if len(subsets) == 1 else None)
    return None if subset is None else (benchmark, subset)


def refuse(dump: Dump, why: BadRow, rows: np.ndarray) -> Reading:
    """All records of a file to quarantine, for one reason. rows: int64, their row numbers."""
    told = shown(np.zeros(len(rows), np.int8))
    quarantined = quarantine_columns(
        len(told.places),
        source=dump.source,
        file=dump.file,
        row=rows[told.places],
        model_id=why.model_id,
        benchmark=why.benchmark,
        reason=why.reason.value,
        detail=printable(why.detail),
        n=told.n,
        last_row=told.several(rows),
    )
    return Reading((), quarantined, {why.benchmark: len(rows)})
