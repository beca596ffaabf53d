"""Run folders of HELM: `per_instance_stats.json` with `run_spec.json` and `scenario_state.json` beside it.

One folder is one model on one scenario. The metric that counts is the `metric` of the config, one that the
benchmark has, or the only one of those that HELM's own tables lead with. Trials (other examples in the
prompt) are runs of their own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from routerset.etl.sources import files
from routerset.etl.sources.base import (
    Dump,
    DumpUnreadable,
    Found,
    Listed,
    Reading,
    Settings,
    Source,
    SourceSpec,
)
from routerset.etl.sources.names import resolve_task
from routerset.etl.sources.parse.answers import Answer, records_of
from routerset.etl.sources.parse.helm_run import (
    FAILED,
    Instances,
    Measured,
    RunSpec,
    read_instances,
    read_measures,
    read_spec,
)
from routerset.etl.sources.parse.results_json import RunFacts
from routerset.etl.sources.parse.task_files import TaskFile, identify, refuse, subset_of
from routerset.etl.sources.quarantine import BadRow
from routerset.etl.sources.recorded import Task, readings_of
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.tables import Reason

STATS, SPEC, STATES, INSTANCES = (
    "per_instance_stats.json",
    "run_spec.json",
    "scenario_state.json",
    "instances.json",
)
MAIN = (
    *("exact_match", "quasi_exact_match", "prefix_exact_match", "quasi_prefix_exact_match"),
    *(
        "final_number_exact_match",
        "math_equiv",
        "math_equiv_chain_of_thought",
        "f1_score",
        "bleu_4",
        "rouge_2",
    ),
    *("chain_of_thought_correctness", "ifeval_strict_accuracy", "omni_math_accuracy"),
    *("wildbench_score_rescaled", "code_eval_acc", "RR@10", "NDCG@10"),
)
"""Metrics that HELM's tables lead with."""
COSTS = {
    "prompt_tokens": ("num_prompt_tokens",),
    "completion_tokens": ("num_output_tokens", "num_completion_tokens"),  # the latter count an echoed prompt
    "latency_s": ("inference_runtime",),
}
NO_TEXT = "instances_without_text"
_SUBSETS = ("subject", "subset", "dataset", "task")  # arguments that may name a subset, or a task
_NAMES = {"gsm": "gsm8k"}


def discover(spec: SourceSpec) -> Found:
    """Every `per_instance_stats.json`, compressed or not; each is one run."""
    found = files.discover(spec, lambda name: files.without_compression(name) == STATS)
    of_runs = {each.path for dump in found.dumps for each in companions(dump, spec)}
    return found.used(of_runs)


def companions(dump: Dump, spec: SourceSpec) -> tuple[Listed, ...]:
    """The other files of a run that its reading depends on."""
    beside = (_beside(dump, name) for name in (SPEC, STATES, INSTANCES))
    return tuple(each for each in beside if each is not None)


