"""Stage `groups`: candidate groups by every method of the config, independent tasks per benchmark."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.fingerprints import code_fingerprint, fingerprint
from routerset.etl.groups.candidates import groups_table
from routerset.etl.groups.frozen import Kept, frozen_in, joined, rows_of
from routerset.etl.groups.methods import choose, coverage, pool_for
from routerset.etl.groups.tiers import of_tiers, told_of
from routerset.etl.groups.twins import named_in
from routerset.etl.manifest import Finished, done, once
from routerset.etl.progress import watch
from routerset.etl.stages.base import Context, Stage, curated_in
from routerset.release.curating.table import pruned_models
from routerset.schemas import store
from routerset.schemas.matrix import ScoreMatrix, read_matrix
from routerset.schemas.splits import subset_sizes
from routerset.schemas.tables import TABLES, Split

READS = ("items", "scores", "splits")
"""Tables of each benchmark; `models` besides, which tells who stands for twins, and how large models are."""


@dataclass(frozen=True)
class GroupTask:
    """Groups of one benchmark by one method.

    scheme: split whose train side a method sees. named: models that stand for twins; None where all twins are
    to choose from. tiered: models of the tiers that the config names; None for all. pruned: models that
    `[curate]` left out of the pool. inputs: checksums of the tables the groups depend on. kept: groups that
    stay as published.
    """

    benchmark: str
    method: str
    sizes: tuple[int, ...]
    seed: int
    min_coverage: float
    scheme: str
    named: tuple[str, ...] | None
    tiered: tuple[str, ...] | None
    pruned: tuple[str, ...]
    inputs: tuple[str, ...]
    code: str
    kept: tuple[Kept, ...]

    @property
    def mark(self) -> str:
        """Name under which the finished task is known again."""
        return fingerprint("groups", asdict(self))

    def path(self, table: str) -> str:
        """File of a table that the task reads or writes, below the build folder."""
        keys = {"benchmark": self.benchmark, "method": self.method, "scheme": self.scheme}
        return TABLES[table].path(**{key: keys[key] for key in TABLES[table].keys})


def write_groups(context: Context) -> Finished:
    """Choose the candidate groups of every benchmark and method."""
    from routerset.etl.pipeline import parallel_map

    build, tasks = context.out, _tasks(context)
    waiting = [task for task in tasks if done(build, task.mark) is None]
    with watch("groups", len(waiting), lambda: sum(done(build, task.mark) is not None for task in waiting)):
        together = [[t for t in waiting if t.benchmark == name] for name in context.benchmarks]
        work = [part for part in together if part]
        parallel_map(work, functools.partial(_group, build=str(build)), context.runner)
    outputs: list[store.Output] = []
    info: dict[str, dict[str, store.JsonObject]] = {}
    again = _group(tasks, str(build))  # what is there already, is looked at again
    for task, finished in zip(tasks, again, strict=True):
        outputs += finished.outputs
        info.setdefault(task.method, {})[task.benchmark] = finished.info
    frozen = frozen_in(context)
    asked = context.config.groups
    told = {"frozen": frozen.row()} if frozen else {}
    tiers = told_of(context.out / TABLES["models"].path(), asked.tiers)
    if tiers:
        told["tiers"] = tiers
    return Finished.of(outputs, {"groups": info, "twins": asked.twins, **told})


def _tasks(context: Context) -> list[GroupTask]:
    """One task per benchmark and method, those of a benchmark together."""
    config = context.config
    digests = {output.path: output.sha256 for output in context.files(*READS)}
    scheme = config.splits.schemes[0]
    named, curated = named_in(context), curated_in(context)
    tiered = of_tiers(context.out / TABLES["models"].path(), config.groups.tiers)
    frozen = frozen_in(context)
    kept = () if frozen is None else frozen.groups
    found = []
    for benchmark in context.benchmarks:
        for method in config.groups.methods:
            task = GroupTask(
                benchmark,
                method,
                config.groups.sizes,
                config.splits.seed,
                config.dataset.min_coverage,
                scheme,
                named,
                tiered,
                pruned_models(curated, benchmark),
                (),
                code_fingerprint(__name__),
                tuple(group for group in kept if (group.benchmark, group.method) == (benchmark, method)),
            )
            found.append(replace(task, inputs=tuple(digests[task.path(table)] for table in READS)))
    return found


def _group(tasks: Sequence[GroupTask], build: str) -> list[Finished]:
    """Carry out tasks; those of one benchmark that follow each other read its scores once."""
    root = Path(build)
    read = functools.lru_cache(1)(read_matrix)
    return [once(root, task.mark, functools.partial(_choose, task, root, read)) for task in tasks]


def _choose(
    task: GroupTask, root: Path, read: Callable[[Path, int, float, tuple[str, ...]], ScoreMatrix]
) -> tuple[Mapping[Path, int], store.JsonObject]:
    """Write the groups of one task; what `once` keeps of them."""
    items = pq.read_table(root / task.path("items"), columns=["subset"])
    matrix = read(root / task.path("scores"), len(items), task.min_coverage, task.pruned)
    sides = pq.read_table(root / task.path("splits"))
    of = {
        side: sides.filter(pc.equal(sides["split"].cast(pa.string()), side.value))["item"].to_numpy()
        for side in Split
    }
    pool = pool_for(task.method, matrix, task.named, task.tiered)
    counts = subset_sizes(items["subset"])
    kept = rows_of(task.kept, matrix.models)
    chosen = choose(task.method, matrix.scores, task.sizes, counts, of[Split.TRAIN], task.seed, pool)
    found, skipped = joined(kept, *chosen)
    told = coverage(task.method, matrix.scores, found, of, pool)
    path = root / task.path("groups")
    rows = store.write_table(path, TABLES["groups"].schema, groups_table(found, matrix.models))
    return {path: rows}, {
        "complete_models": len(matrix.models),
        "left_out": matrix.left_out,
        "groups": [f"m{g.m}_{g.kind.value}" for g in found],
        "skipped": [{"m": s.m, "kind": s.kind.value, "reason": s.reason} for s in skipped],
        **({"coverage": told} if told else {}),
    }


def _settings(context: Context) -> object:
    config = context.config
    return config.groups, frozen_in(context), config.dataset.min_coverage, config.splits


STAGE = Stage("groups", ("models", "curated", *READS), _settings, write_groups)
