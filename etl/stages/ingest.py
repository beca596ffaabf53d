"""Stage `ingest`: dumps in; models, items, scores, runs and quarantine out, every record accounted for."""

from __future__ import annotations

import functools
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.fingerprints import code_fingerprint, fingerprint
from routerset.etl.ingest.assemble import assemble
from routerset.etl.ingest.batches import Batch, PassedOver, plan_batches
from routerset.etl.ingest.models import models_table
from routerset.etl.ingest.shards import (
    BAD_ROWS,
    DOCSETS,
    RECORD,
    SHARDS,
    Shard,
    stage_batch,
    staged_shards,
    unaltered,
)
from routerset.etl.manifest import Finished, done, once
from routerset.etl.progress import say, watch
from routerset.etl.records import read_sealed, write_sealed
from routerset.etl.sources.base import BAD, COST_NOTE, READ, SourceSpec, cost_note
from routerset.etl.sources.blocks import MAX_TOLD
from routerset.etl.sources.registry import SOURCES
from routerset.etl.sources.tokens import Tokenizer, find_tokenizer
from routerset.etl.stages.base import Context, Stage
from routerset.schemas import ids, store
from routerset.schemas.exits import DATA_FAILED
from routerset.schemas.matrix import read_scores
from routerset.schemas.registry import declared_in
from routerset.schemas.store import sha256
from routerset.schemas.tables import COST_MEASURES, JOINED_BY, QUARANTINE, RUNS, TABLES
from routerset.schemas.twins import twin_of

if TYPE_CHECKING:
    from routerset.etl.config import Config, Runner

STAGING = "staging"
PLAN = f"{STAGING}/plan.json"
LISTED = 20
"""Model ids in another case that the accounting of a source and benchmark names, at most."""


Found: TypeAlias = tuple[list[Shard], list[str]]
"""Shards of one benchmark, and the models of all benchmarks, as the dumps spell them."""
GroupMap: TypeAlias = Callable[[Sequence[object], Callable, Callable], None]  # type: ignore[type-arg]


class AccountingError(RuntimeError):
    """Records read are not records kept, superseded and quarantined: a fault of ours, never of the data."""


class EmptyBuild(ValueError):
    """No dump gave a single score."""

    exit_code = DATA_FAILED


@dataclass(frozen=True)
class Merged:
    """Runs and quarantine of all benchmarks, accounting rows, the checksums of all files, bad costs, and
    what each source gave."""

    runs: pa.Table
    quarantine: pa.Table
    accounting: list[store.JsonObject]
    inputs: list[str]
    bad_costs: list[str]
    sources: list[store.JsonObject]


@dataclass(frozen=True)
class Plan:
    """What a build will read, and what it will not.

    code: fingerprint of the code that assembles it. mark: hash of the settings, and the sizes and times
    of the files. seen: hash of what else the file system says of them. min_share: `[dataset]
    min_models_per_item`. tokenizer: what counts texts, where there are any to count.
    """

    batches: tuple[Batch, ...]
    benchmarks: tuple[str, ...]
    code: str
    mark: str
    seen: str
    min_share: float
    passed_over: tuple[PassedOver, ...] = ()
    tokenizer: Tokenizer | None = None

    def settle(self, build: Path, *, check: bool = False) -> None:
        """Remove what was staged and is not what it was, or is of dumps that are not; see `unaltered`."""
        staging = build / STAGING
        docsets = set[str]()
        for batch in self.batches:
            record = unaltered(batch, staging, check=check)
            if record is None:
                shutil.rmtree(staging / SHARDS / batch.fingerprint, ignore_errors=True)
            else:
                docsets |= record["docsets"].keys()
        for path in (staging / DOCSETS).glob("*.parquet"):
            if path.stem not in docsets:
                path.unlink()

    def waiting(self, build: Path) -> list[Batch]:
        """Batches that are not parsed yet."""
        return [b for b in self.batches if not (build / STAGING / SHARDS / b.fingerprint).exists()]

    def shards(self, build: Path) -> dict[str, list[Shard]]:
        """Shards of all batches that are parsed, by benchmark."""
        found = [staged_shards(batch, str(build / STAGING)) or [] for batch in self.batches]
        return _by_benchmark(chain.from_iterable(found), self.benchmarks)


