"""Stage `limits`: beside every group, what noise alone reaches and what no group can exceed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.fingerprints import code_fingerprint, fingerprint
from routerset.etl.groups.frozen import Kept, frozen_in, limits_of
from routerset.etl.groups.limits import Scored, limits
from routerset.etl.groups.methods import pool_for
from routerset.etl.groups.tiers import of_tiers
from routerset.etl.groups.twins import named_in
from routerset.etl.manifest import Finished, done, once
from routerset.etl.progress import watch
from routerset.etl.stages.base import Context, Stage, curated_in
from routerset.release.curating.table import pruned_models
from routerset.schemas import store
from routerset.schemas.matrix import read_matrix
from routerset.schemas.splits import subset_sizes
from routerset.schemas.tables import TABLES, Split

READS = ("items", "scores", "splits")
MODEL, SCORE = 8e-4, 3e-7
"""Seconds that the limits of a method take for a model, and for a score, about."""


@dataclass(frozen=True)
class LimitsTask:
    """The limits of one benchmark.

    named, tiered, pruned, kept: as of `GroupTask`, of all methods. inputs: checksums of the tables they
    depend on.
    """

    benchmark: str
    methods: tuple[str, ...]
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
        return fingerprint("limits", asdict(self))

    def path(self, table: str, method: str = "") -> str:
        """File of a table that the task reads or writes, below the build folder."""
        return TABLES[table].path(benchmark=self.benchmark, scheme=self.scheme, method=method)


def write_limits(context: Context) -> Finished:
    """Draw worlds of noise for every benchmark and choose groups there."""
    from routerset.etl.pipeline import parallel_map

    build, tasks = context.out, _tasks(context)
    waiting = [task for task in tasks if done(build, task.mark) is None]
    with watch("limits", len(waiting), lambda: sum(done(build, task.mark) is not None for task in waiting)):
        seconds = sum(_seconds(context, task) for task in waiting)
        parallel_map(waiting, functools.partial(_limit, build=str(build)), context.runner, seconds=seconds)
    finished = [_limit(task, str(build)) for task in tasks]
    return Finished.of([output for one in finished for output in one.outputs], {})


def _seconds(context: Context, task: LimitsTask) -> float:
    """That one process is busy with a task, about."""
    totals = context.finished["ingest"].info["benchmarks"][task.benchmark]
    return float(len(task.methods) * totals["models"] * (MODEL + SCORE * totals["items"]))


def _tasks(context: Context) -> list[LimitsTask]:
    config, digests = context.config, {output.path: output.sha256 for output in context.files(*READS)}
    named, curated = named_in(context), curated_in(context)
    tiered = of_tiers(context.out / TABLES["models"].path(), config.groups.tiers)
    frozen = frozen_in(context)
    kept = () if frozen is None else frozen.groups
    found = []
    for benchmark in context.benchmarks:
        scheme = config.splits.schemes[0]
        paths = [TABLES[table].path(benchmark=benchmark, scheme=scheme) for table in READS]
        found.append(
            LimitsTask(
                benchmark,
                config.groups.methods,
                config.groups.sizes,
                config.splits.seed,
                config.dataset.min_coverage,
                scheme,
                named,
                tiered,
                pruned_models(curated, benchmark),
                tuple(digests[path] for path in paths),
                code_fingerprint(__name__),
                tuple(group for group in kept if group.benchmark == benchmark),
            )
        )
    return found


def _limit(task: LimitsTask, build: str) -> Finished:
    """Carry out a task, unless it is done."""
    root = Path(build)
    return once(root, task.mark, functools.partial(_write, task, root))


def _write(task: LimitsTask, root: Path) -> tuple[Mapping[Path, int], store.JsonObject]:
    """Write the limits of one benchmark."""
    items = pq.read_table(root / task.path("items"), columns=["subset"])
    matrix = read_matrix(root / task.path("scores"), len(items), task.min_coverage, task.pruned)
    splits = pq.read_table(root / task.path("splits"))
    scored = Scored(
        matrix.scores,
        subset_sizes(items["subset"]),
        {side: _items(splits, side) for side in Split},
        task.sizes,
        task.seed,
        {method: pool_for(method, matrix, task.named, task.tiered) for method in task.methods},
    )
    kept = limits_of(task.kept, matrix.scores, matrix.models, scored.sides[Split.TRAIN])
    found = limits(scored, task.methods, kept)
    files = {root / task.path("limits", method): table for method, table in found.items()}
    return {
        path: store.write_table(path, TABLES["limits"].schema, table) for path, table in files.items()
    }, {}


def _items(splits: pa.Table, side: Split) -> np.ndarray:
    """Items of one side, ascending."""
    chosen = splits.filter(pc.equal(splits["split"].cast(pa.string()), side.value))
    return np.asarray(chosen["item"])


def _settings(context: Context) -> object:
    config = context.config
    return config.groups, frozen_in(context), config.dataset.min_coverage, config.splits


STAGE = Stage("limits", ("models", "curated", *READS), _settings, write_limits)
