"""Names in dumps and what they stand for: models, tasks, metrics, times and document keys."""

from __future__ import annotations

import re
from datetime import datetime

from routerset.etl.sources.base import SourceSpec
from routerset.schemas import ids
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tasks import find_task, metrics_of

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T_ ](\d\d)[:-](\d\d)[:-](\d\d)(?:\.(\d{1,6}))?")


def iso_timestamp(text: str | None) -> str | None:
    """`YYYY-MM-DDThh:mm:ss.ffffff` of any spelling that dumps use, newer sorts last; None without one."""
    match = _TIME.search(text or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction = match.groups()
    spelled = f"{year}-{month}-{day}T{hour}:{minute}:{second}.{(fraction or '').ljust(6, '0')}"
    try:
        return datetime.fromisoformat(spelled).isoformat(timespec="microseconds")
    except ValueError:
        return None


def resolve_task(task: str, spec: SourceSpec) -> tuple[str, str] | None:
    """(benchmark, subset) of a dump's task name, by the config's map and then the registry; None if unknown.

    The subset may hold `{field}`, to be filled from each document.
    """
    target = spec.tasks.get(task)
    if target is None:
        known = find_task(task)
        return (known.benchmark, known.subset) if known else None
    benchmark, _, subset = target.partition("/")
    if benchmark not in BENCHMARKS:
        return None
    return benchmark, subset or next(iter(BENCHMARKS[benchmark].subsets))


def resolve_model(name: str, spec: SourceSpec) -> str | None:
    """Canonical model id of a dump's spelling, after the config's renames; None if unusable."""
    return ids.model_id(spec.models.get(name, name))


def resolve_key_space(spec: SourceSpec, benchmark: str) -> str:
    """Name of the set of document keys that a source speaks."""
    return spec.key_space or f"{spec.format}:{benchmark}"


def metric_names(benchmark: str, spec: SourceSpec) -> tuple[str, ...]:
    """Names under which the metric that counts may stand in a dump, the first one preferred."""
    return (spec.metric,) if spec.metric else metrics_of(benchmark)