def plan(config: Config) -> Plan:
    """Batches of all dumps, found but not opened.

    Raises DumpUnreadable where a source holds none, and what `find_tokenizer` does.
    """
    elsewhere = [
        config.file,
        *(m.path for m in config.models),
        *(p for s in config.sources for p in s.paths()),
        *([] if config.costs.tokenizer is None else [config.costs.tokenizer]),
    ]
    code = code_fingerprint(stage_batch.__module__)
    tokenizer = _tokenizer(config)
    sources = [
        replace(spec, tokenizer=tokenizer) if SOURCES[spec.format].has_texts else spec
        for spec in config.sources
    ]
    batches, passed_over = plan_batches(sources, code, map(os.path.abspath, elsewhere))
    code = code_fingerprint(assemble.__module__)
    over = [asdict(each) for each in passed_over]
    mark = fingerprint([b.fingerprint for b in batches], over, _of_config(config, tokenizer))
    wanted = config.dataset.benchmarks or tuple(config.registry)
    share = config.dataset.min_models_per_item
    seen = fingerprint([batch.seen for batch in batches])
    return Plan(tuple(batches), wanted, code, mark, seen, share, tuple(passed_over), tokenizer)


def _tokenizer(config: Config) -> Tokenizer | None:
    """The tokenizer that the config names, if any of its sources has texts."""
    place = config.costs.tokenizer
    counted = any(SOURCES[spec.format].has_texts for spec in config.sources)
    return find_tokenizer(place) if counted and place is not None else None


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


def assemble_all(
    plan: Plan, specs: Sequence[SourceSpec], build: Path, group_map: GroupMap, *, check: bool = False
) -> dict[str, Finished]:
    """Items and scores of every benchmark below `build`, parsed and assembled where they are not yet.

    group_map: calls its third argument on every key, and all values, of the pairs that its second yields for
    each of its first. check: whether all dumps are looked into, and not only those that seem to have changed.
    """
    plan.settle(build, check=check)
    ready, waiting = plan.shards(build), plan.waiting(build)
    with watch("ingest", len(waiting), lambda: len(waiting) - len(plan.waiting(build))):
        group_map(
            [*waiting, ready],
            functools.partial(_stage, build=str(build), benchmarks=plan.benchmarks),
            functools.partial(
                _assemble, specs=tuple(specs), build=str(build), code=plan.code, min_share=plan.min_share
            ),
        )
    parts: dict[str, Finished] = {}
    found = plan.shards(build)
    models = _models(found)
    for benchmark, shards in ((name, found[name]) for name in specs[0].registry if name in found):
        kept_as = _kept_as(shards, models, specs)
        part = done(build, _mark(benchmark, shards, specs, plan.code, plan.min_share, kept_as))
        if part is None:
            raise RuntimeError(
                f"{benchmark}: the pipeline ended without this partition; run the same command again"
            )
        parts[benchmark] = part
    return parts


def _stage(
    work: Batch | dict[str, list[Shard]], build: str, benchmarks: Sequence[str]
) -> Iterable[tuple[str, Found]]:
    """Parse a batch, or pass on what earlier builds parsed; every benchmark with its shards, and all models,
    since one spelling of an id holds everywhere.
    """
    if isinstance(work, Batch):
        work = _by_benchmark(stage_batch(work, str(Path(build) / STAGING)), benchmarks)
    models = sorted(_models(work))
    return [(name, (work.get(name, []), models)) for name in benchmarks if models or name in work]


def _by_benchmark(shards: Iterable[Shard], wanted: Sequence[str]) -> dict[str, list[Shard]]:
    found: dict[str, list[Shard]] = {}
    for shard in shards:
        if shard.benchmark in wanted:
            found.setdefault(shard.benchmark, []).append(shard)
    return found


def _models(found: Mapping[str, Sequence[Shard]]) -> set[str]:
    """Models of some shards, as the dumps spell them, but those of published lists: they stay as they are."""
    own = (shard for shards in found.values() for shard in shards if not SOURCES[shard.source].published)
    return {model for shard in own for model in shard.models}


def _kept_as(shards: Sequence[Shard], models: Iterable[str], specs: Sequence[SourceSpec]) -> dict[str, str]:
    """The ids of models in some shards that are spelled in another case, by that spelling.

    models: all there are. What a config names a model stands above what dumps do.
    """
    named = (ids.model_id(name) for spec in specs for name in spec.models.values())
    kept = ids.kept_spellings(models, {name for name in named if name})
    return {model: kept[model] for shard in shards for model in shard.models if model in kept}


