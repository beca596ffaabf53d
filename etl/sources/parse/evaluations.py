"""Every Eval Ever: what an aggregate says of a run, and which of the scores beside it count."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import msgspec

from routerset.etl.sources.base import Dump, Settings, SourceSpec
from routerset.etl.sources.files import open_inflated
from routerset.etl.sources.names import iso_timestamp, metric_names, task_of
from routerset.etl.sources.parse.jsonlines import decode_line
from routerset.etl.sources.parse.results_json import MAX_BYTES
from routerset.etl.sources.quarantine import BadRow
from routerset.etl.sources.recorded import Task, named_task

_EPOCH = re.compile(r"(?:^|/)(\d{9,10}(?:\.\d+)?)$")
_WORDS = re.compile(r"[:/.#|\s]+")
_METRIC = ("metric_id", "metric_name")


@dataclass(frozen=True)
class Aggregate:
    """What the file beside the samples says of their run.

    metrics: names of the metric by `evaluation_result_id`, or by evaluation where that has no such id.
    readable: whether there is none, or one that could be read.
    """

    evaluation: str | None = None
    model: str | None = None
    revision: str | None = None
    time: str | None = None
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    readable: bool = True

    def time_of(self, evaluation: str | None) -> str | None:
        """When an evaluation ran, by its id; that ends with a time, where the aggregate is of another one."""
        if self.time is not None and evaluation in (None, self.evaluation):
            return self.time
        found = _EPOCH.search(evaluation or "")
        return found and iso_timestamp(found[1])


class _File(msgspec.Struct):
    evaluation_id: object = None
    evaluation_timestamp: object = None
    retrieved_timestamp: object = None
    model_info: object = None
    evaluation_results: object = None


_DECODER = msgspec.json.Decoder(_File)


def read_aggregate(dump: Dump) -> Aggregate:
    """What the aggregate of a samples file says; nothing where there is none."""
    if dump.results is None:
        return Aggregate()
    try:
        with open_inflated(dump.results.path) as stream:
            found = decode_line(stream.read(MAX_BYTES), 0, _DECODER)
    except OSError:
        return Aggregate(readable=False)
    if isinstance(found, BadRow):
        return Aggregate(readable=False)
    model = _table(found.model_info)
    revision = _text(_table(model.get("additional_details")).get("revision"))
    times = (iso_timestamp(_text(each)) for each in (found.evaluation_timestamp, found.retrieved_timestamp))
    metrics: dict[str, tuple[str, ...]] = {}
    for result in found.evaluation_results if isinstance(found.evaluation_results, list) else ():
        config = _table(_table(result).get("metric_config"))
        names = tuple(name for key in _METRIC if (name := _text(config.get(key))))
        key = _text(_table(result).get("evaluation_result_id")) or _text(
            _table(result).get("evaluation_name")
        )
        if key and names:
            metrics[key] = names
    return Aggregate(
        evaluation=_text(found.evaluation_id),
        model=_text(model.get("id")) or _text(model.get("name")),
        revision=None if revision == "main" else revision,
        time=next((time for time in times if time), None),
        metrics=metrics,
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    """A text, or a number as text; None for anything else, and for nothing."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


Key: TypeAlias = tuple[str, str | None]
"""`evaluation_name`, `evaluation_result_id`."""


class Way(NamedTuple):
    """How some answers of a task are scored. counts: whether that is what counts."""

    task: Task
    counts: bool


class _Met(NamedTuple):
    """place: of its filter. known: whether its metric is one of the benchmark's. rank: of it. words: of the
    result's id. metric: its name, where anything tells it.
    """

    place: int
    known: bool
    rank: int
    words: int
    metric: str | None


def choose_ways(found: Iterable[Key], spec: SourceSpec, aggregate: Aggregate) -> dict[Key, Way]:
    """What each evaluation of a file is, and whether its score is the one that counts.

    Of several filters (`TASK/FILTER`, as logs of the harness are converted) that counts which comes first in
    the registry or the config; of several metrics, that of the benchmark. Where none of them is known, and
    they are told to be different ones, none counts. Evaluations of no task that is known are left out.
    """
    tasks: dict[str, Task] = {}
    groups: defaultdict[str, dict[Key, _Met]] = defaultdict(dict)
    for name, result in sorted(found, key=str):
        base, place = name, 0
        if name not in tasks:
            task = named_task(name, spec, Settings(name or None))
            before, mark, filtered = name.rpartition("/")
            known = task_of(before, spec) if mark else None
            if known is not None and filtered in known.filters:
                base, place = before, known.filters.index(filtered)
                task = named_task(base, spec, Settings(base))
            if task is None:
                continue
            tasks[base] = task
        groups[base][name, result] = _met(tasks[base], place, name, result, spec, aggregate)
    return {
        key: Way(task, key in counting)
        for base, group in groups.items()
        for task, counting in [_chosen(tasks[base], group)]
        for key in group
    }


def _met(
    task: Task, place: int, name: str, result: str | None, spec: SourceSpec, aggregate: Aggregate
) -> _Met:
    wanted = metric_names(task.benchmark, spec)
    told = aggregate.metrics.get(result or name, ())
    words = _WORDS.split(result or "")
    rank = next((at for at, each in enumerate(wanted) if each in (result, *told, *words)), len(wanted))
    known = rank < len(wanted)
    return _Met(place, known, rank, len(words), wanted[rank] if known else next(iter(told), None))


def _chosen(task: Task, group: Mapping[Key, _Met]) -> tuple[Task, set[Key]]:
    """The task of some evaluations by the metric that counts, and those that are scored by it."""
    first = min(met.place for met in group.values())
    wanted = {key: met for key, met in group.items() if met.place == first}
    if any(met.known for met in wanted.values()):
        best = min((met.rank, met.words) for met in wanted.values())
        wanted = {key: met for key, met in wanted.items() if (met.rank, met.words) == best}
    elif len({met.metric for met in wanted.values() if met.metric is not None}) > 1:
        wanted = {}
    named = [met.metric for met in wanted.values() if met.metric is not None]
    ways = tuple(sorted({met.metric or key[1] or key[0] for key, met in group.items() if key not in wanted}))
    return replace(task, metric=named[0] if named else task.metric, other_ways=ways), set(wanted)