def _beside(dump: Dump, name: str) -> Listed | None:
    """A file in the folder of a dump, compressed or not; remote dumps are read as local copies."""
    if files.is_remote(dump.path):
        return None
    for end in ("", *files.COMPRESSED):
        path = PurePosixPath(dump.path).with_name(f"{name}{end}").as_posix()
        try:
            stat = Path(path).stat()
        except (OSError, ValueError):
            continue
        file = PurePosixPath(dump.file).with_name(f"{name}{end}").as_posix()
        return Listed(file, path, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")
    return None


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """One run, some readings for each of its trials.

    Raises DumpUnreadable where a file of the run is missing or cannot be read, or the metric cannot be told.
    """
    described = _beside(dump, SPEC)
    if described is None:
        raise DumpUnreadable(f"expected {SPEC} beside it, which tells model and task, found none")
    told, of_run = Counter[str](), read_spec(described.path)
    run = _identified(dump, spec, of_run)
    metrics = () if isinstance(run, BadRow) else run.metrics
    costs = {name for names in COSTS.values() for name in names}
    measured, bad, names, n = read_measures(dump.path, {*metrics, *MAIN}, costs, told)
    if isinstance(run, BadRow):
        yield refuse(dump, run, np.arange(n))
        return
    if not measured:
        raise DumpUnreadable(f"found no instance that can be read in {n} entries, expected at least one")
    metric = choose_metric(names, metrics, spec.metric)
    yield from _readings(run, of_run, metric, measured, _instances(dump, of_run, told), bad, told)


def _identified(dump: Dump, spec: SourceSpec, of_run: RunSpec) -> TaskFile | BadRow:
    """What a run is of: the first of the names that it may go by which the config or the registry knows."""
    values = {name: of_run.arguments[name] for name in _SUBSETS if name in of_run.arguments}
    names = [of_run.name, of_run.task, of_run.scenario, _NAMES.get(of_run.scenario, of_run.scenario)]
    names += [f"{of_run.scenario}_{value}" for value in values.values()]
    names += [value for name, value in values.items() if name != "subject"]
    tasks = dict(spec.tasks)
    row = spec.registry.get(of_run.scenario)
    if row is not None and row.declared and of_run.scenario not in tasks:
        of_name = next((value for value in values.values() if file_stem_is_safe(value)), None)
        tasks[of_run.scenario] = row.name if of_name is None else f"{row.name}/{of_name}"
    known = replace(spec, tasks=tasks)
    name = next((name for name in names if resolve_task(name, known) is not None), of_run.task)
    run = identify(dump, known, name, of_run.model, None, RunFacts())
    if isinstance(run, BadRow):
        return run
    subset = subset_of(run, of_run.arguments)
    if subset is None:
        detail = f"expected the name {of_run.task!r} to hold a usable name for {run.subset}"
        return run.bad(None, Reason.UNKNOWN_TASK, detail)
    return replace(run, subset=subset)


def _instances(dump: Dump, of_run: RunSpec, told: Counter[str]) -> Instances:
    """Texts of the run's instances, from the first file that is there."""
    for name, states in ((STATES, True), (INSTANCES, False)):
        beside = _beside(dump, name)
        if beside is not None:
            found = read_instances(beside.path, of_run.method, states=states)
            told[f"not_whole: {name}"] = int(not found.whole)
            return found
        told[f"not_found: {name}"] = 1
    return Instances()


def choose_metric(names: Collection[str], metrics: Sequence[str], asked: str | None) -> str:
    """The metric that counts, of those that a run has. Raises DumpUnreadable.

    metrics: names that the benchmark's metric has. asked: what the config names.
    """
    known = [name for name in metrics if name in names]
    if known:
        return known[0]
    main = [] if asked else [name for name in MAIN if name in names]
    if len(main) == 1:
        return main[0]
    found = ", ".join(sorted(main or names)[:40]) or "none"
    expected = f"the metric {asked!r}" if asked else "one metric, or `metric` in the config"
    raise DumpUnreadable(f"expected {expected}, found {found[:400]}", Reason.MISSING_METRIC)


SOURCE = Source(
    "helm",
    discover,
    read,
    f"{STATS}, in a folder with {SPEC} and {STATES} (any of them with .gz or .zst)",
    companions=companions,
)


def _readings(
    run: TaskFile,
    of_run: RunSpec,
    metric: str,
    measured: Sequence[Measured],
    instances: Instances,
    bad: Sequence[BadRow],
    told: Counter[str],
) -> Iterator[Reading]:
    told[FAILED] = sum((each.key, each.trial) in instances.failed for each in measured)
    if instances.texts:
        told[NO_TEXT] = sum(each.key not in instances.texts for each in measured)
    notes = {(run.benchmark, note): n for note, n in told.items() if n}
    rows = [replace(row, model_id=run.model) for row in bad]
    answers: dict[int, list[Answer]] = {}
    for each in measured:
        answers.setdefault(each.trial, []).append(_answer(each, metric, instances))
    scored = [trial for trial, of in answers.items() if any(_has_score(answer) for answer in of)]
    for trial in sorted(answers):
        of_trial = answers[trial]
        if scored and trial not in scored:
            why = BadRow(None, Reason.MISSING_SCORE, f"trial {trial}: no score", run.model, run.benchmark)
            yield refuse(run.dump, why, np.array([answer.row for answer in of_trial]))
            continue
        task = Task(
            run.benchmark,
            run.subset,
            metric,
            Settings(of_run.task + (f",train_trial_index={trial}" if trial else ""), of_run.few_shot),
            prompt_fixed=False,
        )
        records = records_of(of_trial, of_run.model, None, rows)
        for reading in readings_of(run.dump, run.spec, task, records, metric):
            yield replace(reading, notes=Counter(reading.notes) + Counter(notes))
            notes, rows = {}, []


def _has_score(answer: Answer) -> bool:
    return answer.said is not None or not math.isnan(answer.score)


def _answer(each: Measured, metric: str, instances: Instances) -> Answer:
    score, said = each.values.get(metric, (math.nan, None))
    if (each.key, each.trial) in instances.failed:  # HELM measures the empty answer of such a request
        score, said = math.nan, None
    costs = {
        name: next((each.totals[of] for of in theirs if each.totals.get(of) is not None), None)
        for name, theirs in COSTS.items()
    }
    return Answer(each.row, {"doc_key": each.key, **instances.texts.get(each.key, {})}, score, said, costs)