def _mark(
    benchmark: str,
    shards: Sequence[Shard],
    specs: Sequence[SourceSpec],
    code: str,
    min_share: float,
    kept_as: Mapping[str, str],
) -> str:
    folders = sorted((s.order, s.folder, s.digest) for s in shards)
    said = sorted(specs[0].registry[benchmark].categories.items())
    return fingerprint("assemble", code, benchmark, folders, said, min_share, sorted(kept_as.items()))


def _assemble(
    benchmark: str,
    found: Iterable[Found],
    specs: Sequence[SourceSpec],
    build: str,
    code: str,
    min_share: float,
) -> str:
    """Assemble one benchmark from the shards of all batches, unless the same ones were assembled before."""
    pairs = list(found)
    shards = list(chain.from_iterable(of_benchmark for of_benchmark, _ in pairs))
    if not shards:
        return benchmark
    kept_as = _kept_as(shards, set(chain.from_iterable(models for _, models in pairs)), specs)
    root = Path(build)
    part = root / STAGING / "parts" / benchmark

    def make() -> tuple[Mapping[Path, int], store.JsonObject]:
        tables = root / "tables"
        result = assemble(benchmark, shards, specs, root / STAGING, tables, part, code, min_share, kept_as)
        return result.files, asdict(replace(result, files={}))

    once(root, _mark(benchmark, shards, specs, code, min_share, kept_as), make)
    return benchmark


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


def merge(plan: Plan, build: Path, parts: Mapping[str, Finished]) -> Merged:
    """What the partitions say together. Raises AccountingError."""
    read: Counter[tuple[str, str]] = Counter()
    notes: Counter[tuple[str, str, str]] = Counter()
    inputs: list[str] = []
    sources: dict[int, store.JsonObject] = {}
    quarantines = [QUARANTINE.empty_table()]
    for batch in plan.batches:
        folder = build / STAGING / SHARDS / batch.fingerprint
        facts = read_sealed(folder / RECORD)
        if facts is None:
            raise RuntimeError(f"{folder}: altered by another program while the build ran; build again")
        wanted = {"", *plan.benchmarks}
        spec = batch.spec
        source = sources.setdefault(
            batch.order, {"source": spec.format, **spec.told(), "files": 0, "read": Counter()}
        )
        source["files"] += len(batch.dumps)
        source["read"].update({b: n for b, n in facts["n_read"].items() if b in wanted})
        read.update({(batch.spec.format, b): n for b, n in facts["n_read"].items() if b in wanted})
        for key, n in facts["notes"].items():
            benchmark, _, note = key.partition("/")
            if benchmark in wanted:
                notes[batch.spec.format, benchmark, note] += n
        inputs += [file["sha256"] for file in facts["files"]]
        if (folder / BAD_ROWS).exists():
            table = store.read_file(folder / BAD_ROWS)
            known = pc.is_in(pc.fill_null(table["benchmark"], ""), pa.array(sorted(wanted)))
            quarantines.append(table.filter(known))
    runs = [RUNS.empty_table()]
    for name in parts:
        part = build / STAGING / "parts" / name
        quarantines.append(store.read_file(part / "quarantine.parquet"))
        runs.append(store.read_file(part / "runs.parquet"))
    quarantine = store.sort_rows(pa.concat_tables(quarantines).cast(QUARANTINE))
    all_runs = store.sort_rows(pa.concat_tables(runs).cast(RUNS))
    return Merged(
        all_runs,
        quarantine,
        account(read, parts, quarantine, notes),
        sorted(inputs),
        _bad_costs(notes),
        [{**sources[at], "read": dict(sorted(sources[at]["read"].items()))} for at in sorted(sources)],
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
    models, warnings = models_table(benchmarks_of, config.models, twin_of(scores), config.registry)
    for warning in warnings:
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
    for name, table in (("models", models), ("runs", runs), ("quarantine", merged.quarantine)):
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
        },
    )


def _of_config(config: Config, tokenizer: Tokenizer | None) -> store.JsonObject:
    """What the config says about ingest, without paths."""
    return {
        "sources": [{**spec.settings(), **spec.told()} for spec in config.sources],
        "declared": declared_in(config.registry),
        "models": [
            {"columns": dict(m.columns), "encoding": m.encoding, "sha256": sha256(m.path)}
            for m in config.models
        ],
        "dataset": asdict(config.dataset),
        "tokenizer": tokenizer and tokenizer.told(),
    }


