"""Names in dumps and what they stand for: models, tasks, metrics, times and document keys."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from routerset.etl.sources.base import SourceSpec
from routerset.schemas import ids
from routerset.schemas.benchmarks import Benchmark
from routerset.schemas.tasks import Task, find_task

TIME = r"(?:\d{4}-\d\d-\d\d(?:[T_ ]\d\d.*)?|\d{8}[T_]\d{4}.*)"
"""Pattern of the time that names of files and folders end with."""
_MOMENT = re.compile(
    r"(?<!\d)(\d{4})(-?)(\d\d)\2(\d\d)[T_ ]?(\d\d)[:_-]?(\d\d)(?:[:_-]?(\d\d)(?:[.,](\d+))?)?"
    r"(?: ?([+-])(\d\d)[:-]?(\d\d)(?!\d))?"
)
_DATE = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)")
_SECONDS = re.compile(r"(\d{9,10})(?:(\d{3})|\.\d+)?")


def iso_timestamp(text: str | None) -> str | None:
    """`YYYY-MM-DDThh:mm:ss.ffffff` in UTC of any spelling that dumps use, newer sorts last; None without one.

    A time without an offset is taken for UTC, a date alone for its start, a number for seconds (or
    milliseconds) since 1970.
    """
    text = (text or "").strip()
    try:
        moment = _moment(text)
    except (ValueError, OverflowError):  # the thirteenth month; the year 0
        return None
    return None if moment is None else moment.isoformat(timespec="microseconds")


def _moment(text: str) -> datetime | None:
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        microseconds = int(Decimal(text) * (1_000 if seconds[2] else 1_000_000))
        return datetime(1970, 1, 1) + timedelta(microseconds=microseconds)
    date = _DATE.fullmatch(text)
    if date is not None:
        return datetime(int(date[1]), int(date[3]), int(date[4]))
    found = _MOMENT.search(text)
    if found is None:
        return None
    year, _, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    microsecond = int((fraction or "").ljust(6, "0")[:6])
    clock = (int(hour), int(minute), int(second or 0), microsecond)
    local = datetime(int(year), int(month), int(day), *clock)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return local + offset if sign == "-" else local - offset


def resolve_task(task: str, spec: SourceSpec) -> tuple[str, str] | None:
    """(benchmark, subset) of a dump's task name, by the config's map and then the registry; None if unknown.

    The name of a benchmark that the config declares, with one subset, is one of its tasks, too. The subset
    may hold `{field}`, to be filled from each document.
    """
    target = spec.tasks.get(task)
    if target is None:
        known = task_of(task, spec)
        if known is None and task in spec.registry and spec.registry[task].declared:
            subsets = list(spec.registry[task].subsets)
            return (task, subsets[0]) if len(subsets) == 1 else None
        return (known.benchmark, known.subset) if known else None
    benchmark, _, subset = target.partition("/")
    if benchmark not in spec.registry:
        return None
    return benchmark, subset or next(iter(spec.registry[benchmark].subsets))


def task_of(name: str, spec: SourceSpec) -> Task | None:
    """The task behind a dump's task name: of a benchmark that the config declares, or of the registry."""
    for row in spec.registry.values():
        for task in row.tasks:
            subset = _subset_in(name, task, row)
            if subset is not None:
                return Task(row.name, subset, row.metrics, row.filters)
    known = find_task(name)
    declared = spec.registry[known.benchmark].declared if known else {}
    if known and "metric" in declared:
        known = replace(known, metrics=spec.registry[known.benchmark].metrics)
    if known and "filters" in declared:
        known = replace(known, filters=spec.registry[known.benchmark].filters)
    return known


def _subset_in(name: str, task: str, row: Benchmark) -> str | None:
    """The subset that a name tells, which may hold it in the place of `{}`; None where it is another's."""
    before, place, after = task.partition("{}")
    if not place:
        return next(iter(row.subsets)) if name == task else None
    subset = name[len(before) : len(name) - len(after)]
    return subset if name == before + subset + after and ids.file_stem_is_safe(subset) else None


def resolve_model(name: str, spec: SourceSpec, revision: str | None = None) -> str | None:
    """Canonical model id of a dump's spelling, after the config's renames; None if unusable.

    revision: of the model, where the dump tells one; it is part of the id unless the config merges revisions.
    A rename is of the name as the dump spells it, or of the id, with the revision or without.
    """
    ident = ids.model_id(name)
    known = [name, *([ident] if ident else [])]
    if revision and not spec.merge_revisions and ident:
        known.insert(0, f"{ident}@{revision.replace('/', '-')}")
        ident = known[0]
    renamed = next((spec.models[each] for each in known if each in spec.models), ident)
    return renamed and ids.model_id(renamed)


def no_model(name: str) -> str:
    """Why a name is none of a model, and what to do."""
    return f"found model {name!r}, expected ORG__MODEL or ORG/MODEL; name it in [source.models]"


def resolve_key_space(spec: SourceSpec, benchmark: str) -> str:
    """Name of the set of document keys that a source speaks."""
    return spec.key_space or f"{spec.format}:{benchmark}"


def metric_names(benchmark: str, spec: SourceSpec) -> tuple[str, ...]:
    """Names under which the metric that counts may stand in a dump, the first one preferred."""
    return (spec.metric,) if spec.metric else spec.registry[benchmark].metrics
