"""Logs of Inspect AI: `.json` and `.eval`, one run of one model on one task each.

A log is read through its own fields, whatever it is called. The scorer that counts is the `metric` of the
config, a metric that the benchmark has, or the log's only one. Answers of several epochs become one, by the
log's own reducer (the mean where it names none); what they cost becomes its mean.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routerset.etl.sources import files
from routerset.etl.sources.base import (
    Dump,
    DumpUnreadable,
    Found,
    Options,
    Reading,
    Source,
    SourceSpec,
    SpecError,
)
from routerset.etl.sources.parse.answers import MAX_ANSWERS, Answer, Texts, records_of
from routerset.etl.sources.parse.epochs import KNOWN, MEAN, merge_epochs, reducer_of
from routerset.etl.sources.parse.inspect_log import Log, Sample, log_of, read_parts, sample_of
from routerset.etl.sources.parse.results_json import RunFacts
from routerset.etl.sources.parse.task_files import PLACEHOLDER, TaskFile, identify, refuse, subset_of
from routerset.etl.sources.quarantine import BadRow, printable
from routerset.etl.sources.recorded import Task, readings_of
from routerset.schemas.tables import Reason

SUFFIXES = (".eval", ".json")
FINISHED = "success"
_OTHERS = frozenset({"logs.json", "listing.json", "eval-set.json"})  # of Inspect, and no logs
_USAGE = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens", "usd": "total_cost"}


@dataclass(frozen=True)
class InspectOptions(Options):
    """Keys of an `inspect` source.

    reducer: what makes one score of several epochs, instead of what a log names, such as `"max"`.
    """

    reducer: str | None = None


def discover(spec: SourceSpec) -> Found:
    """Every `.eval` and `.json` file, compressed or not; each is one run and a group of its own."""
    return files.discover(spec, _is_log)


def _is_log(name: str) -> bool:
    plain = files.without_compression(name).lower()
    return plain.endswith(SUFFIXES) and plain not in _OTHERS


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """One log, some readings.

    Raises DumpUnreadable where a log cannot be read, does not tell its task and model, holds no sample, or
    several scores of which none is named; SpecError where the config names a reducer that is none.
    """
    options = spec.options_as(InspectOptions)
    if options.reducer is not None and reducer_of(options.reducer) is None:
        raise SpecError(f"reducer = {options.reducer!r}: expected one of {', '.join(KNOWN)}")
    facts: dict[str, bytes] = {}
    told = Counter[str]()
    samples: list[Sample] = []
    bad: list[BadRow] = []
    texts, n = Texts(), 0
    for n, part in enumerate(read_parts(dump, facts, told), 1):
        found = replace(part, row=n - 1) if isinstance(part, BadRow) else sample_of(part, n - 1)
        if isinstance(found, BadRow):
            bad.append(found)
        else:
            kept = {name: texts.keep(text) for name, text in found.texts.items()}
            samples.append(replace(found, texts=kept))
        if n > MAX_ANSWERS:
            raise DumpUnreadable(f"found more than {MAX_ANSWERS} samples: split the log")
    log = log_of(facts)
    if log.task is None or log.model is None:
        raise DumpUnreadable("expected an Inspect log, found no eval.task, or no eval.model")
    if n == 0:
        raise DumpUnreadable("found no sample: expected a log that was not written with --no-log-samples")
    run = _identified(dump, spec, log)
    if isinstance(run, BadRow):
        yield refuse(dump, run, np.arange(n))
        return
    yield from _readings(run, log, samples, bad, told)


def _identified(dump: Dump, spec: SourceSpec, log: Log) -> TaskFile | BadRow:
    """What a log is of: by the name of its task, or that it is registered by, or these without a package."""
    names = [name for name in (log.task, log.registry_name) if name]
    names += [name.rpartition("/")[2] for name in names]
    refused: BadRow | None = None
    for name in dict.fromkeys(names):
        run = identify(dump, spec, name, str(log.model), log.created, RunFacts())
        if isinstance(run, TaskFile):
            return run
        refused = refused or run
    assert refused is not None
    return refused


SOURCE = Source(
    "inspect",
    discover,
    read,
    "logs that end with .eval or .json (also with .gz or .zst)",
    options=InspectOptions,
    by_name=False,
)


def _readings(
    run: TaskFile, log: Log, samples: Sequence[Sample], bad: list[BadRow], told: Counter[str]
) -> Iterator[Reading]:
    scorer = choose_scorer({name for each in samples for name in each.scores}, run.metrics, run.spec.metric)
    name = _reducer(run.spec, log, scorer)
    items: defaultdict[tuple[str | None, ...], list[tuple[int, Answer]]] = defaultdict(list)
    for sample in samples:
        answer = _answer(run, str(log.model), sample, scorer)
        items[tuple(answer.texts.values())].append((sample.epoch, answer))
    reduce = reducer_of(name)
    if reduce is None and any(len(of_item) > 1 for of_item in items.values()):
        raise DumpUnreadable(
            f"found epochs that the log reduces by {name[:80]!r}, expected one of {', '.join(KNOWN)}: "
            f'say which in the config, such as reducer = "{MEAN}"',
            Reason.MISSING_METRIC,
        )
    merged = merge_epochs(run, items.values(), reduce or max)
    told += merged.notes
    told[f"epochs_reduced: {printable(name)}"] = merged.n_reduced
    if log.status not in (None, FINISHED):
        told[f"log_not_finished: {printable(log.status)}"] = 1
    bad = [replace(row, model_id=run.model) for row in bad] + merged.bad
    in_samples = PLACEHOLDER.search(run.subset) is not None
    task = Task(run.benchmark, str if in_samples else run.subset, scorer, run.settings)
    records = records_of(merged.answers, str(log.model), log.created, bad)
    left_out = told["samples_written_again"] + merged.n_left_out
    notes = {(run.benchmark, note): n for note, n in told.items()}
    for reading in readings_of(run.dump, run.spec, task, records, scorer or "scores"):
        part = replace(reading, notes=+(Counter(reading.notes) + Counter(notes)))
        if part.blocks and left_out:
            part, left_out = _with_superseded(part, left_out), 0
        yield part
        notes = {}


def _with_superseded(reading: Reading, n: int) -> Reading:
    """A reading of one run, and records more that others of the log took the place of."""
    first, *others = reading.blocks
    first = replace(first, n_read=first.n_read + n, n_superseded=first.n_superseded + n)
    benchmark = first.columns.benchmark
    n_read = {**reading.n_read, benchmark: reading.n_read.get(benchmark, 0) + n}
    return replace(reading, blocks=(first, *others), n_read=n_read)


def _answer(run: TaskFile, model: str, sample: Sample, scorer: str | None) -> Answer:
    score, said = sample.scores.get(scorer or "", (math.nan, None))
    texts = {"doc_key": sample.key, "subset": subset_of(run, sample.fields), **sample.texts}
    usage = _usage_of(sample.usage, model)
    costs = {ours: usage.get(theirs) for ours, theirs in _USAGE.items()}
    return Answer(sample.row, texts, score, said, costs | {"latency_s": sample.latency})


def _usage_of(usage: Mapping[str, Mapping[str, object]], model: str) -> Mapping[str, object]:
    """What the evaluated model used, not what others did that grade or simulate a user."""
    alike = [name for name in usage if name.endswith(f"/{model}") or model.endswith(f"/{name}")]
    return usage.get(model) or (usage[alike[0]] if len(alike) == 1 else {})


def _reducer(spec: SourceSpec, log: Log, scorer: str | None) -> str:
    """The name of what makes one score of those of all epochs."""
    asked = spec.options_as(InspectOptions).reducer
    first, _, last = (scorer or "").partition(".")
    names = (scorer or "", last, first)
    found = next((log.reducers[name] for name in names if name in log.reducers), [MEAN])
    return asked or (MEAN if MEAN in found else found[0])


def choose_scorer(names: Collection[str], metrics: Sequence[str], asked: str | None) -> str | None:
    """The score that counts, of those that samples have; None where they have none at all.

    metrics: names that the benchmark's metric has. asked: what the config names. A score may be named by its
    scorer alone, or by the last part of its name, where that is one score only. Raises DumpUnreadable.
    """
    for wanted in (asked,) if asked else metrics:
        alike = [name for name in names if wanted in (name.partition(".")[0], name.rpartition(".")[2])]
        if wanted in names or len(alike) == 1:
            return wanted if wanted in names else alike[0]
    if asked is None and len(names) <= 1:
        return next(iter(names), None)
    found = ", ".join(repr(name[:80]) for name in sorted(names)[:20]) or "none"
    expected = f"a score {asked!r}" if asked else "one score, or `metric` in the config"
    raise DumpUnreadable(f"expected {expected}, found {found}", Reason.MISSING_METRIC)
