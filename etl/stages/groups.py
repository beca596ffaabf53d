"""Stages `splits` and `groups`: independent tasks per benchmark, on the tables that `ingest` wrote."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.config import Config, Runner
from routerset.etl.groups.candidates import Group, Skipped, greedy_groups, paper_groups
from routerset.etl.manifest import Stage, code_fingerprint, done, fingerprint, once
from routerset.etl.progress import watch
from routerset.schemas import store
from routerset.schemas.matrix import ScoreMatrix, read_matrix
from routerset.schemas.splits import paper_split, splits_table, subset_sizes
from routerset.schemas.store import Output
from routerset.schemas.tables import GROUPS, SPLITS, Split

GROUPING = (
    "routerset.etl.groups.candidates",
    "routerset.etl.groups.coverage",
    "routerset.etl.groups.greedy",
    "routerset.schemas.matrix",
    "routerset.schemas.splits",
    "routerset.etl.stages.groups",
    "routerset.schemas.store",
)


def fingerprint_of(stage: str, config: Config, outputs: Iterable[Output]) -> str:
    """Fingerprint of a stage. outputs: files of the stages before it; splits depend on items alone."""
    settings = {"splits": config.splits, "groups": (config.groups, config.dataset.min_coverage)}
    inputs = {"splits": "tables/items/", "groups": "tables/"}
    files = [(o.path, o.sha256) for o in outputs if o.path.startswith(inputs[stage])]
    return fingerprint(stage, code_fingerprint(*GROUPING), settings[stage], files)


def partition(table: str, benchmark: str, **keys: str) -> str:
    """Path of a table's partition below the build folder."""
    folders = "".join(f"/{name}={value}" for name, value in keys.items())
    return f"tables/{table}{folders}/benchmark={benchmark}/part-0.parquet"


def splits(config: Config, build: Path, benchmarks: Sequence[str]) -> Stage:
    """Write the splits of every scheme and benchmark."""
    outputs = []
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for benchmark in benchmarks:
        items = pq.read_table(build / partition("items", benchmark), columns=["subset", "family_id"])
        for scheme in config.splits.schemes:
            table = splits_table(scheme, items["family_id"], items["subset"], config.splits.seed)
            path = build / partition("splits", benchmark, scheme=scheme)
            rows = store.write_table(path, SPLITS, table)
            outputs.append(store.describe(build, path, rows))
            sides = table["split"].to_pylist()
            counts.setdefault(scheme, {})[benchmark] = {side.value: sides.count(side.value) for side in Split}
    return Stage("", tuple(sorted(outputs, key=lambda o: o.path)), {"counts": counts})


@dataclass(frozen=True)
class GroupTask:
    """Groups of one benchmark by one method.

    scheme: split whose train side `greedy` sees. inputs: checksums of the tables the groups depend on.
    """

    benchmark: str
    method: str
    sizes: tuple[int, ...]
    seed: int
    min_coverage: float
    scheme: str
    inputs: tuple[str, ...]
    code: str

    @property
    def mark(self) -> str:
        """Name under which the finished task is known again."""
        return fingerprint("groups", asdict(self))


