"""Stage `ingest`: dumps in; models, items, scores, runs and quarantine out, every record accounted for."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.fingerprints import fingerprint
from routerset.etl.ingest.accounting import merge
from routerset.etl.ingest.descriptions import describe
from routerset.etl.ingest.models import models_table, prices_table
from routerset.etl.ingest.partitions import assemble_all
from routerset.etl.ingest.plan import STAGING, Plan, plan_build, said_of_ingest
from routerset.etl.ingest.price_files import told_of, unpriced
from routerset.etl.manifest import Finished
from routerset.etl.progress import say
from routerset.etl.records import read_sealed, write_sealed
from routerset.etl.stages.base import Context, Stage
from routerset.schemas import store
from routerset.schemas.exits import DATA_FAILED
from routerset.schemas.matrix import read_scores
from routerset.schemas.registry import declared_in
from routerset.schemas.tables import TABLES
from routerset.schemas.twins import twin_of

if TYPE_CHECKING:
    from routerset.etl.config import Config, Runner

PLAN = f"{STAGING}/plan.json"


class EmptyBuild(ValueError):
    """No dump gave a single score."""

    exit_code = DATA_FAILED


def ingest(config: Config, plan: Plan, build: Path, runner: Runner, *, check: bool = False) -> Finished:
    """Run the pipeline, merge what its partitions say, and check the accounting identity.

    check: as `assemble_all` takes it.

    Raises AccountingError, and EmptyBuild where nothing was kept.
    """
    from routerset.etl.pipeline import group_map

    for each in plan.passed_over:
        say(
            f"{each.source}: {each.n:,} {'file is no dump' if each.n == 1 else 'files are no dumps'} "
            f"of this format, such as {each.such_as}"
        )
    on = functools.partial(group_map, runner=runner)
    parts = assemble_all(plan, config.sources, build, on, check=check)
    return _write(config, plan, build, parts)


def _why_empty(quarantine: pa.Table) -> str:
    """Reasons of quarantine with their numbers, and where the first of each stands."""
    if not len(quarantine):
        return "they hold none of the benchmarks that the config asks for"
    counts: Counter[str] = Counter()
    for reason, n in zip(quarantine["reason"].to_pylist(), quarantine["n"].to_pylist(), strict=True):
        counts[reason] += n
    first = {row["reason"]: row for row in reversed(quarantine.to_pylist())}
    return "quarantined: " + "; ".join(
        f"{n} {reason} (such as {first[reason]['file']}: {first[reason]['detail']})"
        for reason, n in counts.most_common()
    )


def _write(config: Config, plan: Plan, build: Path, parts: Mapping[str, Finished]) -> Finished:
    """Write models, runs and quarantine of all benchmarks."""
    merged = merge(plan, build, parts)
    runs = merged.runs
    kept = runs.filter(pc.and_(runs["chosen"], pc.greater(runs["n_kept"], 0)))
    pairs = kept.select(["model_id", "benchmark"]).group_by(["model_id", "benchmark"]).aggregate([])
    benchmarks_of: defaultdict[str, list[str]] = defaultdict(list)
    for model, benchmark in zip(pairs["model_id"].to_pylist(), pairs["benchmark"].to_pylist(), strict=True):
        benchmarks_of[model].append(benchmark)
    if not benchmarks_of:
        raise EmptyBuild(f"{config.file}: no dump gave a score; {_why_empty(merged.quarantine)}")
    scores = (
        read_scores(build / TABLES["scores"].path(benchmark=name), part.info["items"])
        for name, part in parts.items()
        if part.info["items"]
    )
    facts = replace(plan.facts, described=describe(config.models))
    models = models_table(benchmarks_of, facts, twin_of(scores), config.registry)
    prices = prices_table(sorted(benchmarks_of), facts)
    told = told_of(config.costs.tables, facts.prices, prices, benchmarks_of)
    for warning in (*facts.described.warnings(benchmarks_of), *unpriced(told)):
        say(f"         warning: {warning}")
    for line in merged.bad_costs:
        say(f"         warning: {line}: the cost is missing, the score counts")
    alike = {
        each["also"]: each["kept"]
        for part in parts.values()
        for of_source in part.info["case_alike"].values()
        for each in of_source
    }
    if alike:
        also = min(alike)
        say(
            f"{len(alike)} model ids differ from another one in case alone, such as {also} from "
            f"{alike[also]}: taken for one model; [source.models] can say otherwise"
        )
    outputs = [
        output for part in parts.values() for output in part.outputs if output.path.startswith("tables/")
    ]
    tables = {"models": models, "prices": prices, "runs": runs, "quarantine": merged.quarantine}
    for name, table in tables.items():
        if TABLES[name].optional and not len(table):
            continue
        path = build / TABLES[name].path()
        rows = store.write_table(path, TABLES[name].schema, table)
        outputs.append(store.describe(build, path, rows))
    scored = Counter(pairs["benchmark"].to_pylist())
    totals = {name: {"models": scored[name], "items": part.info["items"]} for name, part in parts.items()}
    write_sealed(build / PLAN, {"plan": plan.mark, "seen": plan.seen, "dumps": fingerprint(merged.inputs)})
    return Finished.of(
        outputs,
        {
            "benchmarks": totals,
            "families": {name: part.info["families"] for name, part in parts.items()},
            "accounting": merged.accounting,
            "settings": config.dataset.gate,
            "passed_over": [asdict(each) for each in plan.passed_over],
            "dumps": merged.inputs,
            "sources": merged.sources,
            "declared": declared_in(config.registry),
            **({"bad_costs": merged.bad_costs} if merged.bad_costs else {}),
            **({"tokenizer": plan.tokenizer.told()} if plan.tokenizer else {}),
            **({"prices": told} if told else {}),
        },
    )


@functools.lru_cache(1)
def _plan(context: Context) -> Plan:
    """The plan of one build, which is asked for several times: finding the dumps can take seconds."""
    return plan_build(context.config)


def _settings(context: Context) -> object:
    """What the config says, and a hash of all dumps: known where the same plan was carried out before."""
    last, now = read_sealed(context.out / PLAN) or {}, _plan(context)
    known = (last.get("plan"), last.get("seen")) == (now.mark, now.seen)
    return [said_of_ingest(context.config, now.tokenizer), last["dumps"]] if known else None


def _run(context: Context) -> Finished:
    return ingest(context.config, _plan(context), context.out, context.runner, check=context.check)


STAGE = Stage("ingest", (), _settings, _run)