def account(
    read: Mapping[tuple[str, str], int],
    parts: Mapping[str, Finished],
    quarantine: pa.Table,
    notes: Mapping[tuple[str, str, str], int],
) -> list[store.JsonObject]:
    """Accounting rows per source and benchmark (empty where a record's benchmark is unknown).

    joined: the kept ones by what told their documents. costs: as `_costs` has them, where a source tells any.
    Raises AccountingError unless read = kept + superseded + quarantined in every row.
    """
    keys = ["source", "benchmark", "reason"]
    counted = quarantine.group_by(keys).aggregate([("n", "sum")]).select([*keys, "n_sum"])
    reasons = {(s, b or "", r): n for s, b, r, n in zip(*counted.to_pydict().values(), strict=True)}
    rows = []
    for source, benchmark in sorted({*read, *((source, benchmark) for source, benchmark, _ in reasons)}):
        part = parts[benchmark].info if benchmark in parts else {}
        found = {name: part.get(name, {}) for name in ("kept", "superseded", "joined", "notes")}
        noted = {k: n for (s, b, k), n in notes.items() if (s, b) == (source, benchmark)}
        costs = _costs(noted, found["kept"].get(source, 0), part.get("costs", {}).get(source, {}))
        noted = {k: n for k, n in noted.items() if not k.startswith(COST_NOTE)}
        why = {r: n for (s, b, r), n in sorted(reasons.items()) if (s, b) == (source, benchmark)}
        row = {
            "source": source,
            "benchmark": benchmark,
            "read": read.get((source, benchmark), 0),
            "kept": found["kept"].get(source, 0),
            "superseded": found["superseded"].get(source, 0),
            "quarantined": sum(why.values()),
            "reasons": why,
            "joined": {how: found["joined"].get(source, {}).get(how, 0) for how in JOINED_BY},
            "notes": dict(sorted({**noted, **found["notes"].get(source, {})}.items())),
            **({"costs": costs} if costs else {}),
        }
        if alike := part.get("case_alike", {}).get(source):
            row["case_alike"] = alike[:LISTED]
        if row["read"] != row["kept"] + row["superseded"] + row["quarantined"]:
            raise AccountingError(f"records of {source}, {benchmark or 'no benchmark'} do not add up: {row}")
        rows.append(row)
    return rows


def _bad_costs(notes: Iterable[tuple[str, str, str]]) -> list[str]:
    """The first values of every source, benchmark and measure that are no cost."""
    shown: dict[tuple[str, str, str], list[str]] = {}
    for source, benchmark, note in sorted(notes):
        _, measure, what = (*note.split("/", 2), "", "")[:3]
        if note.startswith(COST_NOTE) and what not in (READ, BAD):
            shown.setdefault((source, benchmark, measure), []).append(f"{benchmark}, {measure}: {what}")
    return [line for lines in shown.values() for line in lines[:MAX_TOLD]]


def _costs(noted: Mapping[str, int], scores: int, known: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Per measure that a source tells: scores with a known cost, and without one; values that are no cost."""
    costs: dict[str, dict[str, int]] = {}
    for measure in COST_MEASURES:
        mark, kept = cost_note(measure, ""), known.get(measure, 0)
        told = {note.removeprefix(mark): n for note, n in noted.items() if note.startswith(mark)}
        if READ in told:
            costs[measure] = {"kept": kept, "missing": scores - kept, "bad": told.get(BAD, 0)}
    return costs


@functools.lru_cache(1)
def _plan(context: Context) -> Plan:
    """The plan of one build, which is asked for several times: finding the dumps can take seconds."""
    return plan(context.config)


def _settings(context: Context) -> object:
    """What the config says, and a hash of all dumps: known where the same plan was carried out before."""
    last, now = read_sealed(context.out / PLAN) or {}, _plan(context)
    known = (last.get("plan"), last.get("seen")) == (now.mark, now.seen)
    return [_of_config(context.config, now.tokenizer), last["dumps"]] if known else None


def _run(context: Context) -> Finished:
    return ingest(context.config, _plan(context), context.out, context.runner, check=context.check)


STAGE = Stage("ingest", (), _settings, _run)