def groups(
    config: Config, build: Path, benchmarks: Sequence[str], outputs: Iterable[Output], runner: Runner
) -> Stage:
    """Choose the candidate groups of every benchmark and method. outputs: of the stages before."""
    from routerset.etl.pipeline import parallel_map

    digests = {output.path: output.sha256 for output in outputs}
    code = code_fingerprint(*GROUPING)
    tasks = [
        GroupTask(
            benchmark,
            method,
            config.groups.sizes,
            config.splits.seed,
            config.dataset.min_coverage,
            config.splits.schemes[0],
            tuple(
                digests[path]
                for path in (
                    partition("items", benchmark),
                    partition("scores", benchmark),
                    partition("splits", benchmark, scheme=config.splits.schemes[0]),
                )
            ),
            code,
        )
        for benchmark in benchmarks
        for method in config.groups.methods
    ]
    waiting = [task for task in tasks if done(build, task.mark) is None]
    with watch("groups", len(waiting), lambda: sum(done(build, task.mark) is not None for task in waiting)):
        together = [[t for t in waiting if t.benchmark == name] for name in benchmarks]
        parallel_map([t for t in together if t], functools.partial(_group, build=str(build)), runner)
    files: list[Output] = []
    info: dict[str, dict[str, store.JsonObject]] = {}
    _group(tasks, str(build))  # what is there already, is looked at again
    for task in tasks:
        finished = done(build, task.mark)
        if finished is None:
            raise RuntimeError(
                f"{task.benchmark}: groups by {task.method} vanished; run the same command again"
            )
        files += finished.outputs
        info.setdefault(task.method, {})[task.benchmark] = finished.info
    return Stage("", tuple(sorted(files, key=lambda o: o.path)), {"groups": info})


def _group(tasks: Sequence[GroupTask], build: str) -> None:
    """Carry out tasks; those of one benchmark that follow each other read its scores once."""
    root = Path(build)
    read = functools.lru_cache(1)(read_matrix)
    for task in tasks:
        once(root, task.mark, functools.partial(_choose, task, root, read))


def _choose(
    task: GroupTask, root: Path, read: Callable[[Path, int, float], ScoreMatrix]
) -> tuple[Mapping[Path, int], store.JsonObject]:
    """Write the groups of one task; what `once` keeps of them."""
    items = pq.read_table(root / partition("items", task.benchmark), columns=["subset"])
    matrix = read(root / partition("scores", task.benchmark), len(items), task.min_coverage)
    sides = pq.read_table(root / partition("splits", task.benchmark, scheme=task.scheme))
    train = sides.filter(pc.equal(sides["split"].cast(pa.string()), Split.TRAIN.value))["item"].to_numpy()
    found, skipped = choose_groups(
        task.method, matrix.scores, task.sizes, subset_sizes(items["subset"]), train, task.seed
    )
    path = root / partition("groups", task.benchmark, method=task.method)
    rows = store.write_table(path, GROUPS, groups_table(found, matrix.models))
    return {path: rows}, {
        "complete_models": len(matrix.models),
        "left_out": matrix.left_out,
        "groups": [f"m{g.m}_{g.kind.value}" for g in found],
        "skipped": [_skip_row(s) for s in skipped],
    }


def choose_groups(
    method: str,
    scores: np.ndarray,
    sizes: Sequence[int],
    subsets: Sequence[int],
    train: np.ndarray,
    seed: int,
) -> tuple[list[Group], list[Skipped]]:
    """Candidate groups by one method, and those that a pool cannot fill.

    scores: (models, items), models by name. subsets: items per subset, in canonical order. train: items
    that `greedy` may look at. seed: of the splits, whose generator draws the paper's groups, too. `greedy`
    starts from the paper's groups, so that none of its groups is worse on train.
    """
    _, rng = paper_split(subsets, seed)
    found, skipped = paper_groups(scores, sizes, rng)
    return greedy_groups(scores, sizes, train, starts=found) if method == "greedy" else (found, skipped)


def _skip_row(skipped: Skipped) -> store.JsonObject:
    return {"m": skipped.m, "kind": skipped.kind.value, "reason": skipped.reason}


def groups_table(found: Sequence[Group], models: Sequence[str]) -> pa.Table:
    """Rows of the groups table. models: ids by row of the score matrix."""
    rows = [
        pa.table(
            {
                "m": pa.repeat(pa.scalar(group.m, pa.int32()), group.m),
                "kind": pa.repeat(pa.scalar(group.kind.value), group.m),
                "rank": pa.array(np.arange(group.m, dtype=np.int32)),
                "model_id": pa.array([models[row] for row in group.rows.tolist()], pa.string()),
            },
            schema=GROUPS,
        )
        for group in found
    ]
    return store.sort_rows(pa.concat_tables([GROUPS.empty_table(), *rows]))
